"""The priority that a manifest states: odds before anything is read, a term of the account, and no more than that."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract import nodes
from polyloom import InputError, Router
from polyloom.compose.routing.router.expert import experts_of
from toolkit.compose.router.experts import EXAMPLES


def leaning(**priorities: float) -> Router:
    """A router of the sample experts with these priorities."""
    told = {name: {"examples": texts} for name, texts in EXAMPLES.items()}
    for name, priority in priorities.items():
        told[name] = {**told[name], "routing": {"priority": priority}}
    return Router.fit(told)


def test_odds_are_as_the_priorities_where_a_text_says_nothing() -> None:
    """Two experts with the same words: nothing but the priority tells them apart."""
    words = {"description": "when the tide is high", "tags": ["sea", "harbour"]}
    told: dict[str, Any] = {name: dict(words) for name in ("first", "second")}
    even = Router.fit(told).route("high tide").scores
    assert even["first"] == pytest.approx(even["second"], rel=1e-3)
    told["second"]["routing"] = {"priority": 0.9}
    told["first"]["routing"] = {"priority": 0.3}
    for text in ("high tide", "zebra"):
        found = Router.fit(told).route(text)
        assert found.best == "second"
        assert found.scores["second"] / found.scores["first"] == pytest.approx(3, rel=1e-3)


def test_words_outweigh_it() -> None:
    names = list(EXAMPLES)
    ours = leaning(**{names[0]: 0.0, names[1]: 1.0})
    for name, texts in EXAMPLES.items():
        for text in texts:
            assert ours.route(text).best == name


def test_it_is_a_term_of_the_account_and_survives_a_file(tmp_path: Path) -> None:
    name = next(iter(EXAMPLES))
    ours = leaning(**{name: 0.8})
    text = EXAMPLES[name][0]
    found = ours.route(text)
    for node in (*nodes(found.explanation), *nodes(ours.account(text))):
        assert abs(node.residual) < 1e-9
    opened = found.explanation.terms[0].child
    assert opened is not None
    (term,) = [term for term in opened.terms if term.name == "its priority"]
    assert term.contribution == pytest.approx(math.log(0.8 / 0.5))
    again = Router.load(ours.save(tmp_path / "router"))
    assert again.route(text).scores == ours.with_threshold(0.2).route(text).scores == found.scores


def test_the_usual_one_says_nothing() -> None:
    plain, stated = Router.fit(EXAMPLES), leaning(**dict.fromkeys(EXAMPLES, 0.5))
    assert plain.route("high tide").scores == stated.route("high tide").scores
    assert not np.any(plain.leanings)
    assert "its priority" not in [term.name for node in nodes(plain.route("a").explanation) for term in node.terms]


def test_the_least_is_not_never() -> None:
    told = experts_of({name: {"tags": [name], "routing": {"priority": 0}} for name in ("a", "b")})
    assert told["a"].leaning == pytest.approx(math.log(0.1))


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), "high", None, True])
def test_what_is_no_priority_is_refused(wrong: object) -> None:
    told = {name: {"tags": [name], "routing": {"priority": wrong}} for name in ("a", "b")}
    with pytest.raises(InputError, match="priority of 'a' must be a finite number from 0 to 1"):
        Router.fit(told)
