"""How alike models are: measures by their definitions and by SciPy, means over places, tables, and what is refused."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr

import polyloom
from contract import teacher_forced
from polyloom import AssociationModel, ByteVocabulary, InputError, Layer, Layered, PositionModel, VocabularyMismatch
from polyloom.compose.matrix import Matrix
from polyloom.compose.measures import hellinger, jensen_shannon, measure_of, overlap
from polyloom.model import best
from toolkit.compose.constant import Constant, random_models

MEASURES = ("jensen-shannon", "hellinger", "top-k overlap")
TEXT = ["At night the moon is on the sea.", "Sleep, little one, the tide is out."]

each_measure = pytest.mark.parametrize("measure", MEASURES)


def drawn(seed: int, rows: int = 7, size: int = 9, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Two blocks of log-probabilities."""
    found = spread * np.random.default_rng(seed).normal(size=(2, rows, size))
    ours, theirs = found - np.log(np.exp(found).sum(-1, keepdims=True))
    return ours, theirs


# measures


@pytest.mark.parametrize("spread", [1e-9, 0.1, 2.0, 30.0])
@pytest.mark.parametrize("seed", range(5))
def test_measures_are_what_they_are_defined_as(seed: int, spread: float) -> None:
    ours, theirs = drawn(seed, spread=spread)
    p, q = np.exp(ours), np.exp(theirs)
    bits = 0.5 * (rel_entr(p, 0.5 * (p + q)) + rel_entr(q, 0.5 * (p + q))).sum(1) / math.log(2)
    np.testing.assert_allclose(jensen_shannon(ours, theirs), 1 - bits, atol=1e-12)
    coefficient = np.array([math.fsum(np.sqrt(a * b)) for a, b in zip(p, q, strict=True)])
    np.testing.assert_allclose((1 - hellinger(ours, theirs)) ** 2, 1 - coefficient, atol=1e-12)
    for k in (1, 3, 9, 50):
        common = [
            len({*best(a, k).tokens.tolist()} & {*best(b, k).tokens.tolist()})
            for a, b in zip(ours, theirs, strict=True)
        ]
        np.testing.assert_array_equal(overlap(ours, theirs, k), np.array(common) / min(k, 9))


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from(MEASURES), st.integers(1, 12))
def test_measures_are_symmetric_and_go_from_0_to_1(seed: int, name: str, k: int) -> None:
    ours, theirs = drawn(seed)
    measure = measure_of(name, k)
    found = measure(ours, theirs)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(found, measure(theirs, ours), atol=1e-15)
    np.testing.assert_array_equal(measure(ours, ours), np.ones(7))


@each_measure
def test_what_has_nothing_in_common_is_at_0(measure: str) -> None:
    """Tokens that are impossible, or nearly, are no trouble."""
    with np.errstate(divide="ignore"):
        ours, theirs = np.log([[0.5, 0.5, 0.0, 0.0]]), np.log([[0.0, 0.0, 0.25, 0.75]])
    assert measure_of(measure, 2)(ours, theirs) == 0
    faint = np.array([[0.0, -744.9, -800.0]])  # e^−744.9 is the smallest float
    assert measure_of(measure, 1)(faint, np.array([[0.0, -800.0, -744.9]])) == pytest.approx(1)


def test_ties_go_to_the_smaller_id() -> None:
    level = np.log(np.full((1, 4), 0.25))
    tilted = np.log([[0.1, 0.2, 0.3, 0.4]])
    assert overlap(level, tilted, 2) == 0.0
    assert overlap(level, tilted[:, ::-1], 2) == 1.0


def test_rows_are_read_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = drawn(1, rows=50)
    whole = [measure_of(name, 3)(ours, theirs) for name in MEASURES]
    monkeypatch.setattr("polyloom.compose.measures.STRIP", 8 * 9 * 7)
    for name, expected in zip(MEASURES, whole, strict=True):
        np.testing.assert_array_equal(measure_of(name, 3)(ours, theirs), expected)
        assert measure_of(name, 3)(ours[:0], theirs[:0]).shape == (0,)


# along a text


