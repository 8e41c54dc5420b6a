"""config.json: what foreign tables mean, and which of them are refused, by field and value."""

from typing import Any

import pytest

from polyloom.errors import FileError
from polyloom.transformer.config import Attention, Experts, FeedForward, Norm, Position, Scaling, TransformerConfig
from polyloom.transformer.huggingface_config import config_table, family_of, read_config

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "max_position_embeddings": 128,
}
QWEN3 = LLAMA | {"model_type": "qwen3", "num_key_value_heads": 8}
MOE = LLAMA | {"model_type": "qwen3_moe", "num_experts": 8}
GPT2 = {"model_type": "gpt2", "vocab_size": 100, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_ctx": 32}


def config(table: dict[str, Any], **more: Any) -> TransformerConfig:
    return read_config(table | more)[0]


def test_an_old_llama() -> None:
    """The first ones had no shared keys, no head_dim, and a float16 dtype that is the weights' own affair."""
    assert config(LLAMA, rms_norm_eps=1e-5, torch_dtype="float16", hidden_act="silu") == TransformerConfig(
        100,
        width=64,
        layers=4,
        context=128,
        norm=Norm("rms", 1e-5),
        attention=Attention(8),
        feed_forward=FeedForward("swiglu", 96),
        tied=False,
        opens=False,
    )


def test_the_first_gpt2() -> None:
    assert config(GPT2, bos_token_id=99) == TransformerConfig(
        100,
        width=64,
        layers=2,
        context=32,
        norm=Norm("layer", 1e-5),
        position=Position("learned"),
        attention=Attention(4, bias=True, output_bias=True),
        feed_forward=FeedForward("gelu_tanh", 256, bias=True),
        dropout=0.1,
        begin=99,
        opens=False,
    )


def test_defaults_of_the_families() -> None:
    qwen3 = config(LLAMA, model_type="qwen3", num_attention_heads=32).attention
    assert (qwen3.kv_heads, qwen3.head_size, qwen3.qk_norm) == (32, 128, True)
    mistral = config(LLAMA, model_type="mistral").attention
    assert (mistral.kv_heads, mistral.window, mistral.full_layers) == (8, 4096, 0)
    assert config(LLAMA, model_type="mistral", sliding_window=None).attention.window is None
    assert config(MOE).experts == Experts(8, 8, size=768, normalise=False, balance="loss", balance_loss=1e-3, z_loss=0)


def test_windows_of_qwen3() -> None:
    on = {"use_sliding_window": True, "sliding_window": 16}
    assert config(QWEN3, sliding_window=16).attention.window is None
    assert config(QWEN3, **on).attention.window is None  # 28 first layers see everything, more than there are
    upper = config(QWEN3, **on, max_window_layers=3).attention
    assert (upper.window, upper.full_layers) == (16, 3)
    named = config(QWEN3, **on, layer_types=["full_attention"] + ["sliding_attention"] * 3).attention
    assert (named.window, named.full_layers) == (16, 1)


def test_layers_without_experts() -> None:
    for fields, dense in (({}, 0), ({"mlp_only_layers": [0, 1]}, 2), ({"decoder_sparse_step": 4}, 3)):
        experts = config(MOE, **fields).experts
        assert experts is not None
        assert experts.dense_layers == dense
    assert config(MOE, decoder_sparse_step=5).experts is None
    assert config(MOE, num_experts=0).experts is None


SCALINGS = [
    ({"type": "linear", "factor": 2.0}, Scaling("linear", 2.0, 128, always=True), 256),
    ({"rope_type": "dynamic", "factor": 4}, Scaling("dynamic", 4.0, 128, always=True), 512),
    (
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": None},
        Scaling("yarn", 4.0, 64, always=True),
        256,
    ),
    (
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
        Scaling("llama3", 8.0, 32, always=True),
        128,
    ),
    ({"rope_type": "default", "rope_theta": 7.0}, None, 128),
]


@pytest.mark.parametrize(("rope", "scaling", "context"), SCALINGS)
def test_rotary_frequencies(rope: dict[str, Any], scaling: Scaling | None, context: int) -> None:
    for key in ("rope_scaling", "rope_parameters"):
        found = config(LLAMA, rope_theta=5e5, **{key: rope})
        assert found.position == Position("rotary", rope.get("rope_theta", 5e5), scaling)
        assert found.context == context
        assert config(config_table(found, "llama")) == found


REFUSED = [
    (LLAMA, {"model_type": "mamba"}, "model_type is 'mamba'", "'qwen3_moe'"),
    (LLAMA, {"hidden_act": "relu"}, "hidden_act is 'relu'", "'silu'"),
    (LLAMA, {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5", "expected 1.0"),
    (LLAMA, {"rope_scaling": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "partial_rotary_factor", "1.0"),
    (LLAMA, {"rope_scaling": {"type": "longrope", "factor": 2.0}}, "type is 'longrope'", "'llama3'"),
    (LLAMA, {"rope_scaling": {"type": "yarn", "factor": 2.0, "truncate": False}}, "truncate is False", "True"),
    (LLAMA, {"rope_scaling": {"type": "linear", "factor": "two"}}, "factor is 'two'", "a number"),
    (LLAMA, {"rope_scaling": {"type": "linear", "factor": 0}}, "factor is 0", "above 0"),
    (LLAMA, {"rope_scaling": {"type": "linear"}}, "no field factor", ""),
    (LLAMA, {"rope_parameters": {"full_attention": {}}}, "full_attention is {}", "only the fields"),
    (LLAMA, {"rope_scaling": 3}, "rope_scaling is 3", "a table"),
    (LLAMA, {"quantization_config": {"bits": 4}}, "quantization_config is {'bits': 4}", "expected None"),
    (LLAMA, {"is_encoder_decoder": True}, "is_encoder_decoder is True", ""),
    (LLAMA, {"hidden_size": None}, "no field hidden_size", ""),
    (LLAMA, {"hidden_size": "64"}, "hidden_size is '64'", "whole number"),
    (LLAMA, {"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000", "10,000"),
    (LLAMA, {"vocab_size": True}, "vocab_size is True", "whole number"),
    (LLAMA, {"attention_bias": "yes"}, "attention_bias is 'yes'", "true or false"),
    (LLAMA, {"num_key_value_heads": 3}, "8 heads cannot share 3 keys", ""),
    (LLAMA, {"head_dim": 7}, "head_size must be even", ""),
    (LLAMA | {"model_type": "mistral"}, {"attention_bias": True}, "attention_bias is True", "False"),
    (QWEN3, {"mlp_bias": True}, "mlp_bias is True", "False"),
    (
        QWEN3,
        {"use_sliding_window": True, "layer_types": ["sliding_attention", "full_attention"] * 2},
        "layer_types is",
        "first all full_attention",
    ),
    (MOE, {"use_sliding_window": True, "layer_types": ["full_attention"] * 4}, "layer_types is", "of Qwen3"),
    (MOE, {"mlp_only_layers": [1]}, "mlp_only_layers is [1]", "first"),
    (MOE, {"decoder_sparse_step": 2}, "decoder_sparse_step is 2", "first"),
    (MOE, {"mlp_only_layers": [True]}, "mlp_only_layers is [True]", "a list of int"),
    (MOE, {"num_experts_per_tok": 9}, "active must be 1 … 8", ""),
    (GPT2, {"activation_function": "relu"}, "activation_function is 'relu'", "'gelu_new'"),
    (GPT2, {"scale_attn_weights": False}, "scale_attn_weights is False", "True"),
    (GPT2, {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True", ""),
    (GPT2, {"add_cross_attention": True}, "add_cross_attention is True", ""),
    (LLAMA, {"polyloom": {"version": 2, "config": {}}}, "version 2; this Polyloom reads up to 1", "Upgrade"),
    (LLAMA, {"polyloom": {"version": 1, "config": {"depth": 3}}}, "config.json, polyloom is damaged", "'depth'"),
    (LLAMA, {"polyloom": {"version": 1}}, "damaged", "must be a table"),
    ({"model_type": "polyloom"}, {}, "no field 'polyloom'", ""),
    ({}, {}, "no field model_type", ""),
]


@pytest.mark.parametrize(("table", "fields", "fault", "expected"), REFUSED)
def test_what_cannot_be_built_is_refused(
    table: dict[str, Any], fields: dict[str, Any], fault: str, expected: str
) -> None:
    with pytest.raises(FileError) as caught:
        config(table, **fields)
    assert fault in str(caught.value)
    assert expected in str(caught.value)


def test_the_family_that_says_it_all() -> None:
    base = TransformerConfig(100, width=64, attention=Attention(8, 4))
    assert family_of(base) == "llama"
    scaled = TransformerConfig(100, position=Position("rotary", scaling=Scaling("dynamic", 2.0, 64)))
    assert family_of(scaled) == "llama"  # short texts are left alone by the kind itself
    assert config(config_table(scaled, "llama")) == scaled  # and reload exactly as they were
    assert family_of(TransformerConfig(100, soft_cap=3.0)) == "polyloom"
