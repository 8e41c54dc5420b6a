"""Rows of `polyloom bench music` about harmony: chords of lead sheets, and keys of Bach's chorales, beside music21.

A chord agrees where both have the same keys of a piano.  The key of a chorale is that of its last chord: the root in
the bass, and its third, which a piece in minor may raise (Picardy), so that only the tonic is compared as well.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom.cli.rows import Row
from polyloom.errors import InputError
from polyloom.music.theory.chord import chord
from polyloom.music.theory.key import find_key

GROUP = "music"
PEER = "music21"
ABSENT = "music21 is not installed: pip install music21"
LISTED = 12  # differences that a row names
MISREAD = re.compile(r"69|13b9|13#11|[A-G][#b]?2")
JUDGED = "music21 leaves the third and fifth out of 69 and 2, and the b9 and #11 out of 13b9 and 13#11"
PROFILES = "albrecht"
SILENT = -1
SIXTEENTHS = 4  # a beat

Keys = frozenset[int]


def rows(folder: Path) -> Iterator[Row]:
    """Chords on two kinds of sheets, and keys."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            harmony, music21 = import_module("music21.harmony"), import_module("music21")
    except ImportError:
        harmony = music21 = None
    for name, counts in (("jazz sheets", _jazz(folder)), ("Nottingham", _abc(folder))):
        yield _chords(name, counts, harmony)
        kept = Counter({symbol: count for symbol, count in counts.items() if not MISREAD.search(symbol)})
        if kept != counts:
            yield _chords(f"{name} but 69, 2, 13b9 and 13#11", kept, harmony)
    yield from _keys(folder, music21)


def _jazz(folder: Path) -> Counter[str]:
    lines = [
        line.strip()
        for path in sorted((folder / "jazz_imaginary_book").glob("*.ls"))
        for line in path.read_text(errors="replace").splitlines()
    ]
    bars = [line.replace("|", " ").split() for line in lines if "|" in line and not line.startswith("(")]
    return Counter(word for bar in bars for word in bar if re.match("[A-G]", word))


def _abc(folder: Path) -> Counter[str]:
    texts = [path.read_text(errors="replace") for path in sorted((folder / "nottingham_abc").glob("*.abc"))]
    return Counter(word for text in texts for word in re.findall(r'"([^"]+)"', text) if re.match("[A-G]", word))


def _chords(name: str, counts: Mapping[str, int], harmony: Any) -> Row:
    title = f"chords of {name} that have the same keys as music21 says"
    if harmony is None or not counts:
        return Row(group=GROUP, name=title, value=None, unit="share", bar="value >= 0.995", reason=ABSENT)
    agreed = total = unread = 0
    others: list[str] = []
    for symbol, count in sorted(counts.items(), key=lambda one: -one[1]):
        ours, theirs = _ours(symbol), _theirs(harmony, symbol)
        if theirs is None:
            unread += count
            continue
        total += count
        agreed += count * (ours == theirs)
        if ours != theirs:
            others.append(f"{symbol} ({count})")
    more = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
    listed = f"others: {', '.join(others[:LISTED])}{more}; {JUDGED}" if others else "no others"
    reason = f"of {total:,}; {unread:,} music21 does not read; {listed}"
    share = agreed / total if total else None
    return Row(group=GROUP, name=title, value=share, unit="share", better="higher", bar="value >= 0.995", reason=reason)


def _ours(symbol: str) -> Keys | None:
    try:
        found = chord(symbol)
    except InputError:
        return None
    return found.chromas if found.bass is None else found.chromas | {found.bass.chroma}


def _theirs(harmony: Any, symbol: str) -> Keys | None:
    """As music21 writes symbols: flats as minus, M7 as maj7."""
    root, _, bass = symbol.partition("/")
    match = re.match(r"([A-G])([b#]*)(.*)$", root)
    if match is None:
        return None
    kind = match[3].replace("M7", "maj7").replace("M9", "maj9").replace("mmaj", "mM")
    below = f"/{bass[0].upper()}{bass[1:].replace('+', '#').replace('b', '-')}" if bass else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = harmony.ChordSymbol(match[1] + match[2].replace("b", "-") + kind + below)
            return frozenset(int(pitch.pitchClass) for pitch in found.pitches)
    except Exception:  # whatever it raises for a symbol that it cannot read
        return None


def _keys(folder: Path, music21: Any) -> Iterator[Row]:
    pieces = _chorales(folder / "jsb_chorales" / "jsb-chorales-16th.json")
    truths = [_truth(piece) for piece in pieces]
    ours = [_found(piece) for piece in pieces]
    theirs = None if music21 is None else [_analysed(music21, piece) for piece in pieces]
    reason = (
        f"{len(pieces)} chorales, profiles of {PROFILES}; music21 has those of Aarden and Essen" if theirs else ABSENT
    )
    for name, part in (("key", slice(0, 2)), ("tonic", slice(0, 1))):
        yield Row(
            group=GROUP, name=f"chorales whose {name} is found", value=_share(ours, truths, part), unit="share",
            better="higher", peer=PEER, peer_value=None if theirs is None else _share(theirs, truths, part),
            bar="ratio >= 1", reason=reason,
        )  # fmt: skip


def _share(found: list[tuple[int, str]], truths: list[tuple[int, str]], part: slice) -> float:
    return float(np.mean([one[part] == truth[part] for one, truth in zip(found, truths, strict=True)]))


def _chorales(source: Path) -> list[NDArray[np.int64]]:
    """Of each chorale the pitches that sound, highest first, (sixteenths, 4); -1 for silence."""
    pieces = [piece for part in json.loads(source.read_bytes()).values() for piece in part]
    return [np.array([(step + [SILENT] * 4)[:4] for step in piece if step], np.int64) for piece in pieces]


def _truth(piece: NDArray[np.int64]) -> tuple[int, str]:
    last = piece[-1][piece[-1] != SILENT]
    root = int(last.min()) % 12
    return root, "minor" if (root + 3) % 12 in last % 12 else "major"


def _found(piece: NDArray[np.int64]) -> tuple[int, str]:
    best = find_key(np.bincount(piece[piece != SILENT] % 12, minlength=12).astype(np.float64), PROFILES).best
    return best.tonic.chroma, best.mode


def _analysed(music21: Any, piece: NDArray[np.int64]) -> tuple[int, str]:
    """What music21 says of a stream of the same notes, each as long as it is held."""
    stream = music21.stream.Stream()
    for voice in piece.T:
        edges = [0, *(np.flatnonzero(np.diff(voice)) + 1).tolist(), len(voice)]
        for start, end in pairwise(edges):
            if voice[start] != SILENT:
                note = music21.note.Note(int(voice[start]), quarterLength=(end - start) / SIXTEENTHS)
                stream.insert(start / SIXTEENTHS, note)
    key = stream.analyze("key")
    return int(key.tonic.pitchClass), str(key.mode)
