"""What counts as documents, and what is said about that which does not."""

from pathlib import Path

import numpy as np
import pytest

from polyloom import InputError, VocabularyError, WordVocabulary
from polyloom.documents import checked_ids, encoded

WORDS = WordVocabulary(["a", "b", "c"])
AB, C = [0, 1], [2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a b", [AB]),
        (np.array(AB), [AB]),
        (np.array(AB, np.uint8), [AB]),
        (["a b", "c"], [AB, C]),
        (("a b", np.array(C)), [AB, C]),
        ([AB, (2,)], [AB, C]),
        (np.array([[0, 1], [1, 2]]), [[0, 1], [1, 2]]),
        ({"x": "a b", "y": ["c", "a b"]}, [AB, C, AB]),
        ({"x": {"deep": [np.array(AB)]}}, [AB]),
        ([], []),
        ({}, []),
        ([""], [[]]),
    ],
)
def test_every_form_of_documents(given: object, expected: list[list[int]]) -> None:
    found = list(encoded(given, WORDS))
    assert [row.tolist() for row in found] == expected
    assert all(row.dtype == np.int64 for row in found)


def test_documents_are_read_one_by_one() -> None:
    def endless():
        while True:
            yield "a b"

    rows = encoded(endless(), WORDS)
    assert [next(rows).tolist() for _ in range(3)] == [AB] * 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Path("diary.txt"), r"the path diary\.txt.*polyloom_datasets\.read"),
        ([Path("diary.txt")], "Expected a document as str"),
        ([0, 1], r"the number 0.*np\.array"),
        ([np.int64(0)], "the number 0"),
        (5, "got int"),
        (None, "got NoneType"),
        ([None], "got NoneType"),
        ([0.5], "got float"),
        ([b"a"], "got bytes"),
        ([["a"]], "integer"),
        ([[0, [1]]], "integer"),
        ([np.array([0.5])], "float64"),
        ([np.array([0, 3])], r"Token 3 at position 1 is outside 0 … 2"),
        ([np.array([-1])], r"Token -1 at position 0"),
        ([{"a": "b"}], "got dict"),
    ],
)
def test_what_is_no_document_is_refused(given: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(encoded(given, WORDS))


def test_text_outside_the_vocabulary_is_refused_by_it() -> None:
    with pytest.raises(VocabularyError, match="'d'"):
        list(encoded("a d", WORDS))


def test_ids_of_the_right_kind_are_not_copied() -> None:
    row = np.array([0, 2])
    assert checked_ids(row, WORDS) is row


def test_ids_too_large_for_int64_are_refused() -> None:
    with pytest.raises(InputError, match="outside"):
        checked_ids(np.array([2**64 - 1], np.uint64), WORDS)
