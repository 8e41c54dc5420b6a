"""The definition of `route` in NumPy, in the type of the scores: sorts that keep equal ones in order."""

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

GateKind: TypeAlias = Literal["softmax", "sigmoid"]
Numbers: TypeAlias = NDArray[Any]
Integers: TypeAlias = NDArray[np.int64]


class Routed(NamedTuple):
    """The result of `route`.  Choice n is the one of token n // k at place n % k.

    `chosen` int64 (N, k), each token's most wanted expert first, and `weights` (N, k) of the type of the scores.
    `order` int64 (N · k,) are all choices by expert, those of an expert by token, and order[inverse[n]] = n.  `offsets`
    int64 (E + 1,) says where the choices of each expert begin in `order`, and where the last one's end.
    """

    chosen: Integers
    weights: Numbers
    order: Integers
    inverse: Integers
    offsets: Integers


def route(scores: Numbers, active: int, bias: Numbers, gate: GateKind, normalise: bool) -> Routed:
    """Route tokens by their scores (N, E) and a bias (E,).

    Of experts that are wanted as much, the one with the lower number comes first.  A p that is no number is wanted as
    little as can be.
    """
    chances = opened(scores, gate)
    wanted = chances + bias
    wanted[np.isnan(wanted)] = -np.inf
    chosen = np.argsort(-wanted, axis=1, kind="stable")[:, :active].copy()
    weights = np.take_along_axis(chances, chosen, 1)
    if normalise:
        with np.errstate(invalid="ignore"):  # where all chances are zero, there are no shares
            weights = weights / weights.sum(1, keepdims=True)
    return Routed(chosen, weights, *arranged(chosen, scores.shape[1]))


def opened(scores: Numbers, gate: GateKind) -> Numbers:
    """p (N, E) of the scores: a softmax sums to 1 over the experts, of a sigmoid each is by itself."""
    with np.errstate(invalid="ignore", under="ignore"):
        if gate == "sigmoid":
            small = np.exp(-np.abs(scores))  # of −|s|, so that it is as exact far below zero as above
            return np.where(scores < 0, small, scores.dtype.type(1)) / (1 + small)
        raised = np.exp(scores - scores.max(1, keepdims=True))
        return raised / raised.sum(1, keepdims=True)


def arranged(chosen: Integers, count: int) -> tuple[Integers, Integers, Integers]:
    """`order`, `inverse` and `offsets` of choices (N, k) among `count` experts."""
    flat = chosen.reshape(-1)
    order = np.argsort(flat, kind="stable")
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return order, inverse, np.append(0, np.cumsum(np.bincount(flat, minlength=count)))
