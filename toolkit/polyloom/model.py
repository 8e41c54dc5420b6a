"""The one abstraction: given these tokens, what comes next?

Every model, whatever is inside, is a `LanguageModel`; a place in a text is a `Continuation`.  The contract, which
`tests/contract.py` holds every model to:

- `distribution()` is normalised: log-probabilities of shape (V,), |logsumexp| ≤ 1e-5.
- `top(k)` is the head of the sorted distribution, ties by smaller id.
- `extend(tokens)` equals advancing one by one; row i is the distribution *after* token i.
- `log_probs(tokens)` has for row t the distribution *before* token t, given the tokens before it.
- `explain(token)` has terms that sum to its total, which is the token's probability.
- A place knows how many of its tokens are the prompt (`origin`), and keeps it; a model may go by it.  `log_probs` and
  `log_likelihood` read from an empty prompt.
- Models are values: nothing changes them.  Forks of a continuation are independent of it and of each other.

Here V is the size of the vocabulary, T a number of tokens, B a number of texts.  Logarithms are natural.  A
continuation belongs to one thread; models and forks may be used from several.
"""

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.buffer import TokenBuffer
from polyloom.documents import Documents, Ids, checked_ids, checked_ways
from polyloom.errors import InputError, VocabularyMismatch
from polyloom.explanation import Explanation
from polyloom.files import write
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.whole import whole

if TYPE_CHECKING:
    from polyloom.generate.fill import Filled
    from polyloom.generate.middle import Lengths, Middle
    from polyloom.generate.sampling import Sampling
    from polyloom.generate.speculate import Speculation
    from polyloom.generate.trace import Generation
    from polyloom.protocols import Marks

Floats = NDArray[np.float64]
Manifest = dict[str, Any]
Arrays = dict[str, NDArray[Any]]
Prompt: TypeAlias = str | Sequence[int] | Ids
Token: TypeAlias = int | str

BLOCK_BYTES = 64 * 2**20  # what one block of `log_probs` may take


@dataclass(frozen=True)
class Candidates:
    """The likeliest next tokens, best first: `tokens` int64 (k,), `log_probs` float64 (k,)."""

    tokens: Ids
    log_probs: Floats


