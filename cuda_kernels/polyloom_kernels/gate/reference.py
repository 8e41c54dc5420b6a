"""The definition of `gate` in NumPy."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def features(order: int, known: Floats, told: Floats) -> Floats:
    """What a gate goes by, float64 (T, 1 + 4 contexts + order): nothing in it says which words they are.

    `known` (2 · tables, T) and `told` (2 H, T) hold how often each context came, then with how many kinds of tokens, of
    the tables and of what is remembered.  1; of each context but the first table's ln(1 + how often), whether it came,
    kinds / how often, whether there was one kind; and, one of `order`, how many of the chain's contexts came.
    """
    tables, heard = len(known) // 2, len(told) // 2
    often = np.concatenate([known[1:tables], told[:heard]])
    kinds = np.concatenate([known[tables + 1 :], told[heard:]])
    depth = np.count_nonzero(known[1:order] > 0, axis=0)
    parts = [np.ones((1, known.shape[1])), np.log1p(often), often > 0, kinds / np.maximum(often, 1.0), kinds == 1]
    return np.concatenate([part.astype(np.float64) for part in (*parts, depth == np.arange(order)[:, None])]).T


def shape_of(tables: int, order: int, heard: int) -> tuple[int, int]:
    """Features and components of a gate over so many tables, `order` of them the chain's, and remembered contexts."""
    return 1 + 4 * (tables - 1 + heard) + order, 1 + tables - order + heard


def opened(gate: Floats, floor: float, known: Floats) -> Floats:
    """The share of each component, float64 (T, K), for features (T, F) and a gate (F, K): a softmax with a floor."""
    score = known @ gate
    shares = np.exp(score - score.max(1, keepdims=True))
    return (1 - floor) * shares / shares.sum(1, keepdims=True) + floor / gate.shape[1]


def slope(gate: Floats, floor: float, parts: Floats, known: Floats, places: Integers) -> Floats:
    """What the mean log-likelihood of some places gains with each weight, float64 (F, K).

    `parts` (T, K) are the chances of the tokens that came, `known` (T, F) the features.
    """
    some, given = parts[places], known[places]
    shares = opened(gate, 0.0, given)
    mixed = (1 - floor) * shares + floor / gate.shape[1]
    pulled = (1 - floor) * shares * some / (mixed * some).sum(1, keepdims=True)
    return given.T @ (pulled - shares * pulled.sum(1, keepdims=True)) / len(places)
