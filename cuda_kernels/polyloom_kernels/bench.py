"""`polyloom bench kernels`: the rows of every operation that is measured, one after another."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

NAMES = ("count", "recall", "decode", "experts", "lora", "quantized", "route", "sample", "attend")
MEASURED = tuple(f"polyloom_kernels.{name}.bench" for name in NAMES)


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:
    """The arguments of each row; an operation is imported when its turn comes."""
    for name in MEASURED:
        yield from import_module(name).rows(shared)
