"""Captures of models of the transformers library: parity where they become ours, hooks where they do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    MixtralConfig,
    OPTConfig,
    Qwen3Config,
)

from decoders import WORDS
from polyloom.errors import InputError
from polyloom.transformer.model import TransformerModel

pytestmark = pytest.mark.long

TEXT = "a b c a b d e a b c f"
SIZES = {"vocab_size": 24, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
ENDS = {"bos_token_id": 23, "eos_token_id": 23, "pad_token_id": None}
CONFIGS: dict[str, Callable[[], Any]] = {
    "Llama": lambda: LlamaConfig(**SIZES, **ENDS, intermediate_size=32, num_key_value_heads=2),
    "Qwen3": lambda: Qwen3Config(**SIZES, **ENDS, intermediate_size=32, num_key_value_heads=2, head_dim=4),
    "GPT-2": lambda: GPT2Config(vocab_size=24, n_embd=16, n_layer=3, n_head=4, n_positions=40, **ENDS),
    "GPT-NeoX": lambda: GPTNeoXConfig(**SIZES, **ENDS, intermediate_size=32, max_position_embeddings=40),
    "OPT": lambda: OPTConfig(
        **SIZES, **ENDS, ffn_dim=32, max_position_embeddings=40, word_embed_proj_dim=16, do_layer_norm_before=True
    ),
    "Bloom": lambda: BloomConfig(vocab_size=24, hidden_size=16, n_layer=3, n_head=4, **ENDS),
    "Gemma 2": lambda: Gemma2Config(**SIZES, **ENDS, intermediate_size=32, num_key_value_heads=2, head_dim=4),
    "Mixtral": lambda: MixtralConfig(
        **SIZES, **ENDS, intermediate_size=32, num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2
    ),
    "Mamba": lambda: MambaConfig(vocab_size=24, hidden_size=16, num_hidden_layers=3, state_size=4, **ENDS),
}
NATIVE, WATCHED = ("Llama", "Qwen3", "GPT-2"), ("Llama", "GPT-2", "GPT-NeoX", "OPT", "Mixtral")


def foreign(name: str) -> Any:
    torch.manual_seed(3)
    made = AutoModelForCausalLM.from_config(CONFIGS[name]()).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return made


def their_own(made: Any, tokens: np.ndarray) -> Any:
    """Attentions and hidden states as the library gives them out; the last of those is after the final norm."""
    was = made.config._attn_implementation
    made.set_attn_implementation("eager")
    with torch.no_grad():
        found = made(input_ids=torch.tensor(tokens)[None], output_attentions=True, output_hidden_states=True)
    made.set_attn_implementation(was)
    return found


@pytest.mark.parametrize("name", NATIVE)
def test_our_own_reading_sees_what_the_library_sees(name: str) -> None:
    made = foreign(name)
    found = TransformerModel.from_transformers(made, WORDS, native=True).capture(TEXT)
    theirs = their_own(made, found.tokens)
    np.testing.assert_allclose(found.attention, torch.cat(theirs.attentions), atol=1e-5)
    np.testing.assert_allclose(found.residual[:-1], torch.cat(theirs.hidden_states[:-1]), atol=1e-5)


@pytest.mark.parametrize("name", WATCHED)
def test_hooks_see_what_the_library_gives_out(name: str) -> None:
    made = foreign(name)
    model = TransformerModel.from_transformers(made, WORDS, native=False)
    found = model.capture(TEXT)
    theirs = their_own(made, found.tokens)
    np.testing.assert_allclose(found.attention, torch.cat(theirs.attentions), atol=1e-6)
    np.testing.assert_allclose(found.residual[:-1], torch.cat(theirs.hidden_states[:-1]), atol=1e-6)
    assert found.residual.shape == (4, len(found.tokens), 16)
    assert (found.heads.shape, found.mlps.shape) == ((3, 4, len(found.tokens), 16), (3, len(found.tokens), 16))
    lens, expected = found.logit_lens(3), model.begin(TEXT).top(3)
    assert lens.tokens[-1, -1].tolist() == expected.tokens.tolist()
    np.testing.assert_allclose(lens.probabilities[-1, -1], np.exp(expected.log_probs), atol=1e-5)


@pytest.mark.parametrize("name", ["Llama", "GPT-2"])
def test_hooks_and_our_own_reading_agree(name: str) -> None:
    made = foreign(name)
    ours = TransformerModel.from_transformers(made, WORDS, native=True).capture(TEXT, layers=[0, 2], positions=[1, -1])
    theirs = TransformerModel.from_transformers(made, WORDS, native=False).capture(
        TEXT, layers=[0, 2], positions=[1, -1]
    )
    for what in ("tokens", "attention", "residual", "heads", "mlps"):
        np.testing.assert_allclose(getattr(theirs, what), getattr(ours, what), atol=1e-5)
    mine, given = ours.cache(), theirs.cache()
    assert {name for name in given if "blocks.0" in name} == {
        f"blocks.0.{name}"
        for name in ("hook_resid_pre", "attn.hook_pattern", "hook_attn_out", "hook_mlp_out", "hook_resid_post")
    }
    for key, value in given.items():
        np.testing.assert_allclose(value, mine[key], atol=1e-5)


def test_parts_that_do_not_simply_add_up_are_refused() -> None:
    """Gemma 2 has norms after its parts, Bloom's add the stream themselves; the rest can be had."""
    for name in ("Gemma 2", "Bloom"):
        found = TransformerModel.from_transformers(foreign(name), WORDS, native=False).capture(TEXT)
        assert found.attention.shape == (3, 4, len(found.tokens), len(found.tokens))
        assert found.logit_lens(1).tokens.shape == (4, len(found.tokens), 1)
        for what in ("heads", "mlps"):
            with pytest.raises(InputError, match="does not simply add an attention and a feed-forward in layer 0"):
                getattr(found, what)
        assert not [key for key in found.cache() if key.endswith("_out")]


