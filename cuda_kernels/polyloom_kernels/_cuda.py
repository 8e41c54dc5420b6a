"""A GPU as a machine: torch allocates, CuPy launches on torch's current stream, and what was compiled is kept.

Kernels are compiled when they are first launched, into a file named by all that it depends on: source, header, options
(architecture and macros among them) and compiler.  It is loaded once for each GPU, and each kernel is then allowed all
the shared memory that a block can have, so later launches only launch and can be captured in a CUDA graph.  A first
launch while a graph is captured is refused: loading is no part of a graph.
"""

import hashlib
import os
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels import _device, _nvrtc
from polyloom_kernels._launch import BF16, HEADER, KINDS, Array, Kernel, check, count, narrowing, number, three
from polyloom_kernels.jit import Backend


def on_gpu(backend: Backend, *arrays: Any) -> bool:
    """Whether this call is for the GPU: because it was asked for, or because that is where the tensors are.

    Never falls back: raises RuntimeError with the reason if that GPU cannot be used.
    """
    wanted = backend == "cuda" or (backend == "auto" and any(_on_gpu(each) for each in arrays))
    if wanted:
        _device.required()
    return wanted


def _on_gpu(array: Any) -> bool:
    return getattr(getattr(array, "device", None), "type", None) == "cuda"


class Device:
    """The GPU of this index.  Raises RuntimeError with the reason if none can be used."""

    _loaded: dict[tuple[Kernel, int], Any] = {}  # noqa: RUF012 - all machines share what is loaded
    _lock = threading.Lock()

    def __init__(self, index: int = 0) -> None:
        _device.required()
        self.index = index
        self._torch: Any = import_module("torch")
        self._cupy: Any = import_module("cupy")
        self._place = self._torch.device("cuda", index)

    @classmethod
    def of(cls, tensor: Any) -> "Device":
        """The GPU that a tensor lies on; ValueError if it lies elsewhere."""
        if tensor.device.type != "cuda":
            raise ValueError(f'backend="cuda" takes tensors on a GPU, got one on {tensor.device}: tensor.cuda().')
        return cls(tensor.device.index)

    @property
    def architecture(self) -> str:
        """As the compiler names it, such as sm_90."""
        return "sm_{}{}".format(*self._torch.cuda.get_device_capability(self.index))

    @property
    def processors(self) -> int:
        """Multiprocessors."""
        return _attributes(self.index)["MultiProcessorCount"]

    @property
    def most_shared(self) -> int:
        """Bytes of shared memory that a block can have."""
        return _attributes(self.index)["MaxSharedMemoryPerBlockOptin"]

    def array(self, values: NDArray[Any], kind: str) -> Any:
        """A tensor of these values."""
        values = narrowing(np.array(values, order="C"), kind)  # a copy: torch warns of arrays that are read-only
        if values.dtype == BF16:
            return self._torch.from_numpy(values.view(np.int16)).view(self._torch.bfloat16).to(self._place)
        return self._torch.from_numpy(values).to(self._kind(kind)).to(self._place)

    def empty(self, shape: Sequence[int], kind: str) -> Any:
        """A tensor that holds anything."""
        return self._torch.empty(tuple(shape), dtype=self._kind(kind), device=self._place)

    def zeros(self, shape: Sequence[int], kind: str) -> Any:
        """A tensor of zeros."""
        return self._torch.zeros(tuple(shape), dtype=self._kind(kind), device=self._place)

    def numpy(self, array: Any) -> NDArray[Any]:
        """A copy for the processor; half and bf16 become float32."""
        narrow = array.dtype in (self._torch.float16, self._torch.bfloat16)
        return (array.float() if narrow else array).cpu().numpy()

    def launch(
        self, kernel: Kernel, grid: Sequence[int], block: Sequence[int], *arguments: Any, shared: int = 0
    ) -> None:
        """Run it on torch's current stream.  `arguments` must live until then: torch sees to it for its tensors."""
        blocks, threads = three(kernel, grid, block)
        count(kernel, arguments)
        typed = tuple(self._argument(kernel, at, given) for at, given in enumerate(arguments))
        if not all(blocks):
            return
        stream = _Stream(self._torch.cuda.current_stream(self.index).cuda_stream)
        with self._cupy.cuda.Device(self.index), self._cupy.cuda.Stream.from_external(stream):
            self._function(kernel)(blocks, threads, typed, shared_mem=shared)

    def _kind(self, kind: str) -> Any:
        return getattr(self._torch, KINDS[kind].torch)

    def _argument(self, kernel: Kernel, at: int, given: Any) -> Any:
        """As CuPy passes it on: an address as int, a number with its type."""
        parameter = kernel.parameters[at]
        if not parameter.pointer:
            return number(kernel, at, given)
        if given is None:
            return 0
        if not isinstance(given, self._torch.Tensor):
            raise TypeError(
                f"{kernel}: argument {at} ({kernel.signature[at]}) must be a tensor, got {type(given).__name__}."
            )
        kind = str(given.dtype).removeprefix("torch.")
        check(
            kernel,
            at,
            Array(kind, given.is_contiguous(), True, given.device == self._place),
            KINDS[parameter.kind].torch,
        )
        return given.data_ptr()

    def _function(self, kernel: Kernel) -> Any:
        found = self._loaded.get((kernel, self.index))
        if found is None:
            if self._torch.cuda.is_current_stream_capturing():
                raise RuntimeError(
                    f"{kernel} is launched for the first time while a graph is captured: run it once before."
                )
            with self._lock:
                found = self._loaded[kernel, self.index] = self._load(kernel)
        return found

    def _load(self, kernel: Kernel) -> Any:
        function = self._cupy.RawModule(path=str(kept(kernel, self.architecture))).get_function(kernel.name)
        function.max_dynamic_shared_size_bytes = self.most_shared - function.shared_size_bytes
        return function


@cache
def _attributes(index: int) -> dict[str, int]:
    return import_module("cupy").cuda.Device(index).attributes


class _Stream:
    """A stream of torch, as CuPy asks for streams of others."""

    def __init__(self, address: int) -> None:
        self.address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.address


def kept(kernel: Kernel, architecture: str) -> Path:
    """The file with a kernel's machine code, compiled now if nobody did before."""
    import platformdirs

    parts = [kernel.source.read_text(encoding="utf-8"), HEADER.read_text(encoding="utf-8")]
    parts += [*_nvrtc.options(kernel, architecture), str(_nvrtc.version())]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    path = platformdirs.user_cache_path("polyloom", appauthor=False) / "kernels" / f"{kernel.source.stem}-{name}.cubin"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        part.write_bytes(_nvrtc.compiled(kernel, architecture).cubin)
        part.replace(path)  # whole or not at all, whoever else does the same
    return path
