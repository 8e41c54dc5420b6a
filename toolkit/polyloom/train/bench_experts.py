"""The rows of `polyloom bench mixtures`: experts against a dense model of equal active size.

Both read the same batches of one book, cut into 2,000 pieces, for the same number of steps; each token passes as many
weights in one as in the other, but for the gate.  Three seeds; the mean of the held-out losses counts, and the worst
of how evenly the experts share the work.

Held out is a chapter in twenty, spread over the book.  Its last chapters are left out too: they are essays, nothing
like what was learned from, and how evenly experts share a text of another kind is told beside.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polyloom.association.bench_text import NO_SHARED
from polyloom.cli.rows import Row
from polyloom.documents import Ids
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.train.history import Evaluation
from polyloom.train.loop import Trained, train
from polyloom.train.settings import Training
from polyloom.train.validation import Validation
from polyloom.transformer.config import Attention, Experts, TransformerConfig
from polyloom.transformer.model import TransformerModel

BOOK = "data/text/warandpeace/warandpeace.txt"
PIECES, PARTS, JUDGED, ESSAYS = 2000, 20, 17, 0.05  # of so many chapters, which one is held out; the last ones
DENSE = TransformerConfig(1, width=128, layers=4, context=128, attention=Attention(4, qk_norm=True))
MIXTURE = replace(DENSE, experts=Experts(8, 2))
SEEDS = (0, 1, 2)
TRAINING = Training(steps=300, batch=16, threads=1, evaluate_every=100, sample_tokens=0)


def rows(shared: Path | None) -> Iterator[Row]:
    """Three rows, in about ten minutes on a quiet machine."""
    if shared is None or not (shared / BOOK).is_file():
        yield _row("validation loss of 8 experts, top 2, over three seeds", None, NO_SHARED.format(BOOK))
        return
    text = read(shared / BOOK)
    dense = [trained(DENSE, text, seed) for seed in SEEDS]
    mixed = [trained(MIXTURE, text, seed) for seed in SEEDS]
    losses = [[run.history.evaluations[-1].loss for run in runs] for runs in (mixed, dense)]
    seconds = [float(np.mean([run.history.steps[-1].seconds for run in runs])) for runs in (mixed, dense)]
    said = "; ".join(", ".join(f"{loss:.3f}" for loss in found) for found in losses)
    yield Row(
        group="mixtures", name="validation loss of 8 experts, top 2, mean of three seeds",
        value=float(np.mean(losses[0])), unit="nats/token",
        peer="dense, equal active size", peer_value=float(np.mean(losses[1])), bar="ratio >= 1.0",
        reason=f"each seed: {said}; {seconds[0]:.0f} s a run against {seconds[1]:.0f} s",
    )  # fmt: skip
    last = [run.history.evaluations[-1] for run in mixed]
    used = min(one.utilisation or 0.0 for one in last)
    yield _row(
        "experts that get a tenth of an even share or more, worst seed", used, bar="value >= 0.9", better="higher"
    )
    violation = max(one.max_violation or 0.0 for one in last)
    essays = max(_violation(run.last, text.essays) for run in mixed)
    yield _row(
        "MaxVio: the busiest expert above an even share, worst seed", violation, bar="value <= 0.2",
        reason=f"a mean over layers; {essays:.3f} on the last chapters of the book, which are of another kind",
    )  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A book in pieces, chapter by chapter."""

    vocabulary: SentencePieceVocabulary
    learned: list[Ids]
    held_out: list[Ids]
    essays: list[Ids]


def read(path: Path) -> Text:
    """The book, parted; its pieces are those of what is learned from."""
    chapters = path.read_text(encoding="utf-8", errors="replace").split("\n\nCHAPTER ")
    last = int(len(chapters) * (1 - ESSAYS))
    learned = [chapter for n, chapter in enumerate(chapters[:last]) if n % PARTS != JUDGED]
    vocabulary = SentencePieceVocabulary.train(learned, size=PIECES)
    parts = (learned, chapters[JUDGED:last:PARTS], chapters[last:])
    return Text(vocabulary, *([vocabulary.encode(one) for one in part] for part in parts))


def trained(config: TransformerConfig, text: Text, seed: int) -> Trained:
    """A model of that config, trained from that seed."""
    vocabulary = text.vocabulary
    given = replace(config, vocabulary_size=vocabulary.size, begin=vocabulary.sentence_end, rows=0)
    model = TransformerModel.build(given, vocabulary, seed)
    return train(model, text.learned, replace(TRAINING, seed=seed), text.held_out, progress=False)


def _violation(model: TransformerModel, documents: list[Ids]) -> float:
    """MaxVio on other texts, as an evaluation of the training tells it."""
    training = TRAINING.of_length(model.config.context)
    loss, load = Validation(documents, model.config.begin, training).judge(model.decoder)
    return Evaluation(0, 0, loss, 0.0, load).max_violation or 0.0


def _row(
    name: str, value: float | None, reason: str | None = None, bar: str | None = None, better: str = "lower"
) -> Row:
    return Row(
        group="mixtures", name=name, value=value, unit="share", reason=reason, bar=bar,
        better="higher" if better == "higher" else "lower",
    )  # fmt: skip
