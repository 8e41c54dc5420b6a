"""A model whose linear maps are held in 8 or 4 bits: a base that adapters are trained and served over in less memory.

    base = quantised(model)                              the maps of the blocks take a quarter of float32
    fitted = fit_adapter(base, texts, LoRA(rank=8))      they stay as they are, to the bit
    detach(fitted.model) is base

Only weights are rounded (`polyloom_kernels.quantized`), so the model is read, explained and looked into like any other,
and gradients pass through it to whatever stands beside its maps (Dettmers et al. 2023, "QLoRA").  The embedding, the
output, the norms and the experts of a mixture stay as they are.  What a map is worth as plain weights is its `weight`,
made when it is asked for; `model.plain` is the whole decoder so, which is what surgery, `merge`, `to` and training of
all weights work on: move a model first, then quantise it.

A file holds the numbers and their steps; a folder in the layout of Hugging Face cannot.  For speed alone there is
`int8`, which rounds what meets the weights too, and is compiled as a whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, final

import torch
from torch import Tensor, nn

from polyloom.errors import FileError, InputError
from polyloom.model import Arrays
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.provenance import Provenance
from polyloom.transformer.stored import from_state, to_state
from polyloom.transformer.surgery import shared
from polyloom_kernels.quantized import int4, int8
from polyloom_kernels.quantized.inside import dense, product, tensors

Bits: TypeAlias = Literal[8, 4]
KIND = "quantised"  # of the file
GROUP = 64  # inputs that share a scale of 4 bits


def quantised(model: TransformerModel, bits: Bits = 8, group: int = GROUP) -> TransformerModel:
    """The model with the linear maps of its blocks in `bits` bits; all else is shared with the model.

    With 8 there is a scale for each output, with 4 one for each `group` inputs of it: 32, 64 or 128.  Adapters are
    merged first.  Raises InputError for a wrapped model of another library, and for other bits and groups.
    """
    if not isinstance(model, TransformerModel):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise InputError(f"Expected a TransformerModel to quantise, got {type(model).__name__}.")
    _check(bits)
    decoder = shared(model.plain)
    try:
        _put(decoder, {name: _rounded(linear, bits, group) for name, linear in _maps(decoder).items()})
    except ValueError as error:  # of a group that there is not, and of weights that are no numbers
        raise InputError(f"The model cannot be quantised: {error}") from error
    return _whole(decoder, model.vocabulary, bits, group)


def restored(manifest: Mapping[str, Any], arrays: Arrays) -> TransformerModel:
    """The model that `Quantised.state` described; FileError if a part is missing or damaged."""
    bits, group = _check(manifest["bits"]), manifest.get("group", GROUP)
    wanted: dict[str, tuple[torch.dtype, torch.dtype]] = {}

    def prepare(decoder: Decoder) -> None:
        hollow = {name: _hollow(linear, bits, group) for name, linear in _maps(decoder).items()}
        wanted.update({name: (brick.numbers.dtype, brick.scales.dtype) for name, brick in hollow.items()})
        _put(decoder, hollow)

    decoder, vocabulary = from_state(manifest, arrays, prepare)
    for name, brick in bricks(decoder).items():
        found = brick.numbers.dtype, brick.scales.dtype
        if found != wanted[name]:
            raise FileError(f"{name} is damaged: expected numbers and scales of {wanted[name]}, found {found}.")
    return _whole(decoder, vocabulary, bits, group)


@final
class QuantisedLinear(nn.Module):
    """A linear map at rest: the `numbers` and `scales` of an `Int8` or `Int4`, and a bias (outputs,) or None.

    `weight` is the matrix that they stand for, (outputs, inputs), made when it is asked for.
    """

    def __init__(self, numbers: Tensor, scales: Tensor, inputs: int, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.in_features, self.out_features, self.bias = inputs, len(numbers), bias
        self.register_buffer("numbers", numbers)
        self.register_buffer("scales", scales)
        self.register_buffer("like", torch.empty(0), persistent=False)  # of the dtype that a weight would have
        self.numbers: Tensor
        self.scales: Tensor
        self.like: Tensor

    @property
    def weight(self) -> Tensor:
        """The weight, in the dtype of the rest of its model."""
        return dense(self.numbers, self.scales, self.in_features).to(self.like.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """What the map makes of x (…, inputs), (…, outputs)."""
        y = product(x, self.numbers, self.scales, self.in_features)
        return y if self.bias is None else y + self.bias


@final
@dataclass(frozen=True, eq=False)
class Quantised(Provenance):
    """A decoder with such maps, and what they were made by."""

    decoder: Decoder
    vocabulary: Vocabulary
    bits: Bits
    group: int

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """All weights by name, those of the maps as numbers and scales."""
        manifest, arrays = to_state(self.decoder, self.vocabulary)
        grouped = {"group": self.group} if self.bits == 4 else {}
        return {**manifest, "kind": KIND, "bits": self.bits, **grouped}, arrays

    def __str__(self) -> str:
        held = bricks(self.decoder).values()
        count = sum(brick.in_features * brick.out_features for brick in held)
        return f"{count:,} more in {self.bits} bits"

    def plain(self) -> Decoder:
        """A decoder of weights that are what the numbers stand for, each a copy."""
        decoder = shared(self.decoder)
        _put(decoder, {name: _dense(brick) for name, brick in bricks(decoder).items()})
        return decoder


def _check(bits: Bits) -> Bits:
    if bits not in (8, 4):
        raise InputError(f"Weights are held in 8 or 4 bits, got bits={bits!r}.")
    return bits


def bricks(decoder: Decoder) -> dict[str, QuantisedLinear]:
    """The quantised maps of a decoder by name."""
    return {name: part for name, part in _parts(decoder).items() if isinstance(part, QuantisedLinear)}


def _maps(decoder: Decoder) -> dict[str, nn.Linear]:
    return {name: part for name, part in _parts(decoder).items() if isinstance(part, nn.Linear)}


def _parts(decoder: Decoder) -> dict[str, nn.Module]:
    named = cast("Iterable[tuple[str, nn.Module]]", decoder.blocks.named_modules(prefix="blocks"))  # pyright: ignore[reportUnknownMemberType] - partly untyped
    return dict(named)


def _put(decoder: Decoder, parts: Mapping[str, nn.Module]) -> None:
    for name, part in parts.items():
        above, _, last = name.rpartition(".")
        setattr(decoder.get_submodule(above), last, part)


def _rounded(linear: nn.Linear, bits: Bits, group: int) -> QuantisedLinear:
    weight = linear.weight.detach().float().cpu().numpy()
    numbers, scales = tensors(int8(weight) if bits == 8 else int4(weight, group))
    device = linear.weight.device
    return QuantisedLinear(
        numbers.to(device), scales.to(device), linear.in_features, cast("nn.Parameter | None", linear.bias)
    )


def _hollow(linear: nn.Linear, bits: Bits, group: int) -> QuantisedLinear:
    """One for the numbers of this map, on the device of its weight, which holds none."""
    rows, columns, make = linear.out_features, linear.in_features, linear.weight.new_empty
    groups = -(-columns // group)
    if bits == 8:
        held = make((rows, columns), dtype=torch.int8), make(rows, dtype=torch.float32)
    else:
        held = make((rows, groups * group // 2), dtype=torch.uint8), make((rows, groups), dtype=torch.uint16)
    return QuantisedLinear(*held, columns, cast("nn.Parameter | None", linear.bias))


def _dense(brick: QuantisedLinear) -> nn.Linear:
    with torch.device("meta"):
        found = nn.Linear(brick.in_features, brick.out_features, bias=brick.bias is not None)
    found.weight = nn.Parameter(brick.weight, requires_grad=False)
    if brick.bias is not None:
        found.bias = brick.bias
    return found


def _whole(decoder: Decoder, vocabulary: Vocabulary, bits: Bits, group: int) -> TransformerModel:
    for brick in bricks(decoder).values():
        brick.like = decoder.embedding.weight.new_empty(0)
    return TransformerModel(decoder, vocabulary, Quantised(decoder, vocabulary, bits, group))
