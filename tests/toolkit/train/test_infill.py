"""Fill in the middle: the parts can be put together again, and chance keeps to its shares."""

import numpy as np
import pytest

from polyloom import InputError
from polyloom.train.infill import FillInTheMiddle, infilled

PREFIX, SUFFIX, MIDDLE, END = 100, 101, 102, 103


def settings(**values: float) -> FillInTheMiddle:
    return FillInTheMiddle(PREFIX, SUFFIX, MIDDLE, **{"rate": 1.0, "end": END, **values})  # type: ignore[arg-type]


def put_together(told: list[int], spm: bool) -> list[int]:
    """The document again, by the grammar of its kind."""
    if spm:
        assert told[:2] == [PREFIX, SUFFIX]
        at = told.index(MIDDLE)
        return [*told[at + 1 :], *told[2:at]]
    assert told[0] == PREFIX
    after, at = told.index(SUFFIX), told.index(MIDDLE)
    return [*told[1:after], *told[at + 1 :], *told[after + 1 : at]]


@pytest.mark.parametrize("spm", [0.0, 1.0])
def test_nothing_is_lost(spm: float) -> None:
    for length in range(6):
        document = np.arange(length)
        for seed in range(20):
            (told,) = infilled([document], settings(spm=spm, seed=seed))
            assert len(told) == length + 3
            assert sorted(put_together(told.tolist(), bool(spm))) == document.tolist()


def test_hand_worked() -> None:
    """With both orders of one cut in sight: p m s is told as p s m, or as s and p m."""
    document = np.array([1, 2, 3, 4, 5])
    for seed in range(10):
        (psm,) = infilled([document], settings(spm=0.0, seed=seed))
        (spm,) = infilled([document], settings(spm=1.0, seed=seed))
        row = psm.tolist()
        after, at = row.index(SUFFIX), row.index(MIDDLE)
        prefix, suffix, middle = row[1:after], row[after + 1 : at], row[at + 1 :]
        assert [*prefix, *middle, *suffix] == [1, 2, 3, 4, 5]
        assert spm.tolist() == [PREFIX, SUFFIX, *suffix, MIDDLE, *prefix, *middle]


def test_the_end_stays_at_the_end() -> None:
    (told,) = infilled([np.array([1, 2, 3, END])], settings(spm=0.0))
    assert told[-1] == END
    assert (told == END).sum() == 1
    assert len(told) == 7


def test_the_shares_are_kept() -> None:
    documents = [np.arange(1, 11)] * 2000
    found = list(infilled(documents, settings(rate=0.7, spm=0.25)))
    told = [row for row in found if len(row) == 13]
    spm = [row for row in told if row[1] == SUFFIX and row[2] != MIDDLE and row[0] == PREFIX]
    assert len(told) / 2000 == pytest.approx(0.7, abs=0.04)
    # of PSM, one in eleven has an empty prefix and so looks like SPM; none of them has its middle at once
    looks = len(spm) / len(told)
    assert 0.2 < looks < 0.4


def test_cuts_fall_anywhere_with_the_same_chance() -> None:
    """The first of two cuts among 0 … 10 lies at k with probability (21 − 2k) / 121."""
    documents = [np.arange(1, 11)] * 4000
    firsts = [row.tolist().index(SUFFIX) - 1 for row in infilled(documents, settings(spm=0.0))]
    found = np.bincount(firsts, minlength=11) / 4000
    np.testing.assert_allclose(found, (21 - 2 * np.arange(11)) / 121, atol=0.025)


def test_each_document_has_dice_of_its_own() -> None:
    documents = [np.arange(5), np.arange(9), np.arange(7)]
    first = [row.tolist() for row in infilled(documents, settings(rate=0.5))]
    assert [row.tolist() for row in infilled(documents, settings(rate=0.5))] == first
    other = [np.arange(3), *documents[1:]]
    assert [row.tolist() for row in infilled(other, settings(rate=0.5))][1:] == first[1:]
    assert [row.tolist() for row in infilled(documents, settings(rate=0.0))] == [row.tolist() for row in documents]


@pytest.mark.parametrize(
    "given",
    [(1, 1, 2), (1, 2, 2), (-1, 2, 3), (1, 2, 3, 1.5), (1, 2, 3, 0.5, -1), (1, 2, 3, 0.5, 0.5, 3), (1.0, 2, 3)],
)
def test_what_cannot_be_is_refused(given: tuple[float, ...]) -> None:
    with pytest.raises(InputError):
        FillInTheMiddle(*given)  # type: ignore[arg-type]
