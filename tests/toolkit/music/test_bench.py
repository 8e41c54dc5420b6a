"""The benchmark of music measures what its rows say, and says what it misses."""

import json
from itertools import groupby
from pathlib import Path

import pytest

from polyloom.music import bench, bench_theory
from polyloom.music.abc import read_abc, style
from polyloom.music.augment import augmented
from polyloom.music.midi import write_midi
from polyloom_datasets import load


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A folder of shared data in the form of the real one, with the tunes that come with Polyloom."""
    folder = tmp_path / "data" / "music"
    for name in ("nottingham_midi", "nottingham_abc", "jazz_imaginary_book", "jsb_chorales", "midi_conformance"):
        (folder / name).mkdir(parents=True)
    tunes = load("tunes").documents
    for n, tune in enumerate(tunes):
        for m, score in enumerate(augmented(read_abc(tune), (0, 2))):
            write_midi(score, folder / "nottingham_midi" / f"tune{n:02}{m}.mid")
    (folder / "midi_conformance" / "broken.mid").write_bytes(b"MThd")
    (folder / "nottingham_abc" / "tunes.abc").write_text("\n\n".join(tunes))
    (folder / "jazz_imaginary_book" / "one.ls").write_text("(part chords)\nC69 | Dm7 G7 | CM7 | %\n")
    chorales = [_steps(tune) for tune in tunes if style(tune) == "chorale"]
    (folder / "jsb_chorales" / "jsb-chorales-16th.json").write_text(json.dumps({"train": chorales}))
    return tmp_path


def _steps(tune: str) -> list[list[int]]:
    notes = read_abc(tune).notes[["onset", "duration", "pitch"]].tolist()
    chords = [list(group) for _, group in groupby(notes, lambda note: note[0])]
    return [sorted((n[2] for n in chord), reverse=True) for chord in chords for _ in range(chord[0][1] // 120)]


@pytest.mark.long
def test_every_row_has_a_figure(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("miditok")
    pytest.importorskip("music21")
    monkeypatch.setattr(bench, "EVERY", 20)
    found = {row.name: row for row in bench.rows(real)}
    assert all(row.group == "music" and row.value is not None for row in found.values())
    assert all(row.met for name, row in found.items() if "come back" in name)
    assert "40 of 41 files" in str(found["onsets moved by quantising, on average"].reason)
    assert found["perplexity a note, Nottingham, association mixture with history"].met
    (keys,) = (row for name, row in found.items() if "whose key" in name)
    assert keys.value == 1


def test_without_peers_and_data_rows_say_so(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(bench, "import_module", missing)
    monkeypatch.setattr(bench_theory, "import_module", missing)
    (row,) = bench.rows(None)
    assert row.value is None
    assert "needs real music" in str(row.reason)
    found = list(bench.rows(real))
    assert [row.peer_value for row in found if row.peer in (bench.PEER, bench_theory.PEER)] == [None] * 5
    assert all("pip install" in str(row.reason) for row in found if row.peer == bench.PEER)
