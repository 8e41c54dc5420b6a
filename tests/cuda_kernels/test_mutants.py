"""The cases of each operation notice at least 95 of 100 faults in its kernels, and the rules make what they say."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cuda_kernels.case import WITH_KERNELS, operation
from cuda_kernels.mutants import combined, listed, mutants, names
from polyloom_kernels.shim import build

ENOUGH = 0.95
TESTS = Path(__file__).parents[1]


@pytest.mark.long
@pytest.mark.skipif(build.missing() is not None, reason=str(build.missing()))
@pytest.mark.parametrize("name", WITH_KERNELS)
def test_faults_are_noticed(name: str, record_property: Callable[[str, object], None]) -> None:
    kernels = operation(name)
    every = [each.name for each in listed(kernels)[0]]
    unknown = set(kernels.equivalent) - set(every)
    assert not unknown, f"EQUIVALENT names mutants that there are not: {unknown}"
    verdicts = run(name, len(every))
    missed = [mutant for at, mutant in enumerate(every) if verdicts[at] is None and mutant not in kernels.equivalent]
    wrongly = [mutant for at, mutant in enumerate(every) if verdicts[at] is not None and mutant in kernels.equivalent]
    assert not wrongly, f"EQUIVALENT names mutants that are noticed: {wrongly}"
    judged = len(every) - len(kernels.equivalent)
    record_property("mutants", [name, judged - len(missed), judged, len(kernels.equivalent)])
    assert len(missed) <= (1 - ENOUGH) * judged, "not noticed:\n" + "\n".join(missed)


def run(name: str, count: int) -> list[str | None]:
    """How each mutant is noticed, in processes that are started again behind a mutant that ends one."""
    verdicts: list[str | None] = []
    paths = os.pathsep.join([str(TESTS), *sys.path])
    while len(verdicts) < count:
        command = [sys.executable, "-m", "cuda_kernels.mutants", name, str(len(verdicts))]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": paths}
        )
        verdicts += [json.loads(line)["noticed"] for line in done.stdout.splitlines()]
        if len(verdicts) < count:
            assert done.returncode < 0, done.stderr  # by a signal: the mutant's doing; else a fault of the program
            verdicts.append("the process died")
    return verdicts


SOURCE = """
// a comment with x[0] and __syncthreads();
extern "C" __global__ void sum(const int* given, int count, int* total) {
  __shared__ int part[4];
  int mine = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) mine += given[i];
  part[threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.x < 2 && count > 0) atomicAdd(&total[0], part[threadIdx.x] + part[threadIdx.x + 2]);
}
"""


def test_the_rules() -> None:
    found = mutants(SOURCE)
    assert names(found, "sum.cu") == [
        "sum.cu: start int mine = 0",
        "sum.cu: bound i < count",
        "sum.cu: assignment mine += given[i]",
        "sum.cu: index given[i]",
        "sum.cu: assignment part[threadIdx.x] = mine",
        "sum.cu: index part[threadIdx.x]",
        "sum.cu: barrier __syncthreads();",
        "sum.cu: bound threadIdx.x < 2",
        "sum.cu: bound count > 0",
        "sum.cu: atomic atomicAdd(&total[0], part[threadIdx.x] + part[threadIdx.x + 2])",
        "sum.cu: index total[0]",
        "sum.cu: index part[threadIdx.x] #2",
        "sum.cu: index part[threadIdx.x + 2]",
    ]
    lines = combined(SOURCE, found).splitlines()
    assert "  for (int i = threadIdx.x; i < (count) + (polyloom_mutant == 2); i += blockDim.x)" in lines[8]
    assert "if ((polyloom_mutant == 3)) ; else mine += given[(i) + (polyloom_mutant == 4)];" in lines[8]
    assert lines[10] == "  if ((polyloom_mutant == 7)) ; else __syncthreads();"
    assert lines[11].startswith(
        "  if (((polyloom_mutant == 8) || threadIdx.x < 2) && ((polyloom_mutant == 9) || count > 0))"
    )
