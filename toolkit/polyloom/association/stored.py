"""A model's counts as arrays in a file, and back: the tapes as they lie in memory, so that a file is mapped, not read.

    directory, pieces, numbers, reals     see `polyloom_kernels.mixture.store`
    text.tokens, text.starts              the training text, if it was kept

What the directory says is held against the model's shape and the sizes of the tapes; the tapes themselves are read when
they are asked (`polyloom.verify` hashes them all).  Compiled lookups cut every range at the size of its level, so that
no file, whatever it holds, makes them leave an array.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from polyloom.association.counts import Shape
from polyloom.association.text import Text
from polyloom.documents import Ids
from polyloom.errors import FileError
from polyloom.files import Arrays
from polyloom_kernels.history import Memory
from polyloom_kernels.mixture import Store
from polyloom_kernels.mixture.store import (
    CHAINED,
    CHILDREN,
    COLUMNS,
    COUNTS,
    DISCOUNTS,
    ENTRIES,
    LONG,
    LONGS,
    NEXT,
    NODES,
    OFFSET,
    PARENT,
    ROWS,
    SUMS,
    TABLE,
    TAKEN,
    TOKENS,
    piece_type,
)

Stored = Mapping[str, NDArray[Any]]
TAPES = {"directory": (np.int64,), "pieces": (np.uint16, np.uint32), "numbers": (np.uint32,), "reals": (np.float64,)}


def store_arrays(store: Store) -> Arrays:
    """The arrays of a store."""
    return {name: getattr(store, name) for name in TAPES}


def stored_store(arrays: Stored, shapes: Sequence[Shape], vocabulary_size: int) -> Store:
    """The store that `store_arrays` described; FileError if it is none of these shapes."""
    found = {name: _tape(arrays, name) for name in TAPES}
    directory = np.array(found["directory"])  # small, and read everywhere
    order, tables = sum(shape.chained for shape in shapes), sum(shape.asked for shape in shapes)
    if directory.shape != (len(shapes), COLUMNS):
        raise FileError(f"The array 'directory' describes {len(directory)} levels; the model has {len(shapes)}.")
    if len(found["reals"]) < DISCOUNTS * tables + vocabulary_size:
        raise FileError("The array 'reals' is too short for the discounts and the unigram distribution.")
    table = 0
    for row, shape in zip(directory.tolist(), shapes, strict=True):
        table += _checked(row, shape, table, directory, {name: len(tape) for name, tape in found.items()})
    discounts = found["reals"][: DISCOUNTS * tables].reshape(-1, DISCOUNTS)
    if discounts[:, 0].any() or not ((discounts[:, 1:] > 0) & (discounts[:, 1:] < np.arange(1, DISCOUNTS))).all():
        raise FileError("The array 'reals' holds a discount that is none: each must be above 0 and below its count.")
    unigram = found["reals"][DISCOUNTS * tables :][:vocabulary_size]
    if not (np.isfinite(unigram).all() and unigram.min() > 0 and abs(unigram.sum() - 1) < 1e-9):
        raise FileError("The array 'reals' holds no unigram distribution.")
    if found["pieces"].dtype != piece_type(vocabulary_size):
        narrow = np.dtype(piece_type(vocabulary_size)).name
        raise FileError(f"The array 'pieces' must hold {narrow} for {vocabulary_size} tokens.")
    return Store(directory, found["pieces"], found["numbers"], found["reals"], vocabulary_size, order)


def stored_text(arrays: Stored, vocabulary_size: int) -> Text | None:
    """The text that was kept, if it was."""
    if "text.tokens" not in arrays:
        return None
    tokens, starts = _integers(arrays, "text.tokens"), _integers(arrays, "text.starts")
    if len(tokens) and (tokens.min() < 0 or tokens.max() >= vocabulary_size or not len(starts) or starts[0]):
        raise FileError("The array 'text.tokens' holds tokens that the vocabulary lacks, or starts nowhere.")
    if len(starts) and (bool((np.diff(starts) <= 0).any()) or starts[-1] >= len(tokens)):
        raise FileError(f"The array 'text.starts' does not ascend within 0 … {len(tokens) - 1}.")
    return Text(tokens, starts)


def memory_manifest(memory: Memory | None) -> dict[str, Any] | None:
    """How the text so far is remembered, for a manifest."""
    return None if memory is None else asdict(memory) | {"orders": list(memory.orders)}


def stored_memory(manifest: object) -> Memory | None:
    """The memory that `memory_manifest` described; FileError if it is none."""
    if manifest is None:
        return None
    given = cast("dict[str, Any]", manifest)
    try:
        orders: tuple[int, ...] = tuple(given["orders"])
        return Memory(orders, **{key: value for key, value in given.items() if key != "orders"})
    except (TypeError, ValueError, KeyError) as error:
        raise FileError(f"The file describes no history: {error}") from error


def _checked(row: list[int], shape: Shape, table: int, directory: Ids, sizes: dict[str, int]) -> bool:
    """Hold one line of the directory against its shape and the tapes; whether it has rows."""
    says = row[PARENT], row[OFFSET], bool(row[CHAINED]), row[TABLE]
    if says != (shape.parent, shape.path[-1] if shape.path else 0, shape.chained, table if shape.asked else -1):
        raise FileError(f"The array 'directory' does not describe the level {shape.path}.")
    parts = [("pieces", row[TOKENS], row[NODES])]
    if shape.parent >= 0:
        parts.append(("numbers", row[CHILDREN], int(directory[shape.parent, NODES]) + 1))
    elif row[NODES] != 1:
        raise FileError(f"The array 'directory' gives a root {row[NODES]} nodes.")
    if shape.asked:
        parts += [("numbers", row[ROWS], row[NODES] + 1), ("pieces", row[NEXT], row[ENTRIES])]
        parts += [("numbers", row[column], row[ENTRIES]) for column in (COUNTS, TAKEN)]
        parts += [("numbers", row[LONG], row[LONGS]), ("reals", row[SUMS], 2 * row[LONGS])]
    for name, start, size in parts:
        if start < 0 or size < 0 or start + size > sizes[name]:
            raise FileError(f"The array 'directory' points outside the array {name!r}.")
    return shape.asked


def _tape(arrays: Stored, name: str) -> NDArray[Any]:
    found = arrays.get(name)
    if found is None or found.dtype.type not in TAPES[name] or found.ndim != (2 if name == "directory" else 1):
        raise FileError(f"The array {name!r} is missing, or not of the type that a model has.")
    return found


def _integers(arrays: Stored, name: str) -> Ids:
    found = arrays.get(name)
    if found is None or found.dtype != np.int64 or found.ndim != 1:
        raise FileError(f"The array {name!r} is missing, or is no row of 64-bit integers.")
    return found
