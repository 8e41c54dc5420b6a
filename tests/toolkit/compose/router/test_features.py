"""What a text is made of, by hand and beside scikit-learn, and what is asked for by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from polyloom import InputError
from polyloom.compose.routing.router.declared import Declared
from polyloom.compose.routing.router.expert import Expert, experts_of
from polyloom.compose.routing.router.features import Features, read, words
from polyloom.compose.routing.router.signs import signs
from toolkit.compose.router.experts import EXAMPLES

TEXTS = [text for examples in EXAMPLES.values() for text in examples]


def test_a_text_is_words_pairs_signs_and_parts_of_words() -> None:
    found = read("My card, my")
    assert found.whole == {"my": 2, "card": 1, "my card": 1, "card my": 1} | dict.fromkeys(signs("My card, my"), 1)
    assert found.parts["my"] == found.parts[" my "] == 2
    assert found.parts["card,"] == found.parts[" card"] == found.parts[", "] == 1
    assert max(map(len, found.parts)) == 5
    assert min(map(len, found.parts)) == 2
    assert words("Don't STOP naïve_x") == ["don't", "stop", "naïve_x"]
    assert read("").whole == read(" \n").parts == {}


def test_features_weigh_as_those_of_scikit_learn() -> None:
    features = Features.of([read(text) for text in TEXTS])
    peer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    wanted = peer.fit_transform(TEXTS).toarray() * np.sqrt(0.5)
    columns = [peer.vocabulary_[name] for name in features.names[features.wholes :]]
    assert len(columns) == wanted.shape[1]
    for text, row in zip(TEXTS, wanted, strict=True):
        vector = features.vector(read(text))
        found = np.zeros(len(features.names))
        found[vector.ids] = vector.values
        np.testing.assert_allclose(found[features.wholes :], row[columns], atol=1e-12)
        assert vector.values @ vector.values == pytest.approx(1)


def test_what_nobody_has_seen_leaves_less_of_a_text() -> None:
    features = Features.of([read("a tide"), read("a sail")])
    rare, strange = np.log(3 / 2) + 1, np.log(3) + 1
    text = features.vector(read("tide xyzzy"))
    whole = dict(zip(map(features.shown, text.ids.tolist()), text.values.tolist(), strict=True))
    assert text.wholes == 1  # xyzzy and "tide xyzzy" are strange
    assert whole["tide"] == pytest.approx(rare / np.sqrt(2 * (rare**2 + 2 * strange**2)))
    assert features.vector(read("tide")).values[0] == pytest.approx(np.sqrt(0.5))
    assert len(features.vector(read("xyzzy")).ids) == 0
    assert features.vector(read("tide xyzzy"), learned=True).values[0] == pytest.approx(np.sqrt(0.5))


def test_the_commonest_features_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    every = Features.of([read(text) for text in TEXTS])
    monkeypatch.setattr("polyloom.compose.routing.router.features.LIMIT", 50)
    few = Features.of([read(text) for text in TEXTS])
    assert len(few.names) == 50
    assert few.idf.max() <= np.sort(every.idf)[50]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_any_text_has_features_that_a_file_can_hold(texts: list[str]) -> None:
    features = Features.of([read(text) for text in texts])
    again = Features.from_state(*features.state())
    assert again.names == features.names
    for text in texts:
        first, second = features.vector(read(text)), again.vector(read(text))
        assert first.ids.tolist() == second.ids.tolist() == sorted(first.ids.tolist())
        assert len(first.ids) == 0 or first.values.min() > 0


def test_signs_are_found() -> None:
    assert "format:json" in signs('please fix {"name": "sea"}')
    assert {"technology:python", "format:code"} <= set(signs("def tide(hour):\n    return 3"))
    assert "technology:sql" in signs("SELECT name FROM users WHERE is_active")
    assert "language:de" in signs("Ich weiß nicht, wie das auf Deutsch heißt, aber es ist schön.")
    assert "language:en" in signs("what is the name of the man with whom they were")
    assert signs("") == []


def test_keywords_are_found_whole_and_once() -> None:
    declared = Declared((("where is", "Tide"), ("tide",), (), ("...",)))
    assert declared.found(words("WHERE is_active")) == []
    assert declared.found(words("Where  is the TIDE, the tide?")) == [("tide", 0), ("tide", 1), ("where is", 0)]
    assert declared.counts(declared.found(words("where is the tide"))).tolist() == [2, 1, 0, 0]
    assert Declared(((), ())).found(["tide"]) == []


class Document:
    """As the manifest of a package is."""

    def __init__(self, document: dict[str, object]) -> None:
        self.document = document


def test_experts_are_examples_or_manifests() -> None:
    manifest = {
        "description": "Writes SQL", "tags": ["database"], "capabilities": ["format:sql", "tech:sql"],
        "routing": {"keywords": ["select"], "exclude_keywords": ["poem"], "router_hint": "tables", "priority": 0.5},
    }  # fmt: skip
    found = experts_of({"sql": manifest, "two": Document(manifest), "sea": ["tide"]})
    assert found["sql"] == Expert(("Writes SQL", "tables", "select", "database", "sql"), ("select",), ("poem",))
    assert found["two"] == found["sql"]
    assert found["sea"] == Expert(("tide",))
    assert experts_of({"a": manifest | {"examples": ["join"]}, "b": ["x"]})["a"].examples[0] == "join"


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        (["sea"], "examples by name"),
        ({"sea": ["tide"]}, "two experts or more"),
        ({"sea": ["tide"], "law": "court"}, "list of texts"),
        ({"sea": ["tide"], "law": [" "]}, "not empty"),
        ({"sea": ["tide"], "law": [3]}, "list of texts"),
        ({"sea": ["tide"], "law": 3}, "list of texts"),
        ({"sea": ["tide"], "law": []}, "neither examples nor words"),
        ({"sea": ["tide"], "law": {"name": "expert-law"}}, "neither examples nor words"),
        ({"sea": ["tide"], "law": {"routing": "court"}}, "a table as `routing`"),
        ({"sea": ["tide"], 3: ["court"]}, "name of an expert"),
    ],
)
def test_what_is_no_expert_is_refused(given_: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        experts_of(given_)
