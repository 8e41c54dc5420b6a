"""Positions: how a token knows where it stands.

    learned, sinusoidal   a vector for each place, added to the embedding
    rotary                queries and keys turned by an angle that grows with the place      (Su et al. 2021)
    none                  only the causal mask tells before from after                       (Haviv et al. 2022)

Each brick has the same two methods: `embed(x, places)` adds what is added, `turning(places, length)` gives what turns
queries and keys.  Places are int64 (B or 1, T).  Angles are always computed in float32: in bfloat16 those of position
300 would be wrong by more than a radian.

`length` is the number of tokens of the text and picks the rotary **regime**: texts that have outgrown the training are
read with other frequencies (see `scaling`), and a cache of keys is good only as long as the regime stays.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.scaling import frequencies, regime


class Turning(ABC):
    """What is done to queries and keys, (B, heads, T, head size), before they meet."""

    @abstractmethod
    def turn(self, x: Tensor) -> Tensor:
        """The same shape and dtype."""


@final
class Still(Turning):
    """Positions that are in the stream already."""

    def turn(self, x: Tensor) -> Tensor:
        """x as it is."""
        return x


@final
@dataclass(frozen=True)
class Rotation(Turning):
    """Angles of each place: `cosine` and `sine`, float32 (B or 1, 1, T, head size); the halves of a head are pairs."""

    cosine: Tensor
    sine: Tensor

    def turn(self, x: Tensor) -> Tensor:
        """Each pair (x_i, x_{i + half}) turned by the angle of its place and frequency."""
        first, second = x.chunk(2, -1)
        turned = torch.cat((-second, first), -1)
        return (x * self.cosine + turned * self.sine).to(x.dtype)


class Positions(nn.Module, ABC):
    """One way to tell places apart."""

    @abstractmethod
    def embed(self, x: Tensor, places: Tensor) -> Tensor:
        """The stream, (B, T, d), with what this adds."""

    @abstractmethod
    def turning(self, places: Tensor, length: int) -> Turning:
        """What turns queries and keys in a text of `length` tokens."""

    def regime(self, length: int) -> int:
        """Texts of lengths with equal numbers are read with equal frequencies."""
        del length
        return 0


@final
class Rotary(Positions):
    """Turns queries and keys; adds nothing."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config, self.size = config.position, config.attention.head_size

    def embed(self, x: Tensor, places: Tensor) -> Tensor:
        """The stream as it is."""
        del places
        return x

    def turning(self, places: Tensor, length: int) -> Rotation:
        """Angles place · frequency, in float32; YaRN's temperature is in their length."""
        speeds, magnitude = frequencies(self.config, self.size, length)
        angles = places.to(torch.float32)[..., None] * speeds.to(places.device)  # (B, T, half)
        angles = torch.cat((angles, angles), -1)[:, None]  # (B, 1, T, head size)
        return Rotation(angles.cos() * magnitude, angles.sin() * magnitude)

    def regime(self, length: int) -> int:
        """The length whose frequencies a text of `length` tokens is read with."""
        return regime(self.config, length)


@final
class Learned(Positions):
    """A trained vector for each place."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(config.context, config.width))

    def embed(self, x: Tensor, places: Tensor) -> Tensor:
        """The stream plus the vector of each place."""
        return x + self.weight[places]

    def turning(self, places: Tensor, length: int) -> Still:
        """Nothing turns."""
        del places, length
        return Still()


@final
class Sinusoidal(Positions):
    """Sines and cosines of wavelengths from 2π to 10,000 · 2π (Vaswani et al. 2017); nothing is trained."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.width = config.width

    def embed(self, x: Tensor, places: Tensor) -> Tensor:
        """The stream plus sines in even and cosines in odd dimensions."""
        steps = torch.arange(0, self.width, 2, device=x.device, dtype=torch.float32)
        angles = places.to(torch.float32)[..., None] * torch.exp(steps * (-math.log(10_000.0) / self.width))
        waves = torch.stack((angles.sin(), angles.cos()), -1).flatten(-2)  # (B, T, d)
        return x + waves[..., : self.width].to(x.dtype)

    def turning(self, places: Tensor, length: int) -> Still:
        """Nothing turns."""
        del places, length
        return Still()


@final
class Unplaced(Positions):
    """No positions at all."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        del config

    def embed(self, x: Tensor, places: Tensor) -> Tensor:
        """The stream as it is."""
        del places
        return x

    def turning(self, places: Tensor, length: int) -> Still:
        """Nothing turns."""
        del places, length
        return Still()


def positions(config: TransformerConfig) -> Positions:
    """The positions of a config."""
    return POSITIONS[config.position.kind](config)


POSITIONS: dict[str, type[Rotary] | type[Learned] | type[Sinusoidal] | type[Unplaced]] = {
    "rotary": Rotary,
    "learned": Learned,
    "sinusoidal": Sinusoidal,
    "none": Unplaced,
}
