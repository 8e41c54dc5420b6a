"""`route` on a GPU: one launch for up to 256 tokens, three for more; nothing is waited for.

Bytes: as in `operation`, but of the 28 N k that are written, more than one block read 16 N k again.  One block serves
256 tokens on one multiprocessor: that is less work than a launch takes to begin.
"""

from pathlib import Path
from typing import Any

from polyloom_kernels._launch import Kernel, Machine

SOURCE = Path(__file__).with_name("route.cu")
TOKENS, CHOICES = 256, 32  # of a block, and of a token, at most: as in the source
LANES = (2, 8, 16)  # experts of each of 32 lanes that the source is compiled for
EXPERTS = 32 * LANES[-1]  # at most
MOST = 2**31 - 1  # scores

ROUTE = {
    per: Kernel(
        SOURCE,
        "route",
        (
            *("const float*", "const float*", "int", "int", "int", "int", "int", "int"),
            *("long long*", "float*", "long long*", "long long*", "long long*", "int*"),
        ),
        (("PER", str(per)),),
    )
    for per in LANES
}
ANY = ROUTE[LANES[0]].macros
STARTS = Kernel(SOURCE, "starts", ("int*", "int", "int", "long long*"), ANY)
PLACE = Kernel(
    SOURCE,
    "place",
    ("const long long*", "const int*", "long long", "int", "int", "long long*", "long long*"),
    ANY,
)
KERNELS = (*ROUTE.values(), STARTS, PLACE)


def fits(tokens: int, experts: int, active: int) -> bool:
    """Whether `run` takes scores (tokens, experts) and so many choices."""
    return experts <= EXPERTS and 1 <= active <= min(experts, CHOICES) and tokens * experts <= MOST


def run(
    machine: Machine, scores: Any, bias: Any, active: int, sigmoid: bool, normalise: bool, alone: int = TOKENS
) -> tuple[Any, ...]:
    """Chosen, weights, order, inverse and offsets of float scores (N, E) and a bias (E,), as of the reference.

    The scores are such that `fits`.  `alone` is how many tokens one block serves by
    itself; more are shared among about as many blocks as run side by side.
    """
    tokens, experts = scores.shape
    each = alone if tokens <= alone else min(TOKENS, -(-tokens // machine.processors))
    blocks, choices = -(-tokens // each), tokens * active
    chosen, weights = machine.empty((tokens, active), "long long"), machine.empty((tokens, active), "float")
    order, inverse = machine.empty((choices,), "long long"), machine.empty((choices,), "long long")
    offsets = (machine.empty if tokens else machine.zeros)((experts + 1,), "long long")
    counts = machine.empty((experts, blocks), "int") if blocks > 1 else None
    kernel = ROUTE[next(per for per in LANES if experts <= 32 * per)]
    threads = 32 * min(32, max(min(tokens, each), -(-experts // 32)))
    given = (scores, bias, tokens, each, experts, active, int(sigmoid), int(normalise))
    machine.launch(kernel, (blocks,), (threads,), *given, chosen, weights, order, inverse, offsets, counts)
    if counts is not None:
        threads = min(1024, -(-experts * blocks // 32) * 32)
        machine.launch(STARTS, (1,), (threads,), counts, experts, blocks, offsets)
        grid = (-(-choices // 256),)
        machine.launch(PLACE, grid, (256,), chosen, counts, choices, each * active, blocks, order, inverse)
    return chosen, weights, order, inverse, offsets
