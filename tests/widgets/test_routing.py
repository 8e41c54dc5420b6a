"""The view of routing: its tables against their models, costs against other models, what the page decides, forms."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polyloom
from polyloom import AssociationModel, ByLikelihood, ByteVocabulary, InputError, Routed, Router
from polyloom.transformer.config import Attention, Experts, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.surgery import force, steer
from polyloom_datasets import load
from polyloom_widgets import RoutingView
from polyloom_widgets.base import bundle as module
from polyloom_widgets.base.bundle import bundle
from polyloom_widgets.routing.choices import choices
from widgets.talk import Page

TEXT = "the captain went to sea"
EXAMPLES = {
    "sea": ["is it high tide", "the ship is at sea", "salt and waves", "the harbour is full of boats"],
    "law": ["who is liable", "the court and the contract", "pay the fine", "the party shall pay"],
    "kitchen": ["salt in the soup", "bake bread in the oven", "boil an egg", "a pinch of salt and butter"],
}


@pytest.fixture(scope="module")
def mixture() -> TransformerModel:
    config = TransformerConfig(
        257, width=32, layers=3, context=64, attention=Attention(heads=2, kv_heads=2), experts=Experts(6, 2)
    )
    made = TransformerModel.build(config, ByteVocabulary(), seed=1)
    for n, part in made.decoder.mixtures.items():
        torch.nn.init.normal_(part.router.weight, std=0.3, generator=torch.Generator().manual_seed(n))
    return made


@pytest.fixture(scope="module")
def routed() -> Routed:
    mix = polyloom.weave({"sea": load("sea"), "law": load("contracts")})[0]
    return Routed(ByLikelihood(), mix.models)


@pytest.fixture(scope="module")
def router() -> Router:
    return Router.fit(EXAMPLES)


def test_a_mixture_is_what_was_captured(mixture: TransformerModel) -> None:
    pieces, tables = choices(mixture, TEXT)
    captured = mixture.capture(TEXT)
    assert pieces == captured.pieces
    for table, one in zip(tables, captured.routing, strict=True):
        np.testing.assert_allclose(table.scores, one.probabilities, atol=1e-7)
        np.testing.assert_allclose(table.margins, one.margins, atol=1e-6)
        np.testing.assert_allclose(table.load, one.load, atol=1e-6)
        np.testing.assert_allclose(table.entropy, one.entropy / np.log(2), atol=1e-5)
        for row, chosen in zip(table.chosen(), one.chosen, strict=True):
            assert row.nonzero()[0].tolist() == sorted(chosen.tolist())


def test_members_are_who_spoke(routed: Routed) -> None:
    pieces, (table,) = choices(routed, TEXT)
    assert "".join(pieces) == routed.vocabulary.decode(routed.ids(TEXT))
    np.testing.assert_allclose(table.scores, routed.spoken(TEXT), atol=1e-7)
    np.testing.assert_allclose(table.load, table.scores.mean(0), atol=1e-6)


def test_what_moving_a_bias_costs(mixture: TransformerModel) -> None:
    view = RoutingView(mixture, TEXT, held_out=["a ship", "the tide is low"])
    view.table = 1
    view.moved = [0, 0.05, 0, 0, -0.02, 0]
    steered, ids = steer(mixture, {(1, 1): 0.05, (1, 4): -0.02}), mixture.ids(TEXT)
    change = mixture.log_likelihood(ids).mean() - steered.log_likelihood(ids).mean()
    assert view.cost["text"] == pytest.approx(
        change, abs=1e-6
    )  # another way of adding the experts, once it is compiled
    before, after = (one.capture(TEXT).routing[1].chosen for one in (mixture, steered))
    gone = sum(len(set(a) - set(b)) for a, b in zip(before.tolist(), after.tolist(), strict=True))
    assert view.cost["rerouted"] == pytest.approx(gone / before.size)
    assert set(view.cost) == {"text", "held_out", "rerouted"}
    view.moved = []
    assert view.cost == {}


def test_what_it_costs_if_one_is_alone(mixture: TransformerModel, routed: Routed) -> None:
    ids = mixture.ids(TEXT)
    forced = force(mixture, experts=[(0, 4)])
    found = RoutingView(mixture, TEXT).alone(4)
    assert found["text"] == pytest.approx(
        mixture.log_likelihood(ids).mean() - forced.log_likelihood(ids).mean(), abs=1e-6
    )
    view, ids = RoutingView(routed, TEXT), routed.ids(TEXT)
    alone = routed.log_likelihood(ids).mean() - routed.models["law"].log_likelihood(ids).mean()
    assert view.alone("law") == {"text": pytest.approx(alone)}
    assert Page(view).ask({"op": "alone", "id": 1, "expert": 1})["cost"] == view.alone("law")  # type: ignore[arg-type]


def test_the_page_decides_as_python_does(mixture: TransformerModel, router: Router) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run JavaScript")
    code = bundle(Path(module.__file__).parents[1] / "routing" / "chooser.js").replace("export ", "")
    _, (table, *_) = choices(mixture, TEXT)
    moved = np.array([0.03, 0, -0.1, 0, 0.02, 0.01], np.float32)
    view = RoutingView(router, "the tide is salt and the contract is wet")
    given = {
        "table": {"kind": "mixture", "name": "x", "experts": list(table.experts), "active": 2, "bias": [0] * 6,
                  "threshold": 0, "rows": len(table.scores)},
        "scores": table.scores.tolist(), "moved": moved.tolist(), "parts": view.parts,
    }  # fmt: skip
    run = """
    const out = { chosen: given.scores.map((row) => chosenOf(given.table, row, given.moved)),
      flips: given.scores.map((row) => given.table.experts.map((_, e) => flipDistance(given.table, row, [], e))),
      loads: loads(given.table, (t) => given.scores[t], given.moved), bits: given.scores.map(bitsOf),
      asis: routedAnew(given.parts, {}), without: routedAnew(given.parts, { contract: 0 }),
      levels: {} };
    for (const name of Object.keys(given.parts.features)) out.levels[name] = levelAt(given.parts, {}, name);
    console.log(JSON.stringify(out));"""
    script = f"{code}\nconst given = {json.dumps(given)};\n{run}"
    done = subprocess.run([node, "--input-type=module"], input=script, capture_output=True, text=True, check=True)
    out = json.loads(done.stdout)
    chosen = table.chosen(moved)
    assert [sorted(row) for row in out["chosen"]] == [row.nonzero()[0].tolist() for row in chosen]
    assert out["loads"]["rerouted"] == pytest.approx((table.chosen() & ~chosen).sum() / table.chosen().sum())
    np.testing.assert_allclose(out["bits"], table.entropy, atol=1e-5)
    for row, flips in zip(table.scores, out["flips"], strict=True):
        for e, far in enumerate(flips):
            for step, now in ((far * 1.001, True), (far * 0.999, False)):
                offsets = np.zeros(6, np.float32)
                offsets[e] = step
                before = e in np.argsort(-row, kind="stable")[:2]
                after = e in np.argsort(-(row + offsets), kind="stable")[:2]
                assert (before != after) is now
    assert out["asis"]["scores"] == pytest.approx(list(router.route(view.text).scores.values()), abs=1e-5)
    flips = router.route(view.text).flips()
    assert {n: level for n, level in out["levels"].items() if level is not None} == {
        name: pytest.approx(1 - flips[name], abs=1e-3 * max(1, abs(flips[name])))
        for name in out["levels"]
        if name in flips
    }
    contract = router.parts(view.text)["contract"]
    z = np.log(out["asis"]["scores"]) - contract
    expected = np.exp(z) / (np.exp(z).sum() + out["asis"]["none"])
    assert out["without"]["scores"] == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_router_shows_what_weighs_most(router: Router) -> None:
    view = RoutingView(router, "salt in the harbour")
    assert len(view.tables[0]["experts"]) == 3
    parts = router.parts("salt in the harbour")
    shown = list(view.parts["features"])
    assert shown == sorted((p for p in parts if p), key=lambda p: -float(np.ptp(parts[p])))[: len(shown)]
    total = np.sum([*view.parts["features"].values(), view.parts["rest"]], axis=0)
    np.testing.assert_allclose(total, np.sum(list(parts.values()), axis=0), atol=1e-4)
    view.scales = {shown[0]: 0.5}
    with pytest.raises(InputError, match="Expected a feature"):
        view.scales = {"no such feature": 1}
    with pytest.raises(InputError, match="A router alone writes nothing"):
        view.alone(0)


def test_another_text(mixture: TransformerModel, routed: Routed) -> None:
    for model in (mixture, routed):
        view = RoutingView(model, TEXT)
        page = Page(view)  # type: ignore[arg-type]
        assert page.report(text="a ship") == []
        assert view.pieces == list(choices(model, "a ship")[0])
        assert page.report(text="") == []
        assert view.error
        assert view.pieces == list(choices(model, "a ship")[0])


def test_what_the_page_may_not_do(mixture: TransformerModel, routed: Routed) -> None:
    page = Page(RoutingView(mixture, TEXT))  # type: ignore[arg-type]
    assert "Expected 6 numbers" in page.report(moved=[1.0])[0]
    assert "There is no table 9" in page.report(table=9)[0]
    assert "There is no token 999" in page.report(token=999)[0]
    assert page.report(cost={}) == ["The page may not set cost."]
    assert "error" in page.ask({"op": "alone", "id": 1, "expert": 77})
    assert "error" in page.ask({"op": "alone", "id": 1, "expert": "sea"})
    assert "mixture" in Page(RoutingView(routed, TEXT)).report(moved=[1.0, 1.0])[0]  # type: ignore[arg-type]


def test_where_nothing_chooses() -> None:
    config = TransformerConfig(257, width=16, layers=1, context=32, attention=Attention(heads=2, kv_heads=2))
    dense = TransformerModel.build(config, ByteVocabulary(), seed=1)
    with pytest.raises(InputError, match="no mixture of experts"):
        RoutingView(dense, TEXT)
    with pytest.raises(InputError, match="Nothing chooses in AssociationModel"):
        RoutingView(AssociationModel.fit([TEXT], ByteVocabulary()), TEXT)


@pytest.mark.parametrize("name", ["mixture", "routed", "router"])
def test_forms(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    view = RoutingView(request.getfixturevalue(name), TEXT)
    forms: dict[str, Any] = view._repr_mimebundle_()[0]
    assert forms["text/plain"].startswith("RoutingView(")
    assert "0x" not in forms["text/plain"]
    assert "<script" not in forms["text/html"]
    assert view.to_html(tmp_path / "r.html").stat().st_size < 300_000
