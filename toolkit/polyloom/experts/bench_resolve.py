"""How often the resolver errs: generated sets of experts, each answer compared with a search through every choice.

Five names in one to three versions, with up to two requirements and two incompatibilities each; about half of the sets
have no solution.  An error is a conflict that is none, or an answer that does not stand.
"""

import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence

from polyloom.cli.rows import Row
from polyloom.experts.resolve import Conflict, Offer, resolve
from polyloom.experts.version import Requirement, Version

NAMES = ("expert-a", "expert-b", "expert-c", "expert-d", "expert-e")
SETS = 1000
Problem = tuple[list[Requirement], list[Offer]]


def rows() -> Iterator[Row]:
    """Two rows, in a few seconds."""
    wrong, seconds = 0, 0.0
    for seed in range(SETS):
        wanted, offers = generated(seed)
        started = time.process_time()
        found = _answer(wanted, offers)
        seconds += time.process_time() - started
        wrong += possible(wanted, offers) if found is None else not stands(wanted, found)
    what = f"{SETS:,} generated sets of experts"
    yield Row(group="experts", name=f"wrong answers, {what}", value=wrong, unit="sets", bar="value <= 0")
    yield Row(group="experts", name=f"resolving, {what}, each", value=1e3 * seconds / SETS, unit="ms")


def generated(seed: int) -> Problem:
    """What is wanted, and what there is."""
    chance = random.Random(seed)

    def rules(most: int) -> tuple[Requirement, ...]:
        bounds = (f"@{chance.choice(['>=', '<', '==', '<=', '!=', '^'])}{chance.randint(1, 3)}", "")
        names = [f"{chance.choice(NAMES)}{chance.choice(bounds)}" for _ in range(chance.randint(0, most))]
        return tuple(map(Requirement.parse, names))

    offers = [
        Offer(name, Version((number, 0, 0)), rules(2), rules(2))
        for name in NAMES
        for number in range(1, chance.randint(2, 4))
    ]
    return list(rules(3)) or [Requirement(NAMES[0])], offers


def stands(wanted: Sequence[Requirement], chosen: Mapping[str, Offer]) -> bool:
    """The definition: all that is required is there, and nothing that something cannot stand beside."""
    needed = [*wanted, *(rule for one in chosen.values() for rule in one.requires)]
    refused = [rule for one in chosen.values() for rule in one.incompatible]
    there = all(rule.name in chosen and rule.allows(chosen[rule.name].version) for rule in needed)
    return there and not any(rule.name in chosen and rule.allows(chosen[rule.name].version) for rule in refused)


def possible(wanted: Sequence[Requirement], offers: Sequence[Offer]) -> bool:
    """Whether any choice at all stands."""
    choices = [[None, *(one for one in offers if one.name == name)] for name in NAMES]
    every = itertools.product(*choices)
    return any(stands(wanted, {one.name: one for one in picked if one}) for picked in every)


def _answer(wanted: Sequence[Requirement], offers: Sequence[Offer]) -> dict[str, Offer] | None:
    try:
        return resolve(wanted, offers)
    except Conflict:
        return None
