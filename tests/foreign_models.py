"""Tiny models of `transformers` with random weights, made offline: what our decoders must agree with.

Each is made once in a process.  Weights, norms and biases are larger than those of a fresh model, so that whatever is
read wrongly shows in the logits, which are of the order of 1.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)
from transformers.utils import logging

from polyloom import WordVocabulary

logging.set_verbosity_error()
logging.disable_progress_bar()

WORDS = WordVocabulary([f"w{n}" for n in range(46)])
CLOSE = 1e-4
LLAMA = {
    "vocab_size": WORDS.size,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "bos_token_id": None,
    "eos_token_id": None,
}
GPT2 = {"vocab_size": WORDS.size, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
IDS = {"bos_token_id": 3, "eos_token_id": 4}
QWEN3 = LLAMA | {"head_dim": 16, "max_position_embeddings": 64}
MOE = QWEN3 | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}


def scaled(kind: str, **more: Any) -> dict[str, Any]:
    return LLAMA | {"rope_parameters": {"rope_type": kind, "rope_theta": 500.0, "factor": 2.0} | more}


@dataclass(frozen=True)
class Foreign:
    """A class of model, its config, and the lengths of text at which ours must agree."""

    model: Any
    config: Any
    fields: dict[str, Any]
    lengths: tuple[int, ...] = (30,)
    saved: Any = None  # as what ours are saved, where another family says the same


LONG = (20, 60)  # of a training of 32 tokens
FOREIGN = {
    "llama": Foreign(LlamaForCausalLM, LlamaConfig, LLAMA | {"rope_parameters": {"rope_theta": 500.0}}),
    "llama, tied, one key for each head": Foreign(
        LlamaForCausalLM, LlamaConfig, LLAMA | {"tie_word_embeddings": True, "num_key_value_heads": 4}
    ),
    "llama, biases, larger heads": Foreign(
        LlamaForCausalLM,
        LlamaConfig,
        LLAMA | IDS | {"attention_bias": True, "mlp_bias": True, "head_dim": 12, "rms_norm_eps": 1e-3},
    ),
    "llama, linear": Foreign(LlamaForCausalLM, LlamaConfig, scaled("linear"), LONG),
    # Ours go in doublings of the training's length, and agree there.
    "llama, dynamic": Foreign(LlamaForCausalLM, LlamaConfig, scaled("dynamic"), (20, 32, 64)),
    "llama, yarn": Foreign(
        LlamaForCausalLM,
        LlamaConfig,
        scaled("yarn", original_max_position_embeddings=16, beta_fast=4.0, factor=4.0),
        LONG,
    ),
    "llama, yarn of DeepSeek": Foreign(
        LlamaForCausalLM, LlamaConfig, scaled("yarn", mscale=0.7, mscale_all_dim=1.2, beta_slow=0.5), LONG
    ),
    "llama, llama3": Foreign(
        LlamaForCausalLM,
        LlamaConfig,
        scaled("llama3", original_max_position_embeddings=16, low_freq_factor=1.0, high_freq_factor=4.0)
        | {"max_position_embeddings": 64},
        LONG,
    ),
    "mistral": Foreign(MistralForCausalLM, MistralConfig, LLAMA | {"sliding_window": None}, saved=LlamaForCausalLM),
    "mistral, window": Foreign(MistralForCausalLM, MistralConfig, LLAMA | {"sliding_window": 5}),
    "qwen3": Foreign(Qwen3ForCausalLM, Qwen3Config, QWEN3 | IDS | {"tie_word_embeddings": True}),
    "qwen3, upper windows": Foreign(
        Qwen3ForCausalLM,
        Qwen3Config,
        QWEN3 | {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1, "attention_bias": True},
    ),
    "qwen3-moe": Foreign(Qwen3MoeForCausalLM, Qwen3MoeConfig, MOE | {"norm_topk_prob": True}),
    "qwen3-moe, first layer dense": Foreign(
        Qwen3MoeForCausalLM,
        Qwen3MoeConfig,
        MOE | {"norm_topk_prob": False, "mlp_only_layers": [0], "use_sliding_window": True, "sliding_window": 7},
    ),
    "gpt2": Foreign(GPT2LMHeadModel, GPT2Config, GPT2 | IDS, (30, 64)),
    "gpt2, untied, exact gelu": Foreign(
        GPT2LMHeadModel,
        GPT2Config,
        GPT2
        | {"tie_word_embeddings": False, "activation_function": "gelu", "n_inner": 40, "layer_norm_epsilon": 1e-3}
        | {"bos_token_id": None, "eos_token_id": None},
    ),
}


@cache
def foreign(name: str) -> Any:
    """The model of that name, in evaluation mode; not to be changed."""
    given = FOREIGN[name]
    torch.manual_seed(7)
    return strong(given.model(given.config(**given.fields)).eval())


@torch.no_grad()
def strong(model: Any) -> Any:
    """The same model with weights that matter."""
    for weight in model.parameters():
        drawn = torch.randn(weight.shape)
        weight.copy_(drawn * weight.shape[-1] ** -0.5 * 1.5 if weight.ndim > 1 else weight + 0.2 * drawn)
    return model


def tokens(length: int, rows: int = WORDS.size) -> list[int]:
    return torch.randint(rows, (length,), generator=torch.Generator().manual_seed(length)).tolist()


@torch.no_grad()
def logits(model: Any, ids: list[int]) -> torch.Tensor:
    """What a model of theirs says after each of these tokens, read at once, (T, V)."""
    found: torch.Tensor = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return found.float()


def read_by_theirs(folder: Path, **more: Any) -> Any:
    """The model that `transformers` makes of a folder."""
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, **more).eval()
