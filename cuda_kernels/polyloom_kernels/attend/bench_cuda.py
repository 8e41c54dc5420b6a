"""The rows of `attend` on a GPU: 64 texts of 2,048 tokens in pages, of 16 bits and of 8, beside torch's attention.

The limit is what reading the keys and values would take as a copy.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from polyloom_kernels._cuda import Device
from polyloom_kernels._measure import Ceilings, seconds
from polyloom_kernels.attend import cuda
from polyloom_kernels.attend.pages import Pages

TEXTS, TOKENS, PAGE, HEADS, KEY_HEADS, SIZE = 64, 2_048, 64, 32, 8, 128


def rows(machine: Device, ceilings: Ceilings) -> Iterator[dict[str, Any]]:
    """The arguments of each row."""
    held = 2 * TEXTS * TOKENS * KEY_HEADS * SIZE
    times = {kind: seconds([_ours(machine, kind)]) for kind in ("half", "signed char")}
    peer = seconds([_theirs(machine)])
    for kind, told, nbytes in (("half", "float16", 2 * held), ("signed char", "int8", held + 4 * held // SIZE)):
        wide = kind == "half"
        yield {
            "group": "kernels",
            "name": f"attend on a GPU, {TEXTS} texts of {TOKENS:,} tokens, {HEADS} heads on {KEY_HEADS}, {told}",
            "unit": "µs",
            "value": 1e6 * times[kind],
            "peer": "torch scaled_dot_product_attention" if wide else "float16",
            "peer_value": 1e6 * (peer if wide else times["half"]),
            "limit": 1e6 * nbytes / ceilings.copy,
            "bar": "limit_ratio >= 0.75" if wide else "ratio >= 1.6",
        }


def _ours(machine: Device, kind: str) -> Callable[[], object]:
    rng, count = np.random.default_rng(0), TEXTS * TOKENS // PAGE
    shape = count, KEY_HEADS, PAGE, SIZE
    query = machine.array(rng.standard_normal((TEXTS, HEADS, SIZE), dtype=np.float32), "float")
    scales: Any = None
    if kind == "signed char":
        parts = [machine.array(rng.integers(-127, 128, shape, dtype=np.int8), kind) for _ in range(2)]
        scales = machine.array(np.full(shape[:3], 0.01, np.float32), "float")
    else:
        parts = [machine.array(rng.standard_normal(shape, dtype=np.float32).astype(np.float16), kind) for _ in range(2)]
    table = machine.array(rng.permutation(count).reshape(TEXTS, -1), "long long")
    lengths = machine.array(np.full(TEXTS, TOKENS), "long long")
    asked = cuda.Asked(table, lengths, TOKENS, SIZE**-0.5, 0.0, 0)
    pages = Pages(parts[0], parts[1], scales, scales)
    return lambda: cuda.run(machine, query, pages, kind, asked)


def _theirs(machine: Device) -> Callable[[], object]:
    torch: Any = import_module("torch")
    rng = np.random.default_rng(0)
    query = machine.array(rng.standard_normal((TEXTS, HEADS, 1, SIZE), dtype=np.float32), "half")
    shape = (TEXTS, KEY_HEADS, TOKENS, SIZE)
    keys, values = (machine.array(rng.standard_normal(shape, dtype=np.float32), "half") for _ in range(2))
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda: attend(query, keys, values, enable_gqa=True)
