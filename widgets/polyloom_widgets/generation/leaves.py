"""The texts of one view as a tree: each leaf is a generation, forked from another at a step, or begun anew.

A leaf is written a few tokens at a time.  The dice belong to the seed and the step, so the text is the one that would
have been written at once, and its recipe is the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Generation, Step
from polyloom.model import LanguageModel
from polyloom.tokens.spans import spans


@final
@dataclass(frozen=True, eq=False)
class Leaf:
    """A text, the mix that writes it, and where it left the text it was forked from (None: from none)."""

    generation: Generation
    mix: str
    parent: int | None = None
    at: int = 0
    stopped: bool = False  # it ended by itself

    @property
    def done(self) -> bool:
        """Whether it ended by itself or is as long as was asked for."""
        return self.stopped or len(self.generation.steps) >= self.generation.sampling.max_tokens


def begun(model: LanguageModel, mix: str, prompt: str, sampling: Sampling) -> Leaf:
    """A leaf of no token yet."""
    empty = model.generate(prompt, replace(sampling, max_tokens=0))
    return Leaf(replace(empty, sampling=sampling), mix)


def forked(
    leaf: Leaf,
    number: int,
    step: int,
    token: str | int | None,
    mix: str,
    model: LanguageModel | None,
    sampling: Sampling,
) -> Leaf:
    """A leaf that shares the first `step` steps, and `token` after them if given; not written on yet."""
    most = step + (token is not None)
    taken = leaf.generation.fork(step, token, model, replace(sampling, max_tokens=most))
    if token is not None and len(taken.steps) < most:
        raise InputError("That token ends the text: there is nothing to write after it.")
    return Leaf(replace(taken, sampling=sampling), mix, number, step)


def grown(leaf: Leaf, count: int) -> Leaf:
    """The leaf with at most so many tokens more."""
    old = leaf.generation
    most = min(len(old.steps) + count, old.sampling.max_tokens)
    new = old.fork(len(old.steps), None, None, replace(old.sampling, max_tokens=most))
    said = new.scrub(0).model.vocabulary.decode([step.token for step in new.steps])
    stopped = len(new.steps) < most or any(stop in said for stop in old.sampling.stop)
    kept = replace(new, sampling=old.sampling, kept=old.kept, forced=old.forced)
    return replace(leaf, generation=kept, stopped=stopped)


def described(leaf: Leaf, voices: Sequence[str]) -> dict[str, Any]:
    """What the page draws of a leaf."""
    made = leaf.generation
    origin = made.scrub(0)
    before = origin.tokens.tolist()
    texts = spans(origin.model.vocabulary, [*before, *(step.token for step in made.steps)])[len(before) :]
    return {
        "mix": leaf.mix, "parent": leaf.parent, "at": leaf.at, "done": leaf.done, "prompt": made.prompt,
        "steps": [_step(step, text, voices) for step, text in zip(made.steps, texts, strict=True)],
    }  # fmt: skip


def _step(step: Step, text: str, voices: Sequence[str]) -> dict[str, Any]:
    shares = {name: round(share, 4) for name, share in step.shares.items()}
    return {
        "token": step.token, "text": text, "piece": step.piece, "p": round(math.exp(step.log_prob), 6),
        "voice": voices.index(step.loudest) if shares else -1, "shares": shares,
        "candidates": [[piece, round(p, 6)] for piece, p in step.candidates],
    }  # fmt: skip
