"""The feed-forward part: each token thinks about what it has gathered, alone.

    swiglu   W_down (silu(W_gate x) · W_up x)        Shazeer 2020
    gelu     W_down gelu(W_up x)                     Hendrycks and Gimpel 2016; `gelu_tanh` approximates it
    relu2    W_down max(0, W_up x)²                  So et al. 2021

A part is a module like any other: it knows nothing of the stream it adds to.
"""

from collections.abc import Callable
from functools import partial
from typing import final

from torch import Tensor, nn

from polyloom.transformer.config import TransformerConfig


@final
class SwiGLU(nn.Module):
    """Two ways up, one gating the other, and one way down."""

    def __init__(self, width: int, size: int, bias: bool = False) -> None:
        super().__init__()
        self.gate = nn.Linear(width, size, bias=bias)
        self.up = nn.Linear(width, size, bias=bias)
        self.down = nn.Linear(size, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the stream, same shape."""
        return self.down(nn.functional.silu(self.gate(x)) * self.up(x))


@final
class Plain(nn.Module):
    """Up, a bend, down."""

    def __init__(self, width: int, size: int, bias: bool, bend: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.up = nn.Linear(width, size, bias=bias)
        self.down = nn.Linear(size, width, bias=bias)
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the stream, same shape."""
        return self.down(self.bend(self.up(x)))


def feed_forward(config: TransformerConfig) -> SwiGLU | Plain:
    """The dense feed-forward of a config."""
    given = config.feed_forward
    if given.kind == "swiglu":
        return SwiGLU(config.width, given.size, given.bias)
    return Plain(config.width, given.size, given.bias, BENDS[given.kind])


def _relu2(x: Tensor) -> Tensor:
    return nn.functional.relu(x).square()


BENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": nn.functional.gelu,
    "gelu_tanh": partial(nn.functional.gelu, approximate="tanh"),
    "relu2": _relu2,
}
