"""`polyloom bench memory`: how fast a large memory answers, and what a returning topic gains from it."""

from collections.abc import Iterator
from pathlib import Path

from polyloom.cli.rows import Row
from polyloom.memory import bench_returning, bench_speed


def rows(shared: Path | None) -> Iterator[Row]:
    """The group's rows, in about two minutes."""
    yield from bench_returning.rows(shared)
    yield from bench_speed.rows(shared)
