"""`mixture` as it is called: checks, the choice of a back end, and the memory that compiled code works in."""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from polyloom_kernels.history.memory import Memory
from polyloom_kernels.history.reference import Spoken, spoken
from polyloom_kernels.jit import Backend, Compiled
from polyloom_kernels.mixture import reference
from polyloom_kernels.mixture.store import Floats, Integers, Store

TEXT = Compiled("polyloom_kernels.mixture.cpu")
PLACE = Compiled("polyloom_kernels.mixture.place")
MOST = 64  # candidates that are kept in order one by one; for more the whole distribution is sorted
SILENT = Memory(orders=(1,))  # what a voice without history hands to compiled code, which does not read it


def chances(store: Store, seen: Integers, targets: Integers, backend: Backend = "auto") -> tuple[Floats, Floats]:
    """p of each target under each component, float64 (K, T); the totals of each table, float64 (tables, T).

    `seen` int64 (levels, T) is the token that each level looks at from each place, −1 where there is none.
    Components are the chain, then each further table.  The first table has no context, and no total here.
    """
    compiled = TEXT.chosen(backend)
    if compiled is None:
        return reference.chances(store, seen, targets)
    parts = np.empty((1 + len(store.tables) - store.order, len(targets)))
    totals = np.zeros((len(store.tables), len(targets)))
    compiled.chances(*_tapes(store), np.ascontiguousarray(seen), np.ascontiguousarray(targets), parts, totals)
    return parts, totals


@dataclass(frozen=True, eq=False)
class Voice:
    """One model as a place asks it: its counts, its gate float64 (F, K), the gate's floor, its memory of the text."""

    store: Store
    gate: Floats
    floor: float
    memory: Memory | None = None

    @cached_property
    def arguments(self) -> tuple[Any, ...]:
        """What compiled code reads, in its order."""
        return (*_tapes(self.store), np.ascontiguousarray(self.gate), self.floor)

    @cached_property
    def remembered(self) -> tuple[Any, ...]:
        """The orders of its memory, and its numbers."""
        memory = self.memory or SILENT
        return np.array(memory.orders, np.int64), memory.numbers()


class Scratch(NamedTuple):
    """Where compiled code works: sums that are all zero between calls, and lists."""

    sums: Floats
    touched: Any
    mark: Any
    matches: Integers
    lengths: Integers


