"""Every corpus by name: the table, and `load`.

A corpus is read when it is asked for and then kept: it is a value, so all callers may share it. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache

from polyloom_datasets.corpus import Corpus
from polyloom_datasets.errors import DataError
from polyloom_datasets.installed import docstrings, python_docs, python_source
from polyloom_datasets.public import recipes
from polyloom_datasets.voice import voice

# name → what builds it from that name
_CORPORA: Mapping[str, Callable[[str], Corpus]] = {
    "sea": voice,  # an old mate's sea stories
    "kitchen": voice,  # a cook's notebook
    "contracts": voice,  # leases and supply clauses
    "lullabies": voice,  # verses at bedtime
    "field_guide": voice,  # birds, plants, weather, tracks
    "python_docs": python_docs,  # what help("break") prints
    "python_source": python_source,  # functions and classes of the standard library
    "docstrings": docstrings,  # what its other modules say about themselves
    "tunes": voice,  # dances, chorales, blues and arpeggios, in ABC
}


def names() -> tuple[str, ...]:
    """The names that `load` knows, the five voices first, the tunes last."""
    return tuple(_CORPORA)


def load(name: str) -> Corpus:
    """Return a corpus by its name.

    Args:
        name: one of `names()`.

    Raises:
        DataError: the name is unknown (the message lists the known ones), or this Python lacks the text asked for.

    """
    if name not in _CORPORA:
        raise _unknown(name)
    return _built(name)


@cache
def _built(name: str) -> Corpus:
    return _CORPORA[name](name)


def _unknown(name: str) -> DataError:
    nearest = get_close_matches(name.lower(), names(), n=1)
    guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
    known = ", ".join(names())
    if name in {recipe.name for recipe in recipes()}:
        advice = f"It is not carried but can be fetched: read(fetch({name!r}))"
        return DataError(f"load: expected one of {known}, got {name!r}. {advice}.")
    return DataError(f"load: expected one of {known}, got {name!r}.{guess} For a file of your own: read({name!r}).")
