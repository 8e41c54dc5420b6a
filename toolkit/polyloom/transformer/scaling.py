"""Rotary frequencies, and how they change for texts longer than those of the training.

    plain     ω_i = θ^(−2i/d)                                       i = 0 … d/2 − 1
    linear    ω_i / s                                               (Chen et al. 2023)
    ntk       θ · s^(d/(d−2)) in place of θ                         ("NTK-aware", bloc97 2023)
    dynamic   ntk with s = s₀ · L / L₀ − (s₀ − 1), L the length     (emozilla 2023)
    yarn      slow dimensions linear, fast ones plain, a ramp between them, and queries and keys longer by
              0.1 ln s + 1                                          (Peng et al. 2023)
    llama3    as yarn, the ramp over wavelengths                    (Llama Team 2024)

L₀ is the length of the training.  A text that has not outgrown it is read with the plain frequencies, bit for bit,
unless the config says that the model was trained with scaled ones.  `dynamic` takes L in doublings of L₀, so that the
keys of a growing text need to be computed anew only that often.  Everything is float32.
"""

import math

import torch
from torch import Tensor

from polyloom.errors import InputError
from polyloom.transformer.config import Position, Scaling

Found = tuple[Tensor, float]


def regime(config: Position, length: int) -> int:
    """The length that the frequencies for a text of `length` tokens are made for; 0 means the plain ones."""
    scaling = config.scaling
    if scaling is None or (length <= scaling.original and not scaling.always):
        return 0
    if scaling.kind == "dynamic":
        doublings = max(0, math.ceil(math.log2(length / scaling.original)))
        return scaling.original * 2**doublings
    return max(scaling.original, 1)


def frequencies(config: Position, size: int, length: int) -> Found:
    """Radians for each place, float32 (size / 2), and what queries and keys are multiplied by, each."""
    at = regime(config, length)
    if not at or config.scaling is None:
        return plain(config.theta, size), 1.0
    if config.scaling.kind not in SCALINGS:
        raise InputError(f"Unknown scaling {config.scaling.kind!r}; known are {', '.join(SCALINGS)}.")
    return SCALINGS[config.scaling.kind](config.theta, size, config.scaling, at)


def plain(theta: float, size: int) -> Tensor:
    """θ^(−2i/d), float32 (size / 2)."""
    return 1.0 / theta ** (torch.arange(0, size, 2, dtype=torch.int64).float() / size)


def _linear(theta: float, size: int, scaling: Scaling, at: int) -> Found:
    del at
    return plain(theta, size) / scaling.factor, 1.0


def _ntk(theta: float, size: int, scaling: Scaling, at: int) -> Found:
    del at
    return plain(theta * scaling.factor ** (size / (size - 2)), size), 1.0


def _dynamic(theta: float, size: int, scaling: Scaling, at: int) -> Found:
    grown = scaling.factor * max(at, scaling.original) / scaling.original - (scaling.factor - 1)
    return plain(theta * grown ** (size / (size - 2)), size), 1.0


def _yarn(theta: float, size: int, scaling: Scaling, at: int) -> Found:
    del at

    def dimension(turns: float) -> float:
        """Where a dimension turns so often within the length of the training."""
        return size * math.log(scaling.original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(dimension(scaling.beta_fast)), 0)
    high = min(math.ceil(dimension(scaling.beta_slow)), size - 1)
    ramp = (torch.arange(size // 2, dtype=torch.float32) - low) / max(high - low, 0.001)
    kept = 1 - ramp.clamp(0, 1)
    speeds = plain(theta, size)
    longer = scaling.attention_factor
    if longer is None:
        longer = 0.1 * math.log(scaling.factor) + 1.0 if scaling.factor > 1 else 1.0
    return speeds / scaling.factor * (1 - kept) + speeds * kept, longer


def _llama3(theta: float, size: int, scaling: Scaling, at: int) -> Found:
    del at
    speeds = plain(theta, size)
    turns = scaling.original * speeds / (2 * math.pi)  # within the length of the training
    kept = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    return speeds / scaling.factor * (1 - kept) + speeds * kept, 1.0


SCALINGS = {"linear": _linear, "ntk": _ntk, "dynamic": _dynamic, "yarn": _yarn, "llama3": _llama3}
