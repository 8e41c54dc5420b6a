"""Every way to put models together inside every other: the laws that nesting could break, and the way through a file.

The contract holds each way by itself; here stands that none of them cares what its members are made of.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import polyloom
from contract import distribution, logsumexp, nodes, shape, teacher_forced
from polyloom import AssociationModel, LanguageModel, Layer, Layered, WordVocabulary
from polyloom.compose.algebra import difference, interpolate, intersection
from polyloom.compose.contrast import Contrast, avoid
from polyloom.compose.ensemble import Ensemble
from polyloom.compose.gated import Gated
from polyloom.compose.lane import Lane
from polyloom.compose.rejecting import Rejecting
from polyloom.compose.routed import Routed
from polyloom.compose.routing.keyword import ByKeyword
from polyloom.compose.routing.likelihood import ByLikelihood
from polyloom.compose.sequenced import Sequenced
from polyloom.compose.stage import Stage
from polyloom.compose.votes import VOTES
from polyloom.kinds import COMPOSITES
from toolkit.compose.test_hybrid import counted

WORDS = WordVocabulary(["</s>", "<unk>", *(f"w{n}" for n in range(28))])
REJECTED = counted(WORDS, 3, 200)
TEXT = np.random.default_rng(5).integers(0, 30, 40)
CLOSE = 2e-5  # the transformer computes in float32, and what is taken from what it says enlarges that
LANE = Lane([(0, 0.2), (25, 3.0)])

Way = Callable[[LanguageModel, LanguageModel], LanguageModel]
WAYS: dict[str, Way] = {
    "layered": lambda a, b: Layered(a, {"b": Layer(b, 0.4)}, name="a"),
    "layered, log": lambda a, b: Layered(a, {"b": Layer(b, -0.2)}, pool="log", name="a"),
    "laned": lambda a, b: Layered(a, {"b": Layer(b, 0.4)}, name="a").with_lanes({"b": LANE}),
    "laned, log": lambda a, b: Layered(a, {"b": Layer(b, 0.4)}, pool="log", name="a").with_lanes({"b": LANE}),
    "gated": lambda a, b: Gated({"a": a, "b": b}),
    "sequenced": lambda a, b: Sequenced([Stage(a, until="w3", tokens=9), Stage(b, tokens=12), Stage(a)], fade=4),
    "routed by likelihood": lambda a, b: Routed(ByLikelihood(), {"a": a, "b": b}),
    "routed by keyword": lambda a, b: Routed(ByKeyword({"a": ["w3"], "b": ["w5"]}), {"a": a, "b": b}, policy="best"),
    **{f"ensemble, {vote}": lambda a, b, vote=vote: Ensemble({"a": a, "b": b}, vote=vote) for vote in VOTES},
    "contrast": lambda a, b: Contrast(a, b, 0.5),
    "avoiding": lambda a, b: avoid(a, b, 0.5),
    "rejecting": lambda a, b: Rejecting(interpolate(a, b, 0.2), REJECTED, 0.5),
    "intersection": intersection,
    "difference": difference,
}


@pytest.fixture(scope="module")
def leaves() -> tuple[AssociationModel, LanguageModel, LanguageModel]:
    """Counts, other counts, and a transformer of two small layers."""
    pytest.importorskip("torch")
    from polyloom.transformer.config import Attention, TransformerConfig
    from polyloom.transformer.model import TransformerModel

    config = TransformerConfig(WORDS.size, width=16, layers=2, context=64, attention=Attention(2), begin=None)
    return counted(WORDS, 1, 400), counted(WORDS, 2, 400), TransformerModel.build(config, WORDS, seed=1)


def test_every_way_that_a_file_can_hold_is_here(leaves: tuple[LanguageModel, ...]) -> None:
    assert {way(*leaves[:2]).state()[0]["kind"] for way in WAYS.values()} == set(COMPOSITES)


@pytest.mark.long
@pytest.mark.parametrize("inner", WAYS)
@pytest.mark.parametrize("outer", WAYS)
def test_in_each_other(outer: str, inner: str, leaves: tuple[LanguageModel, ...], tmp_path: Path) -> None:
    counts, others, network = leaves
    model = WAYS[outer](WAYS[inner](counts, network), others)
    rows = teacher_forced(model, TEXT)
    assert np.abs(logsumexp(rows)).max() <= 1e-5
    np.testing.assert_allclose(model.log_likelihood(TEXT), rows[np.arange(len(TEXT)), TEXT], atol=CLOSE)

    one_by_one, at_once = model.begin(), model.begin()
    at_once.extend(TEXT[:20])
    for row, token in zip(rows[:20], TEXT[:20].tolist(), strict=True):
        np.testing.assert_allclose(distribution(one_by_one), row, atol=CLOSE)
        one_by_one.advance(token)
    here = distribution(at_once)
    np.testing.assert_allclose(here, distribution(one_by_one), atol=CLOSE)
    order = sorted(range(WORDS.size), key=lambda token: (-here[token], token))
    assert at_once.top(5).tokens.tolist() == order[:5]

    kept, ahead = at_once.fork(), at_once.fork()
    ahead.extend(TEXT[20:30])
    np.testing.assert_allclose(distribution(ahead.back(10)), here, atol=CLOSE)
    np.testing.assert_allclose(distribution(kept), here, atol=CLOSE)
    np.testing.assert_allclose(distribution(ahead.rebind(model)), rows[30], atol=CLOSE)

    account, other = (at_once.explain(int(token)) for token in order[:2])
    assert account.probability == pytest.approx(np.exp(here[order[0]]), rel=2e-6)
    assert shape(account) == shape(other)
    for node in nodes(account):
        exact = 1e-4 if node.scale == "logit" else 1e-9
        assert sum(term.contribution for term in node.terms) == pytest.approx(node.total, abs=exact)

    again = polyloom.load(model.save(tmp_path / "mix.psamc"))
    assert again.digest == model.digest
    np.testing.assert_allclose(again.log_likelihood(TEXT), model.log_likelihood(TEXT), atol=1e-9)
