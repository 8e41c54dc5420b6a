"""`polyloom bench experts`: how fast a package of 50 MB opens, is checked and installed, and how much room it takes.

The tensors are normal numbers in float32, as the matrices of an adapter come close to; a trained one compresses alike,
for what gzip takes out is in the exponents.  Opening is cold: the system is asked to forget the file, and every byte is
read.  Times are the best of a few.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from polyloom.cli.rows import Better, Row
from polyloom.experts import bench_manager, bench_resolve
from polyloom.experts.bench_manager import forget
from polyloom.experts.keys import new_key
from polyloom.experts.manifest import Manifest
from polyloom.experts.package import FORMS, Package
from polyloom.experts.registry import Registry
from polyloom.experts.signing import judge, sign
from polyloom.experts.trust import TrustStore

NUMBERS = 12_500_000  # of four bytes: 50 MB
REPEATS = 5
NARROW = "float32 with its last bytes in four bits, unpacked when it is asked for; used in place it would take 50 MB"


def rows(_: Path | None) -> Iterator[Row]:
    """Thirteen rows, in about half a minute; no data are needed."""
    key = new_key()
    store = TrustStore().with_key("bench", key.public)
    package = sign(_package(), key, "bench")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {form: package.save(folder / f"{form}.expert", form) for form in FORMS}
        sizes = {form: path.stat().st_size / 1e6 for form, path in paths.items()}
        cold = {
            form: _best(lambda path=path: _read(path), lambda path=path: forget(path)) for form, path in paths.items()
        }
        yield _row(
            "cold open, every byte read, mapped", 1e3 * cold["mapped"], "ms", 1e3 * cold["archive"], "ratio >= 2.5"
        )
        yield _row("cold open, every byte read, compressed", 1e3 * cold["compressed"], "ms", 1e3 * cold["archive"])
        yield _row("size, mapped", sizes["mapped"], "MB", sizes["archive"], "ratio >= 0.98", NARROW)
        yield _row("size, compressed", sizes["compressed"], "MB", sizes["archive"], "ratio >= 1.087")
        seconds = _best(lambda: judge(Package.read(paths["archive"]), store))
        yield _row("verify 50 MB, signature and every byte", seconds, "s", bar="value <= 1")
        seconds = _best(lambda: _installed(package, folder, store), repeats=2)
        yield _row("package and install 50 MB", seconds, "s", bar="value <= 5")
    yield from bench_resolve.rows()
    yield from bench_manager.rows()


def _row(
    name: str, value: float, unit: str, archive: float | None = None, bar: str | None = None, reason: str | None = None
) -> Row:
    better: Better = "lower"
    peer = None if archive is None else "tar in gzip"
    return Row(
        group="experts", name=name, value=value, unit=unit, better=better, peer=peer, peer_value=archive, bar=bar,
        reason=reason,
    )  # fmt: skip


def _package() -> Package:
    """An expert with one adapter."""
    numbers = np.random.default_rng(0).standard_normal(NUMBERS, np.float32) * np.float32(0.02)
    table = {"a": {"dtype": "F32", "shape": [NUMBERS], "data_offsets": [0, numbers.nbytes]}}
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    adapter = {"type": "lora", "r": 8, "target_modules": ["q_proj"]}
    base = [{"name": "bench", "adapters": [adapter]}]
    manifest = Manifest({"schema_version": "2.0", "name": "expert-bench", "version": "1.0.0", "base_models": base})
    data = len(text).to_bytes(8, "little") + text + numbers.tobytes()
    return Package({"adapter_model.safetensors": memoryview(data), "manifest.json": memoryview(manifest.bytes())})


def _read(path: Path) -> int:
    """Open a package, and add up every byte of its tensors as they lie."""
    content = Package.read(path, check=False).files["adapter_model.safetensors"]
    return int(np.frombuffer(content, np.uint8).sum())


def _installed(package: Package, folder: Path, store: TrustStore) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        registry = Registry(name)
        registry.believe(store)
        registry.install(package.save(Path(name) / "x.expert"))


def _best(work: Callable[[], object], before: Callable[[], object] = lambda: None, repeats: int = REPEATS) -> float:
    """Seconds on the clock, which waits for the disk are part of."""
    taken: list[float] = []
    for _ in range(repeats):
        before()
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
