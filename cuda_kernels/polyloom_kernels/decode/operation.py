"""`decode` as it is called: a model is checked once, then asked token by token.

    x = embedding[token]
    for each layer:
        h = norm(x)                                      norm(x) = x / √(mean x² + ε) · g
        q, k, v = Wq h + b, Wk h + b, Wv h + b           per head: norm(q), norm(k) if the model has it; then turned
        cache[layer, :, position] = k, v
        x += Wo · softmax(q · K / √size) V               over the positions that the layer's window lets see
        h = norm(x)
        x += Wd (silu(Wg h) · Wu h)
    logits = cap · tanh(W norm(x) / cap)                 or W norm(x), without a cap

Turned: pairs (x_i, x_{i + half}) of a head become (x_i c_i − x_{i + half} s_i, x_{i + half} c_i + x_i s_i), the cosines
and sines being the caller's.  Everything is float32 but the stored weights, which are read as they are.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.decode import reference
from polyloom_kernels.decode.weights import STORED, Floats, Layer, Matrix, Shape, Weights, check, widened
from polyloom_kernels.jit import Backend, Compiled

COMPILED = Compiled("polyloom_kernels.decode.cpu")


class Cache(NamedTuple):
    """Keys and values of a text, each float32 (layers, kv_heads, capacity, head_size); the caller owns them."""

    keys: Floats
    values: Floats


@dataclass(frozen=True, eq=False)
class Machine:
    """A model that is ready to be asked, by any number of threads; each text has a cache of its own."""

    shape: Shape
    weights: Weights
    backend: Backend = "auto"
    _plan: "_Plan" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check(self.shape, self.weights)
        object.__setattr__(self, "_plan", _Plan(self.shape, self.weights))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has arrays of its own, so no address goes with it."""
        return Machine, (self.shape, self.weights, self.backend)

    @cached_property
    def nbytes(self) -> int:
        """The bytes of weights that are read for one token."""
        return sum(matrix.weight.nbytes for matrix in list(self.weights.matrices())[1:])

    def cache(self, capacity: int) -> Cache:
        """Room for so many positions, zero."""
        size = (len(self.weights.layers), self.shape.kv_heads, capacity, self.shape.head_size)
        return Cache(np.zeros(size, np.float32), np.zeros(size, np.float32))

    def step(
        self, token: int, position: int, cache: Cache, turn: Floats | None = None, out: Floats | None = None
    ) -> Floats:
        """Logits of what follows `token`, float32 (V,), into `out` if given; writes the cache at `position`.

        `turn` (2, head_size / 2) are the cosines and sines of this place; without it nothing is turned.  The positions
        before must have been written.  Raises ValueError for a token, a place or an array that does not fit.
        """
        self._check(token, position, cache)
        turned = self._turn(turn)
        logits = np.empty(self.shape.vocabulary, np.float32) if out is None else out
        if logits.dtype != np.float32 or logits.shape != (self.shape.vocabulary,) or not logits.flags.c_contiguous:
            raise ValueError(f"Expected room for {self.shape.vocabulary} float32 logits, got {_told(logits)}.")
        compiled = COMPILED.chosen(self.backend)
        if compiled is None:
            logits[:] = reference.step(self.shape, self.weights, token, position, *cache, turned)
        else:
            compiled.step(*self._plan.given, int(token), int(position), *cache, turned, logits)
        return logits

    def _check(self, token: int, position: int, cache: Cache) -> None:
        rows = len(self.weights.embedding.weight)
        if not 0 <= token < rows:
            raise ValueError(f"A token must be from 0 to {rows - 1}, got {token}.")
        layers, shape = len(self.weights.layers), self.shape
        for part in cache:
            capacity = part.shape[2] if part.ndim == 4 else 0
            expected = (layers, shape.kv_heads, capacity, shape.head_size)
            fits = part.dtype == np.float32 and part.shape == expected and part.flags.c_contiguous
            if not fits or not part.flags.writeable:
                raise ValueError(
                    f"Expected a writable cache of float32 ({layers}, {shape.kv_heads}, positions, {shape.head_size}), "
                    f"got {_told(part)}."
                )
            if not 0 <= position < capacity:
                raise ValueError(f"The cache has room for positions 0 to {capacity - 1}, got {position}.")

    def _turn(self, turn: Floats | None) -> Floats:
        half = self.shape.head_size // 2
        if turn is None:
            return np.repeat(np.array([[1], [0]], np.float32), half, 1)
        if turn.shape != (2, half):
            raise ValueError(f"Expected cosines and sines of shape (2, {half}), got {_told(turn)}.")
        return np.array(turn, np.float32)


def prepare(shape: Shape, weights: Weights, backend: Backend = "auto") -> Machine:
    """Check a model once; the matrices are referenced, never copied.

    With "auto", NumPy answers until the compiled code is ready; its logits differ in the last bits.  Raises ValueError
    naming the array that does not fit.
    """
    return Machine(shape, weights, backend)


class _Plan:
    """What compiled code is given: addresses and sizes, and the small arrays that it reads by address."""

    def __init__(self, shape: Shape, weights: Weights) -> None:
        self.held: list[Floats] = []  # what addresses point to must live as long
        plan = np.array([self._record(matrix) for matrix in weights.matrices()], np.int64)
        windows = np.array(shape.windows or (0,) * len(weights.layers), np.int64)
        normed = any(layer.query_norm is not None for layer in weights.layers)
        gains = np.ones((len(weights.layers) + 1, 2 * weights.embedding.weight.shape[1] + 2 * shape.head_size))
        gains = gains.astype(np.float32)
        for row, layer in zip(gains, weights.layers, strict=False):
            gain = _gains(layer)
            row[: len(gain)] = gain
        gains[-1, : len(weights.norm)] = widened(weights.norm)
        self.given = (plan, windows, gains, normed, float(shape.eps), float(shape.soft_cap or 0.0))

    def _record(self, matrix: Matrix) -> tuple[int, ...]:
        """Address, kind, columns, addresses of bias and scales or 0."""
        weight = matrix.weight
        kind = STORED.index(weight.dtype.name)
        return weight.ctypes.data, kind, weight.shape[1], self._address(matrix.bias), self._address(matrix.scales)

    def _address(self, vector: NDArray[Any] | None) -> int:
        if vector is None:
            return 0
        self.held.append(np.array(widened(vector), np.float32))
        return self.held[-1].ctypes.data


def _gains(layer: Layer) -> Floats:
    parts = (layer.attention_norm, layer.feed_norm, layer.query_norm, layer.key_norm)
    return np.concatenate([widened(part) for part in parts if part is not None])


def _told(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}{'' if array.flags.c_contiguous else ', not contiguous'}"


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None
