"""The registry: what is believed is installed whole or not at all, by two processes too, and found again."""

import hashlib
import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polyloom import FileError, InputError
from polyloom.experts.admission import Untrusted
from polyloom.experts.catalogue import write_beside
from polyloom.experts.package import Package
from polyloom.experts.registry import Registry
from polyloom.experts.resolve import Conflict
from polyloom.experts.signing import sign
from polyloom.experts.trust import TrustStore
from toolkit.experts.samples import package, tensors, two
from toolkit.experts.test_signing import ME, OTHER


def made(folder: Path, name: str = "expert-a", version: str = "1.0.0", key: Any = ME, **constraints: Any) -> Path:
    """A package on the disk, signed by `key` if there is one."""
    held = package(two(name, version, constraints=constraints, description=f"Knows {name[7:]}"))
    held = held if key is None else sign(held, key, "me")
    return held.save(folder / f"{name}-{version}.expert")


def listed(folder: Path, *paths: Path, **wrong: Any) -> Path:
    """A catalogue of packages."""
    entries: list[dict[str, Any]] = []
    for path in paths:
        said = Package.read(path).manifest.said
        rules = {"requires": said.constraints.requires, "incompatible_with": said.constraints.incompatible_with}
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entry = {"name": said.name, "version": said.version, "url": path.name, "sha256": digest, **rules}
        entries.append({**entry, "load_order": said.order, **wrong})
    (folder / "catalogue.json").write_text(json.dumps({"experts": entries}))
    return folder / "catalogue.json"


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a registry but the database, byte for byte."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("registry.db")
    }


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one that believes "me"."""
    found = Registry(tmp_path / "registry")
    found.believe(TrustStore().with_key("me", ME.public))
    return found


def test_a_signed_package_installs_and_every_byte_arrives(registry: Registry, tmp_path: Path) -> None:
    """The forerunner's signed packages never did."""
    path = made(tmp_path)
    (found,) = registry.install(path)
    assert (found.name, str(found.version), found.state, found.source) == ("expert-a", "1.0.0", "trusted", str(path))
    assert Package.read(found.folder).digest == Package.read(path).digest == found.digest
    assert registry.open("expert-a").manifest.document == Package.read(path).manifest.document
    assert registry.verify("expert-a").state == "trusted"
    assert registry.install(path) == []
    assert registry.list() == [registry.info("expert-a")] == [found]


def test_an_empty_registry_says_so(tmp_path: Path) -> None:
    empty = Registry(tmp_path / "none")
    assert (empty.list(), empty.search("x"), empty.in_order()) == ([], [], [])
    with pytest.raises(InputError, match="No expert 'expert-a' is installed; there are none"):
        empty.info("expert-a")
    assert not (tmp_path / "none").exists()


def test_what_is_not_believed_stays_outside(registry: Registry, tmp_path: Path) -> None:
    """The forerunner skipped the check where there was no signature."""
    unsigned, foreign = made(tmp_path, "expert-a", key=None), made(tmp_path, "expert-b", key=OTHER)
    stranger = sign(package(two("expert-c")), OTHER, "stranger").save(tmp_path / "c.expert")
    before = tree(registry.folder)
    for path, state in ((unsigned, "unsigned"), (foreign, "wrong key"), (stranger, "unknown")):
        with pytest.raises(Untrusted) as caught:
            registry.install(path)
        assert caught.value.verdict.state == state
    for trust in ("first", "anyone"):
        with pytest.raises(Untrusted, match="whose key is another one"):
            registry.install(foreign, trust)
    with pytest.raises(Untrusted, match="nobody vouches"):
        registry.install(unsigned, "first")
    assert (tree(registry.folder), registry.list()) == (before, [])
    assert registry.install(unsigned, "anyone")[0].state == "unsigned"
    assert registry.install(stranger, "first")[0].state == "trusted"
    assert registry.verify("expert-c").state == "trusted"
    registry.believe(registry.trusted.revoke("stranger"))
    assert registry.verify("expert-c").state == "revoked"
    with pytest.raises(InputError, match="known, first, anyone"):
        registry.install(stranger, "all")  # pyright: ignore[reportArgumentType]


