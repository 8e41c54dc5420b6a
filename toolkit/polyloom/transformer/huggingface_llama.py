"""Llama, Mistral, Qwen3 and Qwen3-MoE in config.json: RMS norms, rotary positions, SwiGLU, shared keys and values.

`LLAMAS` says in what they differ; windows and experts have a function each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from polyloom.transformer.config import Attention, Experts, FeedForward, Norm, TransformerConfig
from polyloom.transformer.fields import Fields
from polyloom.transformer.huggingface_rope import read_rope, rope_table

LAYERS = 10_000  # more than any model has: what a damaged table says is not gone through
FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class Llama:
    """One of the families: `kv_heads` and `head_size` are those of a table that says none (None: heads, width / heads).

    `window` is which layers have one, if the table names its size: none, all, or those above the first few.
    """

    architecture: str
    kv_heads: int | None = None
    head_size: int | None = None
    qk_norm: bool = False
    window: Literal["none", "all", "upper"] = "none"
    attention_bias: bool = True
    feed_forward_bias: bool = False
    experts: bool = False


LLAMAS: Mapping[str, Llama] = {
    "llama": Llama("LlamaForCausalLM", feed_forward_bias=True),
    "mistral": Llama("MistralForCausalLM", 8, window="all", attention_bias=False),
    "qwen3": Llama("Qwen3ForCausalLM", 32, 128, True, "upper"),
    "qwen3_moe": Llama("Qwen3MoeForCausalLM", 4, None, True, "all", experts=True),
}


def read_llama(fields: Fields, family: str) -> TransformerConfig:
    """The config that such a table means."""
    kind = LLAMAS[family]
    fields.one("hidden_act", ("silu", "swish"), "silu")
    if not kind.attention_bias:
        fields.must("attention_bias", False)
    if not kind.feed_forward_bias:
        fields.must("mlp_bias", False)
    layers = fields.whole("num_hidden_layers", most=LAYERS)
    position, context = read_rope(fields)
    return TransformerConfig(
        vocabulary_size=fields.whole("vocab_size"),
        width=fields.whole("hidden_size"),
        layers=layers,
        context=context,
        norm=Norm("rms", fields.number("rms_norm_eps", 1e-6)),
        position=position,
        attention=_attention(fields, family, layers),
        feed_forward=FeedForward("swiglu", fields.whole("intermediate_size"), fields.flag("mlp_bias", False)),
        experts=_experts(fields, layers) if kind.experts else None,
        tied=fields.flag("tie_word_embeddings", False),
    )


def llama_table(config: TransformerConfig, family: str) -> dict[str, Any]:
    """What the table says of a config, as far as the family has words for it."""
    attention = config.attention
    table = {
        "architectures": [LLAMAS[family].architecture],
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.kv_heads,
        "head_dim": attention.head_size,
        "intermediate_size": config.feed_forward.size,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm.eps,
        "attention_bias": attention.bias,
        "attention_dropout": 0.0,
    }
    if LLAMAS[family].feed_forward_bias:
        table["mlp_bias"] = config.feed_forward.bias
    rope = rope_table(config.position, config.context)
    return table | rope | _window_table(config, family) | _experts_table(config, family)


def _attention(fields: Fields, family: str, layers: int) -> Attention:
    kind, heads, width = LLAMAS[family], fields.whole("num_attention_heads"), fields.whole("hidden_size")
    bias = fields.flag("attention_bias", False)
    window, full_layers = _window(fields, family, layers)
    return Attention(
        heads,
        kv_heads=fields.whole("num_key_value_heads", default=kind.kv_heads or heads),
        head_size=fields.whole("head_dim", default=kind.head_size or max(1, width // heads)),
        window=window,
        full_layers=full_layers,
        qk_norm=kind.qk_norm,
        bias=bias,
        output_bias=bias,
    )


def _window(fields: Fields, family: str, layers: int) -> tuple[int | None, int]:
    """How far back a token sees, and how many first layers see everything."""
    where = LLAMAS[family].window
    asked = family == "mistral" or (where != "none" and fields.flag("use_sliding_window", False))
    if not asked or fields.table.get("sliding_window", 4096) is None:
        return None, 0
    window = fields.whole("sliding_window", default=4096)
    kinds = fields.entries("layer_types", str)
    if kinds is None:
        full = min(layers, fields.whole("max_window_layers", default=28, smallest=0)) if where == "upper" else 0
    else:
        full = kinds.count(FULL)
        if kinds != [FULL] * full + [SLIDING] * (layers - full) or (full and where == "all"):
            raise fields.refused("layer_types", f"{layers} layers, first all {FULL} (of Qwen3), then all {SLIDING}")
    return (None, 0) if full == layers else (window, full)


def _window_table(config: TransformerConfig, family: str) -> dict[str, Any]:
    attention, where = config.attention, LLAMAS[family].window
    if where == "none":
        return {}
    table: dict[str, Any] = {"sliding_window": attention.window}
    if family != "mistral":
        table["use_sliding_window"] = attention.window is not None
    if where == "upper":
        table["max_window_layers"] = config.layers if attention.window is None else attention.full_layers
    return table


def _experts(fields: Fields, layers: int) -> Experts | None:
    count = fields.whole("num_experts", "num_local_experts", default=128, smallest=0, most=LAYERS)
    step = fields.whole("decoder_sparse_step", default=1)
    dense = fields.entries("mlp_only_layers", int) or []
    sparse = [layer for layer in range(layers) if count and layer not in dense and (layer + 1) % step == 0]
    first = layers - len(sparse)
    if sparse != list(range(first, layers)):
        raise fields.refused(
            "mlp_only_layers" if dense else "decoder_sparse_step", "layers without experts first, then only such with"
        )
    if not sparse:
        return None
    return Experts(
        count,
        active=fields.whole("num_experts_per_tok", default=8),
        size=fields.whole("moe_intermediate_size", default=768),
        normalise=fields.flag("norm_topk_prob", False),
        balance="loss",
        balance_loss=fields.number("router_aux_loss_coef", 0.001),
        z_loss=0.0,
        dense_layers=first,
    )


def _experts_table(config: TransformerConfig, family: str) -> dict[str, Any]:
    experts = config.experts
    if not LLAMAS[family].experts:
        return {}
    if experts is None:
        return {"num_experts": 0}
    return {
        "num_experts": experts.count,
        "num_experts_per_tok": experts.active,
        "moe_intermediate_size": experts.size,
        "norm_topk_prob": experts.normalise,
        "router_aux_loss_coef": experts.balance_loss if experts.balance == "loss" else 0.0,
        "mlp_only_layers": list(range(min(experts.dense_layers, config.layers))),
        "decoder_sparse_step": 1,
    }
