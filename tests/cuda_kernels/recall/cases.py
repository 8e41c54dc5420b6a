"""The cases of `recall` on a GPU: every way in which rows, windows, tiles and lists can be ragged."""

import numpy as np
from numpy.typing import NDArray

from cuda_kernels.case import Budget, Case
from polyloom_kernels._launch import Machine
from polyloom_kernels.recall import Store, cuda, fixed, pack, reference, stack
from polyloom_kernels.recall.store import NARROW, UNIT

BUDGET = {
    "recall": Budget(48, shared=4200),
    "softmax": Budget(48, shared=4480),
    "finish": Budget(40),
    "settle": Budget(40),
}
EQUIVALENT = {
    "recall.cu: bound done < count": "once more without any rows",
    "recall.cu: start int at = 0 #2": "of what is asked for early, less: the reading itself is the same",
    "recall.cu: bound i < deep": "a score that two warps list is found once, because equal keys are merged",
    "recall.cu: bound i < deep #2": "the same",
}


def store(size: int, window: int, layers: int, longest: int, heaviest: float = 5.0) -> Store:
    """Rows by chance, many of them empty."""
    rng = np.random.default_rng(size * window + layers)
    made: list[Store] = []
    for _ in range(layers):
        lengths = rng.integers(0, min(size, longest) + 1, size * window) * rng.integers(0, 2, size * window)
        targets = np.concatenate([np.empty(0, np.int64), *(rng.choice(size, n, replace=False) for n in lengths)])
        bias = rng.integers(-700_000, 5, size).astype(np.int32)
        starts = np.append(0, np.cumsum(lengths))
        made.append(pack(starts, targets, rng.random(len(targets)) * heaviest + 0.01, bias, window))
    return stack(made)


def case(
    name: str,
    rows: Store,
    k: int,
    ends: list[tuple[int, int]],
    weights: list[float],
    shared: int = 0,
    large: bool = False,
) -> Case:
    """Contexts text[first:last] of a text by chance; `shared` bounds the memory of a block, so that there are tiles."""
    text = np.random.default_rng(len(name)).integers(0, rows.size, 400)
    first, last = np.array(ends, np.int64).reshape(-1, 2).T

    def run(machine: Machine) -> tuple[object, ...]:
        if shared:
            machine = Small(machine, shared)
        placed, words = cuda.place(machine, rows), machine.array(text, "int")
        sides = (machine.array(side, "long long") for side in (first, last))
        return cuda.run(machine, placed, words, *sides, machine.array(fixed(weights), "long long"), k)

    def expected() -> tuple[NDArray[np.int32], ...]:
        found = [reference.recall(rows, text[a:b], fixed(weights), k) for a, b in ends]
        tokens, scores = (np.array([each[part] for each in found], np.int32).reshape(-1, k) for part in (0, 1))
        return tokens, scores, np.zeros(len(ends), np.int32)

    return Case(name, run, expected, large=large)


class Small:
    """A machine whose blocks have less shared memory."""

    def __init__(self, machine: Machine, most_shared: int) -> None:
        self.machine = machine
        self.most_shared = most_shared

    def __getattr__(self, name: str) -> object:
        return getattr(self.machine, name)


def judged(name: str, rows: Store, ends: list[tuple[int, int]], weights: list[float], shared: int = 0) -> Case:
    """How likely the token at the end of each context is; the last two ask for tokens that there are not."""
    text = np.random.default_rng(len(name)).integers(0, rows.size, 401)
    first, last = np.array(ends, np.int64).reshape(-1, 2).T
    wanted = text[last].copy()
    wanted[-2:] = [-1, rows.size][: len(ends)]

    def run(machine: Machine) -> tuple[object, ...]:
        if shared:
            machine = Small(machine, shared)
        placed, words = cuda.place(machine, rows), machine.array(text, "int")
        sides = (machine.array(side, "long long") for side in (first, last))
        given = machine.array(fixed(weights), "long long")
        return cuda.judge(machine, placed, words, *sides, wanted=machine.array(wanted, "int"), weights=given)

    def expected() -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        found = np.zeros(len(ends))
        for at, (a, b) in enumerate(ends[:-2]):
            logits = reference.scores(rows, text[a:b], fixed(weights)) / UNIT
            found[at] = logits[wanted[at]] - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        return found, np.zeros(len(ends), np.int32)

    return Case(name, run, expected, tolerance=2e-6)


