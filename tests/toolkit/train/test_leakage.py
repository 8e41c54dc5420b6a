"""Leaks: worked by hand, then windows by brute force."""

import random
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom.errors import InputError
from polyloom.train.leakage import Leak, leaks

SEA = "the captain of the old ship looked at the cold sea and said nothing more that night to anyone on board"
SOUP = "stir the soup slowly and never let it boil since the secret of a good soup is patience and salt"
LAW = "the party of the first part shall pay to the party of the second part the sum agreed upon in full"


def test_by_hand() -> None:
    """Three held-out documents: a copy, one that shares a passage, one of its own; windows of 5."""
    shared = " ".join(SOUP.split()[3:10])  # 7 words: 3 windows of 5
    mine = f"nobody here would {shared} in winter"  # 12 words: 8 windows
    report = leaks([LAW, SEA, SOUP], [f" {SEA.upper()}\n", mine, "the lamp went out and the night was long"], window=5)
    assert (report.documents, report.leaked, report.copied) == (3, 1, 1)
    assert report.windows == 17 + 8 + 5
    assert report.windows_found == 17 + 3
    assert report.document_share == 1 / 3
    assert report.window_share == 20 / 30
    assert report.examples == (
        Leak(0, 1, 1.0, "the captain of the old ship looked at the cold sea and said …"),
        Leak(1, None, 3 / 8, f"{shared} in winter"),
    )
    assert str(report) == (
        "33.3% of the held-out documents stand in the training text (1 of 3, 1 of them word for word)\n"
        "66.7% of the held-out windows of 5 tokens stand there (20 of 30)\n"
        "  held-out document 0, 100% like training document 1: the captain of the old ship looked at the cold sea and "
        "said …\n"
        f"  held-out document 1, 38% of its windows: {shared} in winter"
    )


def test_near_duplicates_leak_too() -> None:
    near = SEA.replace("board", "earth")  # the last of 21 words: 16 of 18 shingles are shared
    report = leaks([SOUP, near, near], [SEA, SEA.replace("board", "deck"), LAW])
    assert (report.leaked, report.copied) == (2, 0)
    assert [(leak.held_out, leak.train, leak.similarity) for leak in report.examples] == [
        (0, 1, 16 / 18),
        (1, 1, 16 / 18),
    ]
    assert leaks([near], [SEA], threshold=0.95).leaked == 0


def test_the_closest_one_is_named() -> None:
    near = SEA.replace("board", "deck")
    (leak,) = leaks([SOUP, near, SEA, SEA], [SEA]).examples
    assert (leak.train, leak.similarity) == (2, 1.0)


def test_one_training_document_may_repeat_several() -> None:
    assert leaks([SEA], [SEA, SEA.upper(), SEA.replace("board", "deck"), LAW]).leaked == 3


words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=10)


@settings(max_examples=40)
@given(train=st.lists(words, max_size=5), held_out=st.lists(words, max_size=5), window=st.integers(1, 4))
def test_windows_by_brute_force(train: list[list[str]], held_out: list[list[str]], window: int) -> None:
    def runs(document: list[str]) -> list[tuple[str, ...]]:
        return [tuple(document[at : at + window]) for at in range(len(document) - window + 1)]

    known = {run for document in train for run in runs(document)}
    sought = [run for document in held_out for run in runs(document)]
    report = leaks([" ".join(each) for each in train], [" ".join(each) for each in held_out], window=window)
    assert (report.windows, report.windows_found) == (len(sought), sum(run in known for run in sought))


def test_rows_of_ids_and_streams() -> None:
    dice = np.random.default_rng(0)
    rows = [dice.integers(0, 500, 40) for _ in range(30)]
    report = leaks((row for row in rows[:25]), rows[20:])
    assert (report.documents, report.leaked, report.copied) == (10, 5, 5)
    assert (report.windows, report.windows_found) == (280, 140)
    assert report.examples[0].text.endswith(" …")


def test_only_some_examples_are_shown() -> None:
    dice = random.Random(0)
    documents = [" ".join(dice.choices(SEA.split() + SOUP.split(), k=40)) for _ in range(30)]
    report = leaks(
        documents, [*documents[:20], *(f"{each} and {n} more" for n, each in enumerate(documents[20:]))], 1.0
    )
    assert report.leaked == 20
    assert [leak.train is None for leak in report.examples] == [False] * 5 + [True] * 5


def test_nothing_at_all() -> None:
    for train, held_out in (([], []), ([SEA], []), ([], [SEA]), (["", "!"], ["", "?"])):
        report = leaks(train, held_out)
        assert report.windows_found == 0
        assert 0 <= report.document_share <= 1
        assert report.window_share == 0
        assert str(report)


def test_as_html_it_is_sound_and_escaped() -> None:
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            tags.append(tag)

    row = np.array([7] * 20)
    page = leaks([row, SEA], [row, SEA])._repr_html_()
    Reader().feed(page)
    assert tags == ["p", "br", "table", *["tr", "td", "td"] * 2]
    assert "100.0% of the held-out documents" in page
    assert leaks([], [])._repr_html_().count("<table>") == 0


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="threshold must be above 0"):
        leaks([SEA], [SEA], threshold=0)
    with pytest.raises(InputError, match="window must be a whole number of at least 1"):
        leaks([SEA], [SEA], window=0)
