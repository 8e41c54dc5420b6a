"""The algebra of distributions: laws for any two models, definitions, accounts, files, what is refused."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract, distribution
from polyloom import (
    AssociationModel,
    Gated,
    InputError,
    LanguageModel,
    Layer,
    Layered,
    VocabularyMismatch,
    difference,
    interpolate,
    intersection,
)
from polyloom.compose.algebra import LEFT
from toolkit.compose.constant import random_models
from toolkit.compose.damaged import refused
from toolkit.compose.test_contrast import said, told
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS

MAKES: dict[str, Callable[[], LanguageModel]] = {
    "intersection": lambda: intersection(NETWORK, COUNTS),
    "difference": lambda: difference(COUNTS, OTHERS),
    "interpolate": lambda: interpolate(COUNTS, OTHERS, 0.3, "log"),
    "in others, and of others": lambda: Gated(
        {
            "rest": difference(interpolate(COUNTS, OTHERS, 0.5), intersection(COUNTS, OTHERS)),
            "mix": Layered(OTHERS, {"both": Layer(intersection(OTHERS, difference(COUNTS, OTHERS)), 0.5)}),
        }
    ),
}
PAIRS = st.integers(0, 10**6), st.sampled_from([0.1, 2.0, 8.0])


@pytest.mark.long
class TestAlgebra(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


def pair(seed: int, spread: float) -> tuple[LanguageModel, LanguageModel]:
    a, b = random_models(seed, 2, 7, spread)
    return a, b


# definitions and laws


@given(*PAIRS, st.floats(0, 1))
def test_they_are_what_their_definitions_say(seed: int, spread: float, t: float) -> None:
    a, b = pair(seed, spread)
    p, q = said(a), said(b)
    for model, left in (
        (intersection(a, b), np.minimum(p, q)),
        (difference(a, b), np.maximum(p - q, LEFT * p)),
        (interpolate(a, b, t), (1 - t) * p + t * q),
        (interpolate(a, b, t, "log"), p ** (1 - t) * q**t),
    ):
        np.testing.assert_allclose(said(model), left / left.sum(), rtol=1e-6)


@given(*PAIRS)
def test_laws_of_intersection(seed: int, spread: float) -> None:
    a, b = pair(seed, spread)
    np.testing.assert_allclose(said(intersection(a, b)), said(intersection(b, a)), rtol=1e-9)
    np.testing.assert_allclose(said(intersection(a, a)), said(a), rtol=1e-12)
    both = said(intersection(a, b))
    assert (both * np.minimum(said(a), said(b)).sum() <= np.minimum(said(a), said(b)) * (1 + 1e-9)).all()


@given(*PAIRS)
def test_laws_of_difference(seed: int, spread: float) -> None:
    a, b = pair(seed, spread)
    np.testing.assert_allclose(said(difference(a, a)), said(a), rtol=1e-12)
    factor = said(difference(a, b)) / said(a)
    order = np.argsort(said(b) / said(a))
    assert (np.diff(factor[order]) <= 1e-9 * factor.max()).all()  # the more b has of it, the less is left
    assert factor.max() <= factor.min() / LEFT * (1 + 1e-9)


@given(*PAIRS)
def test_both_and_the_rest_make_the_whole(seed: int, spread: float) -> None:
    """Σ min(p, q) + Σ max(p − q, 0) = 1: the receipts' Z say it, but for what ε leaves."""
    a, b = pair(seed, spread)
    p, q = said(a), said(b)
    shared, rest = (
        math.exp(-m.begin().explain(0).terms[-1].contribution) for m in (intersection(a, b), difference(a, b))
    )
    left = (LEFT * p - np.maximum(p - q, 0)).clip(0).sum()
    assert shared + rest - left == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("pool", ["linear", "log"])
@given(*PAIRS, st.floats(0, 1))
def test_laws_of_interpolation(pool: str, seed: int, spread: float, t: float) -> None:
    a, b = pair(seed, spread)
    np.testing.assert_allclose(said(interpolate(a, b, 0, pool)), said(a), rtol=1e-12)
    np.testing.assert_allclose(said(interpolate(a, b, 1, pool)), said(b), rtol=1e-12)
    np.testing.assert_allclose(said(interpolate(a, a, t, pool)), said(a), rtol=1e-9)
    np.testing.assert_allclose(said(interpolate(a, b, t, pool)), said(interpolate(b, a, 1 - t, pool)), rtol=1e-6)


