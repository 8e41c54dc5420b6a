"""The numbers of a file in planes: the first bytes of all numbers, then the second bytes; and the last plane narrow.

    numbers   a0 a1 a2 a3 | b0 b1 b2 b3 | …        as they lie, little-endian
    planes    a0 b0 … | a1 b1 … | a2 b2 … | a3 b3 …
    narrow    the planes but for the last; four bits for each byte of that; its 15 commonest bytes; those that are rarer

The last byte of a float has its sign and most of its exponent.  The weights of a model differ little in size, so 15 of
256 bytes are nearly all that come; the sixteenth code stands for any other, which are listed in their order.  All other
bytes resemble nothing and are left alone, so unpacking is a look into a table, several times faster than gzip's.

Where numbers begin ("skip") and how many bytes one has ("stride") is read out of safetensors; bytes in front of them
and those left over behind stay as they are.  Arrays are uint8 (n,), and every one of them comes back byte for byte.
"""

import json
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import FileError
from polyloom.files import HEADER_LIMIT

Bytes: TypeAlias = NDArray[np.uint8]
STRIDES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}
CODES = 16  # of four bits; the last one stands for any rarer byte
BLOCK = 2**15  # codes that are looked up at once, so that they stay in the cache


def layout(content: memoryview) -> tuple[int, int]:
    """How many bytes a number of a safetensors file has, and where the numbers begin; (1, 0) for any other file."""
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= min(HEADER_LIMIT, len(content) - 8):
        return 1, 0
    try:
        table = json.loads(bytes(content[8 : 8 + length]))
        held = [(STRIDES.get(one["dtype"], 1), one["data_offsets"]) for key, one in table.items() if key[:2] != "__"]
        bytes_of = {stride: sum(b - a for each, (a, b) in held if each == stride) for stride, _ in held}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 1, 0
    return max(bytes_of, key=lambda stride: bytes_of[stride], default=1), 8 + length


def split(data: Bytes, stride: int, skip: int) -> Bytes:
    """The same bytes, with the numbers in planes."""
    whole = skip + _count(len(data), stride, skip) * stride
    return np.concatenate([data[:skip], data[skip:whole].reshape(-1, stride).T.ravel(), data[whole:]])


def joined(data: Bytes, stride: int, skip: int) -> Bytes:
    """What `split` was given."""
    count = _count(len(data), stride, skip)
    planes = data[skip : skip + stride * count].reshape(stride, count)
    return _woven(data[:skip], list(planes), data[skip + stride * count :])


def narrowed(data: Bytes, stride: int, skip: int) -> tuple[Bytes, int]:
    """The numbers in planes with the last one narrow, and how many bytes of that are listed."""
    count, planes = _count(len(data), stride, skip), split(data, stride, skip)
    before = skip + (stride - 1) * count
    last = planes[before : before + count]
    table = np.argsort(-np.bincount(last, minlength=256), kind="stable")[:CODES].astype(np.uint8)
    codes = np.full(256, CODES - 1, np.uint8)
    codes[table[:-1]] = np.arange(CODES - 1)
    coded = codes[last]
    odd = last[coded == CODES - 1]
    pairs = np.concatenate([coded, np.zeros(count % 2, np.uint8)]).reshape(-1, 2)
    parts = [planes[:before], planes[before + count :], pairs[:, 0] | pairs[:, 1] << np.uint8(4), table, odd]
    return np.concatenate(parts), len(odd)


def room(size: int, stride: int, skip: int, odd: int) -> int:
    """The bytes that `narrowed` gives for a file of `size` bytes."""
    count = _count(size, stride, skip)
    return size - count + (count + 1) // 2 + CODES + odd


def widened(data: Bytes, size: int, stride: int, skip: int, odd: int) -> Bytes:
    """What `narrowed` was given, of `size` bytes; FileError if the bytes that are listed are not those that are missed.

    `data` has the length that `room` says.
    """
    count = _count(size, stride, skip)
    kept, codes, table, listed = np.split(data, np.cumsum([size - count, (count + 1) // 2, CODES]))
    last = _looked_up(codes, table)[:count]
    missed = np.flatnonzero(last == table[-1])
    if len(missed) != odd:
        raise FileError(f"{odd:,} numbers are listed and {len(missed):,} missed")
    last[missed] = listed
    planes = kept[skip : skip + (stride - 1) * count].reshape(stride - 1, count)
    return _woven(kept[:skip], [*planes, last], kept[skip + (stride - 1) * count :])


def _looked_up(codes: Bytes, table: Bytes) -> Bytes:
    """Two bytes for each pair of codes."""
    both = np.arange(256)
    pairs = np.stack([table[both % CODES], table[both // CODES]], -1).view(np.uint16)[:, 0]
    found = np.empty(len(codes), np.uint16)
    for at in range(0, len(codes), BLOCK):
        found[at : at + BLOCK] = pairs.take(codes[at : at + BLOCK])
    return found.view(np.uint8)


def _woven(head: Bytes, planes: Sequence[Bytes], tail: Bytes) -> Bytes:
    """The numbers of the planes between head and tail."""
    size = len(planes) * len(planes[0])
    found = np.empty(len(head) + size + len(tail), np.uint8)
    found[: len(head)], found[len(head) + size :] = head, tail
    np.stack(planes, -1, out=found[len(head) : len(head) + size].reshape(-1, len(planes)))
    return found


def _count(size: int, stride: int, skip: int) -> int:
    return (size - skip) // stride
