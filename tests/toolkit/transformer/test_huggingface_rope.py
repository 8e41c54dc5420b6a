"""Rotary frequencies against the definitions of `transformers`."""

from typing import Any

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from polyloom.transformer.config import Position, Scaling
from polyloom.transformer.huggingface_rope import rope_table
from polyloom.transformer.scaling import frequencies, plain, regime

pytestmark = pytest.mark.long

SIZE, ORIGINAL = 64, 256
SCALINGS = {
    "linear": Scaling("linear", 4.0, ORIGINAL, always=True),
    "dynamic": Scaling("dynamic", 3.0, ORIGINAL, always=True),
    "yarn": Scaling("yarn", 4.0, ORIGINAL, always=True),
    "yarn, other borders": Scaling("yarn", 8.0, ORIGINAL, always=True, beta_fast=16.0, beta_slow=0.25),
    "yarn, other length": Scaling("yarn", 2.0, ORIGINAL, always=True, attention_factor=1.5),
    "llama3": Scaling("llama3", 8.0, ORIGINAL, always=True),
    "llama3, other borders": Scaling("llama3", 3.0, ORIGINAL, always=True, low=2.0, high=3.0),
}


def theirs(position: Position, length: int) -> tuple[torch.Tensor, float]:
    """What `transformers` makes of the table that we write."""
    fields: dict[str, Any] = rope_table(position, 1024)
    config = LlamaConfig(hidden_size=4 * SIZE, num_attention_heads=4, **fields)
    kind = config.rope_parameters["rope_type"]
    return ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=length)


@pytest.mark.parametrize("theta", [100.0, 10_000.0, 500_000.0])
@pytest.mark.parametrize("name", SCALINGS)
def test_frequencies(name: str, theta: float) -> None:
    position = Position("rotary", theta, SCALINGS[name])
    for length in (10, ORIGINAL, 2 * ORIGINAL, 8 * ORIGINAL):  # of `dynamic`, where its doublings are exact
        speeds, magnitude = frequencies(position, SIZE, length)
        expected, longer = theirs(position, length)
        torch.testing.assert_close(speeds, expected, rtol=1e-6, atol=0)
        assert magnitude == pytest.approx(longer)


@pytest.mark.parametrize("kind", ["linear", "ntk", "dynamic", "yarn", "llama3"])
def test_short_texts_keep_their_frequencies(kind: Any) -> None:
    """Bit for bit, unless the model was trained with scaled ones; and longer texts do not."""
    position = Position("rotary", 10_000.0, Scaling(kind, 4.0, ORIGINAL))
    for length in (1, ORIGINAL):
        speeds, magnitude = frequencies(position, SIZE, length)
        assert (torch.equal(speeds, plain(10_000.0, SIZE)), magnitude) == (True, 1.0)
        assert regime(position, length) == 0
    assert not torch.equal(frequencies(position, SIZE, ORIGINAL + 1)[0], plain(10_000.0, SIZE))


def test_dynamic_goes_in_doublings() -> None:
    position = Position("rotary", 10_000.0, SCALINGS["dynamic"])
    between, at = frequencies(position, SIZE, ORIGINAL + 1)[0], frequencies(position, SIZE, 2 * ORIGINAL)[0]
    assert torch.equal(between, at)
    assert not torch.equal(at, frequencies(position, SIZE, 2 * ORIGINAL + 1)[0])
