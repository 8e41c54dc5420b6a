"""Files: what was saved comes back; whatever is not whole is refused in one clear sentence, and nothing is lost."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from polyloom import AssociationModel, ByteVocabulary, FileError, Layer, Layered, PolyloomError, SentencePieceVocabulary
from polyloom.files import DTYPES, MANIFEST_LIMIT, read, write

TEXTS = ["the sea is cold and the sea is wide", "the law is long and the law is dry", "the sea, the law"] * 3


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and data."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def rebuild(path: Path, header: dict[str, Any] | bytes, data: bytes) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)
    return path


def with_manifest(header: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The header with a changed manifest whose digest agrees."""
    text = json.dumps(json.loads(header["__metadata__"]["polyloom"]) | changes)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return header | {"__metadata__": {"polyloom": text, "polyloom.sha256": digest}}


@pytest.fixture(scope="module")
def mix() -> Layered:
    vocabulary = ByteVocabulary()
    models = [AssociationModel.fit(TEXTS[n:], vocabulary, keep_text=bool(n)) for n in range(2)]
    inner = Layered(models[0], {"a": Layer(models[1], 0.3)}, name="a/b")
    return Layered(models[1], {"ünïcode 😀": Layer(inner, 2)}, name="0")


@pytest.fixture
def saved(mix: Layered, tmp_path: Path) -> Path:
    return mix.save(tmp_path / "mix.psamc")


def test_a_mix_comes_back(mix: Layered, saved: Path) -> None:
    again = polyloom.load(saved)
    polyloom.verify(saved)
    assert repr(again) == repr(mix)
    assert again.digest == mix.digest
    assert np.array_equal(again.begin("the s").distribution(), mix.begin("the s").distribution())
    assert str(again.explain("the s", "e")) == str(mix.explain("the s", "e"))
    assert again.save(saved.with_name("again")).read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("skips", [True, False, ((1, 4),)])
@pytest.mark.parametrize("order", [1, 3])
def test_each_model_comes_back(tmp_path: Path, order: int, skips: Any) -> None:
    vocabulary = SentencePieceVocabulary.train(TEXTS, size="auto")
    model = AssociationModel.fit(TEXTS, vocabulary, order=order, skips=skips, keep_text=True)
    again = polyloom.load(model.save(tmp_path / "model.psam"))
    assert again.digest == model.digest
    assert again.vocabulary == vocabulary
    assert np.array_equal(again.log_likelihood("the sea"), model.log_likelihood("the sea"))


def test_arrays_are_mapped_and_cannot_be_written(saved: Path) -> None:
    _, arrays = read(saved)
    assert arrays
    assert not any(array.flags.writeable for array in arrays.values())
    assert all(array.ctypes.data % array.dtype.itemsize == 0 for array in arrays.values())


@pytest.mark.parametrize("code", DTYPES.values())
@pytest.mark.parametrize("shape", [(0,), (), (3,), (2, 3), (2, 0, 5)])
def test_arrays_of_every_type_and_shape(tmp_path: Path, code: str, shape: tuple[int, ...]) -> None:
    array = np.arange(int(np.prod(shape)), dtype=code).reshape(shape)
    swapped = array.astype(array.dtype.newbyteorder(">"))
    given = {"array": array, "swapped": swapped, "other": np.ones(3, np.uint8)}
    _, arrays = read(write(tmp_path / "file", {"kind": "test"}, given))
    assert np.array_equal(arrays["array"], array)
    assert np.array_equal(arrays["swapped"], array)
    assert arrays["array"].dtype == array.dtype


