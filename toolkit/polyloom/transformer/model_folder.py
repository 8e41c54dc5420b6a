"""A model folder on the disk: tables of JSON, files that stay inside, and the way to replace one folder by another.

Nothing of a folder is believed before it is checked: a table has at most 16 MB, a file that it names is a plain name in
the same folder, and a link may lead only to where the Hugging Face cache keeps what its snapshots show.  No code from a
folder is run, so `*.py` and `auto_map` mean nothing here.

A folder is written beside its place and takes the name when it is complete, so that who writes over a model never
leaves half of one.  What belongs to no model (a README, notes) is carried over; a folder of no model is not replaced.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, cast

from polyloom.errors import FileError
from polyloom.files import folder_of

LIMIT = 16 * 2**20  # bytes of a table: the index of a model of a million tensors fits

# What a model's own files are called: the next model that is saved in the same place does away with them.
OWN = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocabulary.safetensors",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.*",
)


def read_table(path: Path) -> dict[str, Any]:
    """The JSON object of a file; FileError if it is something else, or too large."""
    if not path.is_file():
        raise FileError(
            f"There is no {path.name} in {path.parent}, so it is no model folder. It holds {_listed(path)}."
        )
    size = path.stat().st_size
    if size > LIMIT:
        raise FileError(f"{path} takes {size:,} bytes; a table of a model has at most {LIMIT:,}.")
    try:
        found = json.loads(path.read_bytes(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is damaged: it is not JSON ({error}). Fetch or save the folder again.") from None
    if not isinstance(found, dict):
        raise FileError(f"{path} is damaged: expected a JSON object, found {type(found).__name__}.")
    return cast("dict[str, Any]", found)


def write_table(path: Path, table: dict[str, Any]) -> None:
    """A JSON object, readable by people."""
    path.write_text(json.dumps(table, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def inside(folder: Path, name: object) -> Path:
    """The file of that name in a folder; FileError if the name, or a link, leads out of it."""
    if not isinstance(name, str) or not name or name in (".", "..") or any(sign in name for sign in "/\\:\0"):
        raise FileError(f"{folder} names the file {name!r}; expected the name of a file in the same folder, no path.")
    found, home = (folder / name).resolve(), folder.resolve()
    homes = [home, home.parents[1] / "blobs"] if home.parent.name == "snapshots" else [home]
    if not any(found.is_relative_to(place) for place in homes):
        raise FileError(f"{folder / name} is a link that leads out of its folder, to {found}. Copy that file here.")
    return folder / name


@contextlib.contextmanager
def replacing_folder(place: Path, own: tuple[str, ...] = OWN, sign: str = "config.json") -> Generator[Path]:
    """An empty folder that takes the name `place` when the block ends well, and is gone when it does not.

    A folder of the same kind, which has the file `sign` and weights, is replaced; files that are not called as one of
    `own` are carried over.  Raises FileError if something else is in its place.
    """
    place = place.resolve()
    fresh = Path(tempfile.mkdtemp(dir=folder_of(place), prefix=f".{place.name}."))
    try:
        _replaceable(place, sign)
        yield fresh
        _carry_over(place, fresh, own)
        fresh.chmod(0o755)
        _flush(fresh.iterdir())
        _swap(fresh, place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _replaceable(place: Path, sign: str) -> None:
    if place.is_dir():
        names = sorted(path.name for path in place.iterdir())
        if names and not (sign in names and any(fnmatch(name, "*.safetensors") for name in names)):
            raise FileError(f"{place} is a folder, but of no model: it holds {_listed(place)}. Choose another name.")
    elif place.exists():
        raise FileError(f"{place} is a file, and a model is a folder. Choose another name, or remove it.")


def _carry_over(place: Path, fresh: Path, own: tuple[str, ...]) -> None:
    """What lies in the old folder and is no part of its model, nor of the new one."""

    def left(folder: str, names: list[str]) -> set[str]:
        if Path(folder) != place:
            return set()
        return {name for name in names if (fresh / name).exists() or any(fnmatch(name, mine) for mine in own)}

    if place.is_dir():
        shutil.copytree(place, fresh, symlinks=True, ignore=left, copy_function=_linked, dirs_exist_ok=True)


def _linked(source: str, target: str) -> None:
    """The same file under another name, without a copy where the disk can do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _flush(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _swap(fresh: Path, place: Path) -> None:
    if not place.exists():
        fresh.rename(place)
        return
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.", ignore_cleanup_errors=True) as aside:
        old = place.rename(Path(aside) / place.name)
        try:
            fresh.rename(place)
        except BaseException:
            old.rename(place)
            raise


def _listed(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    return ", ".join(names[:8] + ["…"] * (len(names) > 8)) or "nothing"