@each_measure
def test_a_similarity_is_the_mean_over_the_places(measure: str) -> None:
    a, b = random_models(1, 2)
    texts = [np.array([0, 1, 2, 3, 4, 4, 2]), np.array([], np.int64), np.array([3])]
    found = polyloom.similarity(a, b, on=texts, measure=measure, k=2)
    places = [measure_of(measure, 2)(teacher_forced(a, ids), teacher_forced(b, ids)) for ids in texts if len(ids)]
    assert found.value == pytest.approx(np.concatenate(places).mean(), abs=1e-15)
    assert found.texts == pytest.approx([part.mean() for part in places])
    assert (found.tokens, found.drawn, found.measure) == (8, "8 blocks of 1 token", measure)
    assert found.interval[0] <= found.value <= found.interval[1]
    assert str(found).startswith(f"{found.value:.4f} (")
    assert polyloom.similarity(b, a, on=texts, measure=measure, k=2).value == pytest.approx(found.value)
    assert polyloom.similarity(a, a, on=texts, measure=measure).value == 1
    assert polyloom.similarity(a, a, on=texts, measure=measure).interval == (1, 1)


def test_models_of_every_make_compare(sea: AssociationModel, lullabies: AssociationModel) -> None:
    positions = PositionModel.fit(TEXT, sea.vocabulary)
    mix = Layered(sea, {"lullabies": Layer(lullabies)})
    nearly = mix.with_weights(lullabies=0.01)
    ours = [polyloom.similarity(sea, other, on=TEXT).value for other in (nearly, mix, lullabies, positions)]
    assert min(ours) > 0
    assert ours[0] < 1
    assert sorted(ours[:3], reverse=True) == ours[:3]
    assert {*polyloom.nearest(sea, {"nearly": nearly, "mix": mix, "positions": positions}, on=TEXT)} == {
        "nearly",
        "mix",
        "positions",
    }


# tables


@each_measure
def test_a_matrix_has_every_pair(measure: str) -> None:
    models = dict(zip("abcd", random_models(2, 4), strict=True))
    texts = [np.array([0, 1, 2, 3, 4, 4, 2]), np.array([3, 3])]
    matrix = polyloom.similarity_matrix(models, on=texts, measure=measure, k=3)
    assert matrix.rows == matrix.columns == tuple("abcd")
    np.testing.assert_array_equal(matrix.values, matrix.values.T)
    np.testing.assert_array_equal(np.diag(matrix.values), 1)
    for ours in models:
        for theirs in models:
            alone = polyloom.similarity(models[ours], models[theirs], on=texts, measure=measure, k=3)
            assert matrix[ours, theirs] == pytest.approx(alone.value, abs=1e-15)
    assert polyloom.similarity_matrix({"a": models["a"]}, on=texts).values.tolist() == [[1.0]]


def test_perplexities_are_those_of_each_model_on_each_text(sea: AssociationModel, lullabies: AssociationModel) -> None:
    texts = {"a night": TEXT[0], "both": TEXT, "nested": {"x": [TEXT[1]], "y": TEXT}}
    table = polyloom.perplexity_matrix({"sea": sea, "lullabies": lullabies}, texts)
    assert table.values.shape == (2, 3)
    assert table.values.dtype == np.float64
    for name, model in (("sea", sea), ("lullabies", lullabies)):
        for text, documents in texts.items():
            assert table[name, text] == model.perplexity(documents)


def test_an_impossible_text_is_infinitely_perplexing() -> None:
    (model,) = random_models(3, 1)
    never = Constant(model.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    table = polyloom.perplexity_matrix({"never": never, "model": model}, {"it": np.array([3])})
    assert table["never", "it"] == math.inf
    assert "inf" in repr(table)
    assert "inf" in table._repr_html_()


def test_a_matrix_shows_itself() -> None:
    table = Matrix("perplexity", ("sea", "a <b>"), ("tales", "laws"), np.array([[41.234, 3100.0], [1.5, 0.25]]))
    assert repr(table).splitlines() == [
        "perplexity  tales   laws",
        "sea         41.23  3,100",
        "a <b>       1.500  0.250",
    ]
    page = table._repr_html_()
    assert "a &lt;b&gt;" in page
    assert "<script" not in page
    assert page.count("<td") == 4
    assert table["sea", "laws"] == 3100
    with pytest.raises(InputError, match="no 'tide'; it has tales, laws"):
        table["sea", "tide"]
    wrong: Any
    for wrong in ("sea", "ab", 0, ("sea",), ("sea", "tales", "laws")):
        with pytest.raises(InputError, match="Expected a row and a column"):
            table[wrong]
    with pytest.raises(ValueError, match="read-only"):
        table.values[0, 0] = 1


# who is near


def test_the_nearest_comes_first(sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies)})
    models = {"lullabies": lullabies, "half": mix, "sea": sea, "most": mix.with_weights(base=9)}
    found = polyloom.nearest("sea", models, on=TEXT)
    assert list(found) == ["most", "half", "lullabies"]
    assert found["half"] == polyloom.similarity(sea, mix, on=TEXT)
    assert list(polyloom.nearest(sea, models, on=TEXT)) == list(found)
    again = AssociationModel.from_state(*sea.state())
    assert next(iter(polyloom.nearest(again, models, on=TEXT))) == "sea"


