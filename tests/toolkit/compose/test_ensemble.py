"""Ensembles: the laws, each vote by its definition, how far members disagree, accounts, files, what is refused."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract, distribution, logsumexp
from polyloom import (
    AssociationModel,
    Ensemble,
    Gated,
    InputError,
    LanguageModel,
    Layer,
    Layered,
    Sampling,
    VocabularyMismatch,
)
from polyloom.compose.votes import SMOOTHING, VOTES
from toolkit.compose.constant import random_models
from toolkit.compose.damaged import refused
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS, WORDS, skewed

PAIR: dict[str, LanguageModel] = {"counts": COUNTS, "b": OTHERS}
MEMBERS: dict[str, LanguageModel] = {"network": NETWORK, **PAIR}
MAKES: dict[str, Callable[[], LanguageModel]] = {
    **{vote: (lambda vote=vote: Ensemble(MEMBERS, vote)) for vote in VOTES},
    "one inside the other": lambda: Ensemble(
        {
            "ensemble": Ensemble(PAIR, "majority"),
            "mix": Layered(COUNTS, {"votes": Layer(Ensemble(PAIR, "product"), 0.5)}),
            "gate": Gated({"rank": Ensemble(PAIR, "rank"), "b": OTHERS}),
        },
        "confidence",
    ),
}


@pytest.mark.long
class TestEnsemble(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


# each vote by its definition


def points(rows: list[np.ndarray], k: int) -> list[float]:
    """What each token gets from member k, place by place; tied tokens get the mean of their places."""
    orders = [sorted(range(len(row)), key=lambda y: (-row[y], y)) for row in rows]
    worth = [
        math.fsum(math.exp(r[o[n]]) for r, o in zip(rows, orders, strict=True)) / len(rows) for n in range(len(rows[0]))
    ]
    found = dict(zip(orders[k], worth, strict=True))
    tied = [[y for y in range(len(rows[k])) if rows[k][y] == rows[k][x]] for x in range(len(rows[k]))]
    return [math.fsum(found[y] for y in group) / len(group) for group in tied]


def voted(vote: str, rows: list[np.ndarray]) -> np.ndarray:
    """The chances of all tokens, in the plainest way."""
    chances, count, size = np.exp(rows), len(rows), len(rows[0])
    mean = chances.sum(0) / count
    if vote == "mean":
        return mean
    if vote == "product":
        product = chances.prod(0) ** (1 / count)
        return product / product.sum()
    if vote == "confidence":
        sure = [max(0, 1 + sum(p * math.log(p) for p in row if p) / math.log(size)) for row in chances.tolist()]
        share = sum(c * row for c, row in zip(sure, chances, strict=True)) / sum(sure) if any(sure) else mean
    elif vote == "rank":
        share = np.mean([points(rows, k) for k in range(count)], axis=0)
    else:
        share = np.zeros(size)
        for row in rows:
            share[int(row.argmax())] += 1 / count
    return (1 - SMOOTHING) * share + SMOOTHING * mean


@pytest.mark.parametrize("vote", VOTES)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.01, 1.0, 4.0]), st.booleans())
def test_a_vote_is_what_its_definition_says(vote: str, seed: int, count: int, spread: float, ties: bool) -> None:
    models = random_models(seed, count, 6, spread)
    for model in models[: count * ties]:
        model.rows = np.log(np.maximum(np.round(np.exp(model.rows), 1), 0.1))
        model.rows -= logsumexp(model.rows)[:, None]
    place = Ensemble({str(n): model for n, model in enumerate(models)}, vote).begin([seed % 6])
    expected = voted(vote, [distribution(model.begin([seed % 6])) for model in models])
    np.testing.assert_allclose(np.exp(place.distribution()), expected, rtol=1e-9)


def told(*chances: list[float]) -> dict[str, LanguageModel]:
    """Members that say the same everywhere."""
    models = random_models(0, len(chances), len(chances[0]))
    with np.errstate(divide="ignore"):
        for model, row in zip(models, chances, strict=True):
            model.rows = np.log(row) + np.zeros((len(row) + 1, 1))
    return {chr(97 + n): model for n, model in enumerate(models)}


def test_votes_worked_by_hand() -> None:
    members = told([0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.1, 0.8, 0.1])
    mean, worth = np.array([0.4, 0.4, 0.2]), (np.array([0.6 + 0.5 + 0.8, 0.3 + 0.4 + 0.1, 0.1 + 0.1 + 0.1])) / 3
    tied = (worth[1] + worth[2]) / 2  # the third member is undecided between the first and the last token
    ranks = np.array([worth[0] + worth[0] + tied, worth[1] + worth[2] + worth[0], worth[2] + worth[1] + tied]) / 3
    product = np.cbrt([0.6 * 0.5 * 0.1, 0.3 * 0.1 * 0.8, 0.1 * 0.4 * 0.1])
    for vote, chances in {
        "mean": mean,
        "product": product / product.sum(),
        "majority": 0.99 * np.array([2 / 3, 1 / 3, 0]) + 0.01 * mean,
        "rank": 0.99 * ranks + 0.01 * mean,
    }.items():
        np.testing.assert_allclose(np.exp(Ensemble(members, vote).begin().distribution()), chances, rtol=1e-12)


def test_the_first_of_equally_likely_tokens_gets_the_vote() -> None:
    found = np.exp(Ensemble(told([0.2, 0.4, 0.4]), "majority").begin().distribution())
    np.testing.assert_allclose(found, [0.002, 0.994, 0.004], rtol=1e-12)


@pytest.mark.parametrize("vote", VOTES)
def test_members_that_agree_are_left_as_they_are(vote: str) -> None:
    alone, twice = Ensemble({"a": COUNTS}, vote).begin([3, 4]), Ensemble({"a": COUNTS, "b": COUNTS}, vote).begin([3, 4])
    np.testing.assert_allclose(alone.distribution(), twice.distribution(), atol=1e-12)
    if vote != "majority":
        np.testing.assert_allclose(alone.distribution(), COUNTS.begin([3, 4]).distribution(), atol=1e-12)


@pytest.mark.parametrize("vote", VOTES)
def test_the_order_of_members_does_not_matter(vote: str) -> None:
    text, back = skewed(WORDS.size, 4, 40), dict(reversed(MEMBERS.items()))
    ours, theirs = Ensemble(MEMBERS, vote).log_likelihood(text), Ensemble(back, vote).log_likelihood(text)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(("vote", "pool"), [("mean", "linear"), ("product", "log")])
def test_mean_and_product_are_pools_at_even_weights(vote: str, pool: str) -> None:
    ensemble, text = Ensemble(MEMBERS, vote), skewed(WORDS.size, 3, 30)
    others = {name: Layer(MEMBERS[name], 1 / 3) for name in ("counts", "b")}
    mix = Layered(NETWORK, others, pool, name="network", weight=1 / 3)
    np.testing.assert_allclose(ensemble.begin(text).distribution(), mix.begin(text).distribution(), atol=1e-12)
    np.testing.assert_allclose(ensemble.log_likelihood(text), mix.log_likelihood(text), atol=1e-12)
    ours, theirs = ensemble.begin(text).explain(5), mix.begin(text).explain(5)
    assert [term.name for term in ours.terms] == [term.name for term in theirs.terms]
    assert ours.total == pytest.approx(theirs.total, abs=1e-12)


def test_order_alone_counts_by_rank() -> None:
    """Who says the same more loudly wins nothing against the others: everybody's places are worth as much."""
    calm, loud = [0.4, 0.35, 0.25], [0.01, 0.01 + 1e-6, 0.98 - 1e-6]
    place = Ensemble(told(calm, loud), "rank").begin()
    assert place.distribution()[0] == pytest.approx(np.log(0.99 * 0.5 * (0.69 + 0.13) + 0.01 * 0.205), abs=1e-4)
    assert np.exp(Ensemble(told(calm, loud)).begin().distribution())[0] == pytest.approx(0.205)


