"""What the lessons need besides the toolkit: a verdict on an exercise, with the figure that decided it."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Verdict:
    """Whether an exercise is solved; shows itself in green, or as a hint."""

    passed: bool
    figures: str
    hint: str

    def __repr__(self) -> str:
        return f"✓ {self.figures}" if self.passed else f"Not yet: {self.figures}. Hint: {self.hint}"

    def _repr_html_(self) -> str:
        line = "#009E73" if self.passed else "#E69F00"
        return f"<div style='border-left:6px solid {line};padding:4px 12px'>{escape(repr(self))}</div>"


def check(passed: bool, figures: str, hint: str) -> Verdict:
    """Judge an exercise: `figures` says what was reached, `hint` what to try if that is not enough."""
    return Verdict(bool(passed), figures, hint)
