"""Votes: the ways in which an ensemble makes one distribution of those of its K members.

Each is a small object without state; arrays are (…, V), a row for each place.

    mean          p(y) = Σ_k p_k(y) / K
    product       p(y) = Π_k p_k(y)^(1/K) / Z
    majority      p(y) = Σ_k [ (1 − ε) · b_k(y) + ε · p_k(y) ] / K       b_k: all of it on the likeliest token of p_k
    rank          the same                                               b_k: points by rank
    confidence    p(y) = Σ_k g_k · p_k(y)                                g_k = (1 − ε) · c_k / Σ c + ε / K

*Product* is the geometric mean, which leaves members that agree as they are; weights of 1 in a log pool would sharpen
it K-fold.  *Majority* goes by the first choice of each member.  *Rank* goes by the order in which each puts the tokens:
the r-th place is worth what the members' r-th likeliest tokens have on average (quantile normalisation: Bolstad et al.,
2003), so it matters who is first and not how loudly that is said.  Points of 1 / (60 + r) (Cormack et al., "Reciprocal
rank fusion", 2009) would leave most of them in the tail of the vocabulary.  *Confidence* listens to members that are
sure of themselves here: c_k = 1 − H(p_k) / ln V, the redundancy of Shannon (1948).

ε is a hundredth: what any member finds possible stays possible, but for a product, in which each may veto.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from polyloom.compose import linear
from polyloom.compose.ballots import by_rank, first_choices
from polyloom.compose.confidence import of_rows
from polyloom.compose.pool import POOLS, Pool
from polyloom.compose.rowwise import Account
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Floats, LanguageModel

Rows = Sequence[Floats]  # K of shape (…, V); in accounts (V,)
Named = Sequence[tuple[str, Explanation]]  # K names, with what these members say of one token

SMOOTHING = 0.01  # ε


class Vote(ABC):
    """One way to vote."""

    name: str

    @abstractmethod
    def mixed(self, rows: Rows) -> Floats:
        """The log-probabilities of the ensemble, of those of its members."""

    @abstractmethod
    def account(self, members: Named, rows: Rows, token: int) -> Account:
        """Scale, terms and total of one token."""

    @abstractmethod
    def voices(self, rows: Rows, token: int) -> list[float]:
        """How loudly each member speaks for one token."""

    def log_likelihood(self, models: Sequence[LanguageModel], ids: Ids) -> Floats | None:
        """ln p(token_t | tokens before t), float64 (T,), if there is a shorter way than by whole rows; else None."""
        del models, ids
        return None


@final
@dataclass(frozen=True)
class Even(Vote):
    """A pool in which all members have the weight 1 / K."""

    name: str
    pool: Pool

    def mixed(self, rows: Rows) -> Floats:
        """What the pool makes of them."""
        return self.pool.mixed([(1 / len(rows), row) for row in rows])

    def account(self, members: Named, rows: Rows, token: int) -> Account:
        """As the pool accounts for it."""
        part = 1 / len(rows)
        return self.pool.account([(name, part, a) for name, a in members], [(part, row) for row in rows], token)

    def voices(self, rows: Rows, token: int) -> list[float]:
        """As the pool hears them."""
        return [self.pool.voice(1 / len(rows), float(row[token])) for row in rows]

    def log_likelihood(self, models: Sequence[LanguageModel], ids: Ids) -> Floats:
        """As the pool does it: a mean needs the members' likelihoods alone."""
        return self.pool.log_likelihood([(1 / len(models), model) for model in models], ids)


