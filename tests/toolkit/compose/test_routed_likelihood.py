"""Routing by likelihood: the posterior against all ways in which a text may have been written, and what a fit finds."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import distribution, nodes
from polyloom import ByLikelihood, InputError, LanguageModel, Layer, Layered, Routed
from polyloom.compose.routing.likelihood import filtered, likelihood
from toolkit.compose.constant import Constant, random_models

MODELS: dict[str, LanguageModel] = dict(zip("abc", random_models(4, 3, size=6), strict=True))
PRIOR = {"a": 1.0, "b": 2.0, "c": 5.0}
TEXT = np.array([2, 5, 0, 3, 3])


def every_way(text: np.ndarray, switch: float) -> tuple[float, np.ndarray]:
    """p of a text and who writes next, summed over all sequences of writers."""
    told = np.stack([model.log_likelihood(text) for model in MODELS.values()])
    whole, after = 0.0, np.zeros(3)
    for writers in itertools.product(range(3), repeat=len(text) + 1):
        chance = list(PRIOR.values())[writers[0]] / 8
        for at, (one, next_one) in enumerate(itertools.pairwise(writers)):
            chance *= math.exp(told[one, at]) * (1 - switch if one == next_one else switch / 2)
        whole += chance
        after[writers[-1]] += chance
    return whole, after / whole


@pytest.mark.parametrize("switch", [1e-9, 0.05, 2 / 3, 0.95])
def test_the_posterior_is_that_of_all_ways_to_write_the_text(switch: float) -> None:
    routed = Routed(ByLikelihood(switch, PRIOR), MODELS)
    for size in range(len(TEXT) + 1):
        whole, after = every_way(TEXT[:size], switch)
        place = routed.begin(TEXT[:size])
        assert routed.log_likelihood(TEXT[:size]).sum() == pytest.approx(math.log(whole), rel=1e-12)
        assert place.weights == pytest.approx(dict(zip("abc", after.tolist(), strict=True)), rel=1e-9)
        chances = sum(
            w * np.exp(distribution(m.begin(TEXT[:size]))) for w, m in zip(after, MODELS.values(), strict=True)
        )
        np.testing.assert_allclose(np.exp(distribution(place)), chances, rtol=1e-9)


def test_at_an_even_switch_it_is_an_even_mix() -> None:
    """Whoever wrote the last token, the next one is as likely from anybody."""
    ids = np.random.default_rng(1).integers(0, 6, 40)
    mix = Layered(MODELS["a"], {name: Layer(MODELS[name]) for name in "bc"})
    np.testing.assert_allclose(Routed(ByLikelihood(2 / 3), MODELS).log_likelihood(ids), mix.log_likelihood(ids))


@given(st.integers(0, 10**6), st.integers(0, 300), st.integers(1, 6), st.floats(1e-9, 0.99), st.floats(0.1, 80))
def test_chunks_give_what_steps_give(seed: int, places: int, members: int, switch: float, spread: float) -> None:
    dice = np.random.default_rng(seed)
    told, first = spread * dice.normal(size=(places, members)) - 3, dice.dirichlet(np.ones(members)) + 1e-9
    believed = first = first / first.sum()
    found, scores = [believed], list[float]()
    for row in told:
        joint = believed * np.exp(row - row.max())
        scores.append(math.log(joint.sum()) + row.max())
        wrote = joint / joint.sum()
        believed = wrote if members == 1 else (1 - switch) * wrote + switch / (members - 1) * (1 - wrote)
        found.append(believed)
    np.testing.assert_allclose(filtered(first, told, switch), found, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(likelihood(first, told, switch), scores, rtol=1e-9, atol=1e-9)


def test_what_a_member_finds_impossible_another_may_have_written() -> None:
    ours = MODELS["a"]
    never = Constant(ours.vocabulary, np.where(np.arange(6) == 3, -np.inf, math.log(0.2)) + np.zeros((7, 6)))  # pyright: ignore[reportArgumentType]
    routed = Routed(ByLikelihood(0.1), {"ours": ours, "never": never})
    place = routed.begin([1, 3])
    assert place.weights == pytest.approx({"ours": 0.9, "never": 0.1})
    account = place.explain(0)
    for node in nodes(account):
        assert abs(node.residual) <= 1e-9
    one_by_one = routed.begin([1])
    one_by_one.advance(3)
    assert one_by_one.explain(0) == account
    neither = Routed(ByLikelihood(0.1), {"x": never, "never": never, "ours": ours}, policy="best", fallback="x")
    assert np.isfinite(neither.begin([3, 3, 2]).distribution()[:3]).all()
    nobody = Routed(ByLikelihood(0.1), {"x": never, "y": never})
    assert nobody.log_likelihood([3]) == -np.inf
    assert nobody.begin([3]).weights == pytest.approx({"x": 0.5, "y": 0.5})
    assert abs(nobody.begin([3]).explain(0).residual) <= 1e-9


def test_an_account_of_the_posterior_by_hand() -> None:
    routed = Routed(ByLikelihood(0.1, PRIOR), MODELS)
    place = routed.begin(TEXT[:1])
    told = np.array([model.log_likelihood(TEXT[:1])[0] for model in MODELS.values()])
    prior = np.array([1, 2, 5]) / 8
    z = math.log((prior * np.exp(told)).sum())
    decision = place.explain(0).terms[-1].child
    assert decision is not None
    assert decision.total == pytest.approx(1)
    for k, (term, weight) in enumerate(zip(decision.terms, place.weights.values(), strict=True)):
        assert term.contribution == weight
        assert term.child is not None
        assert term.child.scale == "log"
        assert term.child.total == pytest.approx(math.log(weight))
        parts = {part.name: part.contribution for part in term.child.terms}
        wrote = math.exp(math.log(prior[k]) + told[k] - z)
        moved = math.log(weight / wrote)
        expected = {"ln prior": math.log(prior[k]), "ln-likelihood": told[k], "switching": moved, "−ln Z": -z}
        assert parts == pytest.approx(expected)
    leader = max(decision.terms, key=lambda term: term.contribution).child
    assert leader is not None
    assert leader.terms[1].child is not None
    assert [part.name for part in leader.terms[1].child.terms] == ["a"]


def test_an_account_is_the_same_however_one_came_there() -> None:
    routed = Routed(ByLikelihood(0.1), MODELS)
    ids = np.random.default_rng(5).integers(0, 6, 200)
    place = routed.begin(ids[:150])
    place.extend(ids[150:])
    for gone in (0, 1, 30, 60, 170, 200):
        ours, fresh = place.back(gone).explain(0), routed.begin(ids[: 200 - gone]).explain(0)
        assert [node.total for node in nodes(ours)] == pytest.approx([node.total for node in nodes(fresh)], abs=1e-9)


def test_its_own_state_is_taken_over_by_another_mix() -> None:
    """Moving a fader above it does not have the text judged again."""
    routed = Routed(ByLikelihood(0.1), MODELS)
    mix = Layered(routed, {"a": Layer(MODELS["a"], 0.5)})
    place = mix.begin(TEXT)
    place.distribution()
    moved: Any = place.rebind(mix.with_weights(a=2))
    known: Any = place
    assert moved.members[0].way is known.members[0].way


# fits


def written(switch: float, tokens: int, seed: int) -> np.ndarray:
    """A text by writers that pass the pen."""
    dice, ids, writer = np.random.default_rng(seed), list[int](), 0
    models = list(MODELS.values())
    for _ in range(tokens):
        ids.append(int(dice.choice(6, p=np.exp(distribution(models[writer].begin(ids[-1:]))))))
        if dice.random() < switch:
            writer = (writer + int(dice.integers(1, 3))) % 3
    return np.array(ids)


@pytest.mark.parametrize("switch", [0.01, 0.2])
def test_a_fit_finds_how_often_the_pen_passed(switch: float) -> None:
    texts = [written(switch, 1500, seed) for seed in range(2)]
    before = ByLikelihood(0.05, PRIOR)
    found = before.fit_switch(MODELS, texts)
    assert switch / 2 < found.switch < 2 * switch
    assert found.prior == before.prior
    assert before.switch == 0.05

    def mean(chooser: ByLikelihood) -> float:
        return sum(float(Routed(chooser, MODELS).log_likelihood(text).sum()) for text in texts)

    best = mean(found)
    assert best >= mean(before)
    assert best >= max(mean(ByLikelihood(other, PRIOR)) for other in np.geomspace(1e-5, 0.9, 40).tolist()) - 1e-6
    assert found.fit_switch(MODELS, texts).switch == pytest.approx(found.switch, rel=1e-6)


def test_what_cannot_be_fitted_or_believed() -> None:
    with pytest.raises(InputError, match="at least one token"):
        ByLikelihood().fit_switch(MODELS, [])
    never = Constant(MODELS["a"].vocabulary, np.full((7, 6), -np.inf))  # pyright: ignore[reportArgumentType]
    never.rows[:, 0] = 0.0
    with pytest.raises(InputError, match="no member gives any chance"):
        ByLikelihood().fit_switch({"a": never}, [np.array([0, 1])])
    bad: list[Any] = [0, 1, -0.1, 1.5, math.nan, math.inf, True, "0.1", None]
    for switch in bad:
        with pytest.raises(InputError, match="switch must lie between 0 and 1"):
            ByLikelihood(switch)
    priors: list[Any] = [{}, [1], "a", {"a": 0}, {"a": -1}, {"a": math.inf}, {"a": True}, {"a": "1"}, {3: 1}]
    for prior in priors:
        with pytest.raises(InputError, match="prior"):
            ByLikelihood(prior=prior)
