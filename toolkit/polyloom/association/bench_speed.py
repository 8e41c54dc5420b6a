"""How fast association models count, judge and answer, compiled code warm.

Counting: 3M tokens of real text, cut into documents of a thousand tokens, one in a hundred held out for the gate.
Judging and answering: a book in three parts, counted, for the gate, and judged; the text that is answered in runs on
from a thousand tokens, so that the history has something to remember.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np

from polyloom.association.bench_measure import KENLM_FIT, KENLM_FULL, KENLM_SCORE, best, each, ready, running
from polyloom.association.bench_text import PROMPT, STEPS, Corpus, Split, blocks, corpus, drawn, novel
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Better, Row
from polyloom.documents import Ids
from polyloom.model import Floats
from polyloom_kernels.mixture import Panel

TOKENS = 3_000_000
FEW = 50  # steps of the slow peer
PUBLISHED = "KenLM's figure is published, on other cores, not measured in this run; it counts n-grams alone"


def rows(shared: Path | None) -> Generator[Row, None, tuple[AssociationModel, Corpus]]:
    """The group's rows about time; the model of 3M tokens, and the text it came from, are for the rows about files."""
    text = corpus(shared)
    model = yield from _fit_rows(text)
    yield from _book_rows(novel(shared))
    return model, text


def _fit_rows(text: Corpus) -> Generator[Row, None, AssociationModel]:
    documents = blocks(text.tokens)
    aside, real = documents[::100], [document for n, document in enumerate(documents) if n % 100]
    learned, what = _learned(real, text)
    ready(lambda: AssociationModel.fit(learned[:20], text.vocabulary, held_out=aside))
    models: list[AssociationModel] = []

    def fit() -> None:
        models[:] = [AssociationModel.fit(learned, text.vocabulary, held_out=aside)]

    seconds = best(fit)
    model = models[0]
    name = f"fit, order {model.order}, {len(model.skips)} skips, history, gate, {_size(model.tokens_counted)} of {what}"
    yield _row(
        name, model.tokens_counted / seconds, "tokens/s", "higher",
        "KenLM order 5", KENLM_FIT, bar="value >= 1000000", reason=PUBLISHED,
    )  # fmt: skip
    again = AssociationModel.fit(drawn(text.tokens, model.tokens_counted), text.vocabulary, held_out=())
    yield _row(
        f"counts a token, {_size(model.tokens_counted)} of {what}", model.entries / model.tokens_counted, "counts",
        reason=f"{again.entries / again.tokens_counted:.2f} where as much text is drawn in snippets",
    )  # fmt: skip
    return model


def _learned(real: list[Ids], text: Corpus) -> tuple[list[Ids], str]:
    """Documents to count, and what they are."""
    if sum(map(len, real)) >= TOKENS:
        return real[: -(-TOKENS // len(real[0]))], text.name
    return list(drawn(np.concatenate(real), TOKENS)), f"{text.name} in snippets"


def _book_rows(book: Split) -> Iterator[Row]:
    model = AssociationModel.fit([book.learned], book.vocabulary, held_out=[book.held_out])
    ready(lambda: (model.log_likelihood(book.judged[:1000]), model.begin(book.judged[:100]).top(10)))
    seconds = best(lambda: model.log_likelihood(book.judged), time.process_time)
    yield _row(
        f"log_likelihood, {_size(len(book.judged))}, 1 layer, {book.name}, a core", 1e6 * seconds / len(book.judged),
        "µs/token", peer="KenLM order 5", peer_value=KENLM_SCORE, bar="value <= 10", reason=PUBLISHED,
    )  # fmt: skip
    ours = running(model.begin(book.judged[:PROMPT]), book.judged[PROMPT : PROMPT + STEPS])
    theirs = full_distributions([model], book.judged[: PROMPT + FEW])
    for part in (50, 90):
        yield _row(
            f"advance and top(10), 1 layer, {book.name}, p{part}", float(np.percentile(ours, part)), "µs",
            peer="NumPy, full distribution", peer_value=float(np.percentile(theirs, part)), reason=KENLM_FULL,
        )  # fmt: skip
    yield from _sum_rows(book)


def _sum_rows(book: Split) -> Iterator[Row]:
    ours, theirs = (
        AssociationModel.fit([half], book.vocabulary, held_out=[book.held_out])
        for half in np.array_split(book.learned, 2)
    )
    both = ours + theirs
    for name, work in (("merge two halves", lambda: ours + theirs), ("subtract one half", lambda: both - theirs)):
        rate = both.tokens_counted / best(work)
        yield _row(f"{name}, {book.name}", rate, "tokens/s", "higher")


def full_distributions(models: Sequence[AssociationModel], tokens: Ids) -> Floats:
    """Microseconds that NumPy takes for the mean of the models' distributions, at each of the last places."""
    panel = Panel([model.voice for model in models])
    return each(lambda end: full_distribution(panel, models, tokens[:end]), range(len(tokens) - FEW, len(tokens)))


def full_distribution(panel: Panel, models: Sequence[AssociationModel], tokens: Ids) -> Floats:
    """p of every token after `tokens` under the mean of models, in NumPy, float64 (V,)."""
    seen = np.stack([model.begin(tokens).seen() for model in models])
    return panel.dense(tokens, seen, np.full(len(models), 1 / len(models)), backend="reference")


def _size(tokens: int) -> str:
    """250k tokens, 3M tokens."""
    return f"{tokens / 1e6:.2g}M tokens" if tokens >= 1_000_000 else f"{tokens / 1e3:.0f}k tokens"


def _row(
    name: str, value: float, unit: str, better: Better = "lower",
    peer: str | None = None, peer_value: float | None = None, *, bar: str | None = None, reason: str | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="association", name=name, value=value, unit=unit, better=better,
        peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
