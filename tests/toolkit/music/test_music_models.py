"""Models of music: four styles on four faders, what they must keep to, and a bar filled in."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import polyloom
from polyloom import InputError, Sampling
from polyloom.music import MidiVocabulary, Score, read_abc, read_midi, write_midi
from polyloom.music.abc import style
from polyloom.music.augment import augmented
from polyloom.music.constraints import allowed, grammar
from polyloom.music.missing import around
from polyloom.music.schemes import Scheme
from polyloom.music.tunes import STYLES
from polyloom_datasets import load

REMI = MidiVocabulary()


def voices(vocabulary: MidiVocabulary) -> dict[str, list[np.ndarray]]:
    scores = [(style(tune), read_abc(tune)) for tune in load("tunes").documents]
    return {
        name: [vocabulary.tokens(other) for kind, score in scores if kind == name for other in augmented(score, (0, 2))]
        for name in STYLES
    }


@pytest.fixture(scope="module")
def desk() -> tuple[polyloom.Layered, dict[str, list[np.ndarray]]]:
    return polyloom.weave(voices(REMI), REMI, progress=False)


def opening() -> np.ndarray:
    return REMI.tokens(Score.of([(0, 480, 60), (480, 480, 64), (960, 480, 67), (1440, 480, 64)]))


def test_ids_and_their_text_weave_the_same_mix(desk: tuple[polyloom.Layered, dict[str, list[np.ndarray]]]) -> None:
    mix, held_out = desk
    texts = {name: [REMI.decode(ids) for ids in all] for name, all in voices(REMI).items()}
    other, _ = polyloom.weave(texts, REMI, held_out=0.1, progress=False)
    assert set(held_out) == set(STYLES)
    assert all(ids[-1] == REMI.sentence_end for all in held_out.values() for ids in all)
    assert other.vocabulary == mix.vocabulary
    assert set(other.weights) == set(mix.weights)


def test_ids_that_cannot_be_woven_are_told() -> None:
    two = [np.array([1, 2]), np.array([3])]
    with pytest.raises(InputError, match=r"Voice 'a': expected text, got arrays of ids.*give vocabulary="):
        polyloom.weave({"a": two}, progress=False)
    with pytest.raises(InputError, match="Voice 'a': Token 9999"):
        polyloom.weave({"a": [*two, np.array([9999])]}, REMI, progress=False)
    with pytest.raises(InputError, match="has 1 of the 2 different"):
        polyloom.weave({"a": [two[0], two[0], np.array([], int)]}, REMI, progress=False)


def test_a_fader_is_heard(desk: tuple[polyloom.Layered, dict[str, list[np.ndarray]]]) -> None:
    mix, held_out = desk
    for name in STYLES:
        others = dict.fromkeys(STYLES, 0.0) | {name: 1.0}
        alone = mix.with_weights(**others)
        best = min(STYLES, key=lambda style: alone.perplexity(held_out[style]))
        assert best == name


def test_a_tune_is_written_and_heard_as_midi(desk: tuple[polyloom.Layered, object], tmp_path: object) -> None:
    written = desk[0].generate(opening(), Sampling(temperature=0.8, max_tokens=150, min_p=0.05, seed=3))
    score = REMI.score([*opening(), *(step.token for step in written.steps)])
    assert len(score) > 20
    again = read_midi(write_midi(score, f"{tmp_path}/tune.mid"))
    assert len(again) == len(score)


def test_what_is_written_keeps_to_key_range_and_bar(desk: tuple[polyloom.Layered, object]) -> None:
    kept = allowed(REMI, key="C", low=55, high=76, metre=(4, 4))
    only = tuple(id for id in kept if id != REMI.sentence_end)
    written = desk[0].generate(opening(), Sampling(max_tokens=200, seed=5, temperature=0.8, min_p=0.05, only=only))
    score = REMI.score([step.token for step in written.steps])
    assert len(score) > 20
    assert score.notes["pitch"].min() >= 55
    assert score.notes["pitch"].max() <= 76
    assert set(score.notes["pitch"] % 12) <= {0, 2, 4, 5, 7, 9, 11}
    assert score.metres == ((0, 4, 4),)
    assert score.notes["duration"].max() <= 96


def test_a_note_between_two_bars_is_filled_in(desk: tuple[polyloom.Layered, object]) -> None:
    left = REMI.encode("Bar Pitch_60 Duration_24 Position_24")
    right = REMI.encode("Duration_24 Position_48 Pitch_67 Duration_24")
    found = desk[0].generate_middle(left, right, Sampling(seed=2))
    assert found.middle.startswith("Pitch_")
    for settings in (Sampling(only=(1, 2)), Sampling(bound=((1,), (2,)))):
        with pytest.raises(InputError, match="cannot keep to only or bound"):
            desk[0].generate_middle(left, right, settings)


def test_a_missing_bar_is_filled_in(desk: tuple[polyloom.Layered, object]) -> None:
    score = read_abc(load("tunes").documents[15])
    left, right = around(REMI, score, 3)
    assert REMI.pieces[left[-1]] == REMI.pieces[right[0]] == "Bar"
    kept = (score.notes["onset"] < 3 * 1920) | (score.notes["onset"] >= 4 * 1920)
    without = replace(score, notes=score.notes[kept])
    assert REMI.score([*left, *right]) == REMI.quantised(without)[0]
    arpeggios = desk[0].with_weights(dance=0, chorale=0, blues=0, arpeggio=1)
    middle = arpeggios.generate_middle(left, right, Sampling(seed=1), length=23, exact=False).tokens
    found = REMI.score([*left, *middle, *right])
    onsets = found.notes["onset"]
    assert ((onsets >= 3 * 96) & (onsets < 4 * 96)).sum() >= 6
    for bar in (-1, 400, True):
        with pytest.raises(InputError, match="bar"):
            around(REMI, score, bar)


def test_masks_by_hand() -> None:
    only = set(allowed(REMI, key="A minor", low=60, high=71))
    names = {REMI.pieces[id] for id in only if REMI.pieces[id].startswith("Pitch")}
    assert names == {f"Pitch_{pitch}" for pitch in (60, 62, 64, 65, 66, 67, 68, 69, 71)}
    kept = {REMI.pieces[id] for id in allowed(REMI, metre=(3, 4))}
    assert {"Position_71", "Metre_3/4", "Duration_72", "</s>"} <= kept
    assert not {"Position_72", "Metre_4/4", "Duration_73", "Long_96"} & kept


@pytest.mark.parametrize(
    ("scheme", "out", "kept"),
    [("remi", {"Bars_2", "Long_192"}, {"Bar", "Long_96"}), ("events", {"Shift_192"}, {"Shift_1", "Shift_96"}),
     ("chords", {"Bars_2", "Long_192"}, {"Bar", "Duration_48"})],
)  # fmt: skip
def test_no_token_passes_more_beats_than_asked(scheme: Scheme, out: set[str], kept: set[str]) -> None:
    vocabulary = MidiVocabulary(scheme, grid=12)
    only = {vocabulary.pieces[id] for id in allowed(vocabulary, longest=8)}
    left_out = set(vocabulary.pieces) - only
    assert {name.partition("_")[0] for name in left_out} == {name.partition("_")[0] for name in out}
    assert out <= left_out
    assert {*kept, "</s>"} <= only
    assert only < {vocabulary.pieces[id] for id in allowed(vocabulary, longest=16)}


@pytest.mark.parametrize(
    ("scheme", "asked", "said"),
    [("remi", {"low": 61, "high": 60}, "high"), ("remi", {"key": "C", "low": 61, "high": 61}, "No note of C"),
     ("remi", {"metre": (17, 4)}, "no metre"), ("events", {"metre": (4, 4)}, "no bars"),
     ("remi", {"key": "H"}, "Expected"), ("remi", {"longest": 0}, "longest")],
)  # fmt: skip
def test_what_cannot_be_kept_to(scheme: Scheme, asked: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        allowed(MidiVocabulary(scheme), **asked)  # pyright: ignore[reportArgumentType]


def test_a_mix_keeps_to_the_grammar_of_tokens(desk: tuple[polyloom.Layered, object]) -> None:
    def broken(bound: tuple[tuple[int, ...], ...]) -> int:
        settings = Sampling(temperature=0.8, max_tokens=200, seed=4, min_p=0.05, bound=bound)
        families = [REMI.told[step.token][0] for step in desk[0].generate(opening(), settings).steps]
        between = ("Velocity", "Long")
        return sum((a in ("Pitch", *between)) != (b in ("Duration", *between)) for a, b in pairwise(families))

    assert broken(()) > 0
    assert broken(grammar(REMI)) == 0
    assert grammar(MidiVocabulary("events")) == ()


@pytest.mark.parametrize("scheme", ["remi", "chords"])
def test_what_scores_are_told_in_keeps_to_the_grammar(scheme: Scheme) -> None:
    """Loud and soft notes, and one longer than the longest duration."""
    vocabulary = MidiVocabulary(scheme, grid=4)
    score = Score.of([(0, 20_000, 40, 30), *((480 * n, 480, 60 + n % 7, 50 + 50 * (n % 2)) for n in range(16))])
    ids = vocabulary.tokens(score)
    settings, flat = Sampling(bound=grammar(vocabulary)), np.zeros(vocabulary.size)
    assert all(id in settings.law(flat, ids[:at]).tokens for at, id in enumerate(ids.tolist()))
    model = polyloom.AssociationModel.fit([ids] * 3, vocabulary, order=4)
    written = model.generate("Bar Pitch_60", replace(settings, seed=1, max_tokens=80))
    assert len(set(vocabulary.score([step.token for step in written.steps]).notes["velocity"].tolist())) > 1


def test_what_is_bound_follows_and_nothing_else_does() -> None:
    flat, bound = np.full(4, -np.log(4)), ((0, 1), (1, 2))
    assert Sampling(bound=bound).distribution(flat).tolist() == [0.5, 0, 0, 0.5]
    for last in (0, 1):
        assert Sampling(bound=bound).distribution(flat, [3, last]).tolist() == [0, 0.5, 0.5, 0]
    assert Sampling(bound=bound).distribution(flat, [0, 2]).tolist() == [0.5, 0, 0, 0.5]
    assert Sampling(bound=bound, only=(0, 2)).distribution(flat, [0]).tolist() == [0, 0, 1, 0]
    for wrong in ((1,), ((1,),), ([1], [2]), ((1,), (-2,)), [(1,), (2,)]):
        with pytest.raises(InputError, match="bound"):
            Sampling(bound=wrong)  # pyright: ignore[reportArgumentType]


def test_only_is_checked() -> None:
    flat = np.full(4, -np.log(4))
    assert Sampling(only=(1, 3)).distribution(flat).tolist() == [0, 0.5, 0, 0.5]
    assert Sampling(only=(1, 3), top_k=1).distribution(flat).tolist() == [0, 1, 0, 0]
    assert Sampling(only=(2,), temperature=0).distribution(flat).tolist() == [0, 0, 1, 0]
    for wrong in ([1], (True,), (-1,), ("C",)):
        with pytest.raises(InputError, match="only"):
            Sampling(only=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="there are 4"):
        Sampling(only=(4,)).distribution(flat)
    with pytest.raises(InputError, match="no token that may come"):
        replace(Sampling(), only=(0,)).distribution(np.array([-np.inf, 0.0]))
