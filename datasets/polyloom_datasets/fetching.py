"""Fetch a public corpus once, and know ever after that it is the right one.

::

    path = fetch("tinyshakespeare")       # the network is used here, and nowhere else in the project
    documents = tuple(read(path))

A file stands under its own name only when it is whole and its SHA-256 is the recipe's; until then it is called
`NAME.partial`, and the next call goes on from there, also after Ctrl-C or a crash. A file that is there already is
compared each time, so damage is found. Another file of that name is never replaced without `force`.

Files go to the cache folder that the system has for each user, or to one you name. Two processes that fetch the same
corpus do it one after the other, and the second finds it there.
"""

from __future__ import annotations

import hashlib
import os
from os import PathLike
from pathlib import Path

from polyloom_datasets import public
from polyloom_datasets.alone import alone
from polyloom_datasets.errors import DataError
from polyloom_datasets.progress import Progress
from polyloom_datasets.recipe import Recipe

TIMEOUT = 30.0  # seconds of silence from a server
_FORCE = ", or fetch with force to replace it"


def fetch(
    corpus: str | Recipe,
    folder: str | PathLike[str] | None = None,
    *,
    offline: bool = False,
    force: bool = False,
    timeout: float = TIMEOUT,
) -> Path:
    """Return the file of a public corpus, downloading it if it is not there yet.

    Args:
        corpus: one of the names in `recipes()`, or a recipe of your own.
        folder: where the file belongs; by default the cache folder of the user.
        offline: use what is there; the network is not touched.
        force: replace another file of the same name.
        timeout: how many seconds the server may be silent.

    Returns:
        The path of a file whose SHA-256 is the recipe's, for `read`.

    Raises:
        DataError: the name is unknown, the corpus is not there and `offline` is set, another file is in its place,
            the server does not have it or keeps breaking off, or what came is something else.
        OSError: the folder cannot be written to, or the disk is full.

    """
    recipe = _recipe(corpus)
    path = _place(recipe, folder)
    if _is_right(path, recipe):
        return path
    if offline:
        raise _absent(recipe, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path.with_name(f".{path.name}.lock")):
        if not _is_right(path, recipe):  # another process may have brought it meanwhile
            _check_free(path, recipe, force)
            _bring(recipe, path, timeout)
    return path


def fetched(corpus: str | Recipe, folder: str | PathLike[str] | None = None) -> Path | None:
    """The file of a public corpus if it is there, whole and unchanged; None otherwise.  Touches no network."""
    recipe = _recipe(corpus)
    path = _place(recipe, folder)
    return path if _is_right(path, recipe) else None


def _recipe(corpus: str | Recipe) -> Recipe:
    return corpus if isinstance(corpus, Recipe) else public.named(corpus)


def _place(recipe: Recipe, folder: str | PathLike[str] | None) -> Path:
    if folder is not None:
        return Path(folder).expanduser() / recipe.file
    import platformdirs

    return platformdirs.user_cache_path("polyloom", appauthor=False) / "data" / recipe.file


def _is_right(path: Path, recipe: Recipe) -> bool:
    return path.is_file() and path.stat().st_size == recipe.size and _sha256(path) == recipe.sha256


def _check_free(path: Path, recipe: Recipe, force: bool) -> None:
    """What is there already is not the corpus: only a file may be replaced, and only if that is wanted."""
    if path.is_dir() or (path.exists() and not force):
        got = "a folder" if path.is_dir() else f"another file of {path.stat().st_size:,} bytes"
        expected = f"{recipe.title} ({recipe.size:,} bytes, SHA-256 {recipe.sha256[:8]}…) or no file"
        raise DataError.at(path, expected=expected, got=got, advice=f"Move it away{'' if path.is_dir() else _FORCE}")


def _bring(recipe: Recipe, path: Path, timeout: float) -> None:
    """Download, compare, and only then give the file its name."""
    from polyloom_datasets.download import download  # here alone: importing it loads Python's whole network stack

    partial = path.with_name(f"{path.name}.partial")
    with Progress(recipe.name, recipe.size) as bar:
        download(recipe.url, recipe.size, partial, bar, timeout)
    digest = _sha256(partial)
    if digest != recipe.sha256:
        partial.unlink()
        advice = "It was removed: fetch again, and if that fails too, the address has another file now"
        expected, got = f"SHA-256 {recipe.sha256[:16]}…", f"{digest[:16]}…"
        raise DataError.at(recipe.url, expected=expected, got=got, advice=advice)
    _flush(partial)
    partial.replace(path)


def _absent(recipe: Recipe, path: Path) -> DataError:
    got = "another file" if path.exists() else "none"
    advice = f"Fetch it while there is a network, or put the file from {recipe.url} there"
    return DataError.at(path, expected=f"{recipe.title} from an earlier fetch", got=got, advice=advice)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """See to it that the bytes are on the disk before the name is."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
