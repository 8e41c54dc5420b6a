"""Music in the demo: four styles in one key, what they wrote, and a voice more from a file that a visitor brings.

    styles = Styles.woven()                  a second or so
    styles.mix, styles.judge                 four faders, as in the seventh lesson, and what was held out
    styles.tune, styles.pair                 what they wrote: to be asked why, and to be heard against one another
    tuned([upload], styles)                  a desk with a fifth fader, "mine"
    written(desk)                            a tune by the mix on a desk, or the one that a roll shows

A file is moved to the key of the styles.  It is little to learn from, so it is told three times, an octave apart.
Files come from anywhere: what is larger than a tune is refused before anything is learned from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast, final

from polyloom.compose.layered import Layered
from polyloom.compose.weave import weave
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Generation
from polyloom.music.abc import read_abc, tunes_in
from polyloom.music.augment import augmented
from polyloom.music.constraints import grammar
from polyloom.music.midi import read_midi
from polyloom.music.score import DRUMS, Score
from polyloom.music.theory.key import find_key
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.music.written import score_of
from polyloom_datasets.catalogue import load
from polyloom_demo.uploads import Upload
from polyloom_widgets.mixer.mixer import Mixer
from polyloom_widgets.mixer.score import HeldOut
from polyloom_widgets.mixer.stream import music_of
from polyloom_widgets.roll.roll import PianoRoll

STYLES = ("dance", "chorale", "blues", "arpeggio")  # in which the tunes stand, five of each
MINE = "mine"
PROMPT = "Bar"
GRID, ORDER = 12, 6  # steps a beat; tokens that the longest chain sees
LONG, LEAST = 240, 0.05  # tokens of a tune; of the likeliest token, what is less likely is not drawn
OCTAVES = (-12, 0, 12)

ENDINGS = (".mid", ".midi", ".abc")
SIZE = 200_000  # bytes of a file
NOTES, BEATS = 3_000, 10_000  # of what is in it
TOKENS = 36_000  # as which it is told
SOUNDS = 300.0  # seconds of a tune that is made a sound


@final
@dataclass(frozen=True)
class Styles:
    """The styles under faders, what judges them, and what they wrote."""

    mix: Layered
    judge: HeldOut
    tune: Generation
    pair: tuple[Generation, Generation]

    @classmethod
    def woven(cls) -> Self:
        """The styles of the tunes that Polyloom carries."""
        vocabulary, tunes = MidiVocabulary("remi", GRID), load("tunes").documents
        each = len(tunes) // len(STYLES)
        voices = {name: tunes[each * n : each * (n + 1)] for n, name in enumerate(STYLES)}
        tokens = {name: [_told(vocabulary, read_abc(tune), (0,))[0] for tune in some] for name, some in voices.items()}
        mix, held_out = weave(tokens, vocabulary, order=ORDER, progress=False)
        pair = composed(mix, seed=8), composed(mix.with_weights(blues=5.0), seed=8)
        return cls(mix, HeldOut.of(mix, held_out), composed(mix.with_weights(dance=3.0), seed=4), pair)


def composed(mix: Layered, prompt: str = PROMPT, temperature: float = 0.7, seed: int = 1) -> Generation:
    """A tune by a mix that speaks music."""
    bound = grammar(music_of(mix))
    return mix.generate(prompt, Sampling(temperature, seed=seed, max_tokens=LONG, min_p=LEAST, bound=bound))


def tuned(uploads: Sequence[Upload], styles: Styles) -> Mixer:
    """A desk of the styles and of what a file plays; InputError saying what is the matter with it."""
    if len(uploads) != 1:
        raise InputError(f"Expected 1 file, got {len(uploads)}.")
    vocabulary = cast("MidiVocabulary", styles.mix.vocabulary)
    own, aside = weave({MINE: _read(uploads[0], vocabulary)}, vocabulary, order=ORDER, progress=False)
    mix = styles.mix.add(MINE, own.models[MINE], 1.0)
    return Mixer(mix, PROMPT, {**styles.judge.named(), **aside})


def written(view: Mixer | PianoRoll) -> Score | Generation:
    """What can be heard of a view: as a model wrote it, unless a hand moved a note since; InputError if it is long."""
    if isinstance(view, Mixer):
        found: Score | Generation = composed(view.mix, view.prompt, **view.sampling)
    else:
        found = view.generation if view.score == score_of(view.generation) else view.score
    score = score_of(found)
    if (seconds := score.seconds(score.end)) > SOUNDS:
        raise InputError(f"This tune lasts {seconds:,.0f} seconds, and {SOUNDS:g} can be taken along from here.")
    return found


def _read(upload: Upload, vocabulary: MidiVocabulary) -> list[Ids]:
    """The tellings of what is in a file."""
    upload.ending(ENDINGS)
    if len(upload.content) > SIZE:
        raise InputError(f"{upload.shown}: a tune may have {SIZE:,} bytes here; this one has {len(upload.content):,}.")
    return upload.read(lambda path: _tokens(vocabulary, _scores(path)))


def _scores(path: Path) -> list[Score]:
    """A tune, or in ABC several."""
    if path.suffix == ".abc":
        return [read_abc(tune) for tune in tunes_in(path.read_bytes())]
    return [read_midi(path)]


def _tokens(vocabulary: MidiVocabulary, scores: Sequence[Score]) -> list[Ids]:
    """The tellings of scores that together are no larger than a tune."""
    pitched = [score for score in scores if (score.notes["channel"] != DRUMS).any()]
    if not pitched:
        raise InputError("there is no note in it, or drums alone.")
    notes, beats = sum(map(len, pitched)), sum(score.beats for score in pitched)
    if notes > NOTES or beats > BEATS:
        raise InputError(
            f"a tune may have {NOTES:,} notes and {BEATS:,} beats here; this one has {notes:,} and {beats:,.0f}."
        )
    tokens = [one for score in pitched for one in _told(vocabulary, score, OCTAVES)]
    if (count := sum(map(len, tokens))) > TOKENS:
        raise InputError(f"a tune may be told in {TOKENS:,} tokens here; this one takes {count:,}.")
    if len(tokens) < 2:
        raise InputError("its notes reach so far up and down that none of them has a place an octave away.")
    return tokens


def _told(vocabulary: MidiVocabulary, score: Score, steps: Sequence[int]) -> list[Ids]:
    """A score in C, and so many semitones away from there, as far as its notes have a place."""
    up = -find_key(score.chroma()).best.tonic.chroma
    home = up if up > -7 else up + 12
    return [vocabulary.tokens(one) for one in augmented(score, [home + step for step in steps])]
