"""The tokenizer.model of Llama and its kind: the peer is SentencePiece on the very file; then crafted ones."""

import io
from dataclasses import replace

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from polyloom.errors import InputError, VocabularyError
from polyloom.tokens import ForeignSentencePieceVocabulary, Vocabulary
from polyloom.tokens.modelproto import NORMAL, UNUSED, USER_DEFINED, Piece, Rules, read, read_rules, write
from tokens.foreigners import llama_model
from tokens.samples import FAMILY, TEXTS, any_text

KINDS = {
    "llama": {},
    "gemma": {
        "add_dummy_prefix": False,
        "user_defined_symbols": ["<start_of_turn>", "\u2581\u2581"],
        "bos_piece": "<bos>",
    },
    "unigram": {"model_type": "unigram", "vocab_size": 400},
    "no bytes": {"byte_fallback": False, "vocab_size": 80, "remove_extra_whitespaces": True},
}
SAMPLES = (
    *TEXTS,
    "",
    " ",
    "  a  b  ",
    "<s>the</s>",
    f"Ahoy {FAMILY} naïve \U0001f600",
    "x\n\ty",
    "<0x41> <start_of_turn>",
)


@pytest.fixture(scope="module", params=KINDS)
def content(request: pytest.FixtureRequest) -> bytes:
    return llama_model(**KINDS[request.param])


def test_ids_and_texts_are_sentencepieces_own(content: bytes) -> None:
    peer = sentencepiece.SentencePieceProcessor(model_proto=content)
    vocabulary = ForeignSentencePieceVocabulary(content)
    assert vocabulary.pieces == tuple(peer.id_to_piece(id) for id in range(peer.get_piece_size()))
    for text in SAMPLES:
        ids = peer.encode(text)
        assert vocabulary.encode(text).tolist() == ids
        assert vocabulary.decode(ids) == peer.decode(ids)
    assert vocabulary.sentence_end == peer.eos_id()
    assert vocabulary.unknown == peer.unk_id()
    assert vocabulary.begin == peer.bos_id()


@given(text=any_text)
def test_any_text_round_trips_but_for_the_sign_of_the_space(vocabularies: dict[str, Vocabulary], text: str) -> None:
    vocabulary = vocabularies["llama"]
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text.replace("\u2581", " ")
    assert not {0, 1, 2} & set(ids.tolist())


def test_the_frame_of_llama(vocabularies: dict[str, Vocabulary]) -> None:
    vocabulary = vocabularies["llama"]
    assert vocabulary.pieces[:4] == ("<unk>", "<s>", "</s>", "<0x00>")
    assert vocabulary.pieces[399] == "<unused 399>"
    assert vocabulary.decode([399, *vocabulary.encode("the sea"), 2, 399]) == "the sea"
    shown = [vocabulary.display(id) for id in vocabulary.encode("the\n漢")]
    assert shown == ["·the", "↵", "<0xE6>", "<0xBC>", "<0xA2>"]


def test_the_file_comes_back_exactly() -> None:
    content = llama_model()
    vocabulary = ForeignSentencePieceVocabulary(content, size=350)
    assert vocabulary.model_bytes == content
    algorithm, pieces = read(content)
    written = write(algorithm, pieces, read_rules(content))
    assert written != content  # the options of the training are left out, and are no part of the digest
    assert ForeignSentencePieceVocabulary(written, size=350) == vocabulary
    assert ForeignSentencePieceVocabulary(content) != vocabulary


def test_whatever_ends_a_sequence_is_never_read() -> None:
    content = llama_model(user_defined_symbols=["<|im_end|>"])
    end = ForeignSentencePieceVocabulary(content).id_of("<|im_end|>")
    assert end in ForeignSentencePieceVocabulary(content).encode("the <|im_end|>")
    vocabulary = ForeignSentencePieceVocabulary(content, end="<|im_end|>")
    assert vocabulary.sentence_end == end
    assert end not in vocabulary.encode("the <|im_end|>")
    assert vocabulary.decode([*vocabulary.encode("the"), end]) == "the"


