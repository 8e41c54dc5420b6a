"""How good a model is on text that it has not seen, and how sure one may be of that.

    perplexity         exp(−Σ ln p / tokens)                depends on how the vocabulary cuts text
    bits per byte      −Σ log₂ p / UTF-8 bytes              does not: compare models of different vocabularies by this
    top 1, top 5       how often the token that came was the likeliest, or among the five likeliest
    calibration error  how far the model's confidence is from how often it is right (see `calibration`)

Everything comes from one pass over the model's distributions.  Each figure has a 95 % interval by the bootstrap over
documents; a single document is cut into blocks of tokens, which are not independent, so the interval is then too narrow
rather than too wide.  The calibration error of a sample is too large by nature, as noise counts as error; its interval
is what the triangle inequality gives, error ± what drawing anew moves the bins by, and never too narrow for that.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from polyloom.documents import Document, Documents, Ids, checked_ids, each
from polyloom.errors import InputError
from polyloom.evaluate.bootstrap import LEVEL, draws, interval
from polyloom.evaluate.calibration import BINS, calibration_error
from polyloom.evaluate.judge import WIDTH, Floats, Judged, judged
from polyloom.protocols import Predicts
from polyloom.tokens.vocabulary import Vocabulary

BLOCK, FEWEST = 100, 20  # tokens of a block of a single document, unless there would be fewer blocks than that


@dataclass(frozen=True)
class Figure:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    def __format__(self, how: str) -> str:
        return f"{self.value:{how}} ({self.low:{how}} – {self.high:{how}})"


@dataclass(frozen=True)
class Bin:
    """The places where a model was about as sure: how many there are, its mean confidence, how often it was right."""

    tokens: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Report:
    """What `evaluate` found; `drawn` says over which units the intervals were drawn, `bins` leaves out empty ones.

    `bits_per_byte` is None if the text has no byte, `</s>` alone.
    """

    documents: int
    tokens: int
    bytes: int
    perplexity: Figure
    bits_per_byte: Figure | None
    top1: Figure
    top5: Figure
    calibration_error: Figure
    bins: tuple[Bin, ...]
    drawn: str

    def rows(self) -> list[tuple[str, str]]:
        """The figures by name, as they are printed."""
        bits = "–" if self.bits_per_byte is None else f"{self.bits_per_byte:.4f}"
        return [
            ("perplexity", f"{self.perplexity:.2f}"),
            ("bits per byte", bits),
            ("top 1", f"{self.top1:.2%}"),
            ("top 5", f"{self.top5:.2%}"),
            ("calibration error", f"{self.calibration_error:.4f}"),
        ]

    @property
    def about(self) -> str:
        """What was read, and where the intervals come from."""
        read = ", ".join([many(self.tokens, "token"), many(self.bytes, "byte"), many(self.documents, "document")])
        return f"{read}; {LEVEL:.0%} intervals over {self.drawn}"

    def __str__(self) -> str:
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        return "\n".join([*(f"{name.rjust(width)}  {figure}" for name, figure in rows), self.about])

    def _repr_html_(self) -> str:
        from polyloom.evaluate.html import page

        return page(self)


def evaluate(model: Predicts, documents: Documents, seed: int = 0) -> Report:
    """Judge a model on documents (str, arrays of ids, iterables or mappings of them); `seed` is that of the bootstrap.

    The bytes of a str are its own, those of ids the ones of the text that they decode to.  InputError if there is no
    token.
    """
    tally = Tally(model)
    for document in each(documents):
        tally.add(*_read(document, model.vocabulary))
    return tally.report(seed)


class Tally:
    """Sums of what was judged so far, a row for each document; the blocks of the first, in case it is the only one."""

    def __init__(self, model: Predicts) -> None:
        self.model, self.rows, self.blocks, self.length = model, list[Floats](), list[Floats](), 0

    def add(self, tokens: Ids, size: int) -> Judged:
        """One more document, of `size` bytes; what was made of it."""
        found = judged(self.model, tokens, size)
        if len(tokens):
            if not self.rows:
                self.length = max(1, min(BLOCK, len(tokens) // FEWEST))
                self.blocks = [part.sums() for part in _blocks(found, tokens, self.length, self.model.vocabulary)]
            self.rows.append(found.sums())
        return found

    def report(self, seed: int = 0) -> Report:
        """What all of it together says; InputError if there was no token."""
        if not self.rows:
            raise InputError("An evaluation needs at least one token; the documents hold none.")
        alone = len(self.rows) == 1
        drawn = f"{many(len(self.blocks), 'block')} of {many(self.length, 'token')}"
        drawn = drawn if alone else many(len(self.rows), "document")
        return _report(np.array(self.rows), np.array(self.blocks if alone else self.rows), drawn, seed)


def _report(documents: Floats, units: Floats, drawn: str, seed: int) -> Report:
    whole, others = documents.sum(0), draws(units, seed)

    def figure(of: Callable[[Floats], Floats]) -> Figure:
        return Figure(float(of(whole)), *interval(of(others)))

    found = _bins(whole)
    return Report(
        documents=len(documents),
        tokens=int(whole[0]),
        bytes=int(whole[1]),
        perplexity=figure(lambda sums: np.exp(_nats(sums) / sums[..., 0])),
        bits_per_byte=figure(_bits_per_byte) if whole[1] else None,
        top1=figure(lambda sums: sums[..., 4] / sums[..., 0]),
        top5=figure(lambda sums: sums[..., 5] / sums[..., 0]),
        calibration_error=_calibration(whole, others),
        bins=tuple(Bin(int(n), float(sure / n), float(right / n)) for n, sure, right in found.T.tolist() if n),
        drawn=drawn,
    )


def _nats(sums: Floats) -> Floats:
    """−Σ ln p; infinite where a token was impossible."""
    return np.where(sums[..., 3] > 0, np.inf, -sums[..., 2])


def _bits_per_byte(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw of nothing but `</s>` has no byte
        return _nats(sums) / math.log(2) / sums[..., 1]


def _bins(sums: Floats) -> Floats:
    """The bins within rows of sums (…, WIDTH), shape (…, 3, BINS)."""
    return sums[..., WIDTH - 3 * BINS :].reshape(*sums.shape[:-1], 3, BINS)


def _calibration(whole: Floats, others: Floats) -> Figure:
    """The calibration error; its interval is what the bins are moved by, added and taken away."""
    error = float(calibration_error(_bins(whole)))
    shares, moved = _bins(whole) / whole[0], _bins(others) / others[:, :1, None]
    moved = np.abs((moved[:, 1] - moved[:, 2]) - (shares[1] - shares[2])).sum(-1)
    reach = float(np.sort(moved)[math.ceil(LEVEL * (len(moved) - 1))])
    return Figure(error, max(0.0, error - reach), min(1.0, error + reach))


def many(number: int, thing: str) -> str:
    """So many things, in words."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def _read(document: Document, vocabulary: Vocabulary) -> tuple[Ids, int]:
    """The ids of a document, and how many bytes of UTF-8 it has."""
    if isinstance(document, str):
        return vocabulary.encode(document), len(document.encode())
    ids = checked_ids(document, vocabulary)
    return ids, len(vocabulary.decode(ids).encode())


def _blocks(found: Judged, tokens: Ids, length: int, vocabulary: Vocabulary) -> Iterable[Judged]:
    """A document in blocks of `length` tokens, the last of fewer; its bytes shared out by what the blocks decode to."""
    starts = range(0, len(tokens), length)
    sizes = np.array([len(vocabulary.decode(tokens[start : start + length]).encode()) for start in starts], np.float64)
    sizes *= found.size / sizes.sum() if sizes.any() else 0.0
    return [found.part(start, start + length, size) for start, size in zip(starts, sizes.tolist(), strict=True)]
