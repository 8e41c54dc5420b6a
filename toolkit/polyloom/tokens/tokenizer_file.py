"""What Polyloom asks of a `tokenizer.json`, the file of the Hugging Face `tokenizers` library, and how it opens one.

The library is compiled, and raises all sorts of errors on damaged files, Rust panics among them; here they all become
VocabularyError.  Nothing in a file is run.  A tokenizer is opened so that it gives the ids of the text and no others:
no template around them, nothing cut off or filled up, no chance in the cuts, and special tokens that stand in a text
are characters.

The last holds for tokens that the library looks up before it cuts.  Some models could still cut a text into the same
piece (a unigram model that lists `</s>`); `blind` gives the tokenizer without the names in question.
"""

import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from polyloom._compat import need
from polyloom.errors import VocabularyError
from polyloom.tokens.rows import MOST

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LIMIT = 64 * 2**20  # bytes; twice what the largest ones take
Result = TypeVar("Result")


def opened(content: bytes) -> "Tokenizer":
    """The tokenizer of a file's content; VocabularyError if there is none in it."""
    tokenizers = need("tokenizers", "torch", "A tokenizer.json")
    if len(content) > LIMIT:
        raise VocabularyError(f"A tokenizer.json may take {LIMIT:,} bytes, this one takes {len(content):,}.")
    tokenizer: Tokenizer = guarded("is no tokenizer.json", lambda: tokenizers.Tokenizer.from_buffer(content))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    if getattr(tokenizer.model, "dropout", None) is not None:
        tokenizer.model.dropout = None
    return tokenizer


def guarded(fault: str, call: Callable[[], Result]) -> Result:
    """The result of a call into the library; whatever it raises becomes a VocabularyError that says what is wrong."""
    try:
        return call()
    except Exception as error:  # the library raises bare Exception
        raise VocabularyError(f"The tokenizer {fault}: {str(error)[:200]}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust, which derives from BaseException
            raise
        raise VocabularyError(f"The tokenizer {fault}: {str(error)[:200]}") from error


def names_of(tokenizer: "Tokenizer") -> list[str | None]:
    """The name of each id, in order; None where the ids leave a gap."""
    size = tokenizer.get_vocab_size()
    found: list[str | None] = [tokenizer.id_to_token(id) for id in range(size)]
    if None not in found:
        return found
    ids = tokenizer.get_vocab()
    last = max(ids.values())
    if last >= MOST:
        raise VocabularyError(f"The tokenizer has a piece with the id {last:,}; the last id may be {MOST - 1:,}.")
    names = {id: name for name, id in ids.items()}
    return [names.get(id) for id in range(last + 1)]


def added_to(tokenizer: "Tokenizer") -> dict[int, bool]:
    """The tokens that stand beside the model's own pieces, written out as they are; whether each is special."""
    return {id: token.special for id, token in tokenizer.get_added_tokens_decoder().items()}


def unknown_of(tokenizer: "Tokenizer", content: bytes) -> str | None:
    """The name of the piece for what the tokenizer lacks."""
    if hasattr(tokenizer.model, "unk_token"):
        return tokenizer.model.unk_token
    id: int | None = json.loads(content)["model"].get("unk_id")  # a unigram model has an id, and shows it nowhere else
    return None if id is None else tokenizer.id_to_token(id)


def begin_of(tokenizer: "Tokenizer") -> int | None:
    """The id that the tokenizer's template puts before a text."""

    def opening() -> int | None:
        plain, whole = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
        return whole[0] if len(whole) > len(plain) and whole[:1] != plain[:1] else None

    return guarded("cannot read a text", opening)


def decoder_of(tokenizer: "Tokenizer") -> dict[str, Any]:
    """How the tokenizer puts pieces together, as its file says it."""
    return {} if tokenizer.decoder is None else json.loads(tokenizer.decoder.__getstate__())


def blind(content: bytes, hidden: Collection[str]) -> "Tokenizer":
    """The same tokenizer, ids and all, with other names for `hidden` ones, so that no text is cut into them."""
    data: dict[str, Any] = json.loads(content)
    model = data["model"]
    masks = {name: f"\ufdd0{number}\ufdd1" for number, name in enumerate(sorted(hidden))}  # no characters of any text
    if isinstance(model["vocab"], dict):
        model["vocab"] = {masks.get(name, name): id for name, id in model["vocab"].items()}
    else:
        model["vocab"] = [[masks.get(name, name), score] for name, score in model["vocab"]]
    if model.get("unk_token") in masks:
        model["unk_token"] = masks[model["unk_token"]]
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if masks.keys().isdisjoint(_parts(merge))]
    for token in data.get("added_tokens") or ():
        token["content"] = masks.get(token["content"], token["content"])
    return opened(json.dumps(data | {"post_processor": None}).encode())


def _parts(merge: str | list[str]) -> tuple[str, ...]:
    """What a merge takes, and what it makes; older files write both parts as one string."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second, first + second
