"""Packages: no loss between archive, single file and folder, and nothing that could do harm gets past the border."""

import gzip
import io
import os
import pickle
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from polyloom import FileError, InputError
from polyloom.experts.archive import Limits
from polyloom.experts.manifest import FILE, InvalidExpert
from polyloom.experts.names import clashes, wrong
from polyloom.experts.package import FORMS, Form, Package, check, notes, sound
from toolkit.experts.samples import ADAPTER, one, package, tensors, two

FORGED = "Polyloom/evil"


def tar(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """An archive as somebody else may have made it: a sound manifest, and these members with that content."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as file:
        text = package().files[FILE]
        first = tarfile.TarInfo("./" + FILE)
        first.size = len(text)
        file.addfile(first, io.BytesIO(text))
        for member in members:
            file.addfile(member, io.BytesIO(content))
    return held.getvalue()


def member(name: str, **settings: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for key, value in settings.items():
        setattr(found, key, value)
    return found


def read(tmp_path: Path, data: bytes, limits: Limits | None = None) -> Package:
    (tmp_path / "x.expert").write_bytes(data)
    return Package.read(tmp_path / "x.expert", limits=limits or Limits())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("document", [one(), two()])
def test_every_form_keeps_every_byte(tmp_path: Path, form: Form, document: dict[str, object]) -> None:
    ours = package(document, **{"weights.safetensors": tensors(999, "F16"), "__metadata__": b"a name of the container"})
    again = Package.read(ours.save(tmp_path / "x.expert", form))
    assert {name: bytes(content) for name, content in again.files.items()} == dict(ours.files)
    assert (again.digest, again.sealed) == (ours.digest, True)
    assert again.manifest.document == document


@given(some.dictionaries(some.sampled_from(["a", "b.safetensors", "c/d.bin", "é"]), some.binary(max_size=300)))
def test_archive_to_single_file_and_back_gives_the_same_archive(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("forms")
    first = package(**files).save(folder / "a.expert")
    for form in ("mapped", "compressed"):
        Package.read(first).save(folder / "b.expert", form)
        Package.read(folder / "b.expert").save(folder / "c.expert")
        assert (folder / "c.expert").read_bytes() == first.read_bytes()


def test_other_tools_read_the_archive(tmp_path: Path) -> None:
    path = package().save(tmp_path / "x.expert")
    subprocess.run(["tar", "-xzf", path, "-C", tmp_path], check=True)
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == tensors()
    assert gzip.decompress(path.read_bytes())[:13] == FILE.encode()


def test_the_archive_of_another_tool_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, tar(member("sub", type=tarfile.DIRTYPE), member("./sub/a", size=3), content=b"abc"))
    assert (bytes(found.files["sub/a"]), found.sealed) == (b"abc", False)
    assert list(found.files) == [FILE, "sub/a"]


def test_a_folder_is_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    package().extract(tmp_path / "x")
    assert Package.read(tmp_path / "x").digest == package().digest
    (tmp_path / "x/link").symlink_to(tmp_path)
    with pytest.raises(FileError, match="link"):
        Package.read(tmp_path / "x")


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_every_flipped_byte_is_found(tmp_path: Path, form: Form) -> None:
    """Also those that unpack to the same, and those in the padding; but for gzip's own header before the seal."""
    path = Package({FILE: package().files[FILE]}).save(tmp_path / "x.expert", form)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF, 0x29):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            try:
                assert not Package.read(path).sealed, (at, flip)
            except FileError:
                continue


@pytest.mark.parametrize("form", FORMS)
def test_every_cut_is_found(tmp_path: Path, form: Form) -> None:
    path = Package({FILE: package().files[FILE]}).save(tmp_path / "x.expert", form)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError):
            Package.read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(FileError):
        Package.read(path)


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "..",
        "/etc/x",
        "a/../../x",
        "C:\\x",
        "a\\b",
        "a\nb",
        "con",
        "a/NUL.txt",
        "x.",
        "x ",
        " x",
        "a:b",
        "a\u202eb",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match="The package holds"):
        read(tmp_path, tar(member(name, size=1), content=b"x"))
    with pytest.raises(FileError, match="The package holds"):
        package(**{name: b"x"})
    assert sorted(place.name for place in tmp_path.iterdir()) == ["x.expert"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(FileError, match="link or a device"):
        read(tmp_path, tar(member("x", type=kind, linkname="/etc/passwd")))


def test_two_files_that_may_be_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="twice"):
        read(tmp_path, tar(member("a", size=1), member("./a", size=1), content=b"x"))
    assert clashes(["A", "a"]) == [("A", "a")]
    assert clashes(["é", "e\u0301"])
    assert clashes(["a", "a/b"]) == [("a", "a/b")]
    assert clashes(["a", "ab", "a.b/c"]) == []
    with pytest.raises(FileError, match="side by side"):
        package(a=b"", **{"A/b": b""})


