"""The rows of `polyloom bench routing`: who gets a text, and who gets none, on CLINC150 (Larson et al., 2019).

150 intents with 100 examples each are the experts; the texts are those of the test part, which nothing was chosen by,
and its texts that are for none of them.  The peer is what one would do with scikit-learn alone: TF–IDF of words and
logistic regression, its cost the best of three on the validation part.  Both see the same examples, none of them
out of scope.

The time of a route is that of the decision with its whole account; of a few runs the fastest counts, text by text.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyloom._compat import need
from polyloom.association.bench_text import NO_SHARED
from polyloom.cli.rows import Better, Row
from polyloom.compose.routing.router.router import Router
from polyloom.evaluate.calibration import binned, calibration_error
from polyloom.model import Floats

PLACE = "routing/clinc150/data_full.json"
COSTS = (1.0, 10.0, 100.0)
PEER = "TF–IDF and logistic regression"
TIMED, REPEATS = 500, 3  # texts that are timed, and how often each
SIZES = ((50, 15, 2), (1000, 4, 20))  # experts, examples of each, milliseconds allowed
NAMES: tuple[tuple[str, str, Better], ...] = (
    ("right expert", "share", "higher"),
    ("out-of-scope AUROC", "area", "higher"),
    ("expected calibration error", "share", "lower"),
    ("route, 50 experts, a core, p95", "ms", "lower"),
    ("route, 1,000 experts, a core, p95", "ms", "lower"),
)
Labelled = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Judged:
    """Scores (n,) of the best and whether it was right, of texts for somebody; scores of texts for nobody."""

    scores: Floats
    right: Floats
    outside: Floats

    @property
    def auroc(self) -> float:
        """The chance that a text for somebody scores higher than one for nobody; half of it where they are equal."""
        ordered, many = np.sort(self.outside), len(self.outside)
        below, upto = (np.searchsorted(ordered, self.scores, side) for side in ("left", "right"))
        return float((below + upto).mean() / (2 * many))

    @property
    def error(self) -> float:
        """The expected calibration error of texts that are for somebody."""
        return float(calibration_error(binned(self.scores, self.right)))


def rows(shared: Path | None) -> Iterator[Row]:
    """Those of routing, in about two minutes."""
    file = None if shared is None else shared / "data" / PLACE
    if file is None or not file.is_file():
        reason = NO_SHARED.format(f"data/{PLACE}")
        yield from (_row(name, None, unit, better, reason=reason) for name, unit, better in NAMES)
        return
    data: dict[str, Labelled] = json.loads(file.read_text(encoding="utf-8"))
    examples: dict[str, list[str]] = {}
    for text, name in data["train"]:
        examples.setdefault(name, []).append(text)
    router = Router.fit(examples)
    yield from _quality_rows(_ours(router, data["test"], data["oos_test"]), _peer(data), len(examples))
    yield from _abstaining_rows(router, data)
    every = [text for name in sorted(examples) for text in examples[name]]
    for experts, each, bar in SIZES:
        yield _speed_row(every, experts, each, bar, [text for text, _ in data["test"]])


def _quality_rows(ours: Judged, peer: Judged, experts: int) -> Iterator[Row]:
    right, theirs = float(ours.right.mean()), float(peer.right.mean())
    what = f"CLINC150, {len(ours.right):,} texts"
    levels = f"the oracle has 1; the best single expert and a random one have 1/{experts}"
    yield _row(f"right expert, {what}", right, "share", "higher", PEER, theirs, reason=levels)
    yield _row(f"right expert, above {PEER}", right - theirs, "share", "higher", bar="value >= 0.01")
    outside = f"CLINC150, {len(ours.outside):,} texts for nobody"
    yield _row(f"out-of-scope AUROC, {outside}", ours.auroc, "area", "higher", PEER, peer.auroc)
    yield _row(f"out-of-scope AUROC, above {PEER}", ours.auroc - peer.auroc, "area", "higher", bar="value >= 0.02")
    yield _row(
        f"expected calibration error, {what}", ours.error, "share", "lower", PEER, peer.error, bar="value <= 0.03"
    )


def _abstaining_rows(router: Router, data: dict[str, Labelled]) -> Iterator[Row]:
    """What the fitted threshold, which never saw a text for nobody, makes of the test part."""
    reason = f"threshold {router.threshold:.3f}, fitted without a text that is for nobody"
    inside, outside = ([router.route(text) for text, _ in data[part]] for part in ("test", "oos_test"))
    kept = [decision.name == name for decision, (_, name) in zip(inside, data["test"], strict=True) if decision.name]
    turned = float(np.mean([decision.name is None for decision in outside]))
    yield _row("accepted, CLINC150, texts for somebody", len(kept) / len(inside), "share", "higher", reason=reason)
    yield _row("right expert, CLINC150, of those accepted", float(np.mean(kept)), "share", "higher", reason=reason)
    yield _row("turned away, CLINC150, texts for nobody", turned, "share", "higher", reason=reason)


def _speed_row(every: list[str], experts: int, each: int, bar: int, asked: list[str]) -> Row:
    """Experts that are small pieces of the intents: only how many there are matters here."""
    apart = len(every) / experts
    router = Router.fit({f"expert-{n}": every[int(n * apart) : int(n * apart) + each] for n in range(experts)})
    fastest = np.full(len(asked[:TIMED]), np.inf)
    for _ in range(REPEATS):
        for at, text in enumerate(asked[:TIMED]):
            started = time.process_time()
            router.route(text)
            fastest[at] = min(fastest[at], time.process_time() - started)
    name = f"route, {experts:,} experts, a core, p95"
    return _row(name, 1000 * float(np.quantile(fastest, 0.95)), "ms", "lower", bar=f"value <= {bar}")


def _ours(router: Router, texts: Labelled, outside: Labelled) -> Judged:
    decisions = [router.route(text) for text, _ in texts]
    right = [decision.best == name for decision, (_, name) in zip(decisions, texts, strict=True)]
    scores = np.array([decision.score for decision in decisions])
    return Judged(scores, np.array(right, np.float64), np.array([router.route(text).score for text, _ in outside]))


def _peer(data: dict[str, Labelled]) -> Judged:
    """scikit-learn alone."""
    purpose = "The peer of the router"
    text, linear = (need(f"sklearn.{part}", "experts", purpose) for part in ("feature_extraction.text", "linear_model"))
    words: Any = text.TfidfVectorizer()
    table = words.fit_transform([text for text, _ in data["train"]])
    names = [name for _, name in data["train"]]

    def judged(model: Any, part: str, outside: str) -> Judged:
        chances, strange = (
            model.predict_proba(words.transform([text for text, _ in data[which]])) for which in (part, outside)
        )
        right = model.classes_[chances.argmax(1)] == np.array([name for _, name in data[part]])
        return Judged(chances.max(1), right.astype(np.float64), strange.max(1))

    fitted = [linear.LogisticRegression(C=cost, max_iter=1000).fit(table, names) for cost in COSTS]
    best = max(fitted, key=lambda model: judged(model, "val", "oos_val").right.mean())
    return judged(best, "test", "oos_test")


def _row(
    name: str, value: float | None, unit: str, better: Better,
    peer: str | None = None, peer_value: float | None = None, *, bar: str | None = None, reason: str | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="routing", name=name, value=value, unit=unit, better=better,
        peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
