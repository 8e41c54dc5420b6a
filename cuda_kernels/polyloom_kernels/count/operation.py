"""`count` and `merge`: checks, and the choice of who does the work.

    count:   keys[0 … U) ascending and distinct
             counts[u] = |{i : given[i] = keys[u]}|
             keys[ranks[i]] = given[i]
    merge:   keys = the union of keys_a and keys_b, ascending
             counts[u] = (counts_a of it, or 0) + (counts_b of it, or 0)
             keys[ranks_a[i]] = keys_a[i],  keys[ranks_b[j]] = keys_b[j]

Any int64 is a key, negative ones too.  Subtracting is adding negative counts; a key whose count comes to zero stays,
and the caller decides.  Results are the same on every back end and for every number of threads.

On a GPU, which is where tensors of torch that lie there are counted and what `backend="cuda"` asks for, what goes in as
tensors comes out as tensors, and arrays are copied there and back.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.count import cuda, reference
from polyloom_kernels.count.checks import checked_integers, checked_threads
from polyloom_kernels.count.reference import Counted, Integers, Merged
from polyloom_kernels.jit import Backend, Compiled

COMPILED = Compiled("polyloom_kernels.count.cpu")
NUMPY = 200e-9  # seconds a key of the reference, about


def count(keys: Integers, *, ranks: bool = True, backend: Backend = "auto", threads: int | None = None) -> Counted:
    """Count the distinct values of `keys`, int64 of shape (N,); N may be zero.

    Without `ranks` that array is empty, and the rest comes sooner.  `threads` is how many to use at most, by default as
    many as there are cores.  Raises TypeError or ValueError for what is no contiguous vector of int64.
    """
    if on_gpu(backend, keys):
        return Counted(*_on_gpu(partial(cuda.count, ranks=ranks), keys))
    checked_integers("keys", keys)
    cpu = COMPILED.chosen(backend, NUMPY * len(keys))
    if cpu is None or not len(keys):
        return reference.count(keys, ranks)
    return cpu.count(keys, ranks, checked_threads(threads))


def merge(
    keys_a: Integers,
    counts_a: Integers,
    keys_b: Integers,
    counts_b: Integers,
    *,
    backend: Backend = "auto",
    threads: int | None = None,
) -> Merged:
    """Add the counts of two runs, each int64 of shape (A,) or (B,) with keys ascending and distinct.

    Raises TypeError or ValueError for what is no contiguous vector of int64, or no such run.
    """
    there = on_gpu(backend, keys_a, counts_a, keys_b, counts_b)
    check = _vector if there else checked_integers
    _checked_run("a", keys_a, counts_a, check)
    _checked_run("b", keys_b, counts_b, check)
    if there:
        return Merged(*_on_gpu(cuda.merge, keys_a, counts_a, keys_b, counts_b))
    cpu = COMPILED.chosen(backend, NUMPY * (len(keys_a) + len(keys_b)))
    if cpu is None:
        return reference.merge(keys_a, counts_a, keys_b, counts_b)
    return cpu.merge(keys_a, counts_a, keys_b, counts_b, checked_threads(threads))


def _checked_run(name: str, keys: Any, counts: Any, check: Callable[[str, Any], None]) -> None:
    check(f"keys_{name}", keys)
    check(f"counts_{name}", counts)
    if len(keys) != len(counts):
        raise ValueError(
            f"keys_{name} and counts_{name} must be as long as each other, got {len(keys)} and {len(counts)}."
        )
    if not (keys[1:] > keys[:-1]).all():
        raise ValueError(f"keys_{name} must be ascending and distinct; `count` gives such keys.")


def _on_gpu(run: Callable[..., tuple[Any, ...]], *given: Any) -> tuple[Any, ...]:
    """Vectors to a GPU, if they are not there, and what `run` makes of them to where they came from."""
    for each in given:
        _vector("what is counted on a GPU", each)
    if sum(map(len, given)) > cuda.MOST:
        raise ValueError(f"A GPU counts at most {cuda.MOST:,} numbers at once, got {sum(map(len, given)):,}.")
    if not isinstance(given[0], np.ndarray):
        return run(Device.of(given[0]), *given)
    machine = Device()
    return tuple(machine.numpy(each) for each in run(machine, *(machine.array(each, "long long") for each in given)))


def _vector(name: str, given: Any) -> None:
    """Of int64, in NumPy or in torch.  Raises TypeError or ValueError."""
    kind = str(getattr(given, "dtype", f"a {type(given).__name__}")).removeprefix("torch.")
    if kind != "int64":
        raise TypeError(f"{name} must be of int64, got {kind}.")
    if given.ndim != 1:
        raise ValueError(f"{name} must be of shape (N,), got {tuple(given.shape)}.")
