"""How large association models are: in a file, in memory while they are fitted, and how soon a file answers.

A file is opened in a fresh process, several times, and the best counts; it is in the page cache, so the disk has no
say.  The clock starts when polyloom is imported.  Memory is measured in a process of its own, on a stream of documents
that are made as they are asked for; first on a tenth of the text, and on all of it only if that promises to end soon
and within the bar.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from polyloom.association.bench_child import STATUS
from polyloom.association.bench_text import Corpus
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row

QUESTION = "it is a truth that"
OPENINGS = 5
STREAM, PART = 50_000_000, 5_000_000  # tokens
BAR = 2e9  # bytes of memory
REFUSED = int(4e9)  # bytes that a process may ask for
PATIENCE = 180.0  # seconds
SLOWER = 1.3  # merging takes longer the more there is


def rows(model: AssociationModel, text: Corpus, shared: Path | None) -> Iterator[Row]:
    """The group's rows about files and memory; the long stream is measured with shared data only."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _file_rows(model, model.save(Path(folder, "model.psam")))
        tokens = Path(folder, "tokens.npy")
        np.save(tokens, text.tokens)
        yield from _memory_rows(tokens, text.vocabulary.size, shared is not None)


def _file_rows(model: AssociationModel, file: Path) -> Iterator[Row]:
    size = file.stat().st_size
    words = sum(array.nbytes for array in model.vocabulary.state()[1].values())
    yield _row(
        "bytes a stored count", (size - words) / model.entries, "bytes", "value <= 16",
        f"{size / 1e6:.0f} MB with all derived tables, less the vocabulary, for {model.entries:,} counts",
    )  # fmt: skip
    found = [_child("open", str(file), QUESTION) for _ in range(OPENINGS)]
    seconds = [one["seconds"] for one in found if isinstance(one, dict)]
    failed = next((one for one in found if isinstance(one, str)), "")
    yield _row(
        f"open to first prediction, {size / 1e6:.0f} MB", 1e3 * min(seconds) if seconds else None, "ms", "value <= 20",
        failed or "after Python started and imported polyloom; the file is in the page cache",
    )  # fmt: skip


def _memory_rows(tokens: Path, vocabulary: int, patient: bool) -> Iterator[Row]:
    part = _fit(tokens, vocabulary, PART)
    yield _memory(PART, part, None)
    if isinstance(part, str):
        yield _memory(STREAM, "a tenth of it could not be measured: " + part)
    elif part["bytes"] > BAR:
        yield _memory(STREAM, "a tenth of it takes more than the bar allows already")
    elif not patient:
        yield _memory(STREAM, "takes minutes: measured only with --shared DIR")
    elif SLOWER * part["seconds"] * STREAM / PART > PATIENCE:
        yield _memory(STREAM, f"would take more than {PATIENCE:.0f} s, by what a tenth of it took")
    else:
        yield _memory(STREAM, _fit(tokens, vocabulary, STREAM))


def _fit(tokens: Path, vocabulary: int, size: int) -> dict[str, float] | str:
    if not STATUS.is_file():
        return "only Linux tells how much memory a process had at most"
    return _child("fit", str(tokens), str(vocabulary), str(size), str(REFUSED))


def _memory(size: int, found: dict[str, float] | str, bar: str | None = f"value <= {BAR / 1e9:g}") -> Row:
    """A row of what a process told, or why it told nothing."""
    name = f"peak memory of fit, {size / 1e6:g}M tokens streamed"
    if isinstance(found, str):
        return _row(name, None, "GB", bar, found)
    reason = f"{size / found['seconds']:,.0f} tokens/s, {found['entries'] / size:.2f} counts a token"
    return _row(name, found["bytes"] / 1e9, "GB", bar, reason)


def _child(*words: str) -> dict[str, float] | str:
    """What a process of its own told, or why it told nothing."""
    command = [sys.executable, "-m", "polyloom.association.bench_child", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"took longer than {2 * PATIENCE:.0f} s"
    if done.returncode:
        return f"ended with {(done.stderr.splitlines() or [f'exit code {done.returncode}'])[-1]}"
    return json.loads(done.stdout)


def _row(name: str, value: float | None, unit: str, bar: str | None, reason: str) -> Row:
    return Row(group="association", name=name, value=value, unit=unit, bar=bar, reason=reason)
