"""The association model: an n-gram chain and skips, each a normalised distribution, mixed by fixed shares.

    p(y | text) = Σ_k g_k · p_k(y | text)            k over the n-gram chain and the skip templates

Only integer counts are stored as such; discounts, continuation counts and the shares g are derived from them.  The
shares are fitted on held-out text by expectation–maximisation, with a floor so that no component dies.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from polyloom.association.continuation import AssociationContinuation
from polyloom.association.kneser_ney import KneserNey
from polyloom.association.skip import TEMPLATES, Skip, Template
from polyloom.association.stored import chain_arrays, skip_arrays, stored_chain, stored_skip, stored_text
from polyloom.association.text import Places, Text
from polyloom.documents import Documents, Ids, encoded
from polyloom.em import mixture_weights
from polyloom.errors import FileError, InputError
from polyloom.model import Arrays, Floats, LanguageModel, Manifest, Prompt, block_rows
from polyloom.tokens.vocabulary import Vocabulary

FLOOR = 0.01  # of the mixture is spread evenly, so that a component unused in held-out text can still speak
HELD_OUT_SHARE = 20  # without held-out text, one document in so many fits the shares
ENOUGH = 200  # tokens; on fewer, fitted shares would be noise and the n-gram chain keeps most of the mixture
ALONE = 0.9  # its share then
LONGEST = 16  # tokens in an n-gram


@dataclass(frozen=True, eq=False)
class AssociationModel(LanguageModel):
    """Build one with `AssociationModel.fit(documents, vocabulary)`."""

    vocabulary: Vocabulary
    chain: KneserNey
    skips: tuple[Skip, ...]
    shares: Floats  # (1 + number of skips,), summing to 1
    text: Text | None = field(default=None, repr=False)

    @classmethod
    def fit(
        cls,
        documents: Documents,
        vocabulary: Vocabulary,
        order: int = 5,
        skips: bool | Sequence[Template] = True,
        held_out: Documents | None = None,
        keep_text: bool = False,
    ) -> "AssociationModel":
        """Count documents (str, or arrays of ids of `vocabulary`); their order never matters.

        `order` is the length of the longest n-gram; `skips` chooses the skip templates: the default ones, none, or
        tuples of offsets back such as (1, 3).  `held_out` documents fit the shares of the mixture and are not counted;
        without them, one document in twenty, chosen by its content, fits the shares before it is counted too.  Fewer
        than 200 held-out tokens fit nothing: the n-gram chain then has nine tenths.
        `keep_text` keeps the tokens, so that `explain` can show training lines.

        Raises InputError if there is nothing to count or an argument is out of range.
        """
        templates = _templates(skips)
        if not 1 <= order <= LONGEST:
            raise InputError(f"order must be from 1 to {LONGEST}, got {order}.")
        given = list(encoded(documents, vocabulary))
        if not sum(map(len, given)):
            raise InputError(f"Expected documents with at least one token, got {len(given)} documents with none.")
        given, aside = (given, list(encoded(held_out, vocabulary))) if held_out is not None else _set_aside(given)
        model = cls._count(given, vocabulary, order, templates, keep_text)._with_shares(aside)
        if held_out is not None or not aside:
            return model
        whole = cls._count([*given, *aside], vocabulary, order, templates, keep_text)
        return cls(vocabulary, whole.chain, whole.skips, model.shares, whole.text)

    @classmethod
    def _count(
        cls, given: list[Ids], vocabulary: Vocabulary, order: int, templates: Sequence[Template], keep_text: bool
    ) -> "AssociationModel":
        text = Text.join(given)
        places = Places.of(text, vocabulary.sentence_end, vocabulary.size)[: len(text.tokens)]
        chain = KneserNey.count(places, text.tokens, order, vocabulary.size)
        unigram = chain.unigram()
        skips = tuple(Skip.count(places, text.tokens, template, unigram) for template in templates)
        return cls(vocabulary, chain, skips, _unfitted(len(skips)), text if keep_text else None)

    def _with_shares(self, aside: list[Ids]) -> "AssociationModel":
        if not self.skips or sum(map(len, aside)) < ENOUGH:
            return self
        ordered = sorted(aside, key=lambda tokens: tokens.tobytes())  # sums in one order round in one way
        parts = np.concatenate([self._parts(tokens) for tokens in ordered], axis=1)
        fitted = mixture_weights(np.log(parts))
        shares = (1 - FLOOR) * fitted + FLOOR / len(fitted)
        return AssociationModel(self.vocabulary, self.chain, self.skips, shares, self.text)

    @property
    def components(self) -> tuple[KneserNey | Skip, ...]:
        """The chain, then the skips: in the order of `shares`."""
        return (self.chain, *self.skips)

    @property
    def tokens_counted(self) -> int:
        """How many tokens of training text the counts hold."""
        return int(self.chain.tables[0].rows.counts.sum())

    @property
    def entries(self) -> int:
        """How many (context, next token) counts are stored."""
        chain = sum(len(table.counts) for table in self.chain.tables)
        return chain + sum(len(skip.table.counts) for skip in self.skips)

    @property
    def reach(self) -> int:
        """How many tokens back the model looks."""
        return max([self.chain.order - 1, *(max(skip.template) for skip in self.skips)])

    def begin(self, prompt: Prompt = ()) -> AssociationContinuation:
        """A place in a text: after `prompt`, a str or token ids."""
        return AssociationContinuation(self, self.ids(prompt))

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids = self.ids(tokens)
        places, rows = self.places(ids), block_rows(self.vocabulary.size)
        for start in range(0, len(ids), rows):
            yield np.log(self.spread(places[start : min(start + rows, len(ids))]))

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,), without reading the whole vocabulary."""
        return np.log(self.shares @ self._parts(self.ids(tokens)))

    def places(self, ids: Ids) -> Places:
        """All places of one document, the one after its last token included."""
        text = Text(ids, np.zeros(min(1, len(ids)), np.int64))
        return Places.of(text, self.vocabulary.sentence_end, self.vocabulary.size)

    def spread(self, places: Places) -> Floats:
        """p of every token at each place, float64 (n, V)."""
        dense = np.zeros((len(places), self.vocabulary.size))
        for share, component in zip(self.shares, self.components, strict=True):
            dense += share * component.spread(places)
        return dense

    def state(self) -> tuple[Manifest, Arrays]:
        """All that this model is: a JSON-able manifest and named arrays."""
        vocabulary, arrays = self.vocabulary.state()
        templates = [list(skip.template) for skip in self.skips]
        manifest: dict[str, Any] = {"kind": "association", "order": self.chain.order, "templates": templates}
        arrays = {f"vocabulary.{name}": array for name, array in arrays.items()} | {"shares": self.shares}
        arrays |= chain_arrays(self.chain)
        for skip in self.skips:
            arrays |= skip_arrays(skip)
        if self.text is not None:
            arrays |= {"text.tokens": self.text.tokens, "text.starts": self.text.starts}
        return {**manifest, "vocabulary": vocabulary}, arrays

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> "AssociationModel":
        """The model that `state` described; FileError or VocabularyError if a part is missing or damaged."""
        words = {name.removeprefix("vocabulary."): a for name, a in arrays.items() if name.startswith("vocabulary.")}
        vocabulary = Vocabulary.from_state(manifest["vocabulary"], words)
        templates, order = _templates([tuple(template) for template in manifest["templates"]]), manifest["order"]
        if not isinstance(order, int) or not 1 <= order <= LONGEST:
            raise FileError(f"The order of the n-grams must be from 1 to {LONGEST}, the file says {order!r}.")
        chain = stored_chain(arrays, order, vocabulary.size)
        unigram = chain.unigram()
        skips = tuple(stored_skip(arrays, template, unigram) for template in templates)
        shares = np.array(arrays["shares"])
        if shares.shape != (1 + len(skips),) or shares.dtype != np.float64 or not abs(shares.sum() - 1) < 1e-9:
            raise FileError("The array 'shares' does not hold a share for each component, summing to 1.")
        if shares.min() < 0:
            raise FileError("The array 'shares' holds a negative share.")
        return cls(vocabulary, chain, skips, shares, stored_text(arrays, vocabulary.size))

    def __repr__(self) -> str:
        return (
            f"<AssociationModel order {self.chain.order}, {len(self.skips)} skips: "
            f"{self.tokens_counted:,} tokens, {self.entries:,} counts>"
        )

    def _parts(self, ids: Ids) -> Floats:
        """p_k of each token, float64 (K, T)."""
        places = self.places(ids)[: len(ids)]
        return np.stack([component.chance(places, ids) for component in self.components])


