"""A training that never took place: what `train` would tell a view, step by step, the same every time."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from polyloom.train.history import Progress


def events(
    steps: int = 60, experts: int = 0, every: int = 10, minutes: bool = False, sample: str = "At night the sea"
) -> Iterator[Progress]:
    """Steps with an evaluation every so often, and the end."""
    rng = np.random.default_rng(5)
    held: float | None = None
    load = None
    last: Progress | None = None
    for step in range(1, steps + 1):
        evaluated = step % every == 0
        if evaluated:
            held = round(loss(step) + 0.2, 6)
            load = rng.dirichlet(np.full(experts, 8.0), size=3) if experts else None
        last = Progress(
            step=step, steps=None if minutes else steps, share=step / steps, loss=loss(step), validation=held,
            evaluated=evaluated, best=held, rate=min(1.0, step / 10), gradient=1.0, tokens=step * 512,
            tokens_per_second=9000.0, seconds=step / 20, left=(steps - step) / 20,
            sample=f"{sample} {step}" if evaluated else None, load=load,
        )  # fmt: skip
        yield last
    assert last is not None
    yield replace(last, evaluated=False, sample=None, left=None, stopped="minutes" if minutes else "steps")


def loss(step: int) -> float:
    """A curve as losses have it."""
    return 2 + 5 * math.exp(-step / 15)


def watched(view: Callable[[Progress], None], until: int | None = None, **how: object) -> None:
    """Tell a view of a whole training, or of its first steps."""
    for number, event in enumerate(events(**how), 1):  # type: ignore[arg-type]
        view(event)
        if number == until:
            return
