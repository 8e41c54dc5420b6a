"""The single file: mapped where it lies, narrow where that saves, byte for byte either way; hostile files refused."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from polyloom import FileError
from polyloom.experts import planes, single
from polyloom.experts.archive import Limits
from polyloom.experts.held import held_bytes
from polyloom.experts.package import FORMS, Form, Package
from polyloom.experts.planes import joined, narrowed, room, split, widened
from polyloom.experts.single import read_single, write_single
from polyloom.files import read, write
from toolkit.experts.samples import package, tensors

FILE = "adapter_model.safetensors"


def filed(values: np.ndarray[Any, Any], dtype: str) -> memoryview:
    """A safetensors file of one tensor."""
    table = {"a": {"dtype": dtype, "shape": [len(values)], "data_offsets": [0, values.nbytes]}}
    text = json.dumps(table).encode()
    return memoryview(len(text).to_bytes(8, "little") + text + values.tobytes())


def normal(size: int, dtype: str) -> memoryview:
    values = np.random.default_rng(0).normal(0, 0.02, size).astype(np.float32)
    if dtype == "BF16":
        return filed(values.view(np.uint16)[1::2], dtype)
    return filed(values.astype({"F16": np.float16, "F32": np.float32, "F64": np.float64}[dtype]), dtype)


def held(path: Path, content: memoryview) -> tuple[dict[str, int], memoryview]:
    """A file after it was mapped and read again: what the manifest says of it, and its bytes."""
    write_single(path, {FILE: content})
    return read(path)[0]["files"][FILE], read_single(path)[FILE]


@given(some.binary(max_size=200), some.integers(1, 8), some.integers(0, 200))
@example(b"", 4, 0)
@example(bytes(range(200)), 1, 0)
def test_planes_come_back_byte_for_byte(content: bytes, stride: int, skip: int) -> None:
    data = np.frombuffer(content, np.uint8)
    skip = min(skip, len(data))
    assert np.array_equal(joined(split(data, stride, skip), stride, skip), data)
    narrow, odd = narrowed(data, stride, skip)
    assert len(narrow) == room(len(data), stride, skip, odd)
    assert np.array_equal(widened(narrow, len(data), stride, skip, odd), data)


def test_a_hand_worked_file() -> None:
    """Two bytes in front, numbers of two bytes, one left over; the last bytes are 7 and 9, and one of each other."""
    data = np.array([1, 2, *(part for at in range(40) for part in (at, 7 + 2 * (at % 2))), 50, 60, 3], np.uint8)
    narrow, odd = narrowed(data, 2, 2)
    assert narrow[:2].tolist() == [1, 2]
    assert narrow[2:43].tolist() == [*range(40), 50]
    assert narrow[43] == 3
    assert narrow[44:65].tolist() == [16] * 20 + [2]
    assert narrow[65:68].tolist() == [7, 9, 60]
    assert (len(narrow), odd) == (81, 0)


@pytest.mark.parametrize("block", [1, 3, 2**15])
def test_any_block_gives_the_same(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    data = np.frombuffer(normal(999, "F32"), np.uint8)
    narrow, odd = narrowed(data, 4, 70)
    monkeypatch.setattr(planes, "BLOCK", block)
    assert np.array_equal(widened(narrow, len(data), 4, 70, odd), data)


@pytest.mark.parametrize("size", [1000, 1001, 1003])
@pytest.mark.parametrize(("dtype", "part"), [("F32", 0.89), ("BF16", 0.79), ("F16", 1.0), ("F64", 1.0)])
def test_floats_are_kept_narrow_where_that_saves(tmp_path: Path, dtype: str, part: float, size: int) -> None:
    content = normal(size, dtype)
    entry, again = held(tmp_path / "x", content)
    assert again == content
    assert ("odd" in entry) == (part < 1)
    assert single._stored(entry) < part * len(content) + 1  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_every_size_are_kept(tmp_path: Path, seed: int) -> None:
    """Every pattern of bits: not-a-numbers with a load, infinities, zeros of both signs, subnormal ones."""
    dice = np.random.default_rng(seed)
    bits = dice.integers(0, 2**32, 3000, np.uint32)
    special = np.array([0, 2**31, 0x7F800000, 0xFF800000, 0x7FC00001, 0xFFFFFFFF, 1, 0x80000001], np.uint32)
    alike = dice.normal(0, 0.02, 30_000).astype(np.float32).view(np.uint32)
    mixed = dice.permutation(np.concatenate([alike, special, bits]))
    for values, narrow in ((bits, False), (mixed, True), (np.zeros(5000, np.uint32), True)):
        content = filed(values, "F32")
        entry, again = held(tmp_path / "x", content)
        assert (again == content, "odd" in entry) == (True, narrow)
        assert entry.get("odd", 0) < len(values)


@given(some.lists(some.floats(width=32), max_size=40), some.integers(0, 3))
def test_no_tensor_loses_a_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float], more: int) -> None:
    content = memoryview(bytes(filed(np.array(values * 20, np.float32), "F32")) + b"x" * more)
    entry, again = held(tmp_path_factory.getbasetemp() / "bits", content)
    assert again == content
    assert entry["size"] == len(content)


def test_a_mapped_file_is_not_read_before_it_is_used(tmp_path: Path) -> None:
    path = package().save(tmp_path / "x.expert", "mapped")
    data = bytearray(path.read_bytes())
    data[data.index(b"# An expert")] ^= 1
    path.write_bytes(data)
    found = Package.read(path, check=False).files
    assert bytes(found["README.md"]) == b"\x22 An expert\n"
    assert held_bytes(found) == 0
    assert bytes(found[FILE]) == tensors()
    assert held_bytes(found) == len(tensors())
    assert found[FILE].obj is found[FILE].obj
    with pytest.raises(KeyError):
        found["nobody"]
    with pytest.raises(FileError, match="changed after it was written"):
        Package.read(path)


def test_what_is_used_where_it_lies_is_aligned(tmp_path: Path) -> None:
    ours = package(None, b=b"12345", **{FILE: tensors(dtype="F16")})
    found = Package.read(ours.save(tmp_path / "x.expert", "mapped"))
    places = [np.frombuffer(content, np.uint8).ctypes.data for content in found.files.values() if len(content)]
    assert [place % 64 for place in places] == [0] * 4
    assert held_bytes(found.files) == 0


def test_many_threads_unpack_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Package.read(package().save(tmp_path / "x.expert", "mapped"), check=False).files
    unpacked: list[int] = []

    def counted(*words: Any, **more: Any) -> Any:
        unpacked.append(1)
        return widened(*words, **more)

    monkeypatch.setattr(single, "widened", counted)
    threads = [threading.Thread(target=lambda: found[FILE]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(unpacked) == 1


@pytest.mark.parametrize("form", FORMS[1:])
def test_every_flip_and_cut_of_a_file_with_tensors_is_found(tmp_path: Path, form: Form) -> None:
    small = {"manifest.json": package().files["manifest.json"], FILE: memoryview(tensors())}
    path = Package(small).save(tmp_path / "x.expert", form)
    whole = path.read_bytes()
    assert (b'\\"odd\\"' in whole) == (form == "mapped")
    for at in range(0, len(whole), 7):
        for wrong in (whole[:at], whole[:at] + bytes([whole[at] ^ (1, 0x80, 0xFF)[at % 3]]) + whole[at + 1 :]):
            path.write_bytes(wrong)
            with pytest.raises(FileError):
                Package.read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"odd": 999},
        {"odd": 2**61},
        {"size": 2**61},
        {"size": 0},
        {"size": -1},
        {"stride": 0},
        {"stride": 9},
        {"stride": 8},
        {"skip": 10**6},
        {"skip": True},
        {"stored": 900},
        {"table": [1]},
    ],
)
def test_an_entry_that_lies_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """Also by somebody who writes the digests anew."""
    path = package().save(tmp_path / "x.expert", "mapped")
    manifest, arrays = read(path)
    manifest["files"][FILE] |= change
    forged = write(tmp_path / "y.expert", manifest, {name: np.array(array) for name, array in arrays.items()})
    for check in (True, False):
        with pytest.raises(FileError, match="makes no sense"):
            Package.read(forged, check)


@pytest.mark.parametrize("part", ["codes", "table"])
def test_codes_that_miss_what_is_not_listed_are_refused(tmp_path: Path, part: str) -> None:
    path = package().save(tmp_path / "x.expert", "mapped")
    manifest, arrays = read(path)
    entry = manifest["files"][FILE]
    copies = {name: np.array(array) for name, array in arrays.items()}
    kept = entry["size"] - (entry["size"] - entry["skip"]) // 4
    at = kept if part == "codes" else single._stored(entry) - entry["odd"] - 16  # pyright: ignore[reportPrivateUsage]
    copies[f"files/{FILE}"][at : at + 16] = 0xFF
    forged = write(tmp_path / "y.expert", manifest, copies)
    with pytest.raises(FileError, match=rf"{FILE}' cannot be unpacked \({entry['odd']} numbers are listed and"):
        Package.read(forged)
    later = Package.read(forged, check=False)
    assert later.manifest.name == "expert-graph"
    with pytest.raises(FileError, match="cannot be unpacked"):
        later.files[FILE]


def test_what_is_claimed_is_held_to_the_limits(tmp_path: Path) -> None:
    path = package().save(tmp_path / "x.expert", "mapped")
    for limits in (Limits(files=3), Limits(size=1000)):
        with pytest.raises(FileError, match="claims 4 files"):
            Package.read(path, check=False, limits=limits)
