"""Text and music in one space of tokens: the pieces of text, and after them those of music.

    vocabulary = BlockVocabulary(WordVocabulary.train(captions), MidiVocabulary())
    model = AssociationModel.fit([vocabulary.captioned("a blues", score, refrain="blues"), …], vocabulary)
    model.generate(vocabulary.opening("a blues"), Sampling(only=vocabulary.only("a blues")))

    ids    0 … text.size − 1    pieces of text as they are; what is typed is read as these, and never as music
           text.size            `<music>`: the caption ends here, a tune begins
           text.size + n        the n-th piece of music, in angle brackets: `<Pitch_60>`
    tune   a · blues · <music> · <Bar> · <Pitch_60> · <Duration_24> · blues · <Position_24> · <Pitch_64> · … · </s>

The ids of text stay what they were, so documents that are only text, or only music, are of this vocabulary too.

A refrain, the caption or the word of it that matters, comes again wherever time moves on.  An association model looks
few tokens back: told once, a caption is forgotten, and a tune is as likely under every other.  With the style as the
refrain, models that learned from three of the five tunes that Polyloom carries of each style find each of the others
likeliest under its own (perplexity 2.76 on average, 3.80 under others, 2.79 without captions).  Each bar is too seldom
for what is written to keep to its style, and a long refrain takes the place of the music before.  A transformer looks
back to the beginning and needs none.  While a tune is written, `only` keeps it to the words of its caption.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import groupby
from typing import Any, Self, TypeAlias, cast, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.errors import InputError, VocabularyError
from polyloom.music.schemes import Table
from polyloom.music.score import Score
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.tokens.checks import stored
from polyloom.tokens.vocabulary import SENTENCE_END, Arrays, Ids, Manifest, Vocabulary

BOUNDARY = "music"
MOVES = ("Bar", "Position", "Shift")  # families of pieces by which time moves on


@final
class BlockVocabulary(Vocabulary):
    """The pieces of a vocabulary of text and those of one of music; `</s>` and `<unk>` are those of text.

    Raises InputError if `text` is itself of music, VocabularyError if a piece of text has the name of one of music.
    """

    kind = "blocks"

    def __init__(self, text: Vocabulary, music: MidiVocabulary) -> None:
        if isinstance(text, MidiVocabulary | BlockVocabulary):
            raise InputError(f"Expected a vocabulary of text before that of music, got {text!r}.")
        named = [f"<{name}>" for name in (BOUNDARY, *music.pieces[1:])]  # the first is </s>
        if both := set(text.pieces).intersection(named):
            raise VocabularyError(f"{text!r} has a piece {min(both)!r}, which is one of music here. Leave it out.")
        self.text, self.music = text, music
        self.end_name, self.unknown_name = text.end_name, text.unknown_name
        self.pieces = (*text.pieces, *named)

    @cached_property
    def first(self) -> dict[str, int]:
        """The id of the first piece of each family of music; the others follow."""
        return {family: id + self.text.size for family, id in self.music.first.items()}

    @property
    def table(self) -> Table:
        """The families of music with their values."""
        return self.music.table

    def captioned(self, text: str, score: Score, refrain: str | None = None) -> Ids:
        """A tune under its caption as one document, int64 (T,); the refrain is the caption by default, "" is none."""
        return np.concatenate([self.opening(text, score, refrain), self.lifted([self.music.id_of(SENTENCE_END)])])

    def opening(self, text: str, score: Score | None = None, refrain: str | None = None) -> Ids:
        """The ids after which a tune begins under a caption, or goes on from the score, int64 (T,)."""
        tune = self.lifted([] if score is None else self.music.tokens(score))
        again = self.text.encode(text if refrain is None else refrain)
        moves = [id for id, (family, _) in enumerate(self.music.told) if family in MOVES]
        places = np.flatnonzero(np.isin(tune, self.lifted(moves)))[1:]  # the first follows the caption
        told = np.insert(tune, np.repeat(places, len(again)), np.tile(again, len(places)))
        return np.concatenate([self.text.encode(text), [self.text.size], told])

    def only(self, text: str, music: Iterable[int] | None = None) -> tuple[int, ...]:
        """The ids that may come in a tune under a caption; `music`, ids of `self.music`, restricts what sounds."""
        sounds = range(self.music.size) if music is None else music
        return tuple({*self.lifted(list(sounds)).tolist(), *self.text.encode(text).tolist()})

    def lifted(self, ids: ArrayLike) -> Ids:
        """Ids of `self.music` (T,) as ids here; `</s>` is that of text, and left out if text has none."""
        row = self.music._checked(ids)
        end = row == self.music.sentence_end
        if self.sentence_end is None:
            return row[~end] + self.text.size
        return np.where(end, self.sentence_end, row + self.text.size)

    def caption(self, ids: ArrayLike) -> str:
        """The text before the first tune among ids (T,); all of the text if there is none."""
        row = self._checked(ids)
        begun = np.flatnonzero(row >= self.text.size)
        return self.text.decode(row[: begun[0]] if len(begun) else row)

    def score(self, ids: ArrayLike) -> Score:
        """The score of what is music among ids (T,), whatever they are."""
        row = self._checked(ids)
        return self.music.score(row[self._sounds(row)] - self.text.size)

    def places(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Of each note of `score(ids)` two places among the ids, (n, 2), as `MidiVocabulary.places` gives them."""
        row = self._checked(ids)
        sounds = self._sounds(row)
        found = self.music.places(row[sounds] - self.text.size)
        return np.where(found < 0, -1, sounds[found]) if len(sounds) else found

    def _sounds(self, row: Ids) -> Ids:
        """Where among ids music stands."""
        return np.flatnonzero(row > self.text.size)

    def _encode(self, text: str) -> Ids:
        return self.text.encode(text)

    def _decode(self, ids: list[int]) -> str:
        """Captions, and the names of what sounds between them, on lines of their own."""
        lines = [
            self.music.decode([id - self.text.size for id in run]) if sounds else self.text.decode(list(run))
            for sounds, run in groupby(ids, lambda id: id >= self.text.size)
        ]
        return "\n".join(line for line in lines if line)

    def _surface(self, id: int) -> str:
        return self.text._surface(id) if id < self.text.size else self.pieces[id]

    def _model_bytes(self) -> bytes:
        return f"{self.text.digest} {self.music.digest}".encode()

    def _arrays(self) -> Arrays:
        """`blocks`: uint8, the manifests of both in JSON; the arrays of each under its name and a slash."""
        states = {"text": self.text.state(), "music": self.music.state()}
        manifests = json.dumps({name: manifest for name, (manifest, _) in states.items()}).encode()
        held = {f"{name}/{key}": array for name, (_, arrays) in states.items() for key, array in arrays.items()}
        return {"blocks": np.frombuffer(manifests, np.uint8), **held}

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        content = stored(arrays, "blocks", np.uint8).tobytes()
        try:
            manifests = cast("dict[str, Manifest]", json.loads(content))
            if manifests["text"]["kind"] == cls.kind:
                raise VocabularyError("blocks stand within blocks")
            text = Vocabulary.from_state(manifests["text"], _part(arrays, "text/"))
            return cls(text, MidiVocabulary.from_state(manifests["music"], _part(arrays, "music/")))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise VocabularyError(f"The vocabulary of text and music cannot be read: {error}") from error


MusicVocabulary: TypeAlias = MidiVocabulary | BlockVocabulary


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
