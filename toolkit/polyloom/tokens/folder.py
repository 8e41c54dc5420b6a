"""The vocabulary of a model's folder: which files say how its text is cut, and how one is written for others to read.

    vocabulary.safetensors    one of our own kinds that no other program knows, as `Vocabulary.state` gives it
    tokenizer.json            a tokenizer of the Hugging Face `tokenizers` library
    tokenizer.model           a SentencePiece model, ours or somebody else's
    tokenizer_config.json     beside the last two: the piece that ends a sequence, the one that opens every text

The first that is there counts, so a folder that `write_tokenizer` wrote gives back an equal vocabulary.  Nothing that
stands in a folder is run.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from polyloom.errors import FileError, VocabularyError
from polyloom.files import read, replacing, write
from polyloom.tokens.foreign import ForeignVocabulary
from polyloom.tokens.foreign_sentencepiece import ForeignSentencePieceVocabulary
from polyloom.tokens.modelproto import read as read_pieces
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.tokens.sentencepiece_training import FRAME
from polyloom.tokens.vocabulary import Vocabulary

OWN, JSON, MODEL, CONFIG = "vocabulary.safetensors", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"
LIMIT = 64 * 2**20  # bytes of any of them
Opening = int | None | Literal["as the tokenizer says"]


def read_tokenizer(folder: str | os.PathLike[str], rows: int | None = None) -> Vocabulary:
    """The vocabulary of a folder, with a piece for each of the `rows` of a model's embedding.

    A vocabulary of our own kinds stays as it is: the model may have rows beyond it.  Raises FileError if there is none,
    if what there is is damaged, or if it has more pieces than there are rows.
    """
    place = Path(folder)
    for name, reader in READERS.items():
        if (place / name).is_file():
            try:
                found = reader(place / name, rows)
            except VocabularyError as error:
                raise FileError(f"{place / name} cannot be used: {error}") from error
            if rows is not None and found.size > rows:
                raise FileError(f"{place / name} has {found.size} pieces, more than the {rows} rows of the model.")
            return found
    raise FileError(
        f"{place} holds no tokenizer: looked for {', '.join(READERS)}. For older files (vocab.json and merges.txt, "
        f"vocab.txt), open it once with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
    )


def write_tokenizer(
    vocabulary: Vocabulary, folder: str | os.PathLike[str], begin: Opening = "as the tokenizer says"
) -> None:
    """Write a vocabulary into a folder that is there, in the place of any other that the folder holds.

    `begin` is the id that opens every text, which `begins_with` then gives; None for no such id.  Left out, the
    tokenizer's own template stays in force.
    """
    place = Path(folder)
    if isinstance(vocabulary, ForeignVocabulary):
        _write(place / JSON, vocabulary.json)
        _write_config(place, vocabulary, begin, "PreTrainedTokenizerFast")
        kept = {JSON, CONFIG}
    elif isinstance(vocabulary, SentencePieceVocabulary | ForeignSentencePieceVocabulary):
        _write(place / MODEL, vocabulary.model_bytes)
        _write_config(place, vocabulary, begin, "LlamaTokenizer")
        kept = {MODEL, CONFIG}
    else:
        write(place / OWN, *vocabulary.state())
        kept = {OWN}
    for name in {OWN, JSON, MODEL, CONFIG} - kept:
        (place / name).unlink(missing_ok=True)


def begins_with(folder: str | os.PathLike[str], vocabulary: Vocabulary | None = None) -> int | None:
    """The id that the folder's tokenizer puts before every text, or None.

    What `add_bos_token` in tokenizer_config.json says counts before the tokenizer's own template; a foreign
    SentencePiece model, which has no template, opens texts with its `<s>` unless that says no.  `vocabulary` is the
    folder's, if it was read already.
    """
    found = read_tokenizer(folder) if vocabulary is None else vocabulary
    if not isinstance(found, ForeignVocabulary | ForeignSentencePieceVocabulary):
        return None
    config = _config(Path(folder))
    said, name = config.get("add_bos_token"), _name(config, "bos_token")
    if said is False:
        return None
    if said is not True or name is None:
        return found.begin
    if name not in found.pieces:
        raise FileError(f"{CONFIG} opens texts with {name!r}, which is no piece of {found!r}.")
    return found.id_of(name)


def _own(path: Path, rows: int | None) -> Vocabulary:
    del rows
    return Vocabulary.from_state(*read(path))


def _json(path: Path, rows: int | None) -> Vocabulary:
    return ForeignVocabulary(_content(path), rows, _name(_config(path.parent), "eos_token"))


def _model(path: Path, rows: int | None) -> Vocabulary:
    content = _content(path)
    try:
        ours = read_pieces(content)[1][: len(FRAME)] == FRAME
    except ValueError as error:
        raise VocabularyError(f"its {len(content)} bytes are no SentencePiece model ({error}).") from error
    if ours:
        return SentencePieceVocabulary(content)
    return ForeignSentencePieceVocabulary(content, rows, _name(_config(path.parent), "eos_token"))


READERS: dict[str, Callable[[Path, int | None], Vocabulary]] = {OWN: _own, JSON: _json, MODEL: _model}


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    if size > LIMIT:
        raise FileError(f"{path} takes {size:,} bytes; at most {LIMIT:,} are read.")
    return path.read_bytes()


def _config(folder: Path) -> dict[str, Any]:
    """What tokenizer_config.json says; nothing if it is not there."""
    path = folder / CONFIG
    if not path.is_file():
        return {}
    try:
        found = json.loads(_content(path))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is damaged: it is not JSON ({error}).") from None
    if not isinstance(found, dict):
        raise FileError(f"{path} is damaged: it is not a table.")
    return cast("dict[str, Any]", found)


def _name(config: dict[str, Any], key: str) -> str | None:
    """The name of a piece in a config: a str, or a table that holds it."""
    given = config.get(key)
    name = cast("dict[str, Any]", given).get("content") if isinstance(given, dict) else given
    if name is not None and not isinstance(name, str):
        raise FileError(f"{CONFIG}: {key} must name a piece, is {given!r}.")
    return name


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)


def _write_config(folder: Path, vocabulary: Vocabulary, begin: Opening, kind: str) -> None:
    config: dict[str, Any] = {"tokenizer_class": kind}
    for key, name in (("eos_token", vocabulary.end_name), ("unk_token", vocabulary.unknown_name)):
        if name in vocabulary.pieces:
            config[key] = name
    if begin != "as the tokenizer says":
        config["add_bos_token"] = begin is not None
    if isinstance(begin, int):
        config["bos_token"] = vocabulary.pieces[begin]
    _write(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False).encode() + b"\n")
