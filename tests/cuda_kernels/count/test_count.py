"""`count` and `merge`: sorted distinct keys, how often each came, and where each occurrence went, by every way."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom_kernels
from polyloom_kernels.count import Merged, count, cpu, merge, pack, reference

LARGEST = 2**63 - 1
WAYS = [("reference", 1), ("cpu", 1), ("cpu", 2), ("cpu", 3), ("auto", None)]
integers = st.one_of(st.integers(0, 6), st.integers(-(2**20), 2**20), st.integers(-LARGEST - 1, LARGEST))
keys = st.lists(integers, max_size=60)
runs = st.dictionaries(integers, st.integers(-(2**40), 2**40), max_size=40)
every_way = pytest.mark.parametrize(("backend", "threads"), WAYS)


@pytest.fixture(autouse=True, scope="module")
def even_small_inputs_are_shared() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "ALONE", 2)
        yield


def run(given: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    ordered = sorted(given.items())
    return np.array([key for key, _ in ordered], np.int64), np.array([number for _, number in ordered], np.int64)


@every_way
@given(given=keys)
def test_it_counts_as_a_dictionary_does(backend: Any, threads: Any, given: list[int]) -> None:
    found = count(np.array(given, np.int64), backend=backend, threads=threads)
    assert dict(zip(found.keys.tolist(), found.counts.tolist(), strict=True)) == Counter(given)
    assert found.keys.tolist() == sorted(set(given))
    assert found.keys[found.ranks].tolist() == given
    assert all(part.dtype == np.int64 for part in found)


@every_way
@given(given=keys)
def test_it_agrees_with_numpy(backend: Any, threads: Any, given: list[int]) -> None:
    array = np.array(given, np.int64)
    expected, ranks, counts = np.unique(array, return_inverse=True, return_counts=True)
    found = count(array, backend=backend, threads=threads)
    np.testing.assert_array_equal(found.keys, expected)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.ranks, ranks)


@every_way
@given(given=keys)
def test_without_ranks_the_rest_is_the_same(backend: Any, threads: Any, given: list[int]) -> None:
    array = np.array(given, np.int64)
    found, expected = count(array, ranks=False, backend=backend, threads=threads), reference.count(array)
    np.testing.assert_array_equal(found.keys, expected.keys)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert [(len(part), part.dtype) for part in found][2] == (0, np.int64)


@pytest.mark.parametrize("bits", [1, 9, 10, 11, 21, 40, 50, 51, 63, 64])
@pytest.mark.parametrize("ranks", [True, False])
def test_keys_of_every_width_on_any_number_of_threads(bits: int, ranks: bool) -> None:
    random = np.random.default_rng(bits)
    given = random.integers(0, 2**bits, 10_000, np.uint64, endpoint=False) if bits < 64 else random.bytes(80_000)
    array = np.frombuffer(given, np.int64) if isinstance(given, bytes) else given.view(np.int64)
    expected = reference.count(array, ranks)
    for threads in (1, 2, 3, 7):
        for ours, theirs in zip(count(array, ranks=ranks, backend="cpu", threads=threads), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@given(keys.flatmap(lambda given: st.tuples(st.just(given), st.permutations(given))))
def test_the_order_of_the_input_never_matters(pair: tuple[list[int], list[int]]) -> None:
    ours, theirs = (count(np.array(given, np.int64), backend="cpu") for given in pair)
    np.testing.assert_array_equal(ours.keys, theirs.keys)
    np.testing.assert_array_equal(ours.counts, theirs.counts)


@every_way
@pytest.mark.parametrize("given", [[], [0], [5] * 9, [-LARGEST - 1, LARGEST], [LARGEST] * 3])
def test_the_ends_of_what_there_is(backend: Any, threads: Any, given: list[int]) -> None:
    found = count(np.array(given, np.int64), backend=backend, threads=threads)
    assert found.keys.tolist() == sorted(set(given))
    assert found.counts.tolist() == [given.count(key) for key in sorted(set(given))]
    assert found.keys[found.ranks].tolist() == given


@every_way
def test_the_input_stays_as_it_was_and_may_be_read_only(backend: Any, threads: Any) -> None:
    given = np.array([3, 1, 2, 1])
    for writeable in (True, False):
        given.flags.writeable = writeable
        found = count(given, backend=backend, threads=threads)
        assert [part.tolist() for part in found] == [[1, 2, 3], [2, 1, 1], [2, 0, 1, 0]]
        assert given.tolist() == [3, 1, 2, 1]
        assert given.flags.writeable == writeable


@every_way
@given(a=runs, b=runs)
def test_merging_adds_as_dictionaries_do(backend: Any, threads: Any, a: dict[int, int], b: dict[int, int]) -> None:
    ours, theirs = run(a), run(b)
    found = merge(*ours, *theirs, backend=backend, threads=threads)
    assert dict(zip(found.keys.tolist(), found.counts.tolist(), strict=True)) == {
        key: a.get(key, 0) + b.get(key, 0) for key in a | b
    }
    assert found.keys.tolist() == sorted(a | b)
    np.testing.assert_array_equal(found.keys[found.ranks_a], ours[0])
    np.testing.assert_array_equal(found.keys[found.ranks_b], theirs[0])
    assert all(part.dtype == np.int64 for part in found)


@every_way
@given(one=keys, other=keys)
def test_counts_of_parts_merge_to_counts_of_the_whole(
    backend: Any, threads: Any, one: list[int], other: list[int]
) -> None:
    a, b, whole = (count(np.array(part, np.int64)) for part in (one, other, one + other))
    found = merge(a.keys, a.counts, b.keys, b.counts, backend=backend, threads=threads)
    np.testing.assert_array_equal(found.keys, whole.keys)
    np.testing.assert_array_equal(found.counts, whole.counts)
    np.testing.assert_array_equal(np.append(found.ranks_a[a.ranks], found.ranks_b[b.ranks]), whole.ranks)


@every_way
def test_what_is_subtracted_to_zero_stays(backend: Any, threads: Any) -> None:
    found = merge(*run({1: 2, 3: 4}), *run({1: -2, 2: 5}), backend=backend, threads=threads)
    assert [part.tolist() for part in found] == [[1, 2, 3], [0, 5, 4], [0, 2], [0, 1]]


@given(st.integers(1, 2**20), st.data())
def test_packed_pairs_sort_as_pairs_and_come_apart_again(width: int, data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, 2**40), st.integers(0, width - 1))
    pairs = data.draw(st.lists(pair, min_size=1, max_size=20))
    major, minor = (np.array(part, np.int64) for part in zip(*pairs, strict=True))
    packed = pack(major, minor, width)
    np.testing.assert_array_equal(packed // width, major)
    np.testing.assert_array_equal(packed % width, minor)
    assert [pairs[at] for at in np.argsort(packed, kind="stable")] == sorted(pairs)


UNALIGNED = np.frombuffer(bytes(17), np.uint8)[1:].view(np.int64)
REFUSED: list[tuple[Any, type[Exception], str]] = [
    ([1, 2], TypeError, "must be a NumPy array of int64, got a list"),
    (np.zeros(2), TypeError, "must be a NumPy array of int64, got float64"),
    (np.zeros(2, np.int32), TypeError, "must be a NumPy array of int64, got int32"),
    (np.zeros(2, ">i8"), TypeError, "must be a NumPy array of int64, got >i8"),
    (np.zeros((2, 2), np.int64), ValueError, r"must be of shape \(N,\), got \(2, 2\)"),
    (np.zeros(4, np.int64)[::2], ValueError, "must be contiguous and aligned"),
    (UNALIGNED, ValueError, "must be contiguous and aligned"),
]


@pytest.mark.parametrize(("given", "error", "text"), REFUSED)
def test_what_is_refused_says_why(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"keys {text}"):
        count(given)
    with pytest.raises(error, match=f"counts_b {text}"):
        merge(*run({}), np.arange(2), given)


def test_runs_that_are_none_are_refused() -> None:
    good, bad = run({1: 1, 2: 1}), np.array([2, 2])
    with pytest.raises(ValueError, match="keys_b must be ascending and distinct"):
        merge(*good, bad, good[1])
    with pytest.raises(ValueError, match="keys_a and counts_a must be as long as each other, got 2 and 1"):
        merge(bad, bad[:1], *good)


def test_unknown_ways_are_refused() -> None:
    with pytest.raises(ValueError, match="Unknown back end 'gpu'; there are 'auto', 'cpu' and 'reference'"):
        count(np.zeros(2, np.int64), backend="gpu")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        count(np.zeros(2, np.int64), backend="cpu", threads=0)


def test_the_face_names_what_there_is() -> None:
    assert polyloom_kernels.count is count
    assert polyloom_kernels.Merged is Merged
    assert all(hasattr(polyloom_kernels, name) for name in polyloom_kernels.__all__)
