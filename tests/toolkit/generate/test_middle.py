"""Filling in the middle: Bayes' rule by brute force, what a beam finds beside all there is, the trained forms."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom import (
    AssociationModel,
    Continuation,
    Gated,
    InputError,
    LanguageModel,
    Layer,
    Layered,
    Memory,
    Sampling,
    WordVocabulary,
)
from polyloom.generate.beam import READ
from polyloom.generate.told import FORMS, told
from polyloom.train.infill import FillInTheMiddle, infilled
from toolkit.compose.constant import Constant, random_models

pytestmark = pytest.mark.long

V = 6
WORDS = WordVocabulary(["</s>", "<unk>", "the", "sea", "sings", "low"])
MARKS = FillInTheMiddle(13, 14, 15, rate=1.0, spm=0.5, end=0)


def counted(seed: int, **values: Any) -> AssociationModel:
    dice = np.random.default_rng(seed)
    return AssociationModel.fit([dice.integers(0, V, 40) for _ in range(4)], WORDS, **values)


COUNTS = counted(1, order=3)
SHORT = Memory(orders=(1, 2, 3), bucket=4, buckets=3, half_life=5.0)  # so that few tokens cross its borders
MODELS: dict[str, LanguageModel] = {
    "constant": Constant(WORDS, random_models(3, 1, V)[0].rows),
    "order 3 with history": COUNTS,
    "a short memory": counted(2, order=4, history=SHORT),
    "without history": counted(3, order=2, history=False),
    "single words": counted(3, order=1, skips=False, history=False),
    "a linear mix": Layered(COUNTS, {"b": Layer(counted(4, order=2), 0.7), "silent": Layer(COUNTS, 0.0)}),
    "a log mix": Layered(COUNTS, {"b": Layer(counted(4, order=2), 0.7)}, "log"),
    "a mix of mixes": Layered(Gated({"a": COUNTS, "b": counted(4)}), {"c": Layer(counted(5, history=SHORT), 0.3)}),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return MODELS[request.param]


def joint(model: LanguageModel, left: list[int], middle: tuple[int, ...], right: list[int]) -> tuple[float, float]:
    """ln p(m | left) and ln p(right | left, m), token by token: the definition."""
    place, found = model.begin(left), [0.0, 0.0]
    for at, token in enumerate([*middle, *right]):
        found[at >= len(middle)] += float(place.distribution()[token])
        place.advance(token)
    return found[0], found[1]


def by_hand(
    model: LanguageModel, left: list[int], right: list[int], length: int = 1
) -> dict[tuple[int, ...], tuple[float, float]]:
    every = itertools.product(range(model.vocabulary.size), repeat=length)
    return {middle: joint(model, left, middle, right) for middle in every}


def normaliser(table: dict[tuple[int, ...], tuple[float, float]]) -> float:
    return math.log(math.fsum(math.exp(a + b) for a, b in table.values()))


# judging several ways at once


@pytest.mark.parametrize("left", [[], [3], [2, 3, 0, 4, 4], list(range(V)) * 5])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_ways_are_judged_as_one_by_one(model: LanguageModel, left: list[int], length: int) -> None:
    ways = np.random.default_rng(length).integers(0, V - 2, (9, length))
    ways[1] = ways[0]
    place = model.begin(left)
    found = place.judge(ways)
    for row, way in zip(found, ways.tolist(), strict=True):
        alone = [joint(model, [*left, *way[:at]], (way[at],), [])[0] for at in range(length)]
        np.testing.assert_allclose(row, alone, rtol=1e-9)
    np.testing.assert_allclose(found, Continuation._judge(place, ways), rtol=1e-9)
    assert place.tokens.tolist() == left


@given(st.lists(st.integers(0, 2), max_size=14), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_what_a_text_and_its_ways_remember(left: list[int], length: int, seed: int) -> None:
    """Few different tokens, so that contexts repeat in the text, in a way and across the border."""
    model = MODELS["a short memory"]
    ways = np.random.default_rng(seed).integers(0, 2, (4, length))
    expected = [model.log_likelihood([*left, *way])[len(left) :] for way in ways.tolist()]
    np.testing.assert_allclose(model.begin(left).judge(ways), expected, rtol=1e-9)


def test_no_ways_and_ways_without_tokens(model: LanguageModel) -> None:
    place = model.begin([2])
    assert place.judge(np.empty((0, 3), np.int64)).shape == (0, 3)
    assert place.judge(np.empty((4, 0), np.int64)).shape == (4, 0)


@pytest.mark.parametrize("ways", [[1, 2], [[[1]]], [[1.5]], [[V]], [[-1]], "ab", None, [[True]]])
def test_ways_that_are_none(ways: Any) -> None:
    with pytest.raises(InputError):
        COUNTS.begin().judge(ways)


# one token


@pytest.mark.parametrize("left", [[], [2, 3], [2, 3, 0, 3, 2, 3]])
@pytest.mark.parametrize("right", [[], [4], [3, 0, 3, 2, 4]])
def test_one_token_is_bayes_rule_over_the_vocabulary(model: LanguageModel, left: list[int], right: list[int]) -> None:
    table = by_hand(model, left, right)
    total = normaliser(table)
    found = model.predict_middle(left, right, k=V + 3)
    assert found.exact
    assert found.visited == len(found.candidates) == V
    assert found.unseen == 0
    assert found.log_normaliser == pytest.approx(total, abs=1e-9)
    for one in found.candidates:
        before, after = table[one.tokens]
        assert (one.log_before, one.log_after) == pytest.approx((before, after), abs=1e-9)
        assert one.probability == one.least == pytest.approx(math.exp(before + after - total), rel=1e-9)
        assert one.pieces == (WORDS.pieces[one.tokens[0]],)
    assert math.fsum(one.probability for one in found.candidates) == pytest.approx(1)
    chances = [one.probability for one in found.candidates]
    assert chances == sorted(chances, reverse=True)
    assert model.predict_middle(left, right, k=2).candidates == found.candidates[:2]


def test_with_nothing_on_the_right_it_is_the_next_token(model: LanguageModel) -> None:
    found = model.predict_middle([2, 3], "", k=4)
    assert [one.pieces[0] for one in found.candidates] == [piece for piece, _ in model.predict([2, 3], 4)]
    assert [one.probability for one in found.candidates] == pytest.approx([p for _, p in model.predict([2, 3], 4)])
    assert found.log_normaliser == pytest.approx(0, abs=1e-6)


def test_the_normaliser_is_how_likely_the_right_side_is(model: LanguageModel) -> None:
    """The chain rule: over all middles, and by a text that was read through one of them."""
    found = model.predict_middle([2], [3, 4], k=V)
    likely = [math.exp(one.log_before + one.log_after) for one in found.candidates]
    assert math.exp(found.log_normaliser) == pytest.approx(math.fsum(likely))
    for one in found.candidates:
        whole = model.log_likelihood([2, *one.tokens, 3, 4])[1:].sum()
        assert one.log_before + one.log_after == pytest.approx(whole, abs=1e-6)


def test_what_was_not_looked_at_is_bounded(model: LanguageModel) -> None:
    exact = {one.tokens: one for one in model.predict_middle([2, 3], [4], k=V).candidates}
    for width in range(1, V + 1):
        found = model.predict_middle([2, 3], [4], k=V, exact=False, width=width)
        assert found.visited == width
        assert found.exact == (width == V)
        assert (found.unseen == 0) == (width == V)
        for one in found.candidates:
            assert one.least <= exact[one.tokens].probability * (1 + 1e-9)
            assert one.probability >= exact[one.tokens].probability * (1 - 1e-9)
        left = [
            np.exp(one.log_before)
            for tokens, one in exact.items()
            if tokens not in {c.tokens for c in found.candidates}
        ]
        assert found.unseen == pytest.approx(math.fsum(left), abs=1e-12)


def test_the_right_side_decides() -> None:
    words = WordVocabulary(["</s>", "<unk>", *["to", "a", "from", "b", "or", "c", "the", "end"]])
    model = AssociationModel.fit(["to a </s>", "from b </s>", "or c </s>"] * 40, words, order=2, history=False)
    for before, after in (("to", "a"), ("from", "b"), ("or", "c")):
        assert model.predict_middle("", after).candidates[0].text == before


# longer gaps


@pytest.mark.parametrize("length", [2, 3])
def test_a_wide_beam_finds_all_there_is(model: LanguageModel, length: int) -> None:
    table = by_hand(model, [2, 3], [4, 2], length)
    found = model.predict_middle([2, 3], [4, 2], k=5, length=length, width=V ** (length - 1) * 2)
    assert found.exact
    assert found.visited == V**length
    assert found.log_normaliser == pytest.approx(normaliser(table), abs=1e-9)
    order = sorted(table, key=lambda middle: (-sum(table[middle]), middle))
    assert [table[one.tokens] for one in found.candidates] == [pytest.approx(table[m], abs=1e-9) for m in order[:5]]


@pytest.mark.parametrize("exact", [True, False])
def test_a_narrow_beam_finds_the_best_and_says_what_it_is(model: LanguageModel, exact: bool) -> None:
    table = by_hand(model, [2, 3], [4, 2], 3)
    found = model.predict_middle([2, 3], [4, 2], k=99, length=3, width=2 * V, exact=exact)
    assert not found.exact
    assert found.visited == READ * 2 * V
    for one in found.candidates:
        assert (one.log_before, one.log_after) == pytest.approx(table[one.tokens], abs=1e-9)
    assert sum(table[found.candidates[0].tokens]) == pytest.approx(max(map(sum, table.values())), abs=1e-9)
    assert found.log_normaliser < normaliser(table)
    assert found.log_normaliser == pytest.approx(
        normaliser({one.tokens: table[one.tokens] for one in found.candidates})
    )
    rest = math.fsum(math.exp(a) for m, (a, _) in table.items() if m not in {one.tokens for one in found.candidates})
    assert found.unseen == pytest.approx(rest, rel=1e-6)
    assert "≈" in str(found)
    assert str(found).endswith(f"of {READ * 2 * V} that were looked at")
    assert str(model.predict_middle([2], [3])).endswith("of all 6")


def test_several_lengths_compete(model: LanguageModel) -> None:
    table = by_hand(model, [3], [4], 1) | by_hand(model, [3], [4], 2)
    for length in ((1, 2), range(1, 3), [2, 1, 1]):
        found = model.predict_middle([3], [4], k=V + V * V, length=length, width=2 * V)
        assert found.exact
        total = normaliser(table)
        assert {one.tokens: one.probability for one in found.candidates} == pytest.approx(
            {middle: math.exp(a + b - total) for middle, (a, b) in table.items()}, rel=1e-9
        )


# writing


def test_one_token_is_drawn_from_what_may_stand_there() -> None:
    chances = {one.tokens: one.probability for one in COUNTS.predict_middle([2, 3], [4, 2], k=V).candidates}
    drawn = [COUNTS.generate_middle([2, 3], [4, 2], Sampling(seed=seed)) for seed in range(200)]
    for tokens, chance in chances.items():
        share = np.mean([one.tokens == tokens for one in drawn])
        assert share == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 200) + 0.005)
    assert all(one.exact for one in drawn)


@pytest.mark.parametrize("length", [1, 2, (1, 3)])
def test_the_likeliest_at_temperature_0(model: LanguageModel, length: Any) -> None:
    best = model.predict_middle("the", "sings low", 1, length=length, width=2 * V).candidates[0]
    found = model.generate_middle("the", "sings low", Sampling(temperature=0), length=length, width=2 * V)
    assert found.tokens == best.tokens
    assert found.text == str(found) == WORDS.decode([2, *best.tokens, 4, 5])
    assert (found.left, found.middle, found.right) == ("the", best.text, "sings low")
    assert math.fsum(step.log_prob for step in found.steps) == pytest.approx(best.log_before, abs=1e-6)
    assert all(math.fsum(step.shares.values()) == pytest.approx(1) for step in found.steps)


# a model that was trained to fill in


def test_what_is_told_is_what_was_trained() -> None:
    """Every cut of the training, asked for again: what was read before the middle is what the model is told."""
    document = np.array([5, 6, 7, 8, 9, 0])
    seen = set[str]()
    for seed in range(40):
        (trained,) = infilled([document], FillInTheMiddle(13, 14, 15, rate=1.0, spm=0.5, end=0, seed=seed))
        cuts = itertools.combinations_with_replacement(range(6), 2)
        fits = [
            form
            for (first, second), form in itertools.product(cuts, FORMS)
            if [
                *told(Told(), document[:first], document[second:5], MARKS, form).tolist(),
                *document[first:second].tolist(),
                0,
            ]
            == trained.tolist()
        ]
        assert fits
        seen |= set(fits)
    assert seen == set(FORMS)


class Told:
    """The least that `told` asks of a model."""

    vocabulary = WordVocabulary([f"w{n}" for n in range(16)])
    context: int | None = None

    def ids(self, prompt: Any) -> np.ndarray:
        return np.asarray(prompt, np.int64)


@pytest.fixture(scope="module")
def filler() -> Any:
    """A tiny transformer that learned to count by ones, with the middle at the end."""
    pytest.importorskip("torch")
    import torch

    from polyloom.train.loop import train
    from polyloom.train.settings import Training
    from polyloom.transformer.config import Attention, TransformerConfig
    from polyloom.transformer.model import TransformerModel

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    words = WordVocabulary(["</s>", *(f"w{n}" for n in range(15))])
    config = TransformerConfig(words.size, width=32, layers=2, context=16, attention=Attention(2), begin=0)
    dice = np.random.default_rng(0)
    documents = [
        np.append((first + np.arange(length)) % 12 + 1, 0)
        for first, length in zip(dice.integers(0, 12, 500), dice.integers(4, 8, 500), strict=True)
    ]
    training = Training(steps=160, batch=16, infill=MARKS, sample_tokens=0, evaluate_every=160, threads=1)
    yield train(TransformerModel.build(config, words), documents, training, progress=False).model
    torch.set_num_threads(threads)


@pytest.mark.parametrize("form", FORMS)
def test_a_trained_model_fills_in(filler: Any, form: Any) -> None:
    right = 0
    for first in range(1, 7):
        told = filler.generate_middle([first, first + 1], [first + 4], Sampling(0), infill=MARKS, form=form)
        right += told.tokens == (first + 2, first + 3)
        found = filler.predict_middle([first, first + 1], [first + 3], infill=MARKS, form=form)
        assert found.exact
        right += found.candidates[0].tokens == (first + 2,)
        assert math.fsum(one.probability for one in found.candidates) <= 1
    assert right >= 10  # of 12


def test_a_trained_model_in_its_form_says_what_it_says(filler: Any) -> None:
    before = told(filler, np.array([3, 4]), np.array([6]), MARKS, "psm")
    table = by_hand(filler, before.tolist(), [0])
    found = filler.predict_middle([3, 4], [6], k=3, infill=MARKS)
    for one in found.candidates:
        assert (one.log_before, one.log_after) == pytest.approx(table[one.tokens], abs=1e-5)
    assert found.log_normaliser == pytest.approx(normaliser(table), abs=1e-5)
    unclosed = filler.predict_middle([3, 4], [6], k=3, infill=FillInTheMiddle(13, 14, 15))
    assert [one.log_after for one in unclosed.candidates] == [0, 0, 0]


def test_a_transformer_from_left_to_right(filler: Any) -> None:
    for left, right in (([3, 4], [6, 7]), ([], [2]), (list(range(1, 13)), [1, 2, 3, 4])):
        table, found = by_hand(filler, left, right), filler.predict_middle(left, right, k=16)
        assert found.log_normaliser == pytest.approx(normaliser(table), abs=1e-5)
        for one in found.candidates:
            assert (one.log_before, one.log_after) == pytest.approx(table[one.tokens], abs=1e-5)


def test_what_a_transformer_cannot_read_at_once(filler: Any) -> None:
    assert filler.context == 15
    with pytest.raises(InputError, match="14 tokens, the middle 2 or more; the model reads 15 at once"):
        filler.predict_middle([1] * 6, [2] * 5, length=2, infill=MARKS)
    with pytest.raises(InputError, match="Give less of the text"):
        filler.generate_middle([1], [2] * 20, infill=MARKS)
    assert len(filler.generate_middle([1] * 6, [2] * 5, Sampling(top_k=3), infill=MARKS).steps) <= 2
    assert Layered(filler, {}).context == 15


# what is refused


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"k": 0}, "k must be"),
        ({"length": 0}, "length must be"),
        ({"length": -1}, "length must be"),
        ({"length": 1.5}, "length must be"),
        ({"length": True}, "length must be"),
        ({"length": "ab"}, "length must be"),
        ({"length": ()}, "got none"),
        ({"length": (1, math.nan)}, "length must be"),
        ({"width": 0}, "width must be"),
        ({"infill": MARKS}, "outside"),
        ({"infill": FillInTheMiddle(1, 2, 3, end=99)}, "outside"),
        ({"infill": FillInTheMiddle(1, 2, 3), "form": "mps"}, "known are psm, spm"),
        ({"infill": (1, 2, 3)}, "must be the FillInTheMiddle"),
    ],
)
def test_what_cannot_be_asked(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        COUNTS.predict_middle("the", "sings", **values)


def test_sides_that_are_none() -> None:
    for left, right in (("  ", "sea"), ("the", " \n ")):
        with pytest.raises(InputError, match="has no token in this vocabulary"):
            COUNTS.predict_middle(left, right)
    nothing: Any = None
    with pytest.raises(InputError):
        COUNTS.predict_middle(nothing, "sea")
    with pytest.raises(InputError):
        COUNTS.predict_middle("the", [V])
    with pytest.raises(InputError, match="leave length out"):
        COUNTS.generate_middle("the", "sea", length=2, infill=MARKS)


def test_a_right_side_that_cannot_be() -> None:
    rows = np.full((V + 1, V), -np.inf)
    rows[:, 2] = 0.0
    with pytest.raises(InputError, match="No middle is possible"):
        Constant(WORDS, rows).predict_middle([], [3])
    only = Constant(WORDS, rows).predict_middle([], [2], k=V)
    assert [one.probability for one in only.candidates] == [1, 0, 0, 0, 0, 0]
