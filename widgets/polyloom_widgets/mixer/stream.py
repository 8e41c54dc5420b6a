"""Music that is written while it is heard: a few tokens at a time, under whatever mix stands on the desk by then.

    stream = Stream(mix, prompt)
    stream.more(mix, {"temperature": 0.8, "seed": 1})
        notes     rows of second, seconds, pitch, velocity, percussion or not, and the layer that chose the pitch
        until     seconds that are written

Where a tune ends, or has become long, the next one begins from the prompt; where tunes have captions, that is one.  A
fader that moves is heard from the next few tokens on, because the place in the text is handed from mix to mix.  Nothing
is drawn that takes more than eight beats at once: nobody waits before a loudspeaker for a rest of an hour, which is one
token too.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import numpy as np

from polyloom.compose.layered import Layered
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.generate.loop import generate
from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Step
from polyloom.model import Continuation
from polyloom.music.blocks import BlockVocabulary, MusicVocabulary
from polyloom.music.constraints import AT_ONCE, keeping
from polyloom.music.score import DRUMS

CHUNK = 24  # tokens that are written before it is looked how far they last
TURNS = 8  # of them in one answer, at most
ENOUGH = 2.0  # seconds that an answer lasts, if it can
LONG = 1200  # tokens of a tune
GAP = 0.5  # seconds between two tunes
LEAST = 0.05  # of the likeliest token: what is less likely is not drawn


@final
class Stream:
    """See the module; InputError for a mix that does not speak music."""

    def __init__(self, mix: Layered, prompt: Ids) -> None:
        self._vocabulary = vocabulary = music_of(mix)
        self._prompt, caption = prompt, ""
        if isinstance(vocabulary, BlockVocabulary):
            caption = vocabulary.caption(prompt)
            sounds = (prompt >= vocabulary.text.size).any()
            self._prompt = prompt if sounds else np.append(prompt, vocabulary.opening(""))
        self._settings = keeping(Sampling(min_p=LEAST, max_tokens=CHUNK), vocabulary, caption, longest=AT_ONCE)
        self._offset, self._until, self._drawn = 0.0, 0.0, 0
        self._begin(mix)

    def more(self, mix: Layered, sampling: Mapping[str, Any]) -> dict[str, Any]:
        """Some seconds more; InputError if what the mix writes tells no note."""
        notes, goal = list[list[float]](), self._until + ENOUGH
        for _ in range(TURNS):
            if self._until >= goal:
                break
            notes += self._turn(mix, sampling)
        if not notes:
            raise InputError("What the mix writes here tells no note. Try another prompt, seed or temperature.")
        return {"notes": notes, "until": self._until}

    def _begin(self, mix: Layered) -> None:
        self._place: Continuation = mix.begin(self._prompt)
        self._steps: list[Step] = []

    def _turn(self, mix: Layered, sampling: Mapping[str, Any]) -> list[list[float]]:
        if self._place.model is not mix:
            self._place = self._place.rebind(mix)
        settings = replace(self._settings, **sampling)
        made = generate(self._place, replace(settings, seed=settings.seed + self._drawn))
        self._drawn += 1
        before = len(self._prompt) + len(self._steps)
        self._steps += made.steps
        notes = self._notes(list(mix.layers), before)
        if len(made.steps) < CHUNK or len(self._steps) >= LONG:
            self._offset = self._until = self._until + GAP
            self._begin(mix)
        return notes

    def _notes(self, layers: list[str], before: int) -> list[list[float]]:
        """Those that the tokens from `before` on completed; the first answer has those of the prompt too."""
        ids, given = self._place.tokens, len(self._prompt)
        score, places = self._vocabulary.score(ids), self._vocabulary.places(ids)
        first = 0 if before == given else before
        found: list[list[float]] = []
        for at in np.flatnonzero(places[:, 1] >= first).tolist():
            onset, duration, pitch, velocity, channel, *_ = score.notes[at].tolist()
            start, end = score.seconds(onset), score.seconds(onset + duration)
            step = int(places[at, 0]) - given
            loudest = self._steps[step].loudest if step >= 0 else ""
            layer = layers.index(loudest) if loudest in layers else -1
            found.append([self._offset + start, end - start, pitch, velocity, int(channel == DRUMS), layer])
            self._until = max(self._until, self._offset + end)
        return found


def music_of(mix: Layered) -> MusicVocabulary:
    """The vocabulary of a mix that speaks music; InputError of one that does not."""
    if not isinstance(mix.vocabulary, MusicVocabulary):
        raise InputError(f"This mix speaks {mix.vocabulary!r}; only music can be played.")
    return mix.vocabulary
