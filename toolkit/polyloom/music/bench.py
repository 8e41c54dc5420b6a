"""`polyloom bench music`: what comes back of files, tokens and speed beside MidiTok, models of tunes, names of harmony.

All rows need real music, `--shared DIR` with `data/music`.  The peers are MidiTok (Fradet et al. 2021) and music21
(Cuthbert and Ariza 2010), measured in the same run where they are installed.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Better, Row
from polyloom.documents import Ids
from polyloom.errors import FileError
from polyloom.music import bench_theory
from polyloom.music.midi import read_midi
from polyloom.music.schemes import FAMILIES
from polyloom.music.score import Score
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.tokens.vocabulary import SENTENCE_END

GROUP = "music"
MISSING = "needs real music: polyloom bench --shared DIR, a folder that holds data/music"
PURE = "both read the file too: mido is pure Python, symusic compiled"
SAME = "both from notes in memory"
PEER = "MidiTok's REMI"
CHAIN = "5-gram Kneser–Ney"
FOLD = 10  # of the tunes in order of name, one in ten is judged and one in ten fits the gate
EVERY = 8  # of the files, one in so many is timed


def rows(shared: Path | None) -> Iterator[Row]:
    """The group's rows, in about two minutes."""
    folder = None if shared is None else shared / "data" / "music"
    if folder is None or not folder.is_dir():
        yield _row("files that come back note for note at 1/24 beat", None, "share", bar="value >= 1", reason=MISSING)
        return
    files = sorted(folder.rglob("*.mid"))
    yield from _round_trips(files)
    yield from _beside_miditok([path for path in files if "conformance" not in str(path)][::EVERY])
    yield from _perplexities(sorted((folder / "nottingham_midi").glob("*.mid")))
    yield from bench_theory.rows(folder)


def _round_trips(files: list[Path]) -> Iterator[Row]:
    scores = [score for path in files if (score := _read(path)) is not None]
    told = f"{len(scores)} of {len(files)} files are read, the others are told as broken"
    for scheme in FAMILIES:
        vocabulary = MidiVocabulary(scheme, velocities=127)
        same = [vocabulary.score(vocabulary.tokens(one)) == vocabulary.quantised(one)[0] for one in scores]
        name = f"files that come back note for note at 1/24 beat, {scheme}"
        yield _row(name, float(np.mean(same)), "share", better="higher", bar="value >= 1", reason=told)
    moved = [score.quantised(24)[1] for score in scores]
    notes = np.array([len(score) for score in scores])
    mean = float(np.average([one.mean for one in moved], weights=notes))
    yield _row("onsets moved by quantising, on average", mean, "beats", reason=told)


def _read(path: Path) -> Score | None:
    try:
        return read_midi(path)
    except FileError:
        return None


def _beside_miditok(files: list[Path]) -> Iterator[Row]:
    vocabulary, names = MidiVocabulary(), (f"tokens a note, {len(files)} files", "files a second, read and tokenised")
    scores = [read_midi(path) for path in files]
    notes, tokens = sum(map(len, scores)), sum(len(vocabulary.tokens(score)) for score in scores)
    ours = (
        _seconds(lambda: [vocabulary.tokens(read_midi(path)) for path in files]),
        _seconds(lambda: [vocabulary.tokens(score) for score in scores]),
    )
    try:
        tokenizer, load = import_module("miditok").REMI(), import_module("symusic").Score
    except ImportError as error:
        theirs, reason = (None,) * 3, f"{error}: pip install miditok symusic"
    else:
        loaded: list[Any] = [load(str(path)) for path in files]
        their_tokens = sum(len(one.ids) for score in loaded for one in _sequences(tokenizer(score)))
        counted = sum(len(track.notes) for score in loaded for track in score.tracks)
        theirs = (
            their_tokens / counted,
            len(files) / _seconds(lambda: [tokenizer(load(str(path))) for path in files]),
            len(files) / _seconds(lambda: [tokenizer(score) for score in loaded]),
        )
        reason = None
    yield _row(names[0], tokens / notes, "tokens", peer=PEER, peer_value=theirs[0], bar="ratio >= 1", reason=reason)
    shown = ("files a second, read and tokenised", reason or PURE), ("files a second, tokenised", reason or SAME)
    for (name, why), took, peer in zip(shown, ours, theirs[1:], strict=True):
        yield _row(
            name, len(files) / took, "files/s",
            better="higher", peer=PEER, peer_value=peer, bar="ratio >= 0.5", reason=why,
        )  # fmt: skip


def _sequences(found: Any) -> list[Any]:
    """A tokenizer gives one sequence, or one for each track."""
    return cast("list[Any]", found) if isinstance(found, list) else [found]


def _seconds(work: Callable[[], object]) -> float:
    """The best of three on one thread."""
    found: list[float] = []
    for _ in range(3):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def _perplexities(files: list[Path]) -> Iterator[Row]:
    vocabulary = MidiVocabulary()
    scores = [read_midi(path) for path in files]
    end = [vocabulary.id_of(SENTENCE_END)]
    tunes: list[Ids] = [np.append(vocabulary.tokens(score), end).astype(np.int64) for score in scores]
    judged, valid = tunes[::FOLD], tunes[FOLD // 2 :: FOLD]
    learned = [tune for n, tune in enumerate(tunes) if n % FOLD not in (0, FOLD // 2)]
    notes = sum(map(len, scores[::FOLD]))

    def measured(skips: bool = True, history: bool = True) -> float:
        model = AssociationModel.fit(learned, vocabulary, 5, skips, history, valid, progress=False)
        return _a_note(model, judged, notes)

    chain = measured(False, False)
    reason = f"{len(judged)} tunes of {len(tunes)}; the peer is the same model's n-gram chain alone, on the same tokens"
    for name, history, bar in (("with history", True, "ratio >= 1.1765"), ("static", False, None)):
        yield _row(
            f"perplexity a note, Nottingham, association mixture {name}", measured(history=history), "perplexity",
            peer=CHAIN, peer_value=chain, bar=bar, reason=reason,
        )  # fmt: skip


def _a_note(model: AssociationModel, tunes: list[Ids], notes: int) -> float:
    return float(np.exp(-sum(float(model.log_likelihood(tune).sum()) for tune in tunes) / notes))


def _row(name: str, value: float | None, unit: str, *, better: Better = "lower", **more: Any) -> Row:
    return Row(group=GROUP, name=name, value=value, unit=unit, better=better, **more)
