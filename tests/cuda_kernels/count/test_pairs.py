"""`pairs`: which tokens follow each token at each offset, by every way the same as walking through the text."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom_kernels.count import Pairs, pairs, pairs_reference

WAYS = [("reference", 1), ("cpu", 1), ("cpu", 2), ("cpu", 3), ("auto", None)]
every_way = pytest.mark.parametrize(("backend", "threads"), WAYS)
texts = st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=6)


def laid_out(documents: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of all documents, and where each starts."""
    tokens = np.array([token for document in documents for token in document], np.int64)
    return tokens, np.cumsum([0, *map(len, documents)], dtype=np.int64)[: len(documents)]


def walked(documents: list[list[int]], window: int) -> Counter[tuple[int, int, int]]:
    return Counter(
        (token, offset, document[place + offset])
        for document in documents
        for place, token in enumerate(document)
        for offset in range(1, window + 1)
        if place + offset < len(document)
    )


def entries(found: Pairs, window: int) -> dict[tuple[int, int, int], int]:
    rows = np.repeat(np.arange(len(found.starts) - 1), np.diff(found.starts)).tolist()
    columns = zip(rows, found.targets.tolist(), found.counts.tolist(), strict=True)
    return {(row // window, row % window + 1, target): number for row, target, number in columns}


def same(ours: Pairs, theirs: Pairs) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(ours, theirs, strict=True)
    )


@every_way
@given(documents=texts, window=st.integers(1, 20))
def test_it_counts_what_a_walk_through_the_text_counts(
    backend: Any, threads: Any, documents: list[list[int]], window: int
) -> None:
    found = pairs(*laid_out(documents), 10, window, backend=backend, threads=threads)
    assert entries(found, window) == walked(documents, window)
    assert found.starts.shape == (10 * window + 1,)
    assert (found.starts[0], found.starts[-1]) == (0, len(found.targets))
    for start, stop in zip(found.starts, found.starts[1:], strict=False):
        assert (np.diff(found.targets[start:stop].astype(int)) > 0).all()


SHAPES = [  # tokens, vocabulary, window, documents
    (3_000, 500, 5, 1),
    (3_000, 500, 5, 700),
    (20_000, 70, 3, 9),
    (2_000, 2**16 - 1, 2, 3),
    (2_000, 2**16, 2, 3),
    (2_000, 300_000, 2, 3),
    (1_000, 1, 40, 2),
]


@pytest.mark.parametrize(("size", "vocabulary_size", "window", "documents"), SHAPES)
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_it_is_the_reference_bit_for_bit(
    size: int, vocabulary_size: int, window: int, documents: int, threads: int
) -> None:
    random = np.random.default_rng(size)
    tokens = (vocabulary_size * random.random(size) ** 3).astype(np.int64)  # a few tokens are most of the text
    starts = np.append(0, np.sort(random.integers(0, size + 1, documents - 1)))
    expected = pairs_reference.pairs(tokens, starts, vocabulary_size, window)
    assert same(pairs(tokens, starts, vocabulary_size, window, backend="cpu", threads=threads), expected)
    assert expected.targets.dtype == (np.uint16 if vocabulary_size < 2**16 else np.uint32)


@every_way
def test_a_hand_worked_text(backend: Any, threads: Any) -> None:
    tokens, starts = laid_out([[0, 1, 0, 1], [], [1, 1]])
    found = pairs(tokens, starts, 2, 2, backend=backend, threads=threads)
    # after 0: 1 twice at offset 1, 0 once at 2; after 1: 0 and 1 once each at offset 1, 1 once at 2
    assert found.starts.tolist() == [0, 1, 2, 4, 5]
    assert found.targets.tolist() == [1, 0, 0, 1, 1]
    assert found.counts.tolist() == [2, 1, 1, 1, 1]


@every_way
@pytest.mark.parametrize("documents", [[], [[]], [[], []], [[3]], [[3], [4], []]])
def test_without_pairs_all_rows_are_empty(backend: Any, threads: Any, documents: list[list[int]]) -> None:
    found = pairs(*laid_out(documents), 5, 3, backend=backend, threads=threads)
    assert found.starts.tolist() == [0] * 16
    assert (found.targets.shape, found.counts.shape) == ((0,), (0,))
    assert (found.targets.dtype, found.counts.dtype) == (np.uint16, np.uint32)


@every_way
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.uint64])
def test_tokens_may_be_of_any_type_and_stay_as_they_were(backend: Any, threads: Any, kind: Any) -> None:
    tokens, starts = laid_out([[7, 1, 9, 1, 7], [1, 9]])
    wide = pairs(tokens, starts, 10, 3, backend="reference")
    given = np.repeat(tokens.astype(kind), 2)[::2]
    given.flags.writeable = starts.flags.writeable = False
    assert same(pairs(given, starts, 10, 3, backend=backend, threads=threads), wide)
    assert given.tolist() == tokens.tolist()


TOKENS, STARTS = np.arange(4), np.array([0, 2])
REFUSED: list[tuple[tuple[Any, Any, int, int], type[Exception], str]] = [
    (([0, 1], STARTS, 4, 1), TypeError, "tokens must be a NumPy array of integers, got a list"),
    ((TOKENS / 2, STARTS, 4, 1), TypeError, "tokens must be a NumPy array of integers, got float64"),
    ((TOKENS[None], STARTS, 4, 1), ValueError, r"tokens must be of shape \(N,\), got \(1, 4\)"),
    ((TOKENS, STARTS, 3, 1), ValueError, r"tokens must be 0 … 2, got 0 … 3"),
    ((TOKENS - 1, STARTS, 4, 1), ValueError, r"tokens must be 0 … 3, got -1 … 2"),
    ((TOKENS, STARTS.astype(np.int32), 4, 1), TypeError, "starts must be a NumPy array of int64, got int32"),
    ((TOKENS, STARTS[:0], 4, 1), ValueError, r"starts must begin with 0, .*, got \[\]"),
    ((TOKENS, STARTS[1:], 4, 1), ValueError, r"starts must begin with 0, .*, got \[2\]"),
    ((TOKENS, np.array([0, 3, 2]), 4, 1), ValueError, "starts must ascend to at most 4"),
    ((TOKENS, np.array([0, 5]), 4, 1), ValueError, "starts must ascend to at most 4"),
    ((TOKENS, STARTS, 0, 1), ValueError, "vocabulary_size and window must be at least 1 .*, got 0 and 1"),
    ((TOKENS, STARTS, 4, 0), ValueError, "vocabulary_size and window must be at least 1 .*, got 4 and 0"),
    ((TOKENS, STARTS, 2**20, 2**11), ValueError, r"their product below 2\^31, got 1048576 and 2048"),
]


@pytest.mark.parametrize(("given", "error", "text"), REFUSED)
def test_what_is_refused_says_why(given: tuple[Any, Any, int, int], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        pairs(*given)
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        pairs(TOKENS, STARTS, 4, 1, backend="cpu", threads=0)
