"""The shim itself: what it runs is right, and what a kernel must not do is told with its place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom_kernels.shim as face
from polyloom_kernels.shim import Kernel, KernelError, Shim, build

pytestmark = pytest.mark.skipif(build.missing() is not None, reason=str(build.missing()))

Write = Callable[..., Kernel]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A kernel `given(const int* in, int* out, int n)` with this body."""

    def made(body: str, signature: tuple[str, ...] = ("const int*", "int*", "int"), **macros: str) -> Kernel:
        path = tmp_path / "given.cu"
        named = ", ".join(f"{kind} {name}" for kind, name in zip(signature, ("in", "out", "n"), strict=False))
        path.write_text(f'#include "device.cuh"\nextern "C" __global__ void given({named}) {{\n{body}\n}}\n')
        return Kernel(path, "given", signature, tuple(macros.items()))

    return made


def run(
    kernel: Kernel, values: Any, threads: int = 64, blocks: int = 1, order: int = 0, out: int = 64, **how: Any
) -> Any:
    shim = Shim(order, **how)
    found = shim.empty((out,), "int")
    shim.launch(kernel, (blocks,), (threads,), shim.array(np.asarray(values), "int"), found, len(values), shared=256)
    return found


SUM = """
  __shared__ int part[64];
  int mine = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) mine += in[i];
  part[threadIdx.x] = mine;
  __syncthreads();
  for (int step = blockDim.x / 2; step; step >>= 1) {
    if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = part[0];
"""


@pytest.mark.parametrize("order", range(6))
def test_a_reduction_is_right_in_every_order(write: Write, order: int) -> None:
    values = np.arange(1000)
    assert run(write(SUM), values, blocks=3, order=order)[:3].sum() == values.sum()


def test_fibers_also_change_without_assembly(write: Write) -> None:
    kernel = write(SUM, POLYLOOM_PORTABLE="1")
    assert run(kernel, np.arange(1000), blocks=2, order=3)[:2].sum() == 499_500
    with pytest.raises(KernelError, match="outside of every array"):
        run(write("out[1 << 14] = 1;", POLYLOOM_PORTABLE="1"), range(10))


def test_without_a_barrier_it_is_wrong_in_some_order(write: Write) -> None:
    kernel = write(SUM.replace("__syncthreads();", "", 1))
    assert any(run(kernel, np.arange(64), order=order)[0] != 2016 for order in range(3))


@pytest.mark.long
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "if (threadIdx.x < 40) __syncthreads();",
            r"40 threads wait at the barrier in line 3, the other 24 have returned",
        ),
        (
            "if (threadIdx.x < 40) __syncthreads();\nelse\n__syncthreads();",
            "one thread waits at the barrier in line 3, another at the one in line 5",
        ),
        (
            "if (threadIdx.x < 8) return;\nout[0] = __shfl_xor_sync(EVERY_LANE, 1, 1);",
            r"lane 8 waits in __shfl_xor_sync for lane 0, which has returned; thread \(8, 0, 0\) of block \(0, 0, 0\)",
        ),
        (
            "if (threadIdx.x & 1) __syncwarp(); else __ballot_sync(EVERY_LANE, 1);",
            "lane 0 waits in __ballot_sync with mask ffffffff, lane 1 in __syncwarp with mask ffffffff",
        ),
        (
            "if (threadIdx.x & 1) __syncwarp(); else __syncthreads();",
            "lane 1 waits in __syncwarp for lane 0, which waits at the barrier in line 3",
        ),
        ("__shfl_sync(0xfu, 1, 0);", "__shfl_sync: lane 4 is not in its own mask 0000000f"),
        ("if (threadIdx.x < 4) __shfl_sync(0xfu, 1, 7);", "lane 0 reads lane 7, which is not in the mask 0000000f"),
        ("while (true) out[threadIdx.x] = n;", "had not ended after 0.3 seconds"),
        ("out[0] = in[n + threadIdx.x * 4];", r"outside of every array; thread \(\d+, 0, 0\).* of in, which has 40"),
        ("out[-70000] = 1;", r"outside of every array.*from the start of out, which has 256"),
        ("if (n == 10) out[64] = 1;", r"(wrote beyond an array, int\* of shape \(64,\)|outside of every array)"),
        ("int few[4] = {0}; few[n] = 1; out[0] = few[n - 8];", "an index beyond an array of fixed size"),
        ("DYNAMIC_SHARED(int, wide);\nwide[64] = n;\nout[0] = wide[64];", "outside of every array"),
        ("out[0] = 5 / (n - 10);", "divided by zero"),
    ],
)
def test_what_a_kernel_must_not_do_is_told(write: Write, body: str, said: str) -> None:
    with pytest.raises(KernelError, match=said):
        run(write(body), range(10), seconds=0.3)


