"""The best member or blend for a text: scores and folds by hand, honest about chance, and what is refused."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyloom
from polyloom import InputError, Layer, Layered, VocabularyMismatch
from polyloom.evaluate.mean import mean_of
from toolkit.compose.constant import Constant, random_models
from toolkit.compose.test_similarity import STRANGER

SIZE = 5


def written(model: Constant, tokens: int, seed: int) -> np.ndarray:
    """A text that this model wrote."""
    dice, found = np.random.default_rng(seed), list[int]()
    for _ in range(tokens):
        found.append(int(dice.choice(SIZE, p=np.exp(model.rows[found[-1] if found else -1]))))
    return np.array(found)


def nats(model: Any, documents: list[np.ndarray]) -> float:
    return float(np.concatenate([model.log_likelihood(ids) for ids in documents]).mean())


@pytest.fixture(scope="module")
def models() -> dict[str, Constant]:
    return dict(zip("abc", random_models(4, 3), strict=True))


# members


def test_the_member_that_wrote_a_text_is_found(models: dict[str, Constant]) -> None:
    for name, model in models.items():
        texts = [written(model, 40, seed) for seed in range(12)]
        found = polyloom.best_member(models, texts)
        assert (found.name, found.model) == (name, model)
        assert found.scores == pytest.approx({name: nats(models[name], texts) for name in models})
        assert list(found.scores.values()) == sorted(found.scores.values(), reverse=True)
        second = models[list(found.scores)[1]]
        ahead, _ = mean_of([model.log_likelihood(ids) - second.log_likelihood(ids) for ids in texts])
        assert found.ahead == ahead
        assert found.clear
        assert f"ahead of {list(found.scores)[1]}, over 12 documents: clear" in str(found)


def test_members_that_say_the_same_are_not_told_apart(models: dict[str, Constant]) -> None:
    found = polyloom.best_member({"one": models["a"], "two": models["a"]}, written(models["a"], 50, 1))
    assert found.name == "one"
    assert found.ahead is not None
    assert found.ahead.value == 0
    assert not found.clear
    assert "chance" in str(found)


def test_one_member_is_the_best(models: dict[str, Constant]) -> None:
    found = polyloom.best_member({"a": models["a"]}, np.array([1, 2]))
    assert (found.name, found.ahead, found.clear) == ("a", None, False)
    assert str(found) == f"a: {nats(models['a'], [np.array([1, 2])]):.4f} nats a token"


def test_a_member_that_finds_the_text_impossible_is_no_rival(models: dict[str, Constant]) -> None:
    rows = np.where(np.arange(SIZE) == 3, -np.inf, math.log(0.25)) + np.zeros((SIZE + 1, SIZE))
    never = Constant(models["a"].vocabulary, rows)
    found = polyloom.best_member({"never": never, "a": models["a"]}, np.array([1, 3] * 30))
    assert found.name == "a"
    assert found.ahead is not None
    assert found.ahead.value == math.inf
    assert found.clear
    blend = polyloom.best_blend({"never": never, "a": models["a"]}, np.array([1, 3, 2, 3] * 30))
    assert blend.member.name == "a"
    assert math.isfinite(blend.gain.value)
    for ask in (polyloom.best_member, polyloom.best_blend):
        with pytest.raises(InputError, match="none suits it"):
            ask({"x": never, "y": never}, np.array([1, 3]))


def test_a_blend_that_finds_a_text_impossible_has_lost_without_end(models: dict[str, Constant]) -> None:
    """All other documents make `never` the only voice; it then judges the one document that it rules out."""
    rows = np.where(np.arange(SIZE) == 3, -np.inf, math.log(0.25)) + np.zeros((SIZE + 1, SIZE))
    never, even = (Constant(models["a"].vocabulary, r) for r in (rows, np.full((SIZE + 1, SIZE), math.log(1 / SIZE))))
    texts = [np.array([1, 2, 4])] * 14 + [np.array([1, 3, 2])]
    blend = polyloom.best_blend({"never": never, "even": even}, texts)
    assert blend.member.name == "even"
    assert blend.gain.value == blend.gain.low == -math.inf
    assert not blend.clear
    assert blend.model is even
    assert "-inf" in str(blend)


# blends


def test_a_text_of_two_voices_wants_a_blend(models: dict[str, Constant]) -> None:
    """Tokens of either of two models, in turn by lot."""
    dice, mix = np.random.default_rng(1), Layered(models["a"], {"b": Layer(models["b"])})
    rows = np.stack([mix.begin([*([token] if token < SIZE else [])]).distribution() for token in range(SIZE + 1)])
    texts = [written(Constant(models["a"].vocabulary, rows), 60, int(seed)) for seed in dice.integers(0, 10**6, 20)]
    found = polyloom.best_blend(models, texts)
    assert found.clear
    assert found.model is found.mix
    assert found.gain.low > 0
    assert found.mix.weights["c"] < 0.2 < min(found.mix.weights["a"], found.mix.weights["b"])
    assert found.mix.certificate is not None
    assert (
        found.mix.weights
        == Layered(models["a"], {n: Layer(models[n]) for n in "bc"}, name="a").fit_weights(texts).weights
    )
    assert (found.parts, found.drawn) == ("5 parts", "20 documents")
    assert "against" in str(found)
    assert str(found).endswith(": clear")


def test_a_text_of_one_voice_wants_none(models: dict[str, Constant]) -> None:
    """What fitting gains on the very text is more than nothing; judged across parts, it is not."""
    texts = [written(models["b"], 12, seed) for seed in range(6)]
    found = polyloom.best_blend(models, texts)
    assert nats(found.mix, texts) >= found.member.scores["b"]
    assert found.gain.value < nats(found.mix, texts) - found.member.scores["b"]
    assert not found.clear
    assert found.model is models["b"]
    assert str(found).endswith(("chance may explain", "alone is better"))


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_documents_are_judged_by_weights_fitted_to_the_others(models: dict[str, Constant], pool: str) -> None:
    texts = [written(models["ab"[seed % 2]], 20, seed) for seed in range(7)]
    mix = Layered(models["a"], {n: Layer(models[n]) for n in "bc"}, pool, name="a")
    expected = []
    for n, ids in enumerate(texts):
        others = [other for m, other in enumerate(texts) if m % 5 != n % 5]
        expected.append(mix.fit_weights(others).log_likelihood(ids))
    found = polyloom.best_blend(models, texts, pool)
    best = models[found.member.name]
    gain, _ = mean_of([ours - best.log_likelihood(ids) for ours, ids in zip(expected, texts, strict=True)])
    assert found.gain.value == pytest.approx(gain.value, abs=1e-6)
    assert found.mix.pool == pool


def test_one_document_is_judged_by_halves(models: dict[str, Constant]) -> None:
    ids = written(models["a"], 81, 3)
    mix = Layered(models["a"], {n: Layer(models[n]) for n in "bc"}, name="a")
    early = mix.fit_weights([ids[40:]]).log_likelihood(ids[:40])
    late = mix.fit_weights([ids[:40]]).log_likelihood(ids)[40:]
    found = polyloom.best_blend(models, ids)
    best = models[found.member.name]
    assert found.gain.value == pytest.approx(np.append(early, late).mean() - best.log_likelihood(ids).mean(), abs=1e-9)
    assert found.parts == "halves"
    assert polyloom.best_blend(models, [ids[:1], ids[:1]]).parts == "2 parts"
    assert polyloom.best_blend(models, ids[:2]).drawn == "2 blocks of 1 token"


def test_voices_choose_for_their_own_text(woven: Any) -> None:
    mix, held_out = woven
    models = dict(mix.models)
    for name in ("sea", "contracts"):
        assert polyloom.best_member(models, held_out[name]).name == name
    found = polyloom.best_blend(models, held_out["sea"] + held_out["contracts"])
    assert found.clear
    heard = sorted(found.mix.weights, key=found.mix.weights.__getitem__)[-2:]
    assert set(heard) == {"sea", "contracts"}


# what is refused

A, B = random_models(1, 2)

REFUSED: dict[str, tuple[Callable[[], Any], type[InputError], str]] = {
    "no models": (lambda: polyloom.best_member({}, "a"), InputError, "Expected members by name"),
    "a model alone": (lambda: polyloom.best_member(A, "a"), InputError, "Expected members by name"),
    "no text": (lambda: polyloom.best_member({"a": A}, []), InputError, "at least one token; this one holds none"),
    "a path": (lambda: polyloom.best_member({"a": A}, 3), InputError, "Expected text or token ids"),
    "strangers": (lambda: polyloom.best_member({"a": A, "s": STRANGER}, "a"), VocabularyMismatch, "Member 's' speaks"),
    "a blend of one": (lambda: polyloom.best_blend({"a": A}, "a"), InputError, "two models or more, got a alone"),
    "one token": (lambda: polyloom.best_blend({"a": A, "b": B}, np.array([1])), InputError, "two tokens or more"),
    "an unknown pool": (
        lambda: polyloom.best_blend({"a": A, "b": B}, np.array([1, 2]), "harmonic"), InputError, "Unknown pool",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_chosen_among_is_refused(name: str) -> None:
    ask, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said):
        ask()
