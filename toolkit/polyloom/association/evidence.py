"""Evidence: the training lines that a count counted.

A model fitted with `keep_text=True` keeps its tokens, so a count can be opened: the places where these tokens stood at
these offsets before that one.  One pass over the text, in its order; nothing is sampled or ranked.
"""

import numpy as np

from polyloom.association.text import Places, Text
from polyloom.errors import InputError
from polyloom.explanation import Passage
from polyloom.tokens.vocabulary import Vocabulary

CUT = "\ufffd"  # what is left of a character that the edge of a passage cuts in two
BEFORE, AFTER = 8, 6  # tokens of a document shown around the one in question


def passages(
    text: Text | None, vocabulary: Vocabulary, seen: dict[int, int], token: int, chained: bool, limit: int
) -> tuple[Passage, ...]:
    """Up to `limit` places where `token` came and, for each offset of `seen`, that token stood so far before it.

    Raises InputError if the model did not keep its text.
    """
    if text is None:
        raise InputError(
            "This model holds no text. Fit it with keep_text=True to see training lines; "
            "the counts of a & b and of a | b are those of no text."
        )
    places = Places.of(text, vocabulary.sentence_end, vocabulary.size)[: len(text.tokens)]
    look = places.in_order if chained else places.across
    matches = text.tokens == token
    for offset, expected in seen.items():
        matches &= look(offset) == expected
    return tuple(_passage(text, vocabulary, int(at)) for at in np.flatnonzero(matches)[:limit])


def _passage(text: Text, vocabulary: Vocabulary, at: int) -> Passage:
    document = int(np.searchsorted(text.starts, at, side="right")) - 1
    start = max(int(text.starts[document]), at - BEFORE)
    stop = int(text.starts[document + 1]) if document + 1 < len(text.starts) else len(text.tokens)
    tokens = text.tokens[start : min(stop, at + 1 + AFTER)]
    before, upto, shown = (vocabulary.decode(tokens[:end]) for end in (at - start, at - start + 1, len(tokens)))
    word = upto[len(before) :] if upto.startswith(before) else ""
    after = shown[len(upto) :] if shown.startswith(upto) else vocabulary.decode(tokens[at - start + 1 :])
    space = word[: len(word) - len(word.lstrip(" "))]
    piece = vocabulary.pieces[int(text.tokens[at])]
    return Passage(before.lstrip(CUT) + space, piece, after.rstrip(CUT), document)
