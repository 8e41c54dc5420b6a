import sys
from pathlib import Path

import pytest

from cli.plug import plug
from polyloom.cli import plugins
from polyloom.errors import PolyloomError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_our_own_entry_points_are_found_described_and_loaded() -> None:
    for group in ("polyloom.commands", "polyloom.benchmarks"):
        points = plugins.found(group)
        assert points
        for point in points.values():
            assert plugins.package(point) == "polyloom"
            assert not plugins.summary(point).startswith("(")
            assert callable(plugins.load(point))


def test_a_package_adds_a_name_but_cannot_take_ours(folder: Path) -> None:
    plug(folder, "more", "[polyloom.commands]\nlab = more_code:f\nsing = more_code:f\n", more_code="def f(): ...\n")
    points = plugins.found("polyloom.commands")
    assert plugins.package(points["sing"]) == "more"
    assert plugins.package(points["lab"]) == "polyloom"


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ('"""Module."""\ndef f():\n    """Sing a song.\n\n    Loudly."""\n', "Sing a song."),
        ('"""Module.\n\nMore."""\nf = 3\n', "Module."),
        ("f = 3\n", ""),
        ("def f(:\n", "(cannot be read; registered by more)"),
    ],
)
def test_a_summary_is_read_and_not_run(folder: Path, source: str, summary: str) -> None:
    plug(folder, "more", "[polyloom.commands]\nsing = more_code:f\n", more_code=f"{source}\n")
    assert plugins.summary(plugins.found("polyloom.commands")["sing"]) == summary
    assert "more_code" not in sys.modules


def test_a_module_that_is_gone_has_no_summary(folder: Path) -> None:
    plug(folder, "more", "[polyloom.commands]\nsing = gone.far:f\n")
    assert plugins.summary(plugins.found("polyloom.commands")["sing"]) == "(cannot be read; registered by more)"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no sound card')", "RuntimeError: no sound card"),
        ("1/0", "ZeroDivisionError"),
        ("g = 1", "AttributeError"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_whatever_breaks_a_plug_in_is_one_line(folder: Path, source: str, said: str) -> None:
    plug(folder, "more", "[polyloom.commands]\nsing = broken_code:f\n", broken_code=source)
    with pytest.raises(PolyloomError, match=rf"sing \(broken_code:f of more\) cannot be loaded: {said}") as error:
        plugins.load(plugins.found("polyloom.commands")["sing"])
    assert error.value.__cause__ is not None
    sys.modules.pop("broken_code", None)


@pytest.mark.parametrize(
    "requirement", ['soundcard>=2; extra == "audio"', "soundcard ; python_version > '3' and extra == 'audio'"]
)
def test_a_missing_extra_is_named(folder: Path, requirement: str) -> None:
    entry = "[polyloom.commands]\nsing = sung:f\n"
    plug(folder, "more", entry, requires=("numpy", requirement), sung="import soundcard.deep")
    with pytest.raises(PolyloomError, match=r'^sing needs soundcard, .*: pip install "more\[audio\]"$'):
        plugins.load(plugins.found("polyloom.commands")["sing"])
