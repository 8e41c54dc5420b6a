"""`polyloom bench association`: how fast association models count, judge text and answer.

In words, on the documentation that every Python carries (`pydoc_data.topics`).  Nothing of the kind is compared in the
same run yet, so there is no ratio, and the rows say so.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics

from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Better, Row
from polyloom.tokens.word import WordVocabulary

NO_PEER = "no peer is measured in this run yet"
PLACES = 200  # positions at which top(10) is asked
REPEATS = 3  # of which the best counts: the machine is shared, and other work only ever slows


def rows(shared: Path | None) -> Iterator[Row]:  # noqa: ARG001 - these rows need no data from outside
    """The group's rows, in about ten seconds."""
    texts = list(topics.values())
    vocabulary = WordVocabulary.train(texts)
    documents = [vocabulary.encode(text) for text in texts]
    held_out, learned = documents[::10], [text for n, text in enumerate(documents) if n % 10]

    model = AssociationModel.fit(learned, vocabulary, held_out=held_out)
    seconds = _best(lambda: AssociationModel.fit(learned, vocabulary, held_out=held_out))
    shape = f"order {model.order}, {len(model.skips)} skips"
    yield _row(f"fit, {shape}, Python's documentation", model.tokens_counted / seconds, "tokens/s", "higher")

    judged = sum(map(len, held_out))
    seconds = _best(lambda: [model.log_likelihood(document) for document in held_out])
    yield _row("log_likelihood, held-out topics", 1e6 * seconds / judged, "µs/token", "lower")

    places = [model.begin(held_out[0][:end]) for end in range(1, 1 + min(PLACES, len(held_out[0])))]
    seconds = _best(lambda: [place.top(10) for place in places])
    yield _row("top(10), one place", 1e6 * seconds / len(places), "µs", "lower")


def _row(name: str, value: float, unit: str, better: Better) -> Row:
    return Row(group="association", name=name, value=value, unit=unit, better=better, reason=NO_PEER)


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of a few runs."""
    seconds: list[float] = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
