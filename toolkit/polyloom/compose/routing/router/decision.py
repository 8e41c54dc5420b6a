"""What a router makes of a text: each expert's probability, who is the best, why, and how little would change it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from polyloom.compose.routing.chooser import Decision
from polyloom.compose.routing.router.features import PART
from polyloom.compose.routing.router.witnesses import BORDER, WITNESSES
from polyloom.whole import whole


@dataclass(frozen=True)
class Routing(Decision):
    """A decision whose `scores` are probabilities; what is left of 1 is for none of the experts.

    `score` is that of the best, even if it is below the `threshold` and `name` is None.  `explanation` accounts for it,
    whether it was enough or not.
    """

    threshold: float
    find: Callable[[], Mapping[str, float]] = field(repr=False, compare=False)

    @property
    def best(self) -> str:
        """The expert with the highest score, enough or not; of several the first."""
        return max(self.scores, key=lambda name: self.scores[name])

    @property
    def name(self) -> str | None:
        """The best, if its score reaches the threshold."""
        return self.best if self.score >= self.threshold else None

    def top(self, k: int) -> dict[str, float]:
        """The best k experts, best first, with weights that sum to 1; empty if it abstains."""
        whole("k", k, 1)
        if self.name is None:
            return {}
        chosen = sorted(self.scores.items(), key=lambda one: -one[1])[:k]
        every = sum(score for _, score in chosen)
        return {name: score / every for name, score in chosen}

    def reasons(self, k: int) -> dict[str, float]:
        """The k words, phrases and signs that speak most for the best, and how much, in nats; fewer if fewer do."""
        whole("k", k, 1)
        found = dict[str, float]()
        for witness in (term for part in self.explanation.terms if part.child for term in part.child.terms):
            for said in witness.child.terms if witness.child and witness.name in WITNESSES else ():
                if said.name != BORDER and not said.name.startswith(PART):
                    found[said.name] = found.get(said.name, 0.0) + said.contribution
        ordered = sorted(found.items(), key=lambda one: -one[1])[:k]
        return {what: much for what, much in ordered if much > 0}

    def flips(self) -> Mapping[str, float]:
        """How far each feature is from making the second best draw level, nearest first, all else as it is.

        In units of what the feature is now: at 0.4 it would do to take away four tenths of it, so taking it away flips
        the decision; 2 says that all of it is half of what holds the best up; −3 that the second best would draw level
        if three times as much were added.  Features that make no difference between the two are not listed.
        """
        return self.find()