def test_worked_by_hand() -> None:
    a, b = told([0.5, 0.3, 0.2, 0.0], [0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(said(intersection(a, b)), np.array([0.1, 0.3, 0.2, 0]) / 0.6)
    np.testing.assert_allclose(said(difference(a, b)), np.array([0.4, 0.003, 0.002, 0]) / 0.405)
    np.testing.assert_allclose(said(difference(b, a)), np.array([0.001, 0.1, 0.002, 0.3]) / 0.403)
    np.testing.assert_allclose(said(interpolate(a, b, 0.25)), [0.4, 0.325, 0.2, 0.075])


def test_an_interpolation_is_a_mix() -> None:
    mix = interpolate(COUNTS, OTHERS, 0.25, "log")
    assert isinstance(mix, Layered)
    assert (mix.pool, mix.weights) == ("log", {"a": 0.75, "b": 0.25})


def test_without_anything_in_common() -> None:
    a, b = told([0.5, 0.5, 0.0], [0.0, 0.0, 1.0])
    with pytest.raises(InputError, match="no token is left that both models find possible"):
        intersection(a, b).begin().distribution()
    np.testing.assert_allclose(said(difference(a, b)), [0.5, 0.5, 0.0])


# accounts


def test_an_intersection_says_who_is_stricter(sea: AssociationModel, lullabies: AssociationModel) -> None:
    place = intersection(sea, lullabies).begin("At night the")
    for word in ("tide", "moon"):
        chances = [model.explain("At night the", word).probability for model in (sea, lullabies)]
        account = place.explain(word)
        assert account.scale == "log"
        assert [term.name for term in account.terms] == ["a", "held back", "−ln Z"]
        held = account.terms[1]
        assert held.contribution == pytest.approx(math.log(min(chances) / chances[0]), abs=1e-9)
        assert held.detail.endswith(", a no more") == (chances[0] <= chances[1])
        assert held.child is not None
        assert held.child.terms[0].child == lullabies.explain("At night the", word)
        assert account.terms[0].child == sea.explain("At night the", word)
        assert place.shares(word) == pytest.approx(account.shares())


def test_a_difference_says_what_is_left() -> None:
    a, b = told([0.5, 0.3, 0.2], [0.1, 0.4, 0.5])
    first, second, _ = (difference(a, b).begin().explain(token).terms[1] for token in range(3))
    assert (first.detail, first.contribution) == ("b takes 0.1 of 0.5", pytest.approx(math.log(0.8)))
    assert second.detail == "b takes 0.4 of 0.3, a part of 0.01 is left"
    assert second.contribution == pytest.approx(math.log(0.01))


# what it is for


def test_a_difference_knows_its_own_voice_from_the_other(woven: Any) -> None:
    mix, _ = woven
    sea, contracts = mix.models["sea"], mix.models["contracts"]
    rest = difference(sea, contracts).begin("at night the")
    before = sea.begin("at night the")
    kept = rest.distribution() - before.distribution()
    own = np.argsort(contracts.begin("at night the").distribution() - before.distribution())
    assert kept[own[:20]].min() > 0 > kept[own[-20:]].max()


# files


@pytest.mark.parametrize("make", [intersection, difference, lambda a, b: interpolate(a, b, 0.3)])
def test_they_come_back_from_a_file(make: Any, sea: Any, lullabies: Any, tmp_path: Path) -> None:
    inner = make(sea, lullabies)
    for model in (inner, make(inner, sea), Layered(inner, {"sea": Layer(sea, 0.2)})):
        for members in ("embed", "reference"):
            path = model.save(tmp_path / "mix.psamc", members=members)
            polyloom.verify(path)
            again = polyloom.load(path)
            assert repr(again) == repr(model)
            assert again.digest == model.digest
            expected = distribution(model.begin("At night the"))
            np.testing.assert_array_equal(distribution(again.begin("At night the")), expected)


def test_digests_tell_them_apart() -> None:
    pairs = [(COUNTS, OTHERS), (OTHERS, COUNTS)]
    assert len({make(a, b).digest for make in (intersection, difference) for a, b in pairs}) == 4


def test_a_damaged_file_is_told(sea: AssociationModel, lullabies: AssociationModel, tmp_path: Path) -> None:
    member, _ = sea.state()
    for model in (intersection(sea, lullabies), difference(sea, lullabies)):
        refused(model, tmp_path, {"settings": {"x": 1}}, "is damaged")
        refused(model, tmp_path, {"members": [member]}, "not 1")


# what is refused


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, math.inf, None, "half", True])
def test_what_lies_not_between(wrong: Any) -> None:
    with pytest.raises(InputError, match="t must be a finite number from 0 to 1"):
        interpolate(COUNTS, OTHERS, wrong)


def test_what_is_no_pair(sea: AssociationModel) -> None:
    wrong: Any = None
    for make in (intersection, difference):
        with pytest.raises(InputError, match="Member 'b' holds a NoneType"):
            make(sea, wrong)
        with pytest.raises(VocabularyMismatch, match=r"Member 'b' speaks .*, 'a' speaks"):
            make(sea, COUNTS)
    with pytest.raises(InputError, match="Unknown pool 'cubic'"):
        interpolate(COUNTS, OTHERS, 0.5, "cubic")
    with pytest.raises(InputError, match="Layer 'b' holds a NoneType"):
        interpolate(sea, wrong, 0.5)
