"""Which experts can stand together: `requires` and `incompatible_with` of all, met at once or shown to conflict.

Every name has one version or none.  A name that something requires must be there; one that something cannot stand
beside may be there in another version, or be absent, which counts as one more choice.  So both kinds of constraint are
the same kind of question to the resolver, that of pip (resolvelib).  It goes straight to an answer or to the demands in
each other's way, and about once in a thousand hard cases it errs: a version that it gave up and took again has lost its
demands.  So an answer is checked, and a conflict is one only after every choice was tried.

Loading goes by what is required first, then by the stated place (formats 1-2, languages 3-4, technologies 5-6, domains
7-8, tasks 9-10), then by name.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from polyloom._compat import need
from polyloom.errors import InputError
from polyloom.experts.manifest import Manifest
from polyloom.experts.version import Requirement, Version

PURPOSE = "Resolving what experts require"
ROUNDS = 100_000  # of pinning; far more than any set of experts has taken


class Conflict(InputError):  # noqa: N818 - "conflict" already says that it is an error
    """Experts that cannot stand together; `reasons` says which demands are in each other's way."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("These experts cannot stand together: " + "; ".join(reasons) + ".")


@dataclass(frozen=True)
class Offer:
    """An expert that can be chosen: what it needs and what it cannot stand beside."""

    name: str
    version: Version
    requires: tuple[Requirement, ...] = ()
    incompatible: tuple[Requirement, ...] = ()
    order: int = 10

    @classmethod
    def of(cls, manifest: Manifest) -> "Offer":
        """What a manifest says of it."""
        constraints = manifest.said.constraints
        requires, incompatible = (
            tuple(map(Requirement.parse, texts)) for texts in (constraints.requires, constraints.incompatible_with)
        )
        return cls(manifest.name, manifest.version, requires, incompatible, manifest.said.order)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Choice:
    """A version of a name, or its absence."""

    name: str
    offer: Offer | None


@dataclass(frozen=True)
class Demand:
    """That a name be there in an allowed version, or that it not be there in one."""

    rule: Requirement
    excluded: bool = False

    def met(self, choice: Choice) -> bool:
        """Whether a choice is one of those asked for."""
        return (choice.offer is not None and self.rule.allows(choice.offer.version)) != self.excluded


def resolve(
    wanted: Iterable[Requirement], offers: Iterable[Offer], preferred: Mapping[str, Version] | None = None
) -> dict[str, Offer]:
    """The experts that meet what is wanted and one another, by name; the preferred version of each, or the newest.

    Raises Conflict, saying which demands are in each other's way, if no choice of the offers does.
    """
    library = need("resolvelib.resolvers", "experts", PURPOSE)
    roots = list(map(Demand, wanted))
    provider = _Provider(offers, preferred or {})
    causes: list[Any] = []
    try:
        state = library.Resolution(provider, need("resolvelib", "experts", PURPOSE).BaseReporter()).resolve(
            roots, ROUNDS
        )
        found = _reached(roots, state.mapping)
    except library.ResolutionImpossible as error:
        causes, found = error.causes, None
    if found is None or not _stands(roots, found):
        found = _searched(roots, provider.choices, {})
    if found is None:
        raise Conflict([*_explained(causes, provider.choices)] or ["no choice of versions meets every demand"])
    return found


def load_order(offers: Iterable[Offer]) -> list[Offer]:
    """Experts in the order of loading.  Conflict if some require one another in a circle."""
    named = {offer.name: offer for offer in offers}
    graph = {name: [rule.name for rule in offer.requires if rule.name in named] for name, offer in named.items()}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        raise Conflict([" requires ".join(reversed(error.args[1])) + ", in a circle"]) from None
    ready: list[tuple[int, str]] = []
    ordered: list[Offer] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (named[name].order, name))
        _, name = heapq.heappop(ready)
        ordered.append(named[name])
        sorter.done(name)
    return ordered


def _stands(roots: Iterable[Demand], chosen: Mapping[str, Offer]) -> bool:
    """Whether experts meet all demands on them and of them: what `resolve` means."""
    demands = [*roots, *(demand for offer in chosen.values() for demand in _demands(offer))]
    return all(demand.met(Choice(demand.rule.name, chosen.get(demand.rule.name))) for demand in demands)


