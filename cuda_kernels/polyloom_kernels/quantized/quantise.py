"""Weights of a linear map in fewer bits: rounded to the nearest multiple of a step, which is stored beside them.

    int8    w ≈ s_row · q               q from −127 to 127, a step for each row
    int4    w ≈ s_(row, group) · q      q from −8 to 7, a step for each group of columns of each row

The step of int8 is the largest |w| of the row over 127, so nothing is cut off and |w − s q| ≤ s / 2.  Four bits are
too few for that: of a few steps around the one that has −8 meet the largest |w|, each group takes the one with the
smallest squared error, a little of the extremes being cut off if that makes all else finer.

In memory, all row after row, for a matrix (n, k):

    Int8    weight  int8 (n, k)
            scales  float32 (n,)
    Int4    packed  uint8 (n, K / 2), K being k rounded up to whole groups
            scales  uint16 (n, K / group), the bits of a bfloat16, whose float32 is `bits << 16`; they may be negative

`Int8` is what `decode.Matrix(weight, bias, scales)` reads.  In `Int4` a number q is stored as q + 8, from 0 to 15, so
that it is an unsigned operand; 32 columns are a block of 16 bytes, whatever the group is: byte j of a block holds its
column j in the lower four bits and column j + 16 in the upper four.  So 16 bytes, the largest load of a GPU's thread,
are 32 columns in a row, and on a processor one mask and one shift of a vector of bytes give two vectors of operands:

    Σ_c q_c x_c = Σ_c (q_c + 8) x_c − 8 Σ_c x_c          the last sum is the same for all rows

Columns behind k are stored as q = 0.  Rounding to nearest, symmetric, after Dettmers et al. (2022) and Frantar et al.
(2023), which go on to choose better than nearest.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float32]

BLOCK = 32  # columns of 16 bytes of int4
GROUPS = (32, 64, 128)  # columns that can share a step
FACTORS = tuple(0.8 + 0.05 * n for n in range(8))  # of the step that has −8 meet the largest |w|; 8/7 cuts off nothing
LARGEST = 1e38  # a weight rounded up still is a float32
TOGETHER = 1 << 18  # weights quantised at a time, so that what is made in between stays in the cache


class Int8(NamedTuple):
    """`weight` int8 (n, k) and `scales` float32 (n,): w ≈ scales[row] · weight[row, column]."""

    weight: NDArray[np.int8]
    scales: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.weight.shape[0], self.weight.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of weights and scales."""
        return self.weight.nbytes + self.scales.nbytes

    def dense(self) -> Floats:
        """The matrix, float32 (n, k)."""
        return self.weight * self.scales[:, None]


