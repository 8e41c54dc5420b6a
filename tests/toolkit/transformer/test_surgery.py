"""Surgery: what is cut is gone and nothing else, and the model it was cut from stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polyloom
from decoders import copier, model
from polyloom.errors import InputError
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.opened import Edit, opened
from polyloom.transformer.surgery import ablate, force, steer, transplant

TEXT = "a b c a b d e a b c f"
TEXTS = ("a b c", "d e f g h", "w v u t s r q p")


def logits(made: TransformerModel, edit: Edit | None = None) -> torch.Tensor:
    """Of the decoder itself, or of the opened pass where something is put in the way."""
    tokens, _ = made.seen(TEXT)
    return made.decoder(tokens[None])[0] if edit is None else opened(made.decoder, tokens, edit=edit).logits


def zeroing(**wanted: Any) -> Edit:
    """An edit that zeroes values by name ("blocks_0_hook_mlp_out") wholly (None) or one head of them."""
    names = {name.replace("_", ".", 2): head for name, head in wanted.items()}

    def edit(name: str, value: torch.Tensor) -> torch.Tensor:
        if name.replace(".attn.", ".") not in names:
            return value
        head = names[name.replace(".attn.", ".")]
        value[(slice(None),) if head is None else (slice(None), head)] = 0
        return value

    return edit


@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2", "sliding window", "experts"])
def test_a_cut_head_brings_nothing(name: str) -> None:
    made = model(name)
    cut = ablate(made, heads=[(1, 2), (1, 0)])
    expected = logits(made, zeroing(blocks_1_hook_result=[2, 0]))
    torch.testing.assert_close(logits(cut), expected, atol=1e-10, rtol=0)
    assert np.abs(cut.capture(TEXT).heads[1, [0, 2]]).max() == 0
    assert (logits(cut) - logits(made)).abs().max() > 1e-6


@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2", "experts"])
def test_a_cut_part_writes_nothing(name: str) -> None:
    made = model(name)
    parts = {
        "attention": ({"attention": [1]}, zeroing(blocks_1_hook_attn_out=None)),
        "feed-forward": ({"feed_forward": [1]}, zeroing(blocks_1_hook_mlp_out=None)),
        "layer": ({"layers": [-2]}, zeroing(blocks_1_hook_attn_out=None, blocks_1_hook_mlp_out=None)),
    }
    for asked, edit in parts.values():
        torch.testing.assert_close(logits(ablate(made, **asked)), logits(made, edit), atol=1e-10, rtol=0)


def test_all_that_is_asked_for_is_cut_at_once() -> None:
    made = model("experts")
    cut = ablate(made, heads=[(0, 1)], layers=[1], feed_forward=[2])
    step = ablate(ablate(ablate(made, heads=[(0, 1)]), layers=[1]), feed_forward=[2])
    torch.testing.assert_close(logits(cut), logits(step))


@pytest.mark.parametrize("name", ["experts", "sigmoid gate"])
def test_a_cut_expert_is_chosen_and_gives_nothing(name: str) -> None:
    made = model(name)
    before = made.capture(TEXT)
    expert = int(before.routing[-1].chosen[-1, 0])
    cut = ablate(made, experts=[(2, expert)])
    after = cut.capture(TEXT)
    np.testing.assert_array_equal(after.routing[-1].chosen, before.routing[-1].chosen)
    np.testing.assert_allclose(after.routing[-1].weights, before.routing[-1].weights)
    terms = {term.name: term for term in before.attribution("d").terms}
    inner = {term.name: term.contribution for term in terms["layer 2 feed-forward"].child.terms}
    gone = {term.name: term for term in after.attribution("d").terms}["layer 2 feed-forward"].child.terms
    assert {term.name: term.contribution for term in gone}[f"expert {expert}"] == 0
    assert inner[f"expert {expert}"] != 0


@pytest.mark.parametrize("name", ["experts", "sigmoid gate"])
def test_a_rerouted_expert_is_never_chosen(name: str) -> None:
    """The next best takes its place: as if there were no such expert, except that p stays what it was."""
    made = model(name)
    gate = made.decoder.mixtures[2].router
    expert = int(made.capture(TEXT).routing[-1].chosen[-1, 0])
    cut = ablate(made, experts=[(2, expert)], reroute=True)
    found = cut.capture(TEXT).routing[-1]
    assert not (found.chosen == expert).any()
    wanted = found.probabilities + gate.bias.numpy()
    wanted[:, expert] = -np.inf
    np.testing.assert_array_equal(found.chosen, np.argsort(-wanted, -1)[:, : gate.active])
    chances = np.take_along_axis(found.probabilities, found.chosen, -1)
    np.testing.assert_allclose(found.weights, chances / (chances.sum(-1, keepdims=True) if gate.normalise else 1))
    assert found.load[expert] == 0
    assert np.isfinite(cut.begin(TEXT).distribution()).all()


def test_rerouting_leaves_enough_experts() -> None:
    with pytest.raises(InputError, match="Layer 1 sends each token to 2 experts: 1 are too few"):
        ablate(model("experts"), experts=[(1, expert) for expert in range(5)], reroute=True)


def test_a_forced_expert_reads_every_token() -> None:
    made = model("experts")
    before, after = made.capture(TEXT).routing[-1], force(made, experts=[(2, 3)]).capture(TEXT).routing[-1]
    assert (after.chosen[:, 0] == 3).all()
    others = np.where(before.chosen[:, 0] == 3, before.chosen[:, 1], before.chosen[:, 0])
    np.testing.assert_array_equal(after.chosen[:, 1], others)
    np.testing.assert_allclose(after.probabilities, before.probabilities)
    np.testing.assert_allclose(after.weights.sum(-1), 1)
    both = force(force(made, experts=[(2, 3)]), experts=[(2, 0)]).capture(TEXT).routing[-1]
    assert np.isinf(both.margins).all()
    with pytest.raises(InputError, match="Layer 2 sends each token to 2 experts: 3 cannot all be forced"):
        force(made, experts=[(2, 0), (2, 3), (2, 5)])


def test_a_steered_gate_chooses_by_what_was_added() -> None:
    made = model("experts")
    before = made.capture(TEXT).routing[-1]
    after = steer(made, {(2, 3): 0.2, (2, 0): -0.1}).capture(TEXT).routing[-1]
    own = made.decoder.mixtures[2].router.bias.numpy()
    wanted = before.probabilities + own + np.array([-0.1, 0, 0, 0.2, *[0] * (len(own) - 4)])
    expected = np.argsort(-wanted, axis=-1, kind="stable")[:, : before.chosen.shape[1]]
    np.testing.assert_array_equal(np.sort(after.chosen), np.sort(expected))
    np.testing.assert_allclose(after.probabilities, before.probabilities)
    place, active = int(before.margins.argmin()), before.chosen.shape[1]
    last, passed = (
        before.chosen[place, active - 1],
        np.argsort(-(before.probabilities + own)[place], kind="stable")[active],
    )
    flipped = steer(made, {(2, int(passed)): float(before.margins[place]) + 1e-6}).capture(TEXT).routing[-1]
    assert passed in flipped.chosen[place]
    assert last not in flipped.chosen[place]
    with pytest.raises(InputError, match="Expected a number to add"):
        steer(made, {(2, 3): float("nan")})
    np.testing.assert_array_equal(made.capture(TEXT).routing[-1].chosen, before.chosen)


@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2"])
def test_a_head_can_be_replaced_by_its_mean(name: str) -> None:
    made = model(name)
    cut = ablate(made, heads=[(1, 2), (0, 3)], mean=TEXTS)
    means = {}
    for layer, head in ((1, 2), (0, 3)):
        brought = np.concatenate([made.capture(text).heads[layer, head] for text in TEXTS])
        means[f"blocks.{layer}.attn.hook_result"] = head, torch.tensor(brought.mean(0))

    def edit(name: str, value: torch.Tensor) -> torch.Tensor:
        if name in means:
            head, mean = means[name]
            value[:, head] = mean
        return value

    torch.testing.assert_close(logits(cut), logits(made, edit), atol=1e-10, rtol=0)
    assert cut.config.attention.output_bias
    assert abs(cut.begin(TEXT).explain(3).residual) < 1e-12


def test_the_copier_without_its_head_knows_nothing() -> None:
    made = copier()
    np.testing.assert_allclose(np.exp(ablate(made, heads=[(0, 0)]).begin("a c b").distribution()), 1 / 6)
    np.testing.assert_allclose(
        ablate(made, heads=[(0, 1)], feed_forward=[0]).begin("a c b").distribution(), made.begin("a c b").distribution()
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"heads": [(3, 0)]}, "no layer 3: they are 0 … 2"),
        ({"heads": [(0, 4)]}, "no head 4: they are 0 … 3"),
        ({"experts": [(1, 6)]}, "no expert 6: they are 0 … 5"),
        ({"experts": [(0, 0)]}, "Layer 0 has no experts; of those that have there are: 1, 2"),
        ({"feed_forward": [7]}, "no layer 7"),
        ({"layers": [1], "reroute": True}, "`reroute` for experts"),
        ({"layers": [1], "mean": TEXTS}, "`mean` is for heads"),
        ({"heads": [(0, 0)], "mean": ()}, "at least one text"),
    ],
)
def test_parts_that_are_not_there_are_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ablate(model("experts"), **asked)


def fingerprint(made: TransformerModel) -> dict[str, bytes]:
    return {name: weight.numpy().tobytes() for name, weight in made.decoder.state_dict().items()}


def test_the_model_stays_and_what_was_not_cut_is_shared() -> None:
    made = model("experts")
    before, config = fingerprint(made), made.config
    cut = ablate(made, heads=[(0, 1)], experts=[(1, 3)], layers=[2], reroute=True, mean=TEXTS)
    assert fingerprint(made) == before
    assert made.config is config
    assert not config.attention.output_bias
    ours, theirs = places(made.decoder), places(cut.decoder)
    changed = {name for name in theirs if ours.get(name) != theirs[name]}
    touched = ("attention.o.weight", "attention.o.bias", "feed_forward.down", "router.bias", "shared.down.weight")
    assert changed
    assert all(name.endswith((*touched, "feed_forward.down.weight")) for name in changed)
    assert cut.decoder.output.weight is cut.decoder.embedding.weight


def places(decoder: Decoder) -> dict[str, int]:
    return {name: weight.data_ptr() for name, weight in decoder.state_dict().items()}


@pytest.mark.parametrize("name", ["experts", "like GPT-2"])
def test_a_cut_model_is_a_model_like_any_other(name: str, tmp_path: Path) -> None:
    asked = {"experts": [(1, 3)], "reroute": True} if name == "experts" else {"mean": TEXTS}
    cut = ablate(model(name, torch.float32), heads=[(0, 1)], layers=[2], **asked)
    cut.save(tmp_path / "cut")
    for again in (TransformerModel.from_state(*cut.state()), TransformerModel.load(tmp_path / "cut")):
        np.testing.assert_allclose(again.begin(TEXT).distribution(), cut.begin(TEXT).distribution(), atol=1e-6)
        assert again.config == cut.config
    written = cut.generate("a b", polyloom.Sampling(seed=1, max_tokens=5))
    assert len(written.steps) <= 5
    assert abs(cut.begin(TEXT).explain("c").residual) < 1e-5


def test_a_transplanted_layer_is_the_donors() -> None:
    ours, donor = model("experts"), model("experts", seed=6)
    everything = transplant(ours, donor, layers=[0, 1, 2])
    mixed = transplant(ours, donor, layers=[1])
    assert places(mixed.decoder)["blocks.1.feed_forward.down"] == places(donor.decoder)["blocks.1.feed_forward.down"]
    assert (
        places(mixed.decoder)["blocks.0.feed_forward.down.weight"]
        == places(ours.decoder)["blocks.0.feed_forward.down.weight"]
    )
    back = transplant(everything, ours, layers=[0, 1, 2])
    torch.testing.assert_close(logits(back), logits(ours))
    assert (logits(mixed) - logits(ours)).abs().max() > 1e-6


@pytest.mark.parametrize("name", ["like GPT-2", "grouped queries", "sliding window"])
def test_transplanted_heads_look_and_bring_like_the_donors(name: str) -> None:
    """With the same norms before and the same stream: the first layer's heads, one group of those that share keys."""
    ours, donor = model(name), model(name, seed=6)
    for mine, theirs in zip(ours.decoder.layers, donor.decoder.layers, strict=True):
        mine.attention_norm.load_state_dict(theirs.attention_norm.state_dict())
        mine.attention.q_norm.load_state_dict(theirs.attention.q_norm.state_dict())
        mine.attention.k_norm.load_state_dict(theirs.attention.k_norm.state_dict())
    donor.decoder.embedding.load_state_dict(ours.decoder.embedding.state_dict())
    if name == "like GPT-2":
        donor.decoder.positions.load_state_dict(ours.decoder.positions.state_dict())
    group = [(0, head) for head in ((0, 1, 2, 3) if name == "sliding window" else (2, 3))]
    mixed = transplant(ours, donor, heads=group).capture(TEXT)
    kept, given = ours.capture(TEXT), donor.capture(TEXT)
    for head in range(4):
        source = given if (0, head) in group else kept
        np.testing.assert_allclose(mixed.attention[0, head], source.attention[0, head], atol=1e-12)
        np.testing.assert_allclose(mixed.heads[0, head], source.heads[0, head], atol=1e-12)


def test_a_transplanted_expert_thinks_like_the_donors() -> None:
    ours, donor = model("experts"), model("experts", seed=6)
    mixed = transplant(ours, donor, experts=[(1, 4)])
    x = torch.randn(5, 16, dtype=torch.float64)
    torch.testing.assert_close(mixed.decoder.mixtures[1].one(4, x), donor.decoder.mixtures[1].one(4, x))
    torch.testing.assert_close(mixed.decoder.mixtures[1].one(3, x), ours.decoder.mixtures[1].one(3, x))
    torch.testing.assert_close(mixed.decoder.mixtures[1].router.weight, ours.decoder.mixtures[1].router.weight)


def test_what_cannot_be_transplanted_is_refused() -> None:
    with pytest.raises(InputError, match=r"Head \(0, 2\) shares its keys and values with \(0, 3\): take them together"):
        transplant(model(), model(seed=6), heads=[(0, 2)])
    with pytest.raises(InputError, match="A donor must have the same attention: the model has"):
        transplant(model(), model("sliding window"), layers=[0])
    with pytest.raises(InputError, match="no layer 3"):
        transplant(model(), model(seed=6), layers=[3])
