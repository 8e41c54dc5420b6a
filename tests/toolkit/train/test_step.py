"""One step: the gradient is that of the definition, and a step that cannot be taken changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from polyloom import WordVocabulary
from polyloom.errors import TrainingError
from polyloom.train.optimisers import Optimiser
from polyloom.train.packing import Block
from polyloom.train.settings import Training
from polyloom.train.step import failure, learn, prepared
from polyloom.transformer.build import build
from polyloom.transformer.config import Experts, TransformerConfig
from polyloom.transformer.decoder import Decoder

STILL = Training(learning_rate=0.0, matrix_learning_rate=0.0, weight_decay=0.0, clip=None)


def network(config: TransformerConfig, seed: int = 0) -> Decoder:
    return build(config, seed).requires_grad_(True).train()


def batch(seed: int, texts: int = 4, length: int = 12, parted: bool = True) -> Block:
    dice = np.random.default_rng(seed)
    documents = np.zeros((texts, length + 1), np.int64)
    if parted:
        documents[:, 5:] = 1
        documents[1, 9:] = 2
    return Block(dice.integers(0, 16, (texts, length + 1)), documents)


def taken(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The gradients at the moment the optimiser would use them."""
    seen: list[dict[str, torch.Tensor]] = []

    def step(self: Optimiser, factor: float) -> None:
        seen.append({name: weight.grad.clone() for weight, name in self._names.items() if weight.grad is not None})

    monkeypatch.setattr(Optimiser, "step", step)
    return seen