@given(some.text(max_size=20))
def test_a_name_that_passes_stays_below_its_folder(name: str) -> None:
    if not wrong(name):
        assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"
        assert len(name.encode()) <= 240


def test_what_swells_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    with pytest.raises(FileError, match="unpacks to more than 1,000,000"):
        read(tmp_path, bomb, Limits(free=1_000_000))
    with pytest.raises(FileError, match="more than 2 files"):
        read(tmp_path, tar(*(member(f"f{n}") for n in range(2))), Limits(files=2))
    path = package(zeros=bytes(5_000_000)).save(tmp_path / "y.expert", "compressed")
    with pytest.raises(FileError, match="claims 5 files"):
        Package.read(path, limits=Limits(free=1_000_000))
    with pytest.raises(FileError, match="at most 10"):
        read(tmp_path, bomb, Limits(size=10))


def test_a_pickle_is_carried_and_never_opened(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.touch, (tmp_path / FORGED,)  # pyright: ignore[reportReturnType]

    held = package(**{"training_args.bin": pickle.dumps(Evil()), "hidden.dat": pickle.dumps(Evil())})
    (tmp_path / "x").mkdir()
    for form in FORMS:
        Package.read(held.save(tmp_path / form, form)).extract(tmp_path / "x")
        assert not check(held)
        assert [note.split()[0] for note in notes(held)] == ["training_args.bin", "hidden.dat"]
        for place in sorted((tmp_path / "x").rglob("*"), reverse=True):
            place.rmdir() if place.is_dir() else place.unlink()
    assert not (tmp_path / FORGED).exists()


def test_no_module_of_experts_can_open_a_pickle() -> None:
    import polyloom.experts

    (folder,) = polyloom.experts.__path__
    sources = [path.read_text(encoding="utf-8") for path in Path(folder).glob("*.py")]
    assert sources
    assert not [text for text in sources if "import pickle" in text or "torch.load" in text or "allow_pickle" in text]


def test_every_problem_of_a_package_is_told() -> None:
    document = two(integrity={"files": {"README.md": "00" * 32, "gone": "11" * 32}})
    document["soft_prompts"][0]["path"] = "prompt.safetensors"
    document["base_models"][0]["adapters"] = [{**ADAPTER, "sha256": "22" * 32}]
    wheres = [problem.where for problem in check(package(document))]
    assert wheres == [
        *("soft_prompts[0].path", "adapters", "integrity.files.README.md", "integrity.files.gone"),
        *("integrity.files.adapter_model.safetensors", "integrity.files.tests/empty.jsonl"),
    ]
    with pytest.raises(InvalidExpert, match=r"^It cannot be used: soft_prompts\[0\]"):
        sound(package(document), "It")


def test_tensors_that_are_described_must_be_there() -> None:
    (problem,) = check(Package({FILE: package().files[FILE]}))
    assert "holds no .safetensors" in str(problem)


def test_a_package_without_a_sound_manifest_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"holds no manifest.json; it has a"):
        Package({"a": memoryview(b"")})
    assert [problem.where for problem in check(Package({FILE: memoryview(b"{")}))] == [FILE]
    with pytest.raises(FileError, match="is no Polyloom file"):
        read(tmp_path, b"just some text that is long enough")


def test_names_of_files_follow_the_custom() -> None:
    assert package(one()).file_name == "expert-graph.v1.expert"
    assert package(two()).file_name == "expert-graph-tiny-0-6b.v22.0.0.expert"


def test_a_form_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="archive, mapped, compressed"):
        package().save(tmp_path / "x", "zip")  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.iterdir())


def test_errors_say_of_which_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    whole = package().save(tmp_path / "x.expert").read_bytes()
    for content in (whole[: len(whole) // 2], gzip.compress(b"no tar"), whole[:3], b"", b"PK\x03\x04 a zip archive"):
        with pytest.raises(FileError, match=r"x\.expert"):
            read(tmp_path, content)
    with pytest.raises(FileError, match=r"empty: The package holds no manifest\.json; it has no files"):
        Package.read(tmp_path / "empty")