def test_a_changed_file_is_found_after_installation(registry: Registry, tmp_path: Path) -> None:
    (found,) = registry.install(made(tmp_path))
    for path in sorted(found.folder.rglob("*")):
        if not path.is_file():
            continue
        whole = path.read_bytes()
        for at in sorted({*range(0, len(whole), 7), len(whole) - 1} - {-1}):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert registry.verify("expert-a").state == "tampered", (path, at)
        path.unlink()
        assert registry.verify("expert-a").state == "tampered"
        path.write_bytes(whole)
        assert registry.verify("expert-a").state == "trusted"
    (found.folder / "more").write_bytes(b"")
    assert "more" in registry.verify("expert-a").reason


def test_a_newer_version_replaces_an_older_one_does_not(registry: Registry, tmp_path: Path) -> None:
    (old,) = registry.install(made(tmp_path, version="1.9.0"))
    (new,) = registry.install(made(tmp_path, version="1.10.0"))
    assert [one.folder for one in registry.list()] == [new.folder]
    assert not old.folder.exists()
    with pytest.raises(InputError, match=r"1\.9\.0 was not installed: 1\.10\.0 is there, newer"):
        registry.install(made(tmp_path, version="1.9.0"))
    with pytest.raises(InputError, match="another package of this version"):
        registry.install(made(tmp_path, version="1.10.0", max_chain=1))


def test_what_cannot_stand_beside_the_others_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.install(made(tmp_path, "expert-a"))
    before = tree(registry.folder)
    with pytest.raises(Conflict, match=r"expert-b 1\.0\.0 cannot stand beside expert-a@<=1\.0\.0"):
        registry.install(made(tmp_path, "expert-b", incompatible_with=["expert-a@<=1.0"]))
    with pytest.raises(Conflict, match=r"expert-b 1\.0\.0 requires expert-c@>=1\.0\.0; of expert-c there is none"):
        registry.install(made(tmp_path, "expert-b", requires=["expert-c@>=1.0"]))
    with pytest.raises(Conflict, match="in a circle"):
        registry.install(made(tmp_path, "expert-b", requires=["expert-b"]))
    assert tree(registry.folder) == before
    registry.install(made(tmp_path, "expert-c", requires=["expert-a"], load_order=1))
    with pytest.raises(Conflict, match=r"expert-c 1\.0\.0 requires expert-a"):
        registry.uninstall("expert-a")
    assert [one.name for one in registry.in_order()] == ["expert-a", "expert-c"]
    registry.uninstall("expert-c")
    registry.uninstall("expert-a")
    assert not any((registry.folder / "experts").iterdir())


def test_a_catalogue_brings_what_is_required_and_what_is_newer(registry: Registry, tmp_path: Path) -> None:
    wanted = made(tmp_path, "expert-a", requires=["expert-b@<2"])
    others = [made(tmp_path, "expert-b", version) for version in ("1.0.0", "1.5.0", "2.0.0")]
    newer = made(tmp_path, "expert-a", "2.0.0", requires=["expert-b@>=2"])
    first = listed(tmp_path, *others)
    assert [str(one.version) for one in registry.install(wanted, catalogue=first)] == ["1.0.0", "1.5.0"]
    assert registry.update("expert-b", catalogue=first) == []
    both = listed(tmp_path, *others, newer)
    changed = registry.update("expert-a", catalogue=both)
    assert {(one.name, str(one.version)) for one in changed} == {("expert-a", "2.0.0"), ("expert-b", "2.0.0")}
    assert registry.update(catalogue=both) == []
    again = Registry(tmp_path / "second")
    again.believe(registry.trusted)
    assert str(again.install("expert-b@<1.5", catalogue=both)[0].version) == "1.0.0"
    with pytest.raises(InputError, match="to install by name, give a catalogue"):
        again.install("expert-b")
    with pytest.raises(Conflict, match="of expert-none there is none"):
        again.install("expert-none", catalogue=both)


def test_a_catalogue_is_not_believed(registry: Registry, tmp_path: Path) -> None:
    path = made(tmp_path)
    for wrong, says in (
        ({"version": "3.0.0"}, "The catalogue speaks of expert-a 3.0.0"),
        ({"sha256": "00" * 32}, "is another file"),
        ({"requires": ["x"]}, "requires"),
        ({"name": ".."}, "name"),
    ):
        with pytest.raises(FileError, match=says):
            registry.install("expert-a", catalogue=listed(tmp_path, path, **wrong))
    (tmp_path / "catalogue.json").write_text("[")
    with pytest.raises(FileError, match="not JSON"):
        registry.install("expert-a", catalogue=tmp_path / "catalogue.json")
    assert registry.list() == []