def test_the_sure_are_heard() -> None:
    sure, unsure, uniform = [0.9, 0.05, 0.05], [0.2, 0.4, 0.4], [1 / 3, 1 / 3, 1 / 3]
    heard = np.exp(Ensemble(told(sure, unsure), "confidence").begin().distribution())
    assert heard[0] > 0.8 > np.exp(Ensemble(told(sure, unsure)).begin().distribution())[0]
    alone = np.exp(Ensemble(told([1.0, 0.0, 0.0], uniform), "confidence").begin().distribution())
    np.testing.assert_allclose(alone, 0.995 * np.array([1, 0, 0]) + 0.005 / 3, rtol=1e-12)
    nobody = Ensemble(told(uniform, uniform), "confidence").begin()
    np.testing.assert_allclose(np.exp(nobody.distribution()), 1 / 3, rtol=1e-12)


@pytest.mark.parametrize("vote", VOTES)
def test_what_one_member_finds_possible_stays_possible_unless_others_may_veto(vote: str) -> None:
    members = told([0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0])
    found = np.exp(Ensemble(members, vote).begin().distribution())
    assert found.sum() == pytest.approx(1)
    assert (found > 0).tolist() == ([False, True, False, False] if vote == "product" else [True, True, True, False])
    with np.errstate(divide="ignore"):
        likelihood = np.log(found[1:])
    np.testing.assert_allclose(Ensemble(members, vote).log_likelihood([1, 2, 3]), likelihood, rtol=1e-12)