def test_the_safetensors_layout_is_kept(saved: Path) -> None:
    """Every entry has dtype, shape and offsets, end to end; metadata are strings: what the format's text asks."""
    header, data = parts(saved)
    assert all(isinstance(value, str) for value in header.pop("__metadata__").values())
    places = sorted(entry["data_offsets"] for entry in header.values())
    assert [start for start, _ in places] == [0, *(stop for _, stop in places[:-1])]
    assert places[-1][1] == len(data)
    assert {tuple(entry) for entry in header.values()} == {("dtype", "shape", "data_offsets")}


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda p: p.write_bytes(b""), "no Polyloom file"),
    "text": (lambda p: p.write_text("At night the moon" * 9), "no Polyloom file"),
    "cut in the header": (lambda p: p.write_bytes(p.read_bytes()[:100]), "cut short"),
    "cut in the data": (lambda p: p.write_bytes(p.read_bytes()[:-9]), "cut short"),
    "longer": (lambda p: p.write_bytes(p.read_bytes() + b"x"), "follow its last array"),
    "manifest tampered": (lambda p: p.write_bytes(p.read_bytes().replace(b"linear", b"linnar", 1)), "digest"),
    "future": (lambda p: rebuild(p, with_manifest(parts(p)[0], version=2), parts(p)[1]), "Upgrade polyloom"),
    "no version": (lambda p: rebuild(p, with_manifest(parts(p)[0], version=None), parts(p)[1]), "version None"),
    "foreign kind": (lambda p: rebuild(p, with_manifest(parts(p)[0], kind="gpt"), parts(p)[1]), "'gpt'"),
    "foreign": (lambda p: rebuild(p, {"__metadata__": {"format": "pt"}}, b""), "no manifest"),
    "not JSON": (lambda p: rebuild(p, b"{" * 90_000, b""), "not JSON"),
    "NaN": (lambda p: rebuild(p, b'{"a": NaN}', b""), "not JSON"),
    "a list": (lambda p: rebuild(p, b"[]", b""), "not a table"),
    "big-endian length": (lambda p: p.write_bytes(p.read_bytes()[7::-1] + p.read_bytes()[8:]), "no Polyloom file"),
    "an array more": (lambda p: rebuild(p, parts(p)[0] | {"x": {}}, parts(p)[1]), "disagree"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_error(saved: Path, name: str) -> None:
    break_it, said = FAULTS[name]
    break_it(saved)
    with pytest.raises(FileError, match=said) as caught:
        polyloom.load(saved)
    assert str(saved) in str(caught.value) or "kind" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model at .*none\.psam: expected"):
        polyloom.load(tmp_path / "none.psam")


def test_every_tampered_byte_is_found(tmp_path: Path) -> None:
    """In the header at once, in the data by `verify`."""
    path = write(tmp_path / "file", {"kind": "test"}, {"a": np.arange(5), "b": np.arange(7, dtype=np.uint8)})
    content = path.read_bytes()
    padding = range(len(content[: 8 + int.from_bytes(content[:8], "little")].rstrip()), len(content) - 47)
    for at in set(range(len(content))) - set(padding):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(FileError):
            polyloom.verify(path)


def test_counts_that_lie_are_refused(saved: Path) -> None:
    """A file whose digests agree but whose numbers make no sense is refused too."""
    manifest, arrays = read(saved)
    for name, array in arrays.items():
        if "vocabulary" in name or not len(array):
            continue
        for wrong in (array[::-1] * 0 - 1, array[:-1], array.astype(np.float32)):
            if np.array_equal(wrong, array):
                continue
            given = {key: np.array(value) for key, value in arrays.items()} | {name: wrong}
            broken = write(saved.with_name("broken"), manifest, given)
            try:
                model = polyloom.load(broken)
            except PolyloomError:
                continue
            assert np.isfinite(model.log_likelihood("the sea")).all(), name  # shorter text is a text


@pytest.mark.long
def test_ten_thousand_fuzzed_headers_give_one_clear_error_each(tmp_path: Path) -> None:
    random_ = random.Random(7)
    path = write(tmp_path / "file", {"kind": "test"}, {"a": np.arange(5), "b": np.ones((2, 3))})
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    for _ in range(10_000):
        fuzzed = bytearray(content)
        for _ in range(random_.randint(1, 6)):
            at = random_.randrange(end)
            choice = random_.random()
            if choice < 0.6:
                fuzzed[at] = random_.randrange(256)
            elif choice < 0.8:
                del fuzzed[at : at + random_.randint(1, 9)]
            else:
                fuzzed[at:at] = random_.choice([b"9" * 20, b"-", b'"', b"{", b"[[", b"null", b"\xff\xfe", b"1e999"])
        path.write_bytes(fuzzed)
        try:
            manifest, _ = read(path)
        except FileError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most must raise, but a change of padding is none
        else:
            assert manifest["kind"] == "test"


def test_too_large_a_manifest_and_strange_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="manifest takes"):
        write(tmp_path / "file", {"notes": "x" * MANIFEST_LIMIT}, {})
    with pytest.raises(FileError, match="complex128"):
        write(tmp_path / "file", {}, {"a": np.ones(3, np.complex128)})
    with pytest.raises(FileNotFoundError, match="no folder"):
        write(tmp_path / "nowhere" / "file", {}, {})
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys, numpy as np
from polyloom.files import write
print("ready", flush=True)
for n in range(10_000):
    write(sys.argv[1], {"kind": "test", "n": n}, {"a": np.full(200_000, n)})
"""


@pytest.mark.long
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    """Killed 100 times in the middle of writing, the file is one that was written, whole, each time."""
    path = write(tmp_path / "file", {"kind": "test", "n": -1}, {"a": np.full(200_000, -1)})
    random_ = random.Random(3)
    survived = 0
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(10):  # a stop shows what a kill at this moment would leave
            time.sleep(random_.random() / 100)
            process.send_signal(signal.SIGSTOP)
            polyloom.verify(path)
            manifest, arrays = read(path)
            assert (np.asarray(arrays["a"]) == manifest["n"]).all()
            survived += 1
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        process.stdout.close()
        polyloom.verify(path)
    assert survived == 100


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    path = write(tmp_path / "file", {"kind": "test"}, {"a": np.arange(10)})
    before = path.read_bytes()
    size, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, most))
        with pytest.raises(OSError, match="large"):
            write(path, {"kind": "test"}, {"a": np.arange(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208 - names are what is asked


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="pipe is no ordinary file, and stays"):
        write(tmp_path / "pipe", {"kind": "test"}, {})
    assert (tmp_path / "pipe").is_fifo()
