"""`polyloom bench association`: how well association models predict, how fast and how small they are.

Each in a module of its own:

    bench_quality   perplexity and calibration on token sets with published figures
    bench_speed     counting, judging, answering, merging
    bench_file      bytes, opening, memory
    bench_presets   what each preset costs and gives
"""

from collections.abc import Iterator
from pathlib import Path

from polyloom.association import bench_file, bench_presets, bench_quality, bench_speed
from polyloom.cli.rows import Row


def rows(shared: Path | None) -> Iterator[Row]:
    """The group's rows: less than a minute, and about three with `shared`, a folder of real text."""
    yield from bench_quality.rows(shared)
    model, text = yield from bench_speed.rows(shared)
    yield from bench_file.rows(model, text, shared)
    yield from bench_presets.rows(shared)
