"""A voice: a small original corpus that this project wrote for its mixing desk.

Each is a pair of files in `voices/`. `NAME.txt` holds the documents, exactly as `read` sees them (a document is a
paragraph or a verse); `NAME.toml` is the card: `title`, `description`, `licence`, `source`, `language`, `quotation`,
all strings, all required. The quotation is a sentence of the text.

The files are opened when a voice is asked for, never at import.
"""

from __future__ import annotations

import tomllib
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

from polyloom_datasets.corpus import Corpus
from polyloom_datasets.errors import DataError
from polyloom_datasets.reading import read

_CARD = {"title", "description", "licence", "source", "language", "quotation"}


def voice(name: str) -> Corpus:
    """Read one voice from the package.

    Args:
        name: the stem of its two files ("sea").

    Raises:
        DataError: a file is missing or damaged, or the card has missing, unknown or empty entries.

    """
    folder = files("polyloom_datasets") / "voices"
    with as_file(folder / f"{name}.txt") as text:
        documents = tuple(read(text))
    return Corpus(name=name, documents=documents, **_card(folder / f"{name}.toml"))


def _card(file: Traversable) -> dict[str, str]:
    """The entries of a card; all of `_CARD`, nothing else, none blank."""
    try:
        entries: dict[str, object] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError.at(
            str(file), expected="a card in TOML", got=str(error), advice="Reinstall polyloom or mend the file"
        ) from None
    card = {name: text for name, text in entries.items() if isinstance(text, str) and text.strip()}
    if set(card) != _CARD or set(entries) != _CARD:
        expected = f"text for exactly {', '.join(sorted(_CARD))}"
        faults = ", ".join(sorted(_CARD ^ set(card) | set(entries) - set(card)))
        raise DataError.at(str(file), expected=expected, got=f"a difference in {faults}", advice="Mend the card")
    return card
