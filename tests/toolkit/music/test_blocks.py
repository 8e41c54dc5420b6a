"""Text and music in one vocabulary: what was put in comes out, a caption is heard, and mixes keep the contract."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract
from polyloom import AssociationModel, ByteVocabulary, InputError, Layer, Layered, Sampling, VocabularyError
from polyloom.documents import Ids
from polyloom.music import BlockVocabulary, MidiVocabulary, Score, read_abc, score_of, write_midi
from polyloom.music.abc import style
from polyloom.music.constraints import allowed, keeping
from polyloom.music.tunes import STYLES
from polyloom.tokens import Vocabulary, WordVocabulary
from polyloom_datasets import load

CAPTIONS = {name: f"a {name}" for name in STYLES}
WORDS = WordVocabulary.train(CAPTIONS.values())
BOTH = BlockVocabulary(WORDS, MidiVocabulary())
SMALL = BlockVocabulary(WORDS, MidiVocabulary("remi", 4, 4))
BARS = Score.of([(0, 480, 60), (960, 480, 64), (1920, 480, 67)])
TUNES = [(style(tune), read_abc(tune)) for tune in load("tunes").documents]  # five of each style, one after another


def document(vocabulary: BlockVocabulary, name: str, score: Score, *, once: bool = False) -> Ids:
    return vocabulary.captioned(CAPTIONS[name], score, "" if once else name)


def documents(vocabulary: BlockVocabulary, which: set[int], *, once: bool = False) -> list[Ids]:
    """The n-th tunes of every style under their captions."""
    return [document(vocabulary, name, score, once=once) for n, (name, score) in enumerate(TUNES) if n % 5 in which]


def judged(model: polyloom.LanguageModel, document: Ids) -> float:
    """ln p of what sounds in a document."""
    return float(model.log_likelihood(document)[document > WORDS.size].sum())


# the vocabulary


def test_text_keeps_its_ids_and_music_follows() -> None:
    assert BOTH.encode("a blues").tolist() == WORDS.encode("a blues").tolist()
    assert BOTH.pieces[WORDS.size] == "<music>"
    assert (
        BOTH.pieces[WORDS.size + BOTH.music.id_of("Pitch_60")] == BOTH.display(BOTH.id_of("<Pitch_60>")) == "<Pitch_60>"
    )
    assert BOTH.size == WORDS.size + BOTH.music.size
    assert BOTH.sentence_end == WORDS.sentence_end
    assert max(BOTH.encode("</s> <music> <Pitch_60> Bar")) < WORDS.size, "typed text is text"


def test_a_document_by_hand() -> None:
    ids = BOTH.captioned("a blues", BARS, "blues")
    assert [BOTH.pieces[id] for id in ids] == [
        "a", "blues", "<music>", "<Bar>", "<Pitch_60>", "<Duration_24>",
        "blues", "<Position_48>", "<Pitch_64>", "<Duration_24>",
        "blues", "<Bar>", "<Pitch_67>", "<Duration_24>", "</s>",
    ]  # fmt: skip
    assert BOTH.decode(ids).splitlines()[:3] == ["a blues", "Bar Pitch_60 Duration_24", "blues"]
    assert BOTH.captioned("a blues", BARS).tolist().count(BOTH.id_of("a")) == 3
    once = BOTH.captioned("a blues", BARS, "")
    assert np.array_equal(once[:3], BOTH.opening("a blues"))
    assert np.array_equal(once[3:-1], BOTH.lifted(BOTH.music.tokens(BARS)))


@pytest.mark.parametrize("refrain", [None, "", "blues"])
@pytest.mark.parametrize("text", ["a blues", "", "a a a dance"])
def test_what_was_put_in_comes_out(text: str, refrain: str | None) -> None:
    for music in (MidiVocabulary(), MidiVocabulary("events"), MidiVocabulary("chords", 12, 8)):
        vocabulary = BlockVocabulary(WORDS, music)
        for score in (*(tune for _, tune in TUNES[::6]), Score.of([])):
            ids = vocabulary.captioned(text, score, refrain)
            assert vocabulary.caption(ids) == text
            assert vocabulary.score(ids) == music.quantised(score)[0]


def test_text_without_an_end() -> None:
    vocabulary = BlockVocabulary(WordVocabulary(["slow", "fast"]), MidiVocabulary())
    ids = vocabulary.captioned("slow", BARS)
    assert vocabulary.sentence_end is None
    assert (vocabulary.caption(ids), vocabulary.score(ids)) == ("slow", vocabulary.music.quantised(BARS)[0])


@settings(max_examples=50)
@given(st.lists(st.integers(0, SMALL.size - 1), max_size=100))
def test_any_ids_are_a_caption_and_a_score(ids: list[int]) -> None:
    words, music = [id for id in ids if id < WORDS.size], [id - WORDS.size for id in ids if id > WORDS.size]
    assert SMALL.score(ids) == SMALL.music.score(music)
    assert WORDS.decode(words).startswith(SMALL.caption(ids))
    assert SMALL.caption(words) == SMALL.decode(words) == WORDS.decode(words)


def test_what_may_come_under_a_caption() -> None:
    only = BOTH.only("a blues", allowed(BOTH.music, key="C", low=60, high=71))
    names = {BOTH.pieces[id] for id in only}
    assert {name for name in names if "Pitch" in name} == {f"<Pitch_{pitch}>" for pitch in (60, 62, 64, 65, 67, 69, 71)}
    assert {"a", "blues", "</s>", "<Bar>"} <= names
    assert not {"dance", "<unk>", "<music>"} & names
    assert len(BOTH.only("a blues")) == BOTH.music.size + 2


@pytest.mark.parametrize("text", [WORDS, ByteVocabulary()])
def test_a_vocabulary_is_a_value(text: Vocabulary) -> None:
    vocabulary = BlockVocabulary(text, MidiVocabulary("chords", 12, 8))
    again = Vocabulary.from_state(*vocabulary.state())
    assert isinstance(again, BlockVocabulary)
    assert (again, again.text, again.music) == (vocabulary, vocabulary.text, vocabulary.music)
    assert vocabulary != BlockVocabulary(text, MidiVocabulary("chords", 12, 16))


def test_what_is_no_vocabulary_of_both() -> None:
    for wrong in (BOTH, MidiVocabulary()):
        with pytest.raises(InputError, match="Expected a vocabulary of text"):
            BlockVocabulary(wrong, MidiVocabulary())
    with pytest.raises(VocabularyError, match="has a piece '<Bar>'"):
        BlockVocabulary(WordVocabulary(["<Bar>"]), MidiVocabulary())
    for wrong in ([0, BOTH.music.size], [-1]):
        with pytest.raises(VocabularyError, match="outside"):
            BOTH.lifted(wrong)
    manifest, arrays = BOTH.state()
    nested = b'{"text": {"kind": "blocks"}, "music": {"kind": "midi"}}'
    for content in (b"", b"[]", b"{}", b'{"text": 1, "music": 2}', nested, b"[" * 9999):
        with pytest.raises(VocabularyError, match="text and music cannot be read"):
            Vocabulary.from_state(manifest, arrays | {"blocks": np.frombuffer(content, np.uint8)})


# models


@pytest.fixture(scope="module")
def captioned() -> AssociationModel:
    return AssociationModel.fit(documents(BOTH, {0, 1, 2, 3}), BOTH, held_out=documents(BOTH, {4}), progress=False)


@pytest.mark.long
@pytest.mark.parametrize("fold", range(5))
def test_a_tune_that_was_not_seen_is_likeliest_under_its_own_caption(fold: int) -> None:
    learned, held_out = {0, 1, 2, 3, 4} - {fold, (fold + 1) % 5}, {(fold + 1) % 5}
    model = AssociationModel.fit(documents(BOTH, learned), BOTH, held_out=documents(BOTH, held_out), progress=False)
    for name, score in TUNES[fold::5]:
        found = {other: judged(model, document(BOTH, other, score)) for other in STYLES}
        own = found.pop(name)
        assert own - max(found.values()) > 0.05 * len(BOTH.music.tokens(score)), name


def test_a_caption_told_once_is_forgotten_by_counts() -> None:
    model = AssociationModel.fit(documents(BOTH, {0, 1, 2}, once=True), BOTH, progress=False)
    ways = [judged(model, document(BOTH, name, TUNES[3][1], once=True)) for name in STYLES]
    assert ways == pytest.approx([ways[0]] * 4, rel=1e-3)


@pytest.mark.long
def test_a_transformer_remembers_a_caption_told_once() -> None:
    from polyloom.train.loop import train
    from polyloom.train.settings import Training
    from polyloom.transformer.config import Attention, TransformerConfig

    config = TransformerConfig(
        SMALL.size, width=32, layers=2, context=160, attention=Attention(4), begin=SMALL.sentence_end
    )
    learned = [ids[:160] for ids in documents(SMALL, {0, 1, 2, 3}, once=True)]
    wanted = Training(steps=150, batch=4, sample_tokens=0)
    model = train(config, learned, wanted, vocabulary=SMALL, progress=False).model
    told = {
        (name, other): judged(model, document(SMALL, other, score, once=True)[:160])
        for name, score in TUNES[4::5]
        for other in STYLES
    }
    own = sum(told[name, name] for name in STYLES)
    assert own > sum(told.values()) / 4 + 10


def test_notes_know_where_they_stand_among_words() -> None:
    ids = BOTH.captioned("a blues", BARS, "blues")
    found = BOTH.places([*ids[:-1], BOTH.id_of("<Pitch_72>")])
    assert [[BOTH.pieces[ids[at]] for at in row] for row in found] == [
        [f"<Pitch_{pitch}>", "<Duration_24>"] for pitch in (60, 64, 67)
    ]  # fmt: skip
    assert BOTH.places(BOTH.encode("a blues")).shape == (0, 2)
    assert BOTH.pieces[BOTH.first["Pitch"] + 60] == "<Pitch_60>"


def test_a_tune_under_a_caption_keeps_to_key_and_grammar(captioned: AssociationModel) -> None:
    settings = keeping(Sampling(1.5, max_tokens=200, seed=1), BOTH, "a blues", key="C", low=60, longest=8)
    written = captioned.generate(BOTH.opening("a blues"), settings)
    score = score_of(written)
    assert len(score) > 10
    assert set(score.notes["pitch"] % 12) <= {0, 2, 4, 5, 7, 9, 11}
    assert score.notes["pitch"].min() >= 60
    pieces = [step.piece for step in written.steps]
    assert {piece for piece in pieces if not piece.startswith("<")} <= {"a", "blues"}
    assert not [piece for piece in pieces if piece.startswith("<Bars")]
    after = {pieces[n + 1].partition("_")[0] for n, piece in enumerate(pieces[:-1]) if piece.startswith("<Pitch")}
    assert after <= {"<Velocity", "<Long", "<Duration"}


@pytest.mark.long
def test_a_caption_writes_its_style(captioned: AssociationModel, tmp_path: Path) -> None:
    learned = {name: [BOTH.music.tokens(score) for other, score in TUNES if other == name] for name in STYLES}
    judges = {name: AssociationModel.fit(tunes, BOTH.music, progress=False) for name, tunes in learned.items()}
    for name, caption in CAPTIONS.items():
        tunes: list[Ids] = []
        for seed in range(8):
            wanted = Sampling(0.9, max_tokens=300, seed=seed, min_p=0.05, only=BOTH.only(caption))
            written = captioned.generate(BOTH.opening(caption), wanted)
            ids = [*BOTH.opening(caption), *(step.token for step in written.steps)]
            assert BOTH.caption(ids) == caption
            tunes.append(BOTH.music.tokens(BOTH.score(ids)))
        heard = {judge: model.perplexity(tunes) for judge, model in judges.items()}
        own = heard.pop(name)
        assert 1.3 * own < min(heard.values()), name
        assert score_of(written) == BOTH.score(ids)
        path = write_midi(score_of(written), tmp_path / f"{name}.mid", written.recipe)
        assert polyloom.replay(path, captioned) == written


def test_a_model_of_both_is_saved_and_loaded(captioned: AssociationModel, tmp_path: Path) -> None:
    again = polyloom.load(captioned.save(tmp_path / "both.psam"))
    assert again.vocabulary == BOTH
    assert again.digest == captioned.digest


class TestTextAndMusicMixed(LanguageModelContract):
    """One that has seen only text, one only music, one tunes under captions."""

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> Layered:
        text = AssociationModel.fit([*CAPTIONS.values(), "a slow dance, a slow blues"], SMALL, order=3)
        tunes = [SMALL.lifted(SMALL.music.tokens(score)) for _, score in TUNES[::4]]
        both = AssociationModel.fit(documents(SMALL, {0, 2}), SMALL, order=4)
        music = AssociationModel.fit(tunes, SMALL, order=4)
        return Layered(both, {"text": Layer(text, 0.3), "music": Layer(music, 0.6)}, name="both")
