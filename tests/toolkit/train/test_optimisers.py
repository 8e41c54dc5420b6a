"""Who moves which weight, and that what is remembered can be put back."""

from dataclasses import replace

import pytest
import torch

from polyloom import FileError
from polyloom.train.optimisers import Optimiser, hidden_matrices
from polyloom.train.settings import Training
from polyloom.transformer.build import build
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.decoder import Decoder


def network(config: TransformerConfig) -> Decoder:
    return build(config).requires_grad_(True)


def gradients(network: Decoder, seed: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        weight.grad = torch.randn(weight.shape, generator=dice)


def test_muon_moves_the_matrices_of_the_blocks_and_nothing_else(mixed: TransformerConfig) -> None:
    config = replace(mixed, attention=Attention(2, qk_norm=True, bias=True), tied=False)
    found = set(hidden_matrices(network(config)))
    block = {f"attention.{name}.weight" for name in "qkvo"} | {
        f"feed_forward.{name}" for name in ("gate", "up", "down")
    }
    assert found == {f"blocks.{n}.{name}" for n in range(2) for name in block}


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_only_matrices_decay(config: TransformerConfig, optimiser: str) -> None:
    """Without a gradient to follow, what decays shrinks, and the rest stays."""
    given = network(config)
    before = {name: weight.clone() for name, weight in given.named_parameters()}
    for weight in given.parameters():
        weight.grad = torch.zeros_like(weight)
    rates = Training(learning_rate=0.1, matrix_learning_rate=0.2, weight_decay=0.5, optimiser=optimiser)  # type: ignore[arg-type]
    Optimiser(given, rates).step(0.5)
    for name, weight in given.named_parameters():
        rate = 0.0 if weight.ndim < 2 else 0.2 if optimiser == "muon" and "blocks" in name else 0.1
        torch.testing.assert_close(weight, before[name] * (1 - 0.5 * rate * 0.5))


def test_adamw_is_that_of_torch(config: TransformerConfig) -> None:
    ours, theirs = network(config), network(config)
    mine = Optimiser(ours, Training(learning_rate=0.01, optimiser="adamw"))
    groups = [
        {"params": [w for w in theirs.parameters() if w.ndim > 1], "weight_decay": 0.1},
        {"params": [w for w in theirs.parameters() if w.ndim <= 1], "weight_decay": 0.0},
    ]
    peer = torch.optim.AdamW(groups, 0.01, (0.9, 0.95), foreach=False, fused=False)
    for seed in range(3):
        gradients(ours, seed)
        gradients(theirs, seed)
        mine.step(1.0)
        peer.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_the_state_can_be_put_back(mixed: TransformerConfig, kind: str) -> None:
    training = Training(optimiser=kind)  # type: ignore[arg-type]
    ours = network(mixed)
    first = Optimiser(ours, training)
    for seed in range(2):
        gradients(ours, seed)
        first.step(1.0)
    kept = {name: tensor.clone() for name, tensor in first.state().items()}
    names = {name for name, _ in ours.named_parameters()}
    assert {key.partition(".")[2] for key in kept} == names  # every weight is remembered
    other = network(mixed)
    other.load_state_dict(ours.state_dict())
    second = Optimiser(other, training)
    second.restore(kept)
    for network_, optimiser in ((ours, first), (other, second)):
        gradients(network_, 5)
        optimiser.step(0.5)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), other.parameters(), strict=True))


def test_a_foreign_state_is_refused(config: TransformerConfig) -> None:
    optimiser = Optimiser(network(config), Training())
    for key, value in (("momentum.nobody", torch.ones(2)), ("momentum.norm.weight", torch.ones(3, 3))):
        with pytest.raises(FileError, match=key):
            optimiser.restore({key: value})
