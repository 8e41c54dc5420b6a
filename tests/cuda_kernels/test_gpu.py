"""The same cases on a GPU, where there is one: into poisoned arrays, against the same references."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cuda_kernels.case import WITH_KERNELS, operation
from polyloom_kernels import _device
from polyloom_kernels._cuda import Device
from polyloom_kernels._launch import Kernel

pytestmark = pytest.mark.gpu


class Poisoned(Device):
    """A GPU whose new arrays hold no right answer of an earlier run."""

    def empty(self, shape: Sequence[int], kind: str) -> Any:
        made = super().empty(shape, kind)
        if made.numel():
            made.view(-1).view(self._torch.uint8).fill_(0xCD)
        return made


@pytest.fixture
def gpu() -> Device:
    reason = _device.why()
    if reason is not None:
        pytest.skip(f"no GPU can be used here: {reason}")
    return Poisoned()


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_small_cases_are_the_reference(gpu: Device, name: str) -> None:
    for case in operation(name).cases:
        if not case.large:
            case.check(gpu)


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_large_cases_are_the_reference(gpu: Device, name: str) -> None:
    for case in operation(name).cases:
        if case.large:
            case.check(gpu)


def kernel(folder: Path, body: str, *signature: str) -> Kernel:
    path = folder / "given.cu"
    named = ", ".join(f"{kind} {name}" for kind, name in zip(signature, ("in", "out", "n"), strict=False))
    path.write_text(f'#include "device.cuh"\nextern "C" __global__ void given({named}) {{\n{body}\n}}\n')
    return Kernel(path, "given", signature)


CONVERT = "const long long i = blockIdx.x * 64ll + threadIdx.x;\nif (i < n) out[i] = rounded<{}>(value(in[i]));"


@pytest.mark.parametrize("kind", ["half", "bf16"])
def test_small_floats_are_converted_as_torch_does(gpu: Device, tmp_path: Path, kind: str) -> None:
    torch: Any = pytest.importorskip("torch")
    narrow = torch.float16 if kind == "half" else torch.bfloat16
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(narrow).cuda()
    wide = gpu.empty((1 << 16,), "float")
    reads = kernel(tmp_path, CONVERT.format("float"), f"const {kind}*", "float*", "int")
    gpu.launch(reads, (1024,), (64,), every, wide, 1 << 16)
    torch.testing.assert_close(wide, every.float(), rtol=0, atol=0, equal_nan=True)
    drawn = np.random.default_rng(0).integers(0, 1 << 32, 1 << 16, dtype=np.uint32).view(np.float32)
    given, made = gpu.array(np.nan_to_num(drawn), "float"), gpu.empty((1 << 16,), kind)
    makes = kernel(tmp_path, CONVERT.format(kind), "const float*", f"{kind}*", "int")
    gpu.launch(makes, (1024,), (64,), given, made, 1 << 16)
    torch.testing.assert_close(made, given.to(narrow), rtol=0, atol=0)


def test_small_launches_are_captured_and_replayed(gpu: Device, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    adds = kernel(tmp_path, "out[threadIdx.x] = in[threadIdx.x] + n;", "const int*", "int*", "int")
    given, made = gpu.zeros((32,), "int"), gpu.empty((32,), "int")

    def captured() -> Any:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            given.add_(0)  # torch warns of graphs that hold nothing
            gpu.launch(adds, (1,), (32,), given, made, 7)
        return graph

    with pytest.raises(RuntimeError, match="run it once before"):
        captured()
    gpu.launch(adds, (1,), (32,), given, made, 4)
    graph = captured()
    given.fill_(1)
    graph.replay()
    assert made.tolist() == [8] * 32


def test_small_launches_follow_the_current_stream(gpu: Device, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    adds = kernel(tmp_path, "out[threadIdx.x] = in[threadIdx.x] + n;", "const int*", "int*", "int")
    given, stream = gpu.zeros((32,), "int"), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for step in range(100):
            gpu.launch(adds, (1,), (32,), given, given, step)
    torch.cuda.current_stream().wait_stream(stream)
    assert given.tolist() == [sum(range(100))] * 32


def test_small_a_tensor_elsewhere_is_refused(gpu: Device, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    adds = kernel(tmp_path, "out[0] = in[0] + n;", "const int*", "int*", "int")
    here, elsewhere = gpu.zeros((1,), "int"), torch.zeros(1, dtype=torch.int32)
    with pytest.raises(ValueError, match="lies on another device"):
        gpu.launch(adds, (1,), (1,), elsewhere, here, 1)
    with pytest.raises(ValueError, match=r"takes tensors on a GPU, got one on cpu: tensor.cuda\(\)"):
        Device.of(elsewhere)
