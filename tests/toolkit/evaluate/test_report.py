"""Reports: closed forms, brute force, and intervals that are those of the textbook."""

import math
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from polyloom import AssociationModel, InputError, WordVocabulary
from polyloom.evaluate import Report, evaluate, report
from polyloom.evaluate.bootstrap import DRAWS, draws, interval
from polyloom.evaluate.calibration import binned, calibration_error
from toolkit.compose.constant import Constant, random_models

WORDS = WordVocabulary(["a", "b", "c", "d", "e"])


class Rows:
    """The least that a report needs: the same distribution at every place, in blocks of three."""

    def __init__(self, *chances: float, vocabulary: WordVocabulary = WORDS) -> None:
        with np.errstate(divide="ignore"):
            self.row, self.vocabulary = np.log(np.array(chances)), vocabulary

    def log_probs(self, tokens: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(tokens), 3):
            yield np.tile(self.row, (min(3, len(tokens) - start), 1))


# closed forms


def test_a_fair_choice_among_five() -> None:
    """Whatever is likeliest, the first of equals, comes in a fifth of the places, as the model expects."""
    found = evaluate(Rows(*[0.2] * 5), ["a b c d e", "e d c b a", "a b c d e"])
    assert (found.documents, found.tokens, found.bytes, found.drawn) == (3, 15, 27, "3 documents")
    assert (found.perplexity.value, found.top1.value, found.top5.value) == pytest.approx((5, 0.2, 1))
    assert found.bits_per_byte.value == pytest.approx(math.log2(5) * 15 / 27)
    assert found.calibration_error.value == pytest.approx(0, abs=1e-12)
    assert found.perplexity.low == pytest.approx(found.perplexity.high) == pytest.approx(5)
    (only,) = found.bins
    assert (only.tokens, only.confidence, only.accuracy) == pytest.approx((15, 0.2, 0.2))


def test_who_is_sure_and_right() -> None:
    found = evaluate(Rows(0, 1, 0, 0, 0), ["b b b", "b"])
    for figure, value in ((found.perplexity, 1), (found.bits_per_byte, 0), (found.top1, 1), (found.top5, 1)):
        assert (figure.value, figure.low, figure.high) == (value, value, value)
    assert found.calibration_error.value == 0


def test_who_is_sure_and_wrong_has_no_end() -> None:
    found = evaluate(Rows(1, 0, 0, 0, 0), ["b b", "b c d"])
    assert found.perplexity.value == found.perplexity.low == found.perplexity.high == math.inf
    assert found.bits_per_byte.value == math.inf
    assert (found.top1.value, found.calibration_error.value) == (0, 1)
    assert found.top5.value == 1, "of equals the smaller id comes first, and there are five in all"
    half = evaluate(Rows(0.5, 0.5, 0, 0, 0), ["a a", "c c", "b a", "a b", "a", "b"])
    assert (half.perplexity.value, half.perplexity.low, half.perplexity.high) == pytest.approx((math.inf, 2, math.inf))


def test_over_confidence_is_the_calibration_error() -> None:
    found = evaluate(Rows(0.9, 0.1, 0, 0, 0), ["a b", "b a", "a b"])
    error = found.calibration_error
    assert (error.value, error.low, error.high) == pytest.approx((0.4, 0.4, 0.4)), "each text is as often right"


# brute force


def brute(model: Constant, documents: list[np.ndarray]) -> dict[str, float]:
    logs, right, near, bins = [], 0, 0, [[0, 0.0, 0] for _ in range(15)]
    for document in documents:
        for before, token in zip([-1, *document[:-1]], document, strict=True):
            row = model.rows[before].tolist()
            order = sorted(range(len(row)), key=lambda other: (-row[other], other))
            logs.append(row[token])
            right += order[0] == token
            near += token in order[:5]
            sure = math.exp(row[order[0]])
            found = bins[min(int(sure * 15), 14)]
            found[0] += 1
            found[1] += sure
            found[2] += order[0] == token
    return {
        "perplexity": math.exp(-sum(logs) / len(logs)),
        "top1": right / len(logs),
        "top5": near / len(logs),
        "calibration_error": sum(abs(sure - hits) for _, sure, hits in bins) / len(logs),
        "bytes": sum(len(model.vocabulary.decode(document).encode()) for document in documents),
        "bits": -sum(logs) / math.log(2),
    }


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.1, 2.0, 6.0]), st.booleans())
def test_figures_are_those_of_a_loop(seed: int, count: int, spread: float, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    (model,) = random_models(seed, 1, size=9, spread=spread)
    if tied:
        model.rows = np.round(model.rows)
        model.rows -= np.log(np.exp(model.rows).sum(-1, keepdims=True))
    documents = [rng.integers(1, 9, rng.integers(1, 12)) for _ in range(count)]
    found, expected = evaluate(model, documents), brute(model, documents)
    for name in ("perplexity", "top1", "top5", "calibration_error"):
        figure = getattr(found, name)
        assert figure.value == pytest.approx(expected[name], rel=1e-9, abs=1e-9)
    assert found.bits_per_byte.value == pytest.approx(expected["bits"] / expected["bytes"])
    assert found.bytes == expected["bytes"]
    assert sum(one.tokens for one in found.bins) == found.tokens == sum(map(len, documents))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_calibration_error_is_confidence_less_accuracy_bin_by_bin(guesses: list[tuple[float, bool]]) -> None:
    error = 0.0
    for n in range(15):
        inside = [(p, hit) for p, hit in guesses if n / 15 <= p < (n + 1) / 15 or (n == 14 and p == 1)]
        if inside:
            error += abs(sum(p for p, _ in inside) - sum(hit for _, hit in inside)) / len(guesses)
    given = np.array([p for p, _ in guesses]), np.array([float(hit) for _, hit in guesses])
    found = float(calibration_error(binned(*given)))
    assert found == pytest.approx(error, abs=1 / 15 if on_an_edge(guesses) else 1e-9)


def on_an_edge(guesses: list[tuple[float, bool]]) -> bool:
    """Which of two bins a probability between them is in depends on rounding."""
    return any(abs(p * 15 - round(p * 15)) < 1e-9 for p, _ in guesses)


# intervals


def test_the_interval_of_a_mean_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(3).normal(2, 1, 400)
    sums = draws(np.stack([values, np.ones(400)], 1), seed=0)
    assert sums.shape == (DRAWS, 2)
    assert (sums[:, 1] == 400).all()
    low, high = interval(sums[:, 0] / 400)
    reach = 1.96 * values.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.15 * reach)


