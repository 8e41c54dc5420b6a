"""Token buffers: everybody sees a prefix, and no prefix ever changes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom.buffer import TokenBuffer


def test_whoever_stands_at_the_end_appends_in_place() -> None:
    buffer = TokenBuffer(np.arange(3))
    assert buffer.append(3, 7) is buffer
    assert buffer.view(4).tolist() == [0, 1, 2, 7]


def test_whoever_stands_earlier_gets_a_copy() -> None:
    buffer = TokenBuffer(np.arange(3)).append(3, 7)
    copy = buffer.append(3, 8)
    assert copy is not buffer
    assert (buffer.view(4).tolist(), copy.view(4).tolist()) == ([0, 1, 2, 7], [0, 1, 2, 8])


def test_a_text_knows_where_its_prompt_ended() -> None:
    buffer = TokenBuffer(np.arange(3))
    for at in range(3, 40):
        buffer = buffer.append(at, 7)
        assert buffer.prompt == 3
    assert buffer.append(2, 8).prompt == 2  # whoever went back behind its end
    assert TokenBuffer(np.arange(9), 4).append(9, 0).prompt == 4


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=80), st.integers(0, 40))
def test_no_prefix_ever_changes(moves: list[tuple[int, int]], length: int) -> None:
    """Anyone appends at any time; all that were ever seen stay as they were."""
    start = list(range(length))
    everyone = [(TokenBuffer(np.array(start, np.int64)), start)]
    for who, token in moves:
        buffer, tokens = everyone[who % len(everyone)]
        everyone.append((buffer.append(len(tokens), token), [*tokens, token]))
    for buffer, tokens in everyone:
        assert buffer.view(len(tokens)).tolist() == tokens


def test_long_texts_grow_by_doubling() -> None:
    buffer, moved = TokenBuffer(np.empty(0, np.int64)), 0
    for at in range(10_000):
        grown = buffer.append(at, at)
        moved += grown is not buffer
        buffer = grown
    np.testing.assert_array_equal(buffer.view(10_000), np.arange(10_000))
    assert moved <= 12


def test_views_are_read_only_and_no_copies() -> None:
    buffer = TokenBuffer(np.arange(5))
    view = buffer.view(5)
    assert np.shares_memory(view, buffer.view(2))
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 9


def test_threads_that_append_at_the_same_place_all_get_their_own_token() -> None:
    for _ in range(50):
        buffer = TokenBuffer(np.arange(3))
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda token, at=buffer: at.append(3, token), range(8)))
        assert [place.view(4)[3] for place in found] == list(range(8))
