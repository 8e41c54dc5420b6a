"""What a vocabulary from elsewhere needs beside its own pieces: a name for every row, and which piece ends a sequence.

A model's embedding often has more rows than its tokenizer has pieces (a round number computes faster), and the ids of a
tokenizer may leave gaps.  Rows without a piece are named `<unused 151670>`; no text is cut into them, and `decode`
drops them.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from polyloom.errors import VocabularyError
from polyloom.whole import whole

MOST = 1 << 24  # rows; a hundred times what the largest vocabularies have, and soon listed
ENDS = (  # the names that tokenizers give to the end of a sequence; the first that is there counts
    *("</s>", "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<eos>", "<|end|>", "<end_of_turn>"),
    *("<|eos|>", "[EOS]", "[SEP]"),
)


def named(found: Sequence[str | None], size: int | None) -> tuple[str, ...]:
    """`found`, with a name for each gap (None), and for as many rows more as make `size`.

    Raises VocabularyError if `size` is too small or too large, or if a name stands twice.
    """
    rows = whole("size", len(found) if size is None else size, 0)
    if not len(found) <= rows <= MOST:
        raise VocabularyError(f"This tokenizer has {len(found)} pieces; size must be that or more, got {rows}.")
    taken = {name for name in found if name is not None}
    if len(taken) < len(found) - found.count(None):
        twice = next(name for id, name in enumerate(found) if name is not None and name in found[:id])
        raise VocabularyError(f"The tokenizer has two pieces {twice!r}, so neither can be found by its name.")
    given = [*found, *[None] * (rows - len(found))]
    return tuple([_unused(id, taken) if name is None else name for id, name in enumerate(given)])


def end_among(pieces: Sequence[str], given: str | None) -> str | None:
    """The name of the piece that ends a sequence: `given`, else a usual one; VocabularyError if it is missing."""
    if given is None:
        there = set(pieces)
        return next((name for name in ENDS if name in there), None)
    if given not in pieces:
        near = get_close_matches(given, pieces, n=3)
        hint = f" Nearest: {', '.join(map(repr, near))}." if near else ""
        raise VocabularyError(f"No piece {given!r} is there to end a sequence.{hint}")
    return given


def _unused(id: int, taken: set[str]) -> str:
    name = f"<unused {id}>"
    while name in taken:
        name = f"<{name}>"
    return name
