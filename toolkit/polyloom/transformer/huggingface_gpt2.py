"""GPT-2 in config.json: learned positions, layer norms, biases everywhere, a plain feed-forward."""

from collections.abc import Mapping
from typing import Any

from polyloom.transformer.config import Attention, FeedForward, FeedForwardKind, Norm, Position, TransformerConfig
from polyloom.transformer.fields import Fields

# What the activations are called, of two names the one that is written first.
ACTIVATIONS: Mapping[str, FeedForwardKind] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu2": "relu2",
}


def read_gpt2(fields: Fields) -> TransformerConfig:
    """The config that such a table means."""
    fields.must("scale_attn_weights", True)
    fields.must("scale_attn_by_inverse_layer_idx", False)
    fields.must("add_cross_attention", False)
    width = fields.whole("n_embd", "hidden_size")
    bend = fields.one("activation_function", tuple(ACTIVATIONS), "gelu_new")
    return TransformerConfig(
        vocabulary_size=fields.whole("vocab_size"),
        width=width,
        layers=fields.whole("n_layer", "num_hidden_layers", most=10_000),
        context=fields.whole("n_positions", "max_position_embeddings", "n_ctx"),
        norm=Norm("layer", fields.number("layer_norm_epsilon", 1e-5)),
        position=Position("learned"),
        attention=Attention(fields.whole("n_head", "num_attention_heads"), bias=True, output_bias=True),
        feed_forward=FeedForward(ACTIVATIONS[bend], fields.whole("n_inner", default=4 * width), bias=True),
        tied=fields.flag("tie_word_embeddings", True),
        dropout=fields.number("resid_pdrop", 0.1),
    )


def gpt2_table(config: TransformerConfig) -> dict[str, Any]:
    """What the table says of a config."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.attention.heads,
        "n_positions": config.context,
        "n_inner": config.feed_forward.size,
        "activation_function": next(
            (name for name, kind in ACTIVATIONS.items() if kind == config.feed_forward.kind), None
        ),
        "layer_norm_epsilon": config.norm.eps,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": 0.0,
    }