def _templates(skips: bool | Sequence[Template]) -> tuple[Template, ...]:
    if isinstance(skips, bool):
        return TEMPLATES if skips else ()
    for template in skips:
        if not template or list(template) != sorted(set(template)) or template[0] < 1:
            raise InputError(f"A skip template is ascending offsets back such as (1, 3), got {template!r}.")
    found = tuple(map(tuple, skips))
    if len(set(found)) < len(found):
        raise InputError(f"Each skip template may stand once, got {found}.")
    return found


def _unfitted(skips: int) -> Floats:
    """Shares before anything is fitted: most for the chain, the rest spread evenly."""
    return np.array([ALONE, *[(1 - ALONE) / skips] * skips]) if skips else np.ones(1)


def _set_aside(documents: list[Ids]) -> tuple[list[Ids], list[Ids]]:
    """Documents to count first, and those (about 5 %, chosen by a hash of their content) that fit the shares."""
    chosen = [hashlib.sha256(document.tobytes()).digest()[0] * HELD_OUT_SHARE < 256 for document in documents]
    kept = [document for document, aside in zip(documents, chosen, strict=True) if not aside]
    aside = [document for document, aside in zip(documents, chosen, strict=True) if aside]
    return (kept, aside) if sum(map(len, kept)) and sum(map(len, aside)) >= ENOUGH else (documents, [])
