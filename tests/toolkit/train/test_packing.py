"""Packing: rows worked by hand, then the property that every token is predicted exactly once."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom.errors import InputError
from polyloom.train.packing import Block, packed

lengths = st.lists(st.integers(0, 12), max_size=12)
begins = st.sampled_from([None, 0])


def documents(sizes: list[int]) -> list[np.ndarray]:
    """Documents whose tokens are all different, so that each token tells where it comes from; 0 is left free."""
    return [np.arange(size) + 100 * (number + 1) for number, size in enumerate(sizes)]


def rows(sizes: list[int], length: int, begin: int | None = None) -> list[tuple[list[int], list[int]]]:
    return [(row.tokens.tolist(), row.documents.tolist()) for row in packed(documents(sizes), length, begin)]


def pairs(block: Block) -> list[tuple[int, int]]:
    """(what is read, what is predicted) wherever something is predicted."""
    counts = block.documents[:-1] == block.documents[1:]
    return list(zip(block.tokens[:-1][counts].tolist(), block.tokens[1:][counts].tolist(), strict=True))


def test_by_hand() -> None:
    assert rows([3, 2], 4, begin=0) == [
        ([0, 100, 101, 102, 0], [0, 0, 0, 0, 1]),
        ([0, 200, 201, 0, 0], [1, 1, 1, -1, -2]),
    ]
    assert rows([3, 2], 4) == [([100, 101, 102, 200, 201], [0, 0, 0, 1, 1])]
    assert rows([7], 3) == [([100, 101, 102, 103], [0] * 4), ([103, 104, 105, 106], [0] * 4)]
    assert rows([8], 3)[2] == ([106, 107, 0, 0], [0, 0, -1, -2])


def test_documents_without_a_target_are_left_out() -> None:
    assert rows([0, 1, 0], 4) == rows([], 4) == rows([0, 0], 4, begin=0) == []
    assert rows([0, 1, 3], 4)[0][0][:3] == [300, 301, 302]
    assert rows([1], 4, begin=0) == [([0, 100, 0, 0, 0], [0, 0, -1, -2, -3])]


@given(sizes=lengths, length=st.integers(1, 9), begin=begins)
def test_every_token_is_predicted_exactly_once(sizes: list[int], length: int, begin: int | None) -> None:
    found = Counter(pair for block in packed(documents(sizes), length, begin) for pair in pairs(block))
    expected: Counter[tuple[int, int]] = Counter()
    for document in documents(sizes):
        text = document.tolist() if begin is None else [begin, *document.tolist()]
        expected.update(pairwise(text))
    assert found == expected


@given(sizes=lengths, length=st.integers(1, 9), begin=begins)
def test_only_the_last_row_is_filled_up(sizes: list[int], length: int, begin: int | None) -> None:
    blocks = list(packed(documents(sizes), length, begin))
    assert all(block.tokens.shape == block.documents.shape == (length + 1,) for block in blocks)
    assert all(block.tokens.dtype == block.documents.dtype == np.int64 for block in blocks)
    assert all((block.documents >= 0).all() for block in blocks[:-1])
    for block in blocks:
        tokens, numbers = block
        known = numbers[numbers >= 0]
        assert (np.diff(known) >= 0).all()
        assert (tokens[numbers >= 0] // 100 == 0).sum() <= len(set(known.tolist()))  # at most one begin token each


def test_documents_are_read_as_rows_are_asked_for() -> None:
    def endless():
        while True:
            yield np.arange(1, 6)

    blocks = packed(endless(), 7, begin=0)
    assert [next(blocks).tokens[0] for _ in range(3)] == [0, 1, 2]


def test_any_integers_will_do_and_nothing_else() -> None:
    for document in (np.array([5, 6], np.uint8), [5, 6], (5, 6)):
        (block,) = packed([document], 1)
        assert block.tokens.tolist() == [5, 6]
    for document in ("ab", np.array([0.5]), [[1, 2]], 7):
        with pytest.raises(InputError, match="Expected one row of integer ids"):
            list(packed([document], 4))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="holds the id -1"):
        list(packed([np.array([3, -1])], 4))
    with pytest.raises(InputError, match="length must be a whole number of at least 1, got 0"):
        list(packed([], 0))
    with pytest.raises(InputError, match="begin must be a whole number of at least 0, got -1"):
        list(packed([], 4, begin=-1))