class Int4(NamedTuple):
    """`packed` uint8 (n, K / 2) and `scales` uint16 (n, K / group) of a matrix (n, columns); see the module."""

    packed: NDArray[np.uint8]
    scales: NDArray[np.uint16]
    columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.packed.shape[0], self.columns

    @property
    def group(self) -> int:
        """Columns that share a step."""
        return 2 * self.packed.shape[1] // self.scales.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of weights and scales."""
        return self.packed.nbytes + self.scales.nbytes

    def numbers(self) -> NDArray[np.int8]:
        """q for each column, those behind the last included: int8 (n, K)."""
        blocks = self.packed.reshape(len(self.packed), -1, BLOCK // 2)
        pair = np.concatenate([blocks & 15, blocks >> 4], 2)  # (n, blocks, 32)
        return pair.reshape(len(self.packed), -1).astype(np.int8) - np.int8(8)

    def dense(self) -> Floats:
        """The matrix, float32 (n, k)."""
        steps = np.repeat(_real(self.scales), self.group, 1)
        return (steps * self.numbers())[:, : self.columns]


Quantised: TypeAlias = Int8 | Int4


def int8(weight: ArrayLike) -> Int8:
    """The nearest `Int8` of a matrix of real numbers (n, k), read as float32; a row of zeros has a step of 0.

    Raises ValueError if it is no matrix of at least one number, or has one that is not finite or beyond 1e38.
    """
    matrix = _checked(weight)
    held, scales = np.empty(matrix.shape, np.int8), np.empty(len(matrix), np.float32)
    for rows in _pieces(matrix):
        part = matrix[rows]
        scales[rows] = np.abs(part).max(1) / np.float32(127)
        held[rows] = _nearest(part, scales[rows, None], 127, 127)
    return Int8(held, scales)


def int4(weight: ArrayLike, group: int = 64) -> Int4:
    """The `Int4` of a matrix of real numbers (n, k), read as float32, with a step for each `group` columns.

    Raises ValueError if it is no matrix of at least one number, has one that is not finite or beyond 1e38, or if
    `group` is not 32, 64 or 128.
    """
    if isinstance(group, bool) or not isinstance(group, int) or group not in GROUPS:  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise ValueError(f"The columns that share a step must be {', '.join(map(str, GROUPS))}, got group={group!r}.")
    matrix = _checked(weight)
    groups = -(-matrix.shape[1] // group)
    packed = np.empty((len(matrix), groups * group // 2), np.uint8)
    scales = np.empty((len(matrix), groups), np.uint16)
    for rows in _pieces(matrix):
        padded = np.zeros((len(matrix[rows]), groups * group), np.float32)
        padded[:, : matrix.shape[1]] = matrix[rows]
        numbers, scales[rows] = _grouped(padded.reshape(len(padded), groups, group))
        packed[rows] = _packed(numbers.reshape(len(padded), -1))
    return Int4(packed, scales, matrix.shape[1])


def _checked(weight: ArrayLike) -> Floats:
    given = np.asarray(weight)
    if given.dtype.kind != "f" or given.ndim != 2 or not given.size:
        raise ValueError(f"Expected a matrix of real numbers (rows, columns), got {given.dtype} {given.shape}.")
    with np.errstate(over="ignore"):  # becomes infinite, which is told below
        matrix = given.astype(np.float32, copy=False)
    fits = np.abs(matrix) <= LARGEST
    if not fits.all():
        row, column = np.argwhere(~fits)[0].tolist()
        found = given[row, column]
        raise ValueError(f"A weight must be from -{LARGEST} to {LARGEST}, got {found} in row {row}, column {column}.")
    return matrix


def _pieces(matrix: Floats) -> Iterator[slice]:
    step = max(1, TOGETHER // matrix.shape[1])
    return (slice(at, at + step) for at in range(0, len(matrix), step))


def _nearest(weight: Floats, step: Floats, least: int, most: int) -> NDArray[np.int8]:
    """The whole numbers from −least to most that come nearest to weight / step; 0 where the step is 0."""
    with np.errstate(over="ignore"):  # of a step so small that it is not exact: clipped
        ratio = np.divide(weight, step, out=np.zeros_like(weight), where=step != 0)
    return np.clip(np.rint(ratio), -least, most).astype(np.int8)


def _grouped(weight: Floats) -> tuple[NDArray[np.int8], NDArray[np.uint16]]:
    """Numbers (n, groups, group) and the bits of their steps (n, groups), the best of those that are tried."""
    extreme = np.take_along_axis(weight, np.abs(weight).argmax(2)[:, :, None], 2) / np.float32(-8)  # (n, groups, 1)
    best = np.full((*weight.shape[:2], 1), np.inf, np.float32)
    numbers, scales = np.zeros(weight.shape, np.int8), np.zeros(best.shape, np.uint16)
    for factor in FACTORS:
        bits = _brain(extreme * np.float32(factor))
        step = _real(bits)
        tried = _nearest(weight, step, 8, 7)
        error = _error(weight, step, tried)
        better = error < best
        np.copyto(best, error, where=better)
        np.copyto(scales, bits, where=better)
        np.copyto(numbers, tried, where=better)
    return numbers, scales[:, :, 0]


def _error(weight: Floats, step: Floats, numbers: NDArray[np.int8]) -> Floats:
    """Mean squared error of each group over the square of its largest weight, so that it is a float32."""
    largest = np.maximum(np.abs(weight).max(2, keepdims=True), np.finfo(np.float32).tiny)
    return np.square(weight / largest - step / largest * numbers).mean(2, keepdims=True)


def _brain(real: Floats) -> NDArray[np.uint16]:
    """The bits of the nearest bfloat16, the even one of two."""
    bits = real.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def _real(bits: NDArray[np.uint16]) -> Floats:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _packed(numbers: NDArray[np.int8]) -> NDArray[Any]:
    """Bytes (n, K / 2) of numbers (n, K)."""
    blocks = (numbers + np.int8(8)).view(np.uint8).reshape(len(numbers), -1, 2, BLOCK // 2)
    return (blocks[:, :, 0] | blocks[:, :, 1] << 4).reshape(len(numbers), -1)
