"""Surgery: a model without some of its parts, or with those of another, as a new model.

    ablate(model, heads=[(0, 3)])                    head 3 of layer 0 adds nothing any more
    ablate(model, heads=[(0, 3)], mean=texts)        it adds what it adds on average in these texts
    force(model, experts=[(1, 5)])                   every token of layer 1 goes to expert 5
    steer(model, {(1, 5): 0.1})                      expert 5 of layer 1 is chosen as if its p were 0.1 larger
    transplant(model, donor, heads=[(0, 3)])         head 3 is the donor's

Only weights change, so the result saves, generates and explains like any other; weights that stay are shared with the
model it was made from, which stays as it was; an adapter is merged first.  Layers, heads and experts are numbered
from 0.

- A **head** is its columns of the attention's output; cut, they are zero.  With `mean`, the average of what the texts
  let it bring goes into the output's bias, which every layer then has.
- **Attention**, a **feed-forward** or a whole **layer**, cut, writes nothing to the stream, biases included.
- An **expert**, cut, is still chosen and gives zero: the others keep their weights.  With `reroute` it is never chosen,
  and the next best takes its place with its own p, weighted among the chosen as the gate does: if it normalises, the
  weights sum to 1 as before; if not, they sum to less.
- A **forced** expert is always chosen, with its own p, and the others share what places are left.
- Transplanted, a head brings its queries and its columns of the output, and, as heads may share keys and values, can
  only come with all that share its own; an expert brings its three matrices; a layer brings everything.  Norms, an
  output's bias and a gate belong to the layer, and stay the model's unless the layer comes whole.
"""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from polyloom.errors import InputError
from polyloom.model import Prompt
from polyloom.real import number
from polyloom.transformer.attention import Attention
from polyloom.transformer.capture import read_by, within
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Block, Decoder
from polyloom.transformer.experts import Mixture
from polyloom.transformer.feed_forward import Plain, SwiGLU
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.opened import opened

Pairs = Sequence[tuple[int, int]]
Where = tuple[int | slice, ...]
M = TypeVar("M", bound=nn.Module)
SHAPING = ("width", "layers", "norm", "position", "attention", "feed_forward", "experts")  # what two configs must share


def ablate(
    model: TransformerModel,
    *,
    heads: Pairs = (),
    experts: Pairs = (),
    layers: Sequence[int] = (),
    attention: Sequence[int] = (),
    feed_forward: Sequence[int] = (),
    reroute: bool = False,
    mean: Iterable[Prompt] | None = None,
) -> TransformerModel:
    """The model without these heads and experts, pairs (layer, number), and without these layers' parts.

    `reroute` is for experts, `mean`, texts to average over, for heads.  Raises InputError for a part that is not
    there, and if rerouting leaves fewer experts than the gate chooses.
    """
    if (mean is not None and not heads) or (reroute and not experts):
        raise InputError("`mean` is for heads and `reroute` for experts: name those to be cut.")
    decoder = shared(model.plain)
    cut = _heads(decoder, heads)
    if mean is not None:
        _remember(decoder, cut, [read_by(model, text) for text in mean])
    for part, head in cut:
        part.o.weight = _changed(part.o.weight, _columns(part, head), 0.0)
    for mixture, expert in _experts(decoder, experts):
        mixture.down = _changed(mixture.down, (expert,), 0.0)
        if reroute:
            _steer(mixture, expert, float("-inf"))
    for block in _blocks(decoder, [*layers, *attention]):
        _silence(block.attention.o)
    for block in _blocks(decoder, [*layers, *feed_forward]):
        _mute(block.feed_forward)
    return TransformerModel(decoder, model.vocabulary)


def force(model: TransformerModel, *, experts: Pairs) -> TransformerModel:
    """The model whose gates always choose these experts, pairs (layer, number).

    Raises InputError for an expert that is not there, and for more in a layer than its gate chooses.
    """
    decoder = shared(model.plain)
    for mixture, expert in _experts(decoder, experts):
        _steer(mixture, expert, float("inf"))
    return TransformerModel(decoder, model.vocabulary)


