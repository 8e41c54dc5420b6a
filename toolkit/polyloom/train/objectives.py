"""What training makes small: the surprise at each next token, and what keeps a network in good order meanwhile.

    causal     Σ −ln p(next)                       over every token to learn that has one before it in its document
    z          Σ (ln Σ exp logits)²                keeps the logits near normalised    (PaLM, Chowdhery et al. 2022)
    balance    E · Σ_e f_e P_e                     f_e the share of choices, P_e the mean chance of expert e;
                                                   1 if all are even                    (Fedus et al. 2021)
    router z   mean (ln Σ exp scores)²             keeps the scores of a gate small     (Zoph et al. 2022)

The last two are means over the layers that have experts, and each layer is balanced for itself.  Losses are computed in
float32 whatever the network computes in.

The logits of a batch, (N, V), can take more memory than all else.  Beyond `LIMIT` bytes they are made and judged in
parts, and made again for the gradient, so that one part is all that is ever held.  Chances are written where the logits
were, and the gradient where the chances were: on a CPU fresh memory is what a softmax costs most.
B texts, T tokens, V pieces, d the width of the stream, N = B · T, E experts of which k are chosen.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType] - untyped

from polyloom.train.packing import ONLY_READ
from polyloom.transformer.experts import Route

NOTHING = -100  # the target of a token that has no next one to learn
LIMIT = 256 * 2**20  # bytes that logits may take at once
CACHED = 2**20  # bytes of them that are worked on while they are near the processor

Head = Callable[[Tensor], Tensor]
Judge = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


class Surprise(NamedTuple):
    """Sums over the tokens judged, each (): −ln p, and the squared logarithms of the normalisers."""

    nll: Tensor
    z: Tensor


def next_tokens(tokens: Tensor, documents: Tensor) -> Tensor:
    """The targets (B, T) of packed texts (B, T + 1): `NOTHING` where another document begins, or a token is marked."""
    begins, wanted = documents[:, 1:] != documents[:, :-1], tokens[:, 1:]
    return wanted.masked_fill(begins | (wanted >= ONLY_READ), NOTHING)


def surprise(stream: Tensor, head: Head, targets: Tensor, vocabulary: int) -> Surprise:
    """The surprise of a stream (B, T, d) at its targets (B, T), under the first `vocabulary` of the logits of `head`.

    The gradient can be taken once.
    """
    rows, wanted = stream.flatten(0, 1), targets.flatten()  # (N, d), (N,)
    size = max(1, LIMIT // (4 * vocabulary))
    if len(rows) <= size:
        return _judged(rows, head, wanted, vocabulary)
    parts: list[Surprise] = []
    for at in range(0, len(rows), size):
        given = (rows[at : at + size], head, wanted[at : at + size], vocabulary)
        parts.append(cast("Surprise", checkpoint(_judged, *given, use_reentrant=False)))
    return Surprise(torch.stack([part.nll for part in parts]).sum(), torch.stack([part.z for part in parts]).sum())


def _judged(rows: Tensor, head: Head, targets: Tensor, vocabulary: int) -> Surprise:
    judge = cast("Judge", _Judge.apply)  # pyright: ignore[reportUnknownMemberType] - untyped
    return Surprise(*judge(head(rows).float(), targets, vocabulary))


class _Judge(torch.autograd.Function):
    """Logits (n, rows), which it may overwrite, and targets (n,) to the two sums.

    With p = softmax(logits) and s the logarithm of the normaliser, the gradient of a · nll + b · z by the logits is
    a (p − [target]) + 2 b s p: one scaling of each row of p, and one number changed in it.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, vocabulary: int) -> tuple[Tensor, Tensor]:
        logits[:, vocabulary:] = float("-inf")  # rows that are never said
        at = targets.clamp_min(0)[:, None]  # (n, 1)
        chosen, normaliser = logits.gather(1, at)[:, 0], torch.empty_like(logits[:, 0])  # (n,)
        few = max(1, CACHED // (4 * logits.shape[1]))
        for start in range(0, len(logits), few):
            part = logits[start : start + few]
            logs = part.log_softmax(-1)
            normaliser[start : start + few] = part[:, 0] - logs[:, 0]
            torch.exp(logs, out=part)  # what were logits are chances from here on
        judged = targets != NOTHING  # (n,)
        normaliser = torch.where(judged, normaliser, 0.0)
        ctx.save_for_backward(logits, at, judged, normaliser)
        return torch.where(judged, normaliser - chosen, 0.0).sum(), normaliser.square().sum()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None, None]:
        chances, at, judged, normaliser = ctx.saved_tensors
        nll, z = grad_outputs
        nll = torch.where(judged, nll, 0.0)  # (n,)
        found = chances.mul_((nll + 2 * z * normaliser)[:, None])
        return found.scatter_add_(1, at, -nll[:, None]), None, None


def balance_loss(routes: Sequence[Route], sigmoid: bool = False) -> Tensor:
    """How uneven the choices of experts are, (): 1 when even, up to E when one gets all.

    The gradient goes through the chances alone; those of a sigmoid gate are divided by their sum first.
    """
    return torch.stack([_balance(route, sigmoid) for route in routes]).mean()


def _balance(route: Route, sigmoid: bool) -> Tensor:
    scores = route.scores.float()  # (N, E)
    raw = scores.sigmoid() if sigmoid else scores.softmax(-1)
    chances = (raw / raw.sum(-1, keepdim=True)).mean(0)  # (E,)
    return scores.shape[-1] * (route.load().detach() * chances).sum()


def router_z_loss(routes: Sequence[Route]) -> Tensor:
    """How large the scores of the gates are, ()."""
    return torch.stack([route.scores.float().logsumexp(-1).square().mean() for route in routes]).mean()
