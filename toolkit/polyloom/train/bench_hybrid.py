"""The rows of `polyloom bench hybrid`: a small transformer and an association model, and both together.

War and Peace and tiny Shakespeare, in the words of their token files (see `bench_text`).  Both models learn from the
training text; the gate between them, and the best fixed weights, are fitted to the validation text; all are judged
once, on the test text, each book one document.  The transformer is trained on one thread for as many steps as take less
than a quarter of an hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyloom.association.bench_text import NO_SHARED, Anchor, anchor
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row
from polyloom.compose.gated import Gated
from polyloom.compose.layered import Layer, Layered
from polyloom.documents import Ids
from polyloom.model import LanguageModel
from polyloom.tokens.vocabulary import SENTENCE_END, UNKNOWN
from polyloom.tokens.word import WordVocabulary
from polyloom.train.history import History
from polyloom.train.loop import train
from polyloom.train.settings import Training
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.model import TransformerModel

SETS = ("warandpeace", "tinyshakespeare")
CONFIG = TransformerConfig(1, width=256, layers=4, context=256, attention=Attention(8, qk_norm=True), dropout=0.1)
TRAINING = Training(steps=250, batch=16, threads=1, evaluate_every=50, evaluate_tokens=32_768, sample_tokens=0)
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training text, for the learning curve of counts
MINUTES = 15


@dataclass(frozen=True)
class Books:
    """The words of both books, and their texts as ids."""

    vocabulary: WordVocabulary
    learned: list[Ids]
    held_out: list[Ids]
    judged: list[Ids]


def rows(shared: Path | None) -> Iterator[Row]:
    """Six rows, in about a quarter of an hour."""
    found = [anchor(shared, name) for name in SETS]
    anchors = [one for one in found if one is not None]
    if len(anchors) < len(SETS):
        yield _row("hybrid, test loss", None, reason=NO_SHARED.format(" and ".join(SETS)))
        return
    books = together(anchors)
    counts, curve = counted(books)
    transformer, history = trained(books)
    minutes = history.steps[-1].seconds / 60
    yield Row(
        group="hybrid", name="transformer of the hybrid, trained", value=minutes, unit="minutes",
        bar=f"value <= {MINUTES}", reason=f"validation loss after tokens: {_curve(*history.validation('tokens'))}",
    )  # fmt: skip
    alone = {"transformer": _loss(transformer, books), "association": _loss(counts, books)}
    yield _row("transformer alone, test loss", alone["transformer"])
    yield _row("association alone, test loss", alone["association"], reason=f"test loss after tokens: {_curve(*curve)}")
    fixed = Layered(counts, {"transformer": Layer(transformer)}, name="association").fit_weights(books.held_out)
    gated = Gated({"association": counts, "transformer": transformer}).fit_gate(books.held_out)
    best = min(alone.values())
    for name, mix in (("best fixed weights", fixed), ("learned gate", gated)):
        loss = _loss(mix, books)
        yield _row(
            f"hybrid, {name}, test loss", loss, peer="the better of the two alone", peer_value=best,
            bar="ratio >= 1.0", reason=f"perplexity {np.exp(loss):.1f} against {np.exp(best):.1f}",
        )  # fmt: skip


def together(anchors: list[Anchor]) -> Books:
    """Both books in the words of either."""
    marks = (UNKNOWN, SENTENCE_END)
    words = dict.fromkeys(piece for one in anchors for piece in one.vocabulary.pieces if piece not in marks)
    vocabulary = WordVocabulary([*marks, *words])

    def of(name: str) -> list[Ids]:
        return [_moved(getattr(one, name), one, vocabulary) for one in anchors]

    return Books(vocabulary, of("train"), of("valid"), of("test"))


def counted(books: Books) -> tuple[AssociationModel, tuple[list[float], list[float]]]:
    """The association model, and its loss on the test text after parts of the training text."""
    tokens, losses, model = list[float](), list[float](), None
    for share in SHARES:
        parts = [ids[: int(len(ids) * share)] for ids in books.learned]
        model = AssociationModel.fit(parts, books.vocabulary, held_out=books.held_out)
        tokens.append(float(sum(map(len, parts))))
        losses.append(_loss(model, books))
    if model is None:
        raise ValueError("no share of the text is counted")
    return model, (tokens, losses)


def trained(books: Books) -> tuple[TransformerModel, History]:
    """The transformer and how it went."""
    model = TransformerModel.build(_config(books.vocabulary), books.vocabulary)
    run = train(model, books.learned, TRAINING, books.held_out)
    return run.model, run.history


def _config(vocabulary: WordVocabulary) -> TransformerConfig:
    given = {**CONFIG.to_json(), "vocabulary_size": vocabulary.size, "begin": vocabulary.sentence_end, "rows": 0}
    return TransformerConfig.from_json(given)


def _moved(ids: Ids, given: Anchor, vocabulary: WordVocabulary) -> Ids:
    return np.array([vocabulary.id_of(piece) for piece in given.vocabulary.pieces])[ids]


def _loss(model: LanguageModel, books: Books) -> float:
    """Nats a token of the test text."""
    return -float(np.concatenate([model.log_likelihood(ids) for ids in books.judged]).mean())


def _curve(at: object, losses: object) -> str:
    pairs = zip(np.asarray(at).tolist(), np.asarray(losses).tolist(), strict=True)
    return ", ".join(f"{tokens / 1e3:.0f}k {loss:.3f}" for tokens, loss in pairs)


def _row(
    name: str, value: float | None, *, peer: str | None = None, peer_value: float | None = None,
    bar: str | None = None, reason: str | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="hybrid", name=name, value=value, unit="nats/token",
        peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
