"""Any Polyloom model mixed into the generation of a `transformers` model.

    from transformers import LogitsProcessorList
    mixing = LogitsProcessorList([polyloom.LogitsProcessor(poems, 0.3, tokenizer)])
    model.generate(**prompt, logits_processor=mixing)

    linear    p(y) = (1 − w) · p_theirs(y) + w · p_ours(y)
    log       p(y) ∝ p_theirs(y)^(1 − w) · p_ours(y)^w

where theirs is the distribution that reaches the processor.  What comes back are log-probabilities, so temperature and
cutting, which `transformers` does afterwards, act on the mix; at weight 0 the scores come back as they came.

Both must mean the same tokens by the same ids; rows that a network has beyond the vocabulary are impossible to ours.
Each row of a batch has its place in its text, which moves on with it; where a row is another one than before (beams,
another prompt), the place of the longest common beginning is taken up again.  A processor belongs to one thread.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyloom._compat import need
from polyloom.compose.pool import pool_of, sounding
from polyloom.errors import InputError, VocabularyError, VocabularyMismatch
from polyloom.model import Continuation, Floats, LanguageModel

PROBE = "The year 1984, a café & naïve 😀 smiles;\n\tx = {'y': [0.5, -7]}  # done"  # text on which tokenizers differ


class LogitsProcessor:
    """`(input_ids (B, T), scores (B, R)) → scores (B, R)`, as `transformers` wants it.

    `tokenizer` is the one of the other model: with it, the ids are compared on a piece of text, and the ids for padding
    and for the beginning of a text are left out of what our model reads.  Ids beyond our vocabulary always are.

    Raises InputError for a weight that the pool cannot use, VocabularyMismatch if the ids differ or R is too small.
    """

    def __init__(self, model: LanguageModel, weight: float, tokenizer: Any = None, pool: str = "linear") -> None:
        self.model, self.weight, self.pool = model, weight, pool_of(pool)
        if not isinstance(weight, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise InputError(f"weight must be a number, got {weight!r}.")
        self.pool.check({"their model": 1 - weight, "our model": weight})
        self.silent: set[int] = set()
        if tokenizer is not None:
            _check(tokenizer, model)
            named = (getattr(tokenizer, f"{name}_token_id", None) for name in ("pad", "bos"))
            self.silent = {token for token in named if token is not None}
        self.places: list[Continuation] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The log-probabilities of the mix after each of the texts."""
        if not self.weight:
            return scores
        torch = need("torch", "torch", "polyloom.LogitsProcessor")
        theirs: Floats = torch.log_softmax(scores.double(), -1).cpu().numpy()
        self.places = [self._place(row) for row in input_ids.tolist()]
        factors = self.pool.factors([1 - self.weight, self.weight])
        mixed = self.pool.mixed(sounding(factors, [theirs, self._wide(self.model.step(self.places), theirs.shape[1])]))
        mixed[np.isneginf(theirs)] = -np.inf  # what others have banned stays banned
        if np.isneginf(mixed).all(-1).any():
            raise InputError("Every token is banned: by the other processors, or since the two have none in common.")
        mixed -= np.logaddexp.reduce(mixed, -1, keepdims=True)
        return torch.from_numpy(mixed).to(device=scores.device, dtype=scores.dtype)

    def _place(self, row: list[int]) -> Continuation:
        """After one row, going on from the last call's place with which it has most in common."""
        ids = np.array(self._read(row), np.int64)
        common = [_common(place.tokens, ids) for place in self.places]
        most = max(common, default=0)
        if not most:
            return self.model.begin(ids)
        known = self.places[common.index(most)]
        place = known.fork() if most == len(known.tokens) else known.back(len(known.tokens) - most)
        for token in ids[most:].tolist():
            place.advance(token)
        if most < known.origin:  # another prompt, which only begins like that one
            return self.model.replay(ids, {id(state.model): state for state in place.states()})
        return place

    def _read(self, row: Sequence[int]) -> list[int]:
        """What our model can read of a row: without padding, and what stands for a beginning."""
        start, stop = 0, len(row)
        while start < stop and row[start] in self.silent:
            start += 1
        while stop > start and row[stop - 1] in self.silent:
            stop -= 1
        return [token for token in row[start:stop] if token < self.model.vocabulary.size]

    def _wide(self, rows: Floats, width: int) -> Floats:
        """Our log-probabilities (B, V) with −∞ for what only they know, (B, R)."""
        size = self.model.vocabulary.size
        if width < size:
            raise VocabularyMismatch(
                f"Their model scores {width} tokens, ours speaks {self.model.vocabulary!r}. "
                f"Use a model on their tokenizer's vocabulary."
            )
        return np.pad(rows, ((0, 0), (0, width - size)), constant_values=-np.inf)


def _common(tokens: Any, ids: Any) -> int:
    """How many tokens two texts begin with in common."""
    shorter = min(len(tokens), len(ids))
    differ = np.flatnonzero(tokens[:shorter] != ids[:shorter])
    return int(differ[0]) if len(differ) else shorter


def _check(tokenizer: Any, model: LanguageModel) -> None:
    theirs: list[int] = list(tokenizer(PROBE, add_special_tokens=False)["input_ids"])
    try:
        agree = model.vocabulary.encode(PROBE).tolist() == theirs
    except VocabularyError:
        agree = False
    if not agree:
        raise VocabularyMismatch(
            f"Their tokenizer and {model.vocabulary!r} cut text into other ids. Train the model on their tokenizer: "
            f"polyloom.tokens.ForeignVocabulary(tokenizer.backend_tokenizer.to_str())."
        )
