"""Simplifying: fewer parts, the same distribution at every place, and nothing touched that is not understood."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract, distribution
from polyloom import AssociationModel, Gated, InputError, LanguageModel, Layer, Layered
from polyloom.compose.simplify import simplify
from toolkit.compose.constant import random_models

A, B, C = random_models(5, 3)
TEXTS = ([], [0], [2, 1, 4], [1] * 6)


def same(model: LanguageModel, simpler: LanguageModel) -> None:
    for text in TEXTS:
        np.testing.assert_allclose(distribution(simpler.begin(text)), distribution(model.begin(text)), atol=1e-9)
    text = np.array([0, 3, 2, 2, 1])
    np.testing.assert_allclose(simpler.log_likelihood(text), model.log_likelihood(text), atol=1e-9)


@st.composite
def nests(draw: st.DrawFn, depth: int = 3) -> LanguageModel:
    """Mixes of mixes of both pools, with silent layers and members that stand in several places."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([A, B, C]))
    models = draw(st.lists(nests(depth - 1), min_size=1, max_size=3))
    weights = draw(st.lists(st.sampled_from([0.0, 0.3, 1.0, 1.7]), min_size=len(models), max_size=len(models)))
    if not any(weights):
        weights[0] = 0.5
    if draw(st.integers(0, 5)) == 0:
        return Gated({str(n): model for n, model in enumerate(models)})
    layers = {str(n): Layer(model, weight) for n, (model, weight) in enumerate(zip(models, weights, strict=True))}
    first = layers.pop("0")
    return Layered(first.model, layers, draw(st.sampled_from(["linear", "log"])), name="0", weight=first.weight)


def parts(model: LanguageModel) -> int:
    inner = model.models.values() if isinstance(model, Layered | Gated) else ()
    return 1 + sum(map(parts, inner))


@settings(max_examples=80)
@given(nests())
def test_the_distribution_stays_and_nothing_is_added(model: LanguageModel) -> None:
    simpler = simplify(model)
    same(model, simpler)
    assert parts(simpler) <= parts(model)
    assert simplify(simpler) is simpler


def test_means_of_means_are_laid_flat_at_their_shares() -> None:
    inner = Layered(A, {"b": Layer(B, 3.0)}, name="a", weight=1.0)
    found = simplify(Layered(C, {"mix": Layer(inner, 2.0)}))
    assert isinstance(found, Layered)
    assert found.weights == pytest.approx({"base": 1.0, "mix/a": 0.5, "mix/b": 1.5})
    assert list(found.models.values()) == [C, A, B]


def test_products_of_products_are_laid_flat_at_their_exponents() -> None:
    inner = Layered(A, {"b": Layer(B, -0.5)}, "log", name="a", weight=2.0)
    model = Layered(C, {"mix": Layer(inner, 1.5)}, "log")
    found = simplify(model)
    assert isinstance(found, Layered)
    assert (found.pool, found.weights) == ("log", {"base": 1.0, "mix/a": 3.0, "mix/b": -0.75})
    same(model, found)


def test_a_mean_inside_a_product_stays_and_is_simplified_itself() -> None:
    inner = Layered(Layered(A, {"b": Layer(B)}), {"silent": Layer(C, 0.0)})
    found = simplify(Layered(inner, {"c": Layer(C, 0.5)}, "log"))
    assert isinstance(found, Layered)
    assert found.weights == {"base": 1.0, "c": 0.5}
    assert repr(found.models["base"]) == "<Layered base/base 0.5, base/b 0.5>"
    same(Layered(inner, {"c": Layer(C, 0.5)}, "log"), found)


def test_one_member_in_two_places_is_merged_under_its_first_name() -> None:
    inner = Layered(A, {"b": Layer(B)}, name="a")
    found = simplify(Layered(A, {"mix": Layer(inner), "b": Layer(B, 0.5)}))
    assert isinstance(found, Layered)
    assert found.weights == {"base": 1.5, "mix/b": 1.0}


def test_a_layer_that_speaks_alone_comes_out() -> None:
    assert simplify(Layered(A, {"b": Layer(B, 0.0)}, weight=0.3)) is A
    assert simplify(Layered(Layered(A, {}, "log"), {"b": Layer(B, 0.0)}, "log")) is A
    sharp = Layered(A, {}, "log", weight=2.0)
    assert simplify(sharp) is sharp
    assert simplify(Layered(sharp, {}, "log", weight=0.5)) is A
    assert simplify(A) is A


def test_exponents_that_cancel_stay_as_they_are() -> None:
    model = Layered(A, {"again": Layer(A, -1.0)}, "log")
    assert simplify(model) is model
    with_b = simplify(model.add("b", B, 1.0))
    assert with_b is B


def test_names_that_would_meet_stay_apart() -> None:
    inner = Layered(A, {"b": Layer(B)}, name="a")
    found = simplify(Layered(C, {"mix/a": Layer(random_models(5, 4)[3]), "mix": Layer(inner)}))
    assert isinstance(found, Layered)
    assert list(found.layers) == ["base", "mix/a", "mix/a'", "mix/b"]


def test_other_composites_are_made_anew_only_where_a_member_is_simpler(
    tmp_path: Path, sea: Any, lullabies: Any
) -> None:
    plain = Gated({"sea": sea, "lullabies": lullabies})
    assert simplify(plain) is plain
    nested = Gated({"sea": Layered(sea, {"off": Layer(lullabies, 0.0)}), "lullabies": lullabies})
    found = simplify(nested)
    assert isinstance(found, Gated)
    assert found.models["sea"] is sea
    assert polyloom.load(found.save(tmp_path / "mix.psamc")).digest == found.digest
    np.testing.assert_allclose(
        distribution(found.begin("At night the")), distribution(nested.begin("At night the")), atol=1e-9
    )


class Unsaved(Gated):
    """A composite that no file can hold."""

    def manifest(self) -> Any:
        raise InputError("This cannot be saved.")


def test_a_composite_that_cannot_be_made_anew_is_left() -> None:
    model = Unsaved({"a": Layered(A, {}), "b": B})
    assert simplify(model) is model
    assert repr(simplify(Layered(model, {"c": Layer(C)}))) == "<Layered base 1, c 1>"


@pytest.mark.parametrize("wrong", [None, "mix", {"a": A}, Layered])
def test_what_is_no_model_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="Expected a model to simplify"):
        simplify(wrong)


@pytest.mark.long
class TestSimplified(LanguageModelContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, sea: AssociationModel, lullabies: AssociationModel) -> LanguageModel:
        inner = Layered(sea, {"lullabies": Layer(lullabies, 0.5)})
        return simplify(Layered(inner, {"deeper": Layer(Layered(inner, {"sea": Layer(sea)}), 0.7)}))
