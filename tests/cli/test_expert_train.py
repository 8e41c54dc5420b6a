"""`polyloom expert train`: the folder that it writes is an expert, a PEFT adapter, and what `fit_adapter` fits."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cli.conftest import answer, line_of, run
from cli.talks import FEW, base
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.fit import USUAL, fit_adapter
from polyloom.adapters.lora import LoRA
from polyloom.adapters.peft_folder import read_adapter
from polyloom.cli.texts import Texts, ended
from polyloom.experts.adapted import Base
from polyloom.experts.package import Package, check
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.quantised import quantised


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base; only to be read."""
    return base(tmp_path_factory.mktemp("base") / "tiny")


def test_it_is_what_fitting_fits(made: Path, tiny: Path, here: Path) -> None:
    told = answer("expert", "train", made / "sea.txt", "--base", tiny, "-o", "expert-sea", *FEW)
    model = TransformerModel.load(tiny)
    texts = list(ended(Texts([made / "sea.txt"]).documents(), model.vocabulary))
    training = replace(USUAL, steps=3, batch=2, length=16)
    expected, found = (
        fit_adapter(model, texts, LoRA(2, 4.0), training, progress=False),
        read_adapter("expert-sea", model),
    )
    assert isinstance(found, Adapter)
    assert found.tensors.keys() == expected.adapter.tensors.keys()
    for name, tensor in expected.adapter.tensors.items():
        torch.testing.assert_close(found.tensors[name], tensor, rtol=0, atol=0)
    assert (told["steps"], told["stopped"], told["name"]) == (3, "steps", "expert-sea")
    assert told["parameters"] == sum(tensor.numel() for tensor in found.tensors.values())


def test_the_manifest_knows_base_and_adapter(made: Path, tiny: Path, here: Path) -> None:
    words = ("--description", "Tells of the sea", "--keyword", "tide", "--keyword", "harbour", "--examples", 4)
    run("expert", "train", made / "sea.txt", "--base", tiny, "-o", "sea", *FEW, *words)
    package = Package.read("sea")
    assert not check(package)
    document = package.manifest.document
    (model,) = document["base_models"]
    (adapter,) = model["adapters"]
    weights = Path("sea/adapter_model.safetensors").read_bytes()
    assert (model["name"], model["sha256"]) == (
        "tiny",
        hashlib.sha256((tiny / "model.safetensors").read_bytes()).hexdigest(),
    )
    assert (adapter["type"], adapter["r"], adapter["alpha"], adapter["size_bytes"]) == ("lora", 2, 4.0, len(weights))
    assert adapter["sha256"] == hashlib.sha256(weights).hexdigest()
    assert adapter["target_modules"]
    assert document["routing"]["keywords"] == ["tide", "harbour"]
    documents = [" ".join(one.split()) for one in Texts([made / "sea.txt"]).documents()]
    assert len(document["examples"]) == 4
    assert all(any(one.startswith(shown) for one in documents) for shown in document["examples"])
    assert package.manifest.name == "expert-sea"


def test_no_example_is_given_away_unasked(made: Path, tiny: Path, here: Path) -> None:
    done = run("expert", "train", made / "sea.txt", "--base", tiny, "-o", "expert-sea", *FEW)
    assert done.stdout.startswith("expert-sea: expert-sea, ")
    assert "no router can choose it" in done.stderr
    assert "examples" not in json.loads(Path("expert-sea/manifest.json").read_text())


def test_it_learns_over_a_base_in_8_bits(made: Path, tiny: Path, here: Path) -> None:
    run("expert", "train", made / "sea.txt", "--base", tiny, "-o", "expert-sea", *FEW, "--int8")
    model = TransformerModel.load(tiny)
    texts = list(ended(Texts([made / "sea.txt"]).documents(), model.vocabulary))
    training = replace(USUAL, steps=3, batch=2, length=16)
    expected = fit_adapter(quantised(model), texts, LoRA(2, 4.0), training, progress=False).adapter
    found = read_adapter("expert-sea", model)
    assert isinstance(found, Adapter)
    for name, tensor in expected.tensors.items():
        torch.testing.assert_close(found.tensors[name], tensor, rtol=0, atol=0)


