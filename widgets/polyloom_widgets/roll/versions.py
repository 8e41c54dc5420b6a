"""What a roll shows, and what became of it: a score as it was given or written, notes moved by hand, another end.

A version is a value, and what changes it gives another, so that undo is to look at the one before.  Where a model wrote
the notes, each knows the step that said its pitch and the one that completed it.  A note that is moved puts another
token in the place of its own; what follows stays as it was, until the model goes on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError
from polyloom.generate.loop import retrace
from polyloom.generate.trace import Generation
from polyloom.model import LanguageModel
from polyloom.music.blocks import MusicVocabulary
from polyloom.music.constraints import SOUNDS
from polyloom.music.score import Score, in_order
from polyloom.whole import whole
from polyloom_widgets.generation.leaves import Leaf, forked, grown

CHUNK = 8  # tokens that are written before the page hears of them
ROOM = 48  # tokens at least that a model may write from a note on
LONGEST = 1_000  # tokens to which a tune may grow so
WRITER = "the model"

Steps = NDArray[np.int64]
NONE: Mapping[int, int] = MappingProxyType({})


@final
@dataclass(frozen=True, eq=False)
class Version:
    """Notes, and of each the steps (n, 2) that said its pitch and completed it, −1 for none; and whether a hand put it.

    `moved` are the tokens that stand for those of their steps, which the model has not gone on from yet.
    """

    score: Score
    steps: Steps
    hand: NDArray[np.bool_]
    leaf: Leaf | None = None
    moved: Mapping[int, int] = field(default_factory=lambda: NONE)

    @property
    def done(self) -> bool:
        """Whether nothing is left to be written."""
        return self.leaf is None or self.leaf.done or bool(self.moved)

    @property
    def own(self) -> Leaf:
        """What a model wrote; InputError for a bare score."""
        if self.leaf is None:
            raise InputError("A score has no model. Show what one wrote: PianoRoll(model.generate(prompt)).")
        return self.leaf

    def step_of(self, note: object) -> int:
        """The step that said the pitch of a note; InputError for a note that there is not, or that no model wrote."""
        step = int(self.steps[_numbered(self, note), 0])
        if self.own and step < 0:
            raise InputError("This note was given to the model; only those that it wrote can be moved or gone on from.")
        return step

    def note_of(self, step: int) -> int:
        """The note whose pitch a step said, −1 if there is none."""
        said: list[int] = self.steps[:, 0].tolist()
        return said.index(step) if step >= 0 and step in said else -1


def given(music: object) -> Version:
    """The first version of a score, or of music that a model wrote; InputError for what is neither."""
    if isinstance(music, Score):
        return Version(music, np.full((len(music), 2), -1), np.zeros(len(music), bool))
    if isinstance(music, Generation) and isinstance(_vocabulary(music), MusicVocabulary):
        return _written(Leaf(music, WRITER, stopped=True))
    what = f"tokens of {_vocabulary(music)!r}" if isinstance(music, Generation) else type(music).__name__
    raise InputError(
        f"Expected a Score, or a Generation by a model of music, got {what}. "
        "Music from a file: PianoRoll(read_midi(path))."
    )


def moved(version: Version, note: object, pitch: object) -> tuple[Version, int]:
    """The same with one note at another pitch, and which note it is there; InputError where that cannot be."""
    at, to = _numbered(version, note), whole("pitch", pitch, 0, 127)
    return _moved_note(version, at, to) if version.leaf is None else _moved_token(version, at, to)


def gone_on(version: Version, note: object, model: LanguageModel | None, number: int) -> Version:
    """What the model writes from a note on, the first tokens of it; under another `model` if one is given.

    Where no hand moved a note before, it goes on with other dice.  InputError for a note that no model wrote, or after
    which the tune would grow too long.
    """
    step, made = version.step_of(note), version.own.generation
    before = [one for one in version.moved if one <= step]
    first = min([*before, step])
    if step + ROOM > max(made.sampling.max_tokens, LONGEST):
        raise InputError(f"This tune has grown to {len(made.steps):,} tokens. Go on from an earlier note.")
    settings = replace(made.sampling, max_tokens=max(made.sampling.max_tokens, step + ROOM))
    settings = settings if before else replace(settings, seed=made.sampling.seed + 1)
    leaf = forked(version.own, number, first, None, WRITER, model, settings)
    said = _tokens(made, version.moved)[first : step + 1]
    steps = (*leaf.generation.steps, *retrace(leaf.generation.scrub(first), said))
    leaf = replace(leaf, generation=replace(leaf.generation, steps=steps, kept=step + 1))
    put = {*_put(version), *before}
    return _written(grown(leaf, CHUNK), hands={one for one in put if one <= step})


def longer(version: Version) -> Version:
    """A few tokens more of what is being written."""
    return version if version.done else _written(grown(version.own, CHUNK), hands=_put(version))


def _written(leaf: Leaf, moved: Mapping[int, int] = NONE, hands: set[int] | None = None) -> Version:
    """What a leaf says, with some of its tokens replaced."""
    vocabulary, before = cast("MusicVocabulary", _vocabulary(leaf.generation)), leaf.generation.scrub(0).tokens.tolist()
    ids = [*before, *_tokens(leaf.generation, moved)]
    steps = vocabulary.places(ids) - len(before)
    steps = np.where(steps < 0, -1, steps)
    hand = np.isin(steps[:, 0], [*(hands or ()), *moved])
    return Version(vocabulary.score(ids), steps, hand, leaf, moved)


def _moved_note(version: Version, at: int, pitch: int) -> tuple[Version, int]:
    notes, hand = version.score.notes.copy(), version.hand.copy()
    notes["pitch"][at], hand[at] = pitch, True
    order = in_order(notes)
    found = replace(version, score=replace(version.score, notes=notes), hand=hand[order])
    return found, int(np.flatnonzero(order == at)[0])


def _moved_token(version: Version, at: int, pitch: int) -> tuple[Version, int]:
    leaf, step, end = version.own, version.step_of(at), int(version.steps[at, 1])
    vocabulary = cast("MusicVocabulary", _vocabulary(leaf.generation))
    names = {step: next(family for family in SOUNDS if family in vocabulary.first)}
    if "Off" in vocabulary.first and end >= 0:
        names[end] = "Off"
    tokens = {**version.moved, **{one: vocabulary.first[family] + pitch for one, family in names.items()}}
    kept = {one: token for one, token in tokens.items() if token != leaf.generation.steps[one].token}
    found = _written(leaf, kept, _put(version))
    return found, found.note_of(step)


def _put(version: Version) -> set[int]:
    """The steps at which a hand put a note that the model went on from."""
    return {int(step) for step in version.steps[version.hand, 0]} - set(version.moved)


def _tokens(made: Generation, moved: Mapping[int, int]) -> list[int]:
    return [moved.get(n, step.token) for n, step in enumerate(made.steps)]


def _vocabulary(made: Generation) -> Any:
    return made.scrub(0).model.vocabulary


def _numbered(version: Version, note: object) -> int:
    if not len(version.score):
        raise InputError("There is no note.")
    return whole("note", note, 0, len(version.score) - 1)
