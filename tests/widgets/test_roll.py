"""The piano roll: what is sent of notes and who chose them, notes moved by hand, a model that goes on, questions."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import polyloom
from polyloom import AssociationModel, ByteVocabulary, InputError, Layered, Sampling
from polyloom.documents import Ids
from polyloom.music import BlockVocabulary, MidiVocabulary, Score, read_abc
from polyloom.music.abc import style
from polyloom.music.blocks import MusicVocabulary
from polyloom.music.schemes import FAMILIES, Scheme
from polyloom.tokens import WordVocabulary
from polyloom_datasets import load
from polyloom_widgets import Mixer, PianoRoll
from polyloom_widgets.roll.picture import FACTS, metres, parts, tempi
from widgets.talk import Page

STYLES = ("dance", "blues")
OPENING = Score.of([(0, 480, 60), (480, 480, 64), (960, 480, 67), (1440, 480, 64)])
SAMPLING = Sampling(temperature=0.8, max_tokens=120, min_p=0.05, seed=3)
KINDS = (*FAMILIES, "captioned")
COLUMNS = ("pitch", "velocity", "drum", "part", "voice", "percent", "step", "hand")


def woven(kind: str) -> Layered:
    """Of a scheme, or with the name of the style as a caption."""
    if kind == "captioned":
        vocabulary: MusicVocabulary = BlockVocabulary(WordVocabulary.train(STYLES), MidiVocabulary())
    else:
        vocabulary = MidiVocabulary(cast("Scheme", kind))
    scores = [(style(tune), read_abc(tune)) for tune in load("tunes").documents]
    voices = {name: [told(vocabulary, name, score) for style, score in scores if style == name] for name in STYLES}
    return polyloom.weave(voices, vocabulary, progress=False)[0]


def told(vocabulary: MusicVocabulary, caption: str, score: Score) -> Ids:
    captioned = isinstance(vocabulary, BlockVocabulary)
    return vocabulary.opening(caption, score) if captioned else vocabulary.tokens(score)


@pytest.fixture(scope="module")
def mixes() -> dict[str, Layered]:
    return {kind: woven(kind) for kind in KINDS}


@pytest.fixture
def mix(mixes: dict[str, Layered]) -> Layered:
    return mixes["remi"]


def written(mix: Layered) -> polyloom.Generation:
    return mix.generate(told(mix.vocabulary, "blues", OPENING), SAMPLING)  # type: ignore[arg-type]


@pytest.fixture
def roll(mix: Layered) -> PianoRoll:
    return PianoRoll(written(mix))


def facts(roll: PianoRoll) -> dict[str, np.ndarray]:
    return dict(zip(COLUMNS, np.frombuffer(roll.facts, np.int32).reshape(-1, FACTS).T, strict=True))


def page(roll: PianoRoll) -> Page:
    return Page(roll)  # type: ignore[arg-type]


def first_written(roll: PianoRoll) -> int:
    return int(np.flatnonzero(facts(roll)["step"] >= 0)[2])


def test_a_score_is_sent_as_it_is() -> None:
    score = Score.of(
        [(0, 480, 60, 90), (240, 960, 38, 80, 9), (480, 120, 72, 70, 1, 40, 1), (960, 120, 50, 70, 1, 41, 1)]
    )
    roll = PianoRoll(score)
    assert np.frombuffer(roll.times).reshape(-1, 2).tolist() == [[0, 1], [0.5, 2.5], [1, 1.25], [2, 2.25]]
    sent = facts(roll)
    assert sent["pitch"].tolist() == [60, 38, 72, 50]
    assert sent["velocity"].tolist() == [90, 80, 70, 70]
    assert sent["drum"].tolist() == [0, 1, 0, 0]
    assert list(roll.parts) == ["piano", "drums", "strings 1", "strings 2"]
    assert sent["part"].tolist() == [0, 1, 2, 3]
    assert set(sent["voice"]) == set(sent["step"]) == {-1}
    assert roll.score == score
    assert not roll.goes_on


def test_bars_and_tempi_by_hand() -> None:
    score = Score.of(
        [(0, 4800, 60)],
        metres=((0, 4, 4), (1920, 6, 8), (3360, 3, 4)),
        tempi=((0, 500_000), (960, 1_000_000)),
    )
    assert metres(score) == [[0, 4, 1, 0], [4, 3, 0.5, 1], [7, 3, 1, 2]]
    assert tempi(score) == [[0, 0, 0.5], [2, 1, 1]]
    assert parts(Score.of([])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_note_has_the_layer_that_chose_it(mixes: dict[str, Layered], kind: str) -> None:
    made = written(mixes[kind])
    roll = PianoRoll(made)
    sent = facts(roll)
    assert (sent["step"] < 0).sum() == len(OPENING), "the opening was given"
    assert (sent["step"] >= 0).sum() > 10
    assert list(roll.voices) == list(STYLES)
    for pitch, voice, percent, step in zip(
        *(sent[name] for name in ("pitch", "voice", "percent", "step")), strict=True
    ):
        if step < 0:
            assert voice == -1
            continue
        said = made.steps[step]
        assert said.piece.strip("<>").rpartition("_")[2] == str(pitch)
        assert roll.voices[voice] == said.loudest
        assert percent == round(100 * said.shares[said.loudest])


def test_a_reason_is_the_receipt_of_the_pitch(roll: PianoRoll) -> None:
    step = int(facts(roll)["step"][first_written(roll)])
    said = roll.generation.steps[step]
    answer = page(roll).ask({"op": "reason", "id": 1, "step": step})["reason"]
    assert answer["bits"] == pytest.approx(-said.log_prob / np.log(2), abs=1e-3)
    assert sum(answer["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert [piece for piece, _, _ in answer["others"]] == [piece for piece, _ in said.candidates]
    assert all(pitch == (int(piece[6:]) if piece.startswith("Pitch_") else -1) for piece, pitch, _ in answer["others"])


def test_a_reason_reads_pitches_among_words(mixes: dict[str, Layered]) -> None:
    roll = PianoRoll(written(mixes["captioned"]))
    step = int(facts(roll)["step"][first_written(roll)])
    others = page(roll).ask({"op": "reason", "id": 1, "step": step})["reason"]["others"]
    assert all(pitch == (int(piece[7:-1]) if piece.startswith("<Pitch_") else -1) for piece, pitch, _ in others)
    assert any(pitch >= 0 for _, pitch, _ in others)


@pytest.mark.parametrize("kind", KINDS)
def test_a_moved_note_and_a_model_that_goes_on(mixes: dict[str, Layered], kind: str) -> None:
    roll = PianoRoll(written(mixes[kind]))
    before, note = roll.score, first_written(roll)
    step, pitch = int(facts(roll)["step"][note]), int(facts(roll)["pitch"][note])
    moved = roll.move(note, pitch + 2)
    assert sorted(moved.notes["pitch"].tolist()) == sorted(
        [*np.delete(before.notes["pitch"], note).tolist(), pitch + 2]
    )
    assert facts(roll)["hand"][roll.note] == 2
    assert facts(roll)["pitch"][roll.note] == pitch + 2
    assert facts(roll)["voice"][roll.note] == -1, "no layer chose it"
    after = roll.go_on(roll.note)
    made, vocabulary = roll.generation, cast("MusicVocabulary", mixes[kind].vocabulary)
    token = vocabulary.first["On" if kind == "events" else "Pitch"] + pitch + 2
    assert [one.token for one in made.steps[:step]] == [one.token for one in written(mixes[kind]).steps[:step]]
    assert made.steps[step].token == token
    assert made.steps == written(mixes[kind]).fork(step, token).steps
    assert (facts(roll)["hand"] == 1).sum() == 1
    assert after.notes["pitch"][roll.note] == pitch + 2
    assert polyloom.replay(made.recipe, mixes[kind]).steps == made.steps
    assert (roll.version, roll.versions) == (2, 3)
    roll.version = 0
    assert roll.score == before
    assert roll.note == note, "the same note is chosen"
    assert facts(roll)["hand"].sum() == 0


def test_two_moved_notes_both_stay_when_the_model_goes_on(roll: PianoRoll) -> None:
    first, second = np.flatnonzero(facts(roll)["step"] >= 0)[[2, 4]].tolist()
    steps = facts(roll)["step"][[first, second]].tolist()
    for step, pitch in zip(steps, (61, 63), strict=True):
        roll.move(int(np.flatnonzero(facts(roll)["step"] == step)[0]), pitch)
    last = max(steps)
    roll.go_on(int(np.flatnonzero(facts(roll)["step"] == last)[0]))
    assert [roll.generation.steps[step].piece for step in steps] == ["Pitch_61", "Pitch_63"]
    assert (facts(roll)["hand"] == 1).sum() == 2
    place = roll.generation.scrub(last)
    assert place.distribution()[roll.generation.steps[last].token] == pytest.approx(
        roll.generation.steps[last].log_prob
    )


def test_a_note_that_comes_back_was_not_moved(roll: PianoRoll) -> None:
    before, note = roll.score, first_written(roll)
    pitch = int(roll.score.notes["pitch"][note])
    roll.move(note, pitch + 1)
    assert roll.move(roll.note, pitch) == before
    assert facts(roll)["hand"].sum() == 0


def test_from_an_unmoved_note_it_goes_on_otherwise_and_under_another_mix(roll: PianoRoll, mix: Layered) -> None:
    before, note = roll.score, first_written(roll)
    step = int(facts(roll)["step"][note])
    assert roll.go_on(note) != before
    assert roll.generation.sampling.seed == SAMPLING.seed + 1
    roll.version = 0
    roll.model = mix.with_weights(dance=0, blues=1)
    roll.go_on(note)
    voices = {roll.voices[voice] for voice in facts(roll)["voice"][facts(roll)["step"] > step]}
    assert voices == {"blues"}


def test_a_linked_desk_says_who_goes_on(roll: PianoRoll, mix: Layered) -> None:
    desk = Mixer(mix, "Bar", {name: [mix.vocabulary.tokens(OPENING)] for name in STYLES})  # type: ignore[attr-defined]
    desk.link(roll)
    desk.model = mix.with_weights(dance=0.25)
    assert roll.model.weights == desk.model.weights  # type: ignore[union-attr]
    score = PianoRoll(OPENING)
    desk.link(score)
    assert "nothing that a model could go on with" in score.error


def test_a_score_is_edited_too() -> None:
    roll = PianoRoll(OPENING)
    edited = roll.move(1, 72)
    assert edited.notes["pitch"].tolist() == [60, 72, 67, 64]
    assert facts(roll)["hand"].tolist() == [0, 1, 0, 0]
    chord = PianoRoll(Score.of([(0, 480, 60), (0, 480, 64), (0, 480, 67)]))
    assert chord.move(0, 65).notes["pitch"].tolist() == [64, 65, 67]
    assert chord.note == 1, "the choice follows the note"
    with pytest.raises(InputError, match="A score has no model"):
        roll.go_on(1)
    with pytest.raises(InputError, match="A score has no model"):
        _ = roll.generation


def test_an_edit_after_undo_lets_go_of_what_was_undone() -> None:
    roll = PianoRoll(OPENING)
    roll.move(0, 61)
    roll.move(0, 62)
    roll.version = 1
    assert roll.move(0, 59).notes["pitch"][0] == 59
    assert (roll.version, roll.versions) == (2, 3)
    for pitch in range(70):
        roll.move(0, pitch)
    assert (roll.version, roll.versions) == (63, 64)
    assert roll.score.notes["pitch"][0] == 69


def test_the_page_moves_and_goes_on_by_asking(roll: PianoRoll) -> None:
    talk, note = page(roll), first_written(roll)
    pitch = int(roll.score.notes["pitch"][note])
    assert talk.ask({"op": "move", "id": 1, "note": note, "pitch": pitch + 1})["note"] == roll.note
    answer, asked = talk.ask({"op": "go_on", "id": 2, "note": roll.note}), 1
    while answer["goes_on"]:
        answer, asked = talk.ask({"op": "more", "id": 3}), asked + 1
    assert asked > 3
    found = roll.generation.steps
    roll.version = 1
    roll.go_on(roll.note)
    assert roll.generation.steps == found
    assert roll.versions == 3, "what is written piece by piece is one version"


@pytest.mark.parametrize(
    ("question", "said"),
    [({"op": "move", "note": 0, "pitch": 61}, "was given to the model"), ({"op": "move", "note": 5}, "pitch"),
     ({"op": "move", "note": 5, "pitch": 128}, "pitch"), ({"op": "move", "note": "5", "pitch": 60}, "note"),
     ({"op": "go_on", "note": 0}, "was given to the model"), ({"op": "go_on", "note": 10**6}, "note"),
     ({"op": "reason", "step": -1}, "step"), ({"op": "reason"}, "step"), ({"op": "sing"}, "does not know")],
)  # fmt: skip
def test_strange_questions_are_answered(roll: PianoRoll, question: dict[str, Any], said: str) -> None:
    before = roll.score
    assert said in page(roll).ask(question)["error"]
    assert roll.score == before
    assert roll.versions == 1


def test_what_the_page_may_set(roll: PianoRoll) -> None:
    talk = page(roll)
    assert talk.report(times=b"") == ["The page may not set times."]
    for wrong, said in (
        ({"note": 10**6}, "note"), ({"note": -2}, "note"), ({"loop": [3, 1]}, "A loop is two beats"),
        ({"loop": [0]}, "A loop"), ({"loop": [0, float("nan")]}, "A loop"), ({"zoom": 0}, "zoom"),
        ({"muted": [7]}, "part"), ({"soloed": ["x"]}, "part"), ({"version": 1}, "version"),
    ):  # fmt: skip
        assert said in talk.report(**wrong)[0]
    assert talk.report(note=3, loop=[0, 4], zoom=12.5, muted=[0, 0]) == []
    assert (roll.note, list(roll.loop), roll.zoom, list(roll.muted)) == (3, [0, 4], 12.5, [0])


def test_what_cannot_be_shown(mix: Layered) -> None:
    text = AssociationModel.fit(load("sea"), ByteVocabulary()).generate("the ", Sampling(max_tokens=3))
    for wrong in ("tune.mid", text, mix):
        with pytest.raises(InputError, match="Expected a Score, or a Generation by a model of music"):
            PianoRoll(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="PianoRoll takes no 'speed'"):
        PianoRoll(OPENING, speed=2)
    with pytest.raises(InputError, match="note must be a whole number"):
        PianoRoll(OPENING, note=4)
    roll = PianoRoll(written(mix))
    with pytest.raises(InputError, match="The model must speak"):
        roll.model = AssociationModel.fit(load("sea"), ByteVocabulary())
    with pytest.raises(InputError, match="There is no note"):
        PianoRoll(Score.of([])).move(0, 60)


def test_forms(roll: PianoRoll, tmp_path: Path) -> None:
    bare = PianoRoll(OPENING)
    assert repr(bare) == "PianoRoll(4 notes, 0:02)"
    assert repr(roll).endswith("voices=dance, blues)")
    for view, count in ((bare, 4), (roll, len(roll.score))):
        forms = view._repr_mimebundle_()[0]
        assert "<script" not in forms["text/html"]
        assert forms["text/html"].count("<rect") == count
    assert "without notes" in PianoRoll(Score.of([]))._still()
    assert roll.to_html(tmp_path / "roll.html").stat().st_size < 300_000
    steps = facts(roll)["step"]
    assert set(roll._export()[0]["reasons"]) == {str(step) for step in steps if step >= 0}


def test_a_tune_does_not_grow_without_end(roll: PianoRoll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom_widgets.roll.versions.LONGEST", 100)
    told = page(roll).ask({"op": "go_on", "id": 1, "note": len(roll.score) - 1})["error"]
    assert told == f"This tune has grown to {len(roll.generation.steps)} tokens. Go on from an earlier note."
    assert "error" not in page(roll).ask({"op": "go_on", "id": 2, "note": first_written(roll)})
