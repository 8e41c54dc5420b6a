"""How fast a text chooses the weights of a mix, steers it, credits its layers, and how much a simplified mix costs.

A book on its 4,000 commonest words; up to twelve layers, each of which counted its own part of it.  The layers are
asked first, which is timed apart: how fast they answer is their own affair.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from polyloom.association.bench_measure import best, ready
from polyloom.association.bench_text import Split, novel
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row
from polyloom.compose.exponents import pooled
from polyloom.compose.fitting import Exponents, Shares
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.reach import Reach
from polyloom.compose.shapley import divided
from polyloom.compose.simplify import simplify
from polyloom.documents import Ids
from polyloom.mixture import mixture_optimum
from polyloom.model import Floats, LanguageModel
from polyloom.tokens.vocabulary import UNKNOWN
from polyloom.tokens.word import WordVocabulary

WORDS, LAYERS, MANY = 4000, 8, 12  # pieces; layers of most rows, and of the larger linear game
FITTED, CREDITED, READ = 100_000, 512, 2000  # tokens that weights are fitted to, that are credited, that nests read
WISHES, PROMPT = 40, 200  # tokens that are wished for, after so many others
GAP = 1e-6  # nats a token
ROUNDS = 2000  # at most, of expectation–maximisation
DEEP = 3


@dataclass(frozen=True)
class Bench:
    """Models of parts of a book, and what follows it."""

    name: str
    models: Sequence[AssociationModel]
    judged: Ids

    def mix(self, pool: str, layers: int = LAYERS) -> Layered:
        """An even mix of the first layers."""
        weight = 1.0 if pool == "linear" else 1 / layers
        named = {f"part {n}": Layer(model, weight) for n, model in enumerate(self.models[1:layers], 2)}
        return Layered(self.models[0], named, pool, name="part 1", weight=weight)


def rows(shared: Path | None) -> Iterator[Row]:
    """The rows of optimisation, in about a minute."""
    bench = _bench(novel(shared))
    ready(lambda: bench.mix("linear").begin(bench.judged[:PROMPT]).top(10))
    yield from _fitted_rows(bench)
    yield from _credited_rows(bench)
    yield from _reached_rows(bench)
    yield from _simplified_rows(bench)


def _bench(book: Split) -> Bench:
    """The book on few words, the others `<unk>`."""
    counts = np.bincount(book.learned, minlength=book.vocabulary.size)
    order: list[int] = np.argsort(-counts, kind="stable").tolist()
    common = [k for k in order if book.vocabulary.pieces[k] != UNKNOWN]
    known = common[: WORDS - 1]
    ids = np.zeros(book.vocabulary.size, np.int64)
    ids[known] = np.arange(1, len(known) + 1)
    vocabulary = WordVocabulary([UNKNOWN, *(book.vocabulary.pieces[k] for k in known)])
    held_out = [ids[book.held_out]]
    parts = np.array_split(ids[book.learned], MANY)
    return Bench(
        f"{book.name}, {vocabulary.size} words",
        [AssociationModel.fit([part], vocabulary, held_out=held_out) for part in parts],
        ids[book.judged],
    )


def _fitted_rows(bench: Bench) -> Iterator[Row]:
    mix, text = bench.mix("linear"), bench.judged[:FITTED]
    what = f"{LAYERS} layers, {len(text):,} positions, {bench.name}"
    started = time.perf_counter()
    found = mix.member_log_likelihoods(text)
    asked = time.perf_counter() - started
    optimum = mixture_optimum(found)
    said = f"{optimum.rounds} Newton rounds; asking the layers took {asked:.1f} s before"
    started = time.perf_counter()
    rounds, gap = _plain(found)
    peer = 1000 * (time.perf_counter() - started)
    yield _row(
        f"fit_weights given the likelihoods, {what}", 1000 * best(lambda: mixture_optimum(found)), "ms",
        peer=f"expectation–maximisation to a gap of {GAP:g}", peer_value=peer, bar="value <= 200",
        reason=f"{said}; expectation–maximisation: {rounds} rounds, gap {gap:.1e}",
    )  # fmt: skip
    yield _row(f"duality gap of fit_weights, {what}", optimum.gain, "nats/token", bar="value <= 0.000001", reason=said)


def _plain(found: Floats) -> tuple[int, float]:
    """Rounds of expectation–maximisation, and the gap that they left."""
    chance = np.exp(found - found.max(0))
    weights, rounds, gain = np.full(len(found), 1 / len(found)), 0, np.full(len(found), np.inf)
    while gain.max() > 1 + GAP and rounds < ROUNDS:
        weights, rounds = weights * (gain if rounds else 1.0), rounds + 1
        gain = (chance / (weights @ chance)).mean(1)
    return rounds, float(np.log(gain.max()))


def _credited_rows(bench: Bench) -> Iterator[Row]:
    text = bench.judged[:CREDITED]
    linear, log = bench.mix("linear", MANY), bench.mix("log")
    shares, found = Shares.read(list(linear.models.values()), [text]), linear.member_log_likelihoods(text)
    started = time.perf_counter()
    exponents = Exponents.read(list(log.models.values()), [text])
    asked = time.perf_counter() - started
    size = log.vocabulary.size
    yield _row(
        f"Shapley values and pairs, {MANY} linear layers, {len(text)} positions, {bench.name}",
        1000 * best(lambda: divided(shares.coalitions(linear.factors, size, _nobody))), "ms",
        peer="every set by itself", peer_value=1000 * best(lambda: _each_linear(found, linear.factors), repeats=1),
        bar="value <= 50",
    )  # fmt: skip
    yield _row(
        f"Shapley values and pairs, {LAYERS} log layers, {len(text)} positions, {bench.name}",
        best(lambda: divided(exponents.coalitions(log.factors, size, _nobody))), "s",
        peer="every set by itself", peer_value=best(lambda: _each_log(exponents, log.factors), repeats=1),
        bar="value <= 5", reason=f"asking the layers took {asked:.1f} s before",
    )  # fmt: skip


def _nobody(places: int) -> None:
    """Nobody is told."""
    del places


def _each_linear(found: Floats, shares: Floats) -> list[float]:
    chance = np.exp(found)
    sets = (list(some) for n in range(1, len(found) + 1) for some in itertools.combinations(range(len(found)), n))
    return [float(np.log(shares[some] @ chance[some] / shares[some].sum()).mean()) for some in sets]


def _each_log(exponents: Exponents, weights: Floats) -> list[float]:
    voices = [list(zip(weights.tolist(), logs, strict=True)) for logs, _ in exponents.blocks()]
    sets = (some for n in range(1, len(weights) + 1) for some in itertools.combinations(range(len(weights)), n))
    return [sum(float(pooled([rows[k] for k in some])[1].sum()) for rows in voices) for some in sets]


def _reached_rows(bench: Bench) -> Iterator[Row]:
    """Tokens that came, each wished to be half as likely or twice as likely as the mix finds it."""
    for pool in ("linear", "log"):
        mix, took, found = bench.mix(pool), list[float](), list[Reach]()
        for at in range(WISHES):
            prompt, token = np.split(bench.judged[at * PROMPT : (at + 1) * PROMPT + 1], [PROMPT])
            chance = float(np.exp(mix.begin(prompt).distribution()[token[0]]))
            reach = partial(mix.reach, prompt, token=int(token[0]), probability=min(0.99, chance * (0.5, 2.0)[at % 2]))
            found.append(reach())
            took.append(1000 * best(reach))
        missed = [0.0 if not one.reached and one.certified else 100 * abs(one.after - one.target) for one in found]
        what = f"{LAYERS} layers, {pool} pool, {WISHES} tokens, {bench.name}"
        proved = sum(one.certified for one in found)
        yield _row(
            f"reach a probability, slowest, {what}", max(took), "ms", bar="value <= 50",
            reason=f"best of a few runs for each token, median {np.median(took):.1f} ms; {proved} answers certified",
        )  # fmt: skip
        yield _row(
            f"reach a probability, target missed by at most, {what}", max(missed), "percentage points",
            bar="value <= 0.5", reason="those that are certified to be unreachable miss nothing",
        )  # fmt: skip


def _simplified_rows(bench: Bench) -> Iterator[Row]:
    flat, nested = bench.mix("linear"), _nest(list(bench.models[:LAYERS]))
    simpler, text = simplify(nested), bench.judged[:READ]
    what = f"{LAYERS} layers nested {DEEP} deep, {len(text):,} tokens, {bench.name}"

    def read(model: LanguageModel) -> float:
        return best(lambda: (model.log_likelihood(text), model.begin(text).top(10)))

    read(flat)
    yield _row(
        f"log_likelihood and top(10) once simplified, {what}", 1000 * read(simpler), "ms",
        peer="the equal flat mix", peer_value=1000 * read(flat), bar="ratio >= 0.77",
        reason=f"nested {1000 * read(nested):.1f} ms; a ratio of 0.77 is 1.3 times the time of the flat one",
    )  # fmt: skip
    apart = np.abs(simpler.log_likelihood(text) - nested.log_likelihood(text)).max()
    yield _row(f"simplified against nested, {what}", float(apart), "nats", bar="value <= 0.000001")


def _nest(models: list[AssociationModel]) -> Layered:
    """Pairs of pairs of pairs, with a silent layer and a member that stands twice."""
    level: list[LanguageModel] = list(models)
    for _ in range(DEEP):
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [Layered(pair[0], {f"{n}": Layer(one) for n, one in enumerate(pair[1:])}) for pair in pairs]
    whole = Layered(level[0], {str(n): Layer(one) for n, one in enumerate(level[1:])})
    return whole.add("silent", models[0], 0.0)


def _row(name: str, value: float, unit: str, **more: Any) -> Row:
    return Row(group="compose", name=name, value=value, unit=unit, **more)
