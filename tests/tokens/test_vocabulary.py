"""What every vocabulary promises, whatever its kind."""

import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

from polyloom.errors import InputError, PolyloomError, VocabularyError, VocabularyMismatch
from polyloom.music.blocks import BlockVocabulary
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.tokens import (
    ByteVocabulary,
    ForeignSentencePieceVocabulary,
    ForeignVocabulary,
    SentencePieceVocabulary,
    Vocabulary,
    WordVocabulary,
)
from polyloom.tokens.kinds import KINDS
from tokens.samples import any_text


def test_ids_are_positions(vocabulary: Vocabulary) -> None:
    assert len(vocabulary) == vocabulary.size == len(vocabulary.pieces) == len(set(vocabulary.pieces))
    assert [vocabulary.id_of(piece) for piece in vocabulary.pieces] == list(range(vocabulary.size))


def test_encode_gives_one_row_of_int64(vocabulary: Vocabulary, texts: tuple[str, ...]) -> None:
    for text in (*texts, "", " "):
        ids = vocabulary.encode(text)
        assert ids.dtype == np.int64
        assert ids.ndim == 1
        assert ids.flags.writeable or not ids.size
        assert ((ids >= 0) & (ids < vocabulary.size)).all()
    assert vocabulary.encode("").size == 0
    assert vocabulary.decode(vocabulary.encode("")) == vocabulary.decode([]) == ""


@given(text=any_text)
def test_special_pieces_are_never_read_out_of_text(vocabularies: dict[str, Vocabulary], text: str) -> None:
    for vocabulary in vocabularies.values():
        ids = vocabulary.encode("</s>" + text + "<unk> </s>")
        assert vocabulary.sentence_end not in ids.tolist()
        if not isinstance(vocabulary, WordVocabulary):  # where <unk> stands for words that are not listed
            assert vocabulary.unknown not in ids.tolist()


def test_decode_drops_the_sentence_end(vocabulary: Vocabulary) -> None:
    end = vocabulary.sentence_end
    assert end is not None
    assert vocabulary.pieces[end] == "</s>"
    sea = vocabulary.encode("The sea").tolist()
    assert vocabulary.decode([end, *sea, end]) == "The sea"


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_decode_takes_any_width_of_integer(vocabulary: Vocabulary, dtype: type[np.generic]) -> None:
    assert vocabulary.decode(np.array([3, 4], dtype)) == vocabulary.decode([3, 4])


def test_decode_refuses_what_is_no_row_of_known_ids(vocabulary: Vocabulary) -> None:
    size = vocabulary.size
    with pytest.raises(VocabularyError, match=rf"Id {size} at position 1 is outside 0 … {size - 1} of <"):
        vocabulary.decode([0, size])
    with pytest.raises(VocabularyError, match="Id -1 at position 0"):
        vocabulary.decode([-1])
    for ids in (np.array([0.0]), [True], [[0, 1]], 3, ["a"], [[0], [0, 1]], [2**80], [None]):
        with pytest.raises(InputError, match="Expected one row of integer ids"):
            vocabulary.decode(ids)  # pyright: ignore[reportArgumentType]


def test_encode_refuses_what_is_no_text(vocabulary: Vocabulary) -> None:
    with pytest.raises(InputError, match="Expected the text to be a str, got bytes"):
        vocabulary.encode(b"sea")  # pyright: ignore[reportArgumentType]
    with pytest.raises(VocabularyError, match=r"Character 4 of the text is the lone surrogate U\+D83D.*'replace'"):
        vocabulary.encode("sea \ud83d")


def test_an_unknown_piece_is_an_error_with_the_nearest(vocabularies: dict[str, Vocabulary]) -> None:
    with pytest.raises(VocabularyError, match=r"has no piece 'capptain'\. Nearest: 'captain'"):
        vocabularies["words"].id_of("capptain")
    with pytest.raises(VocabularyError, match=r"<ByteVocabulary \w{8}: 257 pieces> has no piece '<0x4>'\. Nearest: "):
        vocabularies["bytes"].id_of("<0x4>")
    with pytest.raises(VocabularyError, match=r"has no piece '漢字'\.$"):
        vocabularies["bpe"].id_of("漢字")


def test_equal_exactly_when_the_digests_are(vocabularies: dict[str, Vocabulary]) -> None:
    assert len(set(vocabularies.values())) == len({each.digest for each in vocabularies.values()}) == len(vocabularies)
    assert ByteVocabulary() == ByteVocabulary()
    assert hash(ByteVocabulary()) == hash(ByteVocabulary())
    assert WordVocabulary(["a", "b"]) != WordVocabulary(["b", "a"])
    assert WordVocabulary(["a", "bc"]) != WordVocabulary(["ab", "c"])
    assert WordVocabulary(ByteVocabulary().pieces) != ByteVocabulary()
    assert ByteVocabulary() != "bytes"


def test_the_digest_is_the_documented_one() -> None:
    """Files refer to vocabularies by digest, so it may never change."""
    content = b'["words",["<unk>","</s>","sea","\\u2581"]]' + b"\0"
    assert WordVocabulary(["<unk>", "</s>", "sea", "▁"]).digest == hashlib.sha256(content).hexdigest()
    assert ByteVocabulary().digest == "7d317f76546be8177331ac7135d0e1002a8b05ac8b9f814d4c9538f37941aabd"


