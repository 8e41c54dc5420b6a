"""`polyloom expert`, from an empty folder to an expert that is installed, found, updated and removed."""

import hashlib
import json
from pathlib import Path

import jsonschema
import platformdirs
import pytest
from typer.testing import CliRunner

from cli.conftest import answer, line_of, run
from polyloom.cli import plugins
from polyloom.cli.expert import app
from polyloom.experts.package import Package


@pytest.fixture
def place(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no experts of this user."""
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, appauthor: here / "data" / name)
    return here


@pytest.fixture
def key(place: Path) -> str:
    """The public key of maria, whose private one is in maria.key."""
    return answer("expert", "keygen", "maria.key")["public"]


def made(key: str, name: str = "expert-sql", version: str = "1.0.0") -> str:
    """A signed file in the folder."""
    if not Path(name).exists():
        run("expert", "new", name, "--base", "org/Tiny", "--description", f"Writes {name[7:]}")
    manifest = Path(name, "manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": version}))
    file = f"{name}-{version}.expert"
    return answer("expert", "sign", name, "--key", "maria.key", "--publisher", "maria", "-o", file)["file"]


def test_it_is_registered() -> None:
    point = plugins.found("polyloom.commands")["expert"]
    assert plugins.load(point) is app
    assert plugins.summary(point).startswith("Make, sign and keep experts")


def test_alone_it_prints_help_with_every_command(place: Path) -> None:
    done = run("expert")
    assert done.exit_code == 0
    words = "new package validate keygen sign verify trust install list info search update uninstall".split()  # noqa: SIM905
    words += ["train", "route", "chat"]
    assert all(f" {word} " in done.stdout for word in words)
    for word in words:
        assert "polyloom expert" in run("expert", word, "--help").stdout


def test_every_example_has_a_line_of_its_own(place: Path) -> None:
    lines = [line.strip() for line in run("expert", "validate", "--help").stdout.splitlines()]
    assert "polyloom expert validate expert-sql" in lines
    assert "polyloom expert validate --schema > expert.schema.json" in lines


@pytest.mark.parametrize("old", [(), ("--v1",)])
def test_a_new_one_is_sound_and_packs(place: Path, old: tuple[str, ...]) -> None:
    assert run("expert", "new", "expert-sql", "--base", "org/Tiny", *old).stdout == "expert-sql\n"
    assert run("expert", "validate", "expert-sql").stdout == "expert-sql is sound.\n"
    file = "expert-sql.v1.expert" if old else "expert-sql-tiny.v20.1.0.expert"
    assert run("expert", "package", "expert-sql").stdout == f"{file}\n"
    run("expert", "package", "expert-sql", "--force", "--sha256")
    assert Path(f"{file}.sha256").read_text().endswith(f"  {file}\n")
    for form in ("mapped", "compressed", "archive"):
        told = answer("expert", "package", file, "--form", form, "-o", f"{form}.expert")
        assert told["digest"] == Package.read(file).digest
    assert Path("archive.expert").read_bytes() == Path(file).read_bytes()
    assert "is there already" in line_of(run("expert", "package", "expert-sql"))
    assert "File exists" in line_of(run("expert", "new", "expert-sql", "--base", "x"))


def test_every_problem_is_told_and_fails(place: Path) -> None:
    run("expert", "new", "expert-sql", "--base", "x")
    Path("expert-sql/manifest.json").write_text(
        '{"schema_version": "2.0", "name": "x", "version": "1", "base_models": []}'
    )
    Path("expert-sql/training_args.bin").write_bytes(b"\x80\x04.")
    done = run("expert", "validate", "expert-sql")
    assert done.exit_code == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["name", "version", "base_models"]
    assert "looks like a pickle" in done.stderr
    told = json.loads(run("expert", "validate", "expert-sql", "--json").stdout)
    assert (told["sound"], len(told["problems"]), len(told["notes"])) == (False, 3, 1)
    assert "name: expected a name such as" in line_of(run("expert", "package", "expert-sql"))
    assert "package, or --schema" in line_of(run("expert", "validate"), 2)


def test_the_schema_is_one(place: Path) -> None:
    run("expert", "new", "expert-sql", "--base", "x")
    schema = json.loads(run("expert", "validate", "--schema").stdout)
    jsonschema.validate(json.loads(Path("expert-sql/manifest.json").read_text()), schema)


def test_the_whole_way(place: Path, key: str) -> None:
    file = made(key)
    assert run("expert", "verify", file).exit_code == 1
    assert "is unknown: signed by maria" in line_of(run("expert", "install", file))
    assert run("expert", "trust").stdout.startswith("Nobody is trusted yet")
    assert run("expert", "trust", "maria", key).exit_code == 0
    assert answer("expert", "trust")[0]["publisher"] == "maria"
    assert run("expert", "verify", file).stdout == "trusted: signed by maria\n"
    assert answer("expert", "install", file)[0]["version"] == "1.0.0"
    assert "Nothing new" in run("expert", "install", file).stdout
    assert run("expert", "list").stdout.splitlines()[1].split() == ["expert-sql", "1.0.0", "trusted", "Writes", "sql"]
    assert answer("expert", "list", "--in-order") == answer("expert", "list") == answer("expert", "search", "writes sq")
    assert answer("expert", "search", "nothing") == []
    assert answer("expert", "info", "expert-sql")["publisher"] == "maria"
    assert "description       Writes sql" in run("expert", "info", "expert-sql").stdout
    newer = Path(made(key, version="1.1.0"))
    entry = {"name": "expert-sql", "version": "1.1.0", "url": newer.name}
    entry["sha256"] = hashlib.sha256(newer.read_bytes()).hexdigest()
    Path("all.json").write_text(json.dumps({"experts": [entry]}))
    assert answer("expert", "update", "--catalogue", "all.json")[0]["version"] == "1.1.0"
    assert "Nothing newer" in run("expert", "update", "expert-sql", "--catalogue", "all.json").stdout
    Path(answer("expert", "info", "expert-sql")["folder"], "manifest.json").write_text("{}")
    path = run("expert", "verify", "expert-sql")  # the folder of that name comes before what is installed
    assert (path.exit_code, path.stdout) == (1, "unsigned: nobody vouches for it\n")
    Path("expert-sql").rename("source")
    done = run("expert", "verify", "expert-sql", "--registry", place / "data/polyloom/experts")
    assert (done.exit_code, done.stdout) == (1, "tampered: changed since it was installed: manifest.json\n")
    assert run("expert", "uninstall", "expert-sql").stdout == "expert-sql is uninstalled.\n"
    assert "No expert 'expert-sql' is installed" in line_of(run("expert", "info", "expert-sql"))
    assert "neither a path nor" in line_of(run("expert", "verify", "expert-sql"))


def test_what_is_no_source_is_said(place: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = made(key)
    assert "holds no manifest.json" in line_of(run("expert", "install", "."))
    assert "Expected a path or an address, got nothing" in line_of(run("expert", "install", ""))
    assert "begins with http:// or https://, got 'ftp://x/y'" in line_of(
        run("expert", "install", "ftp://x/y", "--sha256", "00" * 32)
    )
    refused = line_of(run("expert", "install", "http://127.0.0.1:1/x.expert", "--sha256", "00" * 32))
    assert refused.startswith("http://127.0.0.1:1/x.expert cannot be had: ")
    assert "No such file" in line_of(run("expert", "install", "nobody"))
    Path("cut.expert").write_bytes(Path(file).read_bytes()[:99])
    assert "cut.expert: The archive was changed after it was written" in line_of(run("expert", "install", "cut.expert"))
    assert "'all' is not one of 'known'" in line_of(run("expert", "install", file, "--trust", "all"), 2)
    assert answer("expert", "list") == []


def test_trust_is_taken_back(place: Path, key: str) -> None:
    file = made(key)
    run("expert", "trust", "maria", key)
    assert "revoked" in run("expert", "trust", "maria", "--revoke").stdout
    assert run("expert", "verify", file, "--json").exit_code == 1
    assert json.loads(run("expert", "verify", file, "--json").stdout)["state"] == "revoked"
    assert "It is revoked" in line_of(run("expert", "install", file, "--trust", "anyone"))
    assert "which key of maria" in line_of(run("expert", "trust", "maria"), 2)
    assert "whose key" in line_of(run("expert", "trust", "--revoke"), 2)
    assert "32 bytes in base64" in line_of(run("expert", "trust", "maria", "abc"))
    assert "known" in line_of(run("expert", "install", file, "--trust", "all"), 2)


def test_a_private_key_is_never_written_over(place: Path, key: str) -> None:
    assert "File exists" in line_of(run("expert", "keygen", "maria.key"))
    run("expert", "new", "expert-sql", "--base", "x")
    words = ("expert", "sign", "expert-sql", "--publisher", "maria", "--key", "maria.key", "-o", "maria.key", "--force")
    assert "one of the files to read" in line_of(run(*words))
    assert "PRIVATE KEY" in Path("maria.key").read_text()
    Path("other.key").write_text("x")
    assert "holds no Ed25519 key" in line_of(
        run("expert", "sign", "expert-sql", "--publisher", "m", "--key", "other.key")
    )


def test_it_runs_without_the_main_command(place: Path) -> None:
    assert "Make, sign and keep" in CliRunner().invoke(app, []).output
