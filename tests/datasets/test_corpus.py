"""A corpus is a value: its card, counts and digest come from its documents and from nothing else."""

import hashlib
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom_datasets import Corpus, DataError

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
libraries = st.lists(texts, min_size=1, max_size=5).map(tuple)


def corpus(*documents: str, **fields: str | None) -> Corpus:
    card = {"name": "tiny", "title": "Tiny", "description": "Two lines.", "licence": "CC0-1.0", "source": "A test"}
    return Corpus(documents=documents, **(card | fields))  # type: ignore[arg-type]


def test_reads_like_a_sequence_of_documents():
    tiny = corpus("One fish. Two fish!", "Red\nfish?")
    assert list(tiny) == ["One fish. Two fish!", "Red\nfish?"]
    assert len(tiny) == 2
    assert tiny.text == "One fish. Two fish!\n\nRed\nfish?"
    assert tiny.sentences == ("One fish.", "Two fish!", "Red fish?")
    assert tiny.word_count == 6
    assert tiny.size == len("One fish. Two fish!") + 2 + len("Red\nfish?")


def test_size_counts_bytes_not_characters():
    assert corpus("é€😀").size == 2 + 3 + 4


def test_card_and_repr_word_for_word():
    tiny = corpus("The sea is wide. " * 700, quotation="The sea is wide.")
    assert tiny.card() == 'Tiny: 11.9 kB, 2,800 words\n  "The sea is wide."\n  CC0-1.0. A test'
    assert str(tiny) == f"{tiny}" == tiny.card()
    assert repr(tiny) == f"Corpus('tiny', 1 document, 2,800 words, digest {tiny.digest[:8]}…)"
    assert repr(corpus("a", "b")).startswith("Corpus('tiny', 2 documents, 2 words, digest ")


def test_card_quotes_verse_on_one_line_and_needs_no_quotation():
    assert '  "Hush, / now."\n' in corpus("x", quotation="Hush,\n  now.\n").card()
    assert corpus("x").card().splitlines() == ["Tiny: 0.0 kB, 1 words", "  CC0-1.0. A test"]


def test_is_frozen_and_equal_by_its_fields():
    tiny = corpus("a", "b")
    with pytest.raises(FrozenInstanceError):
        tiny.documents = ("c",)  # type: ignore[misc]
    assert tiny == corpus("a", "b")
    assert len({tiny, corpus("a", "b"), corpus("b", "a")}) == 2
    tiny.digest, tiny.sentences  # noqa: B018 (what is derived lazily must not disturb equality or a copy)
    assert tiny == corpus("a", "b")
    assert replace(tiny, documents=("b", "a")).digest == corpus("b", "a").digest != tiny.digest


def test_digest_is_sha256_over_length_prefixed_utf8():
    framed = b"\0\0\0\0\0\0\0\1a" + b"\0\0\0\0\0\0\0\3" + "€".encode()
    assert corpus("a", "€").digest == hashlib.sha256(framed).hexdigest()


@settings(deadline=None)
@given(libraries, libraries)
def test_digest_differs_exactly_when_documents_or_borders_differ(one, other):
    assert (corpus(*one).digest == corpus(*other).digest) == (one == other)
    joined = ("".join(one),)
    assert (corpus(*one).digest == corpus(*joined).digest) == (one == joined)
    assert corpus(*one, name="renamed").digest == corpus(*one).digest


@pytest.mark.parametrize(
    ("documents", "error", "message"),
    [
        ((), DataError, r"corpus 'tiny': expected at least one document, got none"),
        (("a", " \n"), DataError, r"corpus 'tiny', document 2: expected some text, got ' \\n'"),
        (("ab\ud800",), DataError, r"document 1: .* lone surrogate '\\ud800' at character 2"),
        ("text", TypeError, r"expected a tuple of str, got str. Pass \(text,\)"),
        (["text"], TypeError, r"expected a tuple of str, got list"),
        (("a", b"b"), TypeError, r"document 2: expected str, got bytes"),
    ],
)
def test_refuses_what_no_model_could_learn_from(documents, error, message):
    with pytest.raises(error, match=message):
        replace(corpus("a"), documents=documents)
