"""Work shared among the cores: all of it is done, in order, and a failure is told."""

import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom_kernels.threads import MOST, cores, cut, each, together


def test_there_is_a_core_and_not_too_many() -> None:
    assert 1 <= cores() <= MOST


@given(st.integers(0, 50), st.integers(1, 9))
def test_slices_make_up_the_whole(length: int, parts: int) -> None:
    slices = cut(length, parts)
    assert [i for part in slices for i in range(length)[part]] == list(range(length))
    sizes = [part.stop - part.start for part in slices]
    assert len(sizes) == max(1, min(length, parts))
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_results_come_in_order(threads: int | None) -> None:
    assert each(pow, [(n, 2) for n in range(20)], threads) == [n * n for n in range(20)]
    assert each(pow, [], threads) == []


def test_jobs_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=60)
    assert sorted(together([meeting.wait, meeting.wait])) == [0, 1]  # neither would return alone


def test_a_failure_waits_for_the_others() -> None:
    ended = list[int]()

    def slow() -> None:
        time.sleep(0.05)
        ended.append(1)

    with pytest.raises(ZeroDivisionError):
        together([lambda: 1 // 0, slow, slow])
    assert ended == [1, 1]
    with pytest.raises(ZeroDivisionError):
        each(lambda n: 1 // n, [(1,), (0,), (1,)], 2)


def test_many_callers_share_the_pool() -> None:
    found = list[list[int]]()
    callers = [threading.Thread(target=lambda: found.append(each(pow, [(2, n) for n in range(9)]))) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [[2**n for n in range(9)]] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_makes_its_own_pool() -> None:
    code = "import os; from polyloom_kernels.threads import each; each(abs, [(1,)] * 3); pid = os.fork()\n"
    code += "assert each(abs, [(-n,) for n in range(3)]) == [0, 1, 2]\n"
    code += "os._exit(0) if not pid else print(os.waitpid(pid, 0)[1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n"


def test_work_is_done_even_while_the_interpreter_ends() -> None:
    code = "import threading, time; from polyloom_kernels.threads import each\n"
    code += "def late():\n    time.sleep(0.2)\n    print(each(abs, [(-n,) for n in range(3)]))\n"
    code += "threading.Thread(target=late).start()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[0, 1, 2]\n"
