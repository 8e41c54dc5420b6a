"""Pools: the arithmetic of both against their definitions, the account of a log pool, and what cannot be mixed."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract import distribution
from polyloom import AssociationModel, InputError, Layer, Layered, Sampling
from polyloom.compose.pool import POOLS
from toolkit.compose.constant import Constant, random_models

TEXTS = ("", "At night the", "the of and a the of", "Sleep")


def logged(models: list[Any], weights: list[float]) -> Layered:
    layers = {str(n): Layer(model, weight) for n, (model, weight) in enumerate(zip(models, weights, strict=True))}
    base = layers.pop("0")
    return Layered(base.model, layers, "log", name="0", weight=base.weight)


def by_hand(rows: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Π p^w / Z, in the plainest way."""
    product = np.prod([np.exp(row) ** weight for row, weight in zip(rows, weights, strict=True)], axis=0)
    return product / product.sum()


# arithmetic


@given(st.integers(0, 10**6), st.lists(st.floats(-2, 3), min_size=1, max_size=5))
def test_a_log_pool_is_the_normalised_product_of_powers(seed: int, weights: list[float]) -> None:
    assume(any(weights))
    models = random_models(seed, len(weights))
    mix = logged(models, weights)
    for prompt in ([], [0], [2, 1]):
        rows = [distribution(model.begin(prompt)) for model in models]
        found = distribution(mix.begin(prompt))
        np.testing.assert_allclose(np.exp(found), by_hand(rows, weights), rtol=1e-9)
        np.testing.assert_allclose(np.exp(found).sum(), 1, rtol=1e-12)


@given(st.integers(0, 10**6), st.lists(st.floats(-1, 3), min_size=2, max_size=4), st.integers(0, 9))
def test_likelihoods_are_exact_over_all_blocks(seed: int, weights: list[float], length: int) -> None:
    assume(any(weights))
    mix = logged(random_models(seed, len(weights)), weights)
    tokens = np.random.default_rng(seed).integers(0, 5, length)
    expected = [distribution(mix.begin(tokens[:n]))[token] for n, token in enumerate(tokens)]
    np.testing.assert_allclose(mix.log_likelihood(tokens), expected, atol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
def test_association_models_in_a_log_pool(sea: AssociationModel, lullabies: AssociationModel, text: str) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, pool="log", weight=0.8)
    rows = [distribution(model.begin(text)) for model in (sea, lullabies)]
    np.testing.assert_allclose(np.exp(distribution(mix.begin(text))), by_hand(rows, [0.8, 0.4]), rtol=1e-9)


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_of_one_is_its_member(sea: AssociationModel, pool: str) -> None:
    alone = Layered(sea, {}, pool)
    for text in TEXTS:
        np.testing.assert_allclose(distribution(alone.begin(text)), distribution(sea.begin(text)), rtol=1e-12)
    np.testing.assert_allclose(alone.log_likelihood("At night the sea"), sea.log_likelihood("At night the sea"))


def test_one_exponent_is_a_temperature(sea: AssociationModel) -> None:
    for exponent in (0.5, 2.0):
        found = np.exp(distribution(Layered(sea, {}, "log", weight=exponent).begin("At night the")))
        cooled = Sampling(temperature=1 / exponent).distribution(distribution(sea.begin("At night the")))
        np.testing.assert_allclose(found, cooled, rtol=1e-9)


def test_the_same_model_twice_adds_its_exponents(sea: AssociationModel) -> None:
    twice, once = logged([sea, sea], [0.3, 0.9]), logged([sea], [1.2])
    for text in TEXTS:
        np.testing.assert_allclose(distribution(twice.begin(text)), distribution(once.begin(text)), atol=1e-12)


def test_a_silent_layer_is_not_asked() -> None:
    """Not even where it finds something impossible: p^0 is 1."""
    ours, theirs = random_models(1, 2)
    never = Constant(theirs.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    for pool in POOLS:
        mix = Layered(ours, {"never": Layer(never, 0.0)}, pool)
        np.testing.assert_allclose(distribution(mix.begin()), distribution(ours.begin()), rtol=1e-12)
        assert mix.explain([], 3).terms[1].contribution == 0
        assert mix.log_likelihood([3, 3]).shape == (2,)
    impossible = logged([ours, never], [1, 0.5])
    assert distribution(impossible.begin())[3] == -np.inf


def test_a_linear_pool_of_the_very_unlikely_stays_finite() -> None:
    """Under an exponent of 400 a token is less likely than any float; its logarithm is not."""
    ours, theirs = random_models(2, 2)
    sharp = [logged([model], [400.0]) for model in (ours, theirs)]
    mix = Layered(sharp[0], {"b": Layer(sharp[1], 3.0)})
    rows = [distribution(model.begin()) for model in sharp]
    assert min(row.min() for row in rows) < -800
    expected = np.logaddexp(rows[0] + math.log(0.25), rows[1] + math.log(0.75))
    np.testing.assert_allclose(distribution(mix.begin()), expected, rtol=1e-12, atol=1e-15)
    assert mix.generate([], Sampling(temperature=3.0, max_tokens=5)).steps is not None


# accounts


def test_a_log_account_has_a_term_for_each_layer_and_one_for_the_normaliser(
    sea: AssociationModel, lullabies: AssociationModel
) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.4), "off": Layer(sea, 0.0)}, pool="log", name="sea", weight=0.8)
    rows = [distribution(model.begin("At night the")) for model in (sea, lullabies)]
    normaliser = math.log(np.exp(0.8 * rows[0] + 0.4 * rows[1]).sum())
    for piece in ("tide", "moon", "</s>"):
        token = mix.token_id(piece)
        account = mix.explain("At night the", piece)
        assert account.scale == "log"
        assert [term.name for term in account.terms] == ["sea", "lullabies", "off", "−ln Z"]
        expected = [0.8 * rows[0][token], 0.4 * rows[1][token], 0.0, -normaliser]
        assert [term.contribution for term in account.terms] == pytest.approx(expected, abs=1e-12)
        assert account.total == pytest.approx(distribution(mix.begin("At night the"))[token], abs=1e-12)
        assert account.probability == pytest.approx(math.exp(account.total))
        assert abs(account.residual) < 1e-12
        for term, model in zip(account.terms, (sea, lullabies, sea), strict=False):
            assert term.child == model.explain("At night the", piece), "its own account, on its own scale"


