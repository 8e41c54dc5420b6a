"""`polyloom expert chat`: lines go in by a pipe, each goes to its expert, and the pipe's end ends it."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import line_of, run
from cli.talks import base, installed
from polyloom.adapters.attach import attach
from polyloom.adapters.peft_folder import read_adapter
from polyloom.experts.adapted import Base, adapted
from polyloom.experts.manager import Refused
from polyloom.experts.registry import Registry
from polyloom.generate.loop import generate
from polyloom.generate.sampling import Sampling

FEW = ("--max-tokens", 4, "--temperature", 0)


@pytest.fixture(scope="module")
def talk(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and two experts; only to be read."""
    return installed(tmp_path_factory.mktemp("talk"), made)


@pytest.fixture(scope="module")
def asked(made: Path) -> dict[str, str]:
    """A line for each of them: what stands first in its text."""
    return {f"expert-{name}": (made / f"{name}.txt").read_text().splitlines()[0] for name in ("sea", "law")}


def chat(talk: Path, given: str, *words: object) -> Any:
    return run("expert", "chat", "--base", talk / "base", "--registry", talk / "registry", *FEW, *words, given=given)


def turns(talk: Path, given: str, *words: object) -> list[dict[str, Any]]:
    done = chat(talk, given, *words, "--json")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_line_goes_to_its_expert_and_the_text_goes_on(talk: Path, asked: dict[str, str]) -> None:
    found = turns(talk, "\n\n".join(asked.values()) + "\n")
    assert [one["speaker"] for one in found] == list(asked)
    assert [one["line"] for one in found] == list(asked.values())
    model, text = Base.read(talk / "base").model, ""
    for one in found:
        text += one["line"] + "\n"
        folder = Registry(talk / "registry").info(one["speaker"]).folder
        speaker = attach(model, read_adapter(folder, model))
        assert one["text"] == generate(speaker.begin(text), Sampling(temperature=0, max_tokens=4)).text
        text += one["text"] + "\n"
    assert list(found[1]["held"]) == list(asked)
    assert all(size > 0 for size in found[1]["held"].values())


def test_people_read_who_spoke_and_why(talk: Path, asked: dict[str, str]) -> None:
    done = chat(talk, asked["expert-law"])
    assert done.exit_code == 0
    last = done.stdout.splitlines()[-1]
    assert last.startswith("  spoken by expert-law because of ")


def test_the_base_speaks_where_nobody_is_meant(talk: Path) -> None:
    (one,) = turns(talk, "zxqv wrtk\n")
    assert (one["speaker"], one["expert"]) == (None, None)
    assert "below the threshold" in one["why"]
    assert "  spoken by the base because expert-" in chat(talk, "zxqv wrtk\n").stdout


def test_the_base_speaks_where_the_expert_cannot_be_had(talk: Path, asked: dict[str, str]) -> None:
    (one,) = turns(talk, asked["expert-sea"], "--budget", 0)
    assert (one["speaker"], one["expert"], one["held"]) == (None, "expert-sea", {})
    assert "expert-sea cannot be had: it takes" in one["why"]


def test_the_base_speaks_where_the_expert_has_no_adapter(talk: Path, asked: dict[str, str], here: Path) -> None:
    manifest = json.loads((talk / "expert-law" / "manifest.json").read_text())
    del manifest["base_models"][0]["adapters"]
    for name, examples in (("expert-law", manifest["examples"]), ("expert-new", ["a word", "another word"])):
        run("expert", "new", name, "--base", "x")
        Path(name, "manifest.json").write_text(json.dumps({**manifest, "name": name, "examples": examples}))
        assert run("expert", "install", name, "--trust", "anyone", "--registry", "registry").exit_code == 0
    words = ("--base", talk / "base", "--registry", "registry", *FEW, "--json")
    one = json.loads(run("expert", "chat", *words, given=asked["expert-law"]).stdout)
    assert (one["speaker"], one["expert"]) == (None, "expert-law")
    assert "expert-law cannot be had: There is no adapter_config.json" in one["why"]


def test_nothing_said_is_nothing_done(talk: Path) -> None:
    done = chat(talk, "")
    assert (done.exit_code, done.stdout) == (0, "")


def test_ctrl_c_ends_it_with_its_code(talk: Path, asked: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("polyloom.cli.expert_chat.streamed", stopped)
    assert "interrupted." in line_of(chat(talk, asked["expert-sea"]), 130)


def test_experts_of_another_base_are_left_out(talk: Path, here: Path) -> None:
    other = base(here / "other", seed=3)
    done = run("expert", "chat", "--base", other, "--registry", talk / "registry", given="x\n")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("left out: expert-") == 2
    assert "0 of 2 installed experts" in done.stderr


def test_what_was_changed_since_it_was_installed_is_refused(made: Path, tmp_path: Path) -> None:
    place = installed(tmp_path, made)
    registry = Registry(place / "registry")
    manager = adapted(registry, Base.read(place / "base"), 2**20)
    (registry.info("expert-sea").folder / "adapter_config.json").write_text("{}")
    with pytest.raises(Refused, match="tampered: changed since it was installed"):
        manager.get("expert-sea")
    assert manager.get("expert-law") is manager.get("expert-law")


def test_wrong_usage(talk: Path) -> None:
    assert "temperature must be" in line_of(chat(talk, "x", "--temperature", -1), 2)
    assert "expected UTF-8 text" in line_of(
        run("expert", "chat", "--base", talk / "base", "--registry", talk / "registry", given=b"\xff\n")
    )
