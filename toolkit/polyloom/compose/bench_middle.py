"""How much the right side tells: gaps of one token in a book, filled in from both sides and from the left alone.

The same model answers both times, so that only the right side makes the difference; the interval is that of the
difference, gap by gap, if other gaps had been drawn.  What is missing is a word of the vocabulary or a mark, never
`<unk>` or the end of a line.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from polyloom.association.bench_text import NO_SHARED, Anchor, anchor
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Better, Row
from polyloom.documents import Ids
from polyloom.evaluate.bootstrap import draws, interval
from polyloom.generate.middle import WIDTH, posterior
from polyloom.model import Floats, LanguageModel

BOOK = "warandpeace"
GAPS, LEFT, RIGHT = 400, 200, 5  # of a book; tokens that are read on either side
WHAT: tuple[tuple[str, str, Better], ...] = (
    ("found first", "share", "higher"),
    ("found among five", "share", "higher"),
    ("surprise", "nats", "lower"),
)
SPEED = "predict_middle, a core, p50"


def rows(shared: Path | None) -> Iterator[Row]:
    """Four rows, in about a minute and a half."""
    book = anchor(shared, BOOK)
    if book is None:
        reason = NO_SHARED.format(f"anchors/ngram/{BOOK}")
        missing: tuple[tuple[str, str, Better], ...] = (*WHAT, (SPEED, "s", "lower"))
        yield from (_row(what, None, unit, better, reason=reason) for what, unit, better in missing)
        return
    model = AssociationModel.fit([book.train], book.vocabulary, held_out=[book.valid])
    found, seconds = list[Floats](), list[float]()
    for place in _gaps(book).tolist():
        started = time.process_time()
        both, left = _filled(model, book.test, place)
        seconds.append(time.process_time() - started)
        found.append(np.stack([_judged(log_probs, int(book.test[place])) for log_probs in (both, left)]))
    yield from _compared(np.stack(found))
    exact = f"exact over {book.vocabulary.size:,} pieces"
    yield _row(SPEED, float(np.median(seconds)), "s", "lower", bar="value <= 1", reason=exact)


def _gaps(book: Anchor) -> Ids:
    """Where a token is left out, rising."""
    places = np.arange(LEFT, len(book.test) - RIGHT)
    dull = [book.vocabulary.unknown, book.vocabulary.sentence_end]
    places = places[~np.isin(book.test[places], [token for token in dull if token is not None])]
    return np.sort(np.random.default_rng(0).choice(places, GAPS, replace=False))


def _filled(model: LanguageModel, text: Ids, place: int) -> tuple[Floats, Floats]:
    """ln p of every token at a gap, float64 (V,): by both sides, and by the left one."""
    left, right = text[place - LEFT : place], text[place + 1 : place + 1 + RIGHT]
    found = posterior(model, left, right, 1, True, WIDTH, None, "psm")
    return found.joint - found.log_normaliser, found.parts[0].before


def _judged(log_probs: Floats, token: int) -> Floats:
    """Whether a token is the likeliest, whether it is among five, and −ln p of it."""
    rank = int(np.count_nonzero(log_probs > log_probs[token]))
    return np.array([float(rank < 1), float(rank < 5), -float(log_probs[token])])


def _compared(scores: Floats) -> Iterator[Row]:
    """Both sides beside the left one, float64 (gaps, 2, 3)."""
    means = scores.mean(0)
    drawn = draws(scores[:, 0] - scores[:, 1], 0) / len(scores)
    for n, (what, unit, better) in enumerate(WHAT):
        low, high = interval(drawn[:, n])
        yield _row(
            what, float(means[0, n]), unit, better, peer="the left side alone", peer_value=float(means[1, n]),
            reason=f"the right side makes a difference of {low:+.3f} to {high:+.3f} in 95 % of draws",
        )  # fmt: skip


def _row(
    what: str, value: float | None, unit: str, better: Better, *, reason: str,
    peer: str | None = None, peer_value: float | None = None, bar: str | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="compose", name=f"a missing token, {what}, {RIGHT} tokens on the right, {GAPS} gaps, {BOOK}",
        value=value, unit=unit, better=better, peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
