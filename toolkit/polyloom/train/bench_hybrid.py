"""The rows of `polyloom bench hybrid`: a small transformer and an association model, and both together.

The transformer is also judged in whole numbers of 8 and of 4 bits.

War and Peace and tiny Shakespeare, cut into documents of a few thousand pieces; of twenty, one is held out for the gate
and one to judge by.  Both models learn from the others; the gate between them, and the best fixed weights, are fitted
to what was held out; all are judged once.  The transformer is trained on one thread for as many steps as take less than
a quarter of an hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polyloom.association.bench_text import NO_SHARED
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row
from polyloom.compose.gated import Gated
from polyloom.compose.layered import Layer, Layered
from polyloom.documents import Ids
from polyloom.model import LanguageModel
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.train.history import History
from polyloom.train.loop import train
from polyloom.train.settings import Training
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.int8 import int4, int8
from polyloom.transformer.model import TransformerModel

BOOKS = ("data/text/warandpeace/warandpeace.txt", "data/text/tinyshakespeare/input.txt")
PIECES, DOCUMENT = 2000, 20_000  # in the vocabulary; characters of a document
PARTS, ASIDE, JUDGED = 20, 7, 17  # of so many documents, which one is for the gate and which one to judge by
CONFIG = TransformerConfig(1, width=192, layers=4, context=256, attention=Attention(6, qk_norm=True))
TRAINING = Training(steps=300, batch=16, threads=1, evaluate_every=50, evaluate_tokens=32_768, sample_tokens=0)
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training text, for the learning curve of counts
MINUTES = 15


@dataclass(frozen=True)
class Text:
    """Both books in pieces, document by document."""

    vocabulary: SentencePieceVocabulary
    learned: list[Ids]
    held_out: list[Ids]
    judged: list[Ids]


def rows(shared: Path | None) -> Iterator[Row]:
    """Seven rows, in about a quarter of an hour."""
    missing = [name for name in BOOKS if shared is None or not (shared / name).is_file()]
    if shared is None or missing:
        yield _row("hybrid, learned gate, held-out loss", None, reason=NO_SHARED.format(" and ".join(BOOKS)))
        return
    text = read(shared)
    counts, curve = counted(text)
    transformer, history = trained(text)
    yield Row(
        group="hybrid", name="training the transformer, one thread",
        value=history.steps[-1].seconds / 60, unit="minutes",
        bar=f"value <= {MINUTES}", reason=f"its loss after tokens: {_curve(*history.validation('tokens'))}",
    )  # fmt: skip
    alone = {"transformer": _loss(transformer, text), "association": _loss(counts, text)}
    yield _row("transformer alone, held-out loss", alone["transformer"])
    yield _row("association alone, held-out loss", alone["association"], reason=f"after tokens: {_curve(*curve)}")
    yield from rounded(transformer, text)
    fixed = Layered(counts, {"transformer": Layer(transformer)}, name="association").fit_weights(text.held_out)
    gated = Gated({"association": counts, "transformer": transformer}).fit_gate(text.held_out)
    best = min(alone.values())
    for name, mix in (("best fixed weights", fixed), ("learned gate", gated)):
        loss = _loss(mix, text)
        yield _row(
            f"hybrid, {name}, held-out loss", loss, peer="the better of the two alone", peer_value=best,
            bar="ratio >= 1.0", reason=f"perplexity of a piece {np.exp(loss):.1f} against {np.exp(best):.1f}",
        )  # fmt: skip


def rounded(model: TransformerModel, text: Text) -> Iterator[Row]:
    """What whole numbers cost: how much more perplexity a model has in 8 and in 4 bits."""
    before = _loss(model, text)
    for name, of, most in (("int8", int8, 0.5), ("int4", int4, 3.0)):
        change = _loss(of(model), text) - before
        yield Row(
            group="hybrid", name=f"{name}, change of the transformer's perplexity", value=100 * float(np.expm1(change)),
            unit="%", bar=f"value <= {most}", reason=f"{np.exp(before):.2f} becomes {np.exp(before + change):.2f}",
        )  # fmt: skip


def read(shared: Path) -> Text:
    """The books, parted."""
    found = [
        part for name in BOOKS for part in _documents((shared / name).read_text(encoding="utf-8", errors="replace"))
    ]
    learned = [one for n, one in enumerate(found) if n % PARTS not in (ASIDE, JUDGED)]
    vocabulary = SentencePieceVocabulary.train(learned, size=PIECES)
    parts = (learned, found[ASIDE::PARTS], found[JUDGED::PARTS])
    return Text(vocabulary, *([vocabulary.encode(one) for one in part] for part in parts))


def _documents(text: str) -> Iterator[str]:
    """Runs of whole paragraphs of about DOCUMENT characters."""
    held: list[str] = []
    for paragraph in text.split("\n\n"):
        held.append(paragraph)
        if sum(map(len, held)) >= DOCUMENT:
            yield "\n\n".join(held)
            held = []
    if held:
        yield "\n\n".join(held)


def counted(text: Text) -> tuple[AssociationModel, tuple[list[float], list[float]]]:
    """The association model, and its held-out loss after parts of the training text."""
    models = [
        AssociationModel.fit(text.learned[: int(len(text.learned) * share)], text.vocabulary, held_out=text.held_out)
        for share in SHARES
    ]
    return models[-1], ([float(model.tokens_counted) for model in models], [_loss(model, text) for model in models])


def trained(text: Text) -> tuple[TransformerModel, History]:
    """The transformer, and how it went."""
    size, begin = text.vocabulary.size, text.vocabulary.sentence_end
    model = TransformerModel.build(replace(CONFIG, vocabulary_size=size, begin=begin, rows=0), text.vocabulary)
    run = train(model, text.learned, TRAINING, text.judged)
    return run.last, run.history


def _loss(model: LanguageModel, text: Text) -> float:
    """Nats a piece of the documents that are judged."""
    return -float(np.concatenate([model.log_likelihood(ids) for ids in text.judged]).mean())


def _curve(at: object, losses: object) -> str:
    pairs = zip(np.asarray(at).tolist(), np.asarray(losses).tolist(), strict=True)
    return ", ".join(f"{tokens / 1e3:.0f}k {loss:.3f}" for tokens, loss in pairs)


def _row(
    name: str, value: float | None, *, peer: str | None = None, peer_value: float | None = None,
    bar: str | None = None, reason: str | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="hybrid", name=name, value=value, unit="nats/piece",
        peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