def steer(model: TransformerModel, biases: Mapping[tuple[int, int], float]) -> TransformerModel:
    """The model whose gates choose with so much added to the bias of each expert (layer, number).

    A bias steers the choice alone, never a weight; ∞ is `force`, −∞ never.  Raises InputError for an expert that is not
    there, for what is no number, and where a gate would have too few experts to choose from, or too many to force.
    """
    decoder = shared(model.plain)
    for (mixture, expert), bias in zip(_experts(decoder, list(biases)), biases.values(), strict=True):
        if math.isnan(number(bias)):
            raise InputError(f"Expected a number to add to the bias of an expert, got {bias!r}.")
        _steer(mixture, expert, float(mixture.router.bias[expert]) + bias)
    return TransformerModel(decoder, model.vocabulary)


def transplant(
    model: TransformerModel,
    donor: TransformerModel,
    *,
    heads: Pairs = (),
    experts: Pairs = (),
    layers: Sequence[int] = (),
) -> TransformerModel:
    """The model with these parts of another one of the same config.

    Raises InputError if the configs differ in what shapes the weights, or if heads that share keys are torn apart.
    """
    _alike(model.config, donor.config)
    decoder, other = shared(model.plain), donor.plain
    ours, theirs = _heads(decoder, heads), _heads(other, heads)
    _together(ours)
    for (part, head), (given, _) in zip(ours, theirs, strict=True):
        _take_head(part, given, head)
    for (mixture, expert), (given, _) in zip(_experts(decoder, experts), _experts(other, experts), strict=True):
        for name in ("gate", "up", "down"):
            setattr(mixture, name, _changed(getattr(mixture, name), (expert,), getattr(given, name)[expert]))
    for layer in within("layer", layers, len(decoder.layers)) if layers else ():
        decoder.blocks[layer] = shared(other.layers[layer])
    return TransformerModel(decoder, model.vocabulary)


def shared(module: M) -> M:
    """A copy of a module that holds the very same tensors."""
    held = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in held})


def _blocks(decoder: Decoder, layers: Sequence[int]) -> list[Block]:
    return [decoder.layers[layer] for layer in within("layer", layers, len(decoder.layers))] if layers else []


def _heads(decoder: Decoder, heads: Pairs) -> list[tuple[Attention, int]]:
    """The attention of each pair's layer, and the number of the head."""
    parts = [block.attention for block in _blocks(decoder, [layer for layer, _ in heads])]
    chosen = [within("head", [head], decoder.config.attention.heads)[0] for _, head in heads]
    return list(zip(parts, chosen, strict=True))


def _experts(decoder: Decoder, experts: Pairs) -> list[tuple[Mixture, int]]:
    """The mixture of each pair's layer, and the number of the expert."""
    found: list[tuple[Mixture, int]] = []
    for (layer, expert), block in zip(experts, _blocks(decoder, [layer for layer, _ in experts]), strict=True):
        part = block.feed_forward
        if not isinstance(part, Mixture):
            mixtures = ", ".join(map(str, decoder.mixtures)) or "none"
            raise InputError(f"Layer {layer} has no experts; of those that have there are: {mixtures}.")
        found.append((part, within("expert", [expert], len(part.gate))[0]))
    return found


def _changed(weight: Tensor, where: Where, value: Tensor | float) -> nn.Parameter:
    """A copy of a weight with another value somewhere."""
    copied = weight.detach().clone()
    copied[where] = value
    return nn.Parameter(copied, requires_grad=False)


def _rows(part: Attention, head: int) -> slice:
    return slice(head * part.size, (head + 1) * part.size)


def _columns(part: Attention, head: int) -> Where:
    return slice(None), _rows(part, head)


