"""What was heard blind, and what it says.

    {"kind": "abx", "x": 1, "said": 0}         X was b, and was taken for a
    {"kind": "prefer", "said": 1}              b was liked better

Of A/B/X the question is whether the two can be told apart: by chance half of the answers are right, and p is the
probability of at least as many right ones.  Of preferences it is whether one is liked better: p is that of a count at
least as far from one half, either way.  Both are exact sums of binomial coefficients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, cast, final

from polyloom.errors import InputError

MOST = 10_000

Vote = dict[str, Any]


@final
@dataclass(frozen=True)
class Verdict:
    """`count` of `total` answers (right ones, or votes for b), and the p that chance alone does as well."""

    count: int
    total: int
    p: float


def abx(votes: Sequence[Vote]) -> Verdict:
    """How many were right, and p of at least as many."""
    heard = [vote["x"] == vote["said"] for vote in votes if vote["kind"] == "abx"]
    return Verdict(sum(heard), len(heard), at_least(sum(heard), len(heard)))


def preference(votes: Sequence[Vote]) -> Verdict:
    """How many liked b better, and p of a count as far from the middle."""
    liked = [vote["said"] for vote in votes if vote["kind"] == "prefer"]
    count, total = sum(liked), len(liked)
    return Verdict(count, total, min(1.0, 2 * at_least(max(count, total - count), total)))


def at_least(right: int, total: int) -> float:
    """The probability that a fair coin shows heads so often or more."""
    return sum(comb(total, n) for n in range(right, total + 1)) / 2**total


def checked(votes: object) -> list[Vote]:
    """Votes from outside; InputError if one is none."""
    given = cast("list[object]", votes) if isinstance(votes, list) else [votes]
    if len(given) > MOST:
        raise InputError(f"At most {MOST:,} votes are kept, got {len(given):,}.")
    for vote in given:
        sides = _sides(vote)
        if any(type(side) is not int or side not in (0, 1) for side in sides) or not sides:
            raise InputError(
                f"A vote is {{kind: 'abx', x, said}} or {{kind: 'prefer', said}} of 0 and 1, got {vote!r}."
            )
    return cast("list[Vote]", given)


def _sides(vote: object) -> list[object]:
    """What a vote says; nothing if it is none."""
    known = {"abx": ("x", "said"), "prefer": ("said",)}
    told = cast("Mapping[str, object]", vote) if isinstance(vote, Mapping) else dict[str, object]()
    names = known.get(str(told.get("kind")), ())
    return [told.get(name) for name in names] if set(told) == {"kind", *names} else []
