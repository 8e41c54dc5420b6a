"""`lora` where its bank is meant for a GPU: what is refused without one, how a graph would see a swap, and the rows."""

from typing import Any

import numpy as np
import pytest

from cuda_kernels.lora.banks import Batch
from polyloom.cli.rows import Row
from polyloom_kernels import _device
from polyloom_kernels._launch import BF16
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.lora import Bank, bench_cuda, lora, thin
from polyloom_kernels.lora.operation import launched
from polyloom_kernels.shim import Shim, build

shimmed = pytest.mark.skipif(build.missing() is not None, reason=str(build.missing()))


@shimmed
@pytest.mark.parametrize("each", [1, 2])
def test_a_bank_of_arrays_serves_the_shim(each: int) -> None:
    batch = Batch(5, each, 24, 16)
    slots, scales = (part[:, 0].copy() if each == 1 else part for part in (batch.slots, batch.scales))
    found = launched(Shim(), batch.x, slots, batch.bank, scales, batch.out.copy())
    np.testing.assert_allclose(found, batch.defined(), rtol=1e-4, atol=1e-4)
    found = launched(Shim(), batch.x, slots, batch.bank, None, batch.out.copy())
    batch.scales[:] = 1
    np.testing.assert_allclose(found, batch.defined(), rtol=1e-4, atol=1e-4)


@shimmed
@pytest.mark.parametrize("part", ["x", "slots", "scales", "out"])
def test_what_does_not_fit_is_refused(part: str) -> None:
    batch = Batch(5, 2, 24, 16)
    arrays = {name: getattr(batch, name) for name in ("x", "slots", "scales", "out")}
    for change in (arrays[part][:-1], arrays[part][:, :-1]):
        with pytest.raises(ValueError, match=r"^Expected "):
            launched(Shim(), bank=batch.bank, **{**arrays, part: change})
    with pytest.raises(ValueError, match="got float64"):
        launched(Shim(), bank=batch.bank, **{**arrays, "x": batch.x.astype(np.float64)})


def test_without_a_gpu_it_says_why() -> None:
    batch = Batch(2, 1, 4, 4)
    torch = pytest.importorskip("torch")
    if _device.usable():
        pytest.skip("there is a GPU")
    with pytest.raises((RuntimeError, ValueError), match=r"cannot be used|takes tensors on a GPU"):
        lora(torch.from_numpy(batch.x), batch.slots, batch.bank, backend="cuda")


def test_a_bank_elsewhere_takes_no_arrays() -> None:
    pytest.importorskip("torch")
    bank = Bank(4, 4, 2, 2, device="meta")
    assert (bank.now[0].shape, bank.now[0].device.type) == ((2, 3), "meta")
    with pytest.raises(ValueError, match="lie on meta, got ndarray"):
        bank.put(0, thin(np.ones((2, 4), np.float32), np.ones((4, 2), np.float32)))
    with pytest.raises(ValueError, match="where the back end 'cpu' cannot read it"):
        lora(np.ones((1, 4), np.float32), [0], bank, backend="cpu")


@shimmed
def test_the_rows_of_a_gpu_ask_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = pytest.importorskip("torch")
    monkeypatch.setattr(bench_cuda, "WIDTH", 16)
    monkeypatch.setattr(bench_cuda, "CACHE", 0)

    class Machine(Shim):
        """Whose arrays are tensors, as those of a GPU."""

        def array(self, values: Any, kind: str) -> Any:
            made = super().array(values, kind)
            return (
                torch.from_numpy(made.view(np.int16)).view(torch.bfloat16) if kind == "bf16" else torch.from_numpy(made)
            )

        def launch(self, kernel: Any, grid: Any, block: Any, *arguments: Any, shared: int = 0) -> None:
            super().launch(kernel, grid, block, *(plain(each) for each in arguments), shared=shared)

    def plain(given: Any) -> Any:
        if not isinstance(given, torch.Tensor):
            return given
        narrow = given.dtype == torch.bfloat16
        return given.view(torch.int16).numpy().view(BF16) if narrow else given.numpy()

    answers: list[Any] = []

    def second(works: Any) -> float:
        before = [work().float() for work in works]
        answers.append(torch.stack([work().float() - first for work, first in zip(works, before, strict=True)]))
        return 1.0

    monkeypatch.setattr(bench_cuda, "seconds", second)
    machine: Any = Machine()
    found = [Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=1e12, launch=1e-6))]
    assert [row.bar for row in found] == ["value <= 8", "limit_ratio >= 0.5", "limit_ratio >= 0.5"]
    assert all(row.value and row.peer_value and row.limit for row in found)
    for ours, theirs in zip(
        answers[::2], answers[1::2], strict=True
    ):  # the peer rounds in between, and both at the end
        torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0.02)
        assert ours.abs().max() > 0.1


@pytest.mark.gpu
def test_a_captured_graph_sees_a_swap() -> None:
    if _device.why() is not None:
        pytest.skip(f"no GPU can be used here: {_device.why()}")
    torch: Any = pytest.importorskip("torch")
    matrices = [(torch.randn(rank, 64).cuda(), torch.randn(40, rank).cuda()) for rank in (3, 8, 5)]
    bank = Bank(64, 40, slots=2, rank=8, device="cuda")
    for slot in range(2):
        bank.put(slot, thin(*matrices[slot]))
    x, slots, out = torch.randn(4, 64).cuda(), torch.tensor([0, 1, -1, 0]).cuda(), torch.zeros(4, 40).cuda()

    def said(held: list[int]) -> Any:
        rows = [x.new_zeros(40) if n < 0 else matrices[held[n]][1] @ (matrices[held[n]][0] @ x[row])
                for row, n in enumerate(slots.tolist())]  # fmt: skip
        return torch.stack(rows)

    lora(x, slots, bank, out=out)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        lora(x, slots, bank, out=out.zero_())
    graph.replay()
    torch.testing.assert_close(out, said([0, 1]), atol=1e-4, rtol=1e-4)
    bank.put(0, thin(*matrices[2]))
    graph.replay()
    torch.testing.assert_close(out, said([2, 1]), atol=1e-4, rtol=1e-4)
