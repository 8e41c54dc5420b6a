"""Models one after another: where stages end, fades by hand, judging and writing, files, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import decoders
import polyloom
from contract import LanguageModelContract, afresh, distribution, nodes
from polyloom import (
    AssociationModel,
    ByteVocabulary,
    Contrast,
    Ensemble,
    Gated,
    InputError,
    Lane,
    LanguageModel,
    Layer,
    Layered,
    Sampling,
    Sequenced,
    Speculation,
    Stage,
    VocabularyMismatch,
)
from polyloom.compose import linear
from toolkit.compose.constant import random_models
from toolkit.compose.damaged import refused
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS, WORDS, agrees, skewed

RISE = Lane([(0, 0.0), (8, 1.0)])


def three(fade: int = 4) -> Sequenced:
    return Sequenced([Stage(NETWORK, 5), Stage(COUNTS, until="w7", tokens=9), Stage(OTHERS)], fade)


MAKES: dict[str, Callable[[], LanguageModel]] = {
    "a network and counts": three,
    "counts alone, without a fade": lambda: Sequenced([Stage(COUNTS, until="w3"), Stage(OTHERS, 1), Stage(COUNTS)]),
    "of mixes, with lanes": lambda: Sequenced(
        [
            Stage(Layered(NETWORK, {"b": Layer(OTHERS)}).with_lanes({"b": RISE}), 3),
            Stage(Layered(NETWORK, {"b": Layer(OTHERS)}, "log"), until="</s>"),
            Stage(Gated({"a": three(), "b": COUNTS}), 4),
            Stage(Ensemble({"a": NETWORK, "b": COUNTS}, "rank"), 4),
        ],
        fade=2,
    ),
    "in other composites": lambda: Gated(
        {
            "log": Layered(three(), {"b": Layer(OTHERS, 0.2)}, "log"),
            "ensemble": Ensemble({"mix": Layered(three(), {"b": Layer(NETWORK)}), "b": OTHERS}),
            "contrast": Contrast(COUNTS, three(), plausible=0.1),
        }
    ),
    "under a lane": lambda: Layered(three(), {"b": Layer(OTHERS)}).with_lanes({"b": RISE}),
}


@pytest.mark.long
class TestSequenced(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


# where stages end

BYTES = AssociationModel.fit("one. two. three.", ByteVocabulary(), order=2)


def begun(text: str, *stages: Stage, prompt: str = "") -> tuple[int, ...]:
    """After how many bytes of the text, prompt included, each stage began."""
    place = Sequenced([*stages, Stage(BYTES)]).begin(prompt)
    place.extend(text)
    return place.starts


def test_stages_end_after_so_many_tokens_or_after_the_text() -> None:
    assert begun("abcdef", Stage(BYTES, 2), Stage(BYTES, 3)) == (0, 2, 5)
    assert begun("abcdef", Stage(BYTES, 2), Stage(BYTES, 4)) == (0, 2, 6)
    assert begun("abcdef", Stage(BYTES, 2), Stage(BYTES, 5)) == (0, 2)
    assert begun("a. b. c.", Stage(BYTES, until=". ")) == (0, 3)
    assert begun("a. b. c.", Stage(BYTES, until=". "), Stage(BYTES, until=". ")) == (0, 3, 6)
    assert begun("a. b. c.", Stage(BYTES, until=". ", tokens=2), Stage(BYTES, until="c")) == (0, 2, 7)
    assert begun("a. b. c.", Stage(BYTES, until=". ", tokens=9)) == (0, 3)
    assert begun("über alles", Stage(BYTES, until="ü")) == (0, 2)
    assert begun("ab", Stage(BYTES, until="ab"), Stage(BYTES, until="b")) == (0, 2)


def test_what_stands_in_the_prompt_ends_nothing() -> None:
    assert begun("b. c", Stage(BYTES, until=". "), prompt="a. ") == (3, 6)
    assert begun(" c. d", Stage(BYTES, until=". "), prompt="a.") == (2, 6)
    assert begun("abc", Stage(BYTES, 2), prompt="xyz") == (3, 5)


def test_words_and_pieces_end_stages(sea: AssociationModel) -> None:
    text, piece = "At night the sea. The tide", sea.vocabulary.encode
    place = Sequenced(
        [Stage(sea, until="the sea"), Stage(sea, until="."), Stage(sea, until="</s>"), Stage(sea)]
    ).begin()
    place.extend(text)
    assert place.starts == (0, 4, 5)
    assert (place.stage, sea.vocabulary.decode(piece(text)[:5])) == ("stage 3", "At night the sea.")
    place.advance("</s>")
    assert place.starts == (0, 4, 5, len(piece(text)) + 1)


texts = st.text("ab.", max_size=30)


@given(
    texts,
    st.integers(0, 8),
    st.lists(st.tuples(st.none() | st.integers(1, 6), st.sampled_from(["b", "ab", ".."])), max_size=4),
)
def test_stages_begin_where_a_plain_search_says(text: str, prompt: int, drawn: list[tuple[int | None, str]]) -> None:
    expected, start = [min(prompt, len(text))], min(prompt, len(text))
    for tokens, until in drawn:
        found = text.find(until, start)
        ends = [end for end in (found + len(until) if found >= 0 else None, tokens and start + tokens) if end]
        if not ends or min(ends) > len(text):
            break
        start = min(ends)
        expected.append(start)
    sequence = Sequenced([*(Stage(BYTES, tokens, until) for tokens, until in drawn), Stage(BYTES)])
    place = sequence.begin(text[:prompt])
    for letter in text[prompt:]:
        assert place.starts == tuple(s for s in expected if s <= len(place.tokens))
        place.extend(letter)
    assert place.starts == tuple(expected)
    assert afresh(sequence, sequence.ids(text), expected[0]).rebind(sequence).starts == tuple(expected)
    for n in range(len(text) + 1):
        back = place.back(n)
        assert back.starts == tuple(s for s in expected if s <= len(text) - n) or back.origin < expected[0]
        back.extend(text[len(text) - n :])
        assert back.starts == tuple(expected) or back.origin < expected[0]


# fades


def test_a_fade_by_hand() -> None:
    """At a fade of 3 the first tokens of a stage hear it to 1/4, 2/4 and 3/4."""
    sequence = Sequenced([Stage(COUNTS, 2), Stage(OTHERS, 6), Stage(NETWORK)], fade=3)
    shares = sequence.along(np.zeros(12, np.int64))
    first = [1, 1, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0, 0, 0]
    second = [0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 0.75, 0.5, 0.25, 0]
    np.testing.assert_allclose(shares.T, [first, second, 1 - np.array(first) - second], atol=1e-15)
    hard = Sequenced([Stage(COUNTS, 2), Stage(OTHERS, 1), Stage(NETWORK)]).along(np.zeros(4, np.int64))
    assert hard.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_a_stage_that_ends_within_its_fade_is_faded_over_from_where_it_is() -> None:
    sequence = Sequenced([Stage(COUNTS, 1), Stage(OTHERS, 1), Stage(NETWORK)], fade=3)
    shares = sequence.along(np.zeros(6, np.int64))
    np.testing.assert_allclose(shares[:, 0], [1, 0.75, 0.5 * 0.75, 0.25 * 0.5, 0, 0], atol=1e-15)
    np.testing.assert_allclose(shares[:, 1], [0, 0.25, 0.5 * 0.75, 0.75 * 0.5, 0.25, 0], atol=1e-15)
    np.testing.assert_allclose(shares[:, 2], [0, 0, 0.25, 0.5, 0.75, 1], atol=1e-15)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-15)


@given(
    st.integers(0, 10**6),
    st.lists(st.tuples(st.none() | st.integers(1, 6), st.sampled_from(["a", "b", "a b", "</s>"])), max_size=3),
    st.integers(0, 7),
    st.integers(0, 5),
)
def test_judged_as_it_is_written(seed: int, drawn: list[tuple[int | None, str]], fade: int, prompt: int) -> None:
    """Which stage speaks depends on nothing but the tokens since the prompt; shares from their definition."""
    models, text = random_models(seed, len(drawn) + 1), np.random.default_rng(seed).integers(0, 5, 24)
    stages = [Stage(model, *limits) for model, limits in zip(models, drawn, strict=False)]
    sequence = Sequenced([*stages, Stage(models[-1])], fade)
    rows, place = np.concatenate(list(sequence.log_probs(text[prompt:]))), sequence.begin(text[:prompt])
    np.testing.assert_allclose(
        sequence.log_likelihood(text), np.concatenate(list(sequence.log_probs(text)))[np.arange(24), text]
    )
    alone = sequence.begin()
    for at in range(prompt, 24):
        starts = np.array(place.starts) - prompt
        risen = [1.0, *(min(1.0, (at - prompt - start + 1) / (fade + 1)) for start in starts[1:].tolist())]
        shares = [f * float(np.prod([1 - g for g in risen[k + 1 :]])) for k, f in enumerate(risen)]
        p = sum(s * np.exp(model.begin(text[:at]).distribution()) for s, model in zip(shares, models, strict=False))
        np.testing.assert_allclose(np.exp(distribution(place)), p, rtol=1e-12)
        np.testing.assert_allclose(distribution(alone), rows[at - prompt], rtol=1e-12)
        assert place.top(3).tokens.tolist() == np.lexsort((np.arange(5), -distribution(place)))[:3].tolist()
        place.advance(int(text[at]))
        alone.advance(int(text[at]))


# asking as little as can be


def test_who_is_silent_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    place = three(0).begin([3])
    monkeypatch.setattr(place.members[1], "distribution", lambda: pytest.fail("asked"))
    monkeypatch.setattr(place.members[1], "_explain", lambda _: pytest.fail("asked"))
    for token in (1, 2, 3, 4):
        place.distribution(), place.top(3), place.shares(5), place.explain(5)
        place.advance(token)
    place.back(4).extend([1, 2, 3, 4])


def test_most_tokens_are_not_looked_at_within_a_fade(monkeypatch: pytest.MonkeyPatch) -> None:
    place = three().begin([3])
    place.extend(skewed(WORDS.size, 5, 6))
    assert np.count_nonzero(place.factors()) == 2
    expected = distribution(place)
    monkeypatch.setattr(linear, "distribution", lambda _: pytest.fail("read the whole"))
    agrees(expected, place.top(3))


def test_nothing_is_replayed_as_the_text_goes_on(
    sea: AssociationModel, lullabies: AssociationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[AssociationModel] = []
    begin = AssociationModel.begin
    monkeypatch.setattr(AssociationModel, "begin", lambda model, prompt=(): begun.append(model) or begin(model, prompt))
    place = Sequenced([Stage(sea, until="."), Stage(lullabies, 3), Stage(sea)]).begin("At night the")
    count = len(begun)
    place.extend("sea. The moon is. At")
    place.fork().advance(0)
    place.rebind(Sequenced([Stage(lullabies, 4), Stage(sea)], 9))
    assert len(begun) == count


# accounts and generations


def test_an_account_opens_the_stages_that_speak(sea: AssociationModel, lullabies: AssociationModel) -> None:
    sequence = Sequenced([Stage(sea, 2, name="opening"), Stage(lullabies, until="."), Stage(sea)], fade=3)
    place = sequence.begin("At night")
    place.extend("the sea sleeps")
    account = place.explain("moon")
    assert [(term.name, term.child is not None) for term in account.terms] == [
        ("opening", True), ("stage 2", True), ("stage 3", False),
    ]  # fmt: skip
    assert [term.detail.rpartition(", ")[2] for term in account.terms] == [
        "from t = 0 on",
        "from t = 2 on",
        "yet to come",
    ]
    assert [term.contribution / term.child.total for term in account.terms[:2]] == pytest.approx([0.5, 0.5])
    assert place.shares("moon") == pytest.approx(account.shares())
    assert all(abs(node.residual) < 1e-9 for node in nodes(account))
    place.extend("in the dark. The moon is")
    later = place.explain("moon")
    assert [term.child is not None for term in later.terms] == [False, False, True]
    assert later.terms[0].detail == "from t = 0 on, over"
    assert place.shares("moon") == {"opening": 0, "stage 2": 0, "stage 3": 1}


def test_whoever_goes_back_may_end_a_stage_where_others_went_on() -> None:
    end = WORDS.pieces[5]
    place = Sequenced([Stage(COUNTS, until=end), Stage(OTHERS)]).begin([1])
    place.extend([2, 3, 4])
    assert place.stage == "stage 1"  # looked for as far as here
    earlier = place.back(2)
    earlier.extend([5, 3])
    assert (earlier.starts, place.starts) == ((1, 3), (1,))


def test_what_was_said_lately_is_remembered() -> None:
    sequence = Sequenced(
        [Stage(decoders.model(), 2), Stage(decoders.model(seed=2), until="f"), Stage(decoders.model())], 2
    )
    place = sequence.begin([1])
    place.extend([2, 3, 4, 5])
    for ago in range(5):
        assert place.shares(6, ago) == pytest.approx(place.back(ago).shares(6))
    place.advance(2)
    assert place.shares(6) == pytest.approx(sequence.begin([1, 2, 3, 4, 5, 2]).prompted(1).shares(6))


def test_networks_and_counts_follow_each_other(tmp_path: Path) -> None:
    counts = AssociationModel.fit(["a b c d e f g h c d a b"], decoders.WORDS, order=3)
    sequence = Sequenced(
        [Stage(decoders.model(), 4), Stage(counts, until="c d"), Stage(decoders.model(seed=3))], fade=3
    )
    text = np.random.default_rng(1).integers(0, 6, 30)
    rows, place = np.concatenate(list(sequence.log_probs(text))), sequence.begin()
    np.testing.assert_allclose(place.extend(text)[:-1], rows[1:], atol=1e-9)
    np.testing.assert_allclose(sequence.log_likelihood(text), rows[np.arange(30), text], atol=1e-9)
    assert abs(place.explain("a").residual) < 1e-9
    again = polyloom.load(sequence.save(tmp_path / "mix.psamc"))
    assert again.digest == sequence.digest
    # Where weights lie in memory decides in which order a processor adds.
    np.testing.assert_allclose(again.log_likelihood(text), sequence.log_likelihood(text), atol=1e-12)


def test_stages_are_heard_in_what_is_written(sea: AssociationModel, lullabies: AssociationModel) -> None:
    """What it is for: first one voice, then the other; and a scrubbed text goes on in the stage it was in."""
    sequence = Sequenced([Stage(sea, 12, name="sea"), Stage(lullabies, name="lullabies")], fade=4)
    written = sequence.generate("At night the", Sampling(seed=4, max_tokens=30))
    for t, step in enumerate(written.steps):
        assert (step.shares["lullabies"] > 0) == (t >= 12)
        assert (step.shares["sea"] > 0) == (t < 16)
    assert sequence.generate("At night the", Sampling(seed=4, max_tokens=30)) == written
    assert written.fork(14).text == written.text
    other = Sequenced([Stage(lullabies, 6, name="first"), Stage(sea)])
    later = written.fork(5, model=other)
    assert [step.shares["first"] for step in later.steps[5:]] == [1.0, *[0.0] * (len(later.steps) - 6)]
    assert (
        later.scrub(5).explain("the").terms[0].contribution > 0 == later.scrub(6).explain("the").terms[0].contribution
    )
    assert polyloom.replay(written.recipe, sequence).text == written.text


def test_guessing_ahead_writes_the_same() -> None:
    greedy = Sampling(0, max_tokens=20)
    assert three().generate([3, 4], greedy, Speculation(COUNTS)).steps == three().generate([3, 4], greedy).steps


def test_one_stage_is_its_model(sea: AssociationModel) -> None:
    alone = Sequenced([Stage(sea)], fade=5)
    np.testing.assert_array_equal(distribution(alone.begin("At")), distribution(Layered(sea, {}).begin("At")))
    np.testing.assert_allclose(alone.log_likelihood("At night the sea"), sea.log_likelihood("At night the sea"))
    limited = Sequenced([Stage(sea, 1)])
    np.testing.assert_allclose(limited.log_likelihood("At night the sea"), sea.log_likelihood("At night the sea"))


# files


def test_it_comes_back_from_a_file(sea: AssociationModel, lullabies: AssociationModel, tmp_path: Path) -> None:
    mix = Layered(sea, {"b": Layer(lullabies)}).with_lanes({"b": RISE})
    sequence = Sequenced([Stage(mix, 5, "."), Stage(sea, until="moon", name="song"), Stage(lullabies)], 3)
    for model in (sequence, Layered(sequence, {"sea": Layer(sea, 0.2)}), Sequenced([Stage(sequence, 4), Stage(sea)])):
        for members in ("embed", "reference"):
            path = model.save(tmp_path / "mix.psamc", members=members)
            polyloom.verify(path)
            again = polyloom.load(path)
            assert repr(again) == repr(model)
            assert again.digest == model.digest
            np.testing.assert_array_equal(*(m.begin("At night").extend([1, 2, 3]) for m in (again, model)))
    assert repr(sequence) == "<Sequenced stage 1: 5 tokens, until '.'; song: until 'moon'; stage 3: to the end; fade 3>"


def test_digests_tell_sequences_apart() -> None:
    others = [
        three(),
        three(3),
        Sequenced([Stage(NETWORK, 5), Stage(COUNTS, until="w7", tokens=8), Stage(OTHERS)], 4),
        Sequenced([Stage(NETWORK, 5), Stage(COUNTS, until="w8", tokens=9), Stage(OTHERS)], 4),
        Sequenced([Stage(NETWORK, 5), Stage(COUNTS, until="w7", tokens=9, name="b"), Stage(OTHERS)], 4),
        Sequenced([Stage(COUNTS, 5), Stage(NETWORK, until="w7", tokens=9), Stage(OTHERS)], 4),
        Sequenced([Stage(NETWORK, 5), Stage(COUNTS, until="w7", tokens=9)], 4),
    ]
    assert len({other.digest for other in others}) == 7
    assert three().digest == three().digest


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"stages": []}, "tells of 0 stages and holds 2"),
        ({"stages": None}, "is damaged"),
        ({"stages": [{"tokens": 0}, {}]}, "tokens of a stage must be a whole number"),
        ({"stages": [{"tokens": 1, "mood": "calm"}, {}]}, "is damaged"),
        ({"stages": [{}, {}]}, "has no end"),
        ({"stages": [[3], [4]]}, "is damaged"),
        ({"fade": -1}, "fade must be a whole number"),
        ({"members": []}, "tells of 2 stages and holds 0"),
    ],
)
def test_a_damaged_file_is_told(sea: Any, lullabies: Any, tmp_path: Path, damage: dict[str, Any], said: str) -> None:
    refused(Sequenced([Stage(sea, 5), Stage(lullabies)]), tmp_path, damage, said)


# what is refused


def test_what_is_no_stage() -> None:
    wrong: Any
    for wrong in (None, "model", 5):
        with pytest.raises(InputError, match=r"The stage holds a .*; expected a model"):
            Stage(wrong)
    for wrong in (0, -1, 2.5, "3", True, float("nan")):
        with pytest.raises(InputError, match="tokens of a stage must be a whole number of at least 1"):
            Stage(COUNTS, wrong)
    for wrong in ("", 5, b"a", ["a"]):
        with pytest.raises(InputError, match="until of a stage must be a text"):
            Stage(COUNTS, until=wrong)
        with pytest.raises(InputError, match="name of a stage must be a text"):
            Stage(COUNTS, name=wrong)
    with pytest.raises(InputError, match=r"Character 1 of the until of a stage is the lone surrogate U\+D800"):
        Stage(COUNTS, until="a\ud800")


def test_a_stage_without_a_name_shows_itself() -> None:
    assert repr(Stage(COUNTS, 3, until=".")) == "stage: 3 tokens, until '.'"
    assert repr(Stage(COUNTS)) == "stage: to the end"


def test_what_is_no_sequence(sea: AssociationModel) -> None:
    wrong: Any
    for wrong in ([], None, Stage(sea), {"a": Stage(sea)}):
        with pytest.raises(InputError, match="Expected stages such as"):
            Sequenced(wrong)
    wrong = [sea]
    with pytest.raises(InputError, match="Stage 1 is a AssociationModel; expected Stage"):
        Sequenced(wrong)
    with pytest.raises(InputError, match="'stage 2' has no end, and is not the last"):
        Sequenced([Stage(sea, 3), Stage(sea), Stage(sea)])
    with pytest.raises(InputError, match="names of their own, got 'stage 2', 'stage 2'"):
        Sequenced([Stage(sea, 3, name="stage 2"), Stage(sea)])
    with pytest.raises(VocabularyMismatch, match=r"Member 'stage 2' speaks .*, 'stage 1' speaks"):
        Sequenced([Stage(sea, 3), Stage(COUNTS)])
    for wrong in (-1, 0.5, "2", None, True):
        with pytest.raises(InputError, match="fade must be a whole number of at least 0"):
            Sequenced([Stage(sea)], wrong)
