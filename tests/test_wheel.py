"""What a user gets: the wheel, built from the source archive and installed with `[widgets]` into a fresh environment.

Slow, and the only tests that ask a package registry.  Everything runs far from the checkout, with an empty home.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parents[1]
CARRIED = {
    "polyloom_widgets/lessons": "notebooks",
    "polyloom_widgets": "widgets/polyloom_widgets",
    "polyloom_demo": "widgets/polyloom_demo",
    "polyloom_datasets": "datasets/polyloom_datasets",
    "polyloom_kernels": "cuda_kernels/polyloom_kernels",
    "polyloom": "toolkit/polyloom",
}
KINDS = {".py", ".js", ".css", ".json", ".txt", ".toml", ".typed", ".ipynb", ".cu", ".cuh", ".hpp"}
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab/tree/01_weave\.ipynb\?token=\w+")
MAKE = """
import importlib.util, time, polyloom
from polyloom_datasets import load, names
for name in names():
    assert load(name).word_count > 1000, name
mix, held_out = polyloom.weave({name: load(name) for name in ("sea", "kitchen")}, progress=False)
receipt = mix.begin("At night the").explain("tide")
assert abs(sum(term.contribution for term in receipt.terms) - receipt.total) < 1e-9
from polyloom_widgets import Mixer
desk = Mixer(mix, prompt="At night the", held_out=held_out)
desk.to_html("desk.html")
for absent in ("torch", "scipy", "pandas", "pytest"):
    assert importlib.util.find_spec(absent) is None, absent
print(polyloom.__file__)
"""


@dataclass(frozen=True)
class Installed:
    """A fresh environment and the empty folder that stands for somebody's home."""

    programs: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Ours without what would lead back here, but with the settings of the package registry."""
        foreign = ("PYTHON", "VIRTUAL_ENV", "JUPYTER", "XDG_", "IPYTHON", "COVERAGE", "MPL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = os.pathsep.join([str(self.programs), os.defpath])
        return kept | {"HOME": str(self.home), "USERPROFILE": str(self.home), "PATH": path}

    def run(self, program: str, *arguments: str) -> str:
        """What the program printed.  Fails the test with all of it if it did not succeed."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout[-6000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and, built from it, the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    line = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="module")
def installed(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("user")
    home = folder / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    there = Installed(folder / "venv" / ("Scripts" if os.name == "nt" else "bin"), home)
    quiet = ("--disable-pip-version-check", "--progress-bar", "off", "--no-cache-dir")
    there.run("python", "-m", "pip", "install", *quiet, "-c", str(ROOT / "constraints.txt"), f"{archives[1]}[widgets]")
    return there


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(archives: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(archives[1]) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    due = {
        f"{inside}/{path.relative_to(ROOT / outside).as_posix()}"
        for inside, outside in CARRIED.items()
        for path in (ROOT / outside).rglob("*")
        if path.suffix in KINDS and ".ipynb_checkpoints" not in path.parts
    }
    assert held == due
    assert {Path(name).suffix for name in held} >= KINDS - {".json"}


def test_the_wheel_says_whose_it_is(archives: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(archives[1]) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = wheel.read(name).decode()
        assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert "License-Expression: Apache-2.0" in metadata
    assert "Provides-Extra: widgets" in metadata


def test_the_source_archive_can_be_tested(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[0]) as source:
        held = {name.partition("/")[2] for name in source.getnames()}
    assert held >= {"Makefile", "environment.yml", "constraints.txt", "LICENSE", "tests/test_wheel.py", ".ci/run"}
    assert not [name for name in held if name.startswith((".venv", ".git/")) or "__pycache__" in name]


def test_it_imports_weaves_and_shows_the_desk(installed: Installed) -> None:
    where = installed.run("python", "-W", "error", "-c", MAKE)
    assert str(installed.programs.parent) in where
    assert (installed.home / "desk.html").stat().st_size < 5_000_000
    assert "No broken requirements" in installed.run("python", "-m", "pip", "check")


def test_its_commands_answer(installed: Installed, archives: tuple[Path, Path]) -> None:
    version = archives[1].name.split("-")[1]
    assert installed.run("polyloom", "--version").strip() == f"polyloom {version}"
    assert all(name in installed.run("polyloom") for name in ("lab", "bench"))
    installed.run("polyloom", "bench", "association", "--json", "rows.json")
    assert json.loads((installed.home / "rows.json").read_text(encoding="utf-8"))


def wait(host: str, port: int) -> None:
    """Jupyter prints its address a moment before it listens."""
    for _ in range(300):
        try:
            return socket.create_connection((host, port), timeout=30).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
    pytest.fail(f"nothing listens on {host}:{port}")


@pytest.fixture
def served(installed: Installed) -> Iterator[str]:
    """The address that `polyloom lab` prints."""
    line = [str(installed.programs / "polyloom"), "lab", "lessons", "--no-browser", "--ServerApp.port_retries=50"]
    with subprocess.Popen(
        line, cwd=installed.home, env=installed.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        said: list[str] = []
        try:
            for text in server.stdout:  # ends with the server, if that fails to start
                said.append(text)
                address = ADDRESS.search(text)
                if address:
                    yield address[0]
                    break
            else:
                pytest.fail("".join(said))
        finally:
            server.terminate()
            server.stdout.read()


def test_lab_copies_the_lessons_and_serves_the_first(installed: Installed, served: str) -> None:
    ours = {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")}
    theirs = {path.name: path.read_bytes() for path in (installed.home / "lessons").glob("*.ipynb")}
    assert theirs == ours
    parts = urlsplit(served)
    wait(parts.hostname or "", parts.port or 0)
    with urlopen(f"http://{parts.netloc}/api/contents/01_weave.ipynb?content=0&{parts.query}", timeout=30) as answer:
        assert json.load(answer)["type"] == "notebook"
    with urlopen(f"http://{parts.netloc}/api/kernelspecs?{parts.query}", timeout=30) as answer:
        assert "python3" in json.load(answer)["kernelspecs"]
    with urlopen(served, timeout=30) as answer:
        page = answer.read()
        assert b"JupyterLab" in page
        assert b"apputils-extension:announcements" in page  # switched off: no question about news, no check for updates
    with pytest.raises(HTTPError, match="403") as refused:
        urlopen(f"http://{parts.netloc}/api/contents/01_weave.ipynb", timeout=30)
    refused.value.close()


def test_the_first_lesson_runs_in_it(installed: Installed) -> None:
    """The one that `polyloom lab` opens; the tour before it asks for torch besides."""
    copied = "from pathlib import Path; from polyloom_widgets import lab; lab.copied(Path('to_run')); print(lab.FIRST)"
    lesson = installed.run("python", "-c", copied).splitlines()[-1]
    installed.run("jupyter", "execute", f"to_run/{lesson}")
