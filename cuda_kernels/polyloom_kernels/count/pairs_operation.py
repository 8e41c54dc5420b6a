"""`pairs`: which tokens follow each token at each distance, and how often.

    row r = a · window + (d − 1)          for each token a and offset d in 1 … window
    targets of row r = {b : some place p has tokens[p] = a, tokens[p + d] = b, both in one document}, ascending
    counts           = how many such places there are

A row is the association of a at distance d.  Results are the same on every back end and for every number of threads.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.count import cuda, pairs_reference
from polyloom_kernels.count.checks import checked_starts, checked_threads, checked_tokens
from polyloom_kernels.count.pairs_reference import Pairs
from polyloom_kernels.count.reference import Integers
from polyloom_kernels.jit import Backend, Compiled

COMPILED = Compiled("polyloom_kernels.count.pairs_cpu")
LARGEST = 2**31  # rows; a key of the reference is below V times as much, so it fits an int64
NUMPY = 300e-9  # seconds a pair of the reference, about


def pairs(
    tokens: NDArray[Any],
    starts: Integers,
    vocabulary_size: int,
    window: int,
    *,
    backend: Backend = "auto",
    threads: int | None = None,
) -> Pairs:
    """Count the pairs in `tokens`, integers of shape (N,) below `vocabulary_size`.

    `starts` int64 (D,) says where each document starts, the first at 0; no pair crosses from one to the next.
    `threads` is how many to use at most, by default as many as there are cores.  With "cuda" the arrays are copied to a
    GPU and back.  Raises TypeError or ValueError for what does not fit this description.
    """
    if vocabulary_size < 1 or window < 1 or vocabulary_size * window >= LARGEST:
        raise ValueError(
            f"vocabulary_size and window must be at least 1 and their product below 2^31, "
            f"got {vocabulary_size} and {window}."
        )
    checked_tokens(tokens, vocabulary_size)
    checked_starts(starts, len(tokens))
    if on_gpu(backend):
        return _on_gpu(tokens, starts, vocabulary_size, window)
    cpu = COMPILED.chosen(backend, NUMPY * len(tokens) * window)
    if cpu is None:
        return pairs_reference.pairs(tokens, starts, vocabulary_size, window)
    return cpu.pairs(tokens, starts, vocabulary_size, window, checked_threads(threads))


def _on_gpu(tokens: NDArray[Any], starts: Integers, size: int, window: int) -> Pairs:
    if len(tokens) * window > cuda.MOST:
        raise ValueError(f"A GPU counts at most {cuda.MOST:,} places · window, got {len(tokens):,} · {window}.")
    lengths, machine = np.diff(starts, append=len(tokens)), Device()
    number = sum(int(np.maximum(lengths - offset, 0).sum()) for offset in range(1, window + 1))
    given = machine.array(tokens.astype(np.int32), "int"), machine.array(starts, "long long")
    return Pairs(*map(machine.numpy, cuda.pairs(machine, *given, size, window, number)))
