"""Fair credit: what each layer adds to the likelihood of a text, by exact Shapley values.

    v(S) = F(S) in nats a token, v(∅) = −ln V           the text under the layers in S alone, at the weights of the mix
    φ_k  = Σ_{S∌k} |S|! (K−|S|−1)! / K! · (v(S∪k) − v(S))                    what k adds, on average over all orders
    τ_kj = 2/K Σ_{S∌k,j} (v(S∪kj) − v(S∪k) − v(S∪j) + v(S)) / C(K−1, |S|)    what the two add beyond each alone

φ is the one division of v(N) − v(∅) that is symmetric, additive and leaves nothing over (Shapley, "A value for n-person
games", 1953).  τ is the Shapley–Taylor interaction of order 2 (Sundararajan, Dhamdhere and Agarwal, "The Shapley Taylor
interaction index", 2020): it divides the same whole, into what each layer does alone, a_k = v({k}) − v(∅), and what
each pair adds.  So the values open into terms that sum:

    φ_k = a_k + ½ Σ_j τ_kj

Layers that know the same have a negative τ.  In a linear pool the weights of a set are made to sum to 1, in a log pool
they stay as they are; a set of silent layers alone is worth what none is.  All 2^K sets are asked (`coalitions`).
"""

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polyloom.compose.optimise import some_text
from polyloom.documents import Documents
from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.progress import Meter

if TYPE_CHECKING:
    from polyloom.compose.layered import Layered

LARGEST = 16  # layers: 65,536 sets
WIDTH = 160  # pixels of the longest bar


@dataclass(frozen=True, eq=False)
class Shapley:
    """What each layer adds, in nats a token: `values` float64 (K,), which sum to `whole` − `nothing`.

    `alone` (K,) is what each adds by itself; `pairs` (K, K), symmetric and 0 on the diagonal, what two add beyond that.
    `whole` is the mean log-likelihood of the mix over `tokens` tokens, `nothing` that of a fair draw among all tokens.
    """

    names: tuple[str, ...]
    values: Floats
    alone: Floats
    pairs: Floats
    whole: float
    nothing: float
    tokens: int

    @property
    def residual(self) -> float:
        """What rounding left over: whole − nothing − Σ values."""
        return self.whole - self.nothing - math.fsum(self.values.tolist())

    def __str__(self) -> str:
        width = max(map(len, self.names))
        rows = [
            f"{name:>{width}}  {value:+.4f} = alone {alone:+.4f}  with others {value - alone:+.4f}"
            for name, value, alone in self._rows()
        ]
        pairs = [f"{a} and {b}: {value:+.4f}" for a, b, value in self.strongest()]
        return "\n".join([self._head(), *rows, *pairs, f"residual {abs(self.residual):.1e}"])

    __repr__ = __str__

    def strongest(self, limit: int = 3) -> list[tuple[str, str, float]]:
        """The pairs that add or take most together, largest first."""
        at = sorted(zip(*np.triu_indices(len(self.names), 1), strict=True), key=lambda one: -abs(self.pairs[one]))
        return [(self.names[a], self.names[b], float(self.pairs[a, b])) for a, b in at[:limit]]

    def _repr_html_(self) -> str:
        longest = float(np.abs(self.values).max()) or 1.0
        rows = "".join(_row(*row, longest) for row in self._rows())
        pairs = "".join(f"<li>{escape(a)} and {escape(b)}: {value:+.4f}</li>" for a, b, value in self.strongest())
        table = f"<table style='font-variant-numeric:tabular-nums'>{rows}</table>"
        return f"<div>{escape(self._head())}{table}" + (f"<ul>{pairs}</ul>" if pairs else "") + "</div>"

    def _head(self) -> str:
        return (
            f"{self.whole - self.nothing:.4f} nats a token over {self.tokens:,} tokens, "
            f"from {self.nothing:.4f} (any token alike) to {self.whole:.4f}"
        )

    def _rows(self) -> list[tuple[str, float, float]]:
        """Name, value and what it adds alone, largest value first."""
        rows = zip(self.names, self.values.tolist(), self.alone.tolist(), strict=True)
        return sorted(rows, key=lambda row: -row[1])


def shapley(mix: "Layered", documents: Documents) -> Shapley:
    """See `Layered.shapley`."""
    given, names = some_text("Fair credit", documents, mix.vocabulary), tuple(mix.layers)
    if len(names) > LARGEST:
        raise InputError(f"Shapley values ask every set of layers: at most {LARGEST}, got {len(names)}. Prune first.")
    evidence = mix.pooling.evidence.read(list(mix.models.values()), given)
    with Meter("places") as meter:
        worth = evidence.coalitions(mix.factors, mix.vocabulary.size, meter.add)
    worth[0] = -math.log(mix.vocabulary.size)
    if not np.isfinite(worth).all():
        found = int(np.flatnonzero(~np.isfinite(worth))[0])
        alone = " and ".join(name for k, name in enumerate(names) if found >> k & 1)
        raise InputError(f"The text holds a token that {alone} alone gives no chance: what it is worth is not finite.")
    return Shapley(names, *divided(worth), float(worth[-1]), float(worth[0]), sum(map(len, given)))


def divided(worth: Floats) -> tuple[Floats, Floats, Floats]:
    """Shapley values (K,), what each is worth alone (K,), and Shapley–Taylor pairs (K, K), of v(S) (2^K,).

    Player k is in set s if bit k of s is 1.
    """
    players = len(worth).bit_length() - 1
    values, alone, pairs = np.empty(players), worth[1 << np.arange(players)] - worth[0], np.zeros((players,) * 2)
    shares = np.array([1 / (players * math.comb(players - 1, n)) for n in range(players)])  # by |S|
    for k in range(players):
        added = _added(worth, k)
        values[k] = float(shares[_sizes(players - 1)] @ added)
        for j in range(k):
            pairs[k, j] = pairs[j, k] = 2 * float(shares[_sizes(players - 2)] @ _added(added, j))
    return values, alone, pairs


def _added(worth: Floats, player: int) -> Floats:
    """What a player adds to each set of the others, whose bits above it move down by one."""
    both = worth.reshape(-1, 2, 2**player)
    return (both[:, 1] - both[:, 0]).ravel()


def _sizes(players: int) -> NDArray[np.uint8]:
    """How many players are in each set."""
    found = np.zeros(1, np.uint8)
    for _ in range(players):
        found = np.concatenate([found, found + np.uint8(1)])
    return found


def _row(name: str, value: float, alone: float, longest: float) -> str:
    colour = "#4477aa" if value >= 0 else "#cc6677"
    bar = f"<div style='width:{WIDTH * abs(value) / longest:.0f}px;height:0.8em;background:{colour}'></div>"
    cells = f"<td>{value:+.4f}</td><td>{bar}</td><td>alone {alone:+.4f}, with others {value - alone:+.4f}</td>"
    return f"<tr><th style='text-align:left'>{escape(name)}</th>{cells}</tr>"
