"""A map for many texts: every row as through its own bricks, whatever types meet, compiled or not, learned or not."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polyloom.adapters import rowwise
from polyloom.adapters.lora import LowRank
from polyloom.adapters.rowwise import Request, Rowwise
from polyloom.adapters.update import Adapted
from polyloom_kernels import _device
from polyloom_kernels.lora import operation

INPUTS, OUTPUTS = 12, 9
RANKS = (2, 5, 1)


@pytest.fixture(autouse=True, params=[True, False], ids=["compiled", "plain"])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param:
        operation.COMPILED.wait()
    monkeypatch.setattr(rowwise, "ready", lambda device: request.param)
    return request.param


def made(of: torch.dtype, adapters: Sequence[torch.dtype], device: str = "cpu") -> tuple[Rowwise, list[nn.Module]]:
    """A map whose rows ask for none, one, the same, and several; and the bricks that each row alone goes through."""
    torch.manual_seed(0)
    linear = nn.Linear(INPUTS, OUTPUTS).to(device, of).requires_grad_(False)
    updates = [
        LowRank(torch.randn(rank, INPUTS).to(device, kind), torch.randn(OUTPUTS, rank).to(device, kind), 0.5)
        for rank, kind in zip(RANKS, adapters, strict=True)
    ]
    asked: list[tuple[tuple[LowRank, float], ...]] = [
        (),
        ((updates[0], 1.0),),
        ((updates[1], -0.7),),
        ((updates[0], 0.3),),
        ((updates[2], 1.0), (updates[1], 2.0)),
    ]
    bricks: list[nn.Module] = []
    for text in asked:
        brick: nn.Module = linear
        for update, scale in text:
            brick = Adapted(brick, update, scale)  # pyright: ignore[reportArgumentType] - maps nest
        bricks.append(brick)
    return Rowwise(linear, [Request(text, brick) for text, brick in zip(asked, bricks, strict=True)]), bricks


def alone(bricks: Sequence[nn.Module], x: Tensor) -> Tensor:
    return torch.stack([brick(row) for brick, row in zip(bricks, x, strict=True)])


SINGLE, DOUBLE, BRAIN = torch.float32, torch.float64, torch.bfloat16
TYPES: list[Any] = [
    (SINGLE, (SINGLE,) * 3, 1e-5),
    (DOUBLE, (DOUBLE,) * 3, 1e-12),
    (BRAIN, (SINGLE,) * 3, 3e-2),
    (SINGLE, (BRAIN,) * 3, 3e-2),
    (SINGLE, (BRAIN, SINGLE, torch.float16), 3e-2),
]


@pytest.mark.parametrize("tokens", [1, 4])
@pytest.mark.parametrize(("of", "adapters", "near"), TYPES)
@torch.no_grad()
def test_each_row_is_as_if_it_were_alone(
    of: torch.dtype, adapters: Sequence[torch.dtype], near: float, tokens: int
) -> None:
    rows, bricks = made(of, adapters)
    x = torch.randn(len(bricks), tokens, INPUTS).to(of)
    before = x.clone()
    found = rows(x)
    assert found.dtype == of
    torch.testing.assert_close(found, alone(bricks, x), rtol=near, atol=near)
    torch.testing.assert_close(x, before, rtol=0, atol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("tokens", [1, 4])
@pytest.mark.parametrize(("of", "adapters", "near"), [TYPES[0], TYPES[2], (BRAIN, (BRAIN,) * 3, 3e-2)])
@torch.no_grad()
def test_so_it_is_on_a_gpu(of: torch.dtype, adapters: Sequence[torch.dtype], near: float, tokens: int) -> None:
    if _device.why() is not None:
        pytest.skip(f"no GPU can be used here: {_device.why()}")
    rows, bricks = made(of, adapters, "cuda")
    x = torch.randn(len(bricks), tokens, INPUTS, device="cuda").to(of)
    torch.testing.assert_close(rows(x), alone(bricks, x), rtol=near, atol=near)


@torch.no_grad()
def test_inputs_may_lie_in_any_order() -> None:
    rows, bricks = made(SINGLE, (SINGLE,) * 3)
    x = torch.randn(INPUTS, len(bricks), 3).permute(1, 2, 0)
    torch.testing.assert_close(rows(x), alone(bricks, x))


def test_gradients_pass_through_a_batch() -> None:
    rows, bricks = made(SINGLE, (SINGLE,) * 3)
    x = torch.randn(len(bricks), 2, INPUTS, requires_grad=True)
    thin = rows.thin
    assert thin is not None
    leaves = [x, *(part.requires_grad_() for update in thin.updates for part in (update.a, update.b))]
    ours = torch.autograd.grad(rows(x).square().sum(), leaves)
    theirs = torch.autograd.grad(alone(bricks, x).square().sum(), leaves)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_an_update_is_laid_out_once_and_in_one_slot() -> None:
    rows, _ = made(SINGLE, (SINGLE,) * 3)
    again = Rowwise(rows.linear, [Request(((update, 1.0),), rows.linear) for update in rows.thin.updates * 2])  # pyright: ignore[reportOptionalMemberAccess]
    assert rows.thin is not None
    assert again.thin is not None
    assert rows.thin.bank is not None
    assert again.thin.bank is not None
    assert len(again.thin.bank) == 3
    assert [held is other for held, other in zip(again.thin.bank.now[1], rows.thin.bank.now[1], strict=True)] == [
        True
    ] * 3
