"""Inverse control: the target is met, nothing near is nearer, and what is called unreachable is."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polyloom import AssociationModel, InputError, Layer, Layered
from polyloom.compose.pool import POOLS
from polyloom.compose.reach import Reach
from toolkit.compose.constant import Constant, random_models

TEXT = np.array([0, 3, 1, 1, 4, 2, 0, 2, 3, 1])


def drawn(seed: int, pool: str, most: int = 4) -> Layered:
    rng = np.random.default_rng(seed)
    models = random_models(seed, int(rng.integers(1, most + 1)))
    weights = rng.random(len(models)) * rng.integers(0, 2, len(models)) + 0.1 * (np.arange(len(models)) == 0)
    layers = {str(k): Layer(model, float(w)) for k, (model, w) in enumerate(zip(models, weights, strict=True))}
    base = layers.pop("0")
    return Layered(base.model, layers, pool, name="0", weight=base.weight)


def asked(mix: Layered, seed: int, tokens: bool) -> tuple[Reach, Any]:
    """An answer, and how to measure any mix by the same."""
    rng = np.random.default_rng(seed + 1)
    if tokens:
        token = int(rng.integers(5))
        found = mix.reach(TEXT[:4], token=token, probability=float(rng.uniform(0.001, 1)))
        return found, lambda other: float(np.exp(other.begin(TEXT[:4]).distribution()[token]))
    return mix.reach([TEXT, TEXT[:3]], perplexity=float(rng.uniform(1, 12))), lambda o: o.perplexity([TEXT, TEXT[:3]])


def others(mix: Layered, found: Reach, rng: np.random.Generator) -> list[np.ndarray]:
    """Weights that a search might have overlooked: near the answer, on the way to it, and anywhere."""
    linear, start = mix.pool == "linear", mix.factors
    size, after = len(start), found.mix.factors
    far = [rng.dirichlet(np.full(size, 0.5)) if linear else rng.uniform(0, 10, size) for _ in range(15)]
    near = [start + (after - start) * rng.uniform(0.5, 1.2) for _ in range(5)]
    near += [x + 0.2 * found.distance * rng.normal(size=size) for x in near for _ in range(3)]
    tried = [np.clip(x, 0, 10) for x in (*far, *near)]
    return [x / x.sum() if linear else x for x in tried if x.sum() > 0]


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(list(POOLS)), st.booleans())
def test_the_target_is_met_by_no_more_than_was_needed(seed: int, pool: str, tokens: bool) -> None:
    mix = drawn(seed, pool)
    found, measured = asked(mix, seed, tokens)
    assert found.before == pytest.approx(measured(mix), rel=1e-9)
    assert found.after == pytest.approx(measured(found.mix), rel=1e-6)
    moved = found.mix.factors - mix.factors
    assert found.distance == pytest.approx(np.linalg.norm(moved), abs=1e-8)
    np.testing.assert_allclose(list(found.change.values()), moved, atol=1e-8)
    assert found.least <= found.distance
    if found.reached:
        assert found.after == pytest.approx(found.target, rel=1e-6)
    up = found.target > found.before
    for weights in others(mix, found, np.random.default_rng(seed)):
        value = measured(mix.with_weights(dict(zip(mix.layers, weights.tolist(), strict=True))))
        if (value - found.target) * (1 if up else -1) >= 1e-9 * found.target:  # it meets the target, or is past it
            assert found.reached or not found.certified
            assert np.linalg.norm(weights - mix.factors) >= found.least - 1e-6
        assert (value <= found.bound * (1 + 1e-6)) if up else (value >= found.bound * (1 - 1e-6))


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.booleans())
def test_tokens_of_a_linear_pool_are_certain_in_both_directions(seed: int, down: bool) -> None:
    """What is proved to be nearest is so on a grid; the most is that of the layer which likes the token best."""
    mix = drawn(seed, "linear", 3)
    assume(len(mix.layers) == 3)
    chances = [dict(model.predict(TEXT[:4], 5))["a"] for model in mix.models.values()]
    before = float(np.array(chances) @ mix.factors)
    most = min(chances) if down else max(chances)
    assume(abs(before - most) > 1e-3)
    found = mix.reach(TEXT[:4], token="a", probability=0.6 * before + 0.4 * most)
    assert found.most == pytest.approx(most, rel=1e-6)
    assert found.reached
    assert found.certified
    for one in np.linspace(0, 1, 41):
        for two in np.linspace(0, 1 - one, 41):
            shares = np.array([one, two, 1 - one - two])
            if (shares @ chances <= found.target) if down else (shares @ chances >= found.target):
                assert np.linalg.norm(shares - mix.factors) >= found.distance - 1e-7
    past = mix.reach(TEXT[:4], token="a", probability=most * (0.9 if down else 1.01) if most < 0.99 else 1.0)
    assert not past.reached
    assert past.certified
    assert past.after == pytest.approx(most, rel=1e-6)


def test_two_layers_by_hand() -> None:
    """0.2 and 0.6 at even shares are 0.4; for 0.5 a quarter must move over, √2 · 0.25 away."""
    models = random_models(1, 2)
    low, high = (Constant(models[0].vocabulary, np.log([p, *[(1 - p) / 4] * 4]) + np.zeros((6, 1))) for p in (0.2, 0.6))
    mix = Layered(low, {"high": Layer(high, 3.0)}, weight=3.0)
    found = mix.reach([1], token=0, probability=0.5)
    assert found.change == pytest.approx({"base": -0.25, "high": 0.25})
    assert found.distance == pytest.approx(math.sqrt(2) / 4)
    assert found.mix.weights == pytest.approx({"base": 1.5, "high": 4.5})  # their sum is kept
    assert mix.weights == {"base": 3.0, "high": 3.0}
    never = mix.reach([1], token=0, probability=0.7)
    assert not never.reached
    assert (never.most, never.bound) == pytest.approx((0.6, 0.6))
    assert never.mix.weights == pytest.approx({"base": 0.0, "high": 6.0}, abs=1e-6)
    assert "0.7 is unreachable: the most is 0.6" in str(never)
    assert never.box is None


def test_the_least_perplexity_is_that_of_the_fitted_weights(sea: AssociationModel, lullabies: AssociationModel) -> None:
    texts = ["At night the moon is on the sea.", "Sleep, little one, the tide is out."]
    for pool in POOLS:
        mix = Layered(sea, {"lullabies": Layer(lullabies, 0.05)}, pool)
        best, before = mix.fit_weights(texts).perplexity(texts), mix.perplexity(texts)
        found = mix.reach(texts, perplexity=1.0)
        assert not found.reached
        assert found.certified
        assert found.most == pytest.approx(best, rel=1e-6)
        between = mix.reach(texts, perplexity=(best + before) / 2)
        assert between.reached
        assert between.certified
        assert between.mix.perplexity(texts) == pytest.approx((best + before) / 2, rel=1e-6)
        assert [one.name for one in between.beside] in (["document 1", "document 2"], ["document 2", "document 1"])
        assert {one.name: one.after for one in between.beside}["document 2"] == pytest.approx(
            between.mix.perplexity(texts[1])
        )
        assert mix.reach(texts[0], perplexity=before).beside == ()


@pytest.mark.parametrize("pool", POOLS)
def test_what_is_so_already_moves_nothing(pool: str, sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.5)}, pool)
    found = mix.reach("At night the", token="moon", probability=mix.explain("At night the", "moon").probability)
    assert found.reached
    assert found.certified
    assert found.distance == 0
    assert found.mix.weights == pytest.approx(mix.weights)


def test_it_says_what_else_changed(sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.5)})
    found = mix.reach("At night the", token="moon", probability=0.02)
    assert len(found.beside) == 5
    assert "moon" not in {one.name for one in found.beside}
    for one in found.beside:
        assert one.before == pytest.approx(mix.explain("At night the", one.name).probability)
        assert one.after == pytest.approx(found.mix.explain("At night the", one.name).probability)
    said, page = str(found), found._repr_html_()
    assert said == repr(found)
    assert said.startswith(f"p(moon): {found.before:.4g} → {found.after:.4g}")
    for name, change in found.change.items():
        assert f"{name}  {change:+.4f} to" in said
        assert name in page
    assert page.index("moved by") < page.index("lullabies") < page.index("beside it"), "faders, then what else changed"
    assert "<script" not in page


def test_a_contrast_may_stay_negative() -> None:
    """The box of a log pool reaches as far as the weights do."""
    a, b = random_models(4, 2)
    mix = Layered(a, {"b": Layer(b, -2.0)}, "log")
    likeliest = int(mix.begin([1]).top(1).tokens[0])
    found = mix.reach([1], token=likeliest, probability=0.94)
    assert found.reached
    assert found.certified
    assert found.mix.weights["b"] < 0
    assert found.box == ((0.0, 10.0), (-2.0, 10.0))
    assert "1 is unreachable with weights from -2 to 10" in str(mix.reach([1], token=likeliest, probability=1.0))


def test_where_a_fair_draw_would_be_closest_a_trace_is_kept() -> None:
    (model,) = random_models(1, 1)
    wrong = Constant(model.vocabulary, np.log([0.96, 0.01, 0.01, 0.01, 0.01]) + np.zeros((6, 1)))
    found = Layered(wrong, {}, "log").reach([1], token=3, probability=0.5)
    assert not found.reached
    assert found.most == pytest.approx(0.2)
    assert found.mix.weights == {"base": 1e-9}


def test_a_layer_that_was_off_may_come_in() -> None:
    a, b = random_models(6, 2)
    never = Constant(a.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    mix = Layered(never, {"b": Layer(b, 0.0)})
    chance = dict(b.predict([1], 5))[b.vocabulary.pieces[3]]
    found = mix.reach([1], token=3, probability=chance / 4)
    assert (found.before, found.after) == pytest.approx((0.0, chance / 4))
    assert found.mix.factors == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({}, "Say what to reach"),
        ({"token": "moon"}, "Say what to reach"),
        ({"probability": 0.2}, "Say what to reach"),
        ({"token": "moon", "perplexity": 40}, "Say what to reach"),
        ({"token": "moon", "probability": 0.2, "perplexity": 40}, "Say what to reach"),
        ({"token": "moon", "probability": 1.2}, "probability must be a finite number"),
        ({"token": "moon", "probability": 0}, "probability must be a finite number"),
        ({"token": "moon", "probability": math.nan}, "probability must be a finite number"),
        ({"token": "moon", "probability": "0.2"}, "probability must be a finite number"),
        ({"token": "no such piece", "probability": 0.2}, "no such piece"),
        ({"perplexity": 0.5}, "perplexity must be a finite number"),
        ({"perplexity": math.inf}, "perplexity must be a finite number"),
        ({"perplexity": True}, "perplexity must be a finite number"),
    ],
)
def test_what_is_no_wish_is_refused(sea: AssociationModel, wish: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Layered(sea, {}).reach("At night the", **wish)


def test_what_is_no_text_is_refused(sea: AssociationModel) -> None:
    with pytest.raises(InputError, match="Reaching a perplexity needs at least one token"):
        Layered(sea, {}).reach([""], perplexity=40)
    with pytest.raises(InputError):
        Layered(sea, {}).reach(None, token="moon", probability=0.2)  # pyright: ignore[reportArgumentType]
