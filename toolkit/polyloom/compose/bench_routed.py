"""The rows of routing in `polyloom bench compose`: how near it comes to somebody who knows who is writing.

Five voices that the project wrote; each model learned from seven tenths of its own.  What was held out is cut into
pieces of a hundred tokens and laid end to end so that the voice changes with every piece, in several orders drawn by
dice.  The oracle knows the voice of each token.  The switch of one in a hundred is what it is, not fitted.

The cascade goes from the model of a quarter of a book to a log pool of all four, which reads the whole vocabulary.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from polyloom.association.bench_measure import best, ready
from polyloom.association.bench_text import Split, novel
from polyloom.association.model import AssociationModel
from polyloom.cli.catalogues import entries
from polyloom.cli.rows import Better, Row
from polyloom.compose.cascading import cascade_curve
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.routed import Routed
from polyloom.compose.routing.cascade import Cascade
from polyloom.compose.routing.likelihood import ByLikelihood
from polyloom.compose.weave import weave
from polyloom.documents import Ids
from polyloom.model import Floats, LanguageModel

VOICES = ("sea", "kitchen", "contracts", "lullabies", "field_guide")
HELD_OUT, PIECE, ORDERS = 0.3, 100, 10  # part of each voice; tokens of one voice in a row; orders of the pieces
PARTS, EXPONENTS = 4, 300  # models of a book; tokens that the exponents of their pool are fitted to
FITTED, READ = 2000, 1000  # tokens that thresholds are fitted to; tokens that the cascade reads
BUDGETS = (0.0, 0.1, 0.25, 0.5, 1.0)


def rows(shared: Path | None) -> Iterator[Row]:
    """Those of routing, in about half a minute."""
    yield from _switching_rows()
    yield from _cascade_rows(novel(shared))


def switching(texts: list[Ids], seed: int) -> tuple[Ids, Ids]:
    """A text in which the voice changes with every piece, int64 (T,), and whose each token is, int64 (T,).

    As many pieces of each voice as all have; the next one is drawn from those that are left of the other voices.
    """
    dice, each = np.random.default_rng(seed), min(map(len, texts)) // PIECE
    pieces = [dice.permutation(each).tolist() for _ in texts]
    found: list[Ids] = []
    voices: list[int] = []
    while left := [voice for voice, kept in enumerate(pieces) if kept and voice not in voices[-1:]]:
        many = np.array([len(pieces[voice]) for voice in left])
        voice = int(dice.choice(left, p=many / many.sum()))
        start = PIECE * pieces[voice].pop()
        found.append(texts[voice][start : start + PIECE])
        voices.append(voice)
    return np.concatenate(found), np.repeat(np.array(voices), PIECE)


def _switching_rows() -> Iterator[Row]:
    known = entries()
    if missing := [name for name in VOICES if name not in known]:
        yield _row("routing by likelihood", None, "nats/token", reason=f"no text {missing[0]!r} is registered")
        return
    mix, held_out = weave(
        {name: list(known[name].documents(None) or ()) for name in VOICES}, held_out=HELD_OUT, progress=False
    )
    texts = [np.concatenate(held_out[name]) for name in VOICES]
    drawn = [switching(texts, seed) for seed in range(ORDERS)]
    told = [mix.member_log_likelihoods(ids) for ids, _ in drawn]
    knowing = [row[voice, np.arange(len(voice))] for row, (_, voice) in zip(told, drawn, strict=True)]
    oracle = -float(np.mean(np.concatenate(knowing)))
    what = f"{len(VOICES)} voices, another every {PIECE} tokens, {sum(len(ids) for ids, _ in drawn) / 1e3:.0f}k tokens"
    reason = f"the oracle, who knows the voice of each token: {oracle:.4f} nats/token"
    plain = Routed(ByLikelihood(1 / PIECE), mix.models)
    ways: dict[str, tuple[LanguageModel, str | None]] = {
        "by likelihood, above the oracle": (plain, "value <= 0.05"),
        "by likelihood, the best alone, above the oracle": (
            Routed(ByLikelihood(1 / PIECE), mix.models, policy="best"),
            None,
        ),
        "an even mix, above the oracle": (mix, None),
    }
    for name, (model, bar) in ways.items():
        above = _loss(model, drawn) - oracle
        yield _row(f"{name}, {what}", above, "nats/token", bar=bar, reason=reason)
    single = min(-float(np.mean(np.concatenate([rows[k] for rows in told]))) for k in range(len(VOICES)))
    yield _row(f"the best single voice, above the oracle, {what}", single - oracle, "nats/token", reason=reason)
    yield from _speed_rows(plain, mix, drawn[0][0])


def _speed_rows(routed: Routed, mix: Layered, ids: Ids) -> Iterator[Row]:
    ready(lambda: (routed.log_likelihood(ids[:200]), routed.begin(ids[:100]).distribution()))
    ours, theirs = (
        1e6 * best(lambda model=model: model.log_likelihood(ids), time.process_time) / len(ids)
        for model in (routed, mix)
    )
    yield _row(
        f"log_likelihood by likelihood, {len(VOICES)} voices, a core", ours, "µs/token",
        peer="fixed weights", peer_value=theirs,
    )  # fmt: skip
    ours, theirs = (
        1e6 * best(lambda model=model: _read(model, ids), time.process_time) / len(ids) for model in (routed, mix)
    )
    yield _row(
        f"advance and distribution, by likelihood, {len(VOICES)} voices, a core", ours, "µs/token",
        peer="fixed weights", peer_value=theirs,
    )  # fmt: skip


def _cascade_rows(book: Split) -> Iterator[Row]:
    """Each budget on text that its threshold was not fitted to."""
    parts = np.array_split(book.learned, PARTS)
    models = [AssociationModel.fit([part], book.vocabulary, held_out=[book.held_out]) for part in parts]
    layers = {str(n): Layer(model) for n, model in enumerate(models[1:], 2)}
    pool = Layered(models[0], layers, "log", name="1").fit_weights([book.held_out[:EXPONENTS]])
    members = {"small": models[0], "large": pool}
    fitted, read = [book.judged[:FITTED]], [book.judged[FITTED : FITTED + READ]]
    cascade = Cascade("small", "large")
    thresholds = [cascade.fit_threshold(members, fitted, budget).threshold for budget in BUDGETS]
    ready(lambda: cascade_curve(members, [read[0][:50]], [1.0]))
    alone = 1e6 * best(lambda: _read(pool, read[0]), time.process_time) / READ
    loss = -float(pool.log_likelihood(read[0]).mean())
    for budget, point in zip(BUDGETS, cascade_curve(members, read, thresholds), strict=True):
        what, reason = f"cascade from one to a log pool of {PARTS}, budget {budget:.0%}, {book.name}", str(point)
        yield _row(
            f"{what}, loss", point.loss, "nats/token",
            peer="the large one alone", peer_value=loss, reason=reason,
        )  # fmt: skip
        yield _row(
            f"{what}, advance and distribution", 1e6 * point.seconds, "µs/token",
            peer="the large one alone", peer_value=alone, reason=reason,
        )  # fmt: skip


def _loss(model: LanguageModel, drawn: list[tuple[Ids, Ids]]) -> float:
    scores: list[Floats] = [model.log_likelihood(ids) for ids, _ in drawn]
    return -float(np.mean(np.concatenate(scores)))


def _read(model: LanguageModel, ids: Ids) -> None:
    place = model.begin()
    for token in ids.tolist():
        place.distribution()
        place.advance(token)


def _row(
    name: str, value: float | None, unit: str, better: Better = "lower",
    peer: str | None = None, peer_value: float | None = None, *, bar: str | None = None, reason: str | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="compose", name=name, value=value, unit=unit, better=better,
        peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
