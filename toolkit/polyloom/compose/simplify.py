"""An equal model with less in it: mixes of mixes laid flat, silent layers left out, a layer that stands twice made one.

    linear    Σ_k v_k Σ_j u_kj p_kj          =  Σ_kj (v_k u_kj) p_kj
    log       Π_k (Π_j p_kj^u_kj / Z_k)^w_k  ∝  Π_kj p_kj^(w_k u_kj)

A mean of means is a mean.  In a product of products the inner normalisers are the same for every token, and the outer
one takes them in.  A mean inside a product, or the reverse, is neither and stays.  What is equal is the distribution,
but for rounding, at every place of every text; names change (`"sea/tide"` is the layer `tide` of the layer `sea`), and
so do the explanations, which have fewer steps.

Other composites are not opened.  They are made anew, by what a file would hold of them, if a member of theirs could be
simplified, and stay themselves if not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from polyloom.compose.composite import Composite
from polyloom.compose.layered import Layer, Layered
from polyloom.errors import FileError, InputError
from polyloom.model import LanguageModel

Named: TypeAlias = tuple[str, Layer]


def simplify(model: LanguageModel) -> LanguageModel:
    """An equal, faster model; the same object where there is nothing to simplify.

    Members that are one and the same object are merged, equal copies are not.  Raises InputError for what is no model.
    """
    if not isinstance(model, LanguageModel):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        raise InputError(f"Expected a model to simplify, got {type(model).__name__}.")
    if isinstance(model, Layered):
        return _mix(model)
    return _rebuilt(cast("Composite[Any]", model)) if isinstance(model, Composite) else model


def _mix(mix: Layered) -> LanguageModel:
    found = [(name, Layer(simplify(x.model), x.weight)) for name, x in mix.layers.items() if x.weight]
    flat = _merged([one for layer in found for one in _opened(mix.pool, *layer)])
    if not flat:  # exponents that cancel leave a fair draw, which no mix can be
        return mix
    if len(flat) == 1 and (mix.pool == "linear" or flat[0][1].weight == 1):
        return flat[0][1].model
    if [(name, x.model, x.weight) for name, x in flat] == [(n, x.model, x.weight) for n, x in mix.layers.items()]:
        return mix
    (name, base), *others = _named(flat)
    return Layered(base.model, dict(others), mix.pool, name=name, weight=base.weight)


def _opened(pool: str, name: str, layer: Layer) -> Iterator[Named]:
    """The layers in the place of a layer that is a mix of the same kind, at what they have in the outer one."""
    inner = layer.model
    if not isinstance(inner, Layered) or inner.pool != pool:
        yield name, layer
        return
    for (below, one), part in zip(inner.layers.items(), inner.factors.tolist(), strict=True):
        yield f"{name}/{below}", Layer(one.model, layer.weight * part)


def _merged(layers: Sequence[Named]) -> list[Named]:
    """Each model once, under its first name, at the sum of its weights; none that is silent."""
    found: dict[int, Named] = {}
    for name, layer in layers:
        known, before = found.get(id(layer.model), (name, Layer(layer.model, 0.0)))
        found[id(layer.model)] = known, replace(layer, weight=before.weight + layer.weight)
    return [(name, layer) for name, layer in found.values() if layer.weight]


def _named(layers: Sequence[Named]) -> list[Named]:
    """The same under names that differ: `"a/b"` may be the layer b of a, or have been called so."""
    found: dict[str, Layer] = {}
    for name, layer in layers:
        unused = name
        while unused in found:
            unused += "'"
        found[unused] = layer
    return list(found.items())


def _rebuilt(model: Composite[Any]) -> LanguageModel:
    before = list(model.models.values())
    after = [simplify(member) for member in before]
    if all(new is old for new, old in zip(after, before, strict=True)):
        return model
    try:
        return type(model).from_state(*model.manifest(), after)
    except (FileError, InputError):  # no file can hold it, or it asks its members for what the simpler ones do not have
        return model
