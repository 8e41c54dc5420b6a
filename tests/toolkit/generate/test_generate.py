"""Writing: the same seed writes the same, temperature does what it says, and every token knows who spoke for it."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import distribution
from polyloom import (
    AssociationModel,
    Generation,
    InputError,
    Layered,
    Sampling,
    Step,
    WordVocabulary,
)
from polyloom.compose.weave import HeldOut
from polyloom.generate import generate

WORDS = WordVocabulary(["</s>", "the", "sea", "sings"])


def step(token: int) -> Step:
    return Step(token, WORDS.pieces[token], -1.0, {"a": 1.0})


class Fixed:
    """The least that generation needs: a place where the same comes next for ever."""

    def __init__(self, log_probs: np.ndarray) -> None:
        self.model, self.tokens, self.log_probs = self, np.empty(0, np.int64), log_probs
        self.vocabulary = WORDS

    def distribution(self) -> np.ndarray:
        return self.log_probs

    def shares(self, token: int, ago: int = 0) -> dict[str, float]:
        return {"it": 1.0}

    def advance(self, token: int) -> None:
        self.tokens = np.append(self.tokens, token)

    def fork(self) -> "Fixed":
        return Fixed(self.log_probs)


# the loop


def test_the_same_seed_writes_the_same_and_another_does_not(woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    texts = [mix.generate("At night the", Sampling(seed=seed, max_tokens=25)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0].text != texts[2].text


def test_zero_temperature_takes_the_likeliest(sea: AssociationModel) -> None:
    written = sea.generate("At night the", Sampling(temperature=0, max_tokens=15))
    place = sea.begin("At night the")
    for taken in written.steps:
        assert taken.token == place.top(1).tokens[0]
        place.advance(taken.token)
    assert place.tokens[-1] == written.steps[-1].token


def test_ties_at_zero_temperature_go_to_the_smaller_id() -> None:
    tied = Fixed(np.log([0.2, 0.4, 0.4, 1e-9]))
    assert [taken.token for taken in generate(tied, Sampling(temperature=0, max_tokens=3)).steps] == [1, 1, 1]


def test_each_step_has_its_log_probability_and_its_shares(woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    written = mix.generate("When the rain", Sampling(temperature=1.3, seed=4, max_tokens=20))
    place = mix.begin("When the rain")
    assert len(written.steps) > 5
    for taken in written.steps:
        assert taken.log_prob == pytest.approx(distribution(place)[taken.token])  # at temperature 1
        assert taken.piece == mix.vocabulary.pieces[taken.token]
        assert list(taken.shares) == list(mix.layers)
        assert math.fsum(taken.shares.values()) == pytest.approx(1, abs=1e-12)
        assert taken.shares[taken.loudest] == max(taken.shares.values())
        place.advance(taken.token)


def test_writing_stops_at_a_sentence_end_which_is_not_written() -> None:
    model = AssociationModel.fit([np.array([1, 2, 3, 0])] * 5, WORDS, order=3, skips=False)
    written = model.generate("the", Sampling(temperature=0))
    assert written.text == str(written) == "sea sings"
    assert (written.prompt, written.sampling) == ("the", Sampling(temperature=0))
    assert model.generate("the sea sings", Sampling(temperature=0)).steps == ()


def test_without_a_sentence_end_writing_stops_at_the_length() -> None:
    model = AssociationModel.fit("a b a b a", WordVocabulary(["a", "b"]))
    for length in (0, 1, 7):
        assert len(model.generate("a", Sampling(max_tokens=length)).steps) == length


def test_nothing_to_write_is_an_empty_text(sea: AssociationModel) -> None:
    written = sea.generate("At night", Sampling(max_tokens=0))
    assert (written.prompt, written.text, written.steps) == ("At night", "", ())


def test_the_place_moves_along(sea: AssociationModel) -> None:
    place = sea.begin("At night the")
    kept = place.fork()
    written = generate(place, Sampling(seed=5, max_tokens=8))
    assert place.tokens[len(kept.tokens) :].tolist() == [taken.token for taken in written.steps]
    assert written.text == sea.vocabulary.decode(place.tokens[len(kept.tokens) :])
    assert kept.tokens.tolist() == sea.vocabulary.encode("At night the").tolist()


def test_anything_with_the_methods_will_do() -> None:
    written = generate(Fixed(np.log([1e-9, 0.5, 0.25, 0.25])), Sampling(seed=1, max_tokens=50))
    assert len(written.steps) == 50
    assert {taken.loudest for taken in written.steps} == {"it"}


def test_a_generation_shows_itself_on_one_short_line(sea: AssociationModel) -> None:
    written = sea.generate("At night the\nsea", Sampling(seed=5, max_tokens=60))
    assert len(written.text) > 100
    assert repr(written).startswith("<Generation of 60 steps after 'At night the\\nsea")
    assert "\n" not in repr(written)
    assert len(repr(written)) < 160
    assert repr(Generation("a", "b", (step(1),), Sampling())) == "<Generation of 1 step after 'a': 'b'>"
    assert len(repr(sea.generate("At night the sea is cold and wide " * 9, Sampling(max_tokens=9)))) < 160


def test_only_models_can_be_named_in_a_recipe() -> None:
    with pytest.raises(InputError, match="Fixed has none"):
        _ = generate(Fixed(np.log([0.25, 0.25, 0.25, 0.25])), Sampling(max_tokens=2)).recipe
    with pytest.raises(InputError, match="where it began"):
        _ = Generation("", "", (), Sampling()).recipe
    with pytest.raises(InputError, match="where it began"):
        Generation("", "", (), Sampling()).scrub(0)


# drawing


@pytest.mark.parametrize("temperature", [0.25, 0.5, 1.0, 2.0, 50.0])
def test_frequencies_are_those_of_the_temperature(temperature: float) -> None:
    """q ∝ p^(1/T); a frequency over N draws stays within five standard errors, √(q (1 − q) / N)."""
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    expected = chances ** (1 / temperature)
    expected /= expected.sum()
    random, sampling, draws = np.random.default_rng(0), Sampling(temperature=temperature), 20_000
    counted = np.bincount([sampling.draw(np.log(chances), random) for _ in range(draws)], minlength=4)
    error = np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(counted / draws - expected) <= 5 * error + 1 / draws).all()


@given(st.floats(0, 1e6), st.integers(0, 1000))
def test_what_is_impossible_is_never_drawn(temperature: float, seed: int) -> None:
    log_probs = np.array([-np.inf, -800.0, -np.inf, -801.0, -np.inf])
    assert Sampling(temperature=temperature).draw(log_probs, np.random.default_rng(seed)) in (1, 3)


@pytest.mark.parametrize("temperature", [1e-12, 1e-300, 5e-324])
def test_almost_no_temperature_is_greedy(temperature: float) -> None:
    random = np.random.default_rng(0)
    assert {Sampling(temperature).draw(np.log([0.3, 0.4, 0.3]), random) for _ in range(20)} == {1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.inf),
        ("temperature", math.nan),
        ("temperature", "hot"),
        ("max_tokens", -1),
        ("max_tokens", 2.5),
        ("seed", -1),
        ("seed", None),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0),
        ("top_p", 1.01),
        ("min_p", -0.1),
        ("min_p", 2),
        ("repetition_penalty", 0.9),
        ("stop", "end"),
        ("stop", ("",)),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        Sampling(**{name: value})


def test_what_are_no_settings(sea: AssociationModel) -> None:
    written = sea.generate("At night", Sampling(max_tokens=2))
    asked: list[Any] = [
        lambda wrong: sea.generate("At night", wrong),
        lambda wrong: sea.generate_middle("At", "the", wrong),
        lambda wrong: written.fork(1, sampling=wrong),
    ]
    for ask, wrong in itertools.product(asked, (5, "greedy", {"temperature": 0})):
        with pytest.raises(InputError, match="Expected settings such as Sampling"):
            ask(wrong)


def test_settings_may_be_numpy_numbers() -> None:
    assert Sampling(np.float32(0.5), np.int64(3), np.uint8(1)) == Sampling(0.5, 3, 1)


# comparing


def brute_divergence(ours: list[int], theirs: list[int]) -> int | None:
    """The first place where one has something that the other has not, or has otherwise."""
    pairs = list(itertools.zip_longest(ours, theirs))
    return next((at for at, (a, b) in enumerate(pairs) if a != b), None)


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_divergence_is_the_first_different_step(ours: list[int], theirs: list[int]) -> None:
    a, b = (Generation("", "", tuple(map(step, tokens)), Sampling()) for tokens in (ours, theirs))
    assert a.diverges_from(b) == b.diverges_from(a) == brute_divergence(ours, theirs)


def test_a_text_never_diverges_from_itself(sea: AssociationModel) -> None:
    written = sea.generate("At night", Sampling(max_tokens=5))
    assert written.diverges_from(written) is None


# every setting, against its definition


CHANCES = np.array([0.05, 0.4, 0.1, 0.3, 0.15])
SETTINGS = {
    "top_k": (Sampling(top_k=2), [0, 0.4, 0, 0.3, 0]),
    "top_k of one": (Sampling(top_k=1), [0, 1, 0, 0, 0]),
    "top_k beyond": (Sampling(top_k=99), CHANCES),
    "top_p": (Sampling(top_p=0.6), [0, 0.4, 0, 0.3, 0]),
    "top_p just reached": (Sampling(top_p=0.4), [0, 0.4, 0, 0, 0]),
    "min_p": (Sampling(min_p=0.37), [0, 0.4, 0, 0.3, 0.15]),
    "min_p of one": (Sampling(min_p=1.0), [0, 1, 0, 0, 0]),
    "top_k then top_p": (Sampling(top_k=3, top_p=0.7), [0, 0.4, 0, 0.3, 0]),
    "temperature then top_p": (Sampling(temperature=0.5, top_p=0.55), [0, 0.16, 0, 0, 0]),
    "repetition": (Sampling(repetition_penalty=2.0), [0.05, 0.16, 0.1, 0.3, 0.0225]),
    "repetition then greedy": (Sampling(0, repetition_penalty=2.0), [0, 0, 0, 1, 0]),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_its_definition(name: str) -> None:
    sampling, expected = SETTINGS[name]
    weights = np.array(expected, np.float64)
    law = sampling.distribution(np.log(CHANCES), np.array([1, 4, 1]))
    assert law == pytest.approx(weights / weights.sum(), abs=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_what_is_drawn(name: str) -> None:
    """A frequency over N draws stays within five standard errors of the law; what is cut off never comes."""
    sampling, _ = SETTINGS[name]
    law = sampling.distribution(np.log(CHANCES), (1, 4))
    random, draws = np.random.default_rng(1), 4_000
    counted = np.bincount([sampling.draw(np.log(CHANCES), random, (1, 4)) for _ in range(draws)], minlength=5)
    assert (np.abs(counted / draws - law) <= 5 * np.sqrt(law * (1 - law) / draws) + 1 / draws).all()
    assert not counted[law == 0].any()


@given(
    st.lists(st.floats(1e-6, 1), min_size=1, max_size=9),
    st.floats(0, 5),
    st.integers(0, 9),
    st.floats(0.01, 1),
    st.floats(0, 1),
)
def test_every_law_is_normalised_and_keeps_the_likeliest(
    chances: list[float], temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    log_probs = np.log(np.array(chances) / sum(chances))
    law = Sampling(temperature, top_k=top_k, top_p=top_p, min_p=min_p).distribution(log_probs)
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert law[log_probs.argmax()] == law.max() > 0


def by_sorting(sampling: Sampling, log_probs: np.ndarray) -> np.ndarray:
    """The definition: all tokens in order, ties by smaller id, cut down step by step."""
    chances = np.exp((log_probs - log_probs.max()) / sampling.temperature)
    order = np.argsort(-chances, kind="stable")[: sampling.top_k or None]
    ordered = chances[order] / chances[order].sum()
    before = np.cumsum(ordered) - ordered
    stays = order[(before < sampling.top_p) & (ordered >= sampling.min_p * ordered[0])]
    kept = np.zeros(len(chances))
    kept[stays] = chances[stays]
    return kept / kept.sum()


@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 40, 1000, 5000]),
    st.sampled_from([0.2, 2.0, 20.0]),
    st.sampled_from([0.3, 1.0, 2.0]),
    st.sampled_from([0, 1, 30, 6000]),
    st.sampled_from([1.0, 0.93, 0.4]),
    st.sampled_from([0.0, 0.07]),
)
def test_cutting_without_sorting_everything(
    seed: int, size: int, spread: float, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    log_probs = np.random.default_rng(seed).normal(0, spread, size)
    log_probs[: size // 3] = np.round(log_probs[: size // 3])  # many equals
    sampling = Sampling(temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    np.testing.assert_allclose(sampling.distribution(log_probs), by_sorting(sampling, log_probs), atol=1e-14)


def test_a_stop_text_ends_the_writing_and_is_not_part_of_it(sea: AssociationModel) -> None:
    whole = sea.generate("At night the", Sampling(0, max_tokens=30))
    words = whole.text.split()
    stopped = sea.generate("At night the", Sampling(0, max_tokens=30, stop=("never said", " " + words[2])))
    assert stopped.text == " ".join(words[:2])
    assert len(stopped.steps) == 3


# going back


def test_a_step_keeps_what_else_could_have_come(sea: AssociationModel) -> None:
    written = sea.generate("At night the", Sampling(seed=2, max_tokens=6))
    for at, taken in enumerate(written.steps):
        found = written.scrub(at).top(5)
        pieces = [sea.vocabulary.pieces[token] for token in found.tokens.tolist()]
        assert [piece for piece, _ in taken.candidates] == pieces
        assert [p for _, p in taken.candidates] == pytest.approx(np.exp(found.log_probs))


def test_scrubbing_is_starting_there(sea: AssociationModel) -> None:
    written = sea.generate("At night the", Sampling(seed=2, max_tokens=6))
    for at in range(len(written.steps) + 1):
        tokens = [*sea.vocabulary.encode("At night the"), *(taken.token for taken in written.steps[:at])]
        assert written.scrub(at).tokens.tolist() == tokens
        assert np.array_equal(written.scrub(at).distribution(), distribution(sea.begin(tokens)))
    for at in (-1, len(written.steps) + 1):
        with pytest.raises(InputError, match="step"):
            written.scrub(at)


def test_a_fork_that_changes_nothing_writes_the_same(sea: AssociationModel) -> None:
    written = sea.generate("At night the", Sampling(seed=2, max_tokens=9))
    for at in range(len(written.steps)):
        assert written.fork(at) == written
        assert written.fork(at, token=written.steps[at].piece) == written


def test_a_fork_under_another_token(sea: AssociationModel) -> None:
    written = sea.generate("At night the", Sampling(seed=2, max_tokens=9))
    other = written.fork(2, token="harbour")
    assert other.steps[:2] == written.steps[:2]
    assert other.steps[2].piece == "harbour"
    assert written.diverges_from(other) == 2
    assert other == sea.generate("At night the", Sampling(seed=2, max_tokens=9)).fork(2, token="harbour")


def test_a_fork_under_another_mix(woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    louder = mix.with_weights(sea=9.0)
    written = mix.generate("At night the", Sampling(seed=2, max_tokens=9))
    other = written.fork(2, model=louder)
    assert other.steps[:2] == written.steps[:2]
    for at in range(2, len(other.steps)):
        tokens = [*mix.vocabulary.encode("At night the"), *(taken.token for taken in other.steps[:at])]
        assert other.steps[at].log_prob == pytest.approx(distribution(louder.begin(tokens))[other.steps[at].token])
