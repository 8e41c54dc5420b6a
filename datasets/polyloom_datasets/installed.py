"""Real text that every Python carries: its reference, its source and its docstrings.

==============  =========================================================================================
python_docs     a document is one topic of the language reference: what `help("break")` prints
python_source   a document is one top-level function or class of a standard module, or the module's head
docstrings      a document is one docstring of a standard module, class or function
==============  =========================================================================================

The text is that of the running Python, so the version is part of `source` and the digest changes with it. A document
that occurs twice is kept once. All three are under the licence of Python itself (PSF-2.0).
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterable
from itertools import chain
from typing import cast

from polyloom_datasets import stdlib
from polyloom_datasets.corpus import Corpus
from polyloom_datasets.errors import DataError


def python_docs(name: str) -> Corpus:
    """The topics of the Python language reference (`pydoc_data.topics`), in alphabetical order.

    Raises:
        DataError: this Python was installed without `pydoc_data`.

    """
    topics = _topics()
    return _corpus(
        name,
        title="The Python reference",
        documents=(topics[topic] for topic in sorted(topics)),
        description="The language reference of Python by topic: statements, expressions, names and types, defined.",
        origin="pydoc_data.topics",
    )


def python_source(name: str) -> Corpus:
    """The functions and classes of `stdlib.SOURCE_MODULES`.

    Raises:
        DataError: this Python was installed without the source of its modules.

    """
    return _corpus(
        name,
        title="The Python standard library, its source",
        documents=chain.from_iterable(stdlib.pieces(stdlib.source(module)) for module in stdlib.SOURCE_MODULES),
        description=f"Functions and classes of {len(stdlib.SOURCE_MODULES)} pure-Python modules, as they are written.",
        origin="the standard library",
    )


def docstrings(name: str) -> Corpus:
    """The docstrings of `stdlib.DOCSTRING_MODULES`; nothing is imported.

    Raises:
        DataError: this Python was installed without the source of its modules.

    """
    return _corpus(
        name,
        title="The Python standard library, its docstrings",
        documents=chain.from_iterable(stdlib.docstrings(stdlib.source(module)) for module in stdlib.DOCSTRING_MODULES),
        description=f"What {len(stdlib.DOCSTRING_MODULES)} modules say about themselves, their classes and functions.",
        origin="the standard library",
    )


def _topics() -> dict[str, str]:
    """The table behind `help`; found here because some distributions leave it out."""
    try:
        module = importlib.import_module("pydoc_data.topics")
    except ImportError:
        raise DataError(
            "python_docs: expected the module pydoc_data.topics, got none in this Python. Install a full Python, or "
            "load 'docstrings' instead."
        ) from None
    return cast("dict[str, str]", module.topics)


def _corpus(name: str, *, title: str, documents: Iterable[str], description: str, origin: str) -> Corpus:
    return Corpus(
        name=name,
        title=title,
        documents=tuple(dict.fromkeys(document.strip("\n") for document in documents)),
        description=description,
        licence="PSF-2.0",
        source=f"{platform.python_implementation()} {platform.python_version()}, {origin}",
    )
