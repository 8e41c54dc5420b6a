"""The association model: an n-gram chain, skips and the text so far, each a normalised distribution, under a gate.

    p(y | text) = Σ_k g_k(text) · p_k(y | text)      k over the n-gram chain, the skip templates and the history

Only integer counts are stored as such; discounts, continuation counts and the gate g are derived from them, so models
of disjoint texts add (`a + b`), and what was added can be taken away again (`a - b`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Number
from typing import Any, Literal, overload

import numpy as np

from polyloom.association.algebra import check_whole, combined, repeated
from polyloom.association.aside import PLENTY, Aside
from polyloom.association.continuation import AssociationContinuation
from polyloom.association.counts import Counts, Shape, shapes
from polyloom.association.description import Description, Direction, Edge, describe, edges
from polyloom.association.gate import ENOUGH, FLOOR, Gate
from polyloom.association.joins import added, larger, smaller, taken_away
from polyloom.association.position.model import PositionModel
from polyloom.association.pruning import pruned
from polyloom.association.skip import Template, name, templates
from polyloom.association.spool import chances_frugally
from polyloom.association.stored import memory_manifest, store_arrays, stored_memory, stored_store, stored_text
from polyloom.association.streaming import MEMORY, Counting, read
from polyloom.association.text import Places, Text
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import FileError, InputError
from polyloom.model import Arrays, Floats, LanguageModel, Manifest, Prompt, Token, block_rows
from polyloom.progress import Meter
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.whole import whole
from polyloom_kernels.gate import features, shape_of
from polyloom_kernels.history import Memory, Remembered, judged, likely
from polyloom_kernels.mixture import Panel, Store, Voice, chances

LONGEST = 16  # tokens in an n-gram


@dataclass(frozen=True, eq=False)
class AssociationModel(LanguageModel):
    """Build one with `AssociationModel.fit(documents, vocabulary)`."""

    vocabulary: Vocabulary
    store: Store = field(repr=False)
    shapes: tuple[Shape, ...] = field(repr=False)
    gate: Gate = field(repr=False)
    memory: Memory | None = None
    text: Text | None = field(default=None, repr=False)
    pruned: bool = False  # whether counts are missing

    @overload
    @classmethod
    def fit(
        cls,
        documents: Documents,
        vocabulary: Vocabulary,
        order: int = 5,
        skips: bool | Sequence[Template] = True,
        history: bool | Memory = True,
        held_out: Documents | None = None,
        scoring: Literal["mixture"] = "mixture",
        keep_text: bool = False,
        *,
        prune: int = 1,
        cap: int | None = None,
        memory: int = MEMORY,
        progress: bool | None = None,
    ) -> "AssociationModel": ...

    @overload
    @classmethod
    def fit(
        cls,
        documents: Documents,
        vocabulary: Vocabulary,
        *,
        scoring: Literal["position"],
        held_out: Documents | None = None,
        cap: int | None = None,
    ) -> PositionModel: ...

    @classmethod
    def fit(
        cls,
        documents: Documents,
        vocabulary: Vocabulary,
        order: int = 5,
        skips: bool | Sequence[Template] = True,
        history: bool | Memory = True,
        held_out: Documents | None = None,
        scoring: str = "mixture",
        keep_text: bool = False,
        *,
        prune: int = 1,
        cap: int | None = None,
        memory: int = MEMORY,
        progress: bool | None = None,
    ) -> "AssociationModel | PositionModel":
        """Count documents (str, or arrays of ids of `vocabulary`); their order never matters.

        `order` is the length of the longest n-gram; `skips` chooses the skip templates: the default ones, none, or
        tuples of offsets back such as (1, 3).  `history` lets the model learn from the text it reads, as it reads.
        `held_out` documents fit the gate and are not counted; without them, one document in twenty, chosen by its
        content, fits the gate before it is counted too.  Fewer than 200 held-out tokens fit nothing: the n-gram chain
        then has nine tenths.
        `keep_text` keeps the tokens, so that `explain` can show training lines.

        `prune` leaves out counts below it in contexts of two tokens and more, `cap` all but that many next tokens of a
        context: smaller models, which do not merge.  `scoring="position"` gives a `PositionModel` instead, which adds
        up what each token says alone; of the settings it takes `held_out` and `cap`.

        Documents are taken as they are: end each in `</s>`, as `weave` and `polyloom train` do, if the model is to know
        where a text ends.  They are read once, one after the other; `memory` is about how many bytes counting takes.
        More text than fits is counted in parts, put together in temporary files (TMPDIR says where), and the model lies
        in such a file then, until it is saved.  `progress` says on standard error how far it has come; by default it
        does so in a notebook or a terminal, after a second.

        Raises InputError if there is nothing to count or an argument is out of range, OSError if the disk is full.
        """
        if scoring == "position":
            if (order, skips, history, keep_text, prune, memory, progress) != (5, True, True, False, 1, MEMORY, None):
                raise InputError('With scoring="position" only held_out and cap can be set.')
            return PositionModel.fit(documents, vocabulary, held_out=held_out, cap=64 if cap is None else cap)
        if scoring != "mixture":
            raise InputError(f'Unknown scoring {scoring!r}; known are "mixture" and "position".')
        order, prune = whole("order", order, 1, LONGEST), whole("prune", prune, 1)
        cap = None if cap is None else whole("cap", cap, 1)
        found, remembered = templates(skips), _memory(history)
        levels, choice, kept = shapes(order, found), Aside(), list[Ids]() if keep_text else None
        with Meter("tokens", progress) as meter, Counting(vocabulary, levels, memory) as counting:
            given = encoded(documents, vocabulary)
            number = read(given, counting, choice if held_out is None else None, kept, meter)
            aside = choice.chosen(counting.tokens)
            if not aside:
                counting.add_all(choice.rest())
            if not counting.tokens:
                raise InputError(f"Expected documents with at least one token, got {number} documents with none.")
            meter.say("putting the counts together")
            gate = Gate.unfitted(*_gate_shape(levels, remembered))
            model = cls(vocabulary, counting.store(), levels, gate, remembered)._smaller(prune, cap)
            model = model._fitted(aside if held_out is None else list(encoded(held_out, vocabulary)))
            if aside:
                counting.add_all(aside)
                model = replace(model, store=counting.store(), pruned=False)._smaller(prune, cap)
        return model if kept is None else replace(model, text=Text.join(kept))

    def _smaller(self, prune: int, cap: int | None) -> "AssociationModel":
        """Without rare counts, and without the ends of long rows."""
        if prune == 1 and cap is None:
            return self
        return replace(self, store=pruned(self.store, self.counts, prune, cap), pruned=True)

    def refit_gate(self, held_out: Documents) -> "AssociationModel":
        """The same counts under a gate fitted to these documents, which should not be among the counted ones.

        Raises InputError if they hold fewer than 200 tokens.
        """
        given = list(encoded(held_out, self.vocabulary))
        if sum(map(len, given)) < ENOUGH:
            raise InputError(f"Fitting a gate needs {ENOUGH} tokens or more, got {sum(map(len, given))}.")
        return self._fitted(given)

    def _fitted(self, aside: list[Ids]) -> "AssociationModel":
        ordered = sorted((tokens for tokens in aside if len(tokens)), key=lambda tokens: tokens.tobytes())
        total = sum(map(len, ordered))
        if total < ENOUGH:
            return self
        every = -(-total // (2 * PLENTY))  # of very much text some places do as well
        seen = np.concatenate([self.seen(tokens)[:, : len(tokens) : every] for tokens in ordered], axis=1)
        counted = chances_frugally(self.store, seen, np.concatenate([tokens[::every] for tokens in ordered]))
        ends = np.cumsum([len(tokens[::every]) for tokens in ordered])[:-1]
        alone = zip(*(np.split(part, ends, axis=1) for part in counted), strict=True)
        heard = [self._heard(tokens, part, every) for tokens, part in zip(ordered, alone, strict=True)]
        parts, known = zip(*heard, strict=True)
        return replace(self, gate=self.gate.fit(np.concatenate(parts, axis=1), np.concatenate(known)))

    def __add__(self, other: object) -> "AssociationModel":
        """The model of both texts; its gate is this one's, and stale.  The text is kept if both kept theirs.

        Raises InputError for models that were not fitted alike, or if a count would need more than 32 bits.
        """
        return combined(self, other, added) if isinstance(other, AssociationModel) else NotImplemented

    def __sub__(self, other: object) -> "AssociationModel":
        """The model without the other's text; the vocabulary and the stale gate may still remember it.

        The text that stays is kept if both kept theirs.  Raises InputError if the other counted anything that this one
        did not.
        """
        return combined(self, other, taken_away) if isinstance(other, AssociationModel) else NotImplemented

    def __and__(self, other: object) -> "AssociationModel":
        """The model of what both counted: the smaller of each two counts, and the text of neither.

        Its gate is this one's, and stale.  These are counts of no text, so none is kept, and smoothing that expects
        counts of text makes a rough model of them; `a - (a & b)` is what is this one's alone.  Raises InputError for
        models that were not fitted alike, and if they have no token in common.
        """
        return combined(self, other, smaller) if isinstance(other, AssociationModel) else NotImplemented

    def __or__(self, other: object) -> "AssociationModel":
        """The model of what either counted: the larger of each two counts, so that what both have counts once.

        Gate, text and errors are those of `a & b`, except that there is always something.
        """
        return combined(self, other, larger) if isinstance(other, AssociationModel) else NotImplemented

    def __mul__(self, n: object) -> "AssociationModel":
        """The model of n copies of the text, kept as often if it was; its gate is stale, unless n is 1.

        Raises InputError unless n is a whole number of at least 1, and if a count would need more than 32 bits.
        """
        return repeated(self, n) if isinstance(n, Number) else NotImplemented

    __rmul__ = __mul__

    def resume(self, documents: Documents, memory: int = MEMORY, progress: bool | None = None) -> "AssociationModel":
        """The model with more documents counted, as if they had been there from the start; its gate is stale.

        `memory` and `progress` are those of `fit`.
        """
        check_whole(self)
        kept = None if self.text is None else list[Ids]()
        with (
            Meter("tokens", progress) as meter,
            Counting(self.vocabulary, self.shapes, memory, self.counts) as counting,
        ):
            read(encoded(documents, self.vocabulary), counting, None, kept, meter)
            meter.say("putting the counts together")
            store = counting.store()
        text = None if self.text is None else self.text.plus(Text.join(kept or []))
        return replace(self, store=store, gate=self._stale, text=text)

    @property
    def _stale(self) -> Gate:
        return replace(self.gate, stale=True)

    def describe(self) -> Description:
        """What the model holds, table by table: `print(model.describe())`."""
        return describe(self)

    def edges(self, token: Token, k: int = 10, direction: Direction = "after") -> tuple[Edge, ...]:
        """What tends to come some tokens after (or before) a token, the k strongest edges first.

        An edge counts how often both stood that far apart, and its lift compares this with how often the other stands
        anywhere; they are ranked by count × ln lift.  Only what was seen twice or more counts.  The distances are those
        of tables with one offset.  Raises InputError for a token that the vocabulary lacks.
        """
        return edges(self, token, k, direction)

    @property
    def counts(self) -> Counts:
        """The integers this model was derived from."""
        return Counts.held(self.store, self.shapes)

    @property
    def order(self) -> int:
        """The length of the longest n-gram."""
        return self.store.order

    @property
    def skips(self) -> tuple[Template, ...]:
        """The skip templates, ascending."""
        return tuple(shape.path for shape in self.shapes if shape.asked and not shape.chained)

    @cached_property
    def components(self) -> tuple[str, ...]:
        """What the gate chooses among: the chain, the skips, then what the text so far says."""
        history = () if self.memory is None else ("cache", *(f"history {order}" for order in self.memory.orders))
        return ("n-gram", *map(name, self.skips), *history)

    @property
    def tokens_counted(self) -> int:
        """How many tokens of training text the counts hold."""
        return self.counts.tokens

    @property
    def entries(self) -> int:
        """How many (context, next token) counts are stored."""
        return sum(map(self.store.entries, self.store.tables.tolist()))

    @cached_property
    def reach(self) -> int:
        """How many tokens back the counts look; the history looks back to the start."""
        return max(max(shape.path, default=0) for shape in self.shapes)

    @cached_property
    def looks(self) -> tuple[tuple[bool, int], ...]:
        """How each level looks back: as part of the chain or not, and how far; 0 for a root."""
        return tuple((shape.chained, shape.path[-1] if shape.path else 0) for shape in self.shapes)

    @cached_property
    def voice(self) -> Voice:
        """The model as kernels read it."""
        return Voice(self.store, self.gate.weights, FLOOR, self.memory)

    @cached_property
    def panel(self) -> Panel:
        """The model alone on a panel."""
        return Panel([self.voice])

    def begin(self, prompt: Prompt = ()) -> AssociationContinuation:
        """A place in a text: after `prompt`, a str or token ids."""
        return AssociationContinuation(self, self.ids(prompt))

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids = self.ids(tokens)
        seen, rows, alone = self.seen(ids), block_rows(self.vocabulary.size), np.ones(1)
        for start in range(0, len(ids), rows):
            places = range(start, min(start + rows, len(ids)))
            block = [self.panel.dense(ids[:at], np.ascontiguousarray(seen[None, :, at]), alone) for at in places]
            yield np.log(np.stack(block))

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,), without reading the whole vocabulary."""
        return self.weighed(*self._judged(self.ids(tokens)))

    def weighed(self, parts: Floats, known: Floats) -> Floats:
        """ln p, float64 (T,), from p under each component, (K, T), and what the gate goes by, (T, F)."""
        return np.log(np.einsum("tk,kt->t", self.gate.shares(known), parts))

    def seen(self, ids: Ids) -> Ids:
        """What each level looks at from each place of a document, the one after its last token included."""
        return self.looked(Text(ids, np.zeros(min(1, len(ids)), np.int64)))

    def looked(self, text: Text) -> Ids:
        """What each level looks at from each place of documents, the one after the last token included."""
        places = Places.of(text, *_marks(self.vocabulary))
        looks = {look: places.look(*look) if look[1] else np.zeros(len(places), np.int64) for look in set(self.looks)}
        return np.stack([looks[look] for look in self.looks])

    def _judged(self, ids: Ids) -> tuple[Floats, Floats]:
        """p of each token under each component, float64 (K, T), and what the gate goes by, float64 (T, F)."""
        return self._heard(ids, chances(self.store, self.seen(ids)[:, : len(ids)], ids))

    def _heard(self, ids: Ids, counted: tuple[Floats, ...], every: int = 1) -> tuple[Floats, Floats]:
        """The same with what the text so far says, after what the counts say; of every so many places."""
        return self.heard(ids, counted, None if self.memory is None else judged(ids, self.memory), every)

    def heard(
        self, ids: Ids, counted: tuple[Floats, ...], heard: Remembered | None, every: int = 1
    ) -> tuple[Floats, Floats]:
        """What `weighed` needs of tokens: from what the counts say of them, and what the text so far does."""
        parts, known = counted
        if self.memory is None or heard is None:
            return parts, features(self.order, known, np.empty((0, parts.shape[1])))
        said = likely(heard, self.memory, self.store.unigram[ids])
        told = np.concatenate([heard.mass[None], heard.totals, np.zeros((1, len(ids))), heard.kinds])
        return np.concatenate([parts, said[:, ::every]]), features(
            self.order, known, told[:, ::every].astype(np.float64)
        )

    def state(self) -> tuple[Manifest, Arrays]:
        """All that this model is: a JSON-able manifest and named arrays."""
        vocabulary, arrays = self.vocabulary.state()
        manifest: dict[str, Any] = {
            "kind": "association",
            "order": self.order,
            "templates": [list(template) for template in self.skips],
            "history": memory_manifest(self.memory),
            "stale": self.gate.stale,
            "fitted": self.gate.fitted,
            "pruned": self.pruned,
            "vocabulary": vocabulary,
        }
        arrays = {f"vocabulary.{name}": array for name, array in arrays.items()} | {"gate": self.gate.weights}
        arrays |= store_arrays(self.store)
        if self.text is not None:
            arrays |= {"text.tokens": self.text.tokens, "text.starts": self.text.starts}
        return manifest, arrays

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> "AssociationModel":
        """The model that `state` described; FileError or VocabularyError if a part is missing or damaged."""
        words = {name.removeprefix("vocabulary."): a for name, a in arrays.items() if name.startswith("vocabulary.")}
        vocabulary = Vocabulary.from_state(manifest["vocabulary"], words)
        found, order = templates([tuple(template) for template in manifest["templates"]]), manifest["order"]
        if not isinstance(order, int) or not 1 <= order <= LONGEST:
            raise FileError(f"The order of the n-grams must be from 1 to {LONGEST}, the file says {order!r}.")
        levels, memory = shapes(order, found), stored_memory(manifest["history"])
        store = stored_store(arrays, levels, vocabulary.size)
        gate = Gate.stored(arrays, (bool(manifest["stale"]), bool(manifest["fitted"])), *_gate_shape(levels, memory))
        text = stored_text(arrays, vocabulary.size)
        return cls(vocabulary, store, levels, gate, memory, text, bool(manifest["pruned"]))

    def __repr__(self) -> str:
        history = "" if self.memory is None else ", history"
        return (
            f"<AssociationModel order {self.order}, {len(self.skips)} skips{history}: "
            f"{self.tokens_counted:,} tokens, {self.entries:,} counts>"
        )


def _memory(history: bool | Memory) -> Memory | None:
    if isinstance(history, bool):
        return Memory() if history else None
    if not isinstance(history, Memory):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        raise InputError(f"history must be True, False or a Memory, got {history!r}.")
    return history


def _gate_shape(levels: Sequence[Shape], memory: Memory | None) -> tuple[int, int]:
    """How many features a gate reads, and among how many components it chooses."""
    order, tables = sum(shape.chained for shape in levels), sum(shape.asked for shape in levels)
    return shape_of(tables, order, 0 if memory is None else 1 + len(memory.orders))


def _marks(vocabulary: Vocabulary) -> tuple[int | None, int]:
    """The token that ends a chain, and BEGIN."""
    return vocabulary.sentence_end, vocabulary.size
