"""Speculation: a draft guesses the next few tokens, and the model reads all guesses in one pass instead of one by one.

    draft        x_i drawn from q_i, i = 1 … ahead        another model, or what followed the same words earlier on
    verify       p_1 … p_(ahead+1) in one pass            `Continuation.extend`
    accept x_i   with probability min(1, p_i(x_i) / q_i(x_i)); the first that is refused is drawn anew from
                 max(0, p_i − q_i), normalised, and what was guessed after it is dropped

(Leviathan, Kalman and Matias, 2023; Chen et al., 2023; guessing from the text itself: Saxena, 2023.)  Here p and q are
what `Sampling` makes of both, so whatever the settings, a text comes with exactly the probability that it has without
speculation; at temperature 0 it is the same text.

The dice belong to the seed and the step: where a draft was cut short does not matter to the text, so that `ahead` does
not either, and a generation taken up at a step goes on as it went.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from polyloom.errors import InputError, VocabularyMismatch
from polyloom.generate.draft import Draft, Lookup, Proposal, Second
from polyloom.generate.law import Law
from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Step, step_of
from polyloom.model import Floats, LanguageModel
from polyloom.protocols import Continues, ReadsAhead
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.whole import whole


@dataclass(frozen=True)
class Speculation:
    """Who guesses, and how many tokens `ahead`: a model on the same vocabulary, or "lookup", the text so far.

    Raises InputError for another draft and for less than one token.
    """

    draft: LanguageModel | Literal["lookup"] = "lookup"
    ahead: int = 4

    def __post_init__(self) -> None:
        whole("ahead", self.ahead, 1)
        if self.draft != "lookup" and not isinstance(cast("object", self.draft), LanguageModel):
            raise InputError(f'draft must be a model or "lookup", got {self.draft!r}.')

    def check(self, vocabulary: Vocabulary) -> None:
        """VocabularyMismatch if the draft guesses in other tokens than these."""
        if isinstance(self.draft, LanguageModel) and self.draft.vocabulary != vocabulary:
            raise VocabularyMismatch(
                f"The draft speaks {self.draft.vocabulary!r}, the model {vocabulary!r}. "
                f'Draft with a model on the same vocabulary, or with "lookup".'
            )

    def begin(self, place: Continues, sampling: Sampling) -> Draft:
        """A draft that stands where `place` does."""
        self.check(place.model.vocabulary)
        if isinstance(self.draft, LanguageModel):
            return Second(self.draft.begin(place.tokens), sampling)
        return Lookup(place.tokens)


@dataclass(frozen=True)
class Speculated:
    """How it went: tokens guessed, those of them that were accepted, and passes of the model that wrote."""

    settings: Speculation
    drafted: int = 0
    accepted: int = 0
    passes: int = 0

    @property
    def acceptance(self) -> float:
        """The part of the guesses that was accepted; 0 if there were none."""
        return self.accepted / self.drafted if self.drafted else 0.0

    def __str__(self) -> str:
        return f"{self.accepted} of {self.drafted} guesses accepted ({self.acceptance:.0%}), {self.passes} passes"


class Ahead:
    """Writes by guessing from a place, which whoever takes the steps moves along; `done` steps stand already."""

    def __init__(self, place: Continues, sampling: Sampling, speculation: Speculation, done: int) -> None:
        self.place, self.sampling, self.settings = cast("ReadsAhead", place.fork()), sampling, speculation
        self.draft = speculation.begin(place, sampling)
        self.dice, self.done = _Dice(sampling.seed), done
        self.unread: list[int] = []  # the last token, which the next pass reads together with the guesses after it
        self.drafted = self.accepted = self.passes = 0

    @property
    def report(self) -> Speculated:
        """What has come of it so far."""
        return Speculated(self.settings, self.drafted, self.accepted, self.passes)

    def steps(self, forced: int | None = None) -> Iterator[Step]:
        """One step for each token until `</s>`; a forced token is the first."""
        end = self.place.model.vocabulary.sentence_end
        if forced is not None and forced != end:
            yield step_of(self.place, forced, self.place.distribution())
            self._moved(0, forced, 1)
        while forced is None or forced != end:
            guesses = self._guessed(end)
            for at, row in enumerate(self._read(guesses)):
                token, left = self._settled(row, at, guesses), len(guesses) - at
                if token == end:
                    return
                yield step_of(self.place, token, row, left)
                if not left or token != guesses[at][0]:
                    self._moved(left, token, at + 1)
                    break
                self.accepted += 1

    def _guessed(self, end: int | None) -> list[Proposal]:
        """The next guesses; the draft then stands after them."""
        found: list[Proposal] = []
        for step in range(self.done, min(self.done + self.settings.ahead, self.sampling.max_tokens - 1)):
            proposal = self.draft.propose(self.dice[step][0])
            if proposal is None or proposal[0] == end:
                break
            found.append(proposal)
            self.draft.advance(proposal[0])
        self.drafted += len(found)
        return found

    def _read(self, guesses: list[Proposal]) -> list[Floats]:
        """The distributions before each of the guesses, and after all of them."""
        rows = [] if self.unread else [self.place.distribution()]
        tokens = [*self.unread, *(token for token, _ in guesses)]
        self.passes += len(rows) + bool(tokens)
        return [*rows, *self.place.extend(tokens)] if tokens else rows

    def _settled(self, row: Floats, at: int, guesses: list[Proposal]) -> int:
        """The token that comes after `at` guesses were accepted."""
        guess, accept, again = self.dice[self.done + at]
        law = self.sampling.law(row, self.place.tokens[: len(self.place.tokens) - len(guesses) + at])
        if at < len(guesses):
            return settled(law, guesses[at], accept, again)
        return settled(law, self.draft.propose(guess) if self.sampling.temperature else None, accept, again)

    def _moved(self, dropped: int, token: int, steps: int) -> None:
        """Drop what was guessed in vain, and go on after `token`; it is read in the next pass."""
        if dropped:
            self.place = cast("ReadsAhead", self.place.back(dropped))
            self.draft.back(dropped)
        self.draft.advance(token)
        self.unread, self.done = [token], self.done + steps


def settled(law: Law, proposal: Proposal | None, accept: float, again: float) -> int:
    """What a guess leads to, so that each token comes with the probability that `law` gives it; from two dice."""
    if proposal is None:
        return law.drawn(again)
    token, guessed = proposal
    asked = np.array([token])
    if accept * guessed.of(asked)[0] < law.of(asked)[0]:
        return token
    return law.beyond(guessed).drawn(again)


class _Dice:
    """Three numbers for each step: for the guess, for whether it is accepted, and for what comes if it is not."""

    def __init__(self, seed: int) -> None:
        self.random, self.rows = np.random.default_rng(seed), list[list[float]]()

    def __getitem__(self, step: int) -> list[float]:
        while len(self.rows) <= step:
            self.rows.append(self.random.random(3).tolist())
        return self.rows[step]