def test_searching_finds_by_every_word_the_name_first(registry: Registry, tmp_path: Path) -> None:
    for name, more in (("expert-sea", {}), ("expert-law", {"tags": ["sea-law", "court"]}), ("expert-bread", {})):
        held = package(two(name, description=f"about {name[7:]} 'and' more", **{"tags": ["none"], **more}))
        registry.install(sign(held, ME, "me").save(tmp_path / f"{name}.expert"))
    assert [one.name for one in registry.search("sea")] == ["expert-sea", "expert-law"]
    assert [one.name for one in registry.search("cou")] == ["expert-law"]
    assert len(registry.search("cypher neo4j")) == 3
    assert registry.search("sea cake") == []
    for text in ("", "  ", '"', "a OR b", "name:x*", "'; DROP TABLE experts", "NEAR(", "\0", "-"):
        assert len(registry.search(text)) <= 3
    registry.uninstall("expert-sea")
    assert [one.name for one in registry.search("sea")] == ["expert-law"]


@pytest.mark.parametrize("step", ["extract", "put", "rename", "believe"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_what_fails_on_the_way_leaves_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    registry.install(made(tmp_path, version="1.0.0"))
    stranger = sign(package(two("expert-a", "2.0.0")), OTHER, "stranger").save(tmp_path / "b.expert")
    before, rows = tree(registry.folder), registry.list()

    def fail(*_: object, **__: object) -> None:
        raise error

    target = {"extract": "package.Package.extract", "put": "registry.put", "believe": "registry.Registry._write_trust"}
    with monkeypatch.context() as broken:
        broken.setattr(f"polyloom.experts.{target[step]}" if step in target else "pathlib.Path.rename", fail)
        with pytest.raises(type(error)):
            registry.install(stranger, "first")
    assert (tree(registry.folder), registry.list()) == (before, rows)
    assert str(registry.install(stranger, "first")[0].version) == "2.0.0"


KILLED = """
import os, signal, sys
from polyloom.experts import registry, package
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
registry.put = die
registry.Registry(sys.argv[1]).install(sys.argv[2])
"""


def test_a_process_killed_before_the_row_leaves_what_was_there(registry: Registry, tmp_path: Path) -> None:
    registry.install(made(tmp_path))
    rows = registry.list()
    words = [sys.executable, "-c", KILLED, str(registry.folder), str(made(tmp_path, version="2.0.0"))]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert registry.list() == rows
    assert registry.verify("expert-a").state == "trusted"
    registry.install(made(tmp_path, "expert-b"))
    assert len(list((registry.folder / "experts").iterdir())) == 2


TOGETHER = """
import sys
from polyloom.experts.registry import Registry
for path in sys.argv[2:]:
    Registry(sys.argv[1]).install(path)
"""


def test_two_processes_at_once(registry: Registry, tmp_path: Path) -> None:
    paths = [made(tmp_path, f"expert-{n}") for n in range(12)]
    orders = [paths, paths[::-1]]
    running = [subprocess.Popen([sys.executable, "-c", TOGETHER, registry.folder, *order]) for order in orders]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(registry.list()) == len(list((registry.folder / "experts").iterdir())) == 12
    assert {registry.verify(one.name).state for one in registry.list()} == {"trusted"}
    assert len(registry.search("knows")) == 12


TRUSTING = """
import sys
from polyloom.experts.keys import PublicKey
from polyloom.experts.registry import Registry
for number in range(int(sys.argv[2]), 40, 2):
    Registry(sys.argv[1]).trust(f"publisher {number % 4}", PublicKey(bytes([number]) * 32))
    Registry(sys.argv[1]).revoke(f"publisher {number % 4}", PublicKey(bytes([number]) * 32))
"""


def test_two_processes_that_trust_at_once_lose_no_key(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    running = [subprocess.Popen([sys.executable, "-c", TRUSTING, folder, str(first)]) for first in (0, 1)]
    assert [process.wait(60) for process in running] == [0, 0]
    keys = Registry(folder).trusted.publishers
    assert {name: {one.key.raw[0] for one in found} for name, found in keys.items()} == {
        f"publisher {rest}": set(range(rest, 40, 4)) for rest in range(4)
    }
    assert all(one.revoked for found in keys.values() for one in found)


def test_whom_to_believe_changes_whole_or_not_at_all(registry: Registry) -> None:
    assert registry.trust("them", OTHER.public) == registry.trusted
    before = tree(registry.folder)
    for wrong in (
        lambda: registry.trust("me", OTHER.public),
        lambda: registry.trust(" ", OTHER.public),
        lambda: registry.revoke("nobody"),
    ):
        with pytest.raises(InputError):
            wrong()
    assert tree(registry.folder) == before
    assert registry.revoke("them").keys("them")[0].revoked


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address of a server on this computer that gives it away."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    (tmp_path / "served").mkdir()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path / "served", f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_needs_its_digest(
    registry: Registry, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder, address = served
    path = made(folder)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(FileError, match="needs the SHA-256"):
        registry.install(f"{address}/{path.name}")
    with pytest.raises(FileError, match="gave something else"):
        registry.install(f"{address}/{path.name}", sha256="00" * 32)
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        registry.install(f"{address}/{path.name}", sha256="00")
    assert registry.install(f"{address}/{path.name}", sha256=digest)[0].name == "expert-a"
    listed(folder, made(folder, "expert-b"))
    assert registry.install("expert-b", catalogue=f"{address}/catalogue.json")[0].name == "expert-b"


def test_a_damaged_database_or_one_of_the_future_says_so(registry: Registry, tmp_path: Path) -> None:
    import sqlite3

    registry.install(made(tmp_path))
    with sqlite3.connect(registry.folder / "registry.db") as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(FileError, match=r"layout 9, this polyloom knows 1\. Upgrade"):
        registry.list()
    (registry.folder / "registry.db").write_bytes(b"no database at all, and quite long enough for a header" * 9)
    with pytest.raises(FileError, match="cannot be used"):
        registry.list()


def test_an_unsound_package_is_refused_with_every_problem(registry: Registry, tmp_path: Path) -> None:
    held = package(two(version="1", tags=[1]), more=tensors())
    with pytest.raises(FileError, match=r"version: .*tags\[0\]"):
        registry.install(held.save(tmp_path / "x.expert"), "anyone")
    assert repr(registry).endswith("0 experts)")


def test_the_face_has_the_registry() -> None:
    import polyloom

    assert polyloom.Registry is Registry


def test_a_file_that_is_changed_while_it_is_judged_does_not_slip_through(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sign(package(), ME, "me").save(tmp_path / "x.expert", "mapped")
    whole = path.read_bytes()
    extract = Package.extract

    def changed(held: Package, folder: Path) -> None:
        with path.open("r+b") as file:
            file.write(whole.replace(b"# An expert", b"# An attack"))
        extract(held, folder)

    monkeypatch.setattr(Package, "extract", changed)
    (found,) = registry.install(path)
    assert (found.folder / "README.md").read_bytes() == b"# An expert\n"
    assert registry.verify(found.name).state == "trusted"


def test_the_digest_beside_a_file_is_compared(registry: Registry, tmp_path: Path) -> None:
    path = made(tmp_path)
    beside = write_beside(path)
    assert beside.read_text() == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    for wrong in ("", "é" * 64, beside.read_text().replace("a", "b").replace("0", "1")):
        right = beside.read_text()
        beside.write_text(wrong)
        with pytest.raises(FileError, match="is another file"):
            registry.install(path)
        beside.write_text(right)
    assert registry.install(path)[0].name == "expert-a"


MISSING = """
import sys
sys.modules[sys.argv[1]] = None
import polyloom
try:
    polyloom.Registry(sys.argv[2]).install(sys.argv[3], "anyone")
except polyloom.MissingPackage as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["pydantic", "cryptography", "resolvelib"])
def test_what_is_not_installed_is_named(name: str, tmp_path: Path) -> None:
    words = [sys.executable, "-W", "error", "-c", MISSING, name, str(tmp_path / "x"), str(made(tmp_path))]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert f'needs {name}, which is not installed: pip install "polyloom[experts]"' in said
    assert not (tmp_path / "x" / "experts").exists()