def test_a_product_that_all_veto_says_so() -> None:
    with pytest.raises(InputError, match="no token is possible"):
        Ensemble(told([1.0, 0.0], [0.0, 1.0]), "product").begin().distribution()


# how far they disagree


@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(0, 6))
def test_disagreement_is_the_entropy_of_the_mean_beyond_the_mean_entropy(seed: int, count: int, spread: float) -> None:
    models = random_models(seed, count, 7, spread)
    place = Ensemble({str(n): model for n, model in enumerate(models)}).begin()
    chances = np.exp([distribution(model.begin()) for model in models])

    def entropy(row: np.ndarray) -> float:
        return -math.fsum(p * math.log(p) for p in row.tolist() if p)

    expected = entropy(chances.mean(0)) - math.fsum(map(entropy, chances)) / count
    assert place.disagreement() == pytest.approx(expected, abs=1e-12)
    assert 0 <= place.disagreement() <= math.log(count) + 1e-12


def test_disagreement_of_all_and_of_nothing() -> None:
    assert Ensemble({"a": COUNTS, "b": COUNTS}).begin([3]).disagreement() == 0
    apart = told([0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0.2, 0.8])
    assert Ensemble(apart, "majority").begin().disagreement() == pytest.approx(math.log(3), rel=1e-12)


@pytest.mark.parametrize("vote", ["mean", "rank"])
def test_disagreements_of_a_text_are_those_of_its_places(vote: str) -> None:
    ensemble, text = Ensemble(MEMBERS, vote), skewed(WORDS.size, 6, 40)
    found, place = ensemble.disagreements(text), ensemble.begin()
    assert found.shape == (40,)
    for at, token in enumerate(text.tolist()):
        assert place.disagreement() == pytest.approx(found[at], abs=1e-9)
        place.advance(token)
    assert ensemble.disagreements([]).shape == (0,)
    with pytest.raises(InputError):
        ensemble.disagreements([WORDS.size])


def test_a_generation_shows_where_members_disagreed() -> None:
    ensemble = Ensemble(MEMBERS, "majority")
    written = ensemble.generate([3], Sampling(max_tokens=8, seed=2))
    text = written.scrub(len(written.steps)).tokens
    found: list[Any] = [written.scrub(n) for n in range(len(written.steps))]
    np.testing.assert_allclose([place.disagreement() for place in found], ensemble.disagreements(text)[1:], atol=1e-9)


# accounts


@pytest.mark.parametrize("vote", ["majority", "rank"])
def test_an_account_opens_into_vote_and_probability(
    vote: str, sea: AssociationModel, lullabies: AssociationModel
) -> None:
    place = Ensemble({"sea": sea, "lullabies": lullabies}, vote).begin("At night the")
    chosen = int(sea.begin("At night the").top(1).tokens[0])
    account = place.explain(chosen)
    assert account.scale == "probability"
    assert [term.name for term in account.terms] == ["sea", "lullabies"]
    for term, model in zip(account.terms, (sea, lullabies), strict=True):
        assert term.child is not None
        ballot, own = term.child.terms
        assert (ballot.name, own.name) == ("vote", "own probability")
        assert own.child == model.explain("At night the", chosen)
        assert own.contribution == pytest.approx(0.005 * own.child.probability)
    first = account.terms[0]
    assert first.detail == ("votes for it" if vote == "majority" else f"place 1 of {sea.vocabulary.size}")
    if vote == "majority":
        assert first.contribution == pytest.approx(0.99 / 2 + 0.005 * sea.explain("At night the", chosen).probability)
    assert account.evidence() == sea.explain("At night the", chosen).evidence() != ()


