"""The source of the standard library, read as text: which modules, where they lie, and how they are cut.

A module is found by its path and parsed with `ast`; none is ever imported, so even `turtle` is safe without a screen.
The two lists are explicit, so the same Python always gives the same text, and disjoint, so mixing the two corpora
counts no line twice. All of them exist in Python 3.11 to 3.14. Each list comes to about 600 kB of text, about as
much as `pydoc_data.topics`.
"""

from __future__ import annotations

import ast
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

from polyloom_datasets.errors import DataError

# Several names a line: one a line would bury the module.
# fmt: off
# Read for their code: short functions, plain names, few platform details.
SOURCE_MODULES = (
    "bisect", "calendar", "collections", "contextlib", "copy", "csv", "dataclasses", "difflib", "filecmp",
    "fnmatch", "fractions", "functools", "graphlib", "heapq", "html.parser", "json.decoder", "json.encoder",
    "operator", "pprint", "queue", "random", "reprlib", "sched", "shlex", "statistics", "textwrap", "timeit",
    "tokenize", "weakref",
)

# Read for what they say about themselves.
DOCSTRING_MODULES = (
    "_pydecimal", "argparse", "ast", "asyncio.base_events", "asyncio.events", "asyncio.locks", "asyncio.queues",
    "asyncio.streams", "asyncio.tasks", "base64", "bdb", "cmd", "codecs", "concurrent.futures._base", "doctest",
    "email._header_value_parser", "email.message", "email.policy", "fileinput", "ftplib", "gettext", "http.client",
    "http.cookiejar", "imaplib", "inspect", "ipaddress", "locale", "mailbox", "os", "optparse", "pickle",
    "pickletools", "platform", "shutil", "smtplib", "socket", "socketserver", "subprocess", "tarfile", "threading",
    "turtle", "typing", "unittest.case", "unittest.mock", "urllib.parse", "urllib.request", "uuid", "warnings",
    "xml.etree.ElementTree", "zipfile",
)
# fmt: on

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def source(module: str) -> str:
    """Return the text of a standard module, decoded as Python would.

    Args:
        module: a dotted name; a package stands for its `__init__.py`.

    Raises:
        DataError: this Python was installed without that source.

    """
    place = Path(sysconfig.get_path("stdlib"), *module.split("."))
    for path in (place.parent / f"{place.name}.py", place / "__init__.py"):
        if path.is_file():
            with tokenize.open(path) as file:
                return file.read()
    advice = "Use a full Python: this one carries compiled modules only"
    raise DataError.at(place, expected=f"the source of the standard module {module!r}", got="none", advice=advice)


def pieces(source: str) -> Iterator[str]:
    """Cut a module before each of its top-level functions and classes.

    A piece is one definition with its decorators, the comment right above it, and what follows until the next; the
    first piece is the head of the module (its docstring, imports and constants). Together they hold every line of it
    but blank ones between them.
    """
    lines = source.split("\n")  # not splitlines: `ast` does not count form feeds as line ends
    starts = [_first_line(node, lines) for node in ast.parse(source).body if isinstance(node, _DEFINITIONS)]
    for start, end in zip([0, *starts], [*starts, len(lines)], strict=True):
        if piece := "\n".join(lines[start:end]).strip("\n\f "):
            yield piece


def docstrings(source: str) -> Iterator[str]:
    """Yield the docstrings of a module, its classes and its functions in source order, their indentation removed."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Module, *_DEFINITIONS))]
    for node in sorted(nodes, key=lambda node: 0 if isinstance(node, ast.Module) else node.lineno):
        if text := (ast.get_docstring(node) or "").strip():
            yield text


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, lines: list[str]) -> int:
    """Index of the line where a definition begins, its decorators and the comment above included."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    return first
