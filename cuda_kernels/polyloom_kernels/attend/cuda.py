"""`attend` on a GPU: a block for each key head of each part of a text, then the parts are put together."""

from pathlib import Path
from typing import Any, NamedTuple

from polyloom_kernels._launch import Kernel, Machine
from polyloom_kernels.attend.pages import Pages

SOURCE = Path(__file__).parent / "attend.cu"
THREADS, TILE, LARGEST = 128, 128, 256
GROUPS = (4, 8)  # query heads of a block: those above 8 are several blocks
FULL = 8  # blocks of a multiprocessor at a time
KINDS = {"float32": "float", "float16": "half", "int8": "signed char"}

ATTEND = {
    (kind, group): Kernel(
        SOURCE,
        "attend",
        (
            *("const float*", f"const {kind}*", f"const {kind}*", "const float*", "const float*", "const long long*"),
            *(
                "const long long*",
                "int",
                "int",
                "int",
                "int",
                "int",
                "int",
                "float",
                "float",
                "int",
                "float*",
                "float*",
            ),
        ),
        (("STORED", kind), ("GROUP", str(group))),
    )
    for kind in KINDS.values()
    for group in GROUPS
}
COMBINE = Kernel(
    SOURCE, "combine", ("const float*", "const float*", "int", "int", "float*"), (("STORED", "float"), ("GROUP", "4"))
)
KERNELS = (*ATTEND.values(), COMBINE)


class Asked(NamedTuple):
    """Tables int64 (B, n) and lengths int64 (B,) on a machine; the longest text that is looked at; the rules."""

    table: Any
    lengths: Any
    longest: int
    scale: float
    cap: float
    window: int


def run(machine: Machine, query: Any, pages: Pages, kind: str, asked: Asked) -> Any:
    """What each head brings, float32 (B, H, h); query float32 (B, H, h) and pages, of this kind, lie on the machine."""
    texts, heads, size = map(int, query.shape)
    key_heads, page = map(int, pages.keys.shape[1:3])
    if size > LARGEST:
        raise ValueError(f"On a GPU a head has at most {LARGEST} numbers, got {size}.")
    group = GROUPS[heads // key_heads > GROUPS[0]]
    blocks = -(-heads // key_heads // group)
    tiles = max(1, -(-asked.longest // TILE))
    parts = max(1, min(tiles, FULL * machine.processors // max(1, texts * key_heads * blocks)))
    chunk = -(-tiles // parts) * TILE
    parts = -(-tiles * TILE // chunk)
    brought = machine.empty((texts, heads, parts, size), "float")
    states = machine.empty((texts, heads, parts, 2), "float")
    machine.launch(
        ATTEND[kind, group], (parts, key_heads * blocks, texts), (THREADS,), query, pages.keys, pages.values,
        pages.key_scales, pages.value_scales, asked.table, asked.lengths, heads, key_heads, size, page,
        asked.table.shape[1], asked.window, asked.scale, asked.cap, chunk, brought, states,
    )  # fmt: skip
    out = machine.empty((texts, heads, size), "float")
    machine.launch(COMBINE, (heads, texts), (-(-size // 32) * 32,), brought, states, parts, size, out)
    return out