def test_rules_are_read_as_sentencepiece_writes_them() -> None:
    assert read_rules(llama_model()) == Rules(dummy_prefix=True)
    assert read_rules(llama_model(add_dummy_prefix=False, remove_extra_whitespaces=True)) == Rules(
        remove_extra_spaces=True
    )
    assert read_rules(llama_model(treat_whitespace_as_suffix=True)).suffix
    assert read_rules(llama_model(normalization_rule_name="nmt_nfkc")).charmap


def test_models_with_rules_of_their_own_are_refused() -> None:
    for options in ({"normalization_rule_name": "nmt_nfkc"}, {"treat_whitespace_as_suffix": True}):
        with pytest.raises(VocabularyError, match=r"Read the tokenizer\.json of the same model instead"):
            ForeignSentencePieceVocabulary(llama_model(**options))
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=out, model_type="char", vocab_size=40, minloglevel=3
    )
    with pytest.raises(VocabularyError, match="its algorithm is neither unigram nor BPE"):
        ForeignSentencePieceVocabulary(out.getvalue())


ALGORITHM, PIECES = read(llama_model())
CRAFTED = {
    "a very long piece": (
        [*PIECES, Piece("x" * 300, 0.0)],
        r"Piece 330 of this model cannot be used: Piece\(text='xxx",
    ),
    "an empty piece": ([*PIECES, Piece("", 0.0)], "Piece 330"),
    "a zero": ([*PIECES, Piece("a\0b", 0.0)], "Piece 330"),
    "no number": ([*PIECES, Piece("zz", float("nan"))], "Piece 330"),
    "another type": ([*PIECES, Piece("zz", 0.0, 9)], "Piece 330"),
    "twice": ([*PIECES, Piece("e", 0.0)], "two pieces 'e'"),
    "no unknown": ([replace(PIECES[0], type=NORMAL), *PIECES[1:]], "exactly one piece for the unknown"),
    "two unknown": ([*PIECES, replace(PIECES[0], text="<unk2>")], "exactly one piece for the unknown"),
    "a byte too few": ([*PIECES[:3], *PIECES[4:]], "not all 256 of them"),
    "nothing": ([], "exactly one piece for the unknown"),
}


@pytest.mark.parametrize(("pieces", "message"), CRAFTED.values(), ids=CRAFTED)
def test_crafted_models_are_refused(pieces: list[Piece], message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        ForeignSentencePieceVocabulary(write(ALGORITHM, tuple(pieces)))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InputError, match="Expected the bytes of a SentencePiece model, got str"):
        ForeignSentencePieceVocabulary("tokenizer.model")  # pyright: ignore[reportArgumentType]
    with pytest.raises(VocabularyError, match="These 9 bytes are not a SentencePiece model"):
        ForeignSentencePieceVocabulary(b"\xff" * 9)
    with pytest.raises(VocabularyError, match="may take 67,108,864 bytes"):
        ForeignSentencePieceVocabulary(bytes(2**26 + 1))


@given(data=st.data())
def test_damaged_bytes_are_an_error_or_another_valid_model(data: st.DataObject) -> None:
    damaged = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))]
    try:
        vocabulary = ForeignSentencePieceVocabulary(bytes(damaged))
    except VocabularyError:
        return
    assert vocabulary.encode("The sea ▁ 漢").max(initial=0) < vocabulary.size
    assert isinstance(vocabulary.decode(np.arange(vocabulary.size)), str)


KINDS_OF_PIECE = (Piece("<unk>", 0.0, 2), Piece("</s>", 0.0, 3), Piece("e", -1.0), Piece("▁s", -2.0), Piece("s", -3.0))
SMALL = write(
    "unigram", (*KINDS_OF_PIECE, Piece("The", -1.0, USER_DEFINED), Piece("a", 0.0, UNUSED)), Rules(byte_fallback=False)
)
