"""Models one after another along a text, each fading in over those before it.

    p(y | text) = Σ_k s_k · p_k(y | text)          s_k = f_k · Π_{j > k} (1 − f_j)

    f_k(t) = min(1, (t − b_k + 1) / (fade + 1))    for t ≥ b_k, and 0 before; the first stage has always 1

t counts the tokens since the prompt ended, and b_k is the t of the first token of stage k.  So the first `fade` tokens
of a stage still hear the one before: at `fade=3` the new one has 1/4, 2/4, 3/4 and then all.  No fade begins before the
boundary, since a stage that ends at a text does not know of its end any earlier; and one that ends within its fade is
faded over from where it is.  Every model reads the whole text.

Which stage speaks follows from the tokens since the prompt alone.  A text that is judged has no prompt, and its first
stage begins with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, cast

import numpy as np

from polyloom.compose.composite import named_members
from polyloom.compose.moving import Moving
from polyloom.compose.pool import pool_of
from polyloom.compose.pooled_place import PooledContinuation
from polyloom.compose.stage import Stage
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest
from polyloom.whole import whole


class Sequenced(Moving["SequencedContinuation"]):
    """Stages one after another: `Sequenced([Stage(opening, tokens=50), Stage(song, until="."), Stage(law)], fade=8)`.

    The last stage speaks to the end of the text, whatever its own end.  Raises InputError if there is no stage, if one
    before the last has no end, and for a repeated name; VocabularyMismatch if a stage speaks another vocabulary.
    """

    def __init__(self, stages: Sequence[Stage], fade: int = 0) -> None:
        self.stages = _checked(stages)
        self.fade = whole("fade", fade, 0)
        self.vocabulary = self.stages[0].model.vocabulary
        self.pooling = pool_of("linear")
        self._models = named_members({stage.name: stage.model for stage in self.stages})

    @property
    def models(self) -> dict[str, LanguageModel]:
        """The model of each stage by the stage's name."""
        return dict(self._models)

    def starts(self, ids: Ids, known: tuple[int, ...], read: int) -> tuple[int, ...]:
        """After how many tokens each stage began, of those that have begun; given those known after `read` tokens."""
        for stage in self.stages[len(known) - 1 : -1]:
            end = stage.end(ids, known[-1], read)
            if end is None:
                break
            known = (*known, end)
        return known

    def faded(self, starts: Sequence[int], places: Ids) -> Floats:
        """The share of each stage after so many tokens, float64 (n, K), where the stages began after `starts`."""
        found, left = np.zeros((len(places), len(self.stages))), np.ones(len(places))
        for k in range(len(starts) - 1, 0, -1):
            risen = np.clip((places - starts[k] + 1) / (self.fade + 1), 0, 1)
            found[:, k] = left * risen
            left = left * (1 - risen)
            if not left.any():
                return found
        found[:, 0] = left
        return found

    def along(self, ids: Ids) -> Floats:
        """The share of each stage before each token of a text without a prompt, float64 (T, K)."""
        return self.faded(self.starts(ids, (0,), 0), np.arange(len(ids)))

    def place(self, ids: Ids, members: Sequence[Continuation]) -> "SequencedContinuation":
        """A place in a text after these tokens, from the states of all members there."""
        return SequencedContinuation(self, ids, members)

    def manifest(self) -> tuple[Manifest, Arrays]:
        """The stages without their models, and the fade."""
        told = [{"name": stage.name, "tokens": stage.tokens, "until": stage.until} for stage in self.stages]
        return {"kind": "sequenced", "stages": told, "fade": self.fade}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> "Sequenced":
        """The sequence that `state` described, of members that were restored already; InputError if it is none."""
        del arrays
        told: list[Mapping[str, Any]] = manifest["stages"]
        if len(told) != len(members):
            raise InputError(f"The sequence tells of {len(told)} stages and holds {len(members)}.")
        return cls([Stage(model, **stage) for model, stage in zip(members, told, strict=True)], manifest["fade"])

    def __repr__(self) -> str:
        return f"<Sequenced {'; '.join(map(repr, self.stages))}{f'; fade {self.fade}' * bool(self.fade)}>"


class SequencedContinuation(PooledContinuation):
    """One state for each stage's model, all at the same place; and where the stages began."""

    model: Sequenced  # pyright: ignore[reportIncompatibleVariableOverride] - of all that pool, this one
    _begun: tuple[int, tuple[int, ...]] | None = None  # how many tokens were looked at, and where stages began in them

    @property
    def starts(self) -> tuple[int, ...]:
        """After how many tokens each stage began, of those that have begun; the first began where the prompt ended."""
        read, known = self._begun or (self.origin, (self.origin,))
        if self._begun is None or read != self._length:
            self._begun = self._length, self.model.starts(self.tokens, known, read)
        return self._begun[1]

    @property
    def stage(self) -> str:
        """The name of the stage that the next token belongs to."""
        return list(self.model.models)[len(self.starts) - 1]

    def factors(self, n: int = 1) -> Floats:
        """The share of each stage at the last n places, float64 (n, K): the last row is for the next token."""
        return self.model.faded(self.starts, np.arange(self._length - n + 1, self._length + 1))

    def _at(self, length: int, members: Sequence[Continuation]) -> Self:
        found = super()._at(length, members)
        if self._begun is not None and length >= self.origin:
            read, known = self._begun
            found._begun = min(read, length), tuple(start for start in known if start <= length)
        return found

    def _explain(self, token: int) -> Explanation:
        accounts = {k: self.members[k].explain(token) for k in np.flatnonzero(self.factors()[0]).tolist()}
        terms = tuple(self._term(k, accounts.get(k)) for k in range(len(self.members)))
        context = next(iter(accounts.values())).context
        total = float(np.exp(self.distribution()[token]))
        return Explanation(self.model.vocabulary.pieces[token], context, "probability", terms, total)

    def _term(self, k: int, account: Explanation | None) -> Term:
        """What a stage gives; one that is silent here is not asked."""
        name, starts = list(self.model.models)[k], [start - self.origin for start in self.starts]
        since = f"from t = {starts[k]} on" if k < len(starts) else "yet to come"
        if account is None:
            return Term(name, 0.0, f"{since}, over" if k < len(starts) else since)
        share, chance = float(self.factors()[0, k]), account.probability
        return Term(name, share * chance, f"{share:.3f} × {chance:.6f}, {since}", account)


def _checked(stages: object) -> tuple[Stage, ...]:
    """The stages, all of them named."""
    if not isinstance(stages, list | tuple) or not stages:
        raise InputError(f"Expected stages such as [Stage(model, tokens=50), Stage(other)], got {stages!r}.")
    found: list[Stage] = []
    for n, stage in enumerate(cast("Sequence[object]", stages), 1):
        if not isinstance(stage, Stage):
            raise InputError(f"Stage {n} is a {type(stage).__name__}; expected Stage(model, tokens=… or until=…).")
        found.append(stage if stage.name else replace(stage, name=f"stage {n}"))
    for stage in found[:-1]:
        if not stage.ends:
            raise InputError(f"{stage.name!r} has no end, and is not the last: give it tokens=… or until=….")
    names = [stage.name for stage in found]
    if len(set(names)) != len(names):
        raise InputError(f"Stages need names of their own, got {', '.join(map(repr, names))}.")
    return tuple(found)
