"""`lora` inside a model: torch's own checks of operators, its gradients, and the same numbers as outside."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from polyloom_kernels.lora import Bank, thin
from polyloom_kernels.lora import lora as outside
from polyloom_kernels.lora.inside import lora


def drawn(rows: int, each: int, ranks: Sequence[int], dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
    """x, slots, a, b, scales; some slots −1, and the last adapter belongs to nobody."""
    dice = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=dice, dtype=dtype).requires_grad_()

    slots = torch.randint(-1, max(1, len(ranks) - 1), (rows, each), generator=dice)
    a, b = [random(rank, 7) for rank in ranks], [random(5, rank) for rank in ranks]
    return random(rows, 7), slots, a, b, random(rows, each)


def plainly(x: Tensor, slots: Tensor, a: Sequence[Tensor], b: Sequence[Tensor], scales: Tensor) -> Tensor:
    """Row by row, place by place, with gradients of torch's own."""
    rows: list[Tensor] = []
    for row in range(len(x)):
        total = x.new_zeros(len(b[0]))
        for place, slot in enumerate(slots[row].tolist()):
            if slot >= 0:
                total = total + scales[row, place] * (b[slot] @ (a[slot] @ x[row]))
        rows.append(total)
    return torch.stack(rows)


@pytest.mark.parametrize(("rows", "each", "ranks"), [(3, 1, (2,)), (6, 1, (1, 4, 2)), (9, 3, (3, 1, 5, 2))])
def test_it_says_what_a_loop_says_and_so_do_its_gradients(rows: int, each: int, ranks: tuple[int, ...]) -> None:
    given = drawn(rows, each, ranks)
    leaves = [given[0], *given[2], *given[3], given[4]]
    found, expected = lora(*given), plainly(*given)
    torch.testing.assert_close(found, expected)
    pull = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad(found, leaves, pull)
    theirs = torch.autograd.grad(expected, leaves, pull, materialize_grads=True)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_agree_with_small_steps() -> None:
    x, slots, a, b, scales = drawn(4, 2, (2, 3))
    asked = (x, scales, *a, *b)

    def run(x: Tensor, scales: Tensor, *matrices: Tensor) -> Tensor:
        return lora(x, slots, matrices[:2], matrices[2:], scales)

    assert torch.autograd.gradcheck(run, asked)


@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_torch_finds_no_fault_with_the_operators(dtype: torch.dtype) -> None:
    x, slots, a, b, scales = drawn(6, 2, (1, 4, 2), dtype)
    torch.library.opcheck(torch.ops.polyloom.lora.default, (x, slots, scales, a, b))
    plain = [each.detach() for each in (torch.ones(6, 5, dtype=dtype), x, slots, scales)]
    lists = [[each.detach() for each in some] for some in (a, b)]
    torch.library.opcheck(torch.ops.polyloom.lora_backward.default, (*plain, *lists))


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_inside_is_what_it_is_outside(backend: Any) -> None:
    x, slots, a, b, scales = drawn(8, 2, (3, 1, 6), torch.float32)
    bank = Bank(7, 5, 3, 6)
    for slot, (one, other) in enumerate(zip(a, b, strict=True)):
        bank.put(slot, thin(one, other))
    numbers = (x.detach().numpy(), slots.numpy(), bank, scales.detach().numpy())
    np.testing.assert_allclose(lora(x, slots, a, b, scales).detach(), outside(*numbers, backend=backend), atol=1e-5)


def test_one_slot_a_row_and_no_scales() -> None:
    x, slots, a, b, _ = drawn(6, 1, (2, 2), torch.float32)
    expected = lora(x, slots, a, b, torch.ones(6, 1))
    torch.testing.assert_close(lora(x, slots[:, 0].to(torch.int32), a, b), expected)


def test_no_rows_are_no_rows() -> None:
    x, slots, a, b, scales = drawn(0, 1, (2,))
    found = lora(x, slots, a, b, scales)
    assert found.shape == (0, 5)
    found.sum().backward()
    assert not a[0].grad.any()


def test_adapters_of_one_batch_learn_apart() -> None:
    """Two adapters are trained together, each on rows of its own, towards two different maps."""
    torch.manual_seed(0)
    a = [torch.randn(4, 7, requires_grad=True) for _ in range(2)]
    b = [torch.zeros(5, 4, requires_grad=True) for _ in range(2)]
    goals, slots = torch.randn(2, 5, 7) / 4, torch.arange(64) % 2
    step = torch.optim.Adam([*a, *b], 0.03)
    losses: list[float] = []
    for _ in range(200):
        x = torch.randn(64, 7)
        loss = (lora(x, slots, a, b) - torch.einsum("noi,ni->no", goals[slots], x)).square().mean()
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


WRONG: list[tuple[int, Any, str]] = [
    (0, lambda x: x[0], r"rows \(N, inputs\)"),
    (0, lambda x: x.long(), "floating dtype"),
    (0, lambda x: x.float(), "Slot 0: expected A .* of torch.float32"),
    (1, lambda s: s[:-1], r"slots \(4,\) or \(4, K\)"),
    (1, lambda s: s.double(), "whole slots"),
    (1, lambda s: s > 0, "whole slots"),
    (1, lambda s: s * 0 + 2, "from 0 to 1, or −1, got 2 … 2"),
    (1, lambda s: s * 0 - 2, "got -2 … -2"),
    (2, lambda a: a[:1], "got 1 and 2"),
    (2, lambda a: [], "at least one slot"),
    (2, lambda a: [a[0], a[1][:, :6]], r"Slot 1: expected A \(r, 7\)"),
    (3, lambda b: [b[0], b[1][:, :1]], "Slot 1"),
    (3, lambda b: [b[0], b[1][:4]], "Slot 1"),
    (4, lambda s: s[:, :1], "scales as many"),
]


@pytest.mark.parametrize(("at", "change", "message"), WRONG)
def test_what_does_not_fit_is_refused(at: int, change: Any, message: str) -> None:
    given = list(drawn(4, 2, (2, 3)))
    given[at] = change(given[at])
    with pytest.raises(ValueError, match=message):
        lora(*given)
