"""What hooks see of a live model of `transformers` while it reads one text with its own code.

The library's architectures share habits and no interface: layers stand in a list as long as the config says, an
attention ends in one of a few names, a layer's feed-forward has another.  `watch` notes what it finds under these
names; whether it means what it seems to is for the caller to check.  Attention is computed eagerly meanwhile, since
faster ways have no pattern to show, and as before afterwards.

Shapes: T tokens, Q positions that are kept, H heads, d width.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from polyloom.errors import InputError

OUTPUTS = ("o_proj", "out_proj", "c_proj", "dense", "wo")  # the output projection of an attention
FEED_FORWARDS = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "fc2")


@dataclass
class Seen:
    """Tensors by layer; a layer that has no such part is missing."""

    logits: Tensor  # (Q, rows)
    patterns: dict[int, Tensor]  # (H, Q, T)
    last: Tensor | None = None  # (Q, d), the stream after the last layer
    final: tuple[nn.Module, ...] | None = None  # what it goes through before the output; None: not found
    before: dict[int, Tensor] = field(default_factory=dict[int, Tensor])  # (Q, d), the stream
    after: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    brought: dict[int, Tensor] = field(default_factory=dict[int, Tensor])  # (Q, H · h), into the output projection
    gathered: dict[int, Tensor] = field(default_factory=dict[int, Tensor])  # (Q, d), out of it
    thought: dict[int, Tensor] = field(default_factory=dict[int, Tensor])  # (Q, d), out of the feed-forward


def depth(live: nn.Module) -> int:
    """How many layers the config promises."""
    return int(cast("Any", live).config.get_text_config(decoder=True).num_hidden_layers)


def layers_of(live: nn.Module) -> nn.ModuleList:
    """The list of its layers; InputError if there is none of that length."""
    for module in live.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth(live):
            return module
    raise InputError(f"{type(live).__name__} keeps its {depth(live)} layers in no list, so they cannot be watched.")


def output_of(layer: nn.Module) -> nn.Module | None:
    """The output projection of a layer's attention, if it goes by a usual name."""
    for path, module in cast("Iterator[tuple[str, nn.Module]]", layer.named_modules()):
        *parents, name = path.split(".")
        if name in OUTPUTS and any("attn" in parent or "attention" in parent for parent in parents):
            return module
    return None


@torch.no_grad()
def watch(live: nn.Module, tokens: Tensor, layers: Sequence[int], positions: Sequence[int]) -> Seen:
    """Read tokens (T,) once, and note what happens in `layers` at `positions`."""
    stack, rows, head = layers_of(live), list(positions), cast("Any", live).get_output_embeddings()
    seen = Seen(torch.empty(0), {})
    way = _Way(stack[-1], head)
    inside = {id(module) for module in stack.modules()}
    with ExitStack() as hooks:
        for layer in layers:
            _note(hooks, seen, layer, stack[layer], rows)
        for module in live.modules():
            if id(module) not in inside or module is stack[-1]:
                hooks.callback(module.register_forward_hook(way.passed).remove)
        hooks.enter_context(_eagerly(live))
        found = cast("Any", live)(input_ids=tokens[None], output_attentions=True, use_cache=False, return_dict=True)
    patterns: Sequence[Tensor | None] = getattr(found, "attentions", None) or ()
    if len(patterns) == len(stack):
        seen.patterns = {at: one[0][:, rows] for at, one in enumerate(patterns) if one is not None and at in layers}
    last, seen.final = way.between()
    seen.logits, seen.last = found.logits[0, rows], None if last is None else last[0, rows]
    return seen


def _note(hooks: ExitStack, seen: Seen, layer: int, module: nn.Module, rows: list[int]) -> None:
    """Hook what goes in and out of a layer and of its parts."""

    def into(part: nn.Module, kept: dict[int, Tensor]) -> None:
        def note(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            _keep(kept, layer, given[0] if given else named.get("hidden_states"), rows)

        hooks.callback(part.register_forward_pre_hook(note, with_kwargs=True).remove)

    def out_of(part: nn.Module, kept: dict[int, Tensor]) -> None:
        hooks.callback(part.register_forward_hook(lambda _, __, found: _keep(kept, layer, found, rows)).remove)

    into(module, seen.before)
    out_of(module, seen.after)
    output = output_of(module)
    if output is not None:
        into(output, seen.brought)
        out_of(output, seen.gathered)
    thinking = [part for name in FEED_FORWARDS if isinstance(part := getattr(module, name, None), nn.Module)]
    if thinking:
        out_of(thinking[0], seen.thought)


def _keep(kept: dict[int, Tensor], layer: int, value: Any, rows: list[int]) -> None:
    tensor = _tensor(value)
    if tensor is not None:
        kept[layer] = tensor.flatten(0, -2)[rows]


def _tensor(value: object) -> Tensor | None:
    """What a module took or gave, which may be the first of several things."""
    if isinstance(value, tuple):
        value = next(iter(cast("tuple[object, ...]", value)), None)
    return value if isinstance(value, Tensor) else None


class _Way:
    """Which modules lead from the last layer to the output, told by the memory that they hand on."""

    def __init__(self, last: nn.Module, head: nn.Module) -> None:
        self.last, self.head = last, head
        self.steps: list[tuple[nn.Module, Tensor | None, Tensor]] = []  # held, so that no memory is used twice

    def passed(self, module: nn.Module, given: tuple[Any, ...], found: Any) -> None:
        """A hook."""
        value = _tensor(found)
        if value is not None:
            self.steps.append((module, _tensor(given), value))

    def between(self) -> tuple[Tensor | None, tuple[nn.Module, ...] | None]:
        """The last stream, (1, T, d), and what it goes through before the output: nothing, or one norm, or unknown."""
        ends = [value for module, _, value in self.steps if module is self.last]
        starts = [given for module, given, _ in self.steps if module is self.head]
        if not ends or not starts or starts[-1] is None:
            return None, None
        way = _memory(ends[-1]), _memory(starts[-1])
        passed = [m for m, given, value in self.steps if given is not None and (_memory(given), _memory(value)) == way]
        return ends[-1], () if way[0] == way[1] else (passed[0],) if passed else None


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@contextmanager
def _eagerly(live: Any) -> Generator[None]:
    """Attention by definition, where the model can be told so."""
    was: object = getattr(live.config, "_attn_implementation", None)
    if was in (None, "eager") or not live._can_set_attn_implementation():
        yield
        return
    live.set_attn_implementation("eager")
    try:
        yield
    finally:
        live.set_attn_implementation(was)
