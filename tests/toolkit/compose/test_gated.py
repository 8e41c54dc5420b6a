"""A gate between models: the laws, the shares by hand, what a fit reaches, what a file holds, what is refused."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from contract import LanguageModelContract, distribution
from polyloom import AssociationModel, Gated, InputError, LanguageModel, Layer, Layered, VocabularyMismatch
from polyloom.association.gate import FLOOR, Gate
from polyloom.compose.gating import even
from toolkit.compose.constant import Constant, random_models
from toolkit.compose.damaged import refused
from toolkit.compose.dense import Dense
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS, WORDS, skewed


def drawn(members: int, seed: int = 1) -> Gate:
    """Any gate, not too far from even."""
    return Gate(np.random.default_rng(seed).normal(size=(1 + 2 * members, members)) * 0.5)


MAKES: dict[str, Callable[[], LanguageModel]] = {
    "a network and counts": lambda: Gated({"network": NETWORK, "counts": COUNTS, "b": OTHERS}, drawn(3)),
    "in a mix, and the reverse": lambda: Layered(
        Gated({"mix": Layered(NETWORK, {"counts": Layer(COUNTS, 0.5)}), "b": OTHERS}, drawn(2)),
        {"b": Layer(OTHERS, 0.2)},
    ),
}


@pytest.mark.long
class TestGated(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


# arithmetic


def by_hand(rows: list[np.ndarray], gate: Gate) -> tuple[np.ndarray, np.ndarray]:
    """Shares and chances, in the plainest way."""
    known = [1.0]
    for row in rows:
        known += [-math.fsum(math.exp(x) * x for x in row if x > -math.inf), max(row)]
    score = np.array(known) @ gate.weights
    shares = (1 - FLOOR) * np.exp(score) / np.exp(score).sum() + FLOOR / len(rows)
    return shares, sum(share * np.exp(row) for share, row in zip(shares, rows, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_a_gate_is_a_softmax_of_what_the_members_say_of_themselves(seed: int) -> None:
    models = random_models(seed, 3, size=7)
    gated = Gated({"a": models[0], "b": models[1], "c": models[2]}, drawn(3, seed))
    for prompt in ([], [0], [2, 1]):
        shares, chances = by_hand([distribution(model.begin(prompt)) for model in models], gated.gate)
        place = gated.begin(prompt)
        np.testing.assert_allclose(np.exp(distribution(place)), chances, rtol=1e-12)
        assert place.weights == pytest.approx(dict(zip("abc", shares.tolist(), strict=True)), rel=1e-12)


def test_without_a_gate_all_speak_equally_loudly() -> None:
    gated = Gated({"a": COUNTS, "b": OTHERS})
    mix = Layered(COUNTS, {"b": Layer(OTHERS)})
    assert gated.begin([3]).weights == pytest.approx({"a": 0.5, "b": 0.5})
    np.testing.assert_allclose(distribution(gated.begin([3])), distribution(mix.begin([3])), rtol=1e-12)
    assert "fixed shares" in repr(gated)


def test_one_member_has_it_all() -> None:
    np.testing.assert_allclose(distribution(Gated({"a": COUNTS}).begin([3])), distribution(COUNTS.begin([3])))


def test_what_is_impossible_for_one_or_all_stays_so() -> None:
    ours, theirs = random_models(3, 2)
    never = Constant(ours.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    gated = Gated({"ours": ours, "never": never}, drawn(2))
    for prompt in ([], [3]):
        _, chances = by_hand([distribution(model.begin(prompt)) for model in (ours, never)], gated.gate)
        np.testing.assert_allclose(np.exp(distribution(gated.begin(prompt))), chances, rtol=1e-12)
        np.testing.assert_allclose(gated.log_likelihood([*prompt, 3])[-1], np.log(chances[3]), rtol=1e-12)
    assert distribution(Gated({"a": never, "b": never}).begin())[3] == -np.inf
    assert Gated({"a": never, "b": never}).log_likelihood([3]) == -np.inf
    sharp = Layered(theirs, {}, "log", weight=400.0)
    assert np.isfinite(distribution(Gated({"a": sharp, "b": sharp}).begin())).all()


# accounts


def test_an_account_opens_into_those_of_the_members_and_says_what_the_gate_saw(sea: Any, lullabies: Any) -> None:
    gated = Gated({"sea": sea, "lullabies": lullabies}, drawn(2))
    place = gated.begin("At night the")
    account = place.explain("tide")
    assert account.scale == "probability"
    assert [term.name for term in account.terms] == ["sea", "lullabies"]
    for term, model in zip(account.terms, (sea, lullabies), strict=True):
        assert term.child == model.explain("At night the", "tide")
        assert term.contribution == pytest.approx(place.weights[term.name] * term.child.probability)
        assert "as unsure as among" in term.detail
    assert account.evidence() == sea.explain("At night the", "tide").evidence() != ()


def test_shares_are_those_of_the_account(sea: AssociationModel, lullabies: AssociationModel) -> None:
    gated = Gated({"sea": sea, "lullabies": lullabies}, drawn(2))
    place = gated.begin("At night the tide")
    assert place.shares("moon") == pytest.approx(place.explain("moon").shares())
    assert place.shares("tide", ago=1) == pytest.approx(gated.begin("At night the").explain("tide").shares())


# fits


def two_halves(seed: int, tokens: int) -> np.ndarray:
    """Runs of text that either of two models knows: who is sure of himself is right."""
    dice = np.random.default_rng(seed)
    parts = [skewed(WORDS.size, int(dice.integers(1, 3)), 3000)[at : at + 25] for at in dice.integers(0, 2900, 2000)]
    return np.concatenate(parts)[:tokens]


def mean(model: LanguageModel, ids: np.ndarray) -> float:
    return float(model.log_likelihood(ids).mean())


@pytest.mark.long
def test_a_gate_beats_the_best_fixed_weights_on_other_text() -> None:
    learned, judged = two_halves(1, 4000), two_halves(2, 3000)
    fixed = Layered(COUNTS, {"b": Layer(OTHERS)}).fit_weights([learned])
    gated = Gated({"a": COUNTS, "b": OTHERS}).fit_gate([learned])
    assert mean(gated, learned) > mean(fixed, learned) + 0.05
    assert mean(gated, judged) > mean(fixed, judged) + 0.05
    found = gated.certificate
    assert found is not None
    assert found.objective == pytest.approx(mean(gated, learned), abs=1e-12)
    assert found.fixed == pytest.approx(mean(fixed, learned), abs=0.01)
    assert found.trial is not None
    assert found.trial[1] > found.trial[0]
    assert found.tokens == 4000
    assert 400 < found.aside < 1600
    assert f"{found.aside:,} tokens kept aside" in str(found)
    assert found.perplexity == pytest.approx(math.exp(-found.objective))
    assert "a gate" in repr(gated)


def test_a_gate_that_does_not_pass_its_trial_is_not_kept() -> None:
    """One model twice: there is nothing to choose, and shares that move could only follow noise."""
    text = two_halves(1, 3000)
    gated = Gated({"a": COUNTS, "again": COUNTS}).fit_gate([text])
    assert mean(gated, text) == pytest.approx(mean(COUNTS, text), abs=1e-9)
    best = Gated({"a": Dense(WORDS, 8), "b": Dense(WORDS, 9)})
    noise = np.random.default_rng(1).integers(0, WORDS.size, 1500)
    found = best.fit_gate([noise])
    assert found.certificate is not None
    assert found.certificate.objective >= found.certificate.fixed
    assert mean(found, noise) == pytest.approx(found.certificate.objective, abs=1e-12)


def test_on_little_text_the_shares_stay_fixed() -> None:
    found = Gated({"a": COUNTS, "b": OTHERS}).fit_gate([two_halves(3, 300)])
    assert found.certificate is not None
    assert found.certificate.trial is None
    assert "too little text" in str(found.certificate)
    assert found.certificate.objective == found.certificate.fixed
    assert found.begin([3]).weights == pytest.approx(found.begin([5, 6]).weights)
    best = Layered(COUNTS, {"b": Layer(OTHERS)}).fit_weights([two_halves(3, 300)])
    np.testing.assert_allclose(list(found.begin().weights.values()), best.factors, atol=FLOOR)


def test_a_fit_repeats_and_leaves_what_was() -> None:
    before, text = Gated({"a": COUNTS, "b": NETWORK}), two_halves(5, 1500)
    first, again = before.fit_gate([text[:700], text[700:]]), before.fit_gate([text[:700], text[700:]])
    np.testing.assert_array_equal(first.gate.weights, again.gate.weights)
    assert first.certificate == again.certificate
    np.testing.assert_array_equal(before.gate.weights, even(2).weights)
    assert first.models["a"] is COUNTS


def test_what_cannot_be_fitted() -> None:
    gated = Gated({"a": COUNTS, "b": OTHERS})
    with pytest.raises(InputError, match="needs 200 tokens or more, got 0"):
        gated.fit_gate([])
    with pytest.raises(InputError, match="needs 200 tokens or more, got 199"):
        gated.fit_gate([two_halves(1, 199)])
    never = Constant(WORDS, np.full((WORDS.size + 1, WORDS.size), -np.inf))
    never.rows[:, 0] = 0.0
    with pytest.raises(InputError, match="no member gives any chance"):
        Gated({"a": never}).fit_gate([two_halves(1, 300)])


# files


def test_it_comes_back_from_a_file(sea: AssociationModel, lullabies: AssociationModel, tmp_path: Path) -> None:
    inner = Gated({"sea": sea, "lullabies": lullabies}, drawn(2))
    for model in (inner, Layered(inner, {"sea": Layer(sea, 0.2)}), Gated({"all": Layered(inner, {}), "sea": sea})):
        for members in ("embed", "reference"):
            path = model.save(tmp_path / "mix.psamc", members=members)
            polyloom.verify(path)
            again = polyloom.load(path)
            assert repr(again) == repr(model)
            assert again.digest == model.digest
            expected = distribution(model.begin("At night the"))
            np.testing.assert_array_equal(distribution(again.begin("At night the")), expected)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"names": ["sea"]}, "names 1 members and holds 2"),
        ({"names": [1, 2]}, "name of a member as text"),
        ({"names": None}, "is damaged"),
        ({"members": []}, "names 2 members and holds 0"),
        ({"fitted": 1, "gate": np.zeros((4, 2))}, "'gate' is missing"),
        ({"gate": np.full((5, 2), np.nan)}, "not finite"),
    ],
)
def test_a_damaged_file_is_told(sea: Any, lullabies: Any, tmp_path: Path, damage: dict[str, Any], said: str) -> None:
    refused(Gated({"sea": sea, "lullabies": lullabies}), tmp_path, damage, said)


# what is refused


def test_what_cannot_be_a_member(sea: AssociationModel) -> None:
    wrong: list[tuple[Any, str]] = [
        ({}, "Expected members by name"),
        ([sea], "Expected members by name"),
        ({"a": None}, "Member 'a' holds a NoneType; expected a model"),
        ({"a": sea, "b": "sea"}, "Member 'b' holds a str"),
        ({5: sea}, "name of a member as text"),
    ]
    for members, said in wrong:
        with pytest.raises(InputError, match=said):
            Gated(members)
    with pytest.raises(VocabularyMismatch, match=r"Member 'b' speaks .*, 'a' speaks"):
        Gated({"a": sea, "b": COUNTS})


def test_a_gate_for_others_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(7, 3\); 2 members need one of shape \(5, 2\)"):
        Gated({"a": COUNTS, "b": OTHERS}, drawn(3))
    anything: Any = "open"
    with pytest.raises(InputError, match="Expected a gate, as fit_gate makes it, got str"):
        Gated({"a": COUNTS}, anything)
