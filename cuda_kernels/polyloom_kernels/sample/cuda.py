"""`sample` on a GPU: a block draws the token of a row, from logits that lie there."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from polyloom_kernels._launch import Kernel, Machine
from polyloom_kernels.sample.asked import Asked
from polyloom_kernels.sample.watermark import Watermark

SAMPLE = Kernel(
    Path(__file__).parent / "sample.cu",
    "sample",
    (
        *("const float*", "int", "const double*", "const unsigned long long*", "const long long*", "int"),
        *("const float*", "const unsigned*", "unsigned long long", "unsigned", "float", "unsigned long long*", "int"),
        *("long long*", "double*"),
    ),
)
KERNELS = (SAMPLE,)
OPEN = 1313  # levels in shared memory, each twice 4 bytes
STATIC = 34 << 10  # bytes that a block keeps for sums by level and for keys
NOBODY = (1 << 64) - 1  # the last token of a text without any


class Placed(NamedTuple):
    """What is asked of each row, on a machine."""

    scales: Any
    words: Any
    penalties: Any
    spoken: Any
    allowed: Any | None


def placed(machine: Machine, asked: Asked) -> Placed:
    """Copy it there."""
    whole = (*asked.settings[1:], asked.seeds, asked.places, asked.last)
    mask = machine.array(asked.allowed, "unsigned") if asked.allowed.shape[1] else None
    return Placed(
        machine.array(asked.settings.scale, "double"),
        machine.array(np.stack([part.astype(np.uint64) for part in whole], 1), "unsigned long long"),
        machine.array(asked.penalties, "float"),
        machine.array(asked.spoken, "long long"),
        mask,
    )


def run(machine: Machine, logits: Any, asked: Placed, watermark: Watermark | None) -> tuple[Any, Any]:
    """Tokens int64 (B,), −1 for a row that is no distribution, and how likely each was, float64 (B,).

    `logits` float32 (B, V) lie on the machine.
    """
    (rows, size), length = logits.shape, asked.spoken.shape[1]
    bits = -(-size // 32) if length else 0
    shared = 4 * (2 * OPEN + bits)
    if shared + STATIC > machine.most_shared:
        most = 32 * ((machine.most_shared - STATIC) // 4 - 2 * OPEN)
        raise ValueError(f"A text so far on this GPU can be of at most {most:,} different tokens, got {size:,}.")
    threads = min(1024, max(64, -(-size // 1024) * 32))
    mark = watermark or Watermark(0)
    tokens, chances = machine.empty((rows,), "long long"), machine.empty((rows,), "double")
    scratch = machine.empty((rows, 2, size + 1), "unsigned long long")
    machine.launch(
        SAMPLE, (rows,), (threads,), logits, size, asked.scales, asked.words, asked.spoken, length,
        asked.penalties, asked.allowed, mark.key, mark.threshold if watermark else 0, float(mark.boost),
        scratch, size + 1, tokens, chances,
        shared=shared,
    )  # fmt: skip
    return tokens, chances
