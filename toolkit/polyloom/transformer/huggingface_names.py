"""What the tensors of foreign checkpoints are called, and how they lie in them: one table, read in both directions.

A name is that of a part, without `.weight` or `.bias`; `*` is the number of a layer, `#` that of an expert.  Most
tensors are the same on both sides.  The others:

- parts of ours with one name of theirs lie in one tensor, one after another along the outputs (`c_attn` of GPT-2);
- GPT-2 keeps matrices as (inputs, outputs): they are turned;
- a mixture is one tensor of ours, (E, …), and a tensor for each expert in files; `transformers` keeps two tensors for
  all of them in memory, and may save those.

Reading turns and cuts by views: only experts that lie apart are copied together.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["same", "turned", "apart"]

# Parts of GPT-2, whose matrices are turned.
GPT2 = {
    "embedding": "transformer.wte",
    "positions": "transformer.wpe",
    "norm": "transformer.ln_f",
    "output": "lm_head",
    "blocks.*.attention_norm": "transformer.h.*.ln_1",
    "blocks.*.attention.q": "transformer.h.*.attn.c_attn",
    "blocks.*.attention.k": "transformer.h.*.attn.c_attn",
    "blocks.*.attention.v": "transformer.h.*.attn.c_attn",
    "blocks.*.attention.o": "transformer.h.*.attn.c_proj",
    "blocks.*.feed_forward_norm": "transformer.h.*.ln_2",
    "blocks.*.feed_forward.up": "transformer.h.*.mlp.c_fc",
    "blocks.*.feed_forward.down": "transformer.h.*.mlp.c_proj",
}

# Parts of Llama, Mistral, Qwen3 and Qwen3-MoE, which agree on all that they share.
LLAMA = {
    "embedding": "model.embed_tokens",
    "norm": "model.norm",
    "output": "lm_head",
    "blocks.*.attention_norm": "model.layers.*.input_layernorm",
    "blocks.*.attention.q": "model.layers.*.self_attn.q_proj",
    "blocks.*.attention.k": "model.layers.*.self_attn.k_proj",
    "blocks.*.attention.v": "model.layers.*.self_attn.v_proj",
    "blocks.*.attention.o": "model.layers.*.self_attn.o_proj",
    "blocks.*.attention.q_norm": "model.layers.*.self_attn.q_norm",
    "blocks.*.attention.k_norm": "model.layers.*.self_attn.k_norm",
    "blocks.*.feed_forward_norm": "model.layers.*.post_attention_layernorm",
    "blocks.*.feed_forward.gate": "model.layers.*.mlp.gate_proj",
    "blocks.*.feed_forward.up": "model.layers.*.mlp.up_proj",
    "blocks.*.feed_forward.down": "model.layers.*.mlp.down_proj",
    "blocks.*.feed_forward.router": "model.layers.*.mlp.gate",
}

# Whole tensors of a mixture, (E, …): in files, and as `transformers` holds them.
EXPERTS = {
    "blocks.*.feed_forward.gate": "model.layers.*.mlp.experts.#.gate_proj.weight",
    "blocks.*.feed_forward.up": "model.layers.*.mlp.experts.#.up_proj.weight",
    "blocks.*.feed_forward.down": "model.layers.*.mlp.experts.#.down_proj.weight",
}
TOGETHER = {
    "blocks.*.feed_forward.gate": "model.layers.*.mlp.experts.gate_up_proj",
    "blocks.*.feed_forward.up": "model.layers.*.mlp.experts.gate_up_proj",
    "blocks.*.feed_forward.down": "model.layers.*.mlp.experts.down_proj",
}

TABLES = {"gpt2": GPT2, "llama": LLAMA, "mistral": LLAMA, "qwen3": LLAMA, "qwen3_moe": LLAMA}

# Tables of sines and masks that older versions saved: they follow from the config.
COMPUTED = re.compile(r"\.attn\.(masked_)?bias$|\.rotary_emb\.inv_freq$")
HEAD = "lm_head.weight"


@dataclass(frozen=True)
class Rule:
    """Tensors of ours and of theirs that hold the same numbers; one of the sides is a single one."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    layout: Layout

    def read(self, theirs: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
        """Tensors of ours, of the given shapes; views, but for experts that lie apart."""
        given = [theirs[name] for name in self.theirs]
        whole = torch.stack(given) if self.layout == "apart" else self._turned(given[0])
        axis = _outputs(whole)
        parts = torch.split(whole, [shapes[name][axis] for name in self.ours], axis)
        return dict(zip(self.ours, parts, strict=True))

    def write(self, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of theirs."""
        given = [ours[name] for name in self.ours]
        whole = given[0] if len(given) == 1 else torch.cat(given, _outputs(given[0]))
        parts = whole.unbind() if self.layout == "apart" else [self._turned(whole)]
        return dict(zip(self.theirs, parts, strict=True))

    def _turned(self, weight: Tensor) -> Tensor:
        return weight.T if self.layout == "turned" and weight.ndim == 2 else weight


def rules(family: str, ours: Mapping[str, Tensor], together: bool = False) -> list[Rule]:
    """How the tensors of a decoder, by our names, lie in a checkpoint of a family; `together` for fused experts."""
    if family not in TABLES:  # one of our own
        return [Rule((name,), (name,), "same") for name in ours]
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, weight in ours.items():
        if not name.endswith(".router.bias"):  # which no family has
            groups.setdefault(_theirs(family, name, len(weight), together), []).append(name)
    return [Rule(tuple(names), theirs, _layout(family, names[0], theirs)) for theirs, names in groups.items()]


def plain(family: str, names: Iterable[str]) -> dict[str, str]:
    """Which name each tensor of a file has in the table; without those that follow from the config.

    Checkpoints of the part below the head leave out the first word of every name.
    """
    kept = [name for name in names if not COMPUTED.search(name)]
    if family not in TABLES:
        return {name: name for name in kept}
    first = TABLES[family]["embedding"].partition(".")[0] + "."
    lacking = not any(name.startswith(first) for name in kept)
    return {name: first + name if lacking and name != HEAD else name for name in kept}


def embedded(family: str) -> str:
    """What a family calls the embedding, which a tied head repeats."""
    return TABLES.get(family, {"embedding": "embedding"})["embedding"] + ".weight"


def fused(names: Iterable[str]) -> bool:
    """Whether the experts of a checkpoint lie together."""
    return any(name.endswith(".mlp.experts.gate_up_proj") for name in names)


def _theirs(family: str, name: str, count: int, together: bool) -> tuple[str, ...]:
    """The names of theirs that hold a tensor of ours, whose first axis has `count` entries."""
    layer = re.search(r"\d+", name)
    number = layer[0] if layer else ""
    pattern = re.sub(r"\d+", "*", name, count=1)
    whole = TOGETHER if together else EXPERTS
    if pattern in whole:
        found = whole[pattern].replace("*", number)
        return tuple(found.replace("#", str(n)) for n in range(count)) if "#" in found else (found,)
    part, _, last = pattern.rpartition(".")
    return (f"{TABLES[family][part].replace('*', number)}.{last}",)


def _layout(family: str, ours: str, theirs: tuple[str, ...]) -> Layout:
    if ".experts." in theirs[0] and theirs[0].endswith(".weight"):
        return "apart"
    inner = ".attention." in ours or ".feed_forward." in ours
    return "turned" if family == "gpt2" and inner else "same"


def _outputs(weight: Tensor) -> int:
    """The axis of a part's outputs: the last but one of a matrix, or of many; the only one of a bias."""
    return max(0, weight.ndim - 2)