def test_the_gradient_is_that_of_plain_torch(config: TransformerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Document by document, without packing, without masks."""
    seen, given, ours = taken(monkeypatch), batch(0), network(config)
    learned = learn(ours, Optimiser(ours, STILL), [given], STILL, 1.0)
    plain, total, count = network(config), torch.zeros(()), 0
    for row, owners in zip(given.tokens, given.documents, strict=True):
        for owner in np.unique(owners):
            tokens = torch.from_numpy(row[owners == owner])[None]
            total = total + nn.functional.cross_entropy(plain(tokens)[0, :-1], tokens[0, 1:], reduction="sum")
            count += tokens.shape[1] - 1
    (total / count).backward()
    assert learned.tokens == count
    assert learned.loss == pytest.approx(total.item() / count, rel=1e-6)
    for name, weight in plain.named_parameters():
        torch.testing.assert_close(seen[0][name], weight.grad, rtol=1e-4, atol=1e-6)
    assert learned.gradient == pytest.approx(
        torch.stack([gradient.norm() for gradient in seen[0].values()]).norm().item(), rel=1e-5
    )


@pytest.mark.long
def test_accumulated_batches_are_the_big_batch(config: TransformerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one batch judges fewer tokens than the other."""
    seen, ours = taken(monkeypatch), network(config)
    training = replace(STILL, z_loss=0.01)
    one, other = batch(1), batch(2, parted=False)
    together = Block(np.concatenate([one.tokens, other.tokens]), np.concatenate([one.documents, other.documents]))
    whole = learn(ours, Optimiser(ours, training), [together], training, 1.0)
    parts = learn(ours, Optimiser(ours, training), [one, other], training, 1.0)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert parts.tokens == whole.tokens
    for name, gradient in seen[0].items():
        torch.testing.assert_close(seen[1][name], gradient, rtol=1e-4, atol=1e-6)


def test_checkpointing_and_dropout_give_the_same_gradient(
    mixed: TransformerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is computed again is computed with the same dice, and its routes are not noted twice."""
    seen = taken(monkeypatch)
    config = replace(mixed, experts=Experts(4, 2, size=16, balance="loss"))
    losses, biases = [], []
    for recompute in (False, True):
        ours = network(config)
        ours.recompute = recompute
        torch.manual_seed(7)
        losses.append(learn(ours, Optimiser(ours, STILL), [batch(3)], STILL, 1.0).loss)
        biases.append([mixture.router.bias.clone() for mixture in ours.mixtures.values()])
    assert losses[0] == losses[1]
    for name, gradient in seen[0].items():
        torch.testing.assert_close(seen[1][name], gradient, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(biases[0], biases[1])


def test_gates_are_balanced_after_the_step(mixed: TransformerConfig) -> None:
    ours = network(replace(mixed, experts=Experts(4, 2, size=16, balance_step=0.25)))
    learn(ours, Optimiser(ours, STILL), [batch(4)], STILL, 1.0)
    for mixture in ours.mixtures.values():
        assert mixture.router.bias.abs().max().item() == 0.25


def test_the_gradient_is_cut_to_its_limit(config: TransformerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, ours = taken(monkeypatch), network(config)
    for clip in (None, 1e-3):
        found = learn(ours, Optimiser(ours, STILL), [batch(5)], replace(STILL, clip=clip), 1.0)
    lengths = [torch.stack([gradient.norm() for gradient in one.values()]).norm().item() for one in seen]
    assert lengths[0] == pytest.approx(found.gradient, rel=1e-5)  # what is told is the length before
    assert lengths[1] == pytest.approx(1e-3, rel=1e-3)


def test_bfloat16_is_near_float32_and_keeps_float32_weights(config: TransformerConfig) -> None:
    ours = network(config)
    exact, rough = (
        learn(ours, Optimiser(ours, STILL), [batch(6)], replace(STILL, dtype=dtype), 1.0)  # type: ignore[arg-type]
        for dtype in ("float32", "bfloat16")
    )
    assert rough.loss != exact.loss
    assert rough.loss == pytest.approx(exact.loss, rel=1e-2)
    assert {weight.dtype for weight in ours.parameters()} == {torch.float32}


def test_one_document_a_text_needs_no_mask() -> None:
    assert prepared(batch(0, parted=False), torch.device("cpu"))[1] is None
    assert prepared(batch(0), torch.device("cpu"))[1] is not None
    last = batch(0, parted=False)
    last.documents[:, -1] = 1  # only what is to be predicted belongs to another one
    tokens, documents, targets = prepared(last, torch.device("cpu"))
    assert documents is None
    assert (targets[:, -1] < 0).all()
    assert tokens.shape == targets.shape == (4, 12)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_that_cannot_be_taken_changes_nothing(config: TransformerConfig, where: str) -> None:
    training = Training(optimiser="adamw")
    ours = network(config)
    optimiser = Optimiser(ours, training)
    learn(ours, optimiser, [batch(7)], training, 1.0)
    if where == "loss":
        with torch.no_grad():
            ours.norm.weight[0] = float("inf")
    else:
        ours.norm.weight.register_hook(lambda gradient: gradient * float("nan"))
    before = [weight.detach().clone() for weight in ours.parameters()]
    kept = {name: tensor.clone() for name, tensor in optimiser.state().items()}
    with pytest.raises(
        FloatingPointError, match="the loss is nan" if where == "loss" else "length of its gradient nan"
    ):
        learn(ours, optimiser, [batch(8)], training, 1.0)
    for weight, old in zip(ours.parameters(), before, strict=True):
        assert torch.equal(weight, old)
        assert weight.grad is None
    assert all(torch.equal(tensor, kept[name]) for name, tensor in optimiser.state().items())


def test_the_error_names_step_and_texts(vocabulary: WordVocabulary) -> None:
    tokens = np.arange(20 * 4).reshape(20, 4) % vocabulary.size
    tokens[0, 0] = vocabulary.size  # a begin token that is no piece
    error = failure(9, "the loss is nan", [Block(tokens, tokens)], vocabulary)
    assert isinstance(error, TrainingError)
    assert "Step 9 was not taken: the loss is nan." in str(error)
    assert "those of step 8" in str(error)
    assert repr(vocabulary.decode([1, 2, 3])) in str(error)
    assert "and 12 more" in str(error)
