"""The rows of `count`, `merge` and `pairs` in `polyloom bench kernels`.

The text is independent draws, token r with a probability in proportion to 1 / r: it repeats itself less than any real
text, so real text is counted sooner.  What is "a core" is processor time on one thread; everything else is time on the
clock.  Of each, the best of a few runs counts: the machine is shared, and other work only ever slows.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.count import reference
from polyloom_kernels.count.operation import count, merge
from polyloom_kernels.count.pairs_operation import pairs
from polyloom_kernels.count.reference import Counted, Integers, pack

VOCABULARY = 32_768
WINDOW = 8
TOKENS = 5_000_000  # with the window, 40 million pairs
PLACES = 3_000_000  # keys to count
REPEATS = 3


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in about half a minute."""
    yield from _pairs_rows(zipf(TOKENS))
    yield from _count_rows(zipf(PLACES))


def zipf(size: int) -> Integers:
    """Independent draws of tokens, int64 of shape (size,)."""
    edges = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    return np.asarray(np.searchsorted(edges, np.random.default_rng(0).random(size) * edges[-1]), np.int64)


def _pairs_rows(tokens: Integers) -> Iterator[dict[str, Any]]:
    starts, number = np.zeros(1, np.int64), len(tokens) * WINDOW
    what = f"pairs, {len(tokens) / 1e6:g}M tokens, window {WINDOW}"

    def ours(threads: int) -> Callable[[], object]:
        return lambda: pairs(tokens, starts, VOCABULARY, WINDOW, backend="cpu", threads=threads)

    ours(1)()  # made ready before it is measured
    core = _best(ours(1), time.process_time)
    narrow = tokens.astype(np.int32)  # keys are below V² = 2^30, and the peers sort narrow ones in half the time
    numpy = _best(lambda: [np.unique(keys, return_counts=True) for keys in _offsets(narrow)], time.process_time, 1)
    yield _row(f"{what}, a core", "pair", number, core, "numpy.unique", numpy, bar="value <= 10")
    torch, reason = _torch(narrow)
    two = _best(ours(2))
    yield _row(f"{what}, two threads", "pair", number, two, "torch sort+unique", torch, bar="ratio >= 3", reason=reason)


def _count_rows(tokens: Integers) -> Iterator[dict[str, Any]]:
    bigrams, fivegrams = _contexts(tokens, 2), _contexts(tokens, 5)
    for name, keys in (("bigrams", bigrams), ("5-grams", fivegrams)):
        for ranks in (True, False):
            what = f"count {len(keys) / 1e6:.2g}M {name}{'' if ranks else ' without ranks'}, a core"
            ours = _best(lambda: count(keys, ranks=ranks, backend="cpu", threads=1), time.process_time)  # noqa: B023
            theirs = _best(lambda: reference.count(keys, ranks), time.process_time, 1)  # noqa: B023
            yield _row(what, "key", len(keys), ours, "numpy sort", theirs, bar="value <= 40" if ranks else None)
    halves = _runs(bigrams[: len(bigrams) // 2]), _runs(bigrams[len(bigrams) // 2 :])
    given = (halves[0].keys, halves[0].counts, halves[1].keys, halves[1].counts)
    number = len(given[0]) + len(given[2])
    ours = _best(lambda: merge(*given, backend="cpu", threads=1), time.process_time)
    theirs = _best(lambda: reference.merge(*given), time.process_time, 1)
    yield _row(f"merge runs of {number / 1e6:.2g}M bigrams, a core", "key", number, ours, "numpy sort", theirs)


def _contexts(tokens: Integers, order: int) -> Integers:
    """The keys of n-grams: the rank of all but the last token, and the last token."""
    keys = tokens
    for offset in range(1, order):
        keys = pack(count(keys[:-1], backend="cpu").ranks, tokens[offset:], VOCABULARY)
    return keys


def _runs(keys: Integers) -> Counted:
    return count(keys, ranks=False, backend="cpu")


def _offsets(tokens: Any) -> Iterator[Any]:
    """The keys of all pairs at each offset, of the tokens' own type and library."""
    return (tokens[:-offset] * VOCABULARY + tokens[offset:] for offset in range(1, WINDOW + 1))


def _torch(tokens: NDArray[np.int32]) -> tuple[float | None, str | None]:
    """Seconds of sort and unique_consecutive, or why there are none.

    On one thread or on two, whichever is sooner: where other work runs, torch's two wait for each other.
    """
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return None, "torch is not installed here: pip install torch"
    given, before = torch.from_numpy(tokens), torch.get_num_threads()

    def work() -> None:
        for keys in _offsets(given):
            torch.unique_consecutive(torch.sort(keys).values, return_counts=True)

    seconds: list[float] = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        seconds.append(_best(work))
    torch.set_num_threads(before)
    return min(seconds), None


def _best(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter, repeats: int = REPEATS) -> float:
    seconds: list[float] = []
    for _ in range(repeats):
        started = clock()
        work()
        seconds.append(clock() - started)
    return min(seconds)


def _row(
    name: str, of: str, number: int, ours: float, peer: str, theirs: float | None, **more: str | None
) -> dict[str, Any]:
    """Seconds for `number` keys or pairs, as nanoseconds each."""
    each = 1e9 / number
    return {
        **{"group": "kernels", "name": name, "unit": f"ns/{of}", "value": ours * each, "peer": peer},
        **{"peer_value": None if theirs is None else theirs * each, **more},
    }
