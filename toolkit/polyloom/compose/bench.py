"""`polyloom bench compose`: how fast mixes answer, judge text and fit their weights, compiled code warm.

Four layers, each of which counted its own quarter of a book, at equal weights; nothing is capped.  What follows them in
the book is judged and answered.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from polyloom.association.bench_measure import KENLM_FULL, KENLM_SCORE, best, ready, running
from polyloom.association.bench_speed import FEW, PUBLISHED, full_distributions
from polyloom.association.bench_text import PROMPT, STEPS, Split, novel
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Better, Row
from polyloom.compose import bench_middle, bench_optimise, bench_routed
from polyloom.compose.layered import Layer, Layered
from polyloom.documents import Ids

LAYERS = 4
FITTED, FITTED_LOG = 50_000, 400  # tokens that weights are fitted to
LOG_STEPS = 200
BARS = {50: "value <= 50", 90: "value <= 100"}  # µs, by percentile


def rows(shared: Path | None) -> Iterator[Row]:
    """The group's rows, in about two minutes."""
    book = novel(shared)
    models = [
        AssociationModel.fit([part], book.vocabulary, held_out=[book.held_out])
        for part in np.array_split(book.learned, LAYERS)
    ]
    linear, log = (_mix(models, pool) for pool in ("linear", "log"))
    ready(lambda: (linear.log_likelihood(book.judged[:1000]), linear.begin(book.judged[:100]).top(10)))
    yield from _linear_rows(linear, models, book)
    yield from _log_rows(log, book)
    yield from _fitted_rows(linear, book, book.judged[:FITTED], "Newton")
    yield from _fitted_rows(log, book, book.judged[:FITTED_LOG], "Newton")
    yield from bench_middle.rows(shared)
    yield from bench_optimise.rows(shared)
    yield from bench_routed.rows(shared)


def _mix(models: Sequence[AssociationModel], pool: str) -> Layered:
    base, *others = models
    return Layered(base, {f"part {n}": Layer(model) for n, model in enumerate(others, 2)}, pool, name="part 1")


def _linear_rows(mix: Layered, models: list[AssociationModel], book: Split) -> Iterator[Row]:
    what = _what(mix, book)
    ours = running(mix.begin(book.judged[:PROMPT]), book.judged[PROMPT : PROMPT + STEPS])
    theirs = full_distributions(models, book.judged[: PROMPT + FEW])
    for part, bar in BARS.items():
        yield _row(
            f"advance and top(10), {what}, p{part}", float(np.percentile(ours, part)), "µs",
            peer="NumPy, full distribution", peer_value=float(np.percentile(theirs, part)), bar=bar, reason=KENLM_FULL,
        )  # fmt: skip
    seconds = best(lambda: mix.log_likelihood(book.judged), time.process_time)
    yield _row(
        f"log_likelihood, {_size(book.judged)}, {what}, a core", 1e6 * seconds / len(book.judged), "µs/token",
        peer="4 × KenLM order 5", peer_value=len(models) * KENLM_SCORE, bar="value <= 30", reason=PUBLISHED,
    )  # fmt: skip


def _log_rows(mix: Layered, book: Split) -> Iterator[Row]:
    what = _what(mix, book)
    ours = running(mix.begin(book.judged[:PROMPT]), book.judged[PROMPT : PROMPT + LOG_STEPS])
    yield _row(f"advance and top(10), {what}, p50", float(np.percentile(ours, 50)), "µs")
    some = book.judged[:FITTED_LOG]
    seconds = best(lambda: mix.log_likelihood(some), time.process_time, 1)
    yield _row(f"log_likelihood, {_size(some)}, {what}, a core", 1e6 * seconds / len(some), "µs/token")


def _fitted_rows(mix: Layered, book: Split, tokens: Ids, way: str) -> Iterator[Row]:
    """How long it took, and how much better any other weights could be."""
    started = time.perf_counter()
    certificate = mix.fit_weights([tokens]).certificate
    seconds = time.perf_counter() - started
    what = f"{_size(tokens)}, {_what(mix, book)}"
    found = f"{way}: {certificate}"
    yield _row(f"fit_weights, {what}", seconds, "s", reason=found)
    left = None if certificate is None else certificate.gain
    yield _row(f"fit_weights, left to gain at most, {what}", left, "nats/token", reason=found)


def _what(mix: Layered, book: Split) -> str:
    return f"{len(mix.layers)} layers, {mix.pool} pool, {book.name}"


def _size(tokens: Ids) -> str:
    return f"{len(tokens) / 1e3:.0f}k tokens" if len(tokens) >= 1000 else f"{len(tokens)} tokens"


def _row(
    name: str, value: float | None, unit: str, better: Better = "lower",
    peer: str | None = None, peer_value: float | None = None, *, bar: str | None = None, reason: str | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="compose", name=name, value=value, unit=unit, better=better,
        peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
