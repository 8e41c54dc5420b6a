"""The sentence splitter against hand-cut examples, and what it promises for any text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom_datasets.sentences import sentences


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("The tide turns. The cook sings! Who sleeps?", ["The tide turns.", "The cook sings!", "Who sleeps?"]),
        ('"Hush!" she said. "Sleep."', ['"Hush!" she said.', '"Sleep."']),
        ("He slept (at last.) Then he woke.", ["He slept (at last.)", "Then he woke."]),
        ("Use salt, e.g. sea salt. Taste it.", ["Use salt, e.g. sea salt.", "Taste it."]),
        ("It cost 3.50 in all. 12 came.", ["It cost 3.50 in all.", "12 came."]),
        ("Wait... what? No… Yes.", ["Wait... what?", "No…", "Yes."]),
        ("Hush, my dear,\nthe moon is near.\nSleep now.", ["Hush, my dear, the moon is near.", "Sleep now."]),
        ("A heading\n \nThe text", ["A heading", "The text"]),
        ("Ask Mr. Bell.", ["Ask Mr.", "Bell."]),  # the documented limit
        ("no end", ["no end"]),
        ("Été. Ére. été", ["Été.", "Ére. été"]),
        (" \n\n ", []),
        ("", []),
    ],
)
def test_cuts_as_by_hand(document, expected):
    assert list(sentences(document)) == expected


@settings(deadline=None)
@given(st.text(st.sampled_from("aB .!?…\"')\n\u00a0")))
def test_loses_no_word_and_leaves_no_blank(document):
    cut = list(sentences(document))
    assert " ".join(cut).split() == document.split()
    assert all(sentence == " ".join(sentence.split()) != "" for sentence in cut)
