"""What was written, and how: one step for each token, with what else could have come and who spoke for it.

A generation can be taken up again at any step: `scrub` gives the place in the text, `fork` writes on from there under
another token, another mix or other settings.  The dice belong to the seed and the step, so a fork that changes nothing
writes the same text.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling

if TYPE_CHECKING:
    from polyloom.protocols import Continues, HasVocabulary


@dataclass(frozen=True)
class Step:
    """One token: its log-probability at temperature 1, and the share of each term of its explanation (summing to 1).

    `candidates` are the likeliest pieces at this step with their probabilities at temperature 1, best first.
    """

    token: int
    piece: str
    log_prob: float
    shares: dict[str, float]
    candidates: tuple[tuple[str, float], ...] = ()

    @property
    def loudest(self) -> str:
        """The term with the largest share."""
        return max(self.shares, key=lambda name: self.shares[name])


@dataclass(frozen=True)
class Generation:
    """A text that a model wrote after a prompt."""

    prompt: str
    text: str
    steps: tuple[Step, ...]
    sampling: Sampling
    origin: "Continues | None" = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    def diverges_from(self, other: "Generation") -> int | None:
        """The first step at which two generations chose differently, or None if neither ever did."""
        for at, (ours, theirs) in enumerate(zip(self.steps, other.steps, strict=False)):
            if ours.token != theirs.token:
                return at
        shorter = min(len(self.steps), len(other.steps))
        return None if len(self.steps) == len(other.steps) else shorter

    def scrub(self, step: int) -> "Continues":
        """The place in the text before a step; after the last one for `step == len(steps)`."""
        if not 0 <= step <= len(self.steps) or self.origin is None:
            raise InputError(f"Expected a step from 0 to {len(self.steps)}, got {step}.")
        place = self.origin.fork()
        for taken in self.steps[:step]:
            place.advance(taken.token)
        return place

    def fork(
        self,
        step: int,
        token: int | str | None = None,
        model: "HasVocabulary | None" = None,
        sampling: Sampling | None = None,
    ) -> "Generation":
        """Write again from `step` on: with `token` there, under another `model`, or with other settings.

        The steps before stay as they were taken.  Raises InputError for a step or a token that there is not.
        """
        from polyloom.generate.loop import resume

        place = self.scrub(step)
        place = place if model is None else place.rebind(model)
        return resume(self, self.steps[:step], place, token, sampling or self.sampling)
