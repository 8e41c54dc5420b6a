"""SentencePiece: round trips of any text, training that repeats, sizes whose limits are the true ones."""

import io
import random
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom.errors import InputError, VocabularyError
from polyloom.tokens import SentencePieceVocabulary, Vocabulary
from polyloom.tokens.modelproto import Algorithm, Piece, read, write
from polyloom.tokens.sentencepiece_training import CUT, FRAME
from tokens.samples import any_text

ALGORITHMS: tuple[Algorithm, ...] = ("unigram", "bpe")
both = pytest.mark.parametrize("model", ALGORITHMS)


def train(texts: object, size: object = "auto", model: object = "unigram") -> SentencePieceVocabulary:
    return SentencePieceVocabulary.train(texts, size, model)  # pyright: ignore[reportArgumentType]


@given(text=st.one_of(st.text(), any_text))
def test_any_text_round_trips(vocabularies: dict[str, Vocabulary], text: str) -> None:
    for model in ALGORITHMS:
        assert vocabularies[model].decode(vocabularies[model].encode(text)) == text


@pytest.mark.long
@both
def test_every_character_there_is_round_trips(vocabularies: dict[str, Vocabulary], model: str) -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    random.Random(0).shuffle(characters)
    everything = "".join(characters)
    ids = vocabularies[model].encode(everything)
    assert vocabularies[model].decode(ids) == everything
    assert ids.min() >= 2  # neither <unk> nor </s>


@both
@pytest.mark.parametrize("text", ["x" * 300_000, " " * 300_000, "the sea " * 50_000, "▁" * 50_000, "\n" * 50_000])
def test_very_long_text_round_trips(vocabularies: dict[str, Vocabulary], model: str, text: str) -> None:
    assert vocabularies[model].decode(vocabularies[model].encode(text)) == text


@both
@settings(max_examples=30, deadline=None)
@given(documents=st.lists(any_text, min_size=1, max_size=4), text=any_text)
def test_whatever_it_learns_from_any_text_round_trips(model: Algorithm, documents: list[str], text: str) -> None:
    if not any(CUT.sub("", document) for document in documents):
        return
    vocabulary = train(documents, "auto", model)
    for each in (text, *documents, " ▁ "):
        assert vocabulary.decode(vocabulary.encode(each)) == each
    assert train(documents[::-1], "auto", model) == vocabulary


@both
@pytest.mark.parametrize("texts", [["海は広いな"], ["x"], ["one", "two"]])
def test_a_space_is_a_space_even_if_the_texts_held_none(model: Algorithm, texts: list[str]) -> None:
    vocabulary = train(texts, "auto", model)
    assert [vocabulary.display(id) for id in vocabulary.encode(" ▁")] == ["·", "<0xE2>", "<0x96>", "<0x81>"]
    assert vocabulary.decode(vocabulary.encode(" ▁")) == " ▁"


@both
def test_names_of_special_pieces_are_text_even_if_learnt_from(model: Algorithm) -> None:
    names = "</s> <unk> <0x41> <s> <pad>"
    vocabulary = train([names] * 50, "auto", model)
    assert {"<", ">", "/", "s", "u", "n", "k", "0", "x", "4", "1"} <= set(vocabulary.pieces)
    for name in (names, *names.split()):
        ids = vocabulary.encode(name)
        assert ids.min() >= len(FRAME)
        assert vocabulary.decode(ids) == name


@both
def test_the_frame_and_the_control_characters(vocabularies: dict[str, Vocabulary], model: str) -> None:
    vocabulary = vocabularies[model]
    assert vocabulary.pieces[:4] == ("<unk>", "</s>", "<0x00>", "<0x01>")
    assert vocabulary.pieces[257] == "<0xFF>"
    assert (vocabulary.unknown, vocabulary.sentence_end) == (0, 1)
    assert vocabulary.encode("\n\t").tolist() == [2 + 10, 2 + 9]
    assert not any(re.search(r"[\x00-\x1f]", piece) for piece in vocabulary.pieces)
    assert vocabulary.decode([0]) == "<unk>"
    assert vocabulary.decode([2 + 0xC3]) == "\ufffd"


@both
@given(text=any_text, share=st.floats(0, 1))
def test_parts_add_up(vocabularies: dict[str, Vocabulary], model: str, text: str, share: float) -> None:
    vocabulary = vocabularies[model]
    ids = vocabulary.encode(text)
    at = round(share * len(ids))
    before, after = vocabulary.decode(ids[:at]), vocabulary.decode(ids[at:])
    assert before + after == text or "\ufffd" in before + after  # the border cut a character's bytes


