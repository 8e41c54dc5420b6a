"""Foreign tokenizers: the peer is the library itself and `transformers`; then what the library does not promise."""

import json
import os
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models

from polyloom.errors import InputError, MissingPackage, VocabularyError
from polyloom.tokens import ForeignVocabulary, Vocabulary
from polyloom.tokens.foreign import opened
from polyloom.tokens.rows import MOST
from polyloom.tokens.tokenizer_file import LIMIT
from tokens.foreigners import byte_level, changed, unigram, word_piece
from tokens.samples import FAMILY, TEXTS, any_text

os.environ.setdefault("HF_HUB_OFFLINE", "1")

MAKERS = {"byte level": byte_level, "unigram": unigram, "word piece": word_piece}
EMOJI = f"Ahoy \U0001f600{FAMILY} naïve café 海は広い \u202e"


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    return {name: make() for name, make in MAKERS.items()}


@pytest.fixture(params=MAKERS)
def pair(request: pytest.FixtureRequest, tokenizers: dict[str, Tokenizer]) -> tuple[Tokenizer, ForeignVocabulary]:
    tokenizer = tokenizers[request.param]
    return tokenizer, ForeignVocabulary(tokenizer.to_str())


def test_pieces_and_ids_are_the_librarys(pair: tuple[Tokenizer, ForeignVocabulary]) -> None:
    peer, vocabulary = pair
    assert {piece: id for id, piece in enumerate(vocabulary.pieces)} == peer.get_vocab()
    for text in (*TEXTS, EMOJI, "", " ", "\n\n  x", "THE SEA"):
        assert vocabulary.encode(text).tolist() == peer.encode(text, add_special_tokens=False).ids
        ids = vocabulary.encode(text)
        assert vocabulary.decode(ids) == peer.decode(ids.tolist())


def test_ids_and_texts_are_those_of_transformers(pair: tuple[Tokenizer, ForeignVocabulary]) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer, vocabulary = pair
    peer: Any = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer.to_str()))
    assert len(peer) == vocabulary.size
    for text in (*TEXTS, EMOJI, "  two  spaces "):
        ids = peer(text, add_special_tokens=False).input_ids
        assert vocabulary.encode(text).tolist() == ids
        assert vocabulary.decode(ids) == peer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def test_the_file_comes_back_exactly() -> None:
    for content in (byte_level().to_str(), byte_level().to_str(pretty=True), byte_level().to_str() + "\n \n"):
        assert ForeignVocabulary(content).json == content.encode()
        assert ForeignVocabulary(content.encode()) == ForeignVocabulary(content)


@given(text=st.one_of(st.text(), any_text))
def test_byte_level_tokenizers_round_trip_any_text(vocabularies: dict[str, Vocabulary], text: str) -> None:
    vocabulary = vocabularies["foreign"]
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert not vocabulary.encode(text).size or vocabulary.encode(text).max() < 331  # no unused row


@given(text=any_text)
def test_no_name_of_a_special_piece_is_read_whatever_the_model(tokenizers: dict[str, Tokenizer], text: str) -> None:
    """The library alone reads `</s>` out of a text if its model lists it: it looks up only what it cuts out before."""
    for tokenizer in tokenizers.values():
        vocabulary = ForeignVocabulary(tokenizer.to_str())
        special = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        for given_text in (text, f"</s>{text}[SEP]<s>", f"a</s> {text}</s>"):
            ids = set(vocabulary.encode(given_text).tolist())
            assert not ids & (special - {vocabulary.unknown})


def test_a_model_that_lists_its_special_pieces_is_asked_without_them() -> None:
    library, vocabulary = opened(unigram().to_str().encode()), ForeignVocabulary(unigram().to_str())
    assert library.encode("the </s>", add_special_tokens=False).tokens[-1] == "</s>"
    shown = [vocabulary.pieces[id] for id in vocabulary.encode("the </s>")]
    assert shown == [*library.encode("the", add_special_tokens=False).tokens, "▁", "<unk>", "s", "<unk>"]
    assert [vocabulary.pieces[id] for id in vocabulary.encode("<unk>")][-3:] == [
        "n",
        "k",
        "<unk>",
    ]  # "<" and ">" are unknown
    words = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "sea": 2}, unk_token="<unk>"))
    assert ForeignVocabulary(words.to_str()).encode("</s>").tolist() == [0]
    merged = Tokenizer(models.BPE({"<": 0, "s": 1, "<s": 2, ">": 3, "<s>": 4}, [("<", "s"), ("<s", ">")]))
    assert ForeignVocabulary(merged.to_str(), end="<s>").encode("<s>").tolist() == [2, 3]
    assert ForeignVocabulary(merged.to_str()).encode("<s>").tolist() == [4]  # an ordinary piece, if nothing says more


