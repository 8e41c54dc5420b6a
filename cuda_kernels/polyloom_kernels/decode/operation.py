"""`decode` as it is called: a model is checked once, then asked token by token.

    x = embedding[token]                                 and what positions add, if they do
    for each layer:
        h = norm(x)                                      norm(x) = x / √(mean x² + ε) · g, or a LayerNorm
        q, k, v = Wq h + b, Wk h + b, Wv h + b           per head: norm(q), norm(k) if the model has it; then turned
        cache[layer, :, position] = k, v
        x += Wo · softmax(q · K / √size) V               over the positions that the layer's window lets see
        h = norm(x)
        x += Wd (silu(Wg h) · Wu h)                      or Wd bend(Wu h); the same of each chosen expert, times its p
    logits = cap · tanh(W norm(x) / cap)                 or W norm(x), without a cap

Turned: pairs (x_i, x_{i + half}) of a head become (x_i c_i − x_{i + half} s_i, x_{i + half} c_i + x_i s_i), the cosines
and sines being the caller's.  Everything is float32 but the stored weights, which are read as they are.

What meets weights of 8 or 4 bits is rounded to 8 bits first (see `product`), so that their sums are whole numbers.
Such a model says the same, to the last bit, on every processor of a kind, however many threads read it and however
many tokens are read at once; but a rounding that falls the other way, as in NumPy, shows in later layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.decode import reference
from polyloom_kernels.decode.helpers import Helpers
from polyloom_kernels.decode.plan import Plan
from polyloom_kernels.decode.weights import Floats, Shape, Weights, check, placed
from polyloom_kernels.jit import Backend, Compiled

COMPILED = Compiled("polyloom_kernels.decode.cpu")


class Cache(NamedTuple):
    """Keys and values of a text, each float32 (layers, kv_heads, capacity, head_size); the caller owns them."""

    keys: Floats
    values: Floats


@dataclass(frozen=True, eq=False)
class Machine:
    """A model that is ready to be asked, by any number of threads; each text has a cache of its own.

    `threads` read each token together.  `way` is how whole numbers are multiplied (see `integers`), by default the
    fastest that the processor knows.
    """

    shape: Shape
    weights: Weights
    backend: Backend = "auto"
    threads: int = 1
    way: int | None = None
    _plans: dict[int, Plan] = field(init=False, repr=False, default_factory=dict[int, Plan])
    _helpers: Helpers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check(self.shape, self.weights)
        if isinstance(self.threads, bool) or not isinstance(self.threads, int) or self.threads < 1:  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise ValueError(f"Expected at least one thread, got {self.threads!r}.")
        object.__setattr__(self, "_helpers", Helpers(self.threads))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has arrays of its own, so no address goes with it."""
        return Machine, (self.shape, self.weights, self.backend, self.threads, self.way)

    @cached_property
    def nbytes(self) -> int:
        """The bytes of weights that are read for one token, those of as many experts as are active included."""
        found = 0.0
        for one in list(placed(self.shape, self.weights))[1:]:
            scales = 0 if one.matrix.scales is None else one.matrix.scales.nbytes
            found += one.share * (one.matrix.weight.nbytes + scales)
        return round(found)

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
        turns, logits = None if turn is None else turn[None], None if out is None else out[None]
        found = self.read((token,), position, cache, turns, out=logits)[0]
        return found if out is None else out

    def read(
        self,
        tokens: Sequence[int] | NDArray[np.int64],
        position: int,
        cache: Cache,
        turns: Floats | None = None,
        added: Floats | None = None,
        last: int = 1,
        out: Floats | None = None,
        parts: Floats | None = None,
    ) -> Floats:
        """Logits after the `last` of n tokens, float32 (last, V); the first of them stands at `position`.

        As one by one, to the last bit.  `turns` (n, 2, head_size / 2) turn queries and keys, `added` (n, width) is
        added to the embeddings.  `parts` (2 · layers + 3, width) takes what was added to the stream of the last token:
        embedding, positions, attention and feed-forward of each layer; and at its end the last norm, which the output
        matrix is given.  Raises ValueError for what does not fit.
        """
        ids = np.array(tokens, np.int64)
        self._check(ids, position, cache, last)
        turned, more, noted = self._turns(turns, len(ids)), self._added(added, len(ids)), self._noted(parts)
        logits = np.empty((last, self.shape.vocabulary), np.float32) if out is None else out
        if logits.dtype != np.float32 or logits.shape != (last, self.shape.vocabulary) or not _whole(logits):
            raise ValueError(f"Expected {last} times room for {self.shape.vocabulary} float32 logits, {_told(logits)}.")
        compiled = COMPILED.chosen(self.backend)
        if compiled is None:
            self._refer(ids, position, cache, turned, more, logits, noted)
        else:
            self._run(compiled, (ids, int(position), more, *cache, turned, logits, noted))
        return logits

    def _run(self, compiled: ModuleType, given: tuple[Any, ...]) -> None:
        with self._helpers.gang(compiled) as gang:
            compiled.read(*self._plan(compiled).given, *given, gang)

    def _plan(self, compiled: ModuleType) -> Plan:
        way = compiled.ways()[-1] if self.way is None else self.way
        if way not in self._plans:
            self._plans[way] = Plan(self.shape, self.weights, way)
        return self._plans[way]

    def _refer(
        self,
        ids: NDArray[np.int64],
        position: int,
        cache: Cache,
        turns: Floats,
        added: Floats,
        out: Floats,
        parts: Floats,
    ) -> None:
        for n, token in enumerate(ids.tolist()):
            more, noted = added[n] if len(added) else None, parts if len(parts) and n == len(ids) - 1 else None
            found = reference.step(self.shape, self.weights, token, position + n, *cache, turns[n], more, noted)
            if n >= len(ids) - len(out):
                out[n - len(ids)] = found

    def _check(self, ids: NDArray[np.int64], position: int, cache: Cache, last: int) -> None:
        rows = len(self.weights.embedding.weight)
        if ids.ndim != 1 or not 1 <= last <= len(ids):
            raise ValueError(f"Expected tokens (n,) and from 1 to n that are answered, got {ids.shape} and {last}.")
        for token in (int(ids.min()), int(ids.max())):
            if not 0 <= token < rows:
                raise ValueError(f"A token must be from 0 to {rows - 1}, got {token}.")
        layers, shape = len(self.weights.layers), self.shape
        for part in cache:
            capacity = part.shape[2] if part.ndim == 4 else 0
            expected = (layers, shape.kv_heads, capacity, shape.head_size)
            fits = part.dtype == np.float32 and part.shape == expected and _whole(part)
            if not fits or not part.flags.writeable:
                raise ValueError(
                    f"Expected a writable cache of float32 ({layers}, {shape.kv_heads}, positions, {shape.head_size}), "
                    f"{_told(part)}."
                )
            if not 0 <= position <= capacity - len(ids):
                raise ValueError(
                    f"The cache has room for positions 0 to {capacity - 1}, got {position + len(ids) - 1}."
                )

    def _turns(self, turns: Floats | None, count: int) -> Floats:
        half = self.shape.head_size // 2
        if turns is None:
            still = np.repeat(np.array([[1], [0]], np.float32), half, 1)
            return np.repeat(still[None], count, 0)
        if turns.shape != (count, 2, half):
            raise ValueError(f"Expected cosines and sines of shape (2, {half}) for each of {count}, {_told(turns)}.")
        return np.array(turns, np.float32)

    def _added(self, added: Floats | None, count: int) -> Floats:
        width = len(self.weights.norm.gain)
        if added is None:
            return np.empty((0, width), np.float32)
        if added.shape != (count, width):
            raise ValueError(f"Expected what positions add, of shape ({count}, {width}), {_told(added)}.")
        return np.array(added, np.float32)

    def _noted(self, parts: Floats | None) -> Floats:
        width = len(self.weights.norm.gain)
        if parts is None:
            return np.empty((0, width), np.float32)
        expected = (2 * len(self.weights.layers) + 3, width)
        if parts.dtype != np.float32 or parts.shape != expected or not _whole(parts) or not parts.flags.writeable:
            raise ValueError(f"Expected room for parts, float32 {expected}, {_told(parts)}.")
        return parts


def prepare(
    shape: Shape, weights: Weights, backend: Backend = "auto", threads: int = 1, way: int | None = None
) -> Machine:
    """Check a model once; the matrices are referenced, never copied.

    With "auto", NumPy answers until the compiled code is ready; its logits differ in the last bits, and by a rounding
    here and there where weights are whole numbers.  Raises ValueError naming the array that does not fit.
    """
    return Machine(shape, weights, backend, threads, way)


def _whole(array: NDArray[Any]) -> bool:
    return array.flags.c_contiguous


def _told(array: NDArray[Any]) -> str:
    return f"got {array.dtype} {array.shape}{'' if _whole(array) else ', not contiguous'}"


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None
