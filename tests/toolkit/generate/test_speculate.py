"""Guessing ahead changes how a text comes, never which texts come how often."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from polyloom import AssociationModel, InputError, LanguageModel, Layered, Sampling, VocabularyMismatch, WordVocabulary
from polyloom.compose.weave import HeldOut
from polyloom.generate import Speculation, generate, speculate
from polyloom.generate.draft import LONGEST, Lookup
from polyloom.generate.law import Law
from polyloom.generate.speculate import settled
from toolkit.compose.constant import Constant

GREEDY = Sampling(temperature=0, max_tokens=25)
COLD = Sampling(0.6, max_tokens=25, seed=4, top_k=30, top_p=0.9, min_p=0.01, repetition_penalty=1.1)


def law(*chances: float) -> Law:
    held = np.flatnonzero(chances)
    return Law(held, np.array(chances)[held])


@pytest.fixture(params=["itself", "another model", "a mix", "lookup"])
def draft(
    request: pytest.FixtureRequest,
    sea: AssociationModel,
    lullabies: AssociationModel,
) -> LanguageModel | str:
    mix = Layered(sea, {"lullabies": polyloom.Layer(lullabies, 0.4)}, name="sea")
    return {"itself": sea, "another model": lullabies, "a mix": mix, "lookup": "lookup"}[request.param]


# exactness


@pytest.mark.parametrize(
    ("wanted", "guessed"),
    [
        ((2 / 12, 6 / 12, 4 / 12), (6 / 12, 3 / 12, 3 / 12)),
        ((6 / 12, 3 / 12, 3 / 12), (0, 1, 0)),
        ((6 / 12, 6 / 12, 0), (0, 6 / 12, 6 / 12)),
        ((6 / 12, 3 / 12, 3 / 12), (6 / 12, 3 / 12, 3 / 12)),
        ((0, 1, 0), (6 / 12, 3 / 12, 3 / 12)),
        ((0, 1, 0), (1, 0, 0)),
    ],
)
def test_a_guess_leads_to_the_law_exactly(wanted: tuple[float, ...], guessed: tuple[float, ...]) -> None:
    """All borders lie on twelfths, so the middles of a grid of twelfths weigh every case as the integral does."""
    target, theirs = law(*wanted), law(*guessed)
    grid = (np.arange(12) + 0.5) / 12
    counted = Counter(
        settled(target, (theirs.drawn(guess), theirs), accept, again)
        for guess, accept, again in itertools.product(grid, repeat=3)
    )
    assert [counted[token] / 12**3 for token in range(3)] == pytest.approx(list(wanted), abs=1e-12)


class Grid:
    """Dice that were thrown beforehand."""

    def __init__(self, rows: list[tuple[float, ...]]) -> None:
        self.rows = rows

    def __getitem__(self, step: int) -> tuple[float, ...]:
        return self.rows[step]


@pytest.mark.parametrize(("draft_by", "ahead"), [("model", 1), ("model", 3), ("lookup", 2)])
def test_every_text_of_two_tokens_comes_as_often_as_without(
    monkeypatch: pytest.MonkeyPatch, draft_by: str, ahead: int
) -> None:
    """The whole way through `generate`, integrated over all dice: what top_k leaves has all its borders on quarters."""
    words = WordVocabulary(["a", "b", "c"])
    with np.errstate(divide="ignore"):
        model = Constant(words, np.log([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4], [0.4, 0.3, 0.3]]))
        other = Constant(words, np.log([[1.0, 0.0, 0.0], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]))
    guessing = Speculation(other if draft_by == "model" else "lookup", ahead)
    quarters, halves = (np.arange(4) + 0.5) / 4, (np.arange(2) + 0.5) / 2
    grid = list(itertools.product(halves, quarters, quarters))
    counted: Counter[str] = Counter()
    for rows in itertools.product(grid, repeat=2):
        monkeypatch.setattr(speculate, "_Dice", lambda _, rows=rows: Grid(list(rows)))
        counted[model.generate("a b a", Sampling(max_tokens=2, top_k=2), guessing).text] += 1
    found = {text: count / len(grid) ** 2 for text, count in counted.items()}
    after = {"a": {"a": 0.75, "b": 0.25}, "b": {"a": 0.25, "b": 0.75}}
    expected = {f"{x} {y}": after["a"][x] * after[x][y] for x in "ab" for y in "ab"}
    assert found == pytest.approx(expected, abs=1e-12)


# what stays the same


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_texts_are_those_without_speculation(
    sea: AssociationModel, woven: tuple[Layered, HeldOut], draft: LanguageModel | str, penalty: float
) -> None:
    settings = Sampling(0, max_tokens=25, repetition_penalty=penalty)
    plain = sea.generate("At night the", settings)
    guessed = sea.generate("At night the", settings, Speculation(draft))
    assert guessed == plain, "the record of who spoke included"
    assert guessed.recipe == plain.recipe


def test_a_greedy_mix_with_a_member_as_its_draft(woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    guessed = mix.generate("At night the", GREEDY, Speculation(mix.models["sea"], 3))
    assert guessed == mix.generate("At night the", GREEDY)
    assert guessed.speculation.accepted > 0


@pytest.mark.parametrize("settings", [Sampling(max_tokens=20, seed=2), COLD])
def test_how_far_ahead_does_not_matter_to_the_text(
    sea: AssociationModel, draft: LanguageModel | str, settings: Sampling
) -> None:
    first, *others = (sea.generate("At night the", settings, Speculation(draft, ahead)) for ahead in (1, 2, 5, 40))
    assert all(other == first for other in others)


def test_a_fork_that_changes_nothing_writes_the_same(sea: AssociationModel, draft: LanguageModel | str) -> None:
    written = sea.generate("At night the", COLD, Speculation(draft, 3))
    for at in (0, 1, 6, len(written.steps)):
        again = written.fork(at)
        assert again == written
        assert again.speculation is not None
    other = written.fork(2, token="harbour")
    assert (other.steps[:2], other.steps[2].piece) == (written.steps[:2], "harbour")


def test_the_recipe_makes_the_text_again_without_the_draft(sea: AssociationModel, lullabies: AssociationModel) -> None:
    for settings in (COLD, Sampling(seed=9, max_tokens=30, stop=(".",))):
        written = sea.generate("At night the", settings, Speculation(lullabies, 3))
        again = polyloom.replay(written.recipe, sea)
        assert (again.text, again.steps) == (written.text, written.steps)


def test_steps_are_those_of_the_place_they_stand_at(woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    written = mix.generate("When the rain", COLD, Speculation(mix.models["sea"]))
    place = mix.begin("When the rain")
    for taken in written.steps:
        assert taken.log_prob == pytest.approx(place.distribution()[taken.token])
        assert taken.shares == pytest.approx(place.explain(taken.token).shares())
        place.advance(taken.token)


def test_the_place_moves_along(sea: AssociationModel) -> None:
    place = sea.begin("At night the")
    kept = place.fork()
    written = generate(place, COLD, Speculation("lookup"))
    assert place.tokens[len(kept.tokens) :].tolist() == [taken.token for taken in written.steps]
    assert np.array_equal(place.distribution(), sea.begin(place.tokens).distribution())


# where it ends


def test_it_stops_at_a_sentence_end_a_stop_text_and_the_length(sea: AssociationModel) -> None:
    words = WordVocabulary(["</s>", "the", "sea", "sings"])
    model = AssociationModel.fit([np.array([1, 2, 3, 0])] * 5, words, order=3, skips=False)
    for guessing in (Speculation(model), Speculation("lookup"), Speculation(model, 9)):
        assert model.generate("the", GREEDY, guessing).text == "sea sings"
        assert model.generate("the sea sings", GREEDY, guessing).steps == ()
        assert model.generate("the", GREEDY, guessing).fork(1, token="</s>").text == "sea"
    for length in (0, 1, 2, 7):
        written = sea.generate("At night the", Sampling(0, max_tokens=length), Speculation(sea))
        assert len(written.steps) == length
        assert written.speculation.drafted <= max(0, length - 1)
    third = sea.generate("At night the", GREEDY).text.split()[2]
    stopping = Sampling(0, max_tokens=25, stop=(" " + third,))
    assert sea.generate("At night the", stopping, Speculation(sea, 9)) == sea.generate("At night the", stopping)


# the report


def test_a_model_that_guesses_for_itself_is_always_right(sea: AssociationModel) -> None:
    for settings in (GREEDY, COLD, Sampling(max_tokens=25, seed=2)):
        report = sea.generate("At night the", settings, Speculation(sea, 4)).speculation
        assert report.acceptance == 1
        assert report.passes == 6  # the prompt, then five tokens at a time, 25 in all


def test_the_report_counts_guesses_and_passes(sea: AssociationModel, lullabies: AssociationModel) -> None:
    written = sea.generate("At night the", Sampling(max_tokens=40, seed=1), Speculation(lullabies, 3))
    report = written.speculation
    assert 0 < report.accepted < report.drafted
    assert report.passes < len(written.steps)
    assert len(written.steps) <= report.accepted + report.passes
    assert f"; {report.accepted} of {report.drafted} guesses accepted" in repr(written)
    assert sea.generate("At", GREEDY).speculation is None


def test_a_lookup_guesses_what_was_said_before() -> None:
    model = AssociationModel.fit("a b c d a b c d a b c d a b", WordVocabulary(list("abcd")), order=2, skips=False)
    report = model.generate("a b c d a b", Sampling(0, max_tokens=20), Speculation("lookup", 4)).speculation
    assert (report.drafted, report.accepted, report.passes) == (16, 16, 5)


# drafts


def brute_lookup(tokens: list[int]) -> int | None:
    for length in range(min(LONGEST, len(tokens)), 0, -1):
        for start in range(len(tokens) - length - 1, -1, -1):
            if tokens[start : start + length] == tokens[-length:]:
                return tokens[start + length]
    return None


@given(st.lists(st.integers(0, 2), max_size=20), st.lists(st.integers(-3, 2), max_size=20))
def test_a_lookup_finds_the_last_longest_run_and_can_go_back(tokens: list[int], moves: list[int]) -> None:
    found = Lookup(np.array(tokens, np.int64))
    for move in moves:
        if move >= 0:
            found.advance(move)
            tokens.append(move)
        else:
            found.back(min(-move, len(tokens)))
            del tokens[max(0, len(tokens) + move) :]
        proposal = found.propose(0.5)
        assert (proposal and proposal[0]) == brute_lookup(tokens)
        fresh = Lookup(np.array(tokens, np.int64))
        assert (found.tokens, found.seen, found.before) == (fresh.tokens, fresh.seen, fresh.before)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=3), st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_what_a_law_has_beyond_another(ours: list[int], theirs: list[int]) -> None:
    if not sum(ours) or not sum(theirs):
        return
    p, q = np.array(ours) / sum(ours), np.array(theirs) / sum(theirs)
    more = np.maximum(p - q, 0)
    expected = more / more.sum() if more.any() else p
    found = law(*p).beyond(law(*q))
    assert found.of(np.arange(3)) == pytest.approx(expected)


def test_what_cannot_guess_is_refused(sea: AssociationModel) -> None:
    with pytest.raises(InputError, match=r'a model or "lookup", got .sea'):
        Speculation("sea")
    for ahead in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="ahead"):
            Speculation("lookup", ahead)
    foreign = AssociationModel.fit("a b", WordVocabulary(["a", "b"]), order=1)
    with pytest.raises(VocabularyMismatch, match="same vocabulary, or with"):
        sea.generate("At night", GREEDY, Speculation(foreign))