def _silence(linear: nn.Linear) -> None:
    """A linear map that gives 0."""
    linear.weight = _changed(linear.weight, (slice(None),), 0.0)
    if cast("Tensor | None", linear.bias) is not None:
        linear.bias = _changed(linear.bias, (slice(None),), 0.0)


def _mute(part: SwiGLU | Plain | Mixture) -> None:
    """A feed-forward that gives 0."""
    if not isinstance(part, Mixture):
        _silence(part.down)
        return
    part.down = _changed(part.down, (slice(None),), 0.0)
    if part.shared is not None:
        _silence(part.shared.down)


def _steer(mixture: Mixture, expert: int, bias: float) -> None:
    """The bias of an expert, which is chosen always at ∞ and never at −∞, whatever its score."""
    gate = mixture.router
    changed = gate.bias.clone()
    changed[expert] = bias
    left, forced = int((changed > float("-inf")).sum()), int((changed == float("inf")).sum())
    if left < gate.active or forced > gate.active:
        say = f"{left} are too few to stay" if left < gate.active else f"{forced} cannot all be forced"
        raise InputError(f"Layer {gate.layer} sends each token to {gate.active} experts: {say}.")
    gate.bias = changed


def _remember(decoder: Decoder, cut: Sequence[tuple[Attention, int]], texts: Sequence[Tensor]) -> None:
    """Add what the heads bring on average over all tokens of the texts to the bias of their layer."""
    if not texts:
        raise InputError("A mean needs at least one text.")
    attention = replace(decoder.config.attention, output_bias=True)
    decoder.config = replace(decoder.config, attention=attention)
    for block in decoder.layers:
        if cast("Tensor | None", block.attention.o.bias) is None:
            weight = block.attention.o.weight
            block.attention.o.bias = nn.Parameter(weight.new_zeros(len(weight)), requires_grad=False)
    names = {f"blocks.{part.layer}.attn.hook_z" for part, _ in cut}
    traces = [opened(decoder, tokens, keep=names.__contains__).seen for tokens in texts]
    for part, head in dict.fromkeys(cut):
        brought = torch.cat([seen[f"blocks.{part.layer}.attn.hook_z"][:, head] for seen in traces])  # (tokens, h)
        added = part.o.weight[_columns(part, head)] @ brought.mean(0)
        part.o.bias = _changed(part.o.bias, (slice(None),), part.o.bias + added)


def _alike(ours: TransformerConfig, theirs: TransformerConfig) -> None:
    for name in SHAPING:
        mine, given = getattr(ours, name), getattr(theirs, name)
        if mine != given:
            raise InputError(f"A donor must have the same {name}: the model has {mine}, the donor {given}.")


def _together(heads: Sequence[tuple[Attention, int]]) -> None:
    """Heads that share keys and values must all be among the chosen."""
    chosen = set(heads)
    for part, head in heads:
        size = part.heads // part.kv_heads
        group = range(head - head % size, head - head % size + size)
        left = [other for other in group if (part, other) not in chosen]
        if left:
            names = ", ".join(f"({part.layer}, {other})" for other in left)
            raise InputError(
                f"Head ({part.layer}, {head}) shares its keys and values with {names}: take them together."
            )


def _take_head(ours: Attention, theirs: Attention, head: int) -> None:
    """Queries of the head, the keys and values that it looks with, and its columns of the output."""
    sharing = ours.heads // ours.kv_heads
    for name, at in (("q", head), ("k", head // sharing), ("v", head // sharing)):
        mine, given, rows = getattr(ours, name), getattr(theirs, name), (_rows(ours, at),)
        mine.weight = _changed(mine.weight, rows, given.weight[rows])
        if mine.bias is not None:
            mine.bias = _changed(mine.bias, rows, given.bias[rows])
    columns = _columns(ours, head)
    ours.o.weight = _changed(ours.o.weight, columns, theirs.o.weight[columns])
