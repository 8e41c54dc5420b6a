"""How association models and mixes are measured: the clock, and compiled code that is ready before it starts.

Work is timed by the clock on the wall, or by the processor's own where a row says "a core".  Of whole pieces of work
the best of a few runs counts: the machine is shared, and other work only ever slows.  Of many small questions the
percentiles count.
"""

import time
from collections.abc import Callable, Iterable

import numpy as np

from polyloom.documents import Ids
from polyloom.model import Continuation, Floats
from polyloom_kernels.count import operation as counting
from polyloom_kernels.mixture import operation as mixing

REPEATS = 3
COMPILED = (counting.COMPILED, mixing.TEXT, mixing.PLACE)

KENLM_FIT = 900_000  # tokens/s of KenLM's order 5 alone, the upper end of what is published: 0.6–0.9M
KENLM_SCORE = 1 / 3.5  # µs/token of KenLM scoring n-grams in C++, published: 3–4M scores/s
KENLM_FULL = "KenLM takes 6–11 ms for one full distribution (published, not measured in this run)"


def ready(work: Callable[[], object]) -> None:
    """Wait until all compiled code is there, and do the work once.

    Raises RuntimeError if it cannot be had: then NumPy would serve, and what was measured would be something else.
    """
    for back_end in COMPILED:
        back_end.wait()
    work()


def best(
    work: Callable[[], object], clock: Callable[[], float] = time.perf_counter, repeats: int | None = None
) -> float:
    """Seconds of the fastest of a few runs."""
    seconds: list[float] = []
    for _ in range(repeats or REPEATS):
        started = clock()
        work()
        seconds.append(clock() - started)
    return min(seconds)


def running(place: Continuation, tokens: Ids, k: int = 10) -> Floats:
    """Microseconds of each step of a text that goes on: one token more, then the k likeliest after it; float64 (T,)."""
    return each(lambda token: (place.advance(token), place.top(k)), tokens.tolist())


def each(ask: Callable[[int], object], questions: Iterable[int]) -> Floats:
    """Microseconds of each question."""
    found: list[int] = []
    for question in questions:
        started = time.perf_counter_ns()
        ask(question)
        found.append(time.perf_counter_ns() - started)
    return np.array(found) / 1000
