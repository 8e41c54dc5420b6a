"""Composites whose members are files beside them: they come back, and nothing else than what was saved is read."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from polyloom import AssociationModel, FileError, InputError, Layer, Layered
from polyloom.compose import reference
from polyloom.files import DEEPEST, identity, read, write


@pytest.fixture(scope="module")
def mix(sea: AssociationModel, lullabies: AssociationModel) -> Layered:
    inner = Layered(sea, {"lullabies": Layer(lullabies, 0.3)}, "log", name="sea")
    return Layered(sea, {"ünïcode / 😀": Layer(inner, 2), "again": Layer(sea, 0.5), "..": Layer(lullabies)})


@pytest.fixture
def saved(mix: Layered, tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return mix.save(folder / "mix.psamc", members="reference")


def references(path: Path) -> list[dict[str, Any]]:
    return read(path)[0]["members"]


def refer(path: Path, given: str, to: Path | None = None) -> Path:
    """A composite of one layer, which refers to a file by this path."""
    size, digest = identity(to or path.parent / given)
    member = {"kind": "reference", "path": given, "size": size, "sha256": digest}
    return write(path, {"kind": "layered", "pool": "linear", "weights": [["a", 1.0]], "members": [member]}, {})


def test_a_mix_comes_back_from_several_files(mix: Layered, saved: Path) -> None:
    polyloom.verify(saved)
    again = polyloom.load(saved)
    assert repr(again) == repr(mix)
    assert again.digest == mix.digest
    np.testing.assert_array_equal(again.begin("At night").distribution(), mix.begin("At night").distribution())


def test_each_different_member_is_one_file_beside_it(mix: Layered, saved: Path, sea: AssociationModel) -> None:
    found = references(saved)
    assert found[0] == found[2] != found[1]
    names = sorted(path.name for path in (saved.parent / "mix.members").iterdir())
    assert names == sorted(Path(one["path"]).name for one in [found[0], found[1], found[3]])
    assert [name.partition("-")[0] for name in names] == ["base", "layer", "n"]
    assert {path.suffix for path in (saved.parent / "mix.members").iterdir()} == {".psam", ".psamc"}
    assert saved.stat().st_size < 4096
    again = polyloom.load(saved)
    assert isinstance(again, Layered)
    assert again.models["base"] is again.models["again"], "read once and shared"
    assert polyloom.load(saved.parent / found[0]["path"]).digest == sea.digest


def test_the_folder_can_be_moved(mix: Layered, saved: Path, tmp_path: Path) -> None:
    moved = shutil.move(saved.parent, tmp_path / "elsewhere")
    assert polyloom.load(Path(moved) / saved.name).digest == mix.digest


def test_a_loaded_mix_can_be_saved_over_itself(mix: Layered, saved: Path) -> None:
    again = polyloom.load(saved)
    assert isinstance(again, Layered)
    again.save(saved, members="reference")
    polyloom.verify(saved)
    assert again.save(saved.with_name("whole.psamc")).stat().st_size > 100_000
    assert polyloom.load(saved.with_name("whole.psamc")).digest == mix.digest


def test_a_changed_mix_leaves_the_files_of_the_one_before(mix: Layered, saved: Path, lullabies: Any) -> None:
    """Until the last moment the old mix is there, whole: its members are never overwritten by others."""
    old = saved.read_bytes()
    mix.remove("again").add("more", Layered(lullabies, {})).save(saved, members="reference")
    saved.with_name("old.psamc").write_bytes(old)
    polyloom.verify(saved.with_name("old.psamc"))
    assert polyloom.load(saved.with_name("old.psamc")).digest == mix.digest


def test_a_failure_while_saving_members_leaves_what_was_there(
    mix: Layered, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(path: Path) -> Any:
        raise OSError("no space left on the disk")

    monkeypatch.setattr(reference, "identity", full)
    with pytest.raises(OSError, match="no space"):
        mix.with_weights(again=3).save(saved, members="reference")
    assert saved.read_bytes() == before
    polyloom.verify(saved)


def test_what_cannot_be_saved(mix: Layered, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='"embed" or "reference", got \'link\''):
        mix.save(tmp_path / "mix.psamc", members="link")
    with pytest.raises(FileNotFoundError, match="Make it first"):
        mix.save(tmp_path / "nowhere" / "mix.psamc", members="reference")
    assert list(tmp_path.iterdir()) == []


# what is refused


def member(path: Path) -> Path:
    return path.parent / references(path)[0]["path"]


def change(path: Path) -> None:
    """Another model under the name and with the size of the first: only its digest gives it away."""
    manifest, arrays = read(member(path))
    size = member(path).stat().st_size
    held = {name: np.array(array) for name, array in arrays.items()}
    largest = max(held, key=lambda name: held[name].nbytes)
    held[largest] = held[largest][::-1]
    assert write(member(path), manifest, held).stat().st_size == size


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: member(p).unlink(), "is missing"),
    "a folder": (lambda p: (member(p).unlink(), member(p).mkdir()), "is missing"),
    "cut short": (lambda p: os.truncate(member(p), 1000), "was changed since"),
    "another": (change, "was changed since"),
    "no Polyloom file": (lambda p: member(p).write_bytes(b"\xff" * member(p).stat().st_size), "no Polyloom file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_member_has_its_error(saved: Path, fault: str) -> None:
    break_it, said = FAULTS[fault]
    break_it(saved)
    for read_it in (polyloom.load, polyloom.verify):
        with pytest.raises(FileError, match=said) as caught:
            read_it(saved)
        assert "\n" not in str(caught.value)


def test_a_changed_array_is_found_by_verify(saved: Path) -> None:
    flip(member(saved))
    with pytest.raises(FileError, match=r"base-\w+\.psam: the array .* was changed"):
        polyloom.verify(saved)


@pytest.mark.parametrize(
    "given",
    [
        "../outside.psam",
        "a/../../outside.psam",
        "/outside.psam",
        "C:/outside.psam",
        "..\\outside.psam",
        "",
        ".",
        "a\0b",
    ],
)
def test_a_path_that_leads_out_is_refused(saved: Path, given: str) -> None:
    shutil.copy(member(saved), saved.parent.parent / "outside.psam")
    escaped = refer(saved.with_name("escaped.psamc"), given, member(saved))
    for read_it in (polyloom.load, polyloom.verify):
        with pytest.raises(FileError, match="expected a path below its own folder"):
            read_it(escaped)


@pytest.mark.parametrize("given", [None, 5, ["a"], {"a": 1}])
def test_a_path_that_is_none_is_refused(saved: Path, given: Any) -> None:
    escaped = refer(saved.with_name("escaped.psamc"), given, member(saved))
    with pytest.raises(FileError, match="expected a path below its own folder"):
        polyloom.load(escaped)


def test_a_link_that_leads_out_is_refused(saved: Path) -> None:
    outside = shutil.copy(member(saved), saved.parent.parent / "outside.psam")
    link = saved.with_name("link.psam")
    try:
        link.symlink_to(outside)
    except OSError:
        pytest.skip("this system makes no links")
    escaped = refer(saved.with_name("escaped.psamc"), "link.psam")
    for read_it in (polyloom.load, polyloom.verify):
        with pytest.raises(FileError, match="leads out of its folder"):
            read_it(escaped)
    link.unlink()
    link.symlink_to(member(saved))
    polyloom.load(escaped)


def test_a_mix_that_holds_itself_is_refused(saved: Path) -> None:
    """The digest cannot be right, but nobody needs to compute it to see what is wrong."""
    one, two = saved.with_name("one.psamc"), saved.with_name("two.psamc")
    refer(one, one.name, saved)
    with pytest.raises(FileError, match="no model can hold itself"):
        polyloom.load(one)
    refer(one, two.name, saved)
    refer(two, one.name, one)
    refer(one, two.name, two)
    refer(two, one.name, one)
    for read_it in (polyloom.load, polyloom.verify):
        with pytest.raises(FileError, match=r"no model can hold itself|was changed since"):
            read_it(one)


def test_references_deeper_than_sixteen_are_refused(saved: Path) -> None:
    place = Path(member(saved))
    deep = shutil.copy(place, saved.with_name("0.psam"))
    for depth in range(1, DEEPEST + 2):
        deep = refer(saved.with_name(f"{depth}.psamc"), Path(deep).name)
        if depth <= DEEPEST:
            polyloom.load(deep)
            polyloom.verify(deep)
    for read_it in (polyloom.load, polyloom.verify):
        with pytest.raises(FileError, match="deeper than 16"):
            read_it(deep)


def test_a_file_that_is_referred_to_twice_at_each_depth_is_read_once(saved: Path) -> None:
    """Otherwise sixteen small files would take sixty-five thousand readings."""
    deep = shutil.copy(member(saved), saved.with_name("0.psam"))
    for depth in range(1, 12):
        size, digest = identity(Path(deep))
        member_ = {"kind": "reference", "path": Path(deep).name, "size": size, "sha256": digest}
        names = [["a", 1.0], ["b", 1.0]]
        manifest = {"kind": "layered", "pool": "linear", "weights": names, "members": [member_, member_]}
        deep = write(saved.with_name(f"{depth}.psamc"), manifest, {})
    found = polyloom.load(deep)
    polyloom.verify(deep)
    assert isinstance(found, Layered)
    assert found.models["a"] is found.models["b"]


def test_a_recorded_reference_is_plain_json(saved: Path) -> None:
    for one in references(saved):
        assert set(one) == {"kind", "path", "size", "sha256"}
        assert json.loads(json.dumps(one)) == one
        assert "\\" not in one["path"]