def _searched(
    roots: Sequence[Demand], choices: Mapping[str, list[Choice]], chosen: Mapping[str, Offer]
) -> dict[str, Offer] | None:
    """The first set that stands, of all there are: the next name that is needed in each of its versions, and so on."""
    demands = [*roots, *(demand for offer in chosen.values() for demand in _demands(offer))]
    there = [demand for demand in demands if demand.rule.name in chosen]
    if not all(demand.met(Choice(demand.rule.name, chosen[demand.rule.name])) for demand in there):
        return None
    name = next((one.rule.name for one in demands if not one.excluded and one.rule.name not in chosen), None)
    if name is None:
        return dict(chosen)
    versions = (one.offer for one in choices.get(name, []) if one.offer)
    tried = (_searched(roots, choices, {**chosen, name: offer}) for offer in versions)
    return next((found for found in tried if found is not None), None)


def _demands(offer: Offer) -> list[Demand]:
    return [*map(Demand, offer.requires), *(Demand(rule, excluded=True) for rule in offer.incompatible)]


def _reached(roots: Iterable[Demand], chosen: Mapping[str, Choice]) -> dict[str, Offer]:
    """What is wanted and what that requires; a choice that was given up may have left others behind.

    Resolver.resolve of the library does this too, and never ends where experts require one another.
    """
    found: dict[str, Offer] = {}
    names = [demand.rule.name for demand in roots]
    while names:
        name = names.pop()
        offer = chosen[name].offer if name in chosen else None
        if offer is not None and name not in found:
            found[name] = offer
            names += [rule.name for rule in offer.requires]
    return found


class _Provider:
    """The questions of resolvelib, answered from the offers; its own base class only says which they are."""

    def __init__(self, offers: Iterable[Offer], preferred: Mapping[str, Version]) -> None:
        self.choices: dict[str, list[Choice]] = {}
        for offer in sorted(
            offers, key=lambda one: (preferred.get(one.name) == one.version, one.version), reverse=True
        ):
            self.choices.setdefault(offer.name, []).append(Choice(offer.name, offer))

    def identify(self, requirement_or_candidate: Demand | Choice) -> str:
        return (
            requirement_or_candidate.name
            if isinstance(requirement_or_candidate, Choice)
            else requirement_or_candidate.rule.name
        )

    def narrow_requirement_selection(self, identifiers: Iterable[str], **_: Any) -> Iterable[str]:
        return identifiers

    def get_preference(self, identifier: str, candidates: Mapping[str, Iterator[Choice]], **_: Any) -> tuple[int, str]:
        return sum(1 for _ in candidates[identifier]), identifier

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Demand]],
        incompatibilities: Mapping[str, Iterator[Choice]],
    ) -> list[Choice]:
        demands, refused = list(requirements[identifier]), set(incompatibilities[identifier])
        choices = [Choice(identifier, None), *self.choices.get(identifier, [])]
        return [one for one in choices if one not in refused and all(demand.met(one) for demand in demands)]

    def is_satisfied_by(self, requirement: Demand, candidate: Choice) -> bool:
        return requirement.met(candidate)

    def get_dependencies(self, candidate: Choice) -> list[Demand]:
        return [] if candidate.offer is None else _demands(candidate.offer)


def _explained(causes: Iterable[Any], choices: Mapping[str, list[Choice]]) -> Iterator[str]:
    """The demands that were left in each other's way, and what there is to meet them."""
    names: dict[str, None] = {}
    told: dict[str, None] = {}
    for cause in causes:
        demand: Demand = cause.requirement
        names[demand.rule.name] = None
        who = "what is asked for" if cause.parent is None else str(cause.parent.offer)
        what = "cannot stand beside" if demand.excluded else "requires"
        told[f"{who} {what} {demand.rule}"] = None
    yield from told
    for name in names:
        versions = ", ".join(str(choice.offer.version) for choice in choices.get(name, []) if choice.offer)
        yield f"of {name} there is {versions or 'none'}"
