"""Work shared among the cores: jobs that release the interpreter's lock, run side by side.

One small pool serves the whole process.  The caller's own thread takes the first job, so a pool of `cores() - 1` is
enough, and jobs never start jobs, so any number of callers may share it.  Results come in the order of the jobs;
whoever cuts work into jobs sees to it that the number of jobs does not show in the result.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

Result = TypeVar("Result")

MOST = 8  # more cores than this wait for the same memory

_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}  # by process: a fork inherits the pool, but not its threads


def cores() -> int:
    """How many jobs are worth running side by side: the cores this process may use, at most `MOST`."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, MOST)


def together(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run the jobs side by side and give their results in order; all have ended when one's exception is raised."""
    waiting = [_submitted(job) for job in jobs[1:]]
    try:
        first = [job() for job in jobs[:1]]
    finally:
        for future in waiting:
            future.exception()
    return first + [future.result() for future in waiting]


def beside(job: Callable[[], object]) -> None:
    """Start a job and go on: nobody waits for it, or hears of what it raises."""
    _submitted(job)


def each(work: Callable[..., Result], jobs: Iterable[tuple[Any, ...]], threads: int | None = None) -> list[Result]:
    """Call `work` with the arguments of each job; the results in order.

    All side by side, or on `threads` threads that each take the next job when they are done with one.
    """
    waiting = list(jobs)
    results: dict[int, Result] = {}
    queue = deque(enumerate(waiting))

    def lane() -> None:
        while queue:
            try:
                number, arguments = queue.popleft()
            except IndexError:  # another thread took the last one in between
                return
            results[number] = work(*arguments)

    together([lane] * min(len(waiting), threads or len(waiting)))
    return [results[number] for number in range(len(waiting))]


def cut(length: int, parts: int) -> list[slice]:
    """Slices of nearly equal length that make up `range(length)`; at least one, and none empty unless it is the one."""
    parts = max(1, min(parts, length))
    edges = [length * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _submitted(job: Callable[[], Result]) -> "Future[Result]":
    try:
        return _pool().submit(job)
    except RuntimeError:  # the interpreter is ending and takes no more jobs: do it here
        future: Future[Result] = Future()
        try:
            future.set_result(job())
        except BaseException as error:  # handed to whoever asks for the result, as the pool does
            future.set_exception(error)
        return future


def _pool() -> ThreadPoolExecutor:
    with _lock:
        if os.getpid() not in _pools:
            _pools.clear()
            _pools[os.getpid()] = ThreadPoolExecutor(max(1, cores() - 1), thread_name_prefix="polyloom")
        return _pools[os.getpid()]