def test_many_units_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    units = np.random.default_rng(0).normal(size=(50, 3))
    expected = draws(units, 7)
    monkeypatch.setattr("polyloom.evaluate.bootstrap.AT_ONCE", 120)
    np.testing.assert_allclose(draws(units, 7), expected)


def test_the_interval_of_the_calibration_error_holds_what_is_true() -> None:
    """Texts of the model itself, which so knows how sure it is: noise alone makes an error, as the interval tells."""
    rng, held = np.random.default_rng(1), 0
    (model,) = random_models(1, 1, size=9)
    for _ in range(20):
        documents = []
        for _ in range(20):
            text = [-1]
            for _ in range(15):
                text.append(int(rng.choice(9, p=np.exp(model.rows[text[-1]]))))
            documents.append(np.array(text[1:]))
        found = evaluate(model, documents).calibration_error
        held += found.low <= 0.005
        assert found.low <= found.value <= found.high
    assert held >= 18


def test_the_seed_is_that_of_the_intervals_only(sea: AssociationModel, voices: dict[str, tuple[str, ...]]) -> None:
    texts = voices["sea"][31:45]
    first, again, other = (evaluate(sea, texts, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert first.perplexity.value == other.perplexity.value == pytest.approx(sea.perplexity(texts))
    assert first.perplexity.low < first.perplexity.value < first.perplexity.high


def test_a_single_document_is_drawn_in_blocks(sea: AssociationModel, voices: dict[str, tuple[str, ...]]) -> None:
    text = "\n".join(voices["sea"][31:])
    found = evaluate(sea, text)
    count = -(-found.tokens // 100)
    assert (found.documents, found.drawn) == (1, f"{count} blocks of 100 tokens")
    assert found.bytes == len(text.encode())
    assert found.perplexity.value == pytest.approx(sea.perplexity(text))
    assert found.perplexity.low < found.perplexity.value < found.perplexity.high
    assert found.bits_per_byte.low < found.bits_per_byte.value < found.bits_per_byte.high
    assert evaluate(sea, [text, ""]).drawn == found.drawn, "what holds no token is no document"
    assert evaluate(sea, "tide").drawn == "1 block of 1 token"


# what is read


def test_bytes_are_those_of_the_text_as_given() -> None:
    model = Rows(*[0.2] * 5, vocabulary=WordVocabulary(["</s>", "<unk>", "ä", "b", "c"]))
    typed = evaluate(model, ["ä   b", "unknown"])
    assert (typed.tokens, typed.bytes) == (3, 6 + 7)
    assert evaluate(model, [np.array([2, 3, 0])]).bytes == len("ä b".encode())
    ends = evaluate(model, [np.array([0]), np.array([0])])
    assert (ends.bytes, ends.bits_per_byte) == (0, None)
    assert "bits per byte  –" in str(ends)


def test_all_forms_of_documents_agree(sea: AssociationModel) -> None:
    texts = ["At night the tide", "comes in"]
    forms: list[Any] = [texts, iter(texts), {"x": texts}, [*texts, ""], [sea.vocabulary.encode(text) for text in texts]]
    assert len({evaluate(sea, form).perplexity for form in forms}) == 1


@pytest.mark.parametrize("nothing", [[], "", {}, np.empty(0, np.int64), iter([])])
def test_nothing_is_refused(sea: AssociationModel, nothing: Any) -> None:
    with pytest.raises(InputError, match="at least one token"):
        evaluate(sea, nothing)


def test_any_model_is_judged(sea: AssociationModel, lullabies: AssociationModel) -> None:
    texts = ["At night the tide comes in.", "The mate said nothing"]
    mix = polyloom.Layered(sea, {"other": polyloom.Layer(lullabies, 0.5)}, pool="log")
    assert evaluate(mix, texts).perplexity.value == pytest.approx(mix.perplexity(texts))


# how it shows itself


@pytest.fixture
def shown(sea: AssociationModel) -> Report:
    return evaluate(sea, ["At night the tide comes in.", "The mate said nothing", "the harbour"])


def test_a_report_prints_every_figure_with_its_interval(shown: Report) -> None:
    lines = str(shown).splitlines()
    assert [line.split("  ")[-2].strip() for line in lines[:-1]] == [name for name, _ in shown.rows()]
    assert lines[0].endswith(f"{shown.perplexity.value:.2f} ({shown.perplexity.low:.2f} – {shown.perplexity.high:.2f})")
    assert lines[-1] == f"{shown.tokens} tokens, {shown.bytes} bytes, 3 documents; 95% intervals over 3 documents"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_notebook_shows_a_table_and_a_diagram_without_a_script(shown: Report) -> None:
    tags = Tags()
    tags.feed(shown._repr_html_())
    assert tags.open == []
    assert tags.found.count("circle") == len(shown.bins) > 0
    assert tags.found.count("tr") == len(report.Report.rows(shown))
    assert {"svg", "table"} <= set(tags.found)
    assert "script" not in tags.found