def test_it_packs(made: Path, tiny: Path, here: Path) -> None:
    run("expert", "train", made / "sea.txt", "--base", tiny, "-o", "expert-sea", *FEW)
    assert run("expert", "validate", "expert-sea").stdout == "expert-sea is sound.\n"
    told = answer("expert", "package", "expert-sea")
    assert set(told["files"]) == {"manifest.json", "adapter_config.json", "adapter_model.safetensors"}


def test_places_that_stay_and_places_that_are_replaced(made: Path, tiny: Path, here: Path) -> None:
    words = ("expert", "train", made / "sea.txt", "--base", tiny, *FEW, "-o")
    Path("mine").mkdir()
    Path("mine/diary.txt").write_text("mine")
    assert "mine is there already" in line_of(run(*words, "mine"))
    assert "a folder of no expert" in line_of(run(*words, "mine", "--force"))
    assert "is there already" in line_of(run(*words, "mine/diary.txt", "--force"))
    assert run(*words, "expert-sea").exit_code == 0
    Path("expert-sea/notes.txt").write_text("kept")
    assert "is there already" in line_of(run(*words, "expert-sea"))
    assert run(*words, "expert-sea", "--force", "--version", "0.2.0").exit_code == 0
    assert str(Package.read("expert-sea").manifest.version) == "0.2.0"
    assert Path("expert-sea/notes.txt").read_text() == "kept"


def test_wrong_words_are_refused_before_the_work(made: Path, tiny: Path, here: Path) -> None:
    words = ("expert", "train", made / "sea.txt", "-o", "x", *FEW)
    assert "name: expected a name such as" in line_of(run(*words, "--base", tiny, "--name", "Sea"))
    assert "version" in line_of(run(*words, "--base", tiny, "--version", "1"))
    assert "learning_rate must be" in line_of(run(*words, "--base", tiny, "--learning-rate", "-1"), 2)
    assert "nowhere" in line_of(run(*words, "--base", "nowhere"))
    assert list(here.iterdir()) == []


def test_minutes_alone_are_not_ended_by_steps(
    made: Path, tiny: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def stand_in(
        model: object, documents: object, method: object, training: object, *rest: object, **more: object
    ) -> None:
        seen.append(training)
        raise KeyboardInterrupt

    monkeypatch.setattr("polyloom.adapters.fit.fit_adapter", stand_in)
    done = run("expert", "train", made / "sea.txt", "--base", tiny, "-o", "x", "--minutes", "2")
    assert (done.exit_code, seen) == (130, [replace(USUAL, minutes=2.0, steps=None)])


def test_ctrl_c_keeps_what_was_learned(made: Path, tiny: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from polyloom.train import terminal

    def stopping(self: terminal.Lines, progress: object) -> None:
        if not getattr(progress, "stopped"):  # noqa: B009 - of a progress that is not imported for its type
            raise KeyboardInterrupt

    monkeypatch.setattr(terminal.Lines, "__call__", stopping)
    done = run("expert", "train", made / "sea.txt", "--base", tiny, "-o", "expert-sea", *FEW)
    assert (done.exit_code, "1 steps" in done.stdout) == (130, True)
    assert not check(Package.read("expert-sea"))


def test_another_base_is_told_by_its_digest(tiny: Path, here: Path) -> None:
    known, other = Base.read(tiny), Base.read(base(here / "tiny", seed=1))
    assert known.name == other.name
    reason = known.refuses(other.manifest("expert-a"))
    assert reason is not None
    assert "with the digest" in reason
    assert known.refuses(known.manifest("expert-a")) is None


def test_weights_in_several_files_have_one_digest(tiny: Path, here: Path) -> None:
    whole, place = load_file(tiny / "model.safetensors"), base(here / "parts")
    (place / "model.safetensors").unlink()
    files = {"model-00001-of-00002.safetensors": list(whole)[:3], "model-00002-of-00002.safetensors": list(whole)[3:]}
    for file, names in files.items():
        save_file({name: whole[name] for name in names}, place / file)
    table = {"weight_map": {name: file for file, names in files.items() for name in names}}
    (place / "model.safetensors.index.json").write_text(json.dumps(table))
    lines = [f"{file}\0{hashlib.sha256((place / file).read_bytes()).hexdigest()}\n" for file in files]
    assert Base.read(place).sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_without_torch_it_says_what_to_install(made: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    said = line_of(run("expert", "train", made / "sea.txt", "--base", "x", "-o", "sea"))
    assert 'pip install "polyloom[torch]"' in said
