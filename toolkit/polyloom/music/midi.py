"""MIDI files and scores (Standard MIDI Files 1.0), read and written by mido.

    score = read_midi("tune.mid")       ticks are those of the file, to the last one
    write_midi(score, "copy.mid")       and `read_midi("copy.mid")` has the same notes, tempi and metres

Files come from anywhere, so they are read within limits, and what does not add up is said: a note that is never let go
ends with its track, one that lasts no tick lasts one, an end without a beginning is dropped; `report` counts them.
What is no MIDI file, breaks off, or keeps time in frames of film raises FileError.  A text event may carry the recipe
of the music (`polyloom.open_recipe`); the score knows nothing of it.
"""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polyloom._compat import need
from polyloom.compose.recipe_file import carried_text
from polyloom.errors import FileError
from polyloom.files import replacing
from polyloom.music.score import LATEST, METRE, NOTE, TEMPO, Score

LARGEST = 32_000_000  # bytes of a file
MOST = 2_000_000  # events


def read_midi(path: str | os.PathLike[str]) -> Score:
    """The score of a file; FileError for what is none, FileNotFoundError if there is nothing."""
    place = Path(path)
    size = place.stat().st_size
    if size > LARGEST:
        raise FileError(f"{place} has {size:,} bytes: more than {LARGEST:,} are not read as MIDI.")
    mido = need("mido", "music", "Reading MIDI")
    try:
        file = mido.MidiFile(place, clip=True)
    except (EOFError, OSError, ValueError, LookupError, TypeError, mido.KeySignatureError) as error:
        said = str(error) or "it breaks off"
        raise FileError(f"{place} cannot be read as MIDI: {said}. Export it again from where it was made.") from None
    if file.ticks_per_beat <= 0:
        raise FileError(f"{place} keeps time in frames of film, not in beats: export it with ticks per beat.")
    if sum(map(len, file.tracks)) > MOST:
        raise FileError(f"{place} has more than {MOST:,} events.")
    return _score(place, file)


def write_midi(score: Score, path: str | os.PathLike[str], recipe: Mapping[str, Any] | None = None) -> Path:
    """Write a file of type 1, whole or not at all, and return its path: the maps are a track, those of notes follow.

    `recipe` is that of the generation that the score tells.  Raises InputError if it is none, or too long to carry.
    """
    mido = need("mido", "music", "Writing MIDI")
    file = mido.MidiFile(type=1, ticks_per_beat=score.ticks_per_beat)
    file.tracks.append(_conductor(mido, score, recipe))
    for track in np.unique(score.notes["track"]).tolist():
        file.tracks.append(_part(mido, score.notes[score.notes["track"] == track]))
    with replacing(Path(path)) as out:
        file.save(file=out)
    return Path(path)


def _score(place: Path, file: Any) -> Score:
    rows: list[tuple[int, ...]] = []
    repaired: Counter[str] = Counter()
    tempi: dict[int, tuple[int, int]] = {}
    metres: dict[int, tuple[int, int, int]] = {}
    end, parts = 0, 0
    for track in file.tracks:
        tick = end if file.type == 2 else 0  # of type 2 the tracks are pieces one after another
        held: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        programs: dict[int, int] = {}
        before = len(rows)
        for message in track:
            tick += int(message.time)
            if tick > LATEST:
                raise FileError(f"{place} lasts longer than any music: {tick:,} ticks.")
            kind = message.type
            if kind == "set_tempo":
                tempi[tick] = (tick, max(1, message.tempo))
            elif kind == "time_signature":
                metres[tick] = (tick, max(1, message.numerator), message.denominator)
            elif kind == "program_change":
                programs[message.channel] = message.program
            elif kind == "note_on" and message.velocity:
                begun = tick, int(message.velocity), programs.get(message.channel, 0)
                held.setdefault((message.channel, message.note), []).append(begun)
            elif kind in ("note_off", "note_on"):
                waiting = held.get((message.channel, message.note))
                if not waiting:
                    repaired["ends of notes that had not begun, dropped"] += 1
                    continue
                rows.append(_row(waiting.pop(0), tick, message.channel, message.note, parts, repaired))
        for (channel, note), waiting in held.items():
            for begun in waiting:
                repaired["notes that were never let go, ended with their track"] += 1
                rows.append(_row(begun, tick, channel, note, parts, repaired))
        parts += len(rows) > before
        end = max(end, tick)
    report = tuple(f"{count} {what}" for what, count in repaired.items())
    return Score(np.array(rows, NOTE), file.ticks_per_beat, _from_zero(tempi, TEMPO), _from_zero(metres, METRE), report)


def _row(
    begun: tuple[int, int, int], tick: int, channel: int, note: int, part: int, repaired: Counter[str]
) -> tuple[int, ...]:
    onset, velocity, program = begun
    if tick <= onset:
        repaired["notes of no length, made one tick long"] += 1
    return onset, max(1, tick - onset), note, velocity, channel, program, min(part, 1023)


def _from_zero(found: dict[int, Any], usual: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(found[tick] for tick in sorted(found)) if 0 in found else (usual, *(found[t] for t in sorted(found)))


def _conductor(mido: Any, score: Score, recipe: Mapping[str, Any] | None) -> Any:
    """The track of the maps, and of the recipe."""
    told = [] if recipe is None else [(0, 0, mido.MetaMessage("text", text=carried_text(recipe)))]
    events = [(tick, 0, mido.MetaMessage("time_signature", numerator=n, denominator=d)) for tick, n, d in score.metres]
    events += [(tick, 1, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in score.tempi]
    return _track(mido, told + events)


def _part(mido: Any, notes: Any) -> Any:
    """One track of notes; at a tick ends come before programs, and programs before beginnings."""
    events: list[tuple[int, int, Any]] = []
    programs: dict[int, int] = {}
    for onset, duration, pitch, velocity, channel, program, _ in notes.tolist():
        if programs.get(channel) != program:
            programs[channel] = program
            events.append((onset, 1, mido.Message("program_change", channel=channel, program=program)))
        events.append((onset, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((onset + duration, 0, mido.Message("note_off", channel=channel, note=pitch, velocity=0)))
    return _track(mido, events)


def _track(mido: Any, events: list[tuple[int, int, Any]]) -> Any:
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track"))
    return track
