"""Position-specific models: counts and rows are those of dictionaries, the distribution is what the rows add up to."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract
from polyloom import ByteVocabulary, FileError, InputError, VocabularyMismatch, WordVocabulary
from polyloom.association.position.counts import PositionCounts
from polyloom.association.position.model import PositionModel
from polyloom.association.position.rows import FALLBACK, PositionRows, idf_of, unigram_of
from polyloom.association.position.score import PositionScore, octaves
from polyloom_kernels.recall import UNIT

LETTERS = WordVocabulary(list("abcdef"))
BYTES = "a byte, é, and another: the sea, the sea. \U0001f30a" * 3
texts = st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=5)


def arrays_of(documents: list[list[int]]) -> list[Any]:
    return [np.array(document, np.int64) for document in documents]


def counted(documents: list[list[int]], window: int) -> Counter[tuple[int, int, int]]:
    """(token, distance, next token) of every pair within a document."""
    return Counter(
        (document[at - distance], distance, document[at])
        for document in documents
        for at in range(len(document))
        for distance in range(1, min(window, at) + 1)
    )


def listed(counts: PositionCounts) -> dict[tuple[int, int, int], int]:
    keys, values = counts._run()
    rows, targets = np.divmod(keys, counts.size)
    tokens, distances = np.divmod(rows, counts.window)
    triples = zip(tokens.tolist(), (distances + 1).tolist(), targets.tolist(), strict=True)
    return dict(zip(triples, values.tolist(), strict=True))


MAKES: dict[str, Callable[[], PositionModel]] = {
    "a few letters": lambda: PositionModel.fit(["a b a b c", "b c a", ""], LETTERS, window=5),
    "rows of one token": lambda: PositionModel.fit("a b c d e f a c b e d f a a b", LETTERS, window=3, cap=1),
    "bytes": lambda: PositionModel.fit([BYTES, BYTES[::-1]], ByteVocabulary(), held_out=[BYTES]),
    "one token counted": lambda: PositionModel.fit("b", LETTERS),
    "a vocabulary of one": lambda: PositionModel.fit("a a a", WordVocabulary(["a"]), window=128),
}


@pytest.fixture(scope="module", params=["sea", *MAKES])
def model(request: pytest.FixtureRequest, voices: dict[str, tuple[str, ...]], words: WordVocabulary) -> PositionModel:
    make = MAKES.get(request.param)
    return make() if make else PositionModel.fit(voices["sea"][:30], words, window=16)


@pytest.mark.long
class TestPositionModel(LanguageModelContract):
    pass


# counts


@given(texts, st.integers(1, 6))
def test_counts_are_those_of_a_dictionary(documents: list[list[int]], window: int) -> None:
    found = PositionCounts.of(arrays_of(documents), 6, window)
    expected = counted(documents, window)
    assert listed(found) == expected
    assert list(listed(found)) == sorted(expected)
    assert found.frequency.tolist() == [sum(document.count(token) for document in documents) for token in range(6)]
    for token, distance, target in [*expected, (0, 1, 0), (5, window, 5)]:
        total = sum(n for (a, d, _), n in expected.items() if (a, d) == (token, distance))
        assert found.seen(token, distance, target) == (expected[token, distance, target], total)


@given(texts, texts, st.integers(1, 4))
def test_counts_add_and_subtract_exactly(ours: list[list[int]], theirs: list[list[int]], window: int) -> None:
    a, b, both = (PositionCounts.of(arrays_of(text), 6, window) for text in (ours, theirs, [*theirs, *ours]))
    for found, expected in ((a.plus(b), both), (both.plus(b, -1), a), (b.plus(a), both)):
        assert listed(found) == listed(expected)
        assert found.frequency.tolist() == expected.frequency.tolist()
        assert [array.dtype for array in found.pairs] == [array.dtype for array in expected.pairs]


def test_what_was_never_counted_cannot_be_subtracted() -> None:
    a, b = (PositionCounts.of(arrays_of([text]), 6, 2) for text in ([0, 1, 2, 0], [0, 2, 1]))
    with pytest.raises(InputError, match="Only text that was counted"):
        a.plus(b, -1)


# rows


@given(texts, st.integers(1, 4), st.integers(1, 6))
def test_rows_keep_the_pairs_with_most_evidence(documents: list[list[int]], window: int, cap: int) -> None:
    counts = PositionCounts.of(arrays_of(documents), 6, window)
    expected, seen = counted(documents, window), Counter(counted(documents, window).values())
    discount = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] and seen[2] else FALLBACK
    unigram = unigram_of(counts.frequency)
    rows = PositionRows.of(counts, cap)
    for row in range(6 * window):
        token, distance = row // window, row % window + 1
        here = {b: n for (a, d, b), n in expected.items() if (a, d) == (token, distance)}
        total = sum(here.values())
        pmi = {b: np.float32(math.log(n - discount) - math.log(total) - math.log(unigram[b])) for b, n in here.items()}
        place = slice(rows.starts[row], rows.starts[row + 1])
        kept = dict(zip(rows.targets[place].tolist(), rows.pmi[place].tolist(), strict=True))
        positive = [b for b in here if pmi[b] > 0]
        assert len(kept) == min(cap, len(positive))
        assert list(kept) == sorted(kept)
        for b, value in kept.items():
            assert value == pytest.approx(float(pmi[b]), abs=1e-6)
        left = [np.float32(here[b]) * pmi[b] for b in positive if b not in kept]
        assert max(left, default=0) <= min([here[b] * pmi[b] for b in kept], default=0) * (1 + 1e-6) + 1e-9


def test_equal_evidence_goes_to_the_smaller_id() -> None:
    documents = [[0, target] for target in (5, 3, 4, 1, 2)] + [[0]] * 50
    rows = PositionRows.of(PositionCounts.of(arrays_of(documents), 6, 1), 2)
    assert rows.targets[: rows.starts[1]].tolist() == [1, 2]


def test_rarity_has_a_mean_of_one_over_the_text() -> None:
    frequency = np.array([5, 0, 3, 1])
    assert idf_of(frequency) @ frequency == pytest.approx(frequency.sum())
    assert idf_of(np.array([4])).tolist() == [1.0]
    assert unigram_of(frequency).sum() == pytest.approx(1)


# the model


@pytest.mark.parametrize("length", [0, 1, 3, 40])
def test_the_distribution_is_what_the_rows_add_up_to(length: int) -> None:
    rng = np.random.default_rng(0)
    model = PositionModel.fit(rng.integers(0, 6, 400), LETTERS, window=9, cap=4)
    text = rng.integers(0, 6, length)
    scores = [
        int(model.store.bias[b])
        + sum(model.store.added(a, d, b) or 0 for d, a in enumerate(text[::-1][:9].tolist(), 1))
        for b in range(6)
    ]
    mass = [math.exp(score / UNIT) for score in scores]
    np.testing.assert_allclose(np.exp(model.begin(text).distribution()), np.array(mass) / sum(mass), rtol=1e-12)


def test_what_a_row_adds_is_its_score_within_a_rounding_step() -> None:
    score = PositionScore(np.array([0.7, 0.3]), np.array([0.2, 0.0]), 0.5)
    counts = PositionCounts.of([np.random.default_rng(1).integers(0, 6, 300)], 6, 2)
    model = PositionModel.derive(LETTERS, counts, score, 64)
    rows, idf = PositionRows.of(counts, 64), idf_of(counts.frequency)
    for row in range(12):
        token, distance = row // 2, row % 2 + 1
        place = slice(rows.starts[row], rows.starts[row + 1])
        added = score.decay[distance - 1] * math.sqrt(idf[token]) * rows.pmi[place] + score.consensus[distance - 1]
        for target, expected in zip(rows.targets[place].tolist(), added.tolist(), strict=True):
            found = model.store.added(token, distance, target)
            assert found is not None
            assert found / UNIT == pytest.approx(expected, abs=max(added) / 127)


def test_the_cap_is_part_of_the_model() -> None:
    text = np.random.default_rng(2).integers(0, 6, 300)
    wide, narrow = (PositionModel.fit(text, LETTERS, window=3, cap=cap) for cap in (6, 1))
    assert narrow.entries == wide.entries
    assert narrow.store.longest == 1
    assert narrow.begin("a b c").distribution().tolist() != wide.begin("a b c").distribution().tolist()


def test_the_order_of_documents_never_matters() -> None:
    rng = np.random.default_rng(3)
    documents = [rng.integers(0, 6, 40) for _ in range(400)]
    model, again = PositionModel.fit(documents, LETTERS), PositionModel.fit(documents[::-1], LETTERS)
    assert model.digest == again.digest
    assert model.score.decay.tolist() != PositionScore.unfitted(32).decay.tolist()  # some documents were set aside
    assert model.tokens_counted == 400 * 40  # and counted afterwards


def test_a_fitted_score_is_better_than_any_near_it() -> None:
    rng = np.random.default_rng(4)
    learned, held_out = (np.cumsum(rng.choice([0, 1, 1, 2], size)) % 6 for size in (2000, 900))
    model = PositionModel.fit(learned, LETTERS, window=4, held_out=held_out)
    assert model.perplexity(held_out) < PositionModel.fit(learned, LETTERS, window=4, held_out=[]).perplexity(held_out)
    reached, score = model.log_likelihood(held_out).sum(), model.score
    for octave in range(3):
        for name in ("decay", "consensus"):
            for change in (-0.2, 0.2):
                parts = {"decay": score.decay, "consensus": score.consensus}
                parts[name] = np.maximum(0, parts[name] + change * (octaves(4) == octave))
                near = PositionModel.derive(LETTERS, model.counts, PositionScore(**parts, exponent=score.exponent), 64)
                assert near.log_likelihood(held_out).sum() <= reached + 0.5


def test_too_little_text_fits_nothing() -> None:
    learned = np.random.default_rng(5).integers(0, 6, 500)
    for held_out in ([], learned[:199]):
        score = PositionModel.fit(learned, LETTERS, window=6, held_out=held_out).score
        assert score.decay.tolist() == [1, 0.5, 0.25, 0.25, 0.125, 0.125]
        assert (score.consensus.tolist(), score.exponent) == ([0] * 6, 0)
    refitted = PositionModel.fit(learned, LETTERS, window=6).refit(learned[:200])
    assert refitted.score.decay.tolist() != score.decay.tolist()


def test_a_model_that_learned_nothing_of_the_held_out_text_is_fitted_all_the_same() -> None:
    model = PositionModel.fit("a", LETTERS, window=3, held_out="b c d " * 100)
    assert model.score.decay.tolist() == PositionScore.unfitted(3).decay.tolist()
    assert np.isfinite(model.perplexity("b c d"))


def test_models_add_and_subtract() -> None:
    rng = np.random.default_rng(6)
    ours, theirs = ([rng.integers(0, 6, 300) for _ in range(n)] for n in (1, 3))
    a, b = (PositionModel.fit(text, LETTERS, window=3, held_out=theirs) for text in (ours, theirs))
    both = PositionModel.derive(LETTERS, PositionCounts.of([*ours, *theirs], 6, 3), a.score.mixed(b.score, 0.75), 64)
    assert (a + b).digest == (b + a).digest == both.digest
    assert listed((a + b - b).counts) == listed(a.counts)
    assert (a + b).refit(theirs).digest == PositionModel.fit([*ours, *theirs], LETTERS, 3, theirs).digest


def test_a_model_learns_on() -> None:
    rng = np.random.default_rng(7)
    first, more = [rng.integers(0, 6, 50)], [rng.integers(0, 6, 30), rng.integers(0, 6, 20)]
    model, whole = (PositionModel.fit(text, LETTERS, window=3, held_out=[]) for text in (first, [*more, *first]))
    assert model.resume(more).digest == whole.digest
    assert model.resume([]).digest == model.digest


def test_models_that_do_not_fit_together_are_refused() -> None:
    model = PositionModel.fit("a b c", LETTERS, window=2)
    with pytest.raises(VocabularyMismatch, match="Fit both on one vocabulary"):
        model + PositionModel.fit("a b", WordVocabulary(["a", "b"]), window=2)
    for other in (PositionModel.fit("a", LETTERS, window=3), PositionModel.fit("a", LETTERS, window=2, cap=3)):
        with pytest.raises(InputError, match="same window and cap"):
            model + other
    for wrong in (lambda: model + 1, lambda: model - 1):  # pyright: ignore[reportOperatorIssue]
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(InputError, match="leaves nothing"):
        model - model
    with pytest.raises(InputError, match="Only text that was counted"):
        model - PositionModel.fit("f f", LETTERS, window=2)


def test_an_explanation_counts_in_words() -> None:
    model = PositionModel.fit(["a b c", "a b d", "a b c", "e f"], LETTERS, window=2)
    explanation = model.explain("a b", "c")
    assert explanation.scale == "log"
    terms = {term.name: term for term in explanation.terms}
    assert list(terms) == ["single words", "b, 1 back", "a, 2 back", "− ln Z"]
    assert terms["single words"].detail == "2 of 11 tokens"
    assert terms["b, 1 back"].detail == "2 of 3 times 1 after it"
    assert terms["a, 2 back"].contribution > 0
    assert model.explain("a b", "f").terms[1].detail == "0 of 3 times 1 after it"
    assert model.explain("a b", "f").terms[1].contribution == 0
    assert len(model.explain("", "c").terms) == 2


def test_an_explanation_says_what_a_row_left_out() -> None:
    model = PositionModel.fit(["a b"] * 5 + ["a c", "d e f"], LETTERS, window=1, cap=1)
    term = model.explain("a", "c").terms[1]
    assert term.contribution == 0
    assert term.detail.startswith("1 of 6 times 1 after it, no more than by chance, or not among")


@pytest.mark.parametrize("name", ["window", "cap"])
@pytest.mark.parametrize("value", [0, -1, 256, 2.0, True, "3", None])
def test_a_shape_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name} must be an integer from 1 to"):
        PositionModel.fit("a b", LETTERS, **{name: value})


@pytest.mark.parametrize("documents", ["", [], ["", ""]])
def test_nothing_to_count_is_refused(documents: Any) -> None:
    with pytest.raises(InputError, match="at least one token"):
        PositionModel.fit(documents, LETTERS)


# files


@pytest.mark.parametrize("name", MAKES)
def test_a_saved_model_comes_back(name: str, tmp_path: Path) -> None:
    model = MAKES[name]()
    path = model.save(tmp_path / "model.psam")
    again = polyloom.load(path)
    polyloom.verify(path)
    assert isinstance(again, PositionModel)
    assert (again.digest, repr(again)) == (model.digest, repr(model))
    assert again.begin([0, 0]).distribution().tolist() == model.begin([0, 0]).distribution().tolist()
    assert again.score.exponent == model.score.exponent


def _set(name: str, at: int, value: float) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(manifest: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][at] = value

    return change


DAMAGE: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "no counts": lambda manifest, arrays: arrays.pop("pairs.counts"),
    "a count of zero": _set("pairs.counts", 0, 0),
    "counts of another type": lambda manifest, arrays: arrays.update(
        {"pairs.counts": arrays["pairs.counts"].astype(np.int64)}
    ),
    "a target beyond the vocabulary": _set("pairs.targets", -1, 6),
    "targets that do not ascend": _set("pairs.targets", 1, 0),
    "lengths that do not add up": _set("pairs.lengths", 0, 1),
    "a negative frequency": _set("frequency", 0, -1),
    "an endless text": _set("frequency", 0, 2**62),
    "no text": lambda manifest, arrays: arrays.update(frequency=np.zeros(6, np.int64)),
    "a negative decay": _set("score.decay", 0, -0.1),
    "a decay that is no number": _set("score.decay", 1, np.nan),
    "an endless consensus": _set("score.consensus", 0, np.inf),
    "too few decays": lambda manifest, arrays: arrays.update({"score.decay": np.zeros(1)}),
    "no exponent": lambda manifest, arrays: manifest.pop("exponent"),
    "an exponent in words": lambda manifest, arrays: manifest.update(exponent="1"),
    "a window of another size": lambda manifest, arrays: manifest.update(window=4),
    "no window": lambda manifest, arrays: manifest.update(window=None),
    "a cap out of range": lambda manifest, arrays: manifest.update(cap=1000),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_model_is_refused(name: str, tmp_path: Path) -> None:
    manifest, arrays = PositionModel.fit("a a b a c d e f a b a c", LETTERS, window=3).state()
    arrays = dict(arrays)
    DAMAGE[name](manifest, arrays)
    path = polyloom.files.write(tmp_path / "model.psam", manifest, arrays)
    with pytest.raises(FileError):
        polyloom.load(path)


# real text


@pytest.mark.long
@pytest.mark.shared_data
def test_it_stands_between_unigram_and_kneser_ney(shared: Path) -> None:
    folder = shared / "anchors" / "ngram" / "tinyshakespeare"
    if not folder.is_dir():
        pytest.skip(f"no anchor set in {folder}")
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = WordVocabulary(pieces)

    def read(part: str) -> Any:
        lines = (folder / f"{part}.txt").read_text(encoding="utf-8").splitlines()
        return np.array([vocabulary.id_of(piece) for line in lines for piece in [*line.split(), "</s>"]])

    model = PositionModel.fit(read("train"), vocabulary, held_out=read("valid"))
    assert model.perplexity(read("test")) == pytest.approx(130.8, abs=0.5)
