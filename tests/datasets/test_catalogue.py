"""Names, `load`, and the promise that importing the package does nothing."""

import subprocess
import sys

import pytest

import polyloom_datasets
from polyloom_datasets import Corpus, DataError, load, names

TEXTS = ("sea", "kitchen", "contracts", "lullabies", "field_guide", "python_docs", "python_source", "docstrings")
NAMES = (*TEXTS, "tunes")


def test_names_are_those_of_the_plan():
    assert names() == NAMES


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_loads_a_corpus_with_a_full_card(name):
    corpus = load(name)
    assert isinstance(corpus, Corpus)
    assert corpus.name == name
    assert corpus.language == "en"
    assert all((corpus.title, corpus.description, corpus.licence, corpus.source))
    assert len(corpus) >= 50
    assert len(corpus.sentences) > len(corpus)
    assert len(set(corpus)) == len(corpus), "a document twice"
    assert corpus.licence in corpus.card()
    assert load(name) is corpus


def test_tunes_have_a_card_and_no_language():
    corpus = load("tunes")
    assert (len(set(corpus)), corpus.language) == (20, "zxx")
    assert corpus.quotation in corpus.text
    assert corpus.licence in corpus.card()


def test_no_two_corpora_share_a_title_or_a_document():
    corpora = [load(name) for name in names()]
    assert len({corpus.title for corpus in corpora}) == len(corpora)
    written = [document for corpus in corpora[:6] for document in corpus]
    assert len(set(written)) == len(written)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("see", "sea"),
        ("SEA", "sea"),
        ("Field Guide", "field_guide"),
        ("lullabys", "lullabies"),
        ("python-doc", "python_docs"),
    ],
)
def test_unknown_name_lists_the_known_and_the_nearest(name, guess):
    with pytest.raises(DataError) as caught:
        load(name)
    known = ", ".join(NAMES)
    assert str(caught.value) == (
        f"load: expected one of {known}, got {name!r}. Did you mean {guess!r}? For a file of your own: read({name!r})."
    )


def test_no_guess_is_made_for_a_name_like_none():
    with pytest.raises(DataError, match=r"got 'zzz'\. For a file"):
        load("zzz")


def test_face_exports_what_the_plan_names():
    assert set(polyloom_datasets.__all__) == {
        *("load", "names", "read", "Corpus", "DataError"),
        *("fetch", "fetched", "recipes", "Recipe"),
    }


QUIET = """
import sys
opened = []
sys.addaudithook(lambda event, details: event == "open" and opened.append(str(details[0])))
import polyloom_datasets
polyloom_datasets.names()
assert not [name for name in opened if name.endswith((".txt", ".toml")) and "voices" in name], opened
assert not {"pydoc_data.topics", "polyloom", "torch"} & set(sys.modules)
polyloom_datasets.load("sea")
assert any("voices" in name for name in opened), "the hook saw nothing: this test proves nothing"
"""


def test_import_reads_no_text():
    subprocess.run([sys.executable, "-W", "error", "-c", QUIET], check=True)
