"""Bytes: compared with UTF-8 itself."""

from hypothesis import given
from hypothesis import strategies as st

from polyloom.tokens import ByteVocabulary
from tokens.samples import any_text

BYTES = ByteVocabulary()


@given(text=st.one_of(st.text(), any_text))
def test_the_ids_are_utf8_and_any_text_round_trips(text: str) -> None:
    ids = BYTES.encode(text)
    assert bytes(ids.tolist()) == text.encode("utf-8")
    assert BYTES.decode(ids) == text


@given(ids=st.lists(st.integers(0, 256)))
def test_any_ids_decode(ids: list[int]) -> None:
    assert BYTES.decode(ids) == bytes(id for id in ids if id != 256).decode("utf-8", "replace")


def test_pieces_are_named_after_their_bytes() -> None:
    assert BYTES.size == 257
    assert BYTES.sentence_end == 256
    assert BYTES.unknown is None
    assert [BYTES.pieces[id] for id in (0, 9, 10, 32, 65, 126, 127, 128, 255, 256)] == [
        *("<0x00>", "<0x09>", "<0x0A>", " ", "A", "~", "<0x7F>", "<0x80>", "<0xFF>", "</s>"),
    ]


def test_invalid_utf8_is_replaced() -> None:
    assert BYTES.decode([0xC3]) == "\ufffd"
    assert BYTES.decode([0x61, 0xFF, 0x62]) == "a\ufffdb"
