"""What is recalled: the turns of BM25 read in full, with terms that add up, in any script and any vocabulary."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom import ByteVocabulary, InputError
from polyloom.memory import MemoryStore, Settings, Turn
from polyloom.memory.index import RECENT, WORDS, Among, B, Index, K
from polyloom.memory.terms import terms
from toolkit.memory.talk import START, filled

LETTERS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=9), min_size=1, max_size=25)


def turn(n: int, text: str, session: str = "s", topic: str | None = None, importance: float = 1.0) -> Turn:
    nothing = np.empty(0, np.int64)
    return Turn(n, "heard", session, topic, "user", START + 1000.0 * n, importance, text, nothing, nothing)


def by_hand(said: list[list[str]], query: list[str], half_life: float) -> list[tuple[float, int]]:
    """Every score, best first, the newer first of equals."""
    mean, scores = sum(map(len, said)) / len(said), list[tuple[float, int]]()
    for n, words in enumerate(said):
        counts, score = Counter(words), 0.0
        for word in set(query) & set(words):
            having = sum(word in other for other in said)
            idf = math.log(1 + (len(said) - having + 0.5) / (having + 0.5))
            norm = K * (1 - B + B * len(words) / mean)
            score += idf * counts[word] * (K + 1) / (counts[word] + norm)
        if score:
            scores.append((score + RECENT * 2 ** (-1000.0 * (len(said) - 1 - n) / half_life), n))
    return sorted(scores, key=lambda pair: (-pair[0], -pair[1]))


@given(LETTERS, st.lists(st.sampled_from("abcdefghxy"), max_size=6), st.integers(1, 6))
def test_the_best_turns_are_those_of_reading_them_all(said: list[list[str]], query: list[str], k: int) -> None:
    index = Index()
    for n, words in enumerate(said):
        index.add(turn(n, " ".join(words)))
    found = index.search(" ".join(query), k, Among(None, None, 5000.0))
    expected = by_hand(said, query, 5000.0)
    scores = {at: score for score, at in expected}
    assert [one.score for one in found] == pytest.approx([score for score, _ in expected[:k]], rel=1e-12)
    assert len({one.turn for one in found}) == len(found)
    for one in found:
        assert one.score == pytest.approx(scores[one.turn], rel=1e-12)
        assert math.fsum(term.contribution for term in one.terms) == pytest.approx(one.score, rel=1e-12)
        assert {term.name for term in one.terms[:-2]} == set(query) & set(said[one.turn])


def test_reasons_add_up_and_can_be_read(tmp_path: Path) -> None:
    with filled(tmp_path) as memory:
        best, *others = memory.recall("Is the flight to Oslo late?", 3)
        assert best.text == "The flight to Oslo was late, the coat was warm."
        assert abs(best.residual) < 1e-12
        assert best.terms[0].name == "late"
        assert best.terms[0].detail == "1 × here, in 1 of 8 turns"
        assert [term.name for term in best.terms[-2:]] == ["recent", "importance"]
        assert [one.score for one in others] == sorted((one.score for one in others), reverse=True)
        assert f"late {best.terms[0].contribution:.2f} + " in str(best)
        assert "[friday, travel] user: The flight" in str(best)


def test_importance_and_recency_decide_between_equals(tmp_path: Path) -> None:
    with MemoryStore(tmp_path, ByteVocabulary(), Settings(half_life=100.0)) as memory:
        for n, importance in enumerate((1.0, 3.0, 1.0)):
            memory.remember("The flight is late.", at=START + 1000 * n, importance=importance)
        found = memory.recall("flight")
        assert [one.turn.id for one in found] == [2, 3, 1]
        assert found[0].terms[-1].contribution == pytest.approx(math.log(3))
        assert found[1].terms[-2].contribution == RECENT
        assert found[2].terms[-2].contribution == pytest.approx(0.0, abs=1e-3)


def test_sessions_and_topics_are_kept_apart(tmp_path: Path) -> None:
    with filled(tmp_path) as memory:
        assert {one.turn.session for one in memory.recall("the flight", session="monday")} == {"monday"}
        assert {one.turn.topic for one in memory.recall("cat", topic="kitchen")} == {"kitchen"}
        assert memory.recall("flight", session="nobody") == ()
        assert memory.recall("zebra") == memory.recall("") == memory.recall("?!") == ()


def test_what_is_new_or_gone_is_known(tmp_path: Path) -> None:
    with filled(tmp_path) as memory, MemoryStore(tmp_path) as elsewhere:
        assert memory.recall("zebra") == ()
        elsewhere.remember("A zebra from elsewhere.")
        assert [one.text for one in memory.recall("zebra")] == ["A zebra from elsewhere."]
        elsewhere.forget(text="zebra")
        assert memory.recall("zebra") == ()
        memory.reject("A zebra.")
        assert memory.recall("zebra") == ()
        assert [one.text for one in memory.recall("milk")] == [one.text for one in elsewhere.recall("milk")]


def test_words_that_the_vocabulary_lacks_are_found(tmp_path: Path) -> None:
    with filled(tmp_path) as memory:
        memory.remember("Ask Schwarzenegger about it.")
        assert memory.recall("schwarzenegger")[0].text == "Ask Schwarzenegger about it."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The FLIGHT, don't: 42!", ["the", "flight", "don", "t", "42"]),
        ("Straße ﬁne ＡＢＣ", ["strasse", "fine", "abc"]),
        ("飛行機は遅い。", ["飛行", "行機", "機は", "は遅", "遅い"]),
        ("猫 cat猫", ["猫", "cat", "猫"]),
        ("ที่นี่", ["ที", "ี่", "่น", "นี", "ี่"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("😀 -- …", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_scripts_without_spaces_are_found(tmp_path: Path) -> None:
    with MemoryStore(tmp_path, ByteVocabulary()) as memory:
        memory.remember("飛行機は金曜日です。")
        memory.remember("猫は元気です。")
        assert [one.turn.id for one in memory.recall("飛行機")] == [1]


def test_of_a_long_query_the_rarest_words_are_asked() -> None:
    index = Index()
    for n in range(WORDS + 10):
        index.add(turn(n, "common " + " ".join(f"w{m}" for m in range(n + 1))))
    (found,) = index.search("common " + " ".join(f"w{m}" for m in range(WORDS + 10)), 1, Among(None, None, 1e9))
    assert {term.name for term in found.terms[:-2]} == {f"w{m}" for m in range(10, WORDS + 10)}


@pytest.mark.parametrize(("query", "k"), [(5, 1), (None, 1), ("\ud800", 1), ("cat", 0), ("cat", 1.0), ("cat", True)])
def test_what_is_no_question(tmp_path: Path, query: Any, k: Any) -> None:
    with filled(tmp_path) as memory, pytest.raises(InputError):
        memory.recall(query, k)
