"""Time: the buckets of a long memory, put together the more the longer ago they are, and what they weigh.

A bucket is floor(time / width), so it depends on the turn alone.  The newest stands by itself, since it grows with
every turn.  Those before it are put together in blocks of 1, 2, 4 … buckets that start at multiples of their size and
are no longer than they are old: some 2 · log2(n) blocks for n buckets, most of which stay as they are from day to day.

    newest = 16      16 | 15 | 14 | 12 13 | 8 9 10 11 | 0 1 2 3 4 5 6 7

Counts within a block are plain integers.  Decay is applied when the memory is asked: a block weighs

    Σ over its buckets   tokens · 2^(−age / half-life)         age = (newest − bucket) · width

Age is counted from the newest bucket: while nothing is said, nothing fades.
Datar et al., "Maintaining stream statistics over sliding windows" (2002), have the idea of such blocks.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from polyloom.memory.settings import DAY

Block: TypeAlias = tuple[int, int]  # its first and its last bucket


def blocks(buckets: Mapping[int, int], half_life: float) -> dict[Block, float]:
    """The blocks that hold anything, newest first, and their weights.

    `buckets` are the tokens of each bucket that is not empty, `half_life` counts in buckets.
    """
    newest, found = max(buckets, default=0), dict[Block, float]()
    for block in _all(min(buckets, default=0), newest):
        inside = {bucket: tokens for bucket, tokens in buckets.items() if block[0] <= bucket <= block[1]}
        if inside:
            found[block] = sum(tokens * 2.0 ** (-(newest - bucket) / half_life) for bucket, tokens in inside.items())
    return found


def name(block: Block, width: float) -> str:
    """When that was, in words: a day, or from when to when."""
    start, last = (datetime.fromtimestamp(bucket * width, UTC) for bucket in block)
    form = "%Y-%m-%d %H:%M:%S" if width % DAY else "%Y-%m-%d"
    return f"{start:{form}}" if block[0] == block[1] else f"{start:{form}} to {last:{form}}"


def _all(first: int, newest: int) -> list[Block]:
    """Blocks that cover everything from the first bucket on, newest first."""
    found, end = [(newest, newest)], newest
    while end > first:
        size = 1
        while end % (2 * size) == 0 and 2 * size <= newest - end + 1:
            size *= 2
        found.append((end - size, end - 1))
        end -= size
    return found
