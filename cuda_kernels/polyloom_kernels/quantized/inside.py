"""`quantized` inside a torch model: one operator, with a gradient for x; the weight is at rest and has none.

    ∂L/∂x = ∂L/∂y W          W made dense for the moment, as it is for more than a few rows of x

A weight is the two arrays of an `Int8` or `Int4` as tensors; int8 has a step for each row, so its `scales` have one
axis, those of int4 have two.  Importing this module registers the operator `polyloom::quantized`.
"""

from typing import Any

import torch
from torch import Tensor

from polyloom_kernels.quantized import cuda
from polyloom_kernels.quantized.operation import product as compiled
from polyloom_kernels.quantized.operation import ready
from polyloom_kernels.quantized.quantise import Int4, Int8, Quantised

FEW = 32  # rows of x up to which reading fewer bytes makes up for what dense arithmetic does faster
WORTH = 1 << 20  # weights below which a second thread costs more than it brings


def tensors(weight: Quantised) -> tuple[Tensor, Tensor]:
    """The two arrays of a weight as tensors that share their memory."""
    return torch.as_tensor(weight[0]), torch.as_tensor(weight[1])


def product(x: Tensor, weight: Tensor, scales: Tensor, columns: int) -> Tensor:
    """x Wᵀ (…, n) in the dtype of x (…, columns), float32 inside, or float64 for such an x.

    Raises ValueError if x has other columns.
    """
    if x.shape[-1:] != (columns,) or not x.is_floating_point():
        raise ValueError(f"Expected real inputs (…, {columns}), got {x.dtype} {tuple(x.shape)}.")
    flat = x.reshape(-1, columns).to(torch.promote_types(x.dtype, torch.float32)).contiguous()
    answering = flat.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()
    run = _on_processor if answering else _product
    return run(flat, weight, scales, columns).to(x.dtype).view(*x.shape[:-1], len(weight))


def dense(weight: Tensor, scales: Tensor, columns: int) -> Tensor:
    """W, float32 (n, columns): what `dense` of an `Int8` or `Int4` gives, on any device."""
    if scales.ndim == 1:
        return weight * scales[:, None]
    blocks = weight.view(len(weight), -1, 16)
    numbers = torch.cat((blocks & 15, blocks >> 4), 2).view(*scales.shape, -1).float() - 8  # (n, groups, group)
    return (numbers * scales.view(torch.bfloat16).float()[:, :, None]).view(len(weight), -1)[:, :columns]


def _on_processor(x: Tensor, weight: Tensor, scales: Tensor, columns: int) -> Tensor:
    """Where gradients are off, and called as it is, because an operator costs 15 µs more.

    Training is in plain torch from the first step to the last: that compiled code becomes ready must not change it.
    """
    if len(x) > FEW or x.dtype != torch.float32 or not ready():
        return _plain(x, weight, scales, columns)
    held = (weight.numpy(), scales.numpy())
    given = Int8(*held) if scales.ndim == 1 else Int4(*held, columns)
    threads = torch.get_num_threads() if len(weight) * columns >= WORTH else 1
    return torch.as_tensor(compiled(x.detach().numpy(), given, threads=threads))


def _plain(x: Tensor, weight: Tensor, scales: Tensor, columns: int) -> Tensor:
    return torch.nn.functional.linear(x, dense(weight, scales, columns).to(x.dtype))


@torch.library.custom_op("polyloom::quantized", mutates_args=())
def _product(x: Tensor, weight: Tensor, scales: Tensor, columns: int) -> Tensor:
    """In plain torch, for devices that have nothing better."""
    return _plain(x, weight, scales, columns)


def _on_gpu(x: Tensor, weight: Tensor, scales: Tensor, columns: int) -> Tensor:
    from polyloom_kernels import _device
    from polyloom_kernels._cuda import Device

    if len(x) > FEW or x.dtype != torch.float32 or not _device.usable():
        return _plain(x, weight, scales, columns)
    return cuda.run(Device.of(x), x, cuda.Placed(weight, scales, columns))


_product.register_kernel("cuda")(_on_gpu)  # pyright: ignore[reportUnknownMemberType] - untyped


@_product.register_fake  # pyright: ignore[reportUnknownMemberType] - untyped
def _(x: Tensor, weight: Tensor, scales: Tensor, columns: int) -> Tensor:  # noqa: ARG001 - as above
    return x.new_empty((len(x), len(weight)))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001 - torch's calling convention
    _, weight, scales, ctx.columns = inputs
    ctx.save_for_backward(weight, scales)


def _backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
    weight, scales = ctx.saved_tensors
    return slope @ dense(weight, scales, ctx.columns).to(slope.dtype), None, None, None


_product.register_autograd(_backward, setup_context=_save)  # pyright: ignore[reportUnknownMemberType] - untyped
