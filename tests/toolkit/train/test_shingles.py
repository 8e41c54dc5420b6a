"""Shingles: compared with sets of tuples of words, which are the definition."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom.errors import InputError
from polyloom.train.shingles import Words, excerpt, fingerprint, shingle_sets, shingles, similarity, split, windows

texts = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=14).map(" ".join)
widths = st.integers(1, 6)


def by_definition(text: str, width: int) -> set[tuple[str, ...]]:
    words = tuple(text.split())
    return {words[at : at + width] for at in range(max(1, len(words) - width + 1))} - {()}


def jaccard(one: str, other: str, width: int) -> float:
    a, b = by_definition(one, width), by_definition(other, width)
    return len(a & b) / max(1, len(a | b))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The sea's COLD.", ["the", "sea", "s", "cold"]),
        ("  one\n\ttwo_3 ", ["one", "two_3"]),
        ("ﬁne Straße Ⅳ", ["fine", "strasse", "iv"]),
        ("海は広い sea 東京", ["海", "は", "広", "い", "sea", "東", "京"]),
        ("!? …", []),
    ],
)
def test_words_by_hand(text: str, words: list[str]) -> None:
    assert split(text) == words


@given(one=texts, other=texts, width=widths)
def test_similarity_is_that_of_sets_of_tuples(one: str, other: str, width: int) -> None:
    words = Words()
    sets = [shingles(words.of(text), width) for text in (one, other)]
    assert [len(each) for each in sets] == [len(by_definition(text, width)) for text in (one, other)]
    assert similarity(*sets) == jaccard(one, other, width)
    assert all((np.diff(each.astype(float)) > 0).all() for each in sets)


@given(given_texts=st.lists(texts, max_size=8), width=widths)
def test_many_at_once_are_as_one_by_one(given_texts: list[str], width: int) -> None:
    words = [Words().of(text) for text in given_texts]
    together = shingle_sets(words, width)
    assert [each.tolist() for each in together] == [shingles(each, width).tolist() for each in words]


@given(text=texts, width=widths)
def test_windows_are_the_runs_in_order(text: str, width: int) -> None:
    words = text.split()
    runs = [tuple(words[at : at + width]) for at in range(len(words) - width + 1)]
    found = windows(Words().of(text), width).tolist()
    assert len(found) == len(runs)
    assert len(set(zip(found, runs, strict=True))) == len(set(found)) == len(set(runs))


def test_ids_are_words() -> None:
    words = Words()
    same = shingles(words.of(np.array([5, 6, 7, 5, 6, 7])), 3)
    assert len(same) == 3
    assert similarity(same, shingles(words.of(np.array([5, 6, 7, 5, 6], np.uint8)), 3)) == 1
    assert similarity(same, shingles(words.of("5 6 7 5 6 7"), 3)) == 0


def test_a_short_document_is_no_part_of_a_longer_one() -> None:
    words = Words()
    short, long = shingles(words.of("a b"), 5), shingles(words.of("a b c d e f"), 5)
    assert (len(short), len(long)) == (1, 2)
    assert similarity(short, long) == 0


def test_fingerprints_ignore_case_and_space_and_nothing_else() -> None:
    assert fingerprint("The  sea\n") == fingerprint("the SEA") != fingerprint("the sea.")
    assert fingerprint("") == fingerprint(" \n") != fingerprint(np.array([], int))
    assert fingerprint(np.array([1, 2])) == fingerprint(np.array([1, 2], np.uint8)) != fingerprint(np.array([2, 1]))


def test_excerpts() -> None:
    assert excerpt("The sea, the Ship and the end", 1, 3) == "sea the ship …"
    assert excerpt("The sea") == "the sea"
    assert excerpt(np.arange(20), 10, 3) == "10 11 12 …"


def test_numbers_are_the_same_in_every_process() -> None:
    code = "from polyloom.train.shingles import Words, windows; print(*windows(Words().of('the cold sea'), 2))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(number) for number in windows(Words().of("the cold sea"), 2)]


def test_what_is_no_document_is_refused() -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        Words().of("\ud800")
    with pytest.raises(InputError, match="Expected one row of integer ids"):
        Words().of(np.array([0.5]))
