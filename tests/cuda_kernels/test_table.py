"""The table of operations says what their folders hold."""

from importlib import import_module
from pathlib import Path

import pytest

from cuda_kernels.case import WITH_KERNELS
from polyloom_kernels import _table

ROOT = Path(_table.__file__).parent


def test_every_folder_with_an_operation_is_in_it() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/reference.py")}
    assert folders == set(_table.OPERATIONS)
    assert list(_table.OPERATIONS) == sorted(_table.OPERATIONS)


@pytest.mark.parametrize("name", _table.OPERATIONS)
def test_the_back_ends_are_those_there_are(name: str) -> None:
    modules = {path.stem for path in (ROOT / name).glob("*.py")}
    assert ("cuda" in _table.OPERATIONS[name]) == ("cuda" in modules)
    assert ("cpu" in _table.OPERATIONS[name]) == any(module.endswith("cpu") for module in modules)


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_what_runs_on_a_gpu_is_measured_there(name: str) -> None:
    assert callable(import_module(f"polyloom_kernels.{name}.bench_cuda").rows)


def test_what_is_missing_has_a_reason() -> None:
    reasons = _table.reasons()
    assert list(reasons) == ["cpu", "cuda", "shim"]
    assert reasons["cpu"] is None
