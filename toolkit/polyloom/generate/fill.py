"""Writing a middle: drawn from what may stand there, or written by a model that was trained to fill in.

A model that reads from left to right draws one of the middles that `predict_middle` looks at, with the probability that
it has there: exactly for one token, ≈ for longer gaps.  Of the sampling settings temperature, top_k, top_p, min_p and
seed then have a meaning, and are applied to whole middles.  A model that is asked in the form it was trained in writes
token by token, as `generate` does, until it ends the middle.
"""

from dataclasses import dataclass, replace

import numpy as np

from polyloom.errors import InputError
from polyloom.generate.loop import generate, retrace
from polyloom.generate.middle import WIDTH, Lengths, posterior, side
from polyloom.generate.sampling import Sampling
from polyloom.generate.told import closing, told
from polyloom.generate.trace import Step
from polyloom.model import Prompt
from polyloom.protocols import Begins, Marks


@dataclass(frozen=True)
class Filled:
    """A middle that was written between `left` and `right`; `text` is all three, decoded together.

    `steps` say of each token how likely it was before the right side was known, and who spoke for it then; where the
    model read both sides first, they say what it said after that.  `exact` says that each middle could come with its
    own probability.
    """

    left: str
    middle: str
    right: str
    text: str
    steps: tuple[Step, ...]
    sampling: Sampling
    exact: bool

    def __str__(self) -> str:
        return self.text

    @property
    def tokens(self) -> tuple[int, ...]:
        """The ids of the middle."""
        return tuple(step.token for step in self.steps)


def generate_middle(
    model: Begins,
    left: Prompt,
    right: Prompt,
    sampling: Sampling | None = None,
    length: Lengths | None = None,
    exact: bool = True,
    width: int = WIDTH,
    infill: Marks | None = None,
    form: str = "psm",
) -> Filled:
    """Write what stands between two texts; see `LanguageModel.generate_middle`."""
    sampling = Sampling.settled(sampling)
    if infill is None:
        steps, sure = _drawn(model, left, right, sampling, 1 if length is None else length, exact, width)
    elif length is not None:
        raise InputError("With infill the model ends the middle itself: leave length out, or limit max_tokens.")
    else:
        steps, sure = _written(model, left, right, sampling, infill, form), True
    decode = model.vocabulary.decode
    before, middle, after = model.ids(left), np.array([step.token for step in steps], np.int64), model.ids(right)
    text = decode(np.concatenate([before, middle, after]))
    return Filled(decode(before), decode(middle), decode(after), text, steps, sampling, sure)


def _drawn(
    model: Begins, left: Prompt, right: Prompt, sampling: Sampling, length: Lengths, exact: bool, width: int
) -> tuple[tuple[Step, ...], bool]:
    """The steps of one of the middles, and whether all could be drawn."""
    if sampling.only or sampling.bound:
        raise InputError(
            "A middle that is drawn at once cannot keep to only or bound: a model trained to infill can (infill=)."
        )
    found = posterior(model, left, right, length, exact, width, None, "psm")
    dice = np.random.default_rng(sampling.seed)
    drawn = sampling.draw(found.joint - found.log_normaliser, dice)
    return retrace(model.begin(model.ids(left)), found.tokens(drawn)), found.exact


def _written(
    model: Begins, left: Prompt, right: Prompt, sampling: Sampling, marks: Marks, form: str
) -> tuple[Step, ...]:
    """The steps until the model ends the middle, or has written as many as it may."""
    place = model.begin(told(model, side(model, left, "left"), side(model, right, "right"), marks, form))
    if model.context is not None:  # what it writes must not push what it was told out of sight
        room = model.context - len(place.tokens) + 1
        sampling = replace(sampling, max_tokens=min(sampling.max_tokens, room))
    steps, ends = generate(place, sampling).steps, closing(model, marks)
    return steps[: next((n for n, step in enumerate(steps) if step.token in ends), len(steps))]
