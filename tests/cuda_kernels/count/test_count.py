"""`count`: sorted distinct keys, how often each came, and where each occurrence went."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom_kernels
from polyloom_kernels.count import Counted, count, pack

LARGEST = 2**63 - 1
keys = st.lists(st.one_of(st.integers(0, 6), st.integers(-LARGEST - 1, LARGEST)), max_size=60)


@given(keys)
def test_it_counts_as_a_dictionary_does(given: list[int]) -> None:
    found = count(np.array(given, np.int64))
    assert dict(zip(found.keys.tolist(), found.counts.tolist(), strict=True)) == Counter(given)
    assert found.keys.tolist() == sorted(set(given))
    assert found.keys[found.ranks].tolist() == given
    assert all(part.dtype == np.int64 for part in found)


@given(keys)
def test_it_agrees_with_numpy(given: list[int]) -> None:
    array = np.array(given, np.int64)
    expected, ranks, counts = np.unique(array, return_inverse=True, return_counts=True)
    found = count(array)
    np.testing.assert_array_equal(found.keys, expected)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.ranks, ranks)


@given(keys.flatmap(lambda given: st.tuples(st.just(given), st.permutations(given))))
def test_the_order_of_the_input_never_matters(pair: tuple[list[int], list[int]]) -> None:
    ours, theirs = (count(np.array(given, np.int64)) for given in pair)
    np.testing.assert_array_equal(ours.keys, theirs.keys)
    np.testing.assert_array_equal(ours.counts, theirs.counts)


def test_of_nothing_there_is_nothing() -> None:
    assert [len(part) for part in count(np.empty(0, np.int64))] == [0, 0, 0]


def test_the_input_stays_as_it_was() -> None:
    given = np.array([3, 1, 2, 1])
    given.flags.writeable = False
    assert [part.tolist() for part in count(given)] == [[1, 2, 3], [2, 1, 1], [2, 0, 1, 0]]
    assert given.tolist() == [3, 1, 2, 1]


@given(st.integers(1, 2**20), st.data())
def test_packed_pairs_sort_as_pairs_and_come_apart_again(width: int, data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, 2**40), st.integers(0, width - 1))
    pairs = data.draw(st.lists(pair, min_size=1, max_size=20))
    major, minor = (np.array(part, np.int64) for part in zip(*pairs, strict=True))
    packed = pack(major, minor, width)
    np.testing.assert_array_equal(packed // width, major)
    np.testing.assert_array_equal(packed % width, minor)
    assert [pairs[at] for at in np.argsort(packed, kind="stable")] == sorted(pairs)


@pytest.mark.parametrize("name", polyloom_kernels.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(polyloom_kernels, name) in (count, Counted)
