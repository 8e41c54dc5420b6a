"""Which tokens a model of limited context reads before it says what comes next.

A text of t tokens is read from its start as long as it fits.  When it has outgrown the context, it is read from a
later start, which moves on by half a context at a time: so a cache of keys serves for half a context before it must be
made anew, every distribution is given at least half a context, and teacher forcing, reading on and starting afresh all
agree.  A group is a run of places that share a start and a rotary regime, and so one forward pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from polyloom.transformer.network import Network


@dataclass(frozen=True)
class Window:
    """What is read at a place: the tokens from `start` on, at the frequencies of `regime`."""

    start: int
    regime: int


@dataclass(frozen=True)
class Group:
    """The places `first` … `last` of a text, all read through one window."""

    window: Window
    first: int
    last: int


def opening(network: Network) -> int:
    """How many ids stand before every text: a begin token, a soft prompt."""
    return len(network.front)


def window(network: Network, t: int) -> Window:
    """The window after t tokens."""
    opened, start = opening(network), 0
    room = None if network.context is None else network.context - opened
    if room is not None and t > room:
        hop = max(1, room // 2)
        start = -(-(t - room) // hop) * hop
    return Window(start, network.regime(t - start + opened))


def groups(network: Network, first: int, last: int) -> Iterator[Group]:
    """The places `first` … `last`, in runs of equal windows."""
    opened = first
    for place in range(first, last + 1):
        if place == last or window(network, place + 1) != window(network, opened):
            yield Group(window(network, opened), opened, place)
            opened = place + 1
