"""The opened forward pass: it is the forward pass, and what is put in its way has the effect it must have."""

import pytest
import torch

from decoders import CONFIGS, decoder
from polyloom.errors import InputError
from polyloom.transformer.opened import opened

TOKENS = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4])


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_the_forward_pass(name: str) -> None:
    made = decoder(CONFIGS[name])
    expected = made(TOKENS[None])[0]
    torch.testing.assert_close(opened(made, TOKENS).logits, expected, atol=1e-10, rtol=0)
    untouched = opened(made, TOKENS, keep=lambda name: False, edit=None)
    torch.testing.assert_close(untouched.logits, expected, atol=1e-10, rtol=0)
    assert untouched.seen == {}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2", "sliding window"])
def test_it_is_that_in_every_dtype(name: str, dtype: torch.dtype) -> None:
    made = decoder(CONFIGS[name], dtype)
    found, expected = opened(made, TOKENS).logits, made(TOKENS[None])[0]
    assert found.dtype == expected.dtype == dtype
    close = 1e-5 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(found, expected, atol=close, rtol=0)


def test_a_text_of_which_this_is_a_part_is_read_at_its_frequencies() -> None:
    made = decoder(CONFIGS["longer than trained"])
    whole = opened(made, TOKENS).logits[:10]
    assert (opened(made, TOKENS[:10], length=20).logits - whole).abs().max() < 1e-10
    assert (opened(made, TOKENS[:10]).logits - whole).abs().max() > 1e-6


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_seen_fits_together(name: str) -> None:
    made, seen = decoder(CONFIGS[name]), opened(decoder(CONFIGS[name]), TOKENS).seen
    start = seen["hook_embed"] + seen.get("hook_pos_embed", 0)
    torch.testing.assert_close(start, seen["blocks.0.hook_resid_pre"])
    for layer, block in enumerate(made.layers):
        here = {
            key.removeprefix(f"blocks.{layer}."): v for key, v in seen.items() if key.startswith(f"blocks.{layer}.")
        }
        pattern = here["attn.hook_pattern"]
        assert pattern.shape == (4, 20, 20)
        torch.testing.assert_close(pattern.sum(-1), torch.ones(4, 20, dtype=pattern.dtype))
        assert pattern.triu(1).count_nonzero() == 0
        bias = 0 if block.attention.o.bias is None else block.attention.o.bias
        torch.testing.assert_close(here["attn.hook_result"].sum(1) + bias, here["hook_attn_out"])
        torch.testing.assert_close(here["hook_resid_pre"] + here["hook_attn_out"], here["hook_resid_mid"])
        torch.testing.assert_close(here["hook_resid_mid"] + here["hook_mlp_out"], here["hook_resid_post"])
        size = (here["hook_resid_pre"] - _mean(made, here["hook_resid_pre"])).square().mean(-1, keepdim=True)
        torch.testing.assert_close(here["ln1.hook_scale"], (size + made.config.norm.eps).sqrt())


def _mean(made: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x.mean(-1, keepdim=True) if made.config.norm.kind == "layer" else torch.zeros_like(x)


def test_a_window_is_seen_in_the_pattern() -> None:
    seen = opened(decoder(CONFIGS["sliding window"]), TOKENS).seen
    reach = [(seen[f"blocks.{layer}.attn.hook_pattern"] > 0).sum(-1).max() for layer in range(3)]
    assert reach == [20, 5, 5]


def test_names_are_those_of_transformer_lens() -> None:
    """Every name of a one-layer model in the order in which TransformerLens lists them."""
    names = [
        name for name in opened(decoder(CONFIGS["like GPT-2"]), TOKENS).seen if "blocks" not in name or ".0." in name
    ]
    inner = ["hook_resid_pre", "ln1.hook_scale", "ln1.hook_normalized", "attn.hook_q", "attn.hook_k", "attn.hook_v"]
    inner += ["attn.hook_attn_scores", "attn.hook_pattern", "attn.hook_z", "attn.hook_result", "hook_attn_out"]
    inner += ["hook_resid_mid", "ln2.hook_scale", "ln2.hook_normalized", "mlp.hook_pre", "mlp.hook_post"]
    inner += ["hook_mlp_out", "hook_resid_post"]
    ends = ["ln_final.hook_scale", "ln_final.hook_normalized"]
    assert names == ["hook_embed", "hook_pos_embed", *(f"blocks.0.{name}" for name in inner), *ends]


def test_only_what_is_asked_for_is_kept_at_the_positions_asked_for() -> None:
    made = decoder(CONFIGS["grouped queries"])
    every = opened(made, TOKENS).seen
    names = {"blocks.1.attn.hook_pattern", "blocks.1.hook_resid_post", "blocks.2.attn.hook_rot_k"}
    some = opened(made, TOKENS, keep=names.__contains__, positions=[4, 19]).seen
    assert set(some) == names
    torch.testing.assert_close(some["blocks.1.attn.hook_pattern"], every["blocks.1.attn.hook_pattern"][:, [4, 19]])
    torch.testing.assert_close(some["blocks.1.hook_resid_post"], every["blocks.1.hook_resid_post"][[4, 19]])


@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2", "experts", "sinusoidal, capped"])
def test_putting_one_texts_values_into_another_makes_it_that_text(name: str) -> None:
    """Each value that all of the rest follows from, one at a time."""
    made = decoder(CONFIGS[name])
    other = TOKENS.flip(0)
    clean = opened(made, TOKENS)
    for wanted in ("blocks.1.hook_resid_pre", "blocks.0.hook_resid_post", "ln_final.hook_normalized"):
        edited = opened(
            made, other, edit=lambda name, value, wanted=wanted: clean.seen[name] if name == wanted else value
        )
        torch.testing.assert_close(edited.logits, clean.logits)
    everything = opened(made, other, edit=lambda name, value: clean.seen[name])
    torch.testing.assert_close(everything.logits, clean.logits)


def test_an_edit_in_place_changes_nothing_that_was_kept_before() -> None:
    made = decoder(CONFIGS["grouped queries"])

    def zero(name: str, value: torch.Tensor) -> torch.Tensor:
        return value.zero_() if name == "blocks.1.hook_resid_pre" else value

    seen = opened(made, TOKENS, edit=zero).seen
    assert seen["blocks.1.hook_resid_pre"].count_nonzero() == 0
    assert seen["blocks.0.hook_resid_post"].count_nonzero() > 0


def test_a_route_can_be_forced() -> None:
    made = decoder(CONFIGS["experts"])

    def first_two(name: str, value: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0, 1]).expand_as(value) if name.endswith("expert_indices") else value

    trace = opened(made, TOKENS, edit=first_two)
    for mixture in made.mixtures.values():
        mixture.router.bias[:2] = 100.0
    torch.testing.assert_close(trace.logits, made(TOKENS[None])[0])


def test_an_edit_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"hook_embed must give \(20, 16\) again, got \(16,\)"):
        opened(decoder(CONFIGS["YaRN"]), TOKENS, edit=lambda name, value: value[0])
