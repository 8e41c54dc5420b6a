"""The classic association model, on firm ground: how well each token a, d tokens back, goes with the next one.

    ln p(b | context) = bias(b) + Σ_d [ decay(d) · idf(a_d)^x · PMI(a_d, d, b) + consensus(d) ] − ln Z

The sum runs over the rows (a_d, d), d = 1 … window, that list b; see `rows` for what they list and
`score` for decay, exponent and consensus, which held-out text fits.  The bias is the log of the smoothed
unigram.  Only integer counts are kept; the rows are derived from final counts, so the order of documents never matters,
and rounded to int8 with one scale each, so that all sums are integers and equal bit for bit on every back end.  The
distribution is normalised over all tokens; one that no row lists has its bias, so ln Z needs those alone that are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Number
from typing import Any

import numpy as np

from polyloom.association.algebra import EMPTY, copies
from polyloom.association.aside import set_aside
from polyloom.association.joins import Join, added, larger, smaller
from polyloom.association.position.continuation import PositionContinuation
from polyloom.association.position.counts import PositionCounts
from polyloom.association.position.fit import fitted
from polyloom.association.position.rows import PositionRows, idf_of, unigram_of
from polyloom.association.position.score import PositionScore, packed
from polyloom.association.position.softmax import PositionSoftmax
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError, VocabularyMismatch
from polyloom.model import Arrays, Floats, LanguageModel, Manifest, Prompt, block_rows
from polyloom.tokens.vocabulary import Vocabulary
from polyloom_kernels.recall import LONGEST, UNIT, Store, touched

WIDEST = 128  # distances: so many rows of the largest weight still fit the accumulators


@dataclass(frozen=True, eq=False)
class PositionModel(LanguageModel):
    """Build one with `PositionModel.fit(documents, vocabulary)`.

    Its weakness: it adds up what each token says alone, so it never knows two of them together.  Perplexity on the test
    files of four n-gram anchor sets, all tokens, fitted on their training and held-out files with the defaults:

                       this model    unigram    Kneser–Ney, order 2    Kneser–Ney, order 5
        War and Peace         200        483                    174                    149
        tinyshakespeare       131        260                    139                    120
        wikitext2             198        409                    184                    174
        pydocs                 87        205                    102                     73

    On War and Peace a window of 8 does as well as one of 32 (201) and one of 1 reaches 224; rows of 255 tokens in place
    of 64 reach 180.  The IDF never helped: its exponent was fitted to 0 on all four, and held at 1 it gives 213.  For
    the best distribution take the mixture, `AssociationModel.fit`; this one is for answers in microseconds.
    """

    vocabulary: Vocabulary
    counts: PositionCounts
    score: PositionScore
    cap: int
    store: Store

    @classmethod
    def fit(
        cls,
        documents: Documents,
        vocabulary: Vocabulary,
        window: int = 32,
        held_out: Documents | None = None,
        cap: int = 64,
    ) -> "PositionModel":
        """Count documents (str, or arrays of ids of `vocabulary`); their order never matters.

        `window` is how far the model looks back, 1 … 128; a row keeps `cap` tokens, 1 … 255: another cap is another
        model.  `held_out` documents fit the score and are not counted; without them, one document in twenty, chosen by
        its content, fits the score before it is counted too.  Fewer than 200 held-out tokens fit nothing.

        Raises InputError if there is nothing to count or an argument is out of range.
        """
        _check_shape(window, cap)
        given = list(encoded(documents, vocabulary))
        if not sum(map(len, given)):
            raise InputError(f"Expected documents with at least one token, got {len(given)} documents with none.")
        given, aside = (given, list(encoded(held_out, vocabulary))) if held_out is not None else set_aside(given)
        model = cls.derive(vocabulary, PositionCounts.of(given, vocabulary.size, window), None, cap, aside)
        if held_out is not None or not aside:
            return model
        whole = model.counts.plus(PositionCounts.of(aside, vocabulary.size, window))
        return cls.derive(vocabulary, whole, model.score, cap)

    @classmethod
    def derive(
        cls,
        vocabulary: Vocabulary,
        counts: PositionCounts,
        score: PositionScore | None,
        cap: int,
        held_out: Sequence[Ids] = (),
    ) -> "PositionModel":
        """The model of these counts under this score, or under the one that fits held-out documents of ids."""
        rows, idf, unigram = PositionRows.of(counts, cap), idf_of(counts.frequency), unigram_of(counts.frequency)
        score = fitted(rows, idf, unigram, held_out, counts.window) if score is None else score
        bias = np.rint(np.log(unigram) * UNIT).astype(np.int32)
        return cls(vocabulary, counts, score, cap, packed(rows, score, idf, bias))

    def refit(self, held_out: Documents) -> "PositionModel":
        """The same counts under the score that fits `held_out` best; fewer than 200 tokens of it give the defaults."""
        aside = list(encoded(held_out, self.vocabulary))
        return PositionModel.derive(self.vocabulary, self.counts, None, self.cap, aside)

    def resume(self, documents: Documents) -> "PositionModel":
        """The model with more documents counted, as if they had been there from the start; its score stays."""
        more = PositionCounts.of(list(encoded(documents, self.vocabulary)), self.vocabulary.size, self.counts.window)
        return PositionModel.derive(self.vocabulary, self.counts.plus(more), self.score, self.cap)

    def __add__(self, other: object) -> "PositionModel":
        """The model of both texts; its score is the mean of both, by tokens, until `refit`."""
        return self._joined(other, added) if isinstance(other, PositionModel) else NotImplemented

    def __and__(self, other: object) -> "PositionModel":
        """The model of what both counted: the smaller of each two counts; its score is the mean of both, by tokens.

        Raises InputError for models that were not fitted alike, and if they have no token in common.
        """
        return self._joined(other, smaller) if isinstance(other, PositionModel) else NotImplemented

    def __or__(self, other: object) -> "PositionModel":
        """The model of what either counted: the larger of each two counts; its score is the mean of both, by tokens."""
        return self._joined(other, larger) if isinstance(other, PositionModel) else NotImplemented

    def __mul__(self, n: object) -> "PositionModel":
        """The model of n copies of the text, under the same score.

        Raises InputError unless n is a whole number of at least 1, and if a count would need more than 32 bits.
        """
        if not isinstance(n, Number):
            return NotImplemented
        return PositionModel.derive(self.vocabulary, self.counts.times(copies(n)), self.score, self.cap)

    __rmul__ = __mul__

    def __sub__(self, other: object) -> "PositionModel":
        """The model of this text without the other one's; score and vocabulary may still remember it.

        Raises InputError if the other counted anything that this one did not.
        """
        if not isinstance(other, PositionModel):
            return NotImplemented
        self._check_kin(other)
        if other.counts.tokens >= self.counts.tokens:
            raise InputError(f"Subtracting {other.counts.tokens:,} of {self.counts.tokens:,} tokens leaves nothing.")
        return PositionModel.derive(self.vocabulary, self.counts.plus(other.counts, -1), self.score, self.cap)

    @property
    def tokens_counted(self) -> int:
        """How many tokens of training text the counts hold."""
        return self.counts.tokens

    @property
    def entries(self) -> int:
        """How many (token, distance, next token) counts are stored."""
        return len(self.counts.pairs.counts)

    @property
    def reach(self) -> int:
        """How many tokens back the model looks."""
        return self.counts.window

    def begin(self, prompt: Prompt = ()) -> PositionContinuation:
        """A place in a text: after `prompt`, a str or token ids."""
        return PositionContinuation(self, self.ids(prompt))

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids, rows = self.ids(tokens), block_rows(self.vocabulary.size)
        for start in range(0, len(ids), rows):
            yield self.softmax.spread(touched(self.store, ids, start, min(start + rows, len(ids))))

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,), without reading the whole vocabulary."""
        return self.softmax.log_likelihood(self.ids(tokens))

    def state(self) -> tuple[Manifest, Arrays]:
        """All that this model is: a JSON-able manifest and named arrays."""
        vocabulary, arrays = self.vocabulary.state()
        manifest: dict[str, Any] = {"kind": "position", "window": self.counts.window, "cap": self.cap}
        arrays = {f"vocabulary.{name}": array for name, array in arrays.items()} | self.counts.arrays()
        arrays |= {"score.decay": self.score.decay, "score.consensus": self.score.consensus}
        return {**manifest, "exponent": self.score.exponent, "vocabulary": vocabulary}, arrays

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> "PositionModel":
        """The model that `state` described; FileError or VocabularyError if a part is missing or damaged."""
        words = {name.removeprefix("vocabulary."): a for name, a in arrays.items() if name.startswith("vocabulary.")}
        vocabulary = Vocabulary.from_state(manifest["vocabulary"], words)
        window, cap = manifest["window"], manifest["cap"]
        _check_shape(window, cap)
        counts = PositionCounts.stored(arrays, vocabulary.size, window)
        return cls.derive(vocabulary, counts, PositionScore.stored(manifest, arrays, window), cap)

    def __repr__(self) -> str:
        return (
            f"<PositionModel window {self.counts.window}, cap {self.cap}: "
            f"{self.tokens_counted:,} tokens, {self.entries:,} counts>"
        )

    @cached_property
    def softmax(self) -> PositionSoftmax:
        """From what the rows add up to, to probabilities."""
        return PositionSoftmax(self.store)

    def _joined(self, other: "PositionModel", join: Join) -> "PositionModel":
        """What `join` makes of the counts of both; the score is the mean of both."""
        self._check_kin(other)
        counts = self.counts.joined(other.counts, join)
        if not counts.tokens:
            raise InputError(EMPTY[join])
        score = self.score.mixed(other.score, other.counts.tokens / (self.counts.tokens + other.counts.tokens))
        return PositionModel.derive(self.vocabulary, counts, score, self.cap)

    def _check_kin(self, other: "PositionModel") -> None:
        if other.vocabulary != self.vocabulary:
            raise VocabularyMismatch(
                f"One model speaks {self.vocabulary!r}, the other {other.vocabulary!r}. Fit both on one vocabulary."
            )
        ours, theirs = (self.counts.window, self.cap), (other.counts.window, other.cap)
        if ours != theirs:
            raise InputError(f"Both models must have the same window and cap, got {ours} and {theirs}. Fit them alike.")


def _check_shape(window: object, cap: object) -> None:
    for name, value, most in (("window", window, WIDEST), ("cap", cap, LONGEST)):
        if type(value) is not int or not 1 <= value <= most:
            raise InputError(f"{name} must be an integer from 1 to {most}, got {value!r}.")