def test_added_tokens_that_are_not_special_are_read() -> None:
    vocabulary = ForeignVocabulary(byte_level().to_str())
    think = vocabulary.id_of("<think>")
    assert think in vocabulary.encode("so <think>: the sea")
    assert vocabulary.decode([think]) == "<think>"
    ends = ForeignVocabulary(byte_level().to_str(), end="<think>")  # whatever ends a sequence is special
    assert think not in ends.encode("so <think>: the sea")
    assert ends.decode(ends.encode("so <think>")) == "so <think>"
    assert ends.decode([think]) == ""


def test_templates_cuts_and_chance_are_left_out() -> None:
    tokenizer = word_piece()
    expected = tokenizer.encode(TEXTS[0], add_special_tokens=False).ids
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=9)
    assert ForeignVocabulary(tokenizer.to_str()).encode(TEXTS[0]).tolist() == expected
    shaky = ForeignVocabulary(changed(byte_level(), model={"dropout": 0.5}))
    assert len({tuple(shaky.encode(TEXTS[0]).tolist()) for _ in range(8)}) == 1
    assert shaky.encode(TEXTS[0]).tolist() == byte_level().encode(TEXTS[0]).ids


def test_the_begin_is_that_of_the_template() -> None:
    assert ForeignVocabulary(word_piece().to_str()).begin == 1
    assert ForeignVocabulary(byte_level().to_str()).begin is None
    only_end = {"type": "TemplateProcessing", "pair": [], "special_tokens": {"</s>": _template_token("</s>", 2)}}
    only_end["single"] = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    assert ForeignVocabulary(changed(unigram(), post_processor=only_end)).begin is None


def _template_token(name: str, id: int) -> dict[str, Any]:
    return {"id": name, "ids": [id], "tokens": [name]}


@pytest.mark.parametrize(
    ("names", "given_end", "expected"),
    [
        (["a", "</s>", "<|endoftext|>"], None, "</s>"),
        (["a", "<|im_end|>", "<|endoftext|>"], None, "<|endoftext|>"),
        (["a", "<|im_end|>", "<|endoftext|>"], "<|im_end|>", "<|im_end|>"),
        (["a", "<|eot_id|>"], None, "<|eot_id|>"),
        (["a", "b"], None, None),
        (["a", "b"], "b", "b"),
    ],
)
def test_the_end_of_a_sequence(names: list[str], given_end: str | None, expected: str | None) -> None:
    vocabulary = ForeignVocabulary(words(names), end=given_end)
    assert vocabulary.end_name == expected
    assert vocabulary.sentence_end == (None if expected is None else names.index(expected))
    assert vocabulary.decode([0, names.index(expected)] if expected else [0]) == "a"
    manifest, arrays = vocabulary.state()
    assert Vocabulary.from_state(manifest, arrays).end_name == expected


def test_an_end_that_is_missing_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        VocabularyError, match=r"No piece '<\|im_end>' is there to end a sequence\. Nearest: '<\|im_end\|>"
    ):
        ForeignVocabulary(words(["a", "<|im_end|>"]), end="<|im_end>")


def words(names: list[str], **parts: Any) -> str:
    tokenizer = Tokenizer(models.WordLevel({name: id for id, name in enumerate(names)}, unk_token=names[0]))
    return changed(tokenizer, **parts)


def test_end_and_size_are_part_of_the_digest() -> None:
    names = words(["a", "<|im_end|>", "<|endoftext|>"])
    assert len({ForeignVocabulary(names, *more).digest for more in ((), (4,), (3, "<|im_end|>"), (3, "a"))}) == 4
    assert ForeignVocabulary(names, end="<|endoftext|>") == ForeignVocabulary(names)


def test_rows_without_a_piece_are_named_and_never_written() -> None:
    gaps = json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 3, "<unused 1>": 2}, "unk_token": "a"}})
    vocabulary = ForeignVocabulary(gaps, size=6)
    assert vocabulary.pieces == ("a", "<<unused 1>>", "<unused 1>", "b", "<unused 4>", "<unused 5>")
    assert vocabulary.decode([0, 1, 4, 3, 5]) == "a b"
    assert vocabulary.display(4) == "<unused·4>"
    with pytest.raises(VocabularyError, match="This tokenizer has 4 pieces; size must be that or more, got 3"):
        ForeignVocabulary(gaps, size=3)
    with pytest.raises(VocabularyError, match="size must be that or more"):
        ForeignVocabulary(gaps, size=MOST + 1)
    with pytest.raises(InputError, match="size must be a whole number"):
        ForeignVocabulary(gaps, size=4.5)  # pyright: ignore[reportArgumentType]


