"""Pruning: what is dropped costs what the certificate says, against all choices of layers."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom import AssociationModel, InputError, Layer, Layered
from polyloom.compose.certificate import PruneCertificate
from polyloom.compose.pool import POOLS
from toolkit.compose.constant import random_models

TEXT = ["At night the moon is on the sea.", "Sleep, little one, the tide is out.", "The tide sleeps."]


def drawn(seed: int, pool: str, layers: int) -> Layered:
    (base, *others) = random_models(seed, layers)
    return Layered(base, {str(k): Layer(model, 0.5) for k, model in enumerate(others, 1)}, pool)


def objective(mix: Layered, text: Any) -> float:
    return -math.log(mix.perplexity(text))


def found_by(mix: Layered) -> PruneCertificate:
    assert isinstance(mix.certificate, PruneCertificate)
    return mix.certificate


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(list(POOLS)), st.integers(1, 4), st.sampled_from([0.0, 0.003, 0.1, 5.0]))
def test_the_cost_is_at_most_what_was_allowed(seed: int, pool: str, layers: int, loss: float) -> None:
    mix, text = drawn(seed, pool, layers), np.random.default_rng(seed).integers(0, 5, 60)
    pruned, best = mix.prune(text, loss), mix.fit_weights(text)
    found = found_by(pruned)
    assert found.dropped == tuple(name for name in mix.layers if name not in pruned.layers)
    assert found.objective == pytest.approx(objective(pruned, text), abs=1e-9)
    assert found.cost == pytest.approx(objective(best, text) - found.objective, abs=1e-7)
    assert found.cost <= loss + 1e-7
    again = pruned.fit_weights(text)
    assert objective(again, text) <= found.objective + found.gain + 1e-9
    for name in pruned.layers if len(pruned.layers) > 1 else ():  # whoever else goes, it costs too much
        fewer = pruned.with_weights(dict.fromkeys(pruned.layers, 1.0)).remove(name).fit_weights(text)
        assert objective(best, text) - objective(fewer, text) > loss - 1e-7


def test_each_time_the_one_that_is_missed_least_goes() -> None:
    mix, text = drawn(11, "linear", 4), np.random.default_rng(3).integers(0, 5, 80)
    best = objective(mix.fit_weights(text), text)
    costs = {}
    for kept in itertools.combinations(mix.layers, 3):
        some = {name: mix.layers[name] for name in kept}
        (name, base), *others = some.items()
        costs[kept] = best - objective(Layered(base.model, dict(others), name=name).fit_weights(text), text)
    least = min(costs, key=lambda kept: costs[kept])
    assert costs[least] > 1e-4
    pruned = mix.prune(text, costs[least] + 1e-9)
    assert tuple(pruned.layers) == least


def test_a_layer_that_says_what_others_say_goes_for_nothing(sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = Layered(sea, {"again": Layer(sea), "lullabies": Layer(lullabies, 0.5)})
    pruned = mix.prune(TEXT, 0.0)
    assert len(pruned.layers) == 2
    assert found_by(pruned).cost < 1e-7
    assert pruned.models["lullabies"] is lullabies
    assert len(mix.layers) == 3
    assert found_by(pruned).dropped[0] in ("base", "again")
    assert f"without {found_by(pruned).dropped[0]}: with all layers at most" in str(pruned.certificate)
    assert "no layer was dropped" in str(pruned.prune(TEXT, 0.0).certificate)


def test_one_layer_is_left_however_much_may_be_lost(sea: AssociationModel, lullabies: AssociationModel) -> None:
    for pool in POOLS:
        mix = Layered(sea, {"lullabies": Layer(lullabies, 0.0)}, pool)
        assert len(mix.prune(TEXT, 1000.0).layers) == 1
        assert isinstance(mix.prune(TEXT).certificate, PruneCertificate)
        assert mix.prune(TEXT).with_weights().certificate is None


def test_what_cannot_be_pruned_is_refused(sea: AssociationModel) -> None:
    mix = Layered(sea, {"again": Layer(sea)})
    with pytest.raises(InputError, match="Pruning needs at least one token"):
        mix.prune([])
    for wrong in (-0.1, math.nan, math.inf, "0.1", None, True):
        with pytest.raises(InputError, match="loss must be a finite number of 0 or more"):
            mix.prune(TEXT, wrong)  # pyright: ignore[reportArgumentType]