class Panel:
    """Voices that are asked together: Σ_k weight_k · p_k(y) at one place.  Weights come with each question."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self.voices = tuple(voices)
        self._local = threading.local()

    @cached_property
    def unigrams(self) -> Floats:
        """float64 (V, K): a token's chances under all voices stand side by side."""
        return np.ascontiguousarray(np.stack([voice.store.unigram for voice in self.voices], axis=1))

    @cached_property
    def ranked(self) -> Integers:
        """int64 (K, V): all tokens by falling chance, ties by smaller id, for each voice."""
        return np.stack([np.argsort(-voice.store.unigram, kind="stable") for voice in self.voices])

    def dense(self, tokens: Integers, seen: Sequence[Integers], weights: Floats, backend: Backend = "auto") -> Floats:
        """p of every token after `tokens`, float64 (V,); `seen` int64 (levels,) for each voice."""
        compiled = PLACE.chosen(backend)
        if compiled is None:
            return self._defined(tokens, seen, weights)
        found = np.empty(len(self.unigrams))
        with self._asked(compiled, tokens, seen, weights) as sums:
            compiled.whole(*sums, self.unigrams, found)
        return found

    def top(
        self, tokens: Integers, seen: Sequence[Integers], weights: Floats, k: int, backend: Backend = "auto"
    ) -> tuple[Integers, Floats] | None:
        """The k likeliest tokens and their p, ties by smaller id; None where the whole distribution must be sorted."""
        compiled = PLACE.chosen(backend)
        if compiled is None or k > MOST:
            return None
        k = min(k, len(self.unigrams))
        best, values = np.empty(k, np.int64), np.empty(k)
        with self._asked(compiled, tokens, seen, weights) as sums:
            compiled.pick(*sums, self.unigrams, self.ranked, best, values)
        return best, values

    @contextmanager
    def _asked(
        self, compiled: ModuleType, tokens: Integers, seen: Sequence[Integers], weights: Floats
    ) -> Generator[tuple[Any, ...]]:
        """The sums that the voices' rows add up to, and what is below them; whoever reads them leaves them zero."""
        scratch = self._scratch(len(tokens))
        below, used, memory = np.zeros(len(self.voices)), 0, None
        found, told = 0, np.zeros(1)
        text = scratch.mark, scratch.matches, scratch.lengths
        try:
            for n, (voice, look) in enumerate(zip(self.voices, seen, strict=True)):
                if not weights[n]:
                    continue
                orders, numbers = voice.remembered
                if voice.memory is not None and voice.memory != memory:
                    memory, told = voice.memory, np.empty(1 + 2 * len(orders))
                    found = compiled.remember(tokens, orders, numbers, *text, told)
                below[n], used = compiled.gather(
                    *voice.arguments, look, float(weights[n]), tokens, orders, numbers, *text, found, told,
                    np.empty(voice.gate.shape[1]), scratch.sums, scratch.touched, used,
                )  # fmt: skip
            yield scratch.sums, scratch.touched, used, below
        except BaseException:
            self._local.scratch = None  # its sums may not be zero
            raise

    def _scratch(self, length: int) -> Scratch:
        """What the calling thread works in, with room for every match in a text of so many tokens."""
        scratch: Scratch | None = getattr(self._local, "scratch", None)
        if scratch is None or len(scratch.matches) < length:
            size, room = len(self.unigrams), 2 * length + 64
            marks, touched = np.zeros(size, np.uint8), np.empty(size + 1, np.uint32)
            scratch = Scratch(np.zeros(size), touched, marks, np.empty(room, np.int64), np.empty(room, np.int64))
            self._local.scratch = scratch
        return scratch

    def _defined(self, tokens: Integers, seen: Sequence[Integers], weights: Floats) -> Floats:
        total = np.zeros(len(self.unigrams))
        for voice, look, weight in zip(self.voices, seen, weights.tolist(), strict=True):
            if weight:
                total += weight * spread(voice, tokens, look)
        return total


def spread(voice: Voice, tokens: Integers, seen: Integers) -> Floats:
    """p of every token after `tokens` under one voice, by definition, float64 (V,)."""
    memory, unigram = voice.memory, voice.store.unigram
    heard = None if memory is None else spoken(tokens, memory)
    shares = opened(voice, seen[:, None], None if heard is None else remembered(heard)[:, None])[0]
    skips = len(voice.store.tables) - voice.store.order
    found = reference.spread(voice.store, seen[:, None], shares[: 1 + skips, None])[0]
    if memory is None or heard is None:
        return found
    recent = recalled(heard.recent[0], heard.recent[1], heard.mass, memory.prior, unigram)
    for share, row in zip(shares[1 + skips :].tolist(), (None, *heard.rows), strict=True):
        found += share * (recent if row is None else echoed(row, memory.discount, recent))
    return found


def remembered(heard: Spoken) -> Floats:
    """How much the text so far has to go by: the mass of recent tokens, and the matches of each order."""
    return np.array([heard.mass, *(float(counts.sum()) for _, counts in heard.rows)])


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


def opened(voice: Voice, seen: Integers, heard: Floats | None) -> Floats:
    """The share of each component at each place, float64 (T, K)."""
    totals = reference.totals(voice.store, seen)
    told = np.empty((0, seen.shape[1])) if heard is None else heard
    return reference.opened(voice.gate, voice.floor, reference.features(voice.store.order, totals, told))


def _tapes(store: Store) -> tuple[Any, ...]:
    return store.directory, store.tables, store.pieces, store.numbers, store.reals, store.order
