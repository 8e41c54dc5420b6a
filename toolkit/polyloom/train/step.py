"""One step: batches in, weights moved once.

    loss = Σ nll / n  +  z · Σ z / n  +  what the config asks of its experts        n tokens of all batches together

Several batches give the gradient of their union, since each sum is divided by the number of tokens of all of them; only
the balance of experts is judged batch by batch.  The gradient is clipped by its length over all weights.  Before any
weight is moved, loss and gradient are looked at: if they are no numbers the step fails, says which texts it was
reading, and the network is what it was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polyloom.errors import TrainingError
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.train.objectives import NOTHING, balance_loss, next_tokens, router_z_loss, surprise
from polyloom.train.optimisers import Optimiser
from polyloom.train.packing import ONLY_READ, Block
from polyloom.train.settings import Training
from polyloom.transformer.decoder import FOR_ALL, Decoder
from polyloom.transformer.experts import Route

SHOWN = 8  # texts of a batch that an error shows, and tokens of each
TOKENS = 12


@dataclass(frozen=True)
class Learned:
    """What a step found before it moved the weights: nats a token, the length of the gradient, tokens judged."""

    loss: float
    gradient: float
    tokens: int


def learn(
    network: Decoder, optimiser: Optimiser, batches: Sequence[Block], training: Training, factor: float
) -> Learned:
    """Move the weights of `network` once, at `factor` times the rates; FloatingPointError if that cannot be done."""
    given = [prepared(batch, network.embedding.weight.device, network.soft) for batch in batches]
    count = sum(int((targets != NOTHING).sum()) for _, _, targets in given)
    total, routes = 0.0, list[Route]()
    for tokens, documents, targets in given:
        nll, objective, seen = _objective(network, tokens, documents, targets, training, count)
        if not (math.isfinite(nll) and bool(torch.isfinite(objective))):
            optimiser.clear()
            raise FloatingPointError(f"the loss is {nll / max(1, count):g}")
        objective.backward()  # pyright: ignore[reportUnknownMemberType] - untyped
        total, routes = total + nll, routes + seen
    length = _clipped(network, training.clip)
    if not math.isfinite(length):
        optimiser.clear()
        raise FloatingPointError(f"the loss is {total / max(1, count):g}, but the length of its gradient {length:g}")
    optimiser.step(factor)
    optimiser.clear()
    network.rebalance(routes, factor)
    return Learned(total / max(1, count), length, count)


def prepared(batch: Block, device: torch.device, soft: Sequence[int] = ()) -> tuple[Tensor, Tensor | None, Tensor]:
    """Tokens and documents (B, T), None where each text is one document, and targets (B, T), on a device.

    `soft` are the ids of a soft prompt: they open each row once, since it looks to each document as if it were its own.
    """
    tokens, documents = torch.as_tensor(batch.tokens).to(device), torch.as_tensor(batch.documents).to(device)
    parted = bool((documents[:, 1:-1] != documents[:, :-2]).any())  # a causal mask alone is faster
    bare = tokens[:, :-1] & (ONLY_READ - 1)
    numbers, targets = documents[:, :-1] if parted else None, next_tokens(tokens, documents)
    if not soft:
        return bare, numbers, targets
    front = torch.tensor(soft, device=device).expand(len(bare), -1)
    numbers = None if numbers is None else torch.cat([torch.full_like(front, FOR_ALL), numbers], 1)
    return torch.cat([front, bare], 1), numbers, torch.cat([torch.full_like(front, NOTHING), targets], 1)


def failure(step: int, what: str, batches: Sequence[Block], vocabulary: Vocabulary) -> TrainingError:
    """The error of a step that could not be taken, naming the texts it was reading."""
    read = (row & (ONLY_READ - 1) for batch in batches for row in batch.tokens)
    rows = [row[row < vocabulary.size][:TOKENS] for row in read]
    texts = ", ".join(repr(vocabulary.decode(row)) for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return TrainingError(
        f"Step {step} was not taken: {what}. The weights are those of step {step - 1}. It was reading the texts that "
        f"begin {texts}{more}. Try a smaller learning rate or a longer warm-up; if it is always these texts, see them."
    )


def _objective(
    network: Decoder, tokens: Tensor, documents: Tensor | None, targets: Tensor, training: Training, count: int
) -> tuple[float, Tensor, list[Route]]:
    """The sum of the surprise, what to make small (), and where the tokens went."""
    config, noted = network.config, list[Route]()
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=training.dtype == "bfloat16"):
        stream = network.stream(tokens, documents, noted)
        routes = list(noted)  # blocks that are computed again would note them again
        found = surprise(stream, network.head, targets, config.vocabulary_size)
    objective = (found.nll + training.z_loss * found.z) / max(1, count)
    experts = config.experts
    if experts is not None and routes:
        share = int((targets != NOTHING).sum()) / max(1, count)
        if experts.balance == "loss":
            objective = objective + share * experts.balance_loss * balance_loss(routes, experts.gate == "sigmoid")
        objective = objective + share * experts.z_loss * router_z_loss(routes)
    return float(found.nll.detach()), objective, routes


def _clipped(network: Decoder, longest: float | None) -> float:
    """The length of the gradient, which is cut to `longest` afterwards."""
    weights = [weight for weight in network.parameters() if weight.grad is not None]
    length = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    if longest is not None and bool(torch.isfinite(length)):
        torch.nn.utils.clip_grads_with_norm_(weights, longest, length)
    return float(length)
