"""What was written, and how: one step for each token, with its probability and who spoke for it."""

from dataclasses import dataclass

from polyloom.generate.sampling import Sampling


@dataclass(frozen=True)
class Step:
    """One token: its log-probability at temperature 1, and the share of each term of its explanation (summing to 1)."""

    token: int
    piece: str
    log_prob: float
    shares: dict[str, float]

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

    def __str__(self) -> str:
        return self.text

    def diverges_from(self, other: "Generation") -> int | None:
        """The first step at which two generations chose differently, or None if neither ever did."""
        for at, (ours, theirs) in enumerate(zip(self.steps, other.steps, strict=False)):
            if ours.token != theirs.token:
                return at
        shorter = min(len(self.steps), len(other.steps))
        return None if len(self.steps) == len(other.steps) else shorter
