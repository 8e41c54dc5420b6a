"""Shuffling: every item once an epoch, never too far from its place, and the same sequence from any state."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom.errors import InputError
from polyloom.train.shuffle import Shuffled, shuffled


def stream(count: int):
    return lambda: iter(range(count))


def taken(source: Shuffled[int], count: int) -> list[int]:
    return [source.next() for _ in range(count)]


def test_an_order_is_a_permutation_that_its_seed_decides() -> None:
    assert sorted(shuffled(50, 1).tolist()) == list(range(50))
    assert shuffled(50, 1, 2).tolist() == shuffled(50, 1, 2).tolist()
    assert len({tuple(shuffled(50, *seed).tolist()) for seed in ((0,), (1,), (1, 0), (1, 2), (2, 1))}) > 3
    assert shuffled(0, 1).tolist() == []
    assert shuffled(6, 0, 0).tolist() == [3, 2, 1, 0, 4, 5]  # on every machine, with every release


def test_every_place_is_as_likely() -> None:
    places = np.array([np.flatnonzero(shuffled(5, seed) == 0)[0] for seed in range(2_000)])
    assert np.abs(np.bincount(places) - 400).max() < 5 * np.sqrt(400)


@given(count=st.integers(1, 40), buffer=st.integers(1, 50), seed=st.integers(0, 5))
def test_each_epoch_gives_every_item_once(count: int, buffer: int, seed: int) -> None:
    source = Shuffled(stream(count), seed, buffer)
    for _ in range(3):
        epoch = taken(source, count)
        assert sorted(epoch) == list(range(count))
        assert all(item - buffer < place for place, item in enumerate(epoch))  # it was in the buffer by then


def test_epochs_and_seeds_differ() -> None:
    source = Shuffled(stream(30), 0, 10)
    orders = [taken(source, 30) for _ in range(3)] + [taken(Shuffled(stream(30), 1, 10), 30)]
    assert len({tuple(order) for order in orders}) == 4
    assert taken(Shuffled(stream(9), 0, 1), 9) == list(range(9))


@given(count=st.integers(1, 20), buffer=st.integers(1, 25), at=st.integers(0, 70))
def test_the_same_sequence_follows_from_any_state(count: int, buffer: int, at: int) -> None:
    source = Shuffled(stream(count), 3, buffer)
    taken(source, at)
    other = Shuffled(stream(count), 3, buffer)
    other.restore(source.state())
    assert taken(other, 30) == taken(source, 30)
    assert other.state() == source.state()


def test_the_stream_is_never_read_further_than_the_buffer() -> None:
    read: list[int] = []

    def watched() -> Iterator[int]:
        for item in range(1_000):
            read.append(item)
            yield item

    source = Shuffled(watched, 0, 8)
    taken(source, 20)
    assert len(read) == 28


def test_what_cannot_be_shuffled_or_restored_is_an_error() -> None:
    with pytest.raises(InputError, match="The stream gives nothing"):
        Shuffled(stream(0)).next()
    with pytest.raises(InputError, match="buffer must be a whole number of at least 1"):
        Shuffled(stream(3), 0, 0)
    with pytest.raises(InputError, match="after 5 items of an epoch; the stream gives fewer now"):
        Shuffled(stream(4)).restore({"epoch": 0, "drawn": 5})
    for state in ({}, {"epoch": 0}, {"epoch": -1, "drawn": 0}, {"epoch": 0, "drawn": "3"}):
        with pytest.raises(InputError, match="must be a whole number of at least 0"):
            Shuffled(stream(4)).restore(state)


def test_an_iterator_that_is_used_up_is_noticed() -> None:
    once = iter(range(3))
    source = Shuffled(lambda: once, 0, 8)
    taken(source, 3)
    with pytest.raises(InputError, match="opens it anew each time"):
        source.next()
