"""The contract has teeth: a model that breaks one law is caught by the test of that law."""

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import numpy as np
import pytest

from contract import LanguageModelContract, fingerprint
from polyloom import AssociationModel, Candidates, Explanation, WordVocabulary
from polyloom.association.continuation import AssociationContinuation as Place

RNG = np.random.default_rng
CONTEXT = np.array([0, 1])


@pytest.fixture
def model() -> AssociationModel:
    return AssociationModel.fit(["a b c a b a d", "c a b d b"], WordVocabulary(["</s>", *"abcd"]), order=3)


@pytest.fixture
def contexts() -> dict[str, np.ndarray]:
    return {"long": RNG(1).integers(0, 5, 10_000), "short": CONTEXT}


def too_loud(place: Place, was: Callable[[Place], np.ndarray]) -> np.ndarray:
    return was(place) + 1e-3


def worst_first(place: Place, was: Callable[..., Candidates], k: int = 10) -> Candidates:
    found = was(place, k)
    return Candidates(found.tokens[::-1], found.log_probs[::-1])


def the_same_place(place: Place, was: Callable[[Place], Place]) -> Place:
    return place


def one_too_late(
    model: AssociationModel, was: Callable[..., Iterator[np.ndarray]], tokens: Any
) -> Iterator[np.ndarray]:
    for block in was(model, tokens):
        yield np.roll(block, 1, axis=0)


def all_at_once(model: AssociationModel, was: Callable[..., Iterator[np.ndarray]], tokens: Any) -> Iterator[np.ndarray]:
    yield np.broadcast_to(np.log(1 / 1_000), (len(model.ids(tokens)), 1_000))


def a_term_lost(place: Place, was: Callable[..., Explanation], token: int) -> Explanation:
    found = was(place, token)
    return Explanation(found.piece, found.context, found.scale, found.terms[:-1], found.total)


def only_what_counts(place: Place, was: Callable[..., Explanation], token: int) -> Explanation:
    found = was(place, token)
    kept = tuple(term for term in found.terms if term.contribution > 0.05)
    return Explanation(found.piece, found.context, found.scale, kept, found.total)


def rows_before(place: Place, was: Callable[..., np.ndarray], tokens: Any) -> np.ndarray:
    return np.roll(was(place, tokens), 1, axis=0)


BROKEN = {
    "not normalised": (Place, "distribution", too_loud, "test_distribution_is_normalised"),
    "badly sorted": (Place, "top", worst_first, "test_top_is_the_head_of_the_sorted_distribution"),
    "forks that are the same": (Place, "fork", the_same_place, "test_forks_are_independent"),
    "log_probs late": (
        AssociationModel,
        "log_probs",
        one_too_late,
        "test_row_t_of_log_probs_is_given_the_tokens_before_t",
    ),
    "blocks too large": (AssociationModel, "log_probs", all_at_once, "test_log_probs_come_in_blocks_of_at_most_64_mb"),
    "a term lost": (Place, "_explain", a_term_lost, "test_every_node_of_an_explanation_sums"),
    "small terms lost": (Place, "_explain", only_what_counts, "test_explanations_in_one_place_have_one_shape"),
    "rows before": (Place, "extend", rows_before, "test_extend_is_repeated_advance"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_model_is_caught(
    fault: str, model: AssociationModel, contexts: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, method, broken, law = BROKEN[fault]
    given = {"model": model, "context": CONTEXT, "contexts": contexts, "rng": RNG(3)}
    test = getattr(LanguageModelContract(), law)
    wanted = {name: given[name] for name in signature(test).parameters}
    test(**wanted)
    was = getattr(owner, method)
    monkeypatch.setattr(owner, method, lambda self, *rest: broken(self, was, *rest))
    with pytest.raises(AssertionError):
        test(**wanted)


def test_a_changed_model_is_noticed(model: AssociationModel) -> None:
    before = fingerprint(model)
    assert fingerprint(model) == before
    model.gate.weights[0, 0] += 1e-9
    assert fingerprint(model) != before
