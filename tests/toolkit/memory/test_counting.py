"""What a memory counts: that of its turns, each by itself; time in blocks; the layers and the topics."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from polyloom import AssociationModel, InputError, Layered, VocabularyMismatch, WordVocabulary
from polyloom.association.counts import Counts
from polyloom.association.text import Places, Text
from polyloom.memory import MemoryStore, Settings, Turn
from polyloom.memory.blocks import blocks, name
from polyloom.memory.counting import counted
from polyloom.memory.layers import LONG, SESSION, TOPICS, WORKING
from toolkit.memory.talk import SAID, WORDS, filled


def fitted(texts: list[str], made: Settings) -> AssociationModel:
    end = WORDS.sentence_end
    assert end is not None
    documents = [np.append(WORDS.encode(text), end) for text in texts]
    shape: dict[str, Any] = {"order": made.order, "skips": made.skips, "history": False}
    return AssociationModel.fit(documents, WORDS, **shape, held_out=[], keep_text=True, progress=False)


@pytest.mark.parametrize("made", [Settings(), Settings(order=2, skips=((1, 3), (2,)))])
def test_a_layer_is_the_model_fitted_to_its_turns(tmp_path: Path, made: Settings) -> None:
    with filled(tmp_path, settings=made) as memory:
        monday = memory.layer(session="monday")
        assert monday is not None
        assert monday.digest == fitted([text for session, _, text in SAID if session == "monday"], made).digest
        everything = memory.layer()
        assert everything is not None
        assert everything.digest == fitted([text for *_, text in SAID], made).digest
        travel, third = memory.layer(topic="travel"), memory.layer(3)
        assert travel is not None
        assert travel.tokens_counted == sum(len(turn.tokens) for turn in memory.turns(topic="travel"))
        assert third is not None
        assert third.digest == fitted([SAID[2][2]], made).digest
        assert memory.layer(session="nobody") is None
        assert monday.explain("flight to", "Oslo").evidence()[0].token == "Oslo"


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 6), max_size=5), st.lists(st.integers(0, 6), min_size=1)), min_size=1)
)
def test_a_context_is_seen_and_not_counted(said: list[tuple[list[int], list[int]]]) -> None:
    """What is counted of a turn: context and tokens together, less the context alone."""
    levels = polyloom.association.model.shapes(3, [(2,), (1, 3)])
    turns = [
        Turn(1, "heard", "", None, "", 0.0, 1.0, "", np.array(a, np.int64), np.array(b, np.int64)) for a, b in said
    ]
    both = [Text.join([np.concatenate([turn.context, turn.tokens]) for turn in turns])]
    both.append(Text.join([turn.context for turn in turns]))
    size, end = WORDS.size, WORDS.sentence_end
    whole, before = (
        Counts.of(Places.of(text, end, size)[: len(text.tokens)], text.tokens, levels) if len(text.tokens) else None
        for text in both
    )
    assert whole is not None
    expected, found = whole if before is None else whole.minus(before), counted(turns, WORDS, levels)
    assert found.tokens == sum(len(turn.tokens) for turn in turns)
    for ours, theirs in zip(found.levels, expected.levels, strict=True):
        for part in ("rows", "next", "counts"):
            mine, other = rows_of(ours), rows_of(theirs)
            assert mine == other, part


def rows_of(level: Any) -> list[tuple[int, int]]:
    """What a level counted, whatever contexts it holds that count nothing."""
    return [] if level.rows is None else list(zip(level.next.tolist(), level.counts.tolist(), strict=True))


# time


def test_blocks_by_hand() -> None:
    every = dict.fromkeys(range(17), 1)
    assert list(blocks(every, 5.0)) == [(16, 16), (15, 15), (14, 14), (12, 13), (8, 11), (0, 7)]
    assert list(blocks({5: 1}, 5.0)) == [(5, 5)]
    assert blocks({}, 5.0) == {}
    some = blocks({16: 10, 13: 100, 12: 200, 3: 8}, 2.0)
    assert list(some) == [(16, 16), (12, 13), (0, 7)]
    assert list(some.values()) == pytest.approx([10.0, 100 * 2**-1.5 + 200 * 2**-2.0, 8 * 2**-6.5])


@given(st.dictionaries(st.integers(0, 5000), st.integers(1, 9), min_size=1, max_size=30), st.floats(1e-3, 1e6))
def test_blocks_cover_everything_once_and_are_few(buckets: dict[int, int], half_life: float) -> None:
    found = blocks(buckets, half_life)
    covered = sorted(bucket for first, last in found for bucket in buckets if first <= bucket <= last)
    assert covered == sorted(buckets)
    newest = max(buckets)
    for (first, last), weight in found.items():
        size = last - first + 1
        assert size & (size - 1) == 0
        assert first % size == 0
        assert size <= newest - last or first == newest
        assert math.isfinite(weight)
    assert len(found) <= 2 * math.log2(newest - min(buckets) + 2) + 2


def test_blocks_are_called_by_their_days() -> None:
    assert name((11574, 11574), 86_400.0) == "2001-09-09"
    assert name((11572, 11573), 86_400.0) == "2001-09-07 to 2001-09-08"
    assert name((1, 1), 3600.0) == "1970-01-01 01:00:00"


def test_old_blocks_are_turned_down(tmp_path: Path) -> None:
    """Two ways to end a sentence, one of them long ago: the newer one is likelier by exactly the decay."""
    made = Settings(order=1, bucket=10.0, half_life=20.0)
    with MemoryStore(tmp_path, WORDS, made) as memory:
        memory.remember("the flight", at=0.0)
        memory.remember("the coat", at=40.0)
        long = memory.layers()["long-term"].model
        assert isinstance(long, Layered)
        assert list(long.weights.values()) == pytest.approx([3.0, 3.0 / 4])
        old, new = fitted(["the flight"], made), fitted(["the coat"], made)
        expected = 0.8 * np.exp(new.begin().distribution()) + 0.2 * np.exp(old.begin().distribution())
        np.testing.assert_allclose(np.exp(long.begin().distribution()), expected)


# layers


def test_layers_hold_what_they_say(tmp_path: Path) -> None:
    with filled(tmp_path, settings=Settings(working=2)) as memory:
        found = memory.layers("monday", "Is the flight to Oslo?")
        assert list(found) == ["working", "session", "long-term", "topic travel"]
        assert [found[name].weight for name in ("working", "session", "long-term")] == [WORKING, SESSION, LONG]
        share = memory.activation("Is the flight to Oslo?").topics["travel"]
        assert found["topic travel"].weight == TOPICS * share
        session, working = memory.turns("monday"), found["working"].model
        assert isinstance(working, AssociationModel)
        assert working.tokens_counted == sum(len(turn.tokens) for turn in session[1:])
        assert list(memory.layers()) == ["long-term"]
        assert memory.layers(upto=0) == {}
        early = memory.layers("monday", upto=1)["session"].model
        assert isinstance(early, AssociationModel)
        assert early.tokens_counted == len(session[0].tokens)


def test_models_are_values_and_weighed_by_strength(tmp_path: Path) -> None:
    base = fitted(["The cat is well."], Settings())
    with filled(tmp_path) as memory:
        mix = memory.model(base, "friday", "milk", strength=2.0)
        assert mix.weights["base"] == 1.0
        assert mix.weights["long-term"] == 2 * LONG
        before = mix.begin("The").distribution()
        memory.remember("The milk, the milk, the milk.", "friday")
        np.testing.assert_array_equal(mix.begin("The").distribution(), before)
        assert (memory.model(base, "friday").begin("The").distribution() != before).any()
        silent = memory.model(base, "friday", strength=0.0).begin("The").distribution()
        np.testing.assert_allclose(silent, base.begin("The").distribution())
    with MemoryStore(tmp_path / "empty", WORDS) as memory:
        assert memory.model(base, "s", "the flight").weights == {"base": 1.0}


def test_a_model_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    other = WordVocabulary(["quite", "another"])
    with filled(tmp_path) as memory, pytest.raises(VocabularyMismatch, match="Layer 'long-term'"):
        memory.model(AssociationModel.fit("quite another", other, order=1, skips=False))


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf, "loud", None, True])
def test_what_is_no_strength(tmp_path: Path, strength: Any) -> None:
    with filled(tmp_path) as memory, pytest.raises(InputError, match="strength must be a finite number"):
        memory.model(fitted(["The cat."], Settings()), strength=strength)


def test_the_prompt_decides_which_topics_speak(tmp_path: Path) -> None:
    with filled(tmp_path) as memory:
        kitchen = memory.activation("Is there milk and bread?")
        assert next(iter(kitchen.topics)) == "kitchen"
        assert sum(kitchen.topics.values()) <= 1 + 1e-12
        assert "milk" in str(kitchen).split("\n")[0]
        assert memory.activation("zebra").topics == {}
        assert "Nothing that is remembered" in str(memory.activation("zebra"))
        assert "without a topic" in str(memory.activation("cat"))


# learning from what is said again


def test_what_was_remembered_is_expected_again(tmp_path: Path) -> None:
    base = fitted(["The cat is well.", "Buy bread."], Settings())
    with filled(tmp_path) as memory:
        text = "The flight to Oslo is on time."
        assert memory.model(base).perplexity(text) < 0.7 * base.perplexity(text)
