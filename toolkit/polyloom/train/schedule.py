"""Schedules: what the learning rates are multiplied by, as a function of the share of the training that is done.

    factor(u) = rise(u) · fall(u),   u in [0, 1]
    rise(u)   = min(1, u / warm_up)                      linear, so that the first steps of an optimiser do no harm
    fall(u)   = shape(min(1, (1 − u) / decay))

    stable    shape(x) = x                    warm-up, plateau, decay (Hu et al., MiniCPM, 2024; Hägele et al. 2024)
    cosine    shape(x) = (1 − cos πx) / 2     (Loshchilov and Hutter, SGDR, 2017), by default from the warm-up on

Step s of S stands for its middle, u = (s + ½) / S, so that no step is lost to a factor of 0; a training that is counted
in minutes takes the share of its time.  The functions hold no state: a run that is resumed asks for the same numbers.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from polyloom.errors import InputError


@final
@dataclass(frozen=True)
class Schedule:
    """A shape to fall in, from 1 to 0 as its argument does, and the share of the training it usually takes."""

    shape: Callable[[float], float]
    decay: float


def factor(schedule: str, share: float, warm_up: float, decay: float) -> float:
    """What to multiply a learning rate by when `share` of the training is done.

    The decay begins after the warm-up, even if the two would take more than the whole.
    """
    if schedule not in SCHEDULES:
        raise InputError(f"No schedule {schedule!r}; there are {', '.join(SCHEDULES)}.")
    rise = share / warm_up if share < warm_up else 1.0
    falling = min(decay, 1.0 - warm_up)
    left = (1.0 - share) / falling if share > 1.0 - falling else 1.0
    return rise * SCHEDULES[schedule].shape(left)


def share_of_steps(step: int, steps: int) -> float:
    """Where in the training step 0, 1, … of `steps` stands: in its middle."""
    return (step + 0.5) / steps


def _linear(x: float) -> float:
    return x


def _half_cosine(x: float) -> float:
    return (1.0 - math.cos(math.pi * x)) / 2.0


SCHEDULES: Mapping[str, Schedule] = {"stable": Schedule(_linear, 0.4), "cosine": Schedule(_half_cosine, 1.0)}
