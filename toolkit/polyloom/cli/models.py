"""Models and prompts of the command line: opened and read with errors that say what to do."""

import os
import sys
from pathlib import Path

from polyloom.cli.output import note
from polyloom.cli.texts import decoded, readable, standard_input
from polyloom.errors import FileError, InputError, VocabularyError
from polyloom.kinds import load
from polyloom.model import LanguageModel
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.tokens.word import WordVocabulary

CONFIG = "config.json"  # what the folder of a model has
LOOK = 512  # bytes that tell a text from a model
SHOWN = 5  # unknown words that a note names


def opened(path: Path) -> LanguageModel:
    """The model in a file or folder; if the file is a text, an InputError that says how to make a model of it."""
    if path.is_dir():
        return _in_folder(path)
    readable(path)
    try:
        return load(path)
    except FileError as error:
        if _is_text(path):
            made = path.with_suffix(".psam")
            raise InputError(f"{path} is a text, no model. Train one on it: polyloom train {path} -o {made}") from error
        raise


def prompt_text(given: str | None) -> str:
    """A prompt as typed, or standard input without its last line break if it is `-` or if there is a pipe instead."""
    piped = sys.stdin is not None and not sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]
    if given == "-" or (given is None and piped):
        return decoded("standard input", standard_input()).replace("\r\n", "\n").removesuffix("\n")
    return decoded("the prompt", os.fsencode(given or ""))  # a terminal may send what is no text


def unknown_words(vocabulary: Vocabulary, prompt: str) -> list[str]:
    """The words of a prompt that are read as `<unk>`, each once; a note names them."""
    found = vocabulary.unknown_words(prompt) if isinstance(vocabulary, WordVocabulary) else []
    if found:
        shown = ", ".join(map(repr, found[:SHOWN])) + (f" and {len(found) - SHOWN} more" if found[SHOWN:] else "")
        note(f"not in the vocabulary, read as <unk>: {shown}")
    return found


def token_of(vocabulary: Vocabulary, name: str) -> int:
    """A token by its piece, or as `predict` shows it; VocabularyError with the nearest pieces if there is none."""
    try:
        return vocabulary.id_of(name)
    except VocabularyError:
        shown = [token for token in range(vocabulary.size) if vocabulary.display(token) == name]
        if len(shown) != 1:
            raise
        return shown[0]


def _in_folder(path: Path) -> LanguageModel:
    """A transformer in the layout of Hugging Face."""
    if not (path / CONFIG).is_file():
        raise InputError(f"{path} is a folder without a {CONFIG}, so it holds no model. Name a model in it.")
    return load(path)


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(LOOK)
    # The last bytes may be the first half of a character.
    return b"\0" not in start and "\ufffd" not in start.decode("utf-8", "replace")[:-1]
