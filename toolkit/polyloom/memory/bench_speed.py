"""How fast a memory of a million tokens is: to remember a turn, to recall, and to be asked as a model.

Sentences of real text are the turns, said evenly over a year, one session a day.  The queries are other sentences of
the same text, so most of their words are known and the commonest stand in most turns, which is the dear case.
"""

import re
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from polyloom.association.bench_text import RAW
from polyloom.cli.rows import Row
from polyloom.memory.settings import DAY
from polyloom.memory.store import MemoryStore
from polyloom.tokens.word import WordVocabulary

TOKENS = 1_000_000
TIMED = 1000  # turns and queries
YEAR, START = 365 * DAY, 1_600_000_000.0
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*\n")


def rows(shared: Path | None) -> Iterator[Row]:
    """The rows, in about a minute."""
    name, turns, queries = _sentences(shared)
    vocabulary = WordVocabulary.train([*turns, *queries])
    with tempfile.TemporaryDirectory() as folder, MemoryStore(folder, vocabulary) as memory:
        more = turns[_fill(memory, turns) :][:TIMED]
        what = f"{sum(part.tokens for part in memory.sessions().values()) / 1e6:.2g}M tokens, {name}"
        yield _row(f"first recall, {what}", _timed(lambda: memory.recall(queries[0])), "s", reason="indexes all turns")
        times = [_timed(lambda said=said: memory.remember(said, at=START + YEAR)) for said in more]
        yield from _percentiles(f"remember a turn, {what}", times, 5)
        memory.recall(queries[0])
        times = [_timed(lambda query=query: memory.recall(query)) for query in queries]
        yield from _percentiles(f"recall, {what}", times, 10)
        yield from _model_rows(memory, what)


def _model_rows(memory: MemoryStore, what: str) -> Iterator[Row]:
    yield _row(f"layers, counted for the first time, {what}", _timed(memory.layers), "s")
    memory.remember("One more.", at=START + YEAR)
    yield _row(f"layers after one more turn, {what}", 1e3 * _timed(memory.layers), "ms")
    yield _row(f"compact, {what}", _timed(memory.compact), "s")
    with MemoryStore(memory.folder) as again:
        yield _row(f"layers of a memory just opened, {what}", _timed(again.layers), "s", reason="after compact")
    turns = (memory.folder / "memory.sqlite").stat().st_size
    blocks = sum(path.stat().st_size for path in (memory.folder / "blocks").iterdir())
    yield _row(f"memory.sqlite, {what}", turns / 1e6, "MB", reason=f"and {blocks / 1e6:.0f} MB of blocks")


def _sentences(shared: Path | None) -> tuple[str, list[str], list[str]]:
    """Sentences of all the real text there is: those to remember, in the order of the texts, and those to ask."""
    raw = [] if shared is None else [file for given in RAW for file in sorted((shared / "data").glob(given))]
    files = raw or sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in files)
    parts = (" ".join(part.split()) for text in texts for part in SENTENCE.split(text))
    found: list[str] = [sentence for sentence in parts if any(map(str.isalnum, sentence))]
    asked: set[int] = set(np.random.default_rng(0).choice(len(found), TIMED, replace=False).tolist())
    queries = [found[at] for at in sorted(asked)]
    turns = [sentence for at, sentence in enumerate(found) if at not in asked]
    return "books and exams" if raw else "Python's library", turns, queries


def _fill(memory: MemoryStore, turns: Sequence[str]) -> int:
    """Remember a million tokens; how many turns that were."""
    tokens, count = 0, 0
    while tokens < TOKENS and count < len(turns) - TIMED:
        when = YEAR * tokens / TOKENS
        text = turns[count]
        tokens += len(memory.remember(text, f"day {when // DAY:.0f}", at=START + when).tokens)
        count += 1
    return count


def _timed(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def _percentiles(name: str, seconds: Sequence[float], most: float) -> Iterator[Row]:
    for part, bar in ((50, None), (95, f"value <= {most}")):
        yield _row(f"{name}, p{part}", 1e3 * float(np.percentile(seconds, part)), "ms", bar=bar)


def _row(name: str, value: float, unit: str, *, bar: str | None = None, reason: str | None = None) -> Row:
    return Row(group="memory", name=name, value=value, unit=unit, bar=bar, reason=reason)