def test_voices_are_near_what_they_share(woven: Any) -> None:
    """Perplexities are lowest on the diagonal, and a mix is nearer to each of its parts than these to each other."""
    mix, held_out = woven
    models = dict(mix.models)
    table = polyloom.perplexity_matrix(models, held_out)
    assert (table.values.argmin(0) == np.arange(len(models))).all()
    some = {name: models[name] for name in ("sea", "lullabies")}
    both = Layered(some["sea"], {"lullabies": Layer(some["lullabies"])}, name="sea")
    alike = polyloom.similarity_matrix({**some, "both": both}, on=held_out["sea"][:2])
    assert alike["both", "sea"] > alike["sea", "lullabies"] < alike["both", "lullabies"]


# what is refused


A, B = random_models(1, 2)
STRANGER = AssociationModel.fit("a", ByteVocabulary(), order=1)
ON = np.array([0, 1, 2])
NONE: Any = None

REFUSED: dict[str, tuple[Callable[[], Any], type[InputError], str]] = {
    "another measure": (lambda: polyloom.similarity(A, B, ON, "cosine"), InputError, "Unknown measure 'cosine'"),
    "no measure": (lambda: polyloom.similarity_matrix({"a": A}, ON, NONE), InputError, "Unknown measure None"),
    "k of 0": (lambda: polyloom.similarity(A, B, ON, "top-k overlap", 0), InputError, "k must be a whole number"),
    "k of a half": (lambda: polyloom.nearest(A, {"b": B}, ON, k=0.5), InputError, "k must be a whole number"),
    "no text": (lambda: polyloom.similarity(A, B, []), InputError, "at least one token; `on` holds none"),
    "a number": (lambda: polyloom.similarity(A, B, 3), InputError, "Expected text or token ids"),
    "strange ids": (lambda: polyloom.similarity(A, B, np.array([9])), InputError, "Token 9 at position 0"),
    "no model": (lambda: polyloom.similarity(A, NONE, ON), InputError, "holds a NoneType; expected a model"),
    "no first model": (lambda: polyloom.similarity("a", B, ON), InputError, "holds a str; expected a model"),
    "another vocabulary": (lambda: polyloom.similarity(A, STRANGER, ON), VocabularyMismatch, "The second model speaks"),
    "another in a matrix": (
        lambda: polyloom.similarity_matrix({"a": A, "s": STRANGER}, ON), VocabularyMismatch, "Member 's' speaks",
    ),
    "a list of models": (lambda: polyloom.similarity_matrix([A, B], ON), InputError, "Expected members by name"),
    "an unknown name": (lambda: polyloom.nearest("c", {"a": A, "b": B}, ON), InputError, "No model 'c'; known are a"),
    "itself alone": (lambda: polyloom.nearest("a", {"a": A}, ON), InputError, "no other model to compare"),
    "a stranger among others": (
        lambda: polyloom.nearest(STRANGER, {"a": A}, ON), VocabularyMismatch, "The model speaks",
    ),
    "texts without names": (lambda: polyloom.perplexity_matrix({"a": A}, [ON]), InputError, "Expected texts by name"),
    "no texts": (lambda: polyloom.perplexity_matrix({"a": A}, {}), InputError, "Expected texts by name"),
    "an empty text": (lambda: polyloom.perplexity_matrix({"a": A}, {"x": ON, "y": []}), InputError, "'y' holds no"),
    "perplexities of strangers": (
        lambda: polyloom.perplexity_matrix({"a": A, "s": STRANGER}, {"x": ON}), VocabularyMismatch, "Member 's' speaks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_compare_is_refused(name: str) -> None:
    ask, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said):
        ask()
