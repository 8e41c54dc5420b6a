"""Contrast and avoidance: the laws, the log pool that a contrast is, what is plausible, accounts, files, refusals."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract, distribution, logsumexp
from polyloom import (
    AssociationModel,
    Contrast,
    Ensemble,
    Gated,
    InputError,
    LanguageModel,
    Layer,
    Layered,
    VocabularyMismatch,
    avoid,
)
from toolkit.compose.constant import Constant, random_models
from toolkit.compose.damaged import refused
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS, WORDS, skewed

MAKES: dict[str, Callable[[], LanguageModel]] = {
    "contrast": lambda: Contrast(COUNTS, OTHERS),
    "what is plausible": lambda: Contrast(NETWORK, OTHERS, 2.0, plausible=0.1),
    "avoid": lambda: avoid(NETWORK, COUNTS, 1.5),
    "in others, and of others": lambda: Layered(
        Contrast(Gated({"a": COUNTS, "b": OTHERS}), avoid(OTHERS, COUNTS), 0.3, plausible=0.2),
        {"votes": Layer(Ensemble({"a": avoid(COUNTS, OTHERS), "b": OTHERS}, "majority"), 0.2)},
    ),
}


@pytest.mark.long
class TestContrast(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


def told(*chances: list[float]) -> list[Constant]:
    """Models that say the same everywhere."""
    models = random_models(0, len(chances), len(chances[0]))
    with np.errstate(divide="ignore"):
        for model, row in zip(models, chances, strict=True):
            model.rows = np.log(row) + np.zeros((len(row) + 1, 1))
    return models


def said(model: LanguageModel) -> np.ndarray:
    return np.exp(distribution(model.begin()))


# definitions


@given(st.integers(0, 10**6), st.floats(0, 5), st.floats(0, 1))
def test_they_are_what_their_definitions_say(seed: int, strength: float, plausible: float) -> None:
    ours, theirs = random_models(seed, 2, 6)
    p, q = (distribution(model.begin([1])).tolist() for model in (ours, theirs))
    lowest = max(p) + math.log(plausible) if plausible else -math.inf
    raised = [strength * (a - b) if a >= lowest else min(0.0, strength * (a - b)) for a, b in zip(p, q, strict=True)]
    lowered = [-strength * max(0.0, b - a) for a, b in zip(p, q, strict=True)]
    for model, tilt in (
        (Contrast(ours, theirs, strength, plausible=plausible), raised),
        (avoid(ours, theirs, strength), lowered),
    ):
        expected = np.array(p) + tilt
        found = distribution(model.begin([1]))
        np.testing.assert_allclose(found, expected - logsumexp(expected), atol=1e-12)
        np.testing.assert_allclose(model.log_likelihood([1, 4])[1], found[4], atol=1e-12)


@pytest.mark.parametrize("strength", [0.0, 0.5, 3])
def test_a_contrast_is_a_log_pool(strength: float) -> None:
    contrast, text = Contrast(COUNTS, OTHERS, strength), skewed(WORDS.size, 3, 30)
    mix = Layered(COUNTS, {"amateur": Layer(OTHERS, -strength)}, "log", weight=1 + strength)
    np.testing.assert_allclose(contrast.begin(text).distribution(), mix.begin(text).distribution(), atol=1e-12)
    np.testing.assert_allclose(contrast.log_likelihood(text), mix.log_likelihood(text), atol=1e-12)


@pytest.mark.parametrize("make", [Contrast, avoid])
def test_at_no_strength_the_impossible_has_no_say(make: Callable[..., LanguageModel]) -> None:
    chances = [0.5, 0.25, 0.25, 0.0]
    model, never = told(chances, [0.5, 0.5, 0.0, 0.0])
    np.testing.assert_allclose(said(make(model, never, 0)), chances, atol=1e-12)


@pytest.mark.parametrize("make", [Contrast, avoid])
def test_at_no_strength_and_against_itself_nothing_changes(make: Callable[..., LanguageModel]) -> None:
    expected = distribution(COUNTS.begin([3, 4]))
    for model in (make(COUNTS, OTHERS, 0), make(COUNTS, COUNTS, 7.0)):
        np.testing.assert_allclose(distribution(model.begin([3, 4])), expected, atol=1e-12)


def test_what_is_unlikely_to_both_does_not_win() -> None:
    """The expert finds the last token nearly impossible, the amateur even more so: without the cut that is a praise."""
    expert, amateur = told([0.6, 0.4 - 1e-6, 1e-6], [0.7, 0.3 - 1e-12, 1e-12])
    assert said(Contrast(expert, amateur, 1.0))[2] > 0.4
    plausible = said(Contrast(expert, amateur, 1.0, plausible=0.1))
    assert 0 < plausible[2] < 2e-6
    assert plausible[1] > 0.4


def test_what_the_expert_cannot_say_stays_so_and_what_the_amateur_cannot_is_told() -> None:
    expert, amateur = told([0.5, 0.5, 0.0, 0.0], [0.5, 0.25, 0.25, 0.0])
    for model in (Contrast(expert, amateur), avoid(expert, amateur), Contrast(expert, amateur, plausible=1.0)):
        np.testing.assert_array_equal(said(model) > 0, [True, True, False, False])
        assert said(model).sum() == pytest.approx(1)
    open_ended = Contrast(amateur, expert)
    with pytest.raises(InputError, match=r"<Contrast: strength 0.5, plausible 0> is no distribution here.*'amateur'"):
        open_ended.begin().distribution()
    assert said(Contrast(amateur, expert, plausible=0.9))[2] > 0  # held, since it is not the likeliest
    np.testing.assert_allclose(said(avoid(amateur, expert, 2.0))[2] / said(avoid(amateur, expert, 2.0))[1], 4.0)


def test_a_strength_beyond_all_numbers() -> None:
    expert, amateur = told([0.5, 0.3, 0.2], [0.5, 0.01, 0.49])
    np.testing.assert_allclose(said(avoid(expert, amateur, 1e308)), [0.625, 0.375, 0.0])
    with pytest.raises(InputError, match="no distribution here"):
        Contrast(expert, amateur, 1e308).begin().distribution()


# accounts


def test_a_contrast_accounts_for_what_the_amateur_adds(sea: AssociationModel, lullabies: AssociationModel) -> None:
    account = Contrast(sea, lullabies, 0.5).begin("At night the").explain("tide")
    expert, amateur = (model.explain("At night the", "tide") for model in (sea, lullabies))
    assert account.scale == "log"
    assert [term.name for term in account.terms] == ["expert", "contrast", "−ln Z"]
    first, tilt, _ = account.terms
    assert first.contribution == pytest.approx(math.log(expert.probability))
    assert tilt.contribution == pytest.approx(0.5 * math.log(expert.probability / amateur.probability))
    assert tilt.child is not None
    assert (first.child, tilt.child.terms[0].child) == (expert, amateur)
    assert account.evidence() == expert.evidence() != ()
    assert account.shares() == {"expert": pytest.approx(1)}
    assert str(account).startswith("'tide' after \"At night the\": log ")
    with pytest.raises(InputError, match="is a part"):
        _ = tilt.child.probability


def test_a_penalty_is_a_term_of_its_own(sea: AssociationModel, lullabies: AssociationModel) -> None:
    place = avoid(sea, lullabies, 2.0).begin("At night the")
    lowered = {term.name: term for term in place.explain("moon").terms}
    kept = {term.name: term for term in place.explain("tide").terms}
    chances = [model.explain("At night the", "moon").probability for model in (sea, lullabies)]
    assert chances[0] < chances[1]
    assert lowered["penalty"].contribution == pytest.approx(2 * math.log(chances[0] / chances[1]))
    assert kept["penalty"].contribution == 0
    assert "not likelier there" in kept["penalty"].detail
    assert place.shares("moon") == {"model": pytest.approx(1)} == place.explain("moon").shares()


def test_a_receipt_says_what_is_not_raised() -> None:
    expert, amateur = told([0.9, 0.09, 0.01], [0.9, 0.095, 0.005])
    terms = Contrast(expert, amateur, plausible=0.1).begin().explain(2).terms
    assert terms[1].detail == "0.5 × ln (0.01 / 0.005), not raised: too unlikely for that"
    assert terms[1].contribution == 0
    assert Contrast(expert, amateur, plausible=0.01).begin().explain(2).terms[1].detail == "0.5 × ln (0.01 / 0.005)"


# what it is for


def test_avoiding_a_voice_costs_that_voice_and_hardly_the_other(woven: Any) -> None:
    mix, held_out = woven
    both = Layered(mix.models["sea"], {"contracts": Layer(mix.models["contracts"])}, name="sea")
    steered = avoid(both, mix.models["contracts"], 2.0)
    sea, contracts = (held_out[name] for name in ("sea", "contracts"))
    assert steered.perplexity(contracts) > 1.15 * both.perplexity(contracts)
    assert steered.perplexity(sea) < 1.02 * both.perplexity(sea)


# files


def test_they_come_back_from_a_file(sea: AssociationModel, lullabies: AssociationModel, tmp_path: Path) -> None:
    inner = Contrast(sea, lullabies, 0.7, plausible=0.1)
    for model in (inner, avoid(sea, lullabies, 3), avoid(inner, lullabies), Layered(inner, {"sea": Layer(sea, 0.2)})):
        for members in ("embed", "reference"):
            path = model.save(tmp_path / "mix.psamc", members=members)
            polyloom.verify(path)
            again = polyloom.load(path)
            assert repr(again) == repr(model)
            assert again.digest == model.digest
            expected = distribution(model.begin("At night the"))
            np.testing.assert_array_equal(distribution(again.begin("At night the")), expected)


def test_digests_tell_settings_apart() -> None:
    models = [Contrast(COUNTS, OTHERS), Contrast(COUNTS, OTHERS, 0.6), Contrast(COUNTS, OTHERS, plausible=0.1)]
    others = [Contrast(OTHERS, COUNTS), avoid(COUNTS, OTHERS, 0.5), avoid(COUNTS, OTHERS)]
    assert len({model.digest for model in [*models, *others]}) == 6
    assert Contrast(COUNTS, OTHERS, 1).digest == Contrast(COUNTS, OTHERS, 1.0).digest


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ({"settings": {"strength": -1.0}}, "strength must be"),
        ({"settings": {"strength": 1.0, "plausible": "much"}}, "plausible must be"),
        ({"settings": {"loudness": 1.0}}, "is damaged"),
        ({"settings": None}, "is damaged"),
        ({"members": []}, "has 2 members, not 0"),
    ],
)
def test_a_damaged_file_is_told(sea: Any, lullabies: Any, tmp_path: Path, damage: dict[str, Any], found: str) -> None:
    refused(Contrast(sea, lullabies), tmp_path, damage, found)


# what is refused


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf, None, "much", True, [1.0], 10**400])
def test_what_is_no_strength(wrong: Any) -> None:
    for make in (Contrast, avoid):
        with pytest.raises(InputError, match="strength must be a finite number of 0 or more"):
            make(COUNTS, OTHERS, wrong)
    with pytest.raises(InputError, match="plausible must be a finite number from 0 to 1"):
        Contrast(COUNTS, OTHERS, plausible=wrong)
    with pytest.raises(InputError, match=r"from 0 to 1, got 1\.5"):
        Contrast(COUNTS, OTHERS, plausible=1.5)


def test_what_is_no_member(sea: AssociationModel) -> None:
    wrong: Any = "sea"
    with pytest.raises(InputError, match="Member 'amateur' holds a str"):
        Contrast(sea, wrong)
    with pytest.raises(InputError, match="Member 'model' holds a str"):
        avoid(wrong, sea)
    with pytest.raises(VocabularyMismatch, match=r"Member 'unwanted' speaks .*, 'model' speaks"):
        avoid(sea, COUNTS)


def test_numbers_of_numpy_will_do() -> None:
    strength: Any = np.float32(0.5)
    assert repr(avoid(COUNTS, OTHERS, strength)) == "<Avoiding: strength 0.5>"
    assert avoid(COUNTS, OTHERS, strength).digest == avoid(COUNTS, OTHERS, 0.5).digest