def test_pieces_are_shown_as_the_characters_they_stand_for() -> None:
    vocabulary = ForeignVocabulary(byte_level().to_str())
    assert [vocabulary.display(id) for id in vocabulary.encode(" the\n")] == ["·the", "↵"]
    shown = [vocabulary.display(id) for id in vocabulary.encode("é😀")]
    assert shown == ["<0xC3>", "<0xA9>", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]
    assert vocabulary.display(vocabulary.id_of("</s>")) == "</s>"
    metaspace = ForeignVocabulary(unigram().to_str())
    assert metaspace.display(metaspace.id_of("▁")) == "·"
    half = words(
        ["ĠsÃ©Ã"], decoder={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    )
    assert ForeignVocabulary(half).display(0) == "·sé<0xC3>"
    suffixed = words(["sea</w>", "s"], decoder={"type": "BPEDecoder", "suffix": "</w>"})
    assert [ForeignVocabulary(suffixed).display(id) for id in (0, 1)] == ["sea·", "s"]
    steps = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    llama = ForeignVocabulary(
        words(["▁sea", "<0x0A>", "<0xE6>", "<0xZZ>"], decoder={"type": "Sequence", "decoders": steps})
    )
    assert [llama.display(id) for id in range(4)] == ["·sea", "↵", "<0xE6>", "<0xZZ>"]


def test_every_byte_has_its_character_as_the_library_has_it() -> None:
    vocabulary = ForeignVocabulary(byte_level().to_str())
    for byte in range(256):
        text = bytes([byte]).decode("latin-1")
        (*_, last) = vocabulary.encode(text)
        assert vocabulary._surface(int(last)) == (text if byte < 128 else f"<0x{text.encode()[-1]:02X}>")


HOSTILE = {
    "nothing": "",
    "no table": "[]",
    "no model": "{}",
    "another thing": "null",
    "deep": "[" * 100_000,
    "negative id": '{"model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}}',
    "huge id": '{"model": {"type": "WordLevel", "vocab": {"a": 4294967295}, "unk_token": "a"}}',
    "no such model": '{"model": {"type": "Pickle", "vocab": {"a": 0}}}',
    "unknown outside": '{"model": {"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 5}}',
    "twice": '{"model": {"type": "Unigram", "vocab": [["a", -1.0], ["a", -2.0]], "unk_id": 0}}',
    "merge of nothing": '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}',
    "bad expression": '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": '
    '{"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated", "invert": false}}',
    "a panic": '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, '
    '"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}',
}


@pytest.mark.long
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_damaged_file_is_a_clear_error(content: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(VocabularyError, match=r"(is no tokenizer\.json|id 4,294,967,295|two pieces 'a')"):
        ForeignVocabulary(content)
    capfd.readouterr()  # a panic also says so on standard error


@pytest.mark.parametrize(
    ("given_json", "message"),
    [
        (b"\xff\xfe", "is no tokenizer.json"),
        (None, "Expected the content of a tokenizer.json, got NoneType"),
        ({"model": {}}, "got dict"),
        ("\ud800", "lone surrogate"),
        (b" " * (LIMIT + 1), r"may take 67,108,864 bytes, this one takes 67,108,865"),
    ],
    ids=["no text", "None", "dict", "surrogate", "too long"],
)
def test_what_is_no_file_is_refused(given_json: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ForeignVocabulary(given_json)  # pyright: ignore[reportArgumentType]


def test_a_text_that_the_tokenizer_cannot_cut_is_an_error() -> None:
    vocabulary = ForeignVocabulary(words(["a"], model={"unk_token": "[UNK]"}))
    assert vocabulary.unknown is None
    with pytest.raises(VocabularyError, match="cannot cut this text: WordLevel error: Missing"):
        vocabulary.encode("sea")


@settings(max_examples=60)
@given(data=st.data())
def test_a_file_cut_or_changed_anywhere_is_an_error_or_another_tokenizer(data: st.DataObject) -> None:
    content = bytearray(words(["<unk>", "</s>", "sea", "the sea"], pre_tokenizer={"type": "WhitespaceSplit"}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    try:
        vocabulary = ForeignVocabulary(bytes(content))
        assert vocabulary.encode("the sea </s>").max(initial=0) < vocabulary.size
    except VocabularyError:
        pass


def test_damaged_arrays_are_errors() -> None:
    manifest, arrays = ForeignVocabulary(byte_level().to_str()).state()
    for name, array, message in [
        ("size", np.array([331, 331]), "'size' must hold one number, holds 2"),
        ("size", np.array([5]), "size must be that or more, got 5"),
        ("end", np.array([255], np.uint8), "'end' is no text"),
        ("end", np.frombuffer(b"<s>", np.uint8), "damaged: its manifest says digest"),
    ]:
        with pytest.raises(VocabularyError, match=message):
            Vocabulary.from_state(manifest, arrays | {name: array})


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    content = byte_level().to_str()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(
        MissingPackage, match=r'A tokenizer\.json needs tokenizers, .*: pip install "polyloom\[torch\]"'
    ):
        ForeignVocabulary(content)


def test_a_very_large_vocabulary_is_usable() -> None:
    names = {f"w{n}": n for n in range(152_000)}
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="w0"))
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", special=True)])
    vocabulary = ForeignVocabulary(tokenizer.to_str(), size=152_064)
    assert vocabulary.size == 152_064
    assert vocabulary.sentence_end == 152_000
    assert vocabulary.encode("w151999").tolist() == [151_999]
    assert Vocabulary.from_state(*vocabulary.state()) == vocabulary
