"""The tokenizer of a folder: what `transformers` saved is read, what is written is read by it, and by us as it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from polyloom.errors import FileError
from polyloom.tokens import ForeignSentencePieceVocabulary, ForeignVocabulary, Vocabulary
from polyloom.tokens.folder import begins_with, read_tokenizer, write_tokenizer
from tokens.foreigners import byte_level, llama_model, word_piece
from tokens.samples import TEXTS


def save(folder: Path, config: object = None, **files: bytes | str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize("rows", [None, 1024])
def test_every_kind_comes_back_equal(vocabulary: Vocabulary, tmp_path: Path, rows: int | None) -> None:
    write_tokenizer(vocabulary, tmp_path)
    foreign = isinstance(vocabulary, ForeignVocabulary | ForeignSentencePieceVocabulary)
    found = read_tokenizer(tmp_path, 400 if foreign else rows)
    assert found == vocabulary
    assert type(found) is type(vocabulary)
    for text in TEXTS:
        assert found.encode(text).tolist() == vocabulary.encode(text).tolist()


def test_a_folder_holds_one_vocabulary(vocabularies: dict[str, Vocabulary], tmp_path: Path) -> None:
    for vocabulary in (*vocabularies.values(), *reversed(vocabularies.values())):
        write_tokenizer(vocabulary, tmp_path)
        assert read_tokenizer(tmp_path, 512 if vocabulary.kind.startswith("foreign") else None).kind == vocabulary.kind
        assert len(list(tmp_path.iterdir())) <= 2


@pytest.mark.parametrize("make", [byte_level, word_piece])
def test_what_transformers_saves_is_read(make: Any, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    peer: Any = transformers.PreTrainedTokenizerFast(tokenizer_object=make(), eos_token="</s>", bos_token="<s>")
    peer.save_pretrained(tmp_path)
    vocabulary = read_tokenizer(tmp_path, 512)
    assert vocabulary.size == 512
    assert vocabulary.sentence_end == peer.eos_token_id
    for text in TEXTS:
        assert vocabulary.encode(text).tolist() == peer(text, add_special_tokens=False).input_ids
    opened = peer("the").input_ids[0]
    assert begins_with(tmp_path) == (None if opened == vocabulary.encode("the")[0] else opened)


def test_transformers_reads_what_is_written(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    vocabulary = ForeignVocabulary(byte_level().to_str(), size=400, end="</s>")
    write_tokenizer(vocabulary, tmp_path)
    peer: Any = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert peer.eos_token_id == vocabulary.sentence_end
    for text in TEXTS:
        assert peer(text, add_special_tokens=False).input_ids == vocabulary.encode(text).tolist()
    assert (tmp_path / "tokenizer.json").read_bytes() == vocabulary.json


def test_a_sentencepiece_model_is_read_with_its_rows(tmp_path: Path) -> None:
    vocabulary = read_tokenizer(save(tmp_path, tokenizer_model=llama_model()), 336)
    assert isinstance(vocabulary, ForeignSentencePieceVocabulary)
    assert vocabulary.size == 336
    assert vocabulary.sentence_end == 2
    assert (tmp_path / "tokenizer.model").read_bytes() == vocabulary.model_bytes


def test_the_end_is_the_one_of_the_config(tmp_path: Path) -> None:
    content = byte_level()
    content.add_special_tokens(["<|im_end|>"])
    for eos in ("<|im_end|>", {"content": "<|im_end|>", "special": True}):
        vocabulary = read_tokenizer(save(tmp_path, {"eos_token": eos}, tokenizer_json=content.to_str()))
        assert vocabulary.end_name == "<|im_end|>"
    assert read_tokenizer(save(tmp_path, {"eos_token": None})).end_name == "</s>"


@pytest.mark.parametrize(
    ("files", "config", "expected"),
    [
        ({"tokenizer_json": byte_level().to_str()}, None, None),
        ({"tokenizer_json": byte_level().to_str()}, {"add_bos_token": True, "bos_token": "<s>"}, 1),
        ({"tokenizer_json": byte_level().to_str()}, {"add_bos_token": True, "bos_token": {"content": "<s>"}}, 1),
        ({"tokenizer_json": byte_level().to_str()}, {"add_bos_token": True, "bos_token": None}, None),
        ({"tokenizer_json": byte_level().to_str()}, {"add_bos_token": False, "bos_token": "<s>"}, None),
        ({"tokenizer_json": word_piece().to_str()}, {"bos_token": "[UNK]"}, 1),
        ({"tokenizer_json": word_piece().to_str()}, {"add_bos_token": False}, None),
        ({"tokenizer_model": llama_model()}, None, 1),
        ({"tokenizer_model": llama_model()}, {"add_bos_token": False, "bos_token": "<s>"}, None),
    ],
)
def test_what_opens_every_text(files: dict[str, Any], config: Any, expected: int | None, tmp_path: Path) -> None:
    save(tmp_path, config, **files)
    assert begins_with(tmp_path) == begins_with(tmp_path, read_tokenizer(tmp_path)) == expected


@pytest.mark.parametrize(("begin", "expected"), [("as the tokenizer says", 1), (None, None), (1, 1), (0, 0)])
def test_what_opens_every_text_can_be_written(begin: Any, expected: int | None, tmp_path: Path) -> None:
    for vocabulary in (ForeignVocabulary(word_piece().to_str()), ForeignSentencePieceVocabulary(llama_model())):
        write_tokenizer(vocabulary, tmp_path, begin)
        assert begins_with(tmp_path) == expected


def test_our_own_kinds_open_texts_with_nothing(vocabularies: dict[str, Vocabulary], tmp_path: Path) -> None:
    for name in ("bytes", "words", "unigram", "bpe"):
        write_tokenizer(vocabularies[name], tmp_path)
        assert begins_with(tmp_path) is None


def test_a_folder_without_a_tokenizer_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"looked for vocabulary\.safetensors, tokenizer\.json, tokenizer\.model\. .*vocab\.txt"
    ):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("files", "config", "message"),
    [
        ({"tokenizer_json": "{"}, None, r"tokenizer\.json cannot be used: The tokenizer is no tokenizer\.json"),
        (
            {"tokenizer_model": b"\xff"},
            None,
            r"tokenizer\.model cannot be used: its 1 bytes are no SentencePiece model",
        ),
        ({"vocabulary_safetensors": b"x" * 9}, None, "is no Polyloom file"),
        ({"tokenizer_json": byte_level().to_str()}, {"eos_token": "<|x|>"}, r"No piece '<\|x\|>' is there to end"),
        ({"tokenizer_json": byte_level().to_str()}, {"eos_token": 3}, "eos_token must name a piece, is 3"),
        ({"tokenizer_json": byte_level().to_str()}, [], r"tokenizer_config\.json is damaged: it is not a table"),
        (
            {"tokenizer_json": byte_level().to_str()},
            {"add_bos_token": True, "bos_token": "<b>"},
            "opens texts with '<b>'",
        ),
    ],
)
def test_damaged_folders_are_clear_errors(files: dict[str, Any], config: Any, message: str, tmp_path: Path) -> None:
    save(tmp_path, config, **files)
    with pytest.raises(FileError, match=message):
        begins_with(tmp_path)


def test_a_config_that_is_no_json_is_a_clear_error(tmp_path: Path) -> None:
    save(tmp_path, tokenizer_json=byte_level().to_str())
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(FileError, match="is damaged: it is not JSON"):
        read_tokenizer(tmp_path)


def test_more_pieces_than_rows_are_refused(vocabulary: Vocabulary, tmp_path: Path) -> None:
    write_tokenizer(vocabulary, tmp_path)
    with pytest.raises(FileError, match=r"(more than the 10 rows|size must be that or more, got 10)"):
        read_tokenizer(tmp_path, 10)
