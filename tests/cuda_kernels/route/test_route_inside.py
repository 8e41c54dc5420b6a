"""`route` in torch: the operator is a good one, and its gradients are those of plain torch."""

from typing import Any

import pytest
import torch
from torch import Tensor

from polyloom_kernels import _device
from polyloom_kernels.route import inside
from polyloom_kernels.route.inside import Routed, route

KINDS = [(gate, normalise) for gate in ("softmax", "sigmoid") for normalise in (True, False)]


def scores_of(tokens: int = 7, experts: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    drawn = torch.randn(tokens, experts, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return drawn.requires_grad_()


def plain(scores: Tensor, active: int, bias: Tensor, gate: str, normalise: bool) -> tuple[Tensor, Tensor]:
    chances = scores.softmax(-1) if gate == "softmax" else scores.sigmoid()
    chosen = (chances + bias).topk(active, -1).indices
    weights = chances.gather(-1, chosen)
    return chosen, weights / weights.sum(-1, keepdim=True) if normalise else weights


@pytest.mark.parametrize(("gate", "normalise"), KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_what_plain_torch_makes_of_it(gate: Any, normalise: bool, dtype: torch.dtype) -> None:
    bias = torch.linspace(-0.2, 0.2, 6, dtype=dtype)
    ours, theirs = scores_of(dtype=dtype), scores_of(dtype=dtype)
    found = route(ours, 3, bias, gate, normalise)
    chosen, weights = plain(theirs, 3, bias, gate, normalise)
    torch.testing.assert_close(found.chosen, chosen)
    torch.testing.assert_close(found.weights, weights)
    pull = torch.randn(7, 3, dtype=dtype, generator=torch.Generator().manual_seed(1))
    (found.weights * pull).sum().backward()
    (weights * pull).sum().backward()
    assert ours.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize(("gate", "normalise"), KINDS)
def test_its_gradient_is_the_slope(gate: Any, normalise: bool) -> None:
    bias = torch.linspace(-0.2, 0.2, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda scores: route(scores, 3, bias, gate, normalise).weights, (scores_of(),))


@pytest.mark.long
@pytest.mark.parametrize(("gate", "normalise"), KINDS)
def test_torch_accepts_the_operator(gate: str, normalise: bool) -> None:
    bias = torch.linspace(-0.2, 0.2, 6, dtype=torch.float64)
    for scores in (scores_of(), scores_of(dtype=torch.float32), scores_of().detach(), scores_of(0)):
        torch.library.opcheck(inside._route, (scores, bias.to(scores.dtype), 3, gate == "sigmoid", normalise))


@pytest.mark.parametrize(("gate", "normalise"), KINDS)
def test_a_device_without_code_of_its_own_gets_the_same(gate: Any, normalise: bool) -> None:
    scores, bias = scores_of().detach().round(decimals=1), torch.tensor([0, -torch.inf, 0, torch.inf, 0.1, 0]).double()
    given = (scores, bias, 3, gate == "sigmoid", normalise)
    for ours, plain in zip(inside._compiled(*given), inside._plain(*given), strict=True):
        torch.testing.assert_close(ours, plain)


@pytest.mark.gpu
@pytest.mark.parametrize("experts", [6, 600])  # more than the kernel takes go through plain torch
@pytest.mark.parametrize(("gate", "normalise"), KINDS)
def test_small_on_a_gpu_it_is_the_same(gate: Any, normalise: bool, experts: int) -> None:
    reason = _device.why()
    if reason is not None:
        pytest.skip(f"no GPU can be used here: {reason}")
    here, bias = scores_of(300, experts, torch.float32), torch.linspace(-0.2, 0.2, experts)
    there = here.detach().cuda().requires_grad_()
    ours, theirs = route(there, 3, bias.cuda(), gate, normalise), route(here, 3, bias, gate, normalise)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.cpu(), other)
    ours.weights.square().sum().backward()
    theirs.weights.square().sum().backward()
    assert there.grad is not None
    torch.testing.assert_close(there.grad.cpu(), here.grad)


def test_its_permutation_sorts_by_expert_and_back() -> None:
    found = route(scores_of(), 2)
    flat = found.chosen.flatten()
    ordered = flat[found.order]
    assert ordered.tolist() == sorted(flat.tolist())
    torch.testing.assert_close(ordered[found.inverse], flat)
    assert found.offsets.tolist() == [int((flat < expert).sum()) for expert in range(7)]


def test_without_a_bias_it_is_zero() -> None:
    scores = scores_of()
    for one, other in zip(route(scores, 2), route(scores, 2, torch.zeros(6)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("scores", "active", "bias", "message"),
    [
        (torch.zeros(3), 1, None, r"scores \(N, E\) .* got torch.float32 \(3,\)"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), 1, None, "got torch.bfloat16"),
        (torch.zeros(2, 3), 1, torch.zeros(2), r"and \(2,\)"),
        (torch.zeros(2, 3), 4, None, "from 1 to 3, .* got 4"),
        (torch.zeros(2, 3), 0, None, "got 0"),
    ],
)
def test_what_does_not_fit_is_refused(scores: Tensor, active: int, bias: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        route(scores, active, bias)


def test_tensors_have_the_names_of_the_arrays() -> None:
    from polyloom_kernels.route import Routed as Arrays

    assert Routed._fields == Arrays._fields
