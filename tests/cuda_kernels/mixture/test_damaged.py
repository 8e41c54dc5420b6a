"""Whatever a file holds, compiled code reads and writes nothing but its arrays, and the process lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASKED = 150
TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("checked", [False, pytest.param(True, marks=pytest.mark.long)])
def test_damaged_stores_are_asked_without_harm(tmp_path: Path, checked: bool) -> None:
    """As it is compiled for everybody; then with every index checked, in a cache of its own."""
    settings = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)} if checked else {}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("damaged.py")), str(ASKED)],
        env=os.environ | settings | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ASKED}\n", "")