def test_a_last_warp_that_is_not_whole_cannot_vote(write: Write) -> None:
    with pytest.raises(KernelError, match="no such lane: launch whole warps"):
        run(write("out[0] = __any_sync(EVERY_LANE, 1);"), range(10), threads=40)


def test_a_fault_leaves_nothing_behind(write: Write) -> None:
    with pytest.raises(KernelError):
        run(write("out[1 << 14] = 1;"), range(10))
    assert run(write("if (threadIdx.x == 0) out[0] = in[3];"), range(10))[0] == 3


def test_what_was_never_written_is_poison(write: Write) -> None:
    kernel = write("__shared__ int never[2];\nDYNAMIC_SHARED(int, nor);\nout[0] = never[1];\nout[1] = nor[5];")
    first, second = (run(kernel, range(10), order=order)[:3] for order in (0, 1))
    assert len(set(first.tolist())) == len(set(second.tolist())) == 1
    assert first[0] != second[0]


def test_warps_exchange_and_vote(write: Write) -> None:
    body = """
  const int lane = threadIdx.x % 32, mine = in[threadIdx.x];
  const int all = lane;
  int found = 0;
  switch (n) {
    case 64: found = __shfl_sync(EVERY_LANE, mine, 40, 16); break;
    case 65: found = __shfl_up_sync(EVERY_LANE, mine, 3, 8); break;
    case 66: found = __shfl_down_sync(EVERY_LANE, mine, 3, 8); break;
    case 67: found = __shfl_xor_sync(EVERY_LANE, mine, 5); break;
    case 68: found = __ballot_sync(EVERY_LANE, mine % 3 == 0); break;
    case 69: found = __match_any_sync(EVERY_LANE, all % 5); break;
    case 70: found = __reduce_max_sync(EVERY_LANE, mine); break;
    case 71: found = __reduce_add_sync(EVERY_LANE, mine); break;
    case 72: found = __syncthreads_count(mine % 3 == 0); break;
    case 73: found = __all_sync(EVERY_LANE, mine < 32) * 2 + __any_sync(EVERY_LANE, mine == 40); break;
  }
  out[threadIdx.x] = found;"""
    at, lane = np.arange(64), np.arange(64) % 32
    base, thirds = at - lane, np.array([sum(1 << i for i in range(32) if (start + i) % 3 == 0) for start in (0, 32)])
    expected = {
        64: base + lane // 16 * 16 + 8,
        65: np.where(lane % 8 >= 3, at - 3, at),
        66: np.where(lane % 8 < 5, at + 3, at),
        67: base + (lane ^ 5),
        68: np.repeat(thirds, 32),
        69: np.array([sum(1 << i for i in range(32) if i % 5 == each % 5) for each in lane]),
        70: base + 31,
        71: 32 * base + 496,
        72: np.full(64, 22),
        73: np.repeat([2, 1], 32),
    }
    for count, answer in expected.items():
        kernel = write(body)
        np.testing.assert_array_equal(
            run(kernel, range(count)).view(np.uint32), answer.astype(np.uint32), err_msg=str(count)
        )


def test_atomics(write: Write) -> None:
    body = """
  if (threadIdx.x == 0) for (int i = 0; i < 8; i++) out[i] = i == 3 ? 1000 : 0;
  __syncthreads();
  const int mine = in[threadIdx.x];
  atomicAdd(&out[0], mine);
  atomicSub(&out[1], mine);
  atomicMax(&out[2], mine);
  atomicMin(&out[3], mine);
  atomicOr(&out[4], mine);
  atomicXor(&out[5], mine);
  if (atomicCAS(&out[6], 0, mine + 1) == 0) atomicExch(&out[7], mine + 1);
  atomicAnd(&out[6], 0xff);"""
    found = run(write(body), range(5, 69), order=2)
    assert found[:6].tolist() == [2336, -2336, 68, 5, 127, int(np.bitwise_xor.reduce(np.arange(5, 69)))]
    assert found[6] == found[7] > 0


HALVES = "const long long i = blockIdx.x * 64ll + threadIdx.x;\nif (i < n) out[i] = rounded<{1}>(value(in[i]));"


