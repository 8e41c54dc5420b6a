"""What each preset costs and gives, on one book: perplexity, counting, bytes, and microseconds for each token.

Beside them stands what `scoring="position"` gives on the same text.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from polyloom.association.bench_measure import best, ready, running
from polyloom.association.bench_text import PROMPT, STEPS, Split, novel
from polyloom.association.model import AssociationModel
from polyloom.association.position.model import PositionModel
from polyloom.association.presets import PRESETS
from polyloom.cli.rows import Better, Row

SHORT = 20_000  # tokens whose likelihood is timed
SETTINGS = {**{f"preset {name}": given for name, given in PRESETS.items()}, "position scores": {"scoring": "position"}}


def rows(shared: Path | None) -> Iterator[Row]:
    """Five rows for each of `SETTINGS`."""
    book = novel(shared)
    for name in SETTINGS:
        yield from _settings(name, book)


def _settings(name: str, book: Split) -> Iterator[Row]:
    def fit() -> AssociationModel | PositionModel:
        settings: dict[str, Any] = {"held_out": [book.held_out], **SETTINGS[name]}
        return cast(
            "AssociationModel | PositionModel", AssociationModel.fit([book.learned], book.vocabulary, **settings)
        )

    model = fit()
    ready(lambda: (model.log_likelihood(book.judged[:1000]), model.begin(book.judged[:100]).top(10)))
    logs, some = model.log_likelihood(book.judged), book.judged[:SHORT]
    speed = len(book.learned) / best(fit, repeats=1)
    judged = best(lambda: model.log_likelihood(some), time.process_time)
    steps = running(model.begin(book.judged[:PROMPT]), book.judged[PROMPT : PROMPT + STEPS])
    yield _row(name, "perplexity", book, float(np.exp(-logs.mean())), "perplexity")
    yield _row(name, "fit", book, speed, "tokens/s", "higher")
    yield _row(name, "file", book, _bytes(model) / 1e6, "MB")
    yield _row(name, "log_likelihood", book, 1e6 * judged / len(some), "µs/token")
    yield _row(name, "advance and top(10)", book, float(np.percentile(steps, 50)), "µs")


def _bytes(model: AssociationModel | PositionModel) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return model.save(Path(folder, "model.psam")).stat().st_size


def _row(settings: str, what: str, book: Split, value: float, unit: str, better: Better = "lower") -> Row:
    name = f"{settings}: {what}, {book.name}"
    return Row(group="association", name=name, value=value, unit=unit, better=better)