@final
@dataclass(frozen=True)
class Ballots(Vote):
    """A ballot for each member, a distribution that goes by its order of the tokens, smoothed with its own row."""

    name: str
    cast: Callable[[Rows], list[Floats]]  # probabilities, K of shape (…, V)
    told: Callable[[Floats, int], str]  # how a row (V,) votes on a token, in words

    def mixed(self, rows: Rows) -> Floats:
        """The mean of ballots and rows."""
        with np.errstate(divide="ignore"):
            ballot = np.log(np.mean(self.cast(rows), axis=0))
        mean = linear.mixed([(1 / len(rows), row) for row in rows])
        return np.logaddexp(math.log1p(-SMOOTHING) + ballot, math.log(SMOOTHING) + mean)

    def account(self, members: Named, rows: Rows, token: int) -> Account:
        """p = Σ_k of what member k brings; each opens into its vote and its own probability."""
        given = zip(members, rows, self._brought(rows, token), strict=True)
        terms = tuple(self._term(name, a, self.told(row, token), *parts) for (name, a), row, parts in given)
        return "probability", terms, float(np.exp(self.mixed(rows)[token]))

    def voices(self, rows: Rows, token: int) -> list[float]:
        """Vote and probability together."""
        return [vote + own for vote, own in self._brought(rows, token)]

    def _brought(self, rows: Rows, token: int) -> list[tuple[float, float]]:
        """What each member's vote and its own probability bring to p."""
        vote, own = (1 - SMOOTHING) / len(rows), SMOOTHING / len(rows)
        ballots = self.cast(rows)
        return [(vote * float(b[token]), own * float(np.exp(r[token]))) for b, r in zip(ballots, rows, strict=True)]

    def _term(self, name: str, account: Explanation, told: str, vote: float, own: float) -> Term:
        """A vote counts nothing itself: its evidence is that of the account it was cast by."""
        terms = (
            Term("vote", vote, told, find=account.evidence),
            Term("own probability", own, f"{SMOOTHING:g} of its part, {account.probability:.6f}", account),
        )
        return Term(name, vote + own, told, replace(account, scale="probability", terms=terms, total=vote + own))


@final
class Confidence(Vote):
    """The mean, in which those weigh more that are sure of themselves."""

    name = "confidence"

    def mixed(self, rows: Rows) -> Floats:
        """At each place with the shares there."""
        return linear.mixed(list(zip(self._weighed(rows)[0][..., None], rows, strict=True)))

    def account(self, members: Named, rows: Rows, token: int) -> Account:
        """p = Σ_k g_k p_k."""
        shares, sure = self._weighed(rows)
        given = zip(members, shares.tolist(), sure.tolist(), rows, strict=True)
        terms = tuple(
            Term(name, g * float(np.exp(row[token])), f"{g:.3f} × {a.probability:.6f}, confidence {c:.3f}", a)
            for (name, a), g, c, row in given
        )
        return "probability", terms, float(np.exp(self.mixed(rows)[token]))

    def voices(self, rows: Rows, token: int) -> list[float]:
        """Their parts of the probability."""
        chances = np.exp([row[token] for row in rows])
        return (self._weighed(rows)[0] * chances).tolist()

    def _weighed(self, rows: Rows) -> tuple[Floats, Floats]:
        """g and c, float64 (K, …) each; where nobody is sure of anything all weigh the same."""
        sure = np.stack([_redundancy(row) for row in rows])
        with np.errstate(invalid="ignore"):
            parts = np.where(sure.any(0), sure / sure.sum(0), 1 / len(rows))
        return (1 - SMOOTHING) * parts + SMOOTHING / len(rows), sure


def _redundancy(row: Floats) -> Floats:
    """1 − H / ln V, from 0 to 1, of log-probabilities (…, V)."""
    size = row.shape[-1]
    entropy = of_rows(row.reshape(-1, size))[:, 0].reshape(row.shape[:-1])
    return np.clip(1 - entropy / math.log(max(2, size)), 0, 1)


def _choice(row: Floats, token: int) -> str:
    chosen = int(row.argmax())
    return "votes for it" if chosen == token else f"votes for another, of {np.exp(row[chosen]):.6f}"


def _rank(row: Floats, token: int) -> str:
    above, alike = np.count_nonzero(row > row[token]), np.count_nonzero(row == row[token]) - 1
    return f"place {above + 1:,} of {len(row):,}" + (f", shared with {alike:,}" if alike else "")


VOTES: dict[str, Vote] = {
    vote.name: vote
    for vote in (
        Even("mean", POOLS["linear"]),
        Even("product", POOLS["log"]),
        Ballots("majority", first_choices, _choice),
        Ballots("rank", by_rank, _rank),
        Confidence(),
    )
}


def vote_of(name: object) -> Vote:
    """The vote of a name; InputError listing the known ones."""
    if not isinstance(name, str) or name not in VOTES:
        raise InputError(f"Unknown vote {name!r}; known are {', '.join(VOTES)}.")
    return VOTES[name]
