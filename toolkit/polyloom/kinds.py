"""The kinds of model that a file may hold, as one table: the name in the manifest, what restores it; and the way in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyloom.association.model import AssociationModel
from polyloom.compose.layered import Layered
from polyloom.errors import FileError, InputError
from polyloom.files import Arrays, read
from polyloom.model import LanguageModel

DEEPEST = 16  # layers of composites inside composites


def load(path: str | os.PathLike[str]) -> LanguageModel:
    """The model that `save` wrote at `path`.

    The header and its digest are checked, the arrays mapped; `polyloom.verify(path)` reads and hashes everything, which
    is wise for a file from somebody else.  Raises FileError, saying what is wrong, for a file that is damaged, cut
    short, foreign or of a future version; FileNotFoundError if there is none.
    """
    manifest, arrays = read(path)
    try:
        return restore(manifest, arrays)
    except (InputError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise FileError(f"{Path(path)} is damaged: what it holds is no model ({error}).") from error


def restore(manifest: dict[str, Any], arrays: Arrays, depth: int = 0) -> LanguageModel:
    """The model of a manifest and its arrays, members included."""
    if depth > DEEPEST:
        raise FileError(f"The file nests composites deeper than {DEEPEST}.")
    kind = manifest.get("kind")
    if kind not in KINDS:
        raise FileError(f"The file holds a model of kind {kind!r}; this Polyloom knows {', '.join(KINDS)}.")
    return KINDS[kind](manifest, arrays, depth)


def _association(manifest: dict[str, Any], arrays: Arrays, depth: int) -> LanguageModel:
    del depth
    return AssociationModel.from_state(manifest, arrays)


def _layered(manifest: dict[str, Any], arrays: Arrays, depth: int) -> LanguageModel:
    members = [restore(member, _below(arrays, f"{n}/"), depth + 1) for n, member in enumerate(manifest["members"])]
    return Layered.from_state(manifest, members)


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


KINDS: dict[str, Callable[[dict[str, Any], Arrays, int], LanguageModel]] = {
    "association": _association,
    "layered": _layered,
}