@pytest.mark.filterwarnings("ignore")
def test_a_model_without_attention_has_none_to_show() -> None:
    found = TransformerModel.from_transformers(foreign("Mamba"), WORDS, native=False).capture(TEXT)
    with pytest.raises(InputError, match="MambaForCausalLM gives out no attention pattern of layer 0"):
        _ = found.attention
    assert found.residual.shape == (4, len(found.tokens), 16)


def test_what_only_our_own_bricks_know_is_refused() -> None:
    found = TransformerModel.from_transformers(foreign("Mixtral"), WORDS, native=False).capture(TEXT)
    with pytest.raises(InputError, match="where its experts are sent, so that cannot be captured"):
        _ = found.routing
    with pytest.raises(InputError, match="a final norm of its own"):
        found.attribution("d")
    dense = TransformerModel.from_transformers(foreign("OPT"), WORDS, native=False)
    assert dense.capture(TEXT).routing == ()
    with pytest.raises(InputError, match="no layer 3"):
        dense.capture(TEXT, layers=[3])
    with pytest.raises(InputError, match="no bricks of ours"):
        dense.ablate(heads=[(0, 0)])


def test_a_head_that_bends_its_logits_is_refused_for_reading_out() -> None:
    made = foreign("OPT")
    wrapped = TransformerModel.from_transformers(made, WORDS, native=False)
    made.lm_head.register_forward_hook(lambda module, given, found: found.tanh())
    assert wrapped.capture(TEXT).logit_lens(1).tokens.shape[0] == 4  # the bend is in the head itself
    made.register_forward_hook(lambda module, given, found: setattr(found, "logits", found.logits * 2))
    with pytest.raises(InputError, match="more to its last stream than a norm and an output"):
        wrapped.capture(TEXT).logit_lens(1)


def test_the_model_is_left_as_it_was() -> None:
    made = foreign("GPT-NeoX")
    wrapped = TransformerModel.from_transformers(made, WORDS, native=False)
    wrapped.capture(TEXT)  # the library keeps hooks of its own from the first time on
    was, hooks = made.config._attn_implementation, hooked(made)
    before = wrapped.begin(TEXT).distribution()
    wrapped.capture(TEXT)
    assert (made.config._attn_implementation, hooked(made)) == (was, hooks)
    np.testing.assert_array_equal(wrapped.begin(TEXT).distribution(), before)


def hooked(made: torch.nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in made.modules())


def test_a_wrapped_model_accounts_for_a_token_as_a_whole() -> None:
    place = TransformerModel.from_transformers(foreign("GPT-NeoX"), WORDS, native=False).begin(TEXT)
    account = place.explain("d")
    assert [term.name for term in account.terms] == ["network", "− logsumexp"]
    assert account.total == place.distribution()[3]
    assert abs(account.residual) < 1e-5
