"""Soft prompts in folders of PEFT: one tensor, `prompt_embeddings` (n, d), and a config with the model's shape."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from polyloom.adapters.soft_prompt import SoftPrompt
from polyloom.errors import FileError, InputError
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Decoder

PROMPT = "prompt_embeddings"


def read_prompt(tensors: Mapping[str, Tensor], decoder: Decoder, place: Path) -> SoftPrompt:
    """The prompt of a folder's tensors; FileError if there is another one, or it does not fit the model."""
    if set(tensors) != {PROMPT}:
        raise FileError(
            f"{place} must hold {PROMPT} alone for a soft prompt; it holds {', '.join(tensors) or 'nothing'}."
        )
    try:
        found = SoftPrompt(tensors[PROMPT])
        found.bind(decoder)
    except InputError as error:
        raise FileError(f"{place} does not fit the model. {error}") from None
    return found


def prompt_table(prompt: SoftPrompt, config: TransformerConfig) -> dict[str, Any]:
    """The config of PEFT for a prompt."""
    return {
        "peft_type": "PROMPT_TUNING",
        "num_virtual_tokens": len(prompt.vectors),
        "token_dim": config.width,
        "num_layers": config.layers,
        "num_attention_heads": config.attention.heads,
        "num_transformer_submodules": 1,
        "prompt_tuning_init": "RANDOM",
    }
