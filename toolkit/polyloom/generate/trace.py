"""What was written, and how: one step for each token, with what else could have come and who spoke for it.

A generation can be taken up again at any step: `scrub` gives the place in the text, `fork` writes on from there under
another token, another mix or other settings.  The dice belong to the seed and the step, so a fork that changes nothing
writes the same text.  `recipe` says how it was made, so that it can be made again from the same models.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom.model import Floats, best
from polyloom.whole import whole

if TYPE_CHECKING:
    from polyloom.generate.speculate import Speculated
    from polyloom.protocols import Continues, HasVocabulary

CANDIDATES = 5  # that a step remembers
SHOWN = 40  # characters of a text that a generation shows of itself


@dataclass(frozen=True)
class Step:
    """One token: its log-probability at temperature 1, and who spoke for it.

    `shares` sum to 1, or are all 0 where nothing speaks for it: the part of each term in the token's probability, or,
    in a mix that multiplies, the probability that each layer which speaks for the token gives it alone, compared with
    the others (`Explanation.shares`).
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
    """A text that a model wrote after a prompt.

    The first `kept` steps were taken over from another generation, and `forced` is the token that was put after them.
    `speculation` says how guessing went, if somebody guessed.
    """

    prompt: str
    text: str
    steps: tuple[Step, ...]
    sampling: Sampling
    origin: "Continues | None" = field(default=None, compare=False)
    kept: int = field(default=0, compare=False)
    forced: int | None = field(default=None, compare=False)
    speculation: "Speculated | None" = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        steps = f"{len(self.steps)} step{'s' * (len(self.steps) != 1)}"
        guessed = f"; {self.speculation}" if self.speculation else ""
        return f"<Generation of {steps} after {_short(self.prompt[-SHOWN:])}: {_short(self.text)}{guessed}>"

    @property
    def recipe(self) -> dict[str, Any]:
        """How the text was made, for JSON: models by digest, weights, prompt, settings; `polyloom.replay` reads it.

        Where a draft had a part in the dice, every token is told, so that the text can be made again without the draft.
        Raises InputError if the model that wrote it has no digest.
        """
        from polyloom.compose.recipe import written_by

        tokens = [step.token for step in self.steps]
        if self.speculation and self.sampling.temperature:
            told = replace(self.sampling, max_tokens=len(tokens))
            return written_by(self._begun(), self.prompt, tokens, None, told)
        return written_by(self._begun(), self.prompt, tokens[: self.kept], self.forced, self.sampling)

    def save_recipe(self, path: str | os.PathLike[str]) -> Path:
        """Write the recipe as a JSON file, by convention `x.recipe.json`, whole or not at all; returns its path."""
        from polyloom.compose.recipe_file import save_recipe

        return save_recipe(self.recipe, path)

    def diverges_from(self, other: "Generation") -> int | None:
        """The first step at which two generations chose differently, or None if neither ever did."""
        for at, (ours, theirs) in enumerate(zip(self.steps, other.steps, strict=False)):
            if ours.token != theirs.token:
                return at
        shorter = min(len(self.steps), len(other.steps))
        return None if len(self.steps) == len(other.steps) else shorter

    def scrub(self, step: int) -> "Continues":
        """The place in the text before a step; after the last one for `step == len(steps)`."""
        step = whole("step", step, 0, len(self.steps))
        place = self._begun().fork()
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

        The steps before stay as they were taken; the new generation belongs to the model that wrote the rest.  Raises
        InputError for a step or a token that there is not.
        """
        from polyloom.generate.loop import resume

        start = self if model is None else replace(self, origin=self._begun().rebind(model))
        guessing = self.speculation and self.speculation.settings
        settings = Sampling.settled(sampling or self.sampling)
        return resume(start, self.steps[:step], start.scrub(step), token, settings, guessing)

    def _begun(self) -> "Continues":
        if self.origin is None:
            raise InputError("This generation does not know where it began: take one that a model wrote.")
        return self.origin


def step_of(place: "Continues", token: int, log_probs: Floats, ago: int = 0) -> Step:
    """The record of one token: given the distribution that it came from, at a place or `ago` tokens before it."""
    pieces = place.model.vocabulary.pieces
    likeliest: list[int] = best(log_probs, CANDIDATES).tokens.tolist()
    candidates = tuple((pieces[other], float(np.exp(log_probs[other]))) for other in likeliest)
    return Step(token, pieces[token], float(log_probs[token]), place.shares(token, ago), candidates)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
