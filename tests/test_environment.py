"""One set-up in four places that must agree: pyproject.toml, constraints.txt, environment.yml and the Makefile."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ONE_OF = {"cuda12", "cuda13"}  # a machine has at most one of them, and development needs neither's driver
INSTALLED = ["-c constraints.txt", "-e .[dev]"]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def conda() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert len({canonicalize_name(pin.name) for pin in found}) == len(found), "pinned twice"
    return {canonicalize_name(pin.name): pin for pin in found}


def reached(project: dict[str, Any], extra: str) -> list[Requirement]:
    """What an extra brings, through other extras of ours too."""
    found: list[Requirement] = []
    for requirement in map(Requirement, project["optional-dependencies"][extra]):
        if requirement.name == project["name"]:
            found += [each for inner in sorted(requirement.extras) for each in reached(project, inner)]
        else:
            found.append(requirement)
    return found


def test_conda_reads_the_specs_and_asks_for_our_python(conda: dict[str, Any], project: dict[str, Any]) -> None:
    python, pip = [rattler.MatchSpec(spec, strict=True) for spec in conda["dependencies"] if isinstance(spec, str)]
    assert str(pip) == "pip"
    assert SpecifierSet(str(python).removeprefix("python ")) == SpecifierSet(project["requires-python"])


def test_conda_and_make_install_the_same(conda: dict[str, Any]) -> None:
    (pip,) = [part["pip"] for part in conda["dependencies"] if isinstance(part, dict)]
    assert pip == INSTALLED
    installs = re.findall(r"pip install .*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert len(installs) == 1
    assert all(part in installs[0].replace('"', "") for part in INSTALLED)


def test_conda_is_told_its_channel_only(conda: dict[str, Any]) -> None:
    assert conda["name"] == "polyloom"
    assert conda["channels"] == ["conda-forge", "nodefaults"]


def test_every_extra_is_set_up_for_development(project: dict[str, Any]) -> None:
    extras = set(project["optional-dependencies"]) - ONE_OF
    assert {str(one) for extra in extras for one in reached(project, extra)} == set(map(str, reached(project, "dev")))
    users = {str(one) for extra in extras - {"dev", "all"} for one in reached(project, extra)}
    assert set(map(str, reached(project, "all"))) == users


def test_every_pin_is_allowed_and_every_tool_is_pinned(project: dict[str, Any], pins: dict[str, Requirement]) -> None:
    asked = [*map(Requirement, project["dependencies"]), *reached(project, "dev")]
    for requirement in asked:
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"constraints.txt lacks {requirement.name}"
        (fixed,) = pin.specifier
        assert fixed.operator == "=="
        assert requirement.specifier.contains(fixed.version), f"{pin} against {requirement}"


def test_what_runs_is_what_is_pinned(project: dict[str, Any], pins: dict[str, Requirement]) -> None:
    asked = [*map(Requirement, project["dependencies"]), *reached(project, "dev")]
    running = {one.name: version(one.name).partition("+")[0] for one in asked}  # torch says "2.13.0+cpu"
    assert running == {one.name: next(iter(pins[canonicalize_name(one.name)].specifier)).version for one in asked}


def test_every_library_has_a_reason(project: dict[str, Any]) -> None:
    reasons = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Why these libraries")[2].lower()
    asked = {one.name for one in [*map(Requirement, project["dependencies"]), *reached(project, "dev")]}
    assert {name for name in asked if not re.search(rf"\b{re.escape(name.lower())}\b", reasons)} == set()


def test_a_release_has_a_line_in_the_changelog() -> None:
    heading = re.compile(rf"^## {re.escape(version('polyloom'))}\b", re.M)
    assert heading.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
