"""Compiled back ends: NumPy serves until they are ready, or says why they never will be."""

import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from polyloom_kernels.count import count, cpu, operation, pairs
from polyloom_kernels.count import pairs_cpu as following
from polyloom_kernels.jit import LONG, QUICK, Compiled, frozen

SLOW = """
import threading

started, may_end = threading.Event(), threading.Event()

class Kernel:
    signatures = []

    def compile(self, signature):
        started.set()
        assert may_end.wait(60)
        self.signatures.append(signature)

KERNELS = ((Kernel(), "void()"), (Kernel(), "int64(int64)"))
"""
WOKEN = "import sys; from polyloom_kernels.count import count; import numpy; count(numpy.zeros({}, numpy.int64)); "


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A back end that is compiled only when it is allowed to end."""
    (tmp_path / "slow_back_end.py").write_text(SLOW, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = import_module("slow_back_end")
    yield module
    module.may_end.set()
    del sys.modules["slow_back_end"]


def test_nothing_is_there_until_all_is_compiled(slow: Any) -> None:
    compiled = Compiled("slow_back_end")
    assert not slow.started.is_set()
    assert compiled.now() is None
    assert slow.started.wait(60)
    assert compiled.now() is None
    assert compiled.chosen("auto") is None
    slow.may_end.set()
    assert compiled.wait() is slow
    assert slow.Kernel.signatures == ["void()", "int64(int64)"]
    assert compiled.now() is compiled.chosen("auto") is compiled.chosen("cpu") is slow
    assert compiled.chosen("reference") is None
    assert compiled.reason is None


def test_numpy_serves_meanwhile(slow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "COMPILED", Compiled("slow_back_end"))
    monkeypatch.setattr(operation, "NUMPY", QUICK)
    assert count(np.array([2, 1, 2])).counts.tolist() == [1, 2]
    assert slow.started.wait(60)
    assert count(np.array([2, 1, 2])).counts.tolist() == [1, 2]


def test_quick_work_wakes_nothing_but_takes_what_is_awake(slow: Any) -> None:
    compiled = Compiled("slow_back_end")
    assert compiled.chosen("auto", QUICK / 2) is None
    assert not slow.started.is_set()
    slow.may_end.set()
    assert compiled.wait() is compiled.chosen("auto", QUICK / 2)


def test_long_work_waits(slow: Any) -> None:
    compiled, found = Compiled("slow_back_end"), list[ModuleType | None]()
    waiting = threading.Thread(target=lambda: found.append(compiled.chosen("auto", 2 * LONG)))
    waiting.start()
    assert slow.started.wait(60)
    assert not found
    slow.may_end.set()
    waiting.join()
    assert found == [slow]


def test_many_may_ask_at_once_and_it_is_made_once(slow: Any) -> None:
    compiled, found = Compiled("slow_back_end"), list[ModuleType]()
    asking = [threading.Thread(target=lambda: found.append(compiled.wait())) for _ in range(8)]
    for thread in asking:
        thread.start()
    slow.may_end.set()
    for thread in asking:
        thread.join()
    assert found == [slow] * 8
    assert len(slow.Kernel.signatures) == 2


def test_what_cannot_be_had_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Compiled("polyloom_kernels.nowhere.cpu")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"polyloom_kernels.nowhere.cpu cannot be used: ModuleNotFoundError: No"):
            compiled.wait()
    assert compiled.now() is compiled.chosen("auto") is compiled.chosen("auto", 2 * LONG) is None
    assert compiled.reason is not None
    assert compiled.reason.startswith("ModuleNotFoundError: No module named 'polyloom_kernels.nowhere'")
    monkeypatch.setattr(operation, "COMPILED", compiled)
    assert count(np.array([2, 1, 2])).counts.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="cannot be used"):
        count(np.array([2, 1, 2]), backend="cpu")


def test_an_unknown_back_end_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown back end 'cuda'; there are 'auto', 'cpu' and 'reference'"):
        Compiled("nowhere").chosen("cuda")  # pyright: ignore[reportArgumentType]


def test_frozen_is_the_same_memory() -> None:
    given = np.arange(3)
    view = frozen(given)
    given[1] = 7
    assert view.tolist() == [0, 7, 2]
    assert given.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


def calls(given: np.ndarray) -> list[Callable[[], object]]:
    starts = np.zeros(1, np.int64)
    return [
        lambda: count(given, backend="cpu"),
        lambda: count(given % 5, ranks=False, backend="cpu"),
        lambda: operation.merge(given[:0], given[:0], np.arange(3), np.arange(3), backend="cpu"),
        lambda: operation.merge(np.arange(9), np.arange(9), np.arange(3), np.arange(3), backend="cpu"),
        lambda: pairs(given % 7, starts, 7, 2, backend="cpu"),
        lambda: pairs(given.astype(np.uint8) % 7, starts, 2**16, 2, backend="cpu", threads=3),
    ]


def test_calls_compile_nothing_that_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "ALONE", 2)
    for given in (np.arange(50), frozen(np.arange(50) * (2**57) - 2**62)):
        for call in calls(given):
            call()
    for module in (cpu, following):
        listed = [function for function, _ in module.KERNELS]
        for function in listed:
            assert len(function.signatures) == listed.count(function), function


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_the_import_and_small_work_leave_numba_alone() -> None:
    assert run(WOKEN.format(1_000) + "print('numba' in sys.modules)") == "False\n"


def test_a_process_may_end_while_it_compiles() -> None:
    assert run(WOKEN.format(100_000) + "print('done')") == "done\n"


TOLD = """
import sys, types

class Watched(types.ModuleType):
    changed = []

    def __setattr__(self, name, value):
        self.changed.append(name)
        super().__setattr__(name, value)

sys.__class__ = Watched
from polyloom_kernels.jit import Compiled
Compiled("polyloom_kernels.gate.cpu").wait()
print([name for name in sys.changed if name in ("stdout", "stderr")])
"""


def test_compiling_leaves_the_streams_of_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba colours even the errors that it catches, where colorama is installed: here by the harness of `eval`."""
    assert find_spec("colorama") is not None
    monkeypatch.delenv("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # empty: it does compile
    assert run(TOLD) == "[]\n"
    assert any(tmp_path.rglob("*.nbi"))