def refused(name: str, rows: Store, words: list[int], weights: list[float]) -> Case:
    """Two contexts of which the second is refused or the last that is not; only that is compared."""
    text = np.array(words, np.int64)

    def run(machine: Machine) -> tuple[object, ...]:
        sides = [machine.array(np.array(side), "long long") for side in ([0, 0], [0, len(text)])]
        placed, words = cuda.place(machine, rows), machine.array(text, "int")
        given = machine.array(fixed(weights), "long long")
        _, wrong = cuda.judge(machine, placed, words, *sides, wanted=machine.zeros((2,), "int"), weights=given)
        return *cuda.run(machine, placed, words, *sides, given, 1)[2:], wrong

    def expected() -> tuple[NDArray[np.int32], ...]:
        wrong = 2 * (min(words) < 0 or max(words) >= rows.size)
        if not wrong:
            try:
                reference.recall(rows, text, fixed(weights), 1)
            except OverflowError:
                wrong = 1
        return (np.array([0, wrong], np.int32),) * 2

    return Case(name, run, expected)


HEAVY = pack(np.arange(9), np.zeros(8, np.int64), np.full(8, 126.0), np.zeros(2, np.int32), 4)  # each row 126 nats

FAR = pack(
    np.zeros(61, np.int64),
    np.empty(0, np.int64),
    np.empty(0),
    np.repeat([-10_000, 0, -900], 20).astype(np.int32) * UNIT,
    1,
)

ENDS = [(0, 0), (0, 1), (0, 30), (17, 19), (5, 5), (100, 103), (396, 400)]
PLAIN = store(130, 3, 2, 70)
WIDE = store(NARROW + 40, 1, 1, 3)

CASES = (
    case("ragged", PLAIN, 7, ENDS, [1, -0.3]),
    case("one context, one token, one best", store(1, 1, 1, 1), 1, [(3, 4)], [1]),
    case("no contexts", PLAIN, 3, [], [1, 1]),
    case("no rows", store(40, 2, 1, 0), 40, ENDS, [1]),
    case("as many best as tokens", store(70, 2, 3, 40), 70, ENDS, [1, 0, 2.5]),
    case("more rows than are fetched at a time", store(33, 130, 3, 2), 4, [(0, 200), (90, 180)], [1, 1, -1]),
    case("longest rows", store(300, 2, 1, 255), 9, ENDS, [0.7]),
    case("tiles", PLAIN, 5, ENDS, [1, 0.5], shared=cuda.STATIC + 2 * 5 * 8 + 4 * 37),
    case("tiles of one token", store(9, 2, 1, 9), 9, ENDS, [1], shared=cuda.STATIC + 2 * 9 * 8 + 4),
    case("more than 32 scores a lane", store(3_000, 1, 1, 3), 40, ENDS[2:4], [1]),
    case("ties", store(90, 1, 2, 60, heaviest=0.0), 12, ENDS, [1, -1]),
    case("heavy", store(40, 4, 2, 30, heaviest=120.0), 5, ENDS, [10, -12]),
    judged("likelihoods", PLAIN, ENDS, [1, -0.3]),
    judged("likelihoods over tiles", PLAIN, ENDS, [1, 0.5], shared=cuda.STATIC + 4 * 37),
    judged("the likelihood of the only token", store(1, 1, 1, 1), [(3, 4), (0, 0), (0, 1)], [1]),
    judged("no likelihoods", PLAIN, [], [1, 1]),
    judged("likelihoods far apart", FAR, ENDS, [1], shared=cuda.STATIC + 4 * 20),
    judged("one token has all the likelihood", store(90, 3, 2, 60, heaviest=120.0), ENDS, [9, 9]),
    refused("a negative token", PLAIN, [3, -1], [1, 1]),
    refused("a token too large", PLAIN, [130, 5, 129], [1, 1]),
    refused("sums that might not fit", HEAVY, [0, 1, 0, 1], [-32.51]),
    refused("sums that still fit", HEAVY, [0, 1, 0, 1], [32.50]),
    case("four bytes a target", WIDE, 3, ENDS[:3], [1], large=True),
    case("k at its most", store(1500, 2, 1, 200), 256, ENDS, [1], large=True),
    case("the largest block", store(40_000, 1, 1, 2), 10, ENDS[1:3], [1], large=True),
)
