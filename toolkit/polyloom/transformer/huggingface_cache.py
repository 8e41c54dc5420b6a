"""Where a model is: a folder, or a repository id that the local Hugging Face cache holds.

    models--org--name/refs/main         the revision that `main` was when it was fetched
    models--org--name/snapshots/<rev>/  its files

The network is never asked: what is not there is named together with the command that would fetch it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)?", re.ASCII)


def resolve(name: str | os.PathLike[str]) -> Path:
    """The folder of a model; FileNotFoundError saying where it was looked for, and how to get it."""
    if Path(name).is_dir():
        return Path(name)
    if not isinstance(name, str) or not REPOSITORY.fullmatch(name):
        raise FileNotFoundError(f"There is no folder {os.fspath(name)}.")
    looked: list[str] = []
    for cache in _caches():
        repository = cache / f"models--{name.replace('/', '--')}"
        found = _snapshot(repository)
        if found is not None:
            return found
        looked.append(str(repository))
    raise FileNotFoundError(
        f"{name!r} is no folder, and no repository in the Hugging Face cache: looked for refs/main and its snapshot in "
        f"{', '.join(looked)}. Nothing is fetched unasked: `hf download {name}` would."
    )


def _caches() -> Iterator[Path]:
    """The folders that may be the cache, as `huggingface_hub` chooses them; each once."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    own, moved = os.environ.get("HF_HUB_CACHE"), os.environ.get("HF_HOME")
    places = [own, moved and Path(moved) / "hub", home / "hub"]
    yield from dict.fromkeys(Path(place).expanduser() for place in places if place)


def _snapshot(repository: Path) -> Path | None:
    """What `main` was when it was fetched."""
    reference = repository / "refs" / "main"
    if not reference.is_file() or reference.stat().st_size > 200:
        return None
    revision = reference.read_text(encoding="utf-8", errors="replace").strip()
    found = repository / "snapshots" / revision
    return found if re.fullmatch(r"\w+", revision, re.ASCII) and found.is_dir() else None
