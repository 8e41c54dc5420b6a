"""`lora` inside a torch model: one operator with gradients, which torch's compiler takes as it is.

    y_n = Σ_k s_nk B (A x_n)                A (r, inputs), B (outputs, r) of the slot of row n and place k
    u   = Bᵀ g_n                            g = ∂L/∂y
    ∂L/∂x_n  = Σ_k s_nk Aᵀ u
    ∂L/∂A    = Σ s_nk u x_nᵀ                over the rows that name the slot
    ∂L/∂B    = Σ s_nk g_n (A x_n)ᵀ
    ∂L/∂s_nk = u · A x_n

While a model learns, rows are many and matrices change at every step: the rows of a slot go through it together, in
products of torch, on whatever device and in whatever type they are.  The compiled code for rows one by one, which
serves a step of many texts, was measured here too: it lost for 8 to 64 rows, and what it won for thousands was not
worth a second path.  Sums are made in the order of slots, the same each time.  Importing this module
registers the operators `polyloom::lora` and `polyloom::lora_backward`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


def lora(x: Tensor, slots: Tensor, a: Sequence[Tensor], b: Sequence[Tensor], scales: Tensor | None = None) -> Tensor:
    """What the adapters of each row make of `x` (N, inputs), (N, outputs); gradients reach x, A, B and the scales.

    Slot s is `a[s]` (r, inputs) and `b[s]` (outputs, r), of any rank.  `slots` whole numbers (N,), or (N, K) for rows
    with several, −1 for none; `scales` of the same shape, or 1.  x, A and B are of one floating dtype.  Raises
    ValueError for tensors that do not fit and for a slot that there is not.
    """
    share = torch.ones(slots.shape, dtype=x.dtype, device=x.device) if scales is None else scales
    _check(x, slots, a, b, share)
    if slots.ndim == 1:
        slots, share = slots[:, None], share[:, None]
    return _lora(x, slots.to(torch.int64), share.to(x.dtype), list(a), list(b))


@torch.library.custom_op("polyloom::lora", mutates_args=())
def _lora(x: Tensor, slots: Tensor, scales: Tensor, a: list[Tensor], b: list[Tensor]) -> Tensor:
    out = x.new_zeros(len(x), len(b[0]))
    for slot, rows, share, _ in _groups(slots, scales, len(a)):
        out.index_add_(0, rows, share * (x[rows] @ a[slot].T @ b[slot].T))
    return out


@_lora.register_fake  # pyright: ignore[reportUnknownMemberType] - untyped
def _(x: Tensor, slots: Tensor, scales: Tensor, a: list[Tensor], b: list[Tensor]) -> Tensor:  # noqa: ARG001 - as above
    return x.new_empty(len(x), len(b[0]))


@torch.library.custom_op("polyloom::lora_backward", mutates_args=())
def _back(slope: Tensor, x: Tensor, slots: Tensor, scales: Tensor, a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
    """Of x, the scales, each A, each B."""
    of_x, of_scales = torch.zeros_like(x), torch.zeros_like(scales)
    of_a, of_b = [torch.zeros_like(each) for each in a], [torch.zeros_like(each) for each in b]
    for slot, rows, share, places in _groups(slots, scales, len(a)):
        given, pulled = x[rows], slope[rows]
        hidden, back = given @ a[slot].T, pulled @ b[slot]  # (m, r)
        of_x.index_add_(0, rows, share * (back @ a[slot]))
        of_scales[rows, places] = (hidden * back).sum(1)
        of_a[slot] = (share * back).T @ given
        of_b[slot] = pulled.T @ (share * hidden)
    return [of_x, of_scales, *of_a, *of_b]


@_back.register_fake  # pyright: ignore[reportUnknownMemberType] - untyped
def _(
    slope: Tensor,  # noqa: ARG001 - as above
    x: Tensor,
    slots: Tensor,  # noqa: ARG001 - as above
    scales: Tensor,
    a: list[Tensor],
    b: list[Tensor],
) -> list[Tensor]:
    return [torch.empty_like(each) for each in (x, scales, *a, *b)]


def _groups(slots: Tensor, scales: Tensor, count: int) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """Each slot that is named, the rows that name it, their scales (m, 1), and at which place they do."""
    if slots.numel() and not (slots.min() >= -1 and slots.max() < count):
        raise ValueError(f"Slots must be from 0 to {count - 1}, or −1, got {slots.min()} … {slots.max()}.")
    for slot in range(count):
        rows, places = torch.where(slots == slot)
        if len(rows):
            yield slot, rows, scales[rows, places][:, None], places


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, list[Tensor], list[Tensor]], output: Tensor) -> None:
    del output
    x, slots, scales, a, b = inputs
    ctx.count = len(a)
    ctx.save_for_backward(x, slots, scales, *a, *b)


def _backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
    x, slots, scales, *matrices = ctx.saved_tensors
    of_x, of_scales, *found = _back(slope, x, slots, scales, matrices[: ctx.count], matrices[ctx.count :])
    return of_x, None, of_scales, found[: ctx.count], found[ctx.count :]


_lora.register_autograd(_backward, setup_context=_save)  # pyright: ignore[reportUnknownMemberType] - untyped


def _check(x: Tensor, slots: Tensor, a: Sequence[Tensor], b: Sequence[Tensor], scales: Tensor) -> None:
    if x.ndim != 2 or not x.is_floating_point():
        raise ValueError(f"Expected rows (N, inputs) of a floating dtype, got {x.dtype} {tuple(x.shape)}.")
    whole = not slots.is_floating_point() and slots.dtype != torch.bool
    if slots.ndim not in (1, 2) or not whole or len(slots) != len(x) or scales.shape != slots.shape:
        raise ValueError(
            f"Expected whole slots ({len(x)},) or ({len(x)}, K) and scales as many, "
            f"got {slots.dtype} {tuple(slots.shape)} and {tuple(scales.shape)}."
        )
    if not a or len(a) != len(b):
        raise ValueError(f"Expected an A and a B for each of at least one slot, got {len(a)} and {len(b)}.")
    for slot, (one, other) in enumerate(zip(a, b, strict=True)):
        fits = one.ndim == other.ndim == 2 and len(one) == other.shape[1] and one.shape[1] == x.shape[1]
        if not fits or len(other) != len(b[0]) or {one.dtype, other.dtype} != {x.dtype}:
            raise ValueError(
                f"Slot {slot}: expected A (r, {x.shape[1]}) and B ({len(b[0])}, r) of {x.dtype}, "
                f"got {one.dtype} {tuple(one.shape)} and {other.dtype} {tuple(other.shape)}."
            )
