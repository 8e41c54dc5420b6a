"""Fair credit: every set of layers against the plainest reading of it, values against all orders, sums to 1e-9."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom import AssociationModel, InputError, Layer, Layered
from polyloom.compose import coalitions
from polyloom.compose.pool import POOLS
from polyloom.compose.shapley import divided
from toolkit.compose.constant import Constant, random_models

TEXT = ["At night the moon is on the sea.", "Sleep, little one, the tide is out."]


def mixed(models: list[Any], weights: list[float], pool: str) -> Layered:
    names = [f"layer {k}" for k in range(len(models))]
    (first, base), *others = zip(names, map(Layer, models, weights), strict=True)
    return Layered(base.model, dict(others), pool, name=first, weight=base.weight)


def worth(mix: Layered, chosen: tuple[int, ...], text: np.ndarray) -> float:
    """The definition: that of the mix of these layers alone."""
    layers = [list(mix.layers.items())[k] for k in chosen]
    if not any(layer.weight for _, layer in layers):
        return -math.log(mix.vocabulary.size)
    (name, base), *others = layers
    alone = Layered(base.model, dict(others), mix.pool, name=name, weight=base.weight)
    return float(alone.log_likelihood(text).mean())


def by_orders(players: int, v: dict[tuple[int, ...], float]) -> np.ndarray:
    """What each adds when it comes in, averaged over all orders."""
    total = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        for at, player in enumerate(order):
            total[player] += v[tuple(sorted(order[: at + 1]))] - v[tuple(sorted(order[:at]))]
    return total / len(orders)


def by_pairs(players: int, v: dict[tuple[int, ...], float]) -> np.ndarray:
    """Shapley–Taylor, as Sundararajan and others define it for order 2."""
    found = np.zeros((players, players))
    for i, j in itertools.permutations(range(players), 2):
        others = [k for k in range(players) if k not in (i, j)]
        for size in range(len(others) + 1):
            for some in itertools.combinations(others, size):
                of = lambda *more, some=some: v[tuple(sorted((*some, *more)))]  # noqa: E731
                found[i, j] += 2 / players / math.comb(players - 1, size) * (of(i, j) - of(i) - of(j) + of())
    return found


@settings(max_examples=40)
@given(
    st.integers(0, 10**6),
    st.sampled_from(list(POOLS)),
    st.lists(st.sampled_from([0.0, 0.2, 1.0, 3.0]), min_size=1, max_size=5),
    st.sampled_from([0.5, 3.0, 60.0]),
)
def test_values_and_pairs_are_those_of_the_definitions(
    seed: int, pool: str, weights: list[float], spread: float
) -> None:
    """Also where what one layer finds likely is next to impossible for the others."""
    weights = weights if any(weights) else [1.0, *weights[1:]]
    mix = mixed(random_models(seed, len(weights), spread=spread), weights, pool)
    text = np.random.default_rng(seed).integers(0, 5, 9)
    sets = [s for n in range(len(weights) + 1) for s in itertools.combinations(range(len(weights)), n)]
    v = {chosen: worth(mix, chosen, text) for chosen in sets}
    found = mix.shapley(text)
    close = 1e-9 * max(1.0, *(abs(value) for value in v.values()))
    np.testing.assert_allclose(found.values, by_orders(len(weights), v), atol=close)
    np.testing.assert_allclose(found.pairs, by_pairs(len(weights), v), atol=10 * close)
    np.testing.assert_allclose(found.alone, [v[k,] - v[()] for k in range(len(weights))], atol=close)
    assert (found.whole, found.nothing) == pytest.approx((v[sets[-1]], -math.log(5)), abs=close)


@given(st.integers(0, 10**6), st.integers(1, 8))
def test_values_sum_and_open_into_what_each_does_alone_and_half_of_its_pairs(seed: int, players: int) -> None:
    given_worth = np.random.default_rng(seed).normal(size=2**players)
    values, alone, pairs = divided(given_worth)
    assert values.sum() == pytest.approx(given_worth[-1] - given_worth[0], abs=1e-9)
    np.testing.assert_allclose(values, alone + pairs.sum(1) / 2, atol=1e-9)
    np.testing.assert_array_equal(pairs, pairs.T)
    assert alone.sum() + pairs.sum() / 2 == pytest.approx(given_worth[-1] - given_worth[0], abs=1e-9)


def test_a_game_by_hand() -> None:
    """One left glove and two right ones: a pair is worth 1 (the best known example)."""
    pays = np.array([float(s & 1 > 0 and s > 1) for s in range(8)])
    values, alone, pairs = divided(pays)
    np.testing.assert_allclose(values, [2 / 3, 1 / 6, 1 / 6])
    np.testing.assert_array_equal(alone, 0)
    np.testing.assert_allclose(pairs, np.array([[0, 2, 2], [2, 0, -1], [2, -1, 0]]) / 3)


@pytest.mark.parametrize("pool", POOLS)
def test_the_credit_of_real_layers_sums_to_what_the_mix_reaches(
    pool: str, sea: AssociationModel, lullabies: AssociationModel
) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.5), "again": Layer(sea, 0.4), "off": Layer(sea, 0.0)}, pool)
    found = mix.shapley(TEXT)
    assert found.whole == pytest.approx(-math.log(mix.perplexity(TEXT)), abs=1e-9)
    assert abs(found.residual) < 1e-9
    assert found.names == ("base", "lullabies", "again", "off")
    assert found.tokens == sum(len(mix.ids(text)) for text in TEXT)
    assert found.values[3] == pytest.approx(0.0, abs=1e-12)
    assert found.pairs[0, 2] < 0  # they know the same


def test_layers_that_are_alike_have_alike_values() -> None:
    (one,) = random_models(2, 1)
    found = mixed([one] * 3, [1.0, 1.0, 1.0], "linear").shapley(np.array([0, 1, 2, 2]))
    np.testing.assert_allclose(found.values, (found.whole - found.nothing) / 3)
    np.testing.assert_allclose(found.pairs[0, 1:], -found.alone[0] * 2 / 3)


def test_small_strips_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    mix, text = mixed(random_models(3, 4), [1.0, 0.5, 2.0, 0.1], "linear"), np.arange(300) % 5
    before = mix.shapley(text)
    monkeypatch.setattr(coalitions, "STRIP", 100)
    np.testing.assert_allclose(mix.shapley(text).values, before.values, rtol=1e-12)


def test_it_can_be_read() -> None:
    found = mixed(random_models(3, 3), [1.0, 0.5, 2.0], "log").shapley(np.arange(40) % 5)
    said, page = str(found), found._repr_html_()
    assert said == repr(found)
    assert f"{found.whole - found.nothing:.4f} nats a token over 40 tokens" in said
    for name, value in zip(found.names, found.values.tolist(), strict=True):
        assert f"{name}  {value:+.4f} = alone" in said
        assert f"{value:+.4f}" in page
    assert len(found.strongest()) == 3
    assert abs(found.strongest()[0][2]) == pytest.approx(np.abs(found.pairs).max())
    assert "<script" not in page
    alone = mixed(random_models(3, 1), [1.0], "linear").shapley(np.array([0, 1]))
    assert alone.strongest() == []
    assert "<ul>" not in alone._repr_html_()


def test_names_are_escaped() -> None:
    (model,) = random_models(1, 1)
    page = Layered(model, {}, name="<b>").shapley(np.array([1, 2]))._repr_html_()
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize("pool", POOLS)
def test_what_has_no_credit_is_refused(pool: str, sea: AssociationModel) -> None:
    mix = Layered(sea, {"again": Layer(sea)}, pool)
    for nothing in ([], "", [""]):
        with pytest.raises(InputError, match="Fair credit needs at least one token"):
            mix.shapley(nothing)
    with pytest.raises(InputError, match="Expected text"):
        mix.shapley(None)  # pyright: ignore[reportArgumentType]
    many = Layered(sea, {str(n): Layer(sea) for n in range(16)}, pool)
    with pytest.raises(InputError, match="at most 16, got 17"):
        many.shapley(TEXT)


def test_a_layer_that_finds_the_text_impossible_is_named() -> None:
    (ours,) = random_models(1, 1)
    never = Constant(ours.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    with pytest.raises(InputError, match="a token that never alone gives no chance"):
        Layered(ours, {"never": Layer(never)}).shapley(np.array([0, 3]))
    with pytest.raises(InputError, match="no chance at all"):
        Layered(ours, {"never": Layer(never)}, "log").shapley(np.array([0, 3]))
