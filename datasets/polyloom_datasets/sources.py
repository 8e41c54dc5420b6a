r"""Turn what a person names (a file, a folder, a pattern, or several) into the files to read, in a fixed order.

==========  ============================================================================================
a file      itself; its suffix must be a known one
a folder    every file below it with a known suffix, sorted by path; hidden files and folders are skipped
a pattern   what `glob` finds with `*`, `?`, `[...]` and `**`, sorted; every file must have a known suffix
several     each in the given order
==========  ============================================================================================

A name that exists is never read as a pattern, so `notes[1].txt` can be opened. Whatever is named twice is read once.
Nothing is opened here: a wrong name is found before the first document, not after the thousandth.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TypeAlias, cast

from polyloom_datasets.errors import DataError

Source: TypeAlias = str | PathLike[str] | Iterable[str | PathLike[str]]


def find(source: Source, suffixes: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files that a source names, each once, in order.

    Args:
        source: a path, a folder, a glob pattern, or an iterable of these.
        suffixes: the known suffixes in lower case, with their dot.

    Raises:
        DataError: nothing is there, nothing matches, a suffix is unknown, or the source is empty.
        TypeError: the source holds something that is not a path.

    """
    files: dict[Path, Path] = {}  # where it really is → as it was named
    for name in _each(source):
        for file in _files(_path(name), suffixes):
            files.setdefault(file.resolve(), file)
    if not files:
        raise DataError("read: expected a file, a folder, a pattern or several of them, got none. Name a file.")
    return tuple(files.values())


def _each(source: object) -> Iterator[object]:
    if isinstance(source, (str, bytes, PathLike)) or not isinstance(source, Iterable):
        yield source
    else:
        yield from source


def _path(name: object) -> Path:
    if not isinstance(name, (str, PathLike)):
        raise TypeError(f"read: expected a file, a folder or a pattern, got {type(name).__name__}. Pass str or Path.")
    text = os.fspath(cast("str | PathLike[str]", name))
    if not text:  # Path("") would be the current folder
        raise DataError("read: expected a file, a folder or a pattern, got ''. Pass a name such as 'notes.txt'.")
    return Path(text)


def _files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    try:
        path = path.expanduser()
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError, RuntimeError) as error:  # no such name, a NUL in it, no such home
        if glob.has_magic(str(path)):
            return _matches(path, suffixes)
        raise _missing(path, error) from None
    return _inside(path, suffixes) if is_folder else [_known(path, suffixes)]


def _matches(pattern: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True))  # noqa: PTH207 (absolute patterns)
    files = [_known(path, suffixes) for path in found if not path.is_dir()]
    if not files:
        raise DataError.at(
            pattern,
            expected="at least one file that matches",
            got="none",
            advice=f"Check the pattern; it was looked up from {Path.cwd()}",
        )
    return files


def _inside(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    files: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # .git, .ipynb_checkpoints
        visible = (Path(root, name) for name in names if not name.startswith("."))
        files += (path for path in visible if path.suffix.lower() in suffixes)
    if not files:
        expected, got = f"a folder with files that end in {', '.join(suffixes)}", "none below it"
        raise DataError.at(folder, expected=expected, got=got, advice="Put text there or name another folder")
    return sorted(files)


def _known(path: Path, suffixes: tuple[str, ...]) -> Path:
    if path.suffix.lower() in suffixes:
        return path
    got = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
    advice = "Rename it if it is plain text, or name other files"
    raise DataError.at(path, expected=f"a file that ends in {', '.join(suffixes)}", got=got, advice=advice)


def _missing(path: Path, error: Exception) -> DataError:
    name = str(path)
    if len(name) > 200 or "\n" in name:
        got, advice = "what looks like the text itself", "Text needs no reading: use [text] as documents"
        return DataError.at(f"{name[:40]!r}…", expected="a file, a folder or a pattern", got=got, advice=advice)
    got = (error.strerror if isinstance(error, OSError) else None) or str(error)
    advice = f"Check the name; it was looked up from {Path.cwd()}"
    return DataError.at(path, expected="a file, a folder or a pattern", got=got, advice=advice)
