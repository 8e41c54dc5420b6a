"""What a router hears beside words: an encoder and adapters, by definition; that they help; what a file keeps."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from contract import nodes
from polyloom import AssociationModel, ByteVocabulary, FileError, InputError, Routed, Router
from polyloom.compose.routing.router.features import words
from polyloom.compose.routing.router.sources import PROBE
from polyloom.model import Floats
from toolkit.compose.router.experts import EXAMPLES, router

ABOUT = {
    "sea": ("tide", "sail", "harbour", "boat", "anchor", "mariner", "buoy"),
    "kitchen": ("soup", "dough", "oven", "egg", "salt", "fry", "pan"),
    "law": ("court", "contract", "liable", "party", "judge", "sue"),
}
Vectors = np.ndarray[Any, Any]


def encode(texts: list[str]) -> Vectors:
    """Knows what some words are about, also those in no example; a little of each word is its own, by its hash."""
    return np.array([_encoded(text) for text in texts], np.float32)


def _encoded(text: str) -> Floats:
    found = np.zeros(11)
    for word in words(text):
        found[:3] += [word in about for about in ABOUT.values()]
        found[3 + hashlib.sha256(word.encode()).digest()[0] % 8] += 0.3
    return found


class Leans:
    """An arrow of three adapters at two maps, as words tell it."""

    places = ("first", "second")

    def __init__(self, digest: str = "ab12", names: tuple[str, ...] = ("law", "sea", "kitchen")) -> None:
        self.digest, self.names = digest, names

    def judge(self, text: str) -> Floats:
        said = words(text)
        likes = np.array([sum(word in ABOUT[name] for word in said) for name in self.names]) / max(1, len(said))
        return np.stack([0.2 * likes + [0.3, 0.0, 0.1], 0.4 * likes], 1)


@cache
def heard() -> Router:
    return Router.fit(EXAMPLES, encoder=encode, arrow=Leans())


def test_they_know_what_no_example_says() -> None:
    for text, name in (("the mariner saw a buoy", "sea"), ("fry it in the pan", "kitchen"), ("sue the judge", "law")):
        assert heard().route(text).name == name
        assert heard().route(text).score > router().route(text).score


def test_scores_are_the_equation() -> None:
    ours = heard()
    texts = [text for examples in EXAMPLES.values() for text in examples]
    vectors = encode(texts).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    means = vectors.reshape(3, 8, -1).mean(1)
    ways = means - means.mean(0)
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    every = (vectors - means.mean(0)) @ ways.T
    leans = Leans()
    order = [leans.names.index(name) for name in EXAMPLES]
    sums = np.stack([leans.judge(text)[order].sum(1) for text in texts])
    lean = sums - sums.reshape(3, 8, 3).mean(1).mean(0)
    seen = ours.witnesses.judge(texts[3])
    np.testing.assert_allclose(seen.judged[:, 3], every[3] / every.std(), atol=1e-9)
    np.testing.assert_allclose(seen.judged[:, 4], lean[3] / lean.std(), atol=1e-9)
    z = seen.judged @ ours.calibration.weights
    wanted = np.exp(z) / (np.exp(z).sum() + np.exp(ours.calibration.none))
    np.testing.assert_allclose(list(ours.route(texts[3]).scores.values()), wanted, rtol=1e-9)


def test_each_is_a_term_of_the_account() -> None:
    decision = heard().route("the mariner and the tide")
    opened = decision.explanation.terms[0].child
    assert opened is not None
    terms = {term.name: term for term in opened.terms}
    assert terms["likeness of meaning"].contribution > 0
    assert terms["likeness of meaning"].child is None
    leaning = terms["directions of the adapters"].child
    assert leaning is not None
    assert [term.name for term in leaning.terms] == ["first", "second"]
    for node in nodes(decision.explanation):
        assert abs(node.residual) < 1e-9
    assert not {"first", "second"} & set(decision.reasons(100))
    assert "tide" in decision.reasons(100)
    assert {"first", "second"} & set(decision.flips())


def test_what_says_nothing_changes_nothing() -> None:
    deaf = Router.fit(EXAMPLES, encoder=lambda texts: np.ones((len(texts), 2)))
    assert deaf.route("the tide").explanation.terms[0].child.terms[3].contribution == 0  # type: ignore[union-attr]
    assert deaf.route("the tide").best == "sea"


def test_a_file_holds_all_but_them(tmp_path: Path) -> None:
    path = heard().save(tmp_path / "three.router")
    polyloom.verify(path)
    again = Router.load(path, encoder=lambda texts: 3 * encode(texts), arrow=Leans())
    for text in ("the mariner", "", "sue the court"):
        assert again.route(text).scores == pytest.approx(heard().route(text).scores)
    assert router().save(tmp_path / "plain.router").read_bytes().count(b"encoder") == 0

    def turned(texts: list[str]) -> Vectors:
        return encode(texts)[:, ::-1]

    def shorter(texts: list[str]) -> Vectors:
        return encode(texts)[:, 1:]

    refused: list[tuple[dict[str, Any], str]] = [
        ({"arrow": Leans()}, "fitted with encoder=…, which no file holds"),
        ({"encoder": encode}, "fitted with arrow=…, which no file holds"),
        ({"encoder": turned, "arrow": Leans()}, "another encoder: on the same text"),
        ({"encoder": shorter, "arrow": Leans()}, r"\(10,\), those that the router knows"),
        ({"encoder": encode, "arrow": Leans("cd34")}, "other adapters, or over another base"),
    ]
    for given, says in refused:
        with pytest.raises(FileError, match=says):
            Router.load(path, **given)
    with pytest.raises(FileError, match="fitted without encoder=…"):
        Router.load(tmp_path / "plain.router", encoder=encode)
    with pytest.raises(InputError, match="an adapter for each expert"):
        Router.load(path, encoder=encode, arrow=Leans(names=("law", "sea")))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    manifest, arrays = polyloom.files.read(heard().save(tmp_path / "whole"))
    stored = {key: value for key, value in manifest.items() if key not in ("version", "sha256")}
    for name, array in (
        ("encoder.weights", np.zeros((2, 11))),
        ("encoder.centre", np.zeros(3)),
        ("arrow.centre", None),
    ):
        changed = {key: x for key, x in arrays.items() if key != name} | ({} if array is None else {name: array})
        polyloom.files.write(tmp_path / "damaged", stored, changed)
        with pytest.raises(FileError, match="no router"):
            Router.load(tmp_path / "damaged", encoder=encode, arrow=Leans())


def test_a_mix_goes_by_them_and_is_not_saved(tmp_path: Path) -> None:
    models = {name: AssociationModel.fit(texts, ByteVocabulary(), order=2) for name, texts in EXAMPLES.items()}
    routed = Routed(heard().with_threshold(0.3), models, policy="best", fallback="law")
    assert routed.begin("the mariner").weights == {"sea": 1, "kitchen": 0, "law": 0}
    with pytest.raises(FileError, match="hears encoder and arrow cannot be saved"):
        routed.save(tmp_path / "mix.psamc")


@pytest.mark.parametrize(
    "gives",
    [None, "x", [1.0], np.ones((2, 3, 4)), np.full((1, 3), np.nan), np.ones((7, 3)), [["a"]], [[1], [2, 3]]],
    ids=repr,
)
def test_an_encoder_must_give_vectors(gives: Any) -> None:
    with pytest.raises(InputError, match="a finite vector each"):
        Router.fit(EXAMPLES, encoder=lambda _: gives)


def test_what_is_none_is_refused() -> None:
    untyped: Any = Router.fit
    with pytest.raises(InputError, match="function of texts, got str"):
        untyped(EXAMPLES, encoder="all-MiniLM")
    with pytest.raises(InputError, match=r"Expected Arrow.of"):
        untyped(EXAMPLES, arrow={"sea": 1})
    with pytest.raises(InputError, match="the adapters are law, sea, kitchen, the experts a, b"):
        Router.fit({"a": ["x"], "b": ["y"]}, arrow=Leans())
    fickle = iter(range(100))
    ours = Router.fit(EXAMPLES, encoder=lambda texts: np.ones((len(texts), 2 if next(fickle) < 2 else 3)))
    with pytest.raises(InputError, match="likeness of meaning"):
        ours.route("tide")
    assert PROBE