def test_confidence_says_how_sure_each_is(sea: AssociationModel, lullabies: AssociationModel) -> None:
    account = Ensemble({"sea": sea, "lullabies": lullabies}, "confidence").begin("At night the").explain("tide")
    assert all("confidence 0." in term.detail for term in account.terms)
    assert account.terms[0].child == sea.explain("At night the", "tide")


@pytest.mark.parametrize("vote", VOTES)
def test_shares_are_those_of_the_account(vote: str, sea: AssociationModel, lullabies: AssociationModel) -> None:
    ensemble = Ensemble({"sea": sea, "lullabies": lullabies}, vote)
    place = ensemble.begin("At night the tide")
    assert place.shares("moon") == pytest.approx(place.explain("moon").shares())
    assert place.shares("tide", ago=1) == pytest.approx(ensemble.begin("At night the").explain("tide").shares())


# what it is for


def test_members_that_know_different_halves_know_more_together(voices: dict[str, tuple[str, ...]], words: Any) -> None:
    texts = voices["sea"]
    members = {str(n): AssociationModel.fit(texts[n:30:3], words, order=3) for n in range(3)}
    judged = [ids for text in texts[30:34] for ids in [words.encode(text)]]
    alone = min(model.perplexity(judged) for model in members.values())
    for vote in ("mean", "product", "confidence", "rank"):
        assert Ensemble(members, vote).perplexity(judged) < alone


# files


@pytest.mark.parametrize("vote", VOTES)
def test_it_comes_back_from_a_file(vote: str, sea: Any, lullabies: Any, tmp_path: Path) -> None:
    inner = Ensemble({"sea": sea, "lullabies": lullabies}, vote)
    for model in (inner, Layered(inner, {"sea": Layer(sea, 0.2)}), Ensemble({"inner": inner, "sea": sea}, vote)):
        for members in ("embed", "reference"):
            path = model.save(tmp_path / "mix.psamc", members=members)
            polyloom.verify(path)
            again = polyloom.load(path)
            assert repr(again) == repr(model)
            assert again.digest == model.digest
            expected = distribution(model.begin("At night the"))
            np.testing.assert_array_equal(distribution(again.begin("At night the")), expected)


def test_digests_tell_votes_and_names_apart() -> None:
    models = [Ensemble(MEMBERS, vote) for vote in VOTES]
    models += [Ensemble({"x": NETWORK, "y": COUNTS, "z": OTHERS}), Ensemble(dict(reversed(MEMBERS.items())))]
    assert len({model.digest for model in models}) == len(models)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"names": ["sea"]}, "names 1 members and holds 2"),
        ({"names": ["sea", "sea"]}, "names 1 members and holds 2"),
        ({"names": [1, 2]}, "name of a member as text"),
        ({"names": None}, "is damaged"),
        ({"members": []}, "names 2 members and holds 0"),
        ({"vote": "loudest"}, "Unknown vote 'loudest'"),
        ({"vote": ["mean"]}, "Unknown vote"),
    ],
)
def test_a_damaged_file_is_told(sea: Any, lullabies: Any, tmp_path: Path, damage: dict[str, Any], said: str) -> None:
    refused(Ensemble({"sea": sea, "lullabies": lullabies}), tmp_path, damage, said)


# what is refused


def test_what_cannot_be_an_ensemble(sea: AssociationModel) -> None:
    wrong: list[tuple[Any, Any, str]] = [
        ({}, "mean", "Expected members by name"),
        ([sea], "mean", "Expected members by name"),
        ({"a": None}, "mean", "Member 'a' holds a NoneType; expected a model"),
        ({"a": sea}, "loudest", "Unknown vote 'loudest'; known are mean, product, majority, rank, confidence"),
        ({"a": sea}, None, "Unknown vote None"),
        ({"a": sea}, 1.0, "Unknown vote 1.0"),
    ]
    for members, vote, said in wrong:
        with pytest.raises(InputError, match=said):
            Ensemble(members, vote)
    with pytest.raises(VocabularyMismatch, match=r"Member 'b' speaks .*, 'a' speaks"):
        Ensemble({"a": sea, "b": COUNTS})


def test_it_says_who_votes() -> None:
    assert repr(Ensemble(MEMBERS, "rank")) == "<Ensemble network, counts, b: rank>"
    assert Ensemble(MEMBERS).vote == "mean"