@both
def test_cuts_are_sentencepieces_own(vocabularies: dict[str, Vocabulary], model: str, texts: tuple[str, ...]) -> None:
    """The peer: its processor on our model file gives our ids, and its decoder gives our text."""
    vocabulary = vocabularies[model]
    assert isinstance(vocabulary, SentencePieceVocabulary)
    peer = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.model_bytes)
    assert tuple(peer.id_to_piece(id) for id in range(peer.get_piece_size())) == vocabulary.pieces
    for text in texts:
        assert peer.encode(text) == vocabulary.encode(text).tolist()
        assert peer.decode(peer.encode(text)) == text


def test_frequent_words_become_pieces() -> None:
    texts = ["the captain of the ship and the captain of the lamp " * 20, "the captain, the ship, the lamp " * 20]
    for model in ALGORITHMS:
        vocabulary = train(texts, "auto", model)
        assert vocabulary.pieces[vocabulary.encode(" the captain")[-1]] == "▁captain"


@both
def test_order_and_repetition_of_training_change_nothing(model: Algorithm, texts: tuple[str, ...]) -> None:
    size = 310
    first = train(texts, size, model)
    assert train(list(reversed(texts)), size, model).model_bytes == first.model_bytes
    assert train((text for text in texts), size, model).digest == first.digest
    assert train(["\n".join(texts)], size, model) == first  # a document's border is a line's border, as for learning
    assert train([*texts, "sea " * 30], size, model) != first


@pytest.mark.long
@both
def test_the_limits_named_are_the_true_limits(model: Algorithm, texts: tuple[str, ...]) -> None:
    with pytest.raises(VocabularyError, match="is too small: these texts need at least") as caught:
        train(texts, 1, model)
    smallest = int(re.findall(r"at least (\d+) pieces", str(caught.value))[0])
    learnable = set("".join(texts)) - set("\n\t")
    assert smallest == 258 + len(learnable)
    with pytest.raises(VocabularyError, match=f"size=999999 is too large for these texts: {model}") as caught:
        train(texts, 999_999, model)
    largest = int(re.findall(r"at most (\d+) pieces", str(caught.value))[0])

    with pytest.raises(VocabularyError, match=f"at most {largest} pieces"):
        train(texts, 10**12, model)  # beyond the trainer's integers
    for size in range(smallest, largest + 1):
        assert train(texts, size, model).size == size
    with pytest.raises(VocabularyError, match=f"size={smallest - 1} is too small.*{smallest}"):
        train(texts, smallest - 1, model)
    with pytest.raises(VocabularyError, match=rf"size={largest + 1} is too large.*Use size={largest}, size='auto'"):
        train(texts, largest + 1, model)
    assert train(texts, "auto", model) == train(texts, largest, model)


def test_the_default_and_automatic_size_is_eight_thousand() -> None:
    letters = random.Random(0)
    words = ["".join(letters.choices("abcdefghijklmnop", k=9)) for _ in range(4000)]
    texts = [" ".join(words)]
    assert train(texts, "auto", "bpe").size == 8000
    assert SentencePieceVocabulary.train(texts, model="bpe").size == 8000
    assert train(["".join(map(chr, range(0x4E00, 0x4E00 + 8000)))], "auto").size >= 8000 + 258 + 1  # more characters


