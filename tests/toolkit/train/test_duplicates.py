"""Duplicates: the definition by brute force on small corpora, planted ones on larger ones, and nothing by mistake."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom.errors import InputError
from polyloom.train.duplicates import TOGETHER, Deduplicated, Dropped, deduplicate
from polyloom.train.shingles import fingerprint
from toolkit.train.test_shingles import jaccard

WORDS = [f"word{n}" for n in range(500)]


def text(dice: random.Random, length: int = 60) -> str:
    return " ".join(dice.choices(WORDS, k=length))


def changed(original: str, words: int, dice: random.Random) -> str:
    found = original.split()
    for at in dice.sample(range(len(found)), words):
        found[at] = dice.choice(WORDS)
    return " ".join(found)


def brute_force(documents: list[str], threshold: float, width: int) -> Deduplicated:
    """Each document against every kept one; what equals an earlier document but for case shares its fate."""
    kept: dict[int, str] = {}
    dropped: list[Dropped] = []
    fate: dict[bytes, tuple[int, float]] = {}
    for number, document in enumerate(documents):
        mark = fingerprint(document)
        if mark not in fate:
            pairs = [(of, jaccard(document, other, width)) for of, other in kept.items()]
            pairs = [pair for pair in pairs if pair[1] >= threshold]
            fate[mark] = max(pairs, key=lambda pair: pair[1], default=(number, 1.0))
        of, similarity = fate[mark]
        if of == number:
            kept[number] = document
        else:
            dropped.append(Dropped(number, of, similarity))
    return Deduplicated(tuple(kept.values()), tuple(kept), tuple(dropped))


few_words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=9).map(" ".join)


@settings(max_examples=60)
@given(documents=st.lists(few_words, max_size=12), threshold=st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_small_corpora_by_brute_force(documents: list[str], threshold: float) -> None:
    found, expected = deduplicate(documents, threshold, width=2), brute_force(documents, threshold, 2)
    if found != expected:  # a pair at the threshold may be missed, one in a thousand; nothing else may differ
        assert set(found.kept) > set(expected.kept)
        assert all(drop in expected.dropped for drop in found.dropped)


def test_by_hand() -> None:
    sea = "the captain of the old ship looked at the cold sea and said nothing more that night"
    found = deduplicate(
        ["one", sea, "ONE ", sea.replace("night", "day"), "two", sea.upper() + "!", "one", "", "!", " "]
    )
    assert found.kept == (0, 1, 4, 7, 8)
    assert found.documents == ("one", sea, "two", "", "!")
    assert found.dropped == (
        Dropped(2, 0, 1.0),
        Dropped(3, 1, 12 / 14),  # 13 shingles each, of which 12 are shared
        Dropped(5, 1, 1.0),
        Dropped(6, 0, 1.0),
        Dropped(9, 7, 1.0),
    )
    assert str(found) == "5 of 10 documents kept; dropped 4 that repeat one of them and 1 that nearly do"


def test_planted_ones_are_found_and_nothing_else() -> None:
    dice = random.Random(0)
    originals = [text(dice) for _ in range(2 * TOGETHER)]
    copies = [changed(originals[at], 1, dice) for at in range(0, 300, 3)]  # similarities of 0.82 and more
    others = [changed(originals[at], 8, dice) for at in range(1, 300, 3)]  # far below
    found = deduplicate([*originals, *copies, *others])
    start = len(originals)
    assert {(drop.index, drop.of) for drop in found.dropped} == {(start + n, 3 * n) for n in range(100)}
    for drop in found.dropped:
        assert drop.similarity == jaccard(originals[drop.of], copies[drop.index - start], 5) >= 0.8


def test_a_chain_of_changes_ends_where_it_is_no_longer_similar() -> None:
    dice = random.Random(1)
    chain = [text(dice)]
    for _ in range(8):
        chain.append(changed(chain[-1], 1, dice))
    found = deduplicate(chain, threshold=0.7)
    assert found == brute_force(chain, 0.7, 5)
    assert 1 < len(found.kept) < len(chain)  # each is close to the one before, and the last is far from the first


def test_rows_of_ids_and_their_order() -> None:
    dice = np.random.default_rng(0)
    rows = [dice.integers(0, 1_000, 50) for _ in range(20)]
    near = rows[3].copy()
    near[0] += 1
    found = deduplicate([*rows, rows[5].astype(np.uint16), near])
    assert found.kept == tuple(range(20))
    assert [(drop.index, drop.of) for drop in found.dropped] == [(20, 5), (21, 3)]
    assert found.documents[3] is rows[3]


def test_the_same_again() -> None:
    dice = random.Random(2)
    documents = [text(dice, 12) for _ in range(100)] * 2
    assert deduplicate(iter(documents)) == deduplicate(documents)


def test_a_document_of_many_shingles() -> None:
    dice = random.Random(3)
    book = text(dice, 20_000)
    found = deduplicate([book, changed(book, 100, dice), changed(book, 5_000, dice)])
    assert found.kept == (0, 2)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_a_threshold_that_means_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold must be above 0 and at most 1"):
        deduplicate(["a"], threshold)


def test_what_cannot_be_deduplicated_is_refused() -> None:
    with pytest.raises(InputError, match="width must be a whole number of at least 1"):
        deduplicate(["a"], width=0)
    with pytest.raises(InputError, match="Expected a document as str"):
        deduplicate([None])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("documents", [[], [""], ["a"]])
def test_hardly_anything(documents: list[str]) -> None:
    found = deduplicate(documents)
    assert found.documents == tuple(documents)
    assert not found.dropped
