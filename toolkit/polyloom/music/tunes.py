"""Twenty tunes by rules and seeds: four styles, five of each, and the n-th of every style begins with the same bar.

    dance      eighths that step from chord tone to chord tone, in four phrases, two of them alike
    chorale    four parts, note against note, led by the rules of `theory.faults`
    blues      twelve bars over three seventh chords; a riff, the riff again, an answer
    arpeggio   a chord a bar, broken up and down over two octaves

What they write is ABC, and is carried by `polyloom_datasets.load("tunes")`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import TypeVar, final

from polyloom.music.abc import PITCHES, written
from polyloom.music.theory.key import Key
from polyloom.music.theory.leading import faults
from polyloom.music.theory.note import Note
from polyloom.music.theory.roman import scale_chord

KEYS = ("C", "G", "F", "D", "Bb")
OPENINGS = ((0, 2, 4, 2), (4, 2, 0, 4), (0, 1, 2, 4), (2, 4, 2, 0), (4, 5, 4, 2))  # degrees, quarters
BAR = 8  # eighths
LINE = 4  # bars
LETTERS = "CDEFGAB"
KEPT = 12  # ways of leading four parts that are followed at once
RANGES = ((60, 79), (55, 72), (48, 67), (40, 60))  # of soprano, alto, tenor, bass

T = TypeVar("T")
Tone = tuple[Note, int]  # and its octave


@final
@dataclass(frozen=True)
class Beat:
    """Tones that sound together for so many eighths, none for a rest, over a chord."""

    tones: tuple[Tone, ...]
    length: int
    symbol: str = ""


Bars = list[list[Beat]]


def tunes() -> tuple[str, ...]:
    """All twenty in ABC, style after style."""
    return tuple(
        _abc(5 * nth + n + 1, name, Key.of(KEYS[n]), compose(Random(100 * nth + n), Key.of(KEYS[n]), OPENINGS[n]))
        for nth, (name, compose) in enumerate(STYLES.items())
        for n in range(len(KEYS))
    )


def dance(random: Random, key: Key, opening: Sequence[int]) -> Bars:
    """A A′ B A′, each of four bars; A stops on the dominant, A′ comes home."""
    middle = [_run(random, key, chord) for chord in _one(random, ((3, 4), (5, 3), (0, 3)))]
    other = [_run(random, key, chord) for chord in _one(random, ((3, 0, 1, 4), (5, 1, 3, 4), (3, 3, 0, 4)))]
    half, home = _run(random, key, 4, 4), [Beat((_tone(key, 0),), 6, str(key.tonic)), Beat((), 2)]
    first, chords = _opening(key, opening), (*middle,)
    return [first, *chords, half, first, *chords, home, *other, first, *chords, home]


def chorale(random: Random, key: Key, opening: Sequence[int]) -> Bars:
    """Four phrases of seven chords, which stop on V, on I, on V or IV, and on I."""
    pools = (
        ((0, 5, 3, 4, 0, 1, 4), (0, 3, 0, 4, 5, 1, 4), (0, 4, 5, 3, 0, 3, 4)),
        ((0, 3, 1, 4, 5, 4, 0), (0, 4, 0, 3, 0, 4, 0), (5, 3, 0, 1, 0, 4, 0)),
        ((5, 1, 4, 0, 3, 1, 4), (3, 0, 1, 4, 5, 4, 0), (5, 4, 0, 4, 0, 1, 4)),
        ((0, 5, 1, 4, 0, 4, 0), (0, 3, 4, 5, 1, 4, 0), (5, 3, 0, 3, 0, 4, 0)),
    )
    degrees = [degree for pool in pools for degree in _one(random, pool)]
    beats = [Beat(tones, 2) for tones in _led(key, degrees)]
    phrases = [beats[at : at + 7] for at in range(0, len(beats), 7)]
    ends = [[*phrase[4:6], Beat(phrase[6].tones, 4)] for phrase in phrases]
    bars = [bar for phrase, end in zip(phrases, ends, strict=True) for bar in (phrase[:4], end)]
    return [_opening(key, opening), *bars]


def blues(random: Random, key: Key, opening: Sequence[int]) -> Bars:
    """Twelve bars after the opening: a riff in bars 1, 5 and 9, varied by what follows it."""
    scale = [_tone(key, 0), _flat(key, 2), _tone(key, 3), _tone(key, 4), _flat(key, 6), _tone(key, 7)]
    roots = (0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 0)
    riff = _riff(random, scale, ((3, 1, 2, 2), (1, 1, 2, 1, 3), (2, 1, 1, 3, 1)))
    while not {scale[1], scale[4]} & {tone for beat in riff for tone in beat.tones}:  # no blue note
        riff = _riff(random, scale, ((3, 1, 2, 2), (1, 1, 2, 1, 3), (2, 1, 1, 3, 1)))
    tail = _riff(random, scale, ((3, 5), (1, 7), (2, 6)))
    bars: list[list[Beat]] = []
    for at, root in enumerate(roots):
        chosen = riff if at % 4 == 0 else tail if at % 4 == 1 else _riff(random, scale, ((4, 4), (2, 2, 4), (1, 3, 4)))
        bars.append(_over(chosen, f"{key.scale[root]}7"))
    return [_opening(key, opening), *bars[:-1], _over([Beat((scale[0],), 8)], f"{key.tonic}7")]


def arpeggio(random: Random, key: Key, opening: Sequence[int]) -> Bars:
    """Eight chords twice, the second time the other way round, and the last one held."""
    ways = ((0, 1, 2, 3, 4, 3, 2, 1), (0, 2, 1, 3, 2, 4, 3, 1), (0, 1, 2, 4, 3, 4, 2, 1))
    degrees = _one(random, ((0, 5, 3, 4, 0, 5, 1, 4), (0, 2, 3, 0, 5, 1, 4, 4), (0, 3, 5, 2, 3, 0, 1, 4)))
    first, second = _one(random, ways), _one(random, ways)
    bars = [_broken(key, degree, way) for way in (first, second[::-1]) for degree in degrees]
    return [_opening(key, opening), *bars, [Beat(tuple(_tone(key, step) for step in (-7, -3, 0, 2)), 8)]]


STYLES: dict[str, Callable[[Random, Key, Sequence[int]], Bars]] = {
    "dance": dance, "chorale": chorale, "blues": blues, "arpeggio": arpeggio,
}  # fmt: skip


def _opening(key: Key, degrees: Sequence[int]) -> list[Beat]:
    return [Beat((_tone(key, degree),), 2) for degree in degrees]


def _run(random: Random, key: Key, chord: int, held: int = 0) -> list[Beat]:
    """A bar of eighths between tones of the chord on a degree, the last `held` of them as one note."""
    home = [step for step in range(-1, 10) if (step - chord) % 7 in (0, 2, 4)]
    at = _one(random, [step for step in home if 0 <= step <= 7])
    steps: list[int] = []
    while len(steps) < BAR:
        target = _one(random, [step for step in home if 0 < abs(step - at) <= 3])
        between = (at + target) // 2 if abs(target - at) > 1 else 2 * at - target
        steps += [at, between]
        at = target
    symbol = _symbol(key, chord)
    beats = [Beat((_tone(key, step),), 1, "" if n else symbol) for n, step in enumerate(steps)]
    return [*beats[: BAR - held], Beat((_tone(key, _nearest(home, steps[BAR - held])),), held)] if held else beats


def _riff(random: Random, scale: Sequence[Tone], rhythms: Sequence[Sequence[int]]) -> list[Beat]:
    """Neighbours on the scale, in one of the rhythms; a note of more than four eighths ends in a rest."""
    at, found = int(random.random() * len(scale)), list[Beat]()
    for length in _one(random, rhythms):
        sounds = min(length, 4)
        found += [Beat((scale[at],), sounds), *([Beat((), length - sounds)] if length > sounds else [])]
        at = min(max(at + _one(random, (-1, -1, 1, 1, 2, -2)), 0), len(scale) - 1)
    return found


def _over(beats: Sequence[Beat], symbol: str) -> list[Beat]:
    first, *others = beats
    return [Beat(first.tones, first.length, symbol), *others]


def _broken(key: Key, degree: int, way: Sequence[int]) -> list[Beat]:
    low = degree - 7 if degree else -7
    steps = [low + step for step in (0, 2, 4, 7, 9)]
    return [Beat((_tone(key, steps[at]),), 1) for at in way]


def _led(key: Key, degrees: Sequence[int]) -> list[tuple[Tone, ...]]:
    """Chords on degrees in four parts, highest first: of the ways without faults, one that moves little."""
    ways: list[tuple[int, list[tuple[int, ...]]]] = [(0, [])]
    for degree in degrees:
        further = [
            (cost + _cost(way, voices, key), [*way, voices]) for cost, way in ways for voices in _voiced(key, degree)
        ]
        ways = sorted(further)[:KEPT]
    names = {note.chroma: note for note in key.scale}
    return [tuple(_named(names[pitch % 12], pitch) for pitch in voices) for voices in ways[0][1]]


def _cost(way: Sequence[tuple[int, ...]], voices: tuple[int, ...], key: Key) -> int:
    if not way:
        return 0
    moved = sum(abs(a - b) for a, b in zip(way[-1], voices, strict=True))
    return moved + 1000 * len(faults([way[-1], voices], key)) + 3 * (way[-1][0] == voices[0])


def _voiced(key: Key, degree: int) -> list[tuple[int, ...]]:
    """Every way to lay out the triad on a degree, its root in the bass, all its tones there, no voice crossed."""
    chromas = [note.chroma for note in scale_chord(degree + 1, key)]
    *upper, bass = [[p for p in range(low, high + 1) if p % 12 in chromas] for low, high in RANGES]
    bass = [pitch for pitch in bass if pitch % 12 == chromas[0]]
    found = [(s, a, t, b) for s, a, t, b in product(*upper, bass) if s > a > t > b and s - a <= 12 and a - t <= 12]
    leading = (key.tonic.chroma - 1) % 12  # never doubled
    return [v for v in found if {p % 12 for p in v} == set(chromas) and sum(p % 12 == leading for p in v) < 2]


def _named(note: Note, pitch: int) -> Tone:
    return note, pitch // 12


def _tone(key: Key, degree: int) -> Tone:
    """A degree of the scale, 0 the tonic near middle C, 7 an octave above it."""
    octaves, step = divmod(degree, 7)
    place = LETTERS.index(key.tonic[0]) + step
    return key.scale[step], 5 - (LETTERS.index(key.tonic[0]) > LETTERS.index("G")) + octaves + place // 7


def _flat(key: Key, degree: int) -> Tone:
    note, octave = _tone(key, degree)
    return note.up(-7), octave


def _symbol(key: Key, degree: int) -> str:
    return str(key.scale[degree]) + ("m" if degree in (1, 2, 5) else "")


def _nearest(steps: Sequence[int], to: int) -> int:
    return min(steps, key=lambda step: (abs(step - to), step))


def _one(random: Random, choices: Sequence[T]) -> T:
    """By `random()` alone, whose numbers are the same in every version of Python."""
    return choices[int(random.random() * len(choices))]


def _abc(number: int, style: str, key: Key, bars: Bars) -> str:
    head = f"X:{number}\nT:{style.title()} in {key.tonic}\nR:{style}\nM:4/4\nL:1/8\nQ:1/4=120\nK:{key.tonic}"
    told = [_bar(key, bar) for bar in bars]
    lines = [" | ".join(told[at : at + LINE]) for at in range(0, len(told), LINE)]
    return head + "\n" + " |\n".join(lines) + " |]"


def _bar(key: Key, beats: Sequence[Beat]) -> str:
    signs: dict[tuple[str, int], int] = {}
    return " ".join(_beat(beat, key, signs) for beat in beats)


def _beat(beat: Beat, key: Key, signs: dict[tuple[str, int], int]) -> str:
    names = [written(note, octave, key, signs) for note, octave in sorted(beat.tones, key=_pitch)]
    tones = names[0] if len(names) == 1 else f"[{''.join(names)}]" if names else "z"
    symbol = f'"{beat.symbol}"' if beat.symbol else ""
    return symbol + tones + (str(beat.length) if beat.length > 1 else "")


def _pitch(tone: Tone) -> int:
    note, octave = tone
    return 12 * octave + PITCHES[note[0]] + note.count("#") - note.count("b", 1)
