"""What compiled code is given of a model: tables of addresses and sizes, and the small arrays that it reads by them.

matrices   int64 (matrices, FIELDS)     a row for each matrix, in the order in which they are read
layers     int64 (layers, PARTS)        a row for each layer: where its matrices begin, and what its feed-forward is
gains      float32 (layers + 1, …)      a row for each layer and one for the last norm: gain and bias of the norm
                                        before attention, of that before the feed-forward, gains of queries and keys
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.decode.weights import BENDS, Floats, Layer, Norm, Placed, Shape, Weights, placed, widened

FIELDS = 9
ADDRESS, KIND, ROWS, COLUMNS, STRIDE, BIAS, SCALES, GROUPS, GROUP = range(FIELDS)  # of a matrix; 0 is no address
PARTS = 9
FIRST, WINDOW, DENSE, BEND, EXPERTS, ACTIVE, SIGMOID, NORMALISE, CHOICE = range(PARTS)  # of a layer
FLOAT32, BFLOAT16, EIGHT = range(3)  # kinds of stored weights; three ways of eight bits, then of four
FOUR = EIGHT + 3
NO_WINDOW = 0


class Plan:
    """The tables of a model, in the order of the arguments of compiled code; `way` is that of `integers`."""

    def __init__(self, shape: Shape, weights: Weights, way: int) -> None:
        self._held: list[Floats] = []  # what addresses point to must live as long
        table = [self._record(one, way) for one in placed(shape, weights)]
        table[-1][ROWS] = shape.vocabulary
        matrices = np.array(table, np.int64)
        layers = np.array(self._layers(shape, weights), np.int64)
        centred = weights.norm.bias is not None
        normed = any(layer.query_norm is not None for layer in weights.layers)
        given = (float(shape.eps), float(shape.soft_cap or 0.0), centred, normed)
        self.given = (matrices, layers, _gains(shape, weights), *given)

    def _record(self, one: Placed, way: int) -> list[int]:
        weight, bias, scales = one.matrix
        kind = weight.dtype.name
        if kind == "uint8":
            assert scales is not None
            group, groups, told = 2 * weight.shape[1] // scales.shape[1], scales.shape[1], FOUR + way
            self._held.append(scales)
            steps = scales.ctypes.data
        else:
            group, groups, steps = 0, 0, self._address(scales)
            told = {"float32": FLOAT32, "uint16": BFLOAT16, "int8": EIGHT + way}[kind]
        stride = weight.strides[0] if len(weight) > 1 else weight.nbytes
        sizes = (len(weight), one.columns, stride)
        return [weight.ctypes.data, told, *sizes, self._address(bias), steps, groups, group]

    def _layers(self, shape: Shape, weights: Weights) -> list[list[int]]:
        found, first = list[list[int]](), 1
        for number, layer in enumerate(weights.layers):
            mixture, row = layer.mixture, [0] * PARTS
            row[FIRST], row[WINDOW] = first, shape.windows[number] if shape.windows else NO_WINDOW
            if layer.feed is not None:
                row[DENSE], row[BEND] = 1, BENDS.index("swiglu" if layer.feed.gate else shape.bend)
            if mixture is not None:
                row[EXPERTS], row[ACTIVE], row[SIGMOID] = len(mixture.experts), mixture.active, mixture.sigmoid
                row[NORMALISE], row[CHOICE] = mixture.normalise, self._address(mixture.bias)
            found.append(row)
            first += _count(layer)
        return found

    def _address(self, vector: NDArray[Any] | None) -> int:
        if vector is None:
            return 0
        self._held.append(np.array(widened(vector), np.float32))
        return self._held[-1].ctypes.data


def _count(layer: Layer) -> int:
    """How many matrices a layer has."""
    feeds = () if layer.feed is None else (layer.feed,)
    mixture = layer.mixture
    experts = () if mixture is None else mixture.experts
    return 4 + (mixture is not None) + sum(len(feed.matrices()) for feed in (*feeds, *experts))


def _gains(shape: Shape, weights: Weights) -> Floats:
    width, size = len(weights.norm.gain), shape.head_size
    found = np.ones((len(weights.layers) + 1, 4 * width + 2 * size), np.float32)
    for row, layer in zip(found, weights.layers, strict=False):
        row[: 2 * width], row[2 * width : 4 * width] = _norm(layer.attention_norm), _norm(layer.feed_norm)
        for at, gain in enumerate((layer.query_norm, layer.key_norm)):
            if gain is not None:
                row[4 * width + at * size :][:size] = widened(gain)
    found[-1, : 2 * width] = _norm(weights.norm)
    return found


def _norm(norm: Norm) -> Floats:
    gain = widened(norm.gain)
    return np.concatenate([gain, np.zeros_like(gain) if norm.bias is None else widened(norm.bias)])
