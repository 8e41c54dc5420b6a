"""Every part of every job is done once, by whoever comes, and none is needed but the leader."""

import threading
from typing import Any

import numpy as np
import pytest
from numba import njit

from polyloom_kernels.gang import ROOM, done, offer, pause, take, wait

JOBS, PARTS = 300, 7


@njit(nogil=True)
def lead(gang: Any, counts: Any) -> None:
    for job in range(len(counts)):
        gang[ROOM] = job
        offer(gang, counts.shape[1])
        part = take(gang)
        while part >= 0:
            counts[job, part] += 1
            done(gang)
            part = take(gang)
        wait(gang, counts.shape[1])


@njit(nogil=True)
def help_out(gang: Any, counts: Any) -> None:
    while not gang[ROOM + 1]:
        part = take(gang)
        if part >= 0:
            counts[gang[ROOM], part] += 1
            done(gang)
        else:
            pause()


@pytest.mark.parametrize("helpers", [0, 1, 3])
def test_every_part_is_done_once(helpers: int) -> None:
    gang, counts = np.zeros(ROOM + 2, np.int64), np.zeros((JOBS, PARTS), np.int64)
    threads = [threading.Thread(target=help_out, args=(gang, counts)) for _ in range(helpers)]
    for thread in threads:
        thread.start()
    lead(gang, counts)
    gang[ROOM + 1] = 1
    for thread in threads:
        thread.join()
    assert (counts == 1).all()


def test_who_comes_late_finds_nothing_to_do() -> None:
    gang, counts = np.zeros(ROOM + 2, np.int64), np.zeros((1, 2), np.int64)
    lead(gang, counts)
    assert take(gang) < 0
    gang[ROOM + 1] = 1
    help_out(gang, counts)
    assert (counts == 1).all()