class Continuation(ABC):
    """The state of one text under one model: what was read, and what may come next."""

    def __init__(self, model: "LanguageModel", tokens: Ids, buffer: TokenBuffer | None = None) -> None:
        self.model = model
        self._buffer = TokenBuffer(tokens) if buffer is None else buffer
        self._length = len(tokens)

    @property
    def tokens(self) -> Ids:
        """All tokens so far, prompt included: a read-only view, int64 of shape (T,)."""
        return self._buffer.view(self._length)

    @property
    def origin(self) -> int:
        """How many of the tokens are the prompt that `begin` was given; whoever goes back behind its end shortens it.

        Reading on, forks, going back and other mixes of the same text keep it.
        """
        return min(self._buffer.prompt, self._length)

    @abstractmethod
    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""

    @abstractmethod
    def _explain(self, token: int) -> Explanation:
        """Account for one token; trees of the same model in the same place have the same shape."""

    def top(self, k: int = 10) -> Candidates:
        """The k likeliest next tokens, fewer if the vocabulary is smaller."""
        return best(self.distribution(), k)

    def explain(self, token: Token, against: Token | None = None) -> Explanation:
        """Why `token` (an id, or a piece by name) is as likely as it is; with `against`, why likelier than that one."""
        from polyloom.explanation import difference

        ours = self._explain(self.model.token_id(token))
        return ours if against is None else difference(ours, self._explain(self.model.token_id(against)))

    def shares(self, token: Token, ago: int = 0) -> dict[str, float]:
        """Who speaks for `token`, as `explain(token).shares()` says it; with `ago`, so many tokens before the end.

        What writes asks this at every step: a model whose explanations are dear answers without making one.
        """
        place = self.back(ago) if ago else self
        return place.explain(token).shares()

    def advance(self, token: Token) -> None:
        """Append one token to the text."""
        self._buffer = self._buffer.append(self._length, self.model.token_id(token))
        self._length += 1

    def extend(self, tokens: Prompt) -> Floats:
        """Append tokens; float64 of shape (n, V): the distribution after each of them, as one by one."""
        ids = self.model.ids(tokens)
        rows = np.empty((len(ids), self.model.vocabulary.size))
        for row, token in zip(rows, ids.tolist(), strict=True):
            self.advance(token)
            row[:] = self.distribution()
        return rows

    def judge(self, ways: ArrayLike) -> Floats:
        """ln p of each token of n ways to go on, ids of shape (n, L): given this text and its way before it; (n, L)."""
        return self._judge(checked_ways(ways, self.model.vocabulary))

    def _judge(self, ways: Ids) -> Floats:
        """Ways that begin alike are read together; a model that can judge many at once does better."""
        found = np.empty(ways.shape)
        if not ways.size:
            return found
        found[:, 0] = self.distribution()[ways[:, 0]]
        if ways.shape[1] == 1:
            return found
        order = np.argsort(ways[:, 0], kind="stable")
        for alike in np.split(order, np.flatnonzero(np.diff(ways[order, 0])) + 1):
            place, first = self.fork(), ways[alike[0]]
            if (ways[alike] == first).all():
                found[alike, 1:] = place.extend(first[:-1])[np.arange(len(first) - 1), first[1:]]
            else:
                place.advance(int(first[0]))
                found[alike, 1:] = place._judge(ways[alike, 1:])
        return found

    @abstractmethod
    def fork(self) -> Self:
        """The same place again, to go on independently; shares what it can."""

    def back(self, n: int = 1) -> "Continuation":
        """The same text without its last n tokens, to go on independently; this place stays."""
        kept = self._length - whole("n", n, 0, self._length)
        return self.model.replay(self.tokens[:kept], {}, min(self.origin, kept))

    def rebind(self, model: "LanguageModel") -> "Continuation":
        """The same text under another model; states of models that both know are taken over, others replayed.

        Raises VocabularyMismatch if the model speaks another vocabulary, where these ids mean something else.
        """
        if not isinstance(model, LanguageModel):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"Expected the model that shall read the text, got a {type(model).__name__}.")
        if model.vocabulary != self.model.vocabulary:
            raise VocabularyMismatch(
                f"The text is in {self.model.vocabulary!r}, the model speaks {model.vocabulary!r}. "
                f"Begin it anew from the text itself: model.begin(text)."
            )
        return model.replay(self.tokens, {id(state.model): state for state in self.states()}, self.origin)

    def prompted(self, origin: int) -> Self:
        """The place itself, while nobody else holds it, in a text whose prompt is the first `origin` tokens."""
        if whole("origin", origin, 0, self._length) != self.origin:
            self._buffer = TokenBuffer(self.tokens, origin)
        return self

    def states(self) -> "Iterator[Continuation]":
        """Its own state, then those of the members it is made of."""
        yield self


