"""`route` inside a torch model: one operator with gradients, which torch's compiler takes as it is.

    ∂L/∂p at the chosen = g                        g = ∂L/∂w, for weights that are the p of the chosen
                        = (g − Σ_j g_j w_j) / Σ_j p_j      for weights that sum to 1
    ∂L/∂s = p ∘ (∂L/∂p − Σ_e p_e ∂L/∂p_e)          of a softmax
          = p ∘ (1 − p) ∘ ∂L/∂p                    of a sigmoid

Who is chosen moves in jumps, so no gradient passes there, and none comes to the bias.  Importing this module registers
the operator `polyloom::route`.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from polyloom_kernels import _device
from polyloom_kernels._cuda import Device
from polyloom_kernels.route import cuda
from polyloom_kernels.route.operation import routed
from polyloom_kernels.route.reference import GateKind


class Routed(NamedTuple):
    """As of `polyloom_kernels.route`, in tensors; gradients pass through `weights`."""

    chosen: Tensor
    weights: Tensor
    order: Tensor
    inverse: Tensor
    offsets: Tensor


FEW = 64  # tokens: as they come while a text is written
Five = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def route(
    scores: Tensor, active: int, bias: Tensor | None = None, gate: GateKind = "softmax", normalise: bool = True
) -> Routed:
    """Send tokens of scores (N, E), float32 or float64, to `active` experts each; a bias (E,) steers the choice.

    Scores that are no numbers pass, as through everything else of a model, and still choose experts that there are.
    Raises ValueError for another type or shape.
    """
    added = torch.zeros_like(scores[:1].flatten()) if bias is None else bias.detach()
    if scores.ndim != 2 or scores.dtype not in (torch.float32, torch.float64) or added.shape != scores.shape[1:]:
        raise ValueError(
            f"Expected scores (N, E) of float32 or float64 and a bias (E,), "
            f"got {scores.dtype} {tuple(scores.shape)} and {tuple(added.shape)}."
        )
    if not 1 <= active <= scores.shape[1]:
        raise ValueError(f"active must be from 1 to {scores.shape[1]}, the number of experts; got {active}.")
    given = (scores, added.to(scores), active, gate == "sigmoid", normalise)
    alone = scores.device.type == "cpu" and len(scores) <= FEW and not torch.compiler.is_compiling()
    answers = alone and not torch.is_grad_enabled()
    weights, chosen, *arranged = (_compiled if answers else _route)(*given)
    return Routed(chosen, weights, *arranged)


def _compiled(scores: Tensor, bias: Tensor, active: int, sigmoid: bool, normalise: bool) -> Five:
    """On the processor, for a few tokens under `no_grad`.

    Not where somebody learns, or judges what is learned, which is done with gradients on (see `train.validation`):
    compiled code becomes ready in the middle of a run, its last bits are not those of the reference, and a training
    that is taken up again must end as one that was never stopped.
    """
    gate: GateKind = "sigmoid" if sigmoid else "softmax"
    found = routed(scores.detach().numpy(), active, bias.numpy(), gate, normalise)
    chosen, weights, order, inverse, offsets = (torch.as_tensor(part) for part in found)
    return weights, chosen, order, inverse, offsets


def _plain(scores: Tensor, bias: Tensor, active: int, sigmoid: bool, normalise: bool) -> Five:
    """In plain torch: where somebody learns on a processor, and for devices that have nothing better.

    Weights come first, because torch's own check of operators adds up outputs in the type of the first.
    """
    chances = scores.sigmoid() if sigmoid else scores.softmax(-1)
    wanted = torch.nan_to_num(chances + bias, nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    chosen = torch.sort(wanted, stable=True, dim=-1, descending=True).indices[:, :active].contiguous()
    weights = chances.gather(-1, chosen)
    if normalise:
        weights = weights / weights.sum(-1, keepdim=True)
    order = chosen.flatten().argsort(stable=True)
    inverse = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    ends = torch.bincount(chosen.flatten(), minlength=scores.shape[1]).cumsum(0)
    return weights, chosen, order, inverse, torch.nn.functional.pad(ends, (1, 0))


_route = torch.library.custom_op("polyloom::route", _plain, mutates_args=())


def _launched(scores: Tensor, bias: Tensor, active: int, sigmoid: bool, normalise: bool) -> Five:
    """On a GPU that can be used and for sizes that fit; else in plain torch."""
    tokens, experts = scores.shape
    if scores.dtype != torch.float32 or not cuda.fits(tokens, experts, active) or not _device.usable():
        return _plain(scores, bias, active, sigmoid, normalise)
    given = (scores.contiguous(), bias.contiguous(), active, sigmoid, normalise)
    chosen, weights, order, inverse, offsets = cuda.run(Device.of(scores), *given)
    return weights, chosen, order, inverse, offsets


_route.register_kernel("cuda")(_launched)  # pyright: ignore[reportUnknownMemberType] - untyped


@_route.register_fake  # pyright: ignore[reportUnknownMemberType] - untyped
def _(scores: Tensor, bias: Tensor, active: int, sigmoid: bool, normalise: bool) -> Five:  # noqa: ARG001 - as above
    tokens, experts = scores.shape
    sizes = (tokens * active, tokens * active, experts + 1)
    order, inverse, offsets = (scores.new_empty(size, dtype=torch.int64) for size in sizes)
    chosen = scores.new_empty((tokens, active), dtype=torch.int64)
    return scores.new_empty((tokens, active)), chosen, order, inverse, offsets


def _save(ctx: Any, inputs: tuple[Any, ...], output: Five) -> None:
    scores, _, _, ctx.sigmoid, ctx.normalise = inputs
    ctx.save_for_backward(scores, output[1])


def _backward(ctx: Any, slope: Tensor, *_others: Any) -> tuple[Tensor | None, ...]:
    scores, chosen = ctx.saved_tensors
    chances = scores.sigmoid() if ctx.sigmoid else scores.softmax(-1)  # (N, E)
    if ctx.normalise:
        found = chances.gather(-1, chosen)  # (N, k)
        total = found.sum(-1, keepdim=True)
        slope = (slope - (slope * found).sum(-1, keepdim=True) / total) / total
    slopes = torch.zeros_like(chances).scatter(-1, chosen, slope)
    if ctx.sigmoid:
        return slopes * chances * (1 - chances), None, None, None, None
    return chances * (slopes - (slopes * chances).sum(-1, keepdim=True)), None, None, None, None


_route.register_autograd(_backward, setup_context=_save)  # pyright: ignore[reportUnknownMemberType] - untyped
