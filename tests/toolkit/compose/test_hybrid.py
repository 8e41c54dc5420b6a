"""Networks and association models in one linear pool: the laws, and the likeliest tokens without reading every one."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import LanguageModelContract, distribution, logsumexp
from polyloom import AssociationModel, LanguageModel, Layer, Layered, WordVocabulary
from polyloom.compose import linear
from toolkit.compose.constant import Constant
from toolkit.compose.dense import Dense

WORDS = WordVocabulary(["</s>", "<unk>", *(f"w{n}" for n in range(198))])
LARGE = 152_064  # pieces, as in the tokenizers of large models


def counted(vocabulary: WordVocabulary, seed: int, tokens: int = 3000) -> AssociationModel:
    """Learned from a text in which some words are far commoner than others, and phrases come again."""
    text = skewed(vocabulary.size, seed, tokens)
    return AssociationModel.fit([text, text[:500]], vocabulary, order=3)


def skewed(size: int, seed: int, tokens: int) -> np.ndarray:
    found = (size * np.random.default_rng(seed).random(tokens) ** 4).astype(np.int64)
    found[tokens // 2 :] = found[: tokens - tokens // 2]
    return found


COUNTS, OTHERS = counted(WORDS, 1), counted(WORDS, 2)
NETWORK = Dense(WORDS)
MAKES: dict[str, Callable[[], Layered]] = {
    "a network and counts": lambda: Layered(NETWORK, {"counts": Layer(COUNTS)}),
    "counts first": lambda: Layered(COUNTS, {"network": Layer(NETWORK, 0.2)}, name="counts"),
    "two of each": lambda: Layered(
        NETWORK,
        {"a": Layer(COUNTS, 0.4), "sharp": Layer(Dense(WORDS, 3, 9.0), 0.1), "b": Layer(OTHERS, 2.0)},
    ),
    "with silent ones": lambda: Layered(
        COUNTS, {"off": Layer(Dense(WORDS, 4), 0.0), "network": Layer(NETWORK), "b": Layer(OTHERS)}, weight=0.0
    ),
    "a mix of mixes": lambda: Layered(
        Layered(NETWORK, {"counts": Layer(COUNTS, 0.5)}), {"b": Layer(OTHERS, 0.3), "again": Layer(NETWORK, 0.1)}
    ),
    "with a log pool": lambda: Layered(
        Layered(NETWORK, {"counts": Layer(COUNTS, 0.5)}, pool="log"), {"b": Layer(OTHERS, 0.3)}
    ),
}


@pytest.mark.long
class TestHybrid(LanguageModelContract):
    @pytest.fixture(scope="class", params=["a mix of mixes"])
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> Layered:
        return MAKES[request.param]()


@given(
    st.integers(0, 10**6),
    st.floats(0.1, 60),
    st.lists(st.sampled_from([1e-9, 0.01, 1.0, 30.0]), min_size=4, max_size=4),
    st.integers(1, 70),
)
def test_the_likeliest_are_the_head_of_the_whole(seed: int, sharp: float, weights: list[float], k: int) -> None:
    models: list[LanguageModel] = [Dense(WORDS, seed, sharp), COUNTS, Dense(WORDS, seed + 1), OTHERS]
    layers = {str(n): Layer(model, weight) for n, (model, weight) in enumerate(zip(models, weights, strict=True))}
    place = Layered(NETWORK, layers, weight=0.0).begin(skewed(WORDS.size, seed, seed % 90))
    agrees(place.distribution(), place.top(k))


def agrees(whole: np.ndarray, found: linear.Candidates) -> None:
    """To the last bit, ties by smaller id."""
    order = np.lexsort((np.arange(len(whole)), -whole))[: len(found.tokens)]
    assert found.tokens.tolist() == order.tolist()
    np.testing.assert_array_equal(found.log_probs, whole[order])


@pytest.mark.parametrize("name", MAKES)
def test_every_mix_agrees_with_itself(name: str) -> None:
    mix, text = MAKES[name](), skewed(WORDS.size, 8, 30)
    rows, place = np.concatenate(list(mix.log_probs(text))), mix.begin(text[:10])
    np.testing.assert_allclose(mix.log_likelihood(text), rows[np.arange(30), text], atol=1e-12)
    for at in range(10, 30):
        np.testing.assert_allclose(place.distribution(), rows[at], atol=1e-12)
        for k in (1, 10, 65):
            agrees(place.distribution(), place.top(k))
        account = place.explain(int(text[at]))
        assert account.probability == pytest.approx(np.exp(rows[at, text[at]]))
        assert abs(account.residual) < 1e-9
        place.advance(int(text[at]))


def test_few_tokens_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    place = MAKES["two of each"]().begin(skewed(WORDS.size, 5, 40))
    expected = place.distribution()
    monkeypatch.setattr(linear, "distribution", lambda _: pytest.fail("read the whole"))
    agrees(expected, place.top(3))


@pytest.mark.parametrize("rows", ["equal", "all but ten equal", "impossible but for one"])
def test_ties_and_rows_without_a_head(rows: str) -> None:
    """Where nearly all are equally likely, or equally impossible, everything is read, and ties go by id."""
    given = np.zeros((WORDS.size + 1, WORDS.size))
    given[:, 30:40] += np.log(5.0) if rows == "all but ten equal" else 0.0
    given[:, :-1] -= np.inf if rows == "impossible but for one" else 0.0
    flat = Constant(WORDS, given - logsumexp(given)[:, None])
    for weight in (0.01, 1.0, 100.0):
        place = Layered(flat, {"counts": Layer(COUNTS, weight)}).begin([5, 6])
        for k in (1, 10, 12, 64, 200):
            agrees(place.distribution(), place.top(k))


def test_a_mix_in_a_mix_is_one_mix() -> None:
    inner = Layered(NETWORK, {"counts": Layer(COUNTS, 0.5), "off": Layer(OTHERS, 0.0)}, weight=1.5)
    nested = Layered(inner, {"b": Layer(OTHERS, 0.5)})
    flat = Layered(NETWORK, {"counts": Layer(COUNTS, 0.25), "b": Layer(OTHERS, 0.5)}, weight=0.75)
    for length in (0, 1, 50):
        text = skewed(WORDS.size, 9, length)
        np.testing.assert_allclose(distribution(nested.begin(text)), distribution(flat.begin(text)), rtol=1e-12)
        assert nested.begin(text).top(20).tokens.tolist() == flat.begin(text).top(20).tokens.tolist()


def test_shares_too_small_for_a_float_are_not_lost() -> None:
    """Under an exponent of 400 most tokens are impossible to a float, and what counts say is made as small."""
    sharp = Layered(NETWORK, {}, "log", weight=400.0)
    mix = Layered(sharp, {"counts": Layer(COUNTS, 5e-324)})
    place = mix.begin([3, 4])
    assert np.isfinite(place.distribution()).all()
    agrees(place.distribution(), place.top(64))
    deeper = Layered(COUNTS, {"mix": Layer(Layered(NETWORK, {"b": Layer(OTHERS)}), 5e-324)}).begin([3, 4])
    np.testing.assert_allclose(deeper.distribution(), distribution(COUNTS.begin([3, 4])), rtol=1e-12)
    agrees(deeper.distribution(), deeper.top(9))


# as many pieces as large models have


@pytest.fixture(scope="module")
def large() -> Layered:
    vocabulary = WordVocabulary([f"w{n}" for n in range(LARGE)])
    assert vocabulary.size > 2**16
    counts = counted(vocabulary, 3, tokens=8000)
    return Layered(Dense(vocabulary), {"counts": Layer(counts), "more": Layer(counts + counts, 0.2)})


@pytest.mark.parametrize("weight", [0.001, 50.0])
def test_the_laws_hold_at_152_064_pieces(large: Layered, weight: float) -> None:
    mix, text = large.with_weights(counts=weight), skewed(LARGE, 3, 24)
    scores, rows = mix.log_likelihood(text), np.concatenate(list(mix.log_probs(text)))
    np.testing.assert_allclose(scores, rows[np.arange(len(text)), text], atol=1e-9)
    place = mix.begin(text[:16])
    for at in (16, 20):
        found = distribution(place)
        assert abs(logsumexp(found)) < 1e-9
        np.testing.assert_allclose(found, rows[at], atol=1e-9)
        for k in (1, 10, 64):
            agrees(found, place.top(k))
        account = place.explain(int(text[at]))
        assert account.total == pytest.approx(np.exp(scores[at]), rel=1e-9)
        assert abs(account.residual) < 1e-9
        place.extend(text[at : at + 4])


def test_most_of_152_064_pieces_are_not_looked_at(large: Layered, monkeypatch: pytest.MonkeyPatch) -> None:
    place = large.begin(skewed(LARGE, 3, 50))
    expected = distribution(place)
    monkeypatch.setattr(linear, "distribution", lambda _: pytest.fail("read the whole"))
    agrees(expected, place.top(10))