def test_repr_is_one_line_and_always_the_same(vocabulary: Vocabulary) -> None:
    assert repr(vocabulary) == f"<{type(vocabulary).__name__} {vocabulary.digest[:8]}: {vocabulary.size} pieces>"


def test_display_shows_what_cannot_be_seen(vocabularies: dict[str, Vocabulary]) -> None:
    def shown(kind: str, text: str) -> list[str]:
        return [vocabularies[kind].display(id) for id in vocabularies[kind].encode(text)]

    assert shown("bytes", "a \n\té\x7f") == ["a", "·", "↵", "<0x09>", "<0xC3>", "<0xA9>", "<0x7F>"]
    assert shown("words", "The\nsea") == ["The", "↵", "sea"]
    assert shown("bpe", "\n\t漢") == ["↵", "<0x09>", "<0xE6>", "<0xBC>", "<0xA2>"]
    assert "".join(shown("unigram", "The sea")) == "The·sea"
    assert WordVocabulary(["a\u200bb"]).display(0) == "a<0x200B>b"
    for vocabulary in vocabularies.values():
        assert vocabulary.display(vocabulary.id_of("</s>")) == "</s>"
        assert all(vocabulary.display(id).isprintable() for id in range(vocabulary.size))
        with pytest.raises(VocabularyError, match="is outside"):
            vocabulary.display(vocabulary.size)


def test_a_file_can_hold_it(vocabulary: Vocabulary, texts: tuple[str, ...]) -> None:
    manifest, arrays = vocabulary.state()
    written = json.dumps(manifest)
    assert len(written) < 200  # a manifest is small; pieces travel as arrays
    for again in (Vocabulary.from_state, type(vocabulary).from_state):
        restored = again(json.loads(written), {name: array.copy() for name, array in arrays.items()})
        assert type(restored) is type(vocabulary)
        assert restored == vocabulary
        assert restored.pieces == vocabulary.pieces
        for text in texts:
            assert restored.encode(text).tolist() == vocabulary.encode(text).tolist()


def test_a_damaged_file_is_an_error(vocabulary: Vocabulary) -> None:
    manifest, arrays = vocabulary.state()
    with pytest.raises(VocabularyError, match="The vocabulary is damaged: its manifest says digest 'abc'"):
        Vocabulary.from_state(manifest | {"digest": "abc"}, arrays)
    with pytest.raises(VocabularyError, match="vocabulary 'wrods'; known are blocks, bytes, foreign"):
        Vocabulary.from_state(manifest | {"kind": "wrods"}, arrays)
    with pytest.raises(VocabularyError, match="Unknown kind of vocabulary None"):
        Vocabulary.from_state({}, arrays)
    for name, array in arrays.items():
        own = name.rpartition("/")[2]  # of a part
        with pytest.raises(VocabularyError, match=f"array '{own}' is missing"):
            Vocabulary.from_state(manifest, {other: arrays[other] for other in arrays if other != name})
        with pytest.raises(VocabularyError, match=f"Array '{own}' must be one row of .* is float64 of shape"):
            Vocabulary.from_state(manifest, arrays | {name: array.astype(np.float64)})
        with pytest.raises(VocabularyError):
            Vocabulary.from_state(manifest, arrays | {name: array[: len(array) // 2]})


def test_a_leaf_restores_its_own_kind_only(vocabularies: dict[str, Vocabulary]) -> None:
    with pytest.raises(VocabularyError, match=r"Expected a WordVocabulary, the file holds <ByteVocabulary .*Use Vocab"):
        WordVocabulary.from_state(*vocabularies["bytes"].state())


def test_the_table_of_kinds_is_complete() -> None:
    ours = (ByteVocabulary, WordVocabulary, SentencePieceVocabulary, MidiVocabulary, BlockVocabulary)
    foreign = (ForeignVocabulary, ForeignSentencePieceVocabulary)
    assert {leaf.kind: leaf for leaf in (*ours, *foreign)} == KINDS


def test_copies_are_equal_and_work(vocabulary: Vocabulary) -> None:
    for again in (copy.copy(vocabulary), copy.deepcopy(vocabulary), pickle.loads(pickle.dumps(vocabulary))):
        assert again == vocabulary
        assert again.encode("The sea").tolist() == vocabulary.encode("The sea").tolist()


def test_every_error_is_polylooms_and_a_value_error() -> None:
    for error in (InputError, VocabularyError, VocabularyMismatch):
        assert issubclass(error, PolyloomError)
        assert issubclass(error, ValueError)


def test_importing_vocabularies_loads_no_compiled_tokeniser() -> None:
    code = "import sys, polyloom.tokens; sys.exit(bool({'sentencepiece', 'tokenizers'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_process_learns_the_same(vocabularies: dict[str, Vocabulary], texts: tuple[str, ...]) -> None:
    code = """if True:
        import json, sys
        from polyloom.tokens import SentencePieceVocabulary, WordVocabulary
        texts = json.load(sys.stdin)
        print(WordVocabulary.train(texts).digest)
        print(SentencePieceVocabulary.train(texts, size="auto").digest)
        print(SentencePieceVocabulary.train(texts, size=350, model="bpe").digest)
    """
    for seed in ("1", "2"):  # another order inside sets and dictionaries
        run = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(texts),
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.split() == [vocabularies[kind].digest for kind in ("words", "unigram", "bpe")]