class LanguageModel(ABC):
    """A normalised distribution over the next token that can be accounted for."""

    vocabulary: Vocabulary

    @property
    def context(self) -> int | None:
        """How many tokens of a text the model reads at once; None if there is no limit."""
        return None

    @abstractmethod
    def begin(self, prompt: Prompt = ()) -> Continuation:
        """A place in a text: after `prompt`, a str or token ids."""

    @abstractmethod
    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""

    @abstractmethod
    def state(self) -> tuple[Manifest, Arrays]:
        """All that this model is: a JSON-able manifest and named arrays."""

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,)."""
        ids = self.ids(tokens)
        found: list[Floats] = []
        start = 0
        for block in self.log_probs(ids):
            targets = ids[start : start + len(block)]
            found.append(block[np.arange(len(block)), targets])
            start += len(block)
        return np.concatenate(found) if found else np.empty(0)

    def step(self, continuations: Sequence[Continuation]) -> Floats:
        """The next-token distributions of many texts, float64 of shape (B, V)."""
        rows = [continuation.distribution() for continuation in continuations]
        return np.stack(rows) if rows else np.empty((0, self.vocabulary.size))

    def replay(self, tokens: Prompt, known: Mapping[int, Continuation], origin: int | None = None) -> Continuation:
        """`begin(tokens)`, taking over the state of this model if `known` (by `id` of the model) holds it.

        With `origin` only so many of the tokens are the prompt; the others were read after it.
        """
        state = known.get(id(self))
        found = self.begin(tokens) if state is None else state.fork()
        return found.prompted(len(found.tokens) if origin is None else origin)

    def ids(self, prompt: Prompt) -> Ids:
        """A prompt as token ids, int64 of shape (T,); InputError if they are not of this vocabulary."""
        return self.vocabulary.encode(prompt) if isinstance(prompt, str) else checked_ids(prompt, self.vocabulary)

    def token_id(self, token: Token) -> int:
        """A token given as id or as piece; InputError if the vocabulary does not have it."""
        if isinstance(token, str):
            return self.vocabulary.id_of(token)
        if not isinstance(token, int | np.integer):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise InputError(f"Expected a token as id or as piece, got {token!r}.")
        if not 0 <= token < self.vocabulary.size:
            raise InputError(f"Token {token} is outside 0 … {self.vocabulary.size - 1} of {self.vocabulary!r}.")
        return int(token)

    def predict(self, prompt: Prompt = (), k: int = 10) -> list[tuple[str, float]]:
        """The k likeliest next pieces with their probabilities, best first."""
        found = self.begin(prompt).top(k)
        chances: list[float] = np.exp(found.log_probs).tolist()
        return [(self.vocabulary.pieces[int(token)], p) for token, p in zip(found.tokens, chances, strict=True)]

    def explain(self, prompt: Prompt, token: Token, against: Token | None = None) -> Explanation:
        """Why `token` is as likely as it is after `prompt`; with `against`, why likelier than that one."""
        return self.begin(prompt).explain(token, against)

    def generate(
        self, prompt: Prompt = (), sampling: "Sampling | None" = None, speculation: "Speculation | None" = None
    ) -> "Generation":
        """Go on from `prompt`; see `Sampling` for temperature, length and seed, `Speculation` for guessing ahead."""
        from polyloom.generate.loop import generate

        return generate(self.begin(prompt), sampling, speculation)

    def predict_middle(
        self,
        left: Prompt,
        right: Prompt,
        k: int = 10,
        *,
        length: "Lengths" = 1,
        exact: bool = True,
        width: int = 32,
        infill: "Marks | None" = None,
        form: Literal["psm", "spm"] = "psm",
    ) -> "Middle":
        """The k likeliest middles between two texts: p(m | left) · p(right | left, m), normalised.

        Exact over the whole vocabulary for one token.  A longer `length`, or several such as (1, 2), goes along a beam
        of `width` beginnings, which is marked ≈.  With `exact=False` the right side is not read for every token of the
        vocabulary: of single tokens only for the `width` likeliest, with a bound on what the others may have.

        `infill`, the marks that a model was trained with, asks it in that form, "psm" or "spm", instead.  Both sides
        are encoded alone: the gap begins and ends between tokens.  Raises InputError for what cannot be asked, and if
        no middle is possible.
        """
        from polyloom.generate.middle import predict_middle

        return predict_middle(self, left, right, k, length, exact, width, infill, form)

    def generate_middle(
        self,
        left: Prompt,
        right: Prompt,
        sampling: "Sampling | None" = None,
        *,
        length: "Lengths | None" = None,
        exact: bool = True,
        width: int = 32,
        infill: "Marks | None" = None,
        form: Literal["psm", "spm"] = "psm",
    ) -> "Filled":
        """Write what stands between two texts: one token, or `length`, drawn from what `predict_middle` looks at.

        With `infill` the model writes until it ends the middle itself.  Raises InputError as `predict_middle` does.
        """
        from polyloom.generate.fill import generate_middle

        return generate_middle(self, left, right, sampling, length, exact, width, infill, form)

    def perplexity(self, documents: Documents) -> float:
        """exp(−mean log-likelihood) over exactly the tokens given: as unsure as a fair choice among so many."""
        from polyloom.evaluate.perplexity import perplexity

        return perplexity(self, documents)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one file that `polyloom.load` reads; returns its path.

        By convention `.psam` for an association model, `.psamc` for a mix.  The file is written whole or not at all.
        Raises FileError if the model cannot be written as a file, OSError if the disk does not take it.
        """
        return write(path, *self.state())

    @cached_property
    def digest(self) -> str:
        """64 hexadecimal digits that stand for this model's state: SHA-256 over its manifest and arrays."""
        manifest, arrays = self.state()
        seen = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode())
        for name in sorted(arrays):
            seen.update(f"{name}:{arrays[name].dtype}:{arrays[name].shape}".encode())
            seen.update(np.ascontiguousarray(arrays[name]).data)
        return seen.hexdigest()


def best(log_probs: Floats, k: int) -> Candidates:
    """The k largest of (V,) log-probabilities, ties by smaller id."""
    k = min(whole("k", k, 1), len(log_probs))
    threshold = np.partition(log_probs, len(log_probs) - k)[len(log_probs) - k]
    among = np.flatnonzero(log_probs >= threshold)
    order = among[np.lexsort((among, -log_probs[among]))][:k]
    return Candidates(order, log_probs[order])


def block_rows(vocabulary_size: int) -> int:
    """How many rows of (V,) float64 one block of `log_probs` holds: the same for every model of a vocabulary."""
    return max(1, BLOCK_BYTES // (8 * vocabulary_size))
