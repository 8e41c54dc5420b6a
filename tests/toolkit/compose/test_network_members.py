"""Transformers as members: in files of every form, under a gate, from the command line."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from typer.testing import CliRunner

import decoders
import polyloom
from contract import distribution
from polyloom import AssociationModel, Gated, Layer, Layered
from polyloom.cli.main import app
from polyloom.compose.composite import Composite

TEXT = "a b c d e f g h c d a b"


@pytest.fixture(scope="module")
def network() -> polyloom.LanguageModel:
    return decoders.model()


@pytest.fixture(scope="module")
def counts() -> AssociationModel:
    return AssociationModel.fit([TEXT], decoders.WORDS, order=3)


@pytest.mark.parametrize("members", ["embed", "reference"])
@pytest.mark.parametrize("gate", [True, False])
def test_they_come_back(
    network: polyloom.LanguageModel,
    counts: AssociationModel,
    tmp_path: Path,
    members: Literal["embed", "reference"],
    gate: bool,
) -> None:
    mix: Composite = Layered(network, {"counts": Layer(counts, 0.5)})
    mix = Gated({"mix": mix, "network": network}) if gate else mix
    path = mix.save(tmp_path / "mix.psamc", members=members)
    polyloom.verify(path)
    again = polyloom.load(path)
    assert again.digest == mix.digest
    # Where weights lie in memory decides in which order a processor adds.
    np.testing.assert_allclose(distribution(again.begin("a b c")), distribution(mix.begin("a b c")), atol=1e-12)


def test_a_gate_hears_them(network: polyloom.LanguageModel, counts: AssociationModel) -> None:
    text = np.tile(decoders.WORDS.encode(TEXT), 60)
    fixed = Layered(network, {"counts": Layer(counts)}).fit_weights([text])
    gated = Gated({"network": network, "counts": counts}).fit_gate([text])
    assert gated.certificate is not None
    assert gated.certificate.objective >= float(fixed.log_likelihood(text).mean()) - 0.01
    assert gated.log_likelihood(text).mean() == pytest.approx(gated.certificate.objective, abs=1e-9)
    account = gated.explain("a b c", "d")
    assert account.scale == "probability"
    assert [term.child and term.child.scale for term in account.terms] == ["logit", "probability"]
    assert abs(account.residual) < 1e-6


def test_the_command_line_takes_their_folders(
    network: polyloom.LanguageModel, counts: AssociationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network.save("network")
    counts.save("counts.psam")
    Path("held_out.txt").write_text("a b c d e f g h\n\n" * 40, encoding="utf-8")
    for way in ((), ("--fit", "held_out.txt"), ("--gate", "held_out.txt")):
        words = ["compose", "network=network", "counts=counts.psam", "-o", "mix.psamc", "--force", "--json", *way]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert list(polyloom.load("mix.psamc").models) == ["network", "counts"]
        assert (json.loads(done.stdout)["certificate"] is None) == (not way)
