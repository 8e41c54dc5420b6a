"""What is drawn of a reading: pictures of one byte a cell, and three figures for each head.

    cell = round(255 √share)         the eye sees small shares; (cell / 255)² is within 0.004 of the share

A picture is named by a list: ["head", layer, head], ["heads", layer, head, head, …] the mean of some, ["layer", layer]
the mean of a layer's heads, ["all"] the mean of all, ["rollout"] what flows from key to query through all layers (Abnar
and Zuidema 2020): with A the mean of a layer's heads, the product of (A + 1) / 2, first layer to last; residual streams
carry the other half.

Figures: the entropy of a head's rows in bits, the mean distance of what it looks at in tokens, and the share that goes
to the first token, where heads with nothing to do rest (Xiao et al. 2023, "attention sinks").  Each is a mean over
queries.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError
from polyloom_widgets.attention.reading import Reading, Weights

Bytes = NDArray[np.uint8]
Key = list[Any]
THUMB = 24  # cells of a thumbnail's side, at most
KINDS = {"head": (2,), "heads": range(3, 10**6), "layer": (1,), "all": (0,), "rollout": (0,)}
NAMES = '["head", layer, head], ["heads", layer, head, head], ["layer", layer], ["all"] or ["rollout"]'


def cells(weights: Weights) -> Bytes:
    """Shares as bytes."""
    return np.rint(255 * np.sqrt(np.clip(weights, 0, 1))).astype(np.uint8)


def picture(reading: Reading, key: Key) -> Weights:
    """The shares (Q, K) of a picture; InputError for one that there is not."""
    kind, *numbers = checked(reading, key)
    if kind in ("head", "heads"):
        layer, *heads = numbers
        return reading.weights[reading.layers.index(layer), heads].mean(0)
    if kind == "layer":
        return reading.weights[reading.layers.index(numbers[0])].mean(0)
    if kind == "all":
        return reading.weights.mean((0, 1))
    return rollout(reading)


def rollout(reading: Reading) -> Weights:
    """What flows from each key to each query through the layers of the reading, (Q, K)."""
    if not reading.itself:
        raise InputError("Attention rolls out where a text looks at itself.")
    flow = np.eye(len(reading.keys), dtype=np.float32)
    for layer in reading.weights.mean(1):
        flow = ((layer + np.eye(len(layer), dtype=np.float32)) / 2) @ flow
    return flow


def checked(reading: Reading, key: object) -> Key:
    """The name of a picture that there is."""
    given: Key = list(cast("list[Any]", key)) if isinstance(key, (list, tuple)) else [key]
    numbers = given[1:]
    known = bool(given) and isinstance(given[0], str) and len(numbers) in KINDS.get(given[0], ())
    if not known or any(isinstance(n, bool) or not isinstance(n, int) for n in numbers):
        raise InputError(f"Expected {NAMES}, got {key!r}.")
    if numbers and numbers[0] not in reading.layers:
        raise InputError(f"There is no layer {numbers[0]}: they are {reading.layers[0]} … {reading.layers[-1]}.")
    if strange := [head for head in numbers[1:] if not 0 <= head < reading.heads]:
        raise InputError(f"There is no head {strange[0]}: they are 0 … {reading.heads - 1}.")
    return given


def figures(reading: Reading) -> NDArray[np.float32]:
    """Entropy (bits), distance (tokens) and the first token's share of every head, float32 (L, H, 3)."""
    found = np.empty((len(reading.layers), reading.heads, 3), np.float32)
    away = np.abs(np.arange(len(reading.queries))[:, None] - np.arange(len(reading.keys)))
    for layer, weights in zip(found, reading.weights, strict=True):  # a layer at a time, for the memory
        logs = np.log2(weights, out=np.zeros_like(weights), where=weights > 0)
        layer[:, 0] = -(weights * logs).sum(-1).mean(-1)
        layer[:, 1] = (weights * away).sum(-1).mean(-1)
        layer[:, 2] = weights[..., 0].mean(-1)
    return found


def thumbs(reading: Reading) -> Bytes:
    """A small picture of every head, bytes (L, H, side, side'): each cell the largest share that falls into it."""
    rows, columns = edges(len(reading.queries), THUMB), edges(len(reading.keys), THUMB)
    less = [np.maximum.reduceat(layer, rows, axis=1) for layer in reading.weights]
    return np.stack([cells(np.maximum.reduceat(layer, columns, axis=2)) for layer in less])


def edges(count: int, most: int) -> list[int]:
    """Where `most` stretches of so many cells begin, or each cell where there are fewer."""
    side = min(count, most)
    return [n * count // side for n in range(side)]
