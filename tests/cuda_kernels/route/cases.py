"""The cases of `route` on a GPU: sizes that fill no warp, ties, bans, what is no number, one block and several."""

import numpy as np
from numpy.typing import NDArray

from cuda_kernels.case import Budget, Case, between
from polyloom_kernels._launch import Machine
from polyloom_kernels.route import cuda, reference

BUDGET = {
    "route": Budget(registers=64, shared=34_944),
    "starts": Budget(registers=32, shared=132),
    "place": Budget(registers=24),
}
EQUIVALENT = {
    "route.cu: start int mine = 0": "of lanes beyond the choices, which write nothing",
    "route.cu: bound place < active": "one choice more than anybody asks for",
    "route.cu: bound i < experts * WORDS": "the word behind is written before it is read",
    "route.cu: bound tile < size": "once more without any counts",
}


def scores_of(tokens: int, experts: int) -> NDArray[np.float32]:
    """Sixteenths, so that many are equal and rounding never decides between two that are not."""
    drawn = np.random.default_rng(tokens + experts).normal(0, 2, (tokens, experts))
    return (np.round(drawn * 16) / 16).astype(np.float32)


def bias_of(experts: int) -> NDArray[np.float32]:
    return (np.random.default_rng(experts).integers(-3, 4, experts) / 32).astype(np.float32)


def case(
    name: str,
    scores: NDArray[np.float32],
    active: int,
    bias: NDArray[np.float32] | None = None,
    sigmoid: bool = False,
    normalise: bool = True,
    alone: int = cuda.TOKENS,
    large: bool = False,
) -> Case:
    """Scores that begin in between; `alone` is how many tokens one block serves."""
    tokens, experts = scores.shape
    added = np.zeros(experts, np.float32) if bias is None else bias

    def run(machine: Machine) -> tuple[object, ...]:
        given = machine.array(between(scores.reshape(-1)), "float")[1:].reshape(tokens, experts)
        return cuda.run(machine, given, machine.array(added, "float"), active, sigmoid, normalise, alone)

    def expected() -> tuple[NDArray[np.generic], ...]:
        return reference.route(scores, active, added, "sigmoid" if sigmoid else "softmax", normalise)

    return Case(name, run, expected, tolerance=2e-6, large=large)


def spoilt(tokens: int, experts: int) -> NDArray[np.float32]:
    """Rows with a NaN or an infinity, whose weights mean nothing: chances are all no number."""
    scores = scores_of(tokens, experts)
    scores[::2, 1] = np.nan
    scores[1::2, 2] = np.inf
    return scores


def steered(experts: int) -> NDArray[np.float32]:
    bias = bias_of(experts)
    bias[[0, 3]], bias[[2, 5]] = -np.inf, np.inf
    return bias


FAR = np.array([[-100, 3, -95, -90, -102, -3e38], [88, -1e30, 3e38, 0, 1, 87]], np.float32)

CASES = (
    case("ragged", scores_of(5, 37), 7, bias_of(37)),
    case("one expert", scores_of(3, 1), 1),
    case("one token, as many choices as a token can have", scores_of(1, 50), 32, sigmoid=True, normalise=False),
    case("all experts chosen", scores_of(4, 6), 6, bias_of(6), sigmoid=True),
    case("no tokens", scores_of(0, 9), 2),
    case("ties", np.zeros((35, 33), np.float32), 3),
    case("bans and forced", scores_of(6, 9), 4, steered(9), normalise=False),
    case("far apart", FAR, 5, normalise=False),
    case("far apart, each by itself", FAR, 5, sigmoid=True),
    case("no numbers", spoilt(6, 7), 3, bias_of(7)),
    case("more tokens than warps", scores_of(75, 40), 3, bias_of(40)),
    case("eight experts a lane", scores_of(3, 131), 5, bias_of(131), sigmoid=True),
    case("sixteen experts a lane", scores_of(2, 490), 4),
    case("several blocks", scores_of(41, 7), 3, bias_of(7), alone=8),
    case("several blocks, tiles of starts", scores_of(9, 490), 2, alone=3),
    case("the largest block", scores_of(256, 64), 8, bias_of(64), large=True),
    case("many blocks, the most of all", scores_of(1_030, 512), 32, bias_of(512), large=True),
)
