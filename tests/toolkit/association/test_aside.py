"""Held-out documents are chosen by content, about one in twenty, and only if they are worth it."""

import numpy as np

from polyloom.association.aside import set_aside
from polyloom.association.gate import ENOUGH


def test_about_one_document_in_twenty_whatever_the_order() -> None:
    documents = [np.array([n, n + 1] * 20) for n in range(2000)]
    kept, aside = set_aside(documents)
    assert len(kept) + len(aside) == 2000
    assert 60 <= len(aside) <= 140
    turned = set_aside(documents[::-1])
    assert [document[0] for document in turned[1]] == [document[0] for document in aside]


def test_too_little_is_not_held_out() -> None:
    documents = [np.array([n]) for n in range(ENOUGH)]
    assert set_aside(documents) == (documents, [])
    assert set_aside([]) == ([], [])
    same = [np.zeros(ENOUGH, np.int64) + at for at in range(300)]
    lost = next(document for document in set_aside(same)[1])
    assert set_aside([lost]) == ([lost], [])  # all of the text would be held out
