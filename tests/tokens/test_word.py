"""Closed word lists: compared with hand-worked cuts, then properties."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom.errors import InputError, VocabularyError
from polyloom.tokens import WordVocabulary
from tokens.samples import any_text

WORDS = WordVocabulary(["<unk>", "</s>", "the", "sea", "\n", ",", "The", "@-@", "can't", "<", "unk"])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The sea's cold.", ["The", "sea's", "cold", "."]),
        ("the captain’s well-worn lamp", ["the", "captain’s", "well-worn", "lamp"]),
        ("'tis the dogs' - or 3.5%", ["'", "tis", "the", "dogs", "'", "-", "or", "3", ".", "5", "%"]),
        ("one\ntwo\r\n\n three\t_four_", ["one", "\n", "two", "\n", "\n", "three", "_four_"]),
        ("</s> <unk>", ["<", "/", "s", ">", "<", "unk", ">"]),
        ("Ärger über 海 😀!?", ["Ärger", "über", "海", "😀", "!", "?"]),
        (" \t ", []),
    ],
)
def test_split_by_hand(text: str, tokens: list[str]) -> None:
    assert WordVocabulary.split(text) == tokens


def test_ids_are_positions_in_the_given_order() -> None:
    assert WORDS.pieces[3] == "sea"
    assert (WORDS.unknown, WORDS.sentence_end) == (0, 1)
    assert WORDS.encode("The sea, THE sea can't").tolist() == [6, 3, 5, 0, 3, 8]
    assert WORDS.encode("the\nsea").tolist() == [2, 4, 3]


def test_a_line_break_counts_only_if_listed() -> None:
    words = WordVocabulary(["sea", "ship"])
    assert words.encode("\nsea\n\nship\n").tolist() == [0, 1]
    assert WordVocabulary(["sea", "\n"]).encode("\nsea\n\n").tolist() == [1, 0, 1, 1]


def test_special_pieces_in_the_text_are_marks_and_letters() -> None:
    assert WORDS.encode("<unk>").tolist() == [9, 10, 0]
    assert WORDS.encode("</s>").tolist() == [9, 0, 0, 0]


def test_words_that_no_text_is_cut_into_are_legal() -> None:
    assert WORDS.encode("@-@").tolist() == [0, 0, 0]
    assert WORDS.decode([3, WORDS.id_of("@-@"), 3]) == "sea @-@ sea"


def test_without_unk_an_unlisted_word_is_an_error_with_its_place() -> None:
    words = WordVocabulary(["the", "sea", "captain"])
    assert words.unknown is None
    assert words.sentence_end is None
    with pytest.raises(VocabularyError, match=r"'captian' at character 9 is not among the 3 words\. Nearest: 'capt"):
        words.encode("the\n\nsea captian the captian")
    with pytest.raises(VocabularyError, match=r"'!' at character 3 .* add '<unk>' to stand for whatever is not listed"):
        words.encode("sea!")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sea", "", "x"], "Word 1 is ''; each word must be a str that is not empty"),
        (["sea", 3], "Word 1 is 3; each word must be a str"),
        (["sea", None], "Word 1 is None"),
        (["sea", "ship", "sea", "ship"], "Word 2, 'sea', is already word 0; each may stand once"),
        (["sea", "\ud800"], r"Character 0 of word 1 is the lone surrogate U\+D800"),
        ([], "The list of words is empty"),
        ("sea", r"Expected a list of words, got one string\. To list the words of a text: train\(\[text\]\)"),
    ],
)
def test_a_faulty_list_names_the_first_offender(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WordVocabulary(words)


def test_any_iterable_of_words_will_do() -> None:
    assert WordVocabulary(word for word in ("sea", "ship")) == WordVocabulary(("sea", "ship"))


@pytest.mark.parametrize(
    "text",
    [
        "The sea, the ship; the end.",
        'He said: "The sea (the cold sea) is near!" and went.',
        'A "first" and a "second" one.',
        "“Look,” she said, “at 50% of the [old] sails…”",
        "first line\nsecond line\n\nthird",
        "¿Dónde? «aquí», the dogs' bowls",
    ],
)
def test_ordinary_text_comes_back_as_it_was(text: str) -> None:
    words = WordVocabulary.train([text])
    assert words.decode(words.encode(text)) == text


def test_a_straight_quote_left_open_closes_with_its_line() -> None:
    words = WordVocabulary(['"', "a", "b", "\n"])
    assert words.decode([0, 1, 3, 2, 0, 1, 0]) == '"a\nb "a"'


@given(text=any_text)
def test_decoded_text_has_the_same_tokens(text: str) -> None:
    tokens = WordVocabulary.split(text)
    if tokens:
        words = WordVocabulary.train([text])
        ids = words.encode(text)
        assert [words.pieces[id] for id in ids] == tokens
        assert words.encode(words.decode(ids)).tolist() == ids.tolist()


@given(documents=st.lists(any_text, min_size=1, max_size=5), min_count=st.integers(1, 3), seed=st.integers(0, 9))
def test_training_counts_words(documents: list[str], min_count: int, seed: int) -> None:
    counts = Counter(token for document in documents for token in WordVocabulary.split(document))
    if not counts:
        return
    words = WordVocabulary.train(documents, min_count)
    assert words.pieces[:2] == ("<unk>", "</s>")
    kept = words.pieces[2:]
    assert set(kept) == {token for token in counts if counts[token] >= min_count}
    assert [(-counts[token], token) for token in kept] == sorted((-counts[token], token) for token in kept)
    assert WordVocabulary.train(random.Random(seed).sample(documents, len(documents)), min_count) == words


def test_training_by_hand() -> None:
    words = WordVocabulary.train(["b a\nb", "c a b"])
    assert words.pieces == ("<unk>", "</s>", "b", "a", "\n", "c")
    assert WordVocabulary.train(["b a\nb", "c a b"], min_count=2).pieces == ("<unk>", "</s>", "b", "a")


def test_training_refuses_what_it_cannot_use() -> None:
    with pytest.raises(InputError, match=r"Expected several texts, got one string\. Put it in a list: \[text\]"):
        WordVocabulary.train("the sea")
    with pytest.raises(VocabularyError, match="The texts hold no words"):
        WordVocabulary.train([" ", ""])
    with pytest.raises(InputError, match="min_count must be at least 1, got 0"):
        WordVocabulary.train(["sea"], min_count=0)
    with pytest.raises(InputError, match="Expected text 1 to be a str, got NoneType"):
        WordVocabulary.train(["sea", None])  # pyright: ignore[reportArgumentType]
