"""What a GPU as a machine does around a launch, on a machine without one: CuPy and its streams are imitated."""

import sys
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polyloom_kernels import _cuda, _device
from polyloom_kernels._cuda import Device, kept, on_gpu
from polyloom_kernels._launch import BF16, Kernel

torch = pytest.importorskip("torch", reason="torch, whose tensors are launched on, is not installed")

SIGNATURE = ("const half*", "int*", "long long", "float")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    path = tmp_path / "given.cu"
    path.write_text(
        '#include "device.cuh"\n'
        'extern "C" __global__ void given(const half* in, int* out, long long n, float x) {\n'
        "  out[n] = value(in[n]) + x;\n}\n"
    )
    return Kernel(path, "given", SIGNATURE)


class Function:
    """A loaded kernel that remembers its launches."""

    shared_size_bytes = 100
    max_dynamic_shared_size_bytes = 0

    def __init__(self) -> None:
        self.launches: list[Any] = []

    def __call__(self, *given: Any, shared_mem: int) -> None:
        self.launches.append((*given, shared_mem, self.max_dynamic_shared_size_bytes))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A `Device` on tensors of the processor, with what it asked of CuPy in `.seen`."""
    seen = SimpleNamespace(function=Function(), streams=[], loaded=[], stream=1, capturing=False)

    @contextmanager
    def from_external(stream: Any) -> Any:
        seen.streams.append(stream.__cuda_stream__())
        yield

    def module(path: str) -> Any:
        seen.loaded.append(Path(path).read_bytes()[:4])
        return SimpleNamespace(get_function=lambda name: seen.function)

    limits = {"MaxSharedMemoryPerBlockOptin": 232_448, "MultiProcessorCount": 132}
    cuda = SimpleNamespace(
        Device=lambda index: nullcontext(), Stream=SimpleNamespace(from_external=from_external), nvrtc=None
    )
    monkeypatch.setattr(_device, "required", lambda: None)
    monkeypatch.setattr(_cuda, "_attributes", lambda index: limits)
    monkeypatch.setattr(_cuda, "kept", lambda kernel, architecture: tmp_path / "given.cubin")
    (tmp_path / "given.cubin").write_bytes(b"\x7fELF")
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda, RawModule=module))
    monkeypatch.setattr(Device, "_loaded", {})
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=0: (9, 0))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda index: SimpleNamespace(cuda_stream=seen.stream))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: seen.capturing)
    device = Device()
    device._place = torch.device("cpu")
    device.seen = seen  # pyright: ignore[reportAttributeAccessIssue]
    return device


def test_numbers_are_typed_and_the_stream_is_read_at_each_launch(gpu: Any, kernel: Kernel) -> None:
    given, made = gpu.array(np.arange(3), "half"), gpu.zeros((3,), "int")
    gpu.launch(kernel, (2,), (64,), given, made, 1, 2, shared=77)
    gpu.seen.stream = 9
    gpu.launch(kernel, (1, 3), (32, 2), None, made, 1, 2.5)
    assert gpu.seen.streams == [(0, 1), (0, 9)]
    assert gpu.seen.loaded == [b"\x7fELF"]  # once
    (grid, block, arguments, shared, most), (grid2, block2, arguments2, *_) = gpu.seen.function.launches
    assert (grid, block, shared, most) == ((2, 1, 1), (64, 1, 1), 77, 232_448 - 100)
    assert arguments[:2] == (given.data_ptr(), made.data_ptr())
    assert [type(each) for each in arguments[2:]] == [np.int64, np.float32]
    assert (grid2, block2, arguments2[0], arguments2[3]) == ((1, 3, 1), (32, 2, 1), 0, 2.5)
    assert (gpu.processors, gpu.most_shared, gpu.architecture) == (132, 232_448, "sm_90")


def test_no_blocks_launch_nothing(gpu: Any, kernel: Kernel) -> None:
    gpu.launch(kernel, (0,), (64,), None, None, 1, 2)
    assert not gpu.seen.function.launches


def test_a_first_launch_is_no_part_of_a_graph(gpu: Any, kernel: Kernel) -> None:
    gpu.seen.capturing = True
    with pytest.raises(RuntimeError, match="first time while a graph is captured: run it once before"):
        gpu.launch(kernel, (1,), (64,), None, None, 1, 2)
    gpu.seen.capturing = False
    gpu.launch(kernel, (1,), (64,), None, None, 1, 2)
    gpu.seen.capturing = True
    gpu.launch(kernel, (1,), (64,), None, None, 1, 2)
    assert len(gpu.seen.function.launches) == 2


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (np.zeros(3, np.float16), TypeError, r"argument 0 \(const half\*\) must be a tensor, got ndarray"),
        (torch.zeros(3), TypeError, r"argument 0 is const half\*, which is float16, got float32"),
        (torch.zeros(3, 4, dtype=torch.float16).T, ValueError, "is not contiguous"),
    ],
)
def test_arguments_are_what_the_signature_says(gpu: Any, kernel: Kernel, given: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        gpu.launch(kernel, (1,), (64,), given, None, 1, 2)


def test_arrays_come_and_go(gpu: Any) -> None:
    values = np.array([1.0, -2.5, 3.0])
    for kind in ("half", "bf16", "float", "double"):
        assert gpu.numpy(gpu.array(values, kind)).tolist() == values.tolist()
    bits = np.array([0x3F80, 0xC000], np.uint16).view(BF16)
    assert gpu.numpy(gpu.array(bits, "bf16")).tolist() == [1.0, -2.0]
    frozen = np.arange(5, dtype=np.uint64)
    frozen.flags.writeable = False
    assert gpu.numpy(gpu.array(frozen, "unsigned long long")).tolist() == [0, 1, 2, 3, 4]
    assert tuple(gpu.empty((2, 3), "bf16").shape) == (2, 3)


def test_machine_code_is_kept_by_all_that_it_depends_on(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("cupy", reason="CuPy, which brings the binding to NVRTC, is not installed")
    monkeypatch.setattr(import_module("platformdirs"), "user_cache_path", lambda *_, **__: tmp_path / "cache")
    first = kept(kernel, "sm_90")
    assert first.read_bytes()[:4] == b"\x7fELF"
    monkeypatch.setattr(_cuda._nvrtc, "compiled", None)  # nothing is compiled again
    assert kept(kernel, "sm_90") == first
    monkeypatch.undo()
    monkeypatch.setattr(import_module("platformdirs"), "user_cache_path", lambda *_, **__: tmp_path / "cache")
    others = {kept(kernel, "sm_80"), kept(Kernel(kernel.source, "given", SIGNATURE, (("X", "1"),)), "sm_90")}
    kernel.source.write_text(kernel.source.read_text() + "// changed\n")
    assert len({first, *others, kept(kernel, "sm_90")}) == 4


def test_a_source_that_is_none_is_refused_in_the_words_of_the_compiler(kernel: Kernel) -> None:
    pytest.importorskip("cupy", reason="CuPy, which brings the binding to NVRTC, is not installed")
    kernel.source.write_text('extern "C" __global__ void given() { nothing; }\n')
    with pytest.raises(RuntimeError, match=r'given.cu for sm_90: given.cu\(1\): error: identifier "nothing"'):
        _cuda._nvrtc.compiled(kernel, "sm_90")


def test_the_gpu_is_taken_where_it_was_asked_for_or_the_tensors_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_device, "required", lambda: None)
    tensor, array = SimpleNamespace(device=SimpleNamespace(type="cuda")), np.zeros(1)
    assert on_gpu("cuda", array)
    assert on_gpu("auto", array, tensor)
    assert not on_gpu("auto", array, torch.zeros(1))
    assert not on_gpu("cpu", tensor)
    assert not on_gpu("reference", tensor)


@pytest.fixture
def asked() -> Any:
    _device.why.cache_clear()
    yield
    _device.why.cache_clear()


@pytest.mark.parametrize(
    ("version", "there", "capability", "said"),
    [
        (None, False, (0, 0), "was built without CUDA"),
        ("13.0", False, (0, 0), "torch finds no GPU"),
        ("13.0", True, (7, 5), "A GPU has compute capability 7.5, and 8.0 is the oldest"),
        ("13.0", True, (8, 0), None),
    ],
)
def test_why_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, asked: Any, version: Any, there: bool, capability: Any, said: str | None
) -> None:
    pytest.importorskip("cupy", reason="CuPy is not installed")
    monkeypatch.setattr(torch.version, "cuda", version)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    reason = _device.why()
    assert (reason is None) == (said is None) == _device.usable()
    assert (said or "") in (reason or "")


@pytest.mark.parametrize("module", ["torch", "cupy"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, asked: Any, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RuntimeError, match=f'The back end "cuda" cannot be used: {module} cannot be imported'):
        _device.required()
