"""The cases of `sample` on a GPU: every setting alone and together, levels that split, keys that fit or do not."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_kernels.case import Budget, Case, between
from polyloom_kernels._launch import Machine
from polyloom_kernels.sample import Watermark, cuda, reference
from polyloom_kernels.sample.asked import Asked, penalised, texts
from polyloom_kernels.sample.weights import settled

BUDGET = {"sample": Budget(registers=64, shared=34_000)}
MORE = "more levels than need be are looked at"
EQUIVALENT = {
    "sample.cu: bound step < 32": "a lane is never 32 lanes behind another",
    "sample.cu: bound size < 2 * count": "sorts once more",
    "sample.cu: bound n < count": "the last one has nobody behind it",
    "sample.cu: bound level <= last": MORE,
    "sample.cu: bound n < OPEN": "what lies behind is zero too, or is not read before it is written",
    "sample.cu: assignment wanted[n] = 0": MORE,
    "sample.cu: bound n < OPEN #2": "the place behind the sums is written after that",
    "sample.cu: assignment greatest = sums[level_k + 1]": MORE,
    "sample.cu: index sums[level_k + 1]": MORE,
    "sample.cu: bound part < ONE": "all of the weight is reached where it ends",
    "sample.cu: assignment greatest = min(greatest, sums[last + 1])": MORE,
    "sample.cu: index sums[last + 1]": MORE,
    "sample.cu: assignment greatest = min(greatest, sums[level + 1])": MORE,
    "sample.cu: index sums[level + 1]": MORE,
    "sample.cu: bound level < OPEN": "the level behind the last is never marked",
    "sample.cu: bound n < held": "the place behind the sums is written after that",
}


def case(
    name: str,
    logits: NDArray[np.floating[Any]],
    said: int = 0,
    allowed: bool = False,
    watermark: Watermark | None = None,
    penalties: tuple[float, float, float] = (1.0, 0.0, 0.0),
    large: bool = False,
    shifted: bool = False,
    **asked: Any,
) -> Case:
    """Rows (B, V), texts of `said` tokens by chance, half of the tokens allowed; settings as `sample` takes them."""
    rng = np.random.default_rng(len(name))
    rows, size = logits.shape
    given = logits.astype(np.float32)
    seeds, places = rng.integers(0, 2**63, (2, rows)).astype(np.uint64)
    text = rng.integers(0, size, (rows, said))
    text[1::2, : said // 2] = -1
    bits = rng.integers(0, 2**32, (rows, -(-size // 32)), dtype=np.uint32) | 1
    everything = Asked(
        settled(rows, size, *(asked.get(key, usual) for key, usual in USUAL.items())),
        *(seeds, places, *texts(text, rows, size), penalised(rows, *penalties)),
        *(bits if allowed else bits[:, :0], watermark),
    )

    def run(machine: Machine) -> tuple[Any, ...]:
        row = machine.array(given, "float")
        if shifted:
            row = machine.array(between(given.reshape(-1)), "float")[1:].reshape(rows, size)
        return cuda.run(machine, row, cuda.placed(machine, everything), watermark)

    def expected() -> tuple[NDArray[Any], ...]:
        return reference.sample(given, everything)

    return Case(name, run, expected, large=large)


USUAL = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


def normal(rows: int, size: int, spread: float = 2.0) -> NDArray[np.floating[Any]]:
    return np.random.default_rng(rows * size).normal(0, spread, (rows, size))


def odd(values: list[float]) -> NDArray[np.floating[Any]]:
    """A row for each value, which stands among others; then one with nothing that may come."""
    rows = normal(len(values) + 1, 70)
    for n, value in enumerate(values):
        rows[n, (n * 31) % 70] = value
    rows[-1] = -np.inf
    return rows


MARK = Watermark(0x123456789ABCDEF, 0.4, 1.5)
MIXED = {
    "temperature": np.array([0, 1e-30, 0.3, 1, 2, 1e30] * 4),
    "top_k": np.array([0, 1, 3, 20, 0, 70, 300] * 4)[:24],
    "top_p": np.array([1, 0.9, 0.4, 1e-12, 0.99] * 5)[:24],
    "min_p": np.array([0, 0.1, 1, 1e-5, 0, 0, 1e-15, 0.01] * 3),
}

CASES = (
    case("plain", normal(6, 100)),
    case("no rows", normal(0, 5)),
    case("one token", normal(2, 1)),
    case("begins between", normal(3, 67), shifted=True),
    case("greedy", np.round(normal(5, 90)), temperature=0),
    case("top_k", normal(8, 130), top_k=np.array([1, 2, 7, 31, 64, 129, 130, 0])),
    case("top_k among equals", np.zeros((6, 90)), top_k=np.array([1, 2, 7, 31, 64, 89])),
    case("top_p", normal(8, 130), top_p=np.array([1e-9, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999999])),
    case("top_p among equals", np.round(normal(6, 90)), top_p=np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.99])),
    case("min_p", normal(8, 130), min_p=np.array([0, 1e-20, 1e-9, 1e-3, 0.01, 0.1, 0.5, 1])),
    case("min_p just reached", np.log([[1, 0.5, 0.25, 0.125]] * 12), min_p=0.25),
    case("everything", np.round(normal(24, 150), 1), said=9, allowed=True, watermark=MARK, **MIXED),
    case("everything, widely spread", normal(24, 95, 30.0), penalties=(1.3, 0.2, 0.1), said=4, **MIXED),
    case("text", normal(8, 40), said=30, penalties=(1.7, 0.6, -0.4), temperature=0.4),
    case("text that says nothing new", normal(6, 33, 0.1), said=1, penalties=(1.0, -9.0, 0.0)),
    case("text of tokens said often", normal(6, 33, 0.1), said=60, penalties=(1.0, 0.0, 0.7), top_k=1),
    case("text of all that is below 0", normal(8, 40) - 9, said=90, penalties=(1.5, 0.2, 0.1), temperature=0.5),
    case("top_k, then top_p, among equals", np.round(normal(40, 60)), top_k=np.arange(40) + 2, top_p=0.6),
    case("all that cuts, among equals", np.round(normal(40, 60)), top_k=np.arange(40) + 2, top_p=0.9, min_p=0.15),
    case("top_k and min_p, among equals", np.round(normal(40, 60)), top_k=np.arange(40) + 2, min_p=0.05),
    case("mask", normal(6, 97), allowed=True, top_k=5),
    case("watermark", normal(9, 64), said=2, watermark=MARK, temperature=0.1),
    case("rows that are none", odd([np.nan, np.inf, -np.nan, -np.inf, 0.0]), top_p=0.9),
    case(
        "beyond 64 octaves", np.linspace(0, -60, 61)[None].repeat(8, 0), top_k=np.array([0, 61, 60, 50, 46, 45, 3, 1])
    ),
    case("more equals than fit", np.zeros((2, 2600)), top_p=np.array([0.3, 1.0])),
    case("as many equals as fit", np.zeros((2, 1024)), top_p=np.array([0.3, 1.0])),
    case("a vocabulary", normal(2, 33_000), said=20, allowed=True, watermark=MARK, top_p=0.9, large=True),
)