def test_taking_an_exponent_to_zero_takes_out_its_term_and_moves_the_normaliser(
    sea: AssociationModel, lullabies: AssociationModel
) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, pool="log", name="sea")
    without = mix.with_weights(lullabies=0)
    ours, theirs = (m.explain("At night the", "tide") for m in (mix, without))
    moved = ours.terms[-1].contribution - theirs.terms[-1].contribution
    assert ours.total - theirs.total == pytest.approx(ours.terms[1].contribution + moved, abs=1e-12)


def test_a_rival_loses_the_normaliser(sea: AssociationModel, lullabies: AssociationModel) -> None:
    """ln p(a) − ln p(b) = Σ w (ln p_k(a) − ln p_k(b)): Z is gone."""
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, pool="log")
    both = mix.explain("At night the", "tide", against="moon")
    assert both.terms[-1].contribution == 0
    assert "difference of log" in str(both)
    with pytest.raises(InputError, match="difference"):
        _ = both.probability


def test_who_speaks_in_a_log_pool_is_who_finds_it_likely(sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, -0.1), "off": Layer(sea, 0.0)}, pool="log", name="sea")
    shares = mix.explain("At night the", "tide").shares()
    assert shares == {"sea": 1.0, "lullabies": 0.0, "off": 0.0}
    ours, theirs = (model.explain("At night the", "tide").total for model in (sea, lullabies))
    shares = mix.with_weights(lullabies=0.5).explain("At night the", "tide").shares()
    assert shares == pytest.approx({"sea": ours / (ours + theirs), "lullabies": theirs / (ours + theirs), "off": 0})


def test_writing_under_a_log_pool_knows_who_spoke(sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.5)}, pool="log", name="sea")
    written = mix.generate("At night the", Sampling(seed=2, max_tokens=12))
    place = mix.begin("At night the")
    for step in written.steps:
        assert step.log_prob == pytest.approx(distribution(place)[step.token])
        assert math.fsum(step.shares.values()) == pytest.approx(1)
        alone = {name: distribution(place.rebind(model))[step.token] for name, model in mix.models.items()}
        assert step.loudest == max(alone, key=alone.__getitem__)
        place.advance(step.token)


def test_evidence_is_that_of_the_layer_which_finds_it_likeliest(
    sea: AssociationModel, lullabies: AssociationModel
) -> None:
    mix = Layered(lullabies, {"sea": Layer(sea, 0.5)}, pool="log")
    assert mix.explain("At night the", "tide").evidence() == sea.explain("At night the", "tide").evidence() != ()


# what cannot be mixed


@pytest.mark.parametrize("weight", [math.inf, -math.inf, math.nan, "loud", None, 10**400])
def test_a_weight_that_is_no_exponent_is_refused(sea: AssociationModel, weight: Any) -> None:
    with pytest.raises(InputError, match="'poems' must be a finite number, got"):
        Layered(sea, {"poems": Layer(sea, weight)}, pool="log")


def test_silence_is_refused_and_a_contrast_is_not(sea: AssociationModel, lullabies: AssociationModel) -> None:
    with pytest.raises(InputError, match="All weights are zero"):
        logged([sea, lullabies], [0, 0])
    contrast = logged([sea, lullabies], [1, -1])
    rows = [distribution(model.begin("At night the")) for model in (sea, lullabies)]
    expected = by_hand(rows, [1, -1])
    np.testing.assert_allclose(np.exp(distribution(contrast.begin("At night the"))), expected, rtol=1e-9)


def test_where_there_is_no_distribution_there_is_an_error() -> None:
    ours, theirs = random_models(1, 2)
    never = Constant(ours.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    only = Constant(ours.vocabulary, np.where(np.arange(5) == 3, 0.0, -np.inf) + np.zeros((6, 5)))
    for mix in (
        logged([ours, never], [1, -0.5]),
        logged([only, never], [1, 1]),
        logged([ours, theirs], [1e308, 1e308]),
    ):
        for ask in (mix.begin().distribution, mix.begin().top, lambda mix=mix: mix.log_likelihood([0])):
            with pytest.raises(InputError, match="no distribution here"):
                ask()
