"""`polyloom.numpy`: a copy in NumPy of whatever library's array."""

import numpy as np
import pytest

import polyloom


class OnDevice:
    """An array as CuPy has them: `get` brings it over."""

    def get(self) -> np.ndarray:
        return np.arange(3.0)


class Tracked:
    """An array as torch has them: part of a graph, on a device, then plain."""

    def __init__(self, done: tuple[str, ...] = ()) -> None:
        self.done = done

    def detach(self) -> "Tracked":
        return Tracked((*self.done, "detach"))

    def cpu(self) -> "Tracked":
        return Tracked((*self.done, "cpu"))

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        assert self.done == ("detach", "cpu")
        return np.arange(3.0)


@pytest.mark.parametrize("array", [np.arange(3.0), [0.0, 1.0, 2.0], OnDevice(), Tracked()])
def test_any_array_comes_over(array: object) -> None:
    found = polyloom.numpy(array)
    assert type(found) is np.ndarray
    assert found.tolist() == [0, 1, 2]


def test_it_is_a_copy() -> None:
    original = np.arange(3.0)
    original.flags.writeable = False
    copy = polyloom.numpy(original)
    copy[0] = 9
    assert original[0] == 0
