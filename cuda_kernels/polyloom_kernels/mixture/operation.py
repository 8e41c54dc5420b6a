"""`mixture` as it is called: checks, the choice of a back end, and the memory that compiled code works in."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from polyloom_kernels.gate import features, opened, shape_of
from polyloom_kernels.history.memory import Memory
from polyloom_kernels.history.reference import Spoken, spoken
from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.mixture import reference
from polyloom_kernels.mixture.store import Floats, Integers, Store

TEXT = Compiled("polyloom_kernels.mixture.cpu")
PLACE = Compiled("polyloom_kernels.mixture.place")
PART, ONE = 3e-6, 1e-3  # seconds that the reference takes, about: for a token of a text and a table; for one place
MOST = 64  # candidates that are kept in order one by one; for more the whole distribution is sorted
MANY = 4096  # tokens above a bound that are listed; for more the whole distribution is read
TINY = 5e-324  # the smallest float: what is 0 has a logarithm then, and adds nothing
ALONE = np.ones(1)
SILENT = Memory(orders=(1,))  # what a voice without history hands to compiled code, which does not read it


def chances(store: Store, seen: Integers, targets: Integers, backend: Backend = "auto") -> tuple[Floats, Floats]:
    """p of each target under each component, float64 (K, T); what is known there, float64 (2 · tables, T).

    `seen` int64 (levels, T) is the token that each level looks at from each place, −1 where there is none.
    Components are the chain, then each further table.  Known is how much the row of each table holds, then of how many
    kinds; of the first table, which has no context, nothing is.
    """
    compiled = TEXT.chosen(backend, PART * len(targets) * len(store.tables))
    if compiled is None:
        return reference.chances(store, seen, targets)
    parts = np.empty((1 + len(store.tables) - store.order, len(targets)))
    known = np.zeros((2 * len(store.tables), len(targets)))
    given = frozen(np.ascontiguousarray(targets))
    compiled.chances(*_tapes(store), np.ascontiguousarray(seen), given, parts, known)
    return parts, known


@dataclass(frozen=True, eq=False)
class Voice:
    """One model as a place asks it: its counts, its gate float64 (F, K), the gate's floor, its memory of the text."""

    store: Store
    gate: Floats
    floor: float
    memory: Memory | None = None
    panels: dict["tuple[Voice, ...]", "Panel"] = field(default_factory=dict["tuple[Voice, ...]", "Panel"], repr=False)

    def __post_init__(self) -> None:
        """Compiled code writes as many features as there are contexts: a gate of another shape would not hold them."""
        heard = 0 if self.memory is None else 1 + len(self.memory.orders)
        shape = shape_of(len(self.store.tables), self.store.order, heard)
        if self.gate.shape != shape:
            raise ValueError(f"Expected a gate of shape {shape}, got {self.gate.shape}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has arrays of its own, so nothing that was derived from addresses goes with it."""
        return Voice, (self.store, self.gate, self.floor, self.memory)

    @cached_property
    def held(self) -> tuple[Any, ...]:
        """What compiled code reads by address: it must live as long as the voice."""
        store, gate = self.store, np.ascontiguousarray(self.gate, np.float64)
        tapes = (store.directory, store.tables, store.pieces, store.numbers, store.reals)
        return (*map(np.ascontiguousarray, tapes), gate, *numbers_of(self.memory or SILENT))

    @cached_property
    def record(self) -> Integers:
        """The voice as whole numbers: addresses and sizes, in the order that `place.ask` reads."""
        directory, tables, pieces, numbers, reals, gate, orders, _ = self.held
        at = [array.ctypes.data for array in self.held]
        return np.array(
            [
                *(at[0], len(directory), at[1], len(tables), at[2], len(pieces), pieces.itemsize),
                *(at[3], len(numbers), at[4], len(reals), self.store.order),
                *(at[5], *gate.shape, at[6], len(orders), at[7], self.memory is not None),
            ],
            np.int64,
        )


@cache
def numbers_of(memory: Memory) -> tuple[Integers, Floats]:
    """The orders of a memory and its other numbers; the same arrays for equal memories: one look back then serves."""
    return np.array(memory.orders, np.int64), memory.numbers()


class Scratch(NamedTuple):
    """Where compiled code works: sums that are all zero between calls, and lists."""

    mark: Any
    matches: Integers
    lengths: Integers
    sums: Floats
    touched: Any
    below: Floats


class Panel:
    """Voices that are asked together: Σ_k weight_k · p_k(y) at one place.  Weights come with each question."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self.voices = tuple(voices)
        self._local = threading.local()
        self._questions = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Panel, (self.voices,)

    @cached_property
    def unigrams(self) -> Floats:
        """float64 (V, K): a token's chances under all voices stand side by side."""
        return np.ascontiguousarray(np.stack([voice.store.unigram for voice in self.voices], axis=1))

    @cached_property
    def ceiling(self) -> Floats:
        """float64 (V,): the largest chance that any voice gives a token without context."""
        return self.unigrams.max(1)

    @cached_property
    def ranked(self) -> Integers:
        """int64 (K, V): all tokens by falling chance, ties by smaller id, for each voice."""
        return np.stack([np.argsort(-voice.store.unigram, kind="stable") for voice in self.voices])

    @cached_property
    def plain(self) -> float:
        """Σ u ln u over the unigrams of the first voice."""
        unigram = self.unigrams[:, 0]
        return float((unigram * np.log(np.maximum(unigram, TINY))).sum())

    @cached_property
    def _records(self) -> tuple[Integers, Floats]:
        return np.stack([voice.record for voice in self.voices]), np.array([voice.floor for voice in self.voices])

    def dense(self, tokens: Integers, seen: Integers, weights: Floats, backend: Backend = "auto") -> Floats:
        """p of every token after `tokens`, float64 (V,); `seen` int64 (voices, levels), `weights` float64 (voices,)."""
        compiled = self._chosen(backend)
        if compiled is None:
            return self._defined(tokens, seen, weights)
        found = np.empty(len(self.unigrams))
        self._asked(compiled.spread, tokens, seen, weights, self.unigrams, found)
        return found

    def top(
        self, tokens: Integers, seen: Integers, weights: Floats, k: int, backend: Backend = "auto"
    ) -> tuple[Integers, Floats] | None:
        """The k likeliest tokens and their p, ties by smaller id; None where the whole distribution must be sorted."""
        compiled = self._chosen(backend)
        if compiled is None or k > MOST:
            return None
        k = min(k, len(self.unigrams))
        best, values = np.empty(k, np.int64), np.empty(k)
        count = self._asked(compiled.top, tokens, seen, weights, self.unigrams, self.ceiling, self.ranked, best, values)
        return (best, values) if count == k else None  # what a damaged file gives may not be ordered at all

    def above(
        self,
        tokens: Integers,
        seen: Integers,
        weights: Floats,
        k: int,
        bound: tuple[float, float],
        wanted: Integers,
        backend: Backend = "auto",
    ) -> tuple[Integers, Floats] | None:
        """Tokens and their p: those `wanted`, and all that these voices find likely; some perhaps twice.

        `bound` is a chance and a part: likely is a token with at least this part of the chance, or of the k-th best p
        if that is more.  This serves sums to which others add.  Where k tokens reach the chance, with or without these
        voices, each of the k best has its n-th part from one of n summands: it is listed here, or the others say which
        it is.  None where the whole distribution should be read.
        """
        compiled = self._chosen(backend)
        if compiled is None or k > MOST:
            return None
        k = min(k, len(self.unigrams))
        leading = self.unigrams, self.ceiling, self.ranked, np.empty(k, np.int64), np.empty(k)
        heard, found, chances = np.empty(len(wanted)), np.empty(MANY, np.int64), np.empty(MANY)
        listed = frozen(wanted), heard, found, chances
        count = self._asked(compiled.above, tokens, seen, weights, *leading, *bound, *listed)
        if count < 0:
            return None
        return np.concatenate([wanted, found[:count]]), np.concatenate([heard, chances[:count]])

    def confidence(self, tokens: Integers, seen: Integers, backend: Backend = "auto") -> Floats | None:
        """Entropy and largest log-probability after `tokens`, float64 (2,), of a panel of one voice.

        Most rows of the vocabulary are not read.  None where they must be.
        """
        if len(self.voices) > 1:
            raise ValueError(f"Expected a panel of one voice, got {len(self.voices)}.")
        compiled = self._chosen(backend)
        if compiled is None:
            return None
        found, leading = np.empty(2), (self.unigrams, self.ceiling, self.ranked, np.empty(1, np.int64), np.ones(1))
        self._asked(compiled.confidence, tokens, seen, ALONE, *leading, self.plain, found)
        return found

    def _chosen(self, backend: Backend) -> ModuleType | None:
        """Compiled code is worth its while only if questions keep coming."""
        self._questions += 1
        return PLACE.chosen(backend, self._questions * ONE)

    def _asked(self, kernel: Any, tokens: Integers, seen: Integers, weights: Floats, *rest: Any) -> int:
        """Call a kernel; levels that a voice has fewer of than another are not read."""
        scratch = self._scratch(len(tokens))
        try:
            return kernel(*self._records, seen, weights, frozen(tokens), *scratch, *rest)
        except BaseException:
            self._local.scratch = None  # its sums may not be zero
            raise

    def _scratch(self, length: int) -> Scratch:
        """What the calling thread works in, with room for every match in a text of so many tokens."""
        scratch: Scratch | None = getattr(self._local, "scratch", None)
        if scratch is None or len(scratch.matches) < length:
            size, room = len(self.unigrams), 2 * length + 64
            matches, lengths = np.empty(room, np.int64), np.empty(room, np.int64)
            marks, touched = np.zeros(size, np.uint8), np.empty(size + 1, np.uint32)
            scratch = Scratch(marks, matches, lengths, np.zeros(size), touched, np.zeros(len(self.voices)))
            self._local.scratch = scratch
        return scratch

    def _defined(self, tokens: Integers, seen: Integers, weights: Floats) -> Floats:
        total = np.zeros(len(self.unigrams))
        for voice, look, weight in zip(self.voices, seen, weights.tolist(), strict=True):
            if weight:
                total += weight * spread(voice, tokens, look[: len(voice.store.directory)])
        return total


def spread(voice: Voice, tokens: Integers, seen: Integers) -> Floats:
    """p of every token after `tokens` under one voice, by definition, float64 (V,)."""
    memory, unigram = voice.memory, voice.store.unigram
    heard = None if memory is None else spoken(tokens, memory)
    known = reference.found_at(voice.store, seen[:, None])
    told = np.empty((0, 1)) if heard is None else remembered(heard)[:, None]
    given = features(voice.store.order, np.concatenate([known.totals, known.kinds]), told)
    shares = opened(voice.gate, voice.floor, given)[0]
    skips = len(voice.store.tables) - voice.store.order
    found = reference.spread(voice.store, known, shares[: 1 + skips, None])[0]
    if memory is None or heard is None:
        return found
    recent = recalled(heard.recent[0], heard.recent[1], heard.mass, memory.prior, unigram)
    for share, row in zip(shares[1 + skips :].tolist(), (None, *heard.rows), strict=True):
        found += share * (recent if row is None else echoed(row, memory.discount, recent))
    return found


def remembered(heard: Spoken) -> Floats:
    """How much the text so far has to go by, as `features` reads it: first the recent tokens, then each order."""
    often = [heard.mass, *(float(counts.sum()) for _, counts in heard.rows)]
    return np.array([*often, 0.0, *(float(len(counts)) for _, counts in heard.rows)])


def recalled(tokens: Integers, weights: Floats, mass: float, prior: float, unigram: Floats) -> Floats:
    """p of every token by the recent ones, float64 (V,): (weight + prior · unigram) / (mass + prior)."""
    found = prior * unigram
    found[tokens] += weights
    return found / (mass + prior)


def echoed(row: tuple[Integers, Integers], discount: float, below: Floats) -> Floats:
    """p of every token by one order of the text so far, float64 (V,)."""
    tokens, counts = row
    total = float(counts.sum())
    if not total:
        return below
    found = discount * len(tokens) / total * below
    found[tokens] += (counts - discount) / total
    return found


def _tapes(store: Store) -> tuple[Any, ...]:
    tapes = (store.directory, store.tables, store.pieces, store.numbers, store.reals)
    return *map(frozen, tapes), store.order