@both
def test_training_is_silent_and_leaves_nothing_behind(
    model: Algorithm,
    texts: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    train(texts, "auto", model).encode("the sea")
    with pytest.raises(VocabularyError):
        train(texts, 999_999, model)
    with pytest.raises(VocabularyError):
        SentencePieceVocabulary(write(model, FRAME))
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("texts", [[], [""], ["\n\n", "\t", "▁"]])
def test_texts_without_anything_to_learn_are_an_error(texts: list[str]) -> None:
    with pytest.raises(VocabularyError, match=r"no characters to learn pieces from\. ByteVocabulary\(\) needs no"):
        train(texts)


def test_arguments_of_the_wrong_kind_are_errors() -> None:
    with pytest.raises(InputError, match="Expected several texts, got one string"):
        train("the sea")
    with pytest.raises(InputError, match="Expected text 1 to be a str, got bytes"):
        train(["the sea", b"the ship"])
    with pytest.raises(VocabularyError, match=r"Character 0 of text 0 is the lone surrogate"):
        train(["\udc80"])
    for size in ("large", 300.0, True, None):
        with pytest.raises(InputError, match="size must be a whole number or 'auto', got"):
            train(["the sea"], size)
    with pytest.raises(InputError, match="Unknown model 'word'; known are unigram, bpe"):
        train(["the sea"], "auto", "word")


@both
def test_a_long_sentence_is_not_dropped(model: Algorithm) -> None:
    text = "the harbour, a harbour. " * 1000  # 24 kB; SentencePiece's own limit is 4192 bytes
    vocabulary = train([text], "auto", model)
    assert "▁harbour" in vocabulary.pieces


@both
def test_model_bytes_restore_it(vocabularies: dict[str, Vocabulary], model: str) -> None:
    vocabulary = vocabularies[model]
    assert isinstance(vocabulary, SentencePieceVocabulary)
    again = SentencePieceVocabulary(vocabulary.model_bytes)
    assert again == vocabulary
    assert again.model == vocabulary.model == model
    assert again.model_bytes == vocabulary.model_bytes


SPACE = Piece("▁", -1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin with <unk>, </s> and the 256 bytes"),
        (b"PK\x03\x04 not a model", "These 16 bytes are not a SentencePiece model"),
        (b"\xff" * 40, "These 40 bytes are not a SentencePiece model: the number at byte 0 has no end"),
        (write("bpe", (*FRAME[:100], SPACE)), "does not begin with"),
        (write("bpe", FRAME), "has no piece for the space"),
        (write("bpe", (*FRAME, SPACE, SPACE)), r"Piece 259 of this model cannot have been learnt: Piece\(text='▁', "),
        (write("bpe", (*FRAME, SPACE, Piece("", 0.0))), "Piece 259 .*text=''"),
        (write("bpe", (*FRAME, SPACE, Piece("a\0b", 0.0))), "Piece 259 "),
        (write("bpe", (*FRAME, SPACE, Piece("a b", 0.0))), "Piece 259 .*text='a b'"),
        (write("bpe", (*FRAME, SPACE, Piece("a" * 17, 0.0))), "Piece 259 .*text='a{17}'"),
        (write("bpe", (*FRAME, SPACE, Piece("a" * 1_000_000, 0.0))), "Piece 259 .{,120}$"),
        (write("bpe", (*FRAME, SPACE, Piece("</s>", 0.0))), "Piece 259 .*text='</s>'"),
        (write("bpe", (*FRAME, SPACE, Piece("<x>", 0.0, 4))), "Piece 259 .*type=4"),
        (write("bpe", (*FRAME, SPACE, Piece("a", float("nan")))), "Piece 259 .*score=nan"),
        (write("bpe", FRAME).replace(b"\x18\x02", b"\x18\x04"), "its algorithm is neither unigram nor BPE"),
    ],
)
def test_bytes_that_no_training_made_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        SentencePieceVocabulary(content)


def test_other_peoples_models_are_refused(texts: tuple[str, ...]) -> None:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, vocab_size=60, hard_vocab_limit=False, minloglevel=3
    )
    with pytest.raises(VocabularyError, match=r"Train one with SentencePieceVocabulary\.train\(texts\)"):
        SentencePieceVocabulary(out.getvalue())
    with pytest.raises(InputError, match="Expected the bytes of a SentencePiece model, got str"):
        SentencePieceVocabulary("model.spm")  # pyright: ignore[reportArgumentType]


@given(data=st.data())
def test_damaged_bytes_are_an_error_or_another_valid_model(
    vocabularies: dict[str, Vocabulary], data: st.DataObject
) -> None:
    model = data.draw(st.sampled_from(ALGORITHMS))
    manifest, arrays = vocabularies[model].state()
    damaged = bytearray(arrays["model"].tobytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))]
    try:
        other = SentencePieceVocabulary(bytes(damaged))
    except VocabularyError:
        other = None
    if other is not None:
        assert other.decode(other.encode("The sea ▁ 漢")) == "The sea ▁ 漢"
    if other != vocabularies[model]:
        with pytest.raises(VocabularyError):
            Vocabulary.from_state(manifest, {"model": np.frombuffer(bytes(damaged), dtype=np.uint8)})


def test_the_model_file_is_read_and_written_alike(vocabularies: dict[str, Vocabulary]) -> None:
    for model in ALGORITHMS:
        vocabulary = vocabularies[model]
        assert isinstance(vocabulary, SentencePieceVocabulary)
        algorithm, pieces = read(vocabulary.model_bytes)
        peer = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.model_bytes)
        assert algorithm == model
        assert write(algorithm, pieces) == vocabulary.model_bytes
        assert [piece.score for piece in pieces] == [peer.get_score(id) for id in range(vocabulary.size)]
        assert [piece.type == 6 for piece in pieces] == [peer.is_byte(id) for id in range(vocabulary.size)]
