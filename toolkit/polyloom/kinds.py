"""The kinds of model that a file may hold, as one table: the name in the manifest, what restores it; and the way in."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polyloom._later import later
from polyloom.association.model import AssociationModel
from polyloom.association.position.model import PositionModel
from polyloom.compose.algebra import Difference, Intersection
from polyloom.compose.composite import Composite
from polyloom.compose.contrast import Avoiding, Contrast
from polyloom.compose.ensemble import Ensemble
from polyloom.compose.gated import Gated
from polyloom.compose.laned import Laned
from polyloom.compose.layered import Layered
from polyloom.compose.rejecting import Rejecting
from polyloom.compose.routed import Routed
from polyloom.compose.sequenced import Sequenced
from polyloom.errors import FileError, InputError
from polyloom.files import DEEPEST, Arrays, read, referenced
from polyloom.model import LanguageModel


@dataclass(frozen=True)
class Nest:
    """Where a model is read: in which file, inside how many composites, below which files; and what was read so far."""

    path: Path
    depth: int = 0
    above: tuple[Path, ...] = ()
    known: dict[Path, LanguageModel] = field(default_factory=dict[Path, LanguageModel])


def load(path: str | os.PathLike[str]) -> LanguageModel:
    """The model that `save` wrote at `path`: a file, or the folder of a transformer in the layout of Hugging Face.

    The header and its digest are checked, the arrays mapped; `polyloom.verify(path)` reads and hashes everything, which
    is wise for a file from somebody else.  Members that a composite refers to are checked in the same way, and must
    have the size and the digest that it recorded.  Raises FileError, saying what is wrong, for a file that is damaged,
    cut short, foreign or of a future version; FileNotFoundError if there is none.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"There is no model at {place}: expected a file that save() wrote, or a folder.")
    return _folder(place) if place.is_dir() else _loaded(Nest(place))


def restore(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    """The model of a manifest and its arrays, members included."""
    if nest.depth > DEEPEST:
        raise FileError(f"{nest.path} nests composites deeper than {DEEPEST}.")
    kind = manifest.get("kind")
    if kind not in KINDS:
        raise FileError(f"The file holds a model of kind {kind!r}; this Polyloom knows {', '.join(KINDS)}.")
    return KINDS[kind](manifest, arrays, nest)


def _loaded(nest: Nest) -> LanguageModel:
    manifest, arrays = read(nest.path)
    try:
        return restore(manifest, arrays, nest)
    except (InputError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise FileError(f"{nest.path} is damaged: what it holds is no model ({error}).") from error


def _association(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    del nest
    return AssociationModel.from_state(manifest, arrays)


def _position(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    del nest
    return PositionModel.from_state(manifest, arrays)


def _composite(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    inside = replace(nest, depth=nest.depth + 1)
    members = [restore(member, _below(arrays, f"{n}/"), inside) for n, member in enumerate(manifest["members"])]
    return COMPOSITES[manifest["kind"]].from_state(manifest, arrays, members)


def _reference(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    """The model of another file; one that several members refer to is read once and shared."""
    del arrays
    place = referenced(nest.path, manifest, nest.above)
    if place not in nest.known:
        nest.known[place] = _loaded(replace(nest, path=place, above=(*nest.above, nest.path.resolve())))
    return nest.known[place]


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _transformer(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    del nest
    return later("TransformerModel").from_state(manifest, arrays)


def _quantised(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    del nest
    later("TransformerModel")  # torch is there, or this says so
    from polyloom.transformer.quantised import restored

    return restored(manifest, arrays)


def _adapted(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    (member,) = manifest["members"]
    base = restore(member, _below(arrays, "0/"), replace(nest, depth=nest.depth + 1))
    from polyloom.adapters.attach import restored  # torch is there: the base has come in

    return restored(manifest, arrays, base)


def _rounded(manifest: dict[str, Any], arrays: Arrays, nest: Nest) -> LanguageModel:
    del nest
    later("TransformerModel")  # says so if torch is not there
    from polyloom.transformer.int8 import from_state

    return from_state(manifest, arrays)


def _folder(path: Path) -> LanguageModel:
    return later("TransformerModel").load(path)


COMPOSITES: dict[str, type[Composite[Any]]] = {
    "avoiding": Avoiding,
    "contrast": Contrast,
    "difference": Difference,
    "ensemble": Ensemble,
    "gated": Gated,
    "intersection": Intersection,
    "laned": Laned,
    "layered": Layered,
    "rejecting": Rejecting,
    "routed": Routed,
    "sequenced": Sequenced,
}
KINDS: dict[str, Callable[[dict[str, Any], Arrays, Nest], LanguageModel]] = {
    "adapted": _adapted,
    "association": _association,
    "position": _position,
    "quantised": _quantised,
    "reference": _reference,
    "rounded": _rounded,
    "transformer": _transformer,
    **dict.fromkeys(COMPOSITES, _composite),
}
