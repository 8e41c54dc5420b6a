"""The rack of experts: what is attached is what the bank says, what is known is what the registry says."""

from pathlib import Path

import numpy as np
import pytest

from polyloom import AdapterBank, ByteVocabulary, InputError
from polyloom.adapters import LoRA, write_adapter
from polyloom.experts import Manifest, Package, Registry, new_key, sign
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_widgets import ExpertRack
from toolkit.adapters.learned import learned
from widgets.talk import Page

PROMPT = "At night"


@pytest.fixture
def bank() -> AdapterBank:
    config = TransformerConfig(257, width=16, layers=2, context=32, attention=Attention(heads=2, kv_heads=2))
    base = TransformerModel.build(config, ByteVocabulary(), seed=1)
    return AdapterBank(base, {f"expert-{n}": learned(LoRA(rank=2), base, seed=n) for n in (1, 2)})


@pytest.fixture
def registry(bank: AdapterBank, tmp_path: Path) -> Registry:
    found, key = Registry(tmp_path / "registry"), new_key()
    found.trust("maria", key.public)
    folder = write_adapter(bank.adapter("expert-1"), tmp_path / "expert-1", bank.base)  # type: ignore[arg-type]
    base = {"name": "tiny", "sha256": bank.base.digest, "adapters": [{"type": "lora", "r": 2}]}
    document = {"schema_version": "2.0", "name": "expert-1", "version": "1.2.0", "description": "<b>first</b>"}
    (folder / "manifest.json").write_bytes(Manifest({**document, "base_models": [base]}).bytes())
    found.install(sign(Package.read(folder), key, "maria").save(tmp_path / "one.expert"))
    return found


def test_what_is_attached_is_the_banks_model(bank: AdapterBank) -> None:
    rack = ExpertRack(bank, prompt=PROMPT)
    assert rack.effect["change"] == 0
    rack.scales = {"expert-2": 0.5, "expert-1": 1.5}
    model = bank.model({"expert-2": 0.5, "expert-1": 1.5})
    ids = model.ids(PROMPT)
    np.testing.assert_allclose(rack.model.log_likelihood(ids), model.log_likelihood(ids))
    change = bank.base.log_likelihood(ids).mean() - model.log_likelihood(ids).mean()
    assert rack.effect["change"] == pytest.approx(change)
    after = np.exp(model.begin(PROMPT).distribution())
    assert [row["after"] for row in rack.effect["rows"]] == [after[row["token"]] for row in rack.effect["rows"]]
    rack.scales = {}
    assert rack.effect["change"] == 0


def test_what_is_known_is_the_registrys(bank: AdapterBank, registry: Registry) -> None:
    rack = ExpertRack(bank, registry, PROMPT)
    first, second = rack.experts
    assert (first["version"], first["state"], first["about"]) == ("1.2.0", "trusted", "<b>first</b>")
    assert (second["version"], second["state"]) == ("", "")
    assert first["bytes"] > 0
    page = Page(rack)  # type: ignore[arg-type]
    assert page.ask({"op": "verify", "id": 1, "expert": "expert-1"})["said"] == str(registry.verify("expert-1"))
    for name in ("expert-2", "no such", 3):
        assert "error" in page.ask({"op": "verify", "id": 1, "expert": name})
    assert "without a registry" in Page(ExpertRack(bank)).ask({"op": "verify", "id": 1, "expert": "expert-1"})["error"]  # type: ignore[arg-type]


def test_experts_come_and_go(bank: AdapterBank) -> None:
    rack = ExpertRack(bank, prompt=PROMPT)
    rack.scales = {"expert-1": 1.0}
    bank.remove("expert-1")
    rack.refresh()
    assert [one["name"] for one in rack.experts] == ["expert-2"]
    assert rack.scales == {}


def test_what_the_page_may_set(bank: AdapterBank) -> None:
    rack = ExpertRack(bank, prompt=PROMPT)
    page = Page(rack)  # type: ignore[arg-type]
    assert "The rack has no 'x'" in page.report(scales={"x": 1})[0]
    assert "must be from -4 to 4" in page.report(scales={"expert-1": 99})[0]
    assert page.report(effect={}) == ["The page may not set effect."]
    assert page.report(scales={"expert-1": 2}, prompt="x") == []
    assert page.report(prompt="y" * 99) == []
    for bad in (None, 3):
        with pytest.raises(InputError):
            ExpertRack(bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Expected a Registry"):
        ExpertRack(bank, "folder")  # type: ignore[arg-type]


def test_forms(bank: AdapterBank, registry: Registry, tmp_path: Path) -> None:
    rack = ExpertRack(bank, registry, PROMPT)
    rack.scales = {"expert-1": 0.5}
    forms = rack._repr_mimebundle_()[0]
    assert forms["text/plain"] == "ExpertRack(2 experts: expert-1=0.5; prompt='At night')"
    assert "<script" not in forms["text/html"]
    assert "<b>first" not in forms["text/html"]
    assert rack.to_html(tmp_path / "rack.html").stat().st_size < 200_000
