"""Experts in memory: what it takes to have one that is held, one that is not, and one that others must make room for.

Adapters of rank 16 on all linear maps of a Qwen3 of 33M random weights, each an expert in a registry.  Loading one
compares every byte with what was installed, reads the adapter and attaches it to the base, which all of them share.  On
one thread; the times are on the clock, since a cold one waits for the disk, and the best of a few.
"""

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyloom.cli.rows import Row
from polyloom.experts.package import Package
from polyloom.experts.registry import Registry

if TYPE_CHECKING:
    from polyloom.experts.adapted import Base

WORDS, WIDTH, LAYERS = 16_384, 512, 8
RANK, REPEATS = 16, 3
NAMES = tuple(f"expert-{number}" for number in range(6))
FORGOTTEN = "the system is asked to forget the files first"


def rows() -> Iterator[Row]:
    """Five rows, in a few seconds."""
    if not importlib.util.find_spec("torch"):
        yield _row("an expert that is held", None, reason="torch is not installed")
        return
    from polyloom.adapters.bench import one_thread

    with one_thread(), tempfile.TemporaryDirectory() as folder:
        base, registry = _installed(Path(folder))
        yield from _measured(base, registry)


def _measured(base: "Base", registry: Registry) -> Iterator[Row]:
    from polyloom.experts.adapted import adapted

    roomy = adapted(registry, base, 2**40)
    files = [path for name in NAMES for path in registry.info(name).folder.rglob("*") if path.is_file()]

    def emptied(cold: bool) -> None:
        for name in roomy.held:
            roomy.release(name)
        for path in files if cold else ():
            forget(path)

    cold = _each(lambda: emptied(cold=True), roomy.get)
    warm = _each(lambda: emptied(cold=False), roomy.get)
    held = _each(lambda: None, roomy.get)
    yield _row("an expert that is held", held, bar="value <= 10")
    yield _row("an expert from the disk, verified and attached", cold, bar="value <= 100", reason=FORGOTTEN)
    yield _row("an expert that the system remembers, verified and attached", warm, bar="value <= 100")
    budget = roomy.used // 2
    tight, most = adapted(registry, base, budget), 0

    def pressed(name: str) -> object:
        nonlocal most
        found = tight.get(name)
        most = max(most, tight.used)
        return found

    swapped = _each(lambda: None, pressed)
    said = f"{len(NAMES)} in turn, and room for {len(tight.held)}, of {roomy.used / len(NAMES) / 1e6:.1f} MB each"
    yield _row("an expert for which another leaves", swapped, bar="value <= 100", reason=said)
    yield Row(group="experts", name="most held, of the budget", value=most / budget, unit="share", bar="value <= 1")


def _each(before: Callable[[], object], get: Callable[[str], object]) -> float:
    """Milliseconds for one of the experts, asked for in turn; of a few rounds the best."""
    taken: list[float] = []
    for _ in range(REPEATS):
        before()
        started = time.perf_counter()
        for name in NAMES:
            get(name)
        taken.append(time.perf_counter() - started)
    return 1e3 * min(taken) / len(NAMES)


def forget(path: Path) -> None:
    """Have the system drop what it holds of a file, where it can be asked to."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def _installed(folder: Path) -> tuple["Base", Registry]:
    """A base, and a registry of experts on it."""
    from polyloom.adapters.adapter import Adapter
    from polyloom.adapters.bench import moved
    from polyloom.adapters.lora import LoRA
    from polyloom.experts.adapted import Base, write_expert
    from polyloom.tokens.word import WordVocabulary
    from polyloom.transformer.config import Attention, TransformerConfig
    from polyloom.transformer.model import TransformerModel

    config = TransformerConfig(WORDS, WIDTH, LAYERS, attention=Attention(8, 4))
    words = WordVocabulary([f"w{number}" for number in range(WORDS)])
    base, registry = Base(TransformerModel.build(config, words, 0), "bench", "00" * 32), Registry(folder / "registry")
    for number, name in enumerate(NAMES):
        adapter = moved(Adapter.first(LoRA(RANK), base.model, number), number)
        place = write_expert(folder / name, adapter, base, base.manifest(name))
        registry.install(Package.read(place).save(folder / f"{name}.expert", "mapped"), "anyone")
    return base, registry


def _row(name: str, value: float | None, **more: Any) -> Row:
    return Row(group="experts", name=name, value=value, unit="ms", **more)
