"""Shuffling, so that it can be repeated: the order depends on a seed and an epoch, and on nothing else.

    shuffled(count, seed, epoch)        everything is at hand: any order is as likely as any other
    Shuffled(stream, seed, buffer)      a stream too large to hold: out of a buffer, one at random, replaced by the next

What leaves the buffer may come from anywhere before it, but from at most `buffer` places after it: a stream that is
sorted wants a buffer as large as its sections.  Random numbers come straight from PCG64, whose output NumPy promises to
keep, so an order is the same on every machine and with every release.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError
from polyloom.whole import whole

Item = TypeVar("Item")
BUFFER = 2_048


def shuffled(count: int, *seed: int) -> NDArray[np.int64]:
    """The numbers 0 … count − 1, int64 (count,), in the order of this seed: any number of integers of 0 or more."""
    return np.argsort(_dice(seed).random_raw(count), kind="stable").astype(np.int64, copy=False)


@final
class Shuffled(Generic[Item]):
    """The items of `stream()` in another order, over and over: each epoch gives every item once.

    `stream` is called for each epoch, and must give the same items in the same order every time.
    """

    def __init__(self, stream: Callable[[], Iterable[Item]], seed: int = 0, buffer: int = BUFFER) -> None:
        self._stream, self._seed, self._buffer = stream, whole("seed", seed, 0), whole("buffer", buffer, 1)
        self._start(0)

    def next(self) -> Item:
        """The next item; InputError if the stream is empty."""
        for item in self._items:
            self._drawn += 1
            return item
        if not self._drawn:
            raise InputError("The stream gives nothing. It must be a function that opens it anew each time.")
        self._start(self._epoch + 1)
        return self.next()

    def state(self) -> dict[str, int]:
        """Where the source stands; JSON-able."""
        return {"epoch": self._epoch, "drawn": self._drawn}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; reads the items of that epoch again, up to there.

        Raises InputError if the state is none, or if the stream has become shorter.
        """
        epoch, drawn = (whole(name, state.get(name), 0) for name in ("epoch", "drawn"))
        self._start(epoch)
        for _ in range(drawn):
            if next(self._items, None) is None:
                raise InputError(f"The state was taken after {drawn} items of an epoch; the stream gives fewer now.")
        self._drawn = drawn

    def _start(self, epoch: int) -> None:
        self._epoch, self._drawn, self._items = epoch, 0, self._mixed(epoch)

    def _mixed(self, epoch: int) -> Iterator[Item]:
        dice, held = _dice((self._seed, epoch)), list[Item]()
        for item in self._stream():
            if len(held) < self._buffer:
                held.append(item)
                continue
            at = dice.random_raw() % len(held)
            drawn, held[at] = held[at], item
            yield drawn
        while held:
            at = dice.random_raw() % len(held)
            held[at], held[-1] = held[-1], held[at]
            yield held.pop()


def _dice(seed: tuple[int, ...]) -> np.random.PCG64:
    return np.random.PCG64(np.random.SeedSequence(seed))
