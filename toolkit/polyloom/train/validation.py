"""The held-out loss: nats a token over texts that are not learned from, packed as those that are.

Texts are cut to the length of training, so what is judged at the start of a piece sees little before it: the number
compares with the losses of training and of other evaluations, and is a little above that of `model.perplexity`, which
reads with all the context there is.  The network is left as it was found.
"""

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import final

import numpy as np
from numpy.typing import NDArray

from polyloom.documents import Ids
from polyloom.train.objectives import NOTHING, surprise
from polyloom.train.packing import ONLY_READ, Block, packed
from polyloom.train.settings import Training
from polyloom.train.step import prepared
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.experts import Route

Floats = NDArray[np.float64]


@final
class Validation:
    """Judges a network on the first `evaluate_tokens` tokens or so of held-out documents."""

    def __init__(self, documents: Sequence[Ids], begin: int | None, training: Training) -> None:
        length = training.length or 1
        most = -(-training.evaluate_tokens // length)  # rows
        rows = list(islice(filter(_judgeable, packed(documents, length, begin)), most))
        self._batches = [_together(rows[at : at + training.batch]) for at in range(0, len(rows), training.batch)]

    def __bool__(self) -> bool:
        return bool(self._batches)

    def judge(self, network: Decoder) -> tuple[float, Floats | None]:
        """The loss, and the share of the tokens that each expert got, (layers, experts) or None."""
        with _still(network):
            found = [self._judged(network, batch) for batch in self._batches]
        count = sum(number for _, number, _ in found)
        loads = [load * (number / count) for _, number, load in found if load is not None]
        return math.fsum(nll for nll, _, _ in found) / count, np.sum(loads, axis=0) if loads else None

    def _judged(self, network: Decoder, batch: Block) -> tuple[float, int, Floats | None]:
        tokens, documents, targets = prepared(batch, network.embedding.weight.device, network.soft)
        routes: list[Route] = []
        stream = network.stream(tokens, documents, routes)
        nll = surprise(stream, network.head, targets, network.config.vocabulary_size).nll
        loads = [route.load().double().cpu().numpy() for route in routes]
        return float(nll), int((targets != NOTHING).sum()), np.stack(loads) if loads else None


@contextmanager
def _still(network: Decoder) -> Generator[None]:
    """Without dropout and without gradients.

    They are switched off at the weights: under `no_grad` a few tokens may be read by compiled code from the moment it
    is ready, which rounds differently, and two runs would no longer be equal bit for bit.
    """
    training, recompute = network.training, network.recompute
    moving = [weight for weight in network.parameters() if weight.requires_grad]
    network.eval().requires_grad_(False)
    network.recompute = False
    try:
        yield
    finally:
        network.train(training).recompute = recompute
        for weight in moving:
            weight.requires_grad_(True)


def _judgeable(row: Block) -> bool:
    """Not if all that a row could be judged by is only read."""
    marked, within = row.tokens >= ONLY_READ, row.documents[1:] == row.documents[:-1]
    return not marked.any() or bool((within & ~marked[1:]).any())


def _together(rows: Sequence[Block]) -> Block:
    return Block(np.stack([row.tokens for row in rows]), np.stack([row.documents for row in rows]))