def every(kind: str) -> Any:
    """All values of 16 bits."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    return bits.view(np.float16) if kind == "half" else bits.view([("bf16", np.uint16)])


@pytest.mark.parametrize("kind", ["half", "bf16"])
def test_every_narrow_float_is_read_and_made(write: Write, kind: str) -> None:
    shim, values = Shim(), every(kind)
    wide = shim.empty((1 << 16,), "float")
    kernel = write(HALVES.format("", "float"), (f"const {kind}*", "float*", "int"))
    shim.launch(kernel, (1024,), (64,), values, wide, 1 << 16)
    np.testing.assert_array_equal(wide, shim.numpy(values))
    back = shim.empty((1 << 16,), kind)
    kernel = write(HALVES.format("", kind), ("const float*", f"{kind}*", "int"))
    shim.launch(kernel, (1024,), (64,), wide, back, 1 << 16)
    np.testing.assert_array_equal(shim.numpy(back), wide)


@pytest.mark.parametrize("kind", ["half", "bf16"])
def test_floats_are_rounded_to_the_nearest_ties_to_even(write: Write, kind: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    narrow = Shim().numpy(every(kind)).view(np.float32)
    finite = np.sort(narrow[np.isfinite(narrow)])
    ties = (finite[1:].astype(np.float64) + finite[:-1]) / 2
    drawn = rng.integers(0, 1 << 32, 20_000, dtype=np.uint32).view(np.float32)
    wide = np.concatenate([ties.astype(np.float32), drawn[np.isfinite(drawn)], [65519, 65520, -1e30, np.inf, 3e38]])
    wide = wide.astype(np.float32)
    shim, made = Shim(), Shim().empty(wide.shape, kind)
    kernel = write(HALVES.format("", kind), ("const float*", f"{kind}*", "int"))
    shim.launch(kernel, (-(-len(wide) // 64),), (64,), wide, made, len(wide))
    theirs = torch.from_numpy(wide).to(torch.float16 if kind == "half" else torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(shim.numpy(made), theirs)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(shim.numpy(shim.array(wide, kind)), theirs)


def test_the_signature_is_what_the_source_says(write: Write) -> None:
    kernel = write("out[0] = n;")
    other = Kernel(kernel.source, "given", ("const int*", "int*", "long long"))
    with pytest.raises(TypeError, match=r"the source takes \('const int\*', 'int\*', 'int'\), its table says"):
        Shim().launch(other, (1,), (32,), np.zeros(1, np.int32), np.zeros(1, np.int32), 1)
    absent = Kernel(kernel.source, "absent", ())
    with pytest.raises(ValueError, match=r'given.cu has no extern "C" __global__ void absent'):
        Shim().launch(absent, (1,), (32,))


def test_a_source_that_is_none_is_refused_in_the_words_of_the_compiler(write: Write) -> None:
    with pytest.raises(RuntimeError, match=r"given.cu cannot be compiled for the processor:\n(.|\n)*given.cu:3"):
        run(write("out[0] = nothing;"), range(3))


IN, OUT = np.zeros(10, np.int32), np.zeros(10, np.int32)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((IN, OUT), TypeError, "given takes 3 arguments, got 2"),
        ((IN.astype(np.int64), OUT, 1), TypeError, r"argument 0 is const int\*, which is int32, got int64"),
        ((IN[::2], OUT, 1), ValueError, "is not contiguous"),
        (([1, 2], OUT, 1), TypeError, "must be an array, got list"),
        ((IN, OUT, 1.0), TypeError, "argument 2 is a int, got float"),
        ((IN, OUT, True), TypeError, "argument 2 is a int, got bool"),
        ((IN, OUT, 2**31), ValueError, "argument 2 is a int and cannot be 2147483648"),
        ((IN, np.broadcast_to(np.int32(0), (1,)), 1), ValueError, "is written, and the array given is read-only"),
    ],
)
def test_arguments_are_what_the_signature_says(write: Write, arguments: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        Shim().launch(write("out[0] = n;"), (1,), (32,), *arguments)


@pytest.mark.parametrize("signature", ["flaot*", "half", "const int", "int**", ""])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    with pytest.raises(ValueError, match="is no parameter of a kernel"):
        Kernel(Path("x.cu"), "x", (signature,))


@pytest.mark.parametrize(("grid", "block"), [((1,), (1025,)), ((1,), (0,)), ((1, 65536), (1,)), ((1,), (1, 1, 65))])
def test_what_a_gpu_cannot_launch_is_refused(write: Write, grid: Any, block: Any) -> None:
    with pytest.raises(ValueError, match=r"given: a (grid|block) has"):
        Shim().launch(write("out[0] = n;"), grid, block, IN, OUT, 1)


def test_no_blocks_are_no_work_and_null_is_passed_on(write: Write) -> None:
    out = np.zeros(1, np.int32)
    kernel = write("out[0] = in ? 1 : 2;")
    Shim().launch(kernel, (0,), (32,), None, out, 1)
    assert out[0] == 0
    Shim().launch(kernel, (1,), (32,), None, out, 1)
    assert out[0] == 2


def test_shared_memory_has_its_limit(write: Write) -> None:
    with pytest.raises(ValueError, match="300,000 bytes of shared memory, a block has at most 232,448"):
        Shim().launch(write("out[0] = n;"), (1,), (32,), IN, OUT, 1, shared=300_000)


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
