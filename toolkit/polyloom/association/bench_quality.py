"""How well association models predict and how well they know it: perplexity and calibration on four token sets.

Train, valid and test are one array each, `</s>` ending its lines: it restarts the n-gram chain, while skips and
history run on.  Train is counted, valid fits the gate, test is judged once.  New text has more `<unk>` than the text
whose words the vocabulary lists, which a gate learns from valid; so compare by the rows that leave out `<unk>` targets.

Peers are published beside the sets.  A model with history learns from the text that it judges, so its peer is one that
does so too.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from polyloom.association.bench_text import NO_SHARED, SETS, Anchor, anchor
from polyloom.association.counts import rows_of
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row
from polyloom.documents import Ids
from polyloom.evaluate.calibration import BINS, binned, calibration_error
from polyloom.model import Floats

KENLM, PROTOTYPE = "KenLM order 5", "this project's study, adaptive"
WHAT = (  # what is judged; its peer, and where the published results hold it; how far below the bar the moonshot is
    ("perplexity of known words, static", KENLM, "kn5_noUNK", 0.02),
    ("perplexity of known words, with history", PROTOTYPE, "mix_all_noUNK", 0.03),
    ("perplexity of all tokens, static", KENLM, "kn5", 0.0),
    ("perplexity of all tokens, with history", PROTOTYPE, "mix_all", 0.0),
)
BARS = {
    "warandpeace": (148.5, 117.9, 144.14, 113.77),
    "tinyshakespeare": (116.9, 104.7, 110.02, 81.25),
    "wikitext2": (257.7, 170.8, 164.21, 109.15),
    "pydocs": (67.3, 32.2, 65.83, 31.38),
}
UNIGRAM = "unigram perplexity, off the published one"
CALIBRATION = "calibration error, with history"
LAST_DIGIT = "value <= 0.005"
CALIBRATED = "value <= 0.02"


def rows(shared: Path | None) -> Iterator[Row]:
    """Six rows for each set."""
    for name in SETS:
        found = anchor(shared, name)
        yield from _missing(name) if found is None else _measured(found)


def _missing(name: str) -> Iterator[Row]:
    reason = NO_SHARED.format(f"anchors/ngram/{name}")
    for (what, *_), bar in zip(WHAT, BARS[name], strict=True):
        yield _row(f"{what}, {name}", None, "perplexity", bar=f"value <= {bar}", reason=reason)
    yield _row(f"{UNIGRAM}, {name}", None, "perplexity", bar=LAST_DIGIT, reason=reason)
    yield _row(f"{CALIBRATION}, {name}", None, "probability", bar=CALIBRATED, reason=reason)


def _measured(given: Anchor) -> Iterator[Row]:
    static, full = (
        AssociationModel.fit([given.train], given.vocabulary, held_out=[given.valid], history=history)
        for history in (False, True)
    )
    known = given.test != given.vocabulary.unknown
    logs = static.log_likelihood(given.test), full.log_likelihood(given.test)
    values = *(_perplexity(log[known]) for log in logs), *(_perplexity(log) for log in logs)
    for (what, peer, key, moonshot), value, bar in zip(WHAT, values, BARS[given.name], strict=True):
        published = given.published.get(key)
        reason = f"{peer} is published beside the set, not measured in this run{_moonshot(value, bar, moonshot)}"
        yield _row(
            f"{what}, {given.name}", value, "perplexity",
            peer=peer, peer_value=published, bar=f"value <= {bar}", reason=reason,
        )  # fmt: skip
    yield _unigram(given, static)
    error = float(calibration_error(binned(*_guesses(full, given.test))))
    yield _row(
        f"{CALIBRATION}, {given.name}", error, "probability", bar=CALIBRATED,
        reason=f"of the likeliest token, in {BINS} bins; no peer has published one",
    )  # fmt: skip


def _moonshot(value: float, bar: float, share: float) -> str:
    goal = bar * (1 - share)
    return f"; moonshot {goal:.1f}, {'reached' if value <= goal else 'not reached'}" if share else ""


def _unigram(given: Anchor, model: AssociationModel) -> Row:
    """The maximum-likelihood unigram: it differs from the published one as soon as the files are read otherwise."""
    _, tokens, counts = rows_of(model.counts.levels[0])
    counted = np.zeros(given.vocabulary.size)
    counted[tokens] = counts
    ours, published = _perplexity(np.log(counted[given.test] / counted.sum())), given.published.get("unigram")
    reason = "nothing published beside the set" if published is None else f"ours {ours:.2f}, theirs {published:.2f}"
    off = None if published is None else abs(ours - published)
    return _row(f"{UNIGRAM}, {given.name}", off, "perplexity", bar=LAST_DIGIT, reason=reason)


def _guesses(model: AssociationModel, tokens: Ids) -> tuple[Floats, Floats]:
    """At each place of a text: the probability of the likeliest token, and whether it came; float64 (T,)."""
    place, chances, right = model.begin(), list[float](), list[bool]()
    for token in tokens.tolist():
        guess = place.top(1)
        chances.append(float(np.exp(guess.log_probs[0])))
        right.append(int(guess.tokens[0]) == token)
        place.advance(token)
    return np.array(chances), np.array(right, np.float64)


def _perplexity(logs: Floats) -> float:
    return float(np.exp(-logs.mean()))


def _row(
    name: str, value: float | None, unit: str, *,
    bar: str, reason: str, peer: str | None = None, peer_value: float | None = None,
) -> Row:  # fmt: skip
    return Row(
        group="association", name=name, value=value, unit=unit,
        peer=peer, peer_value=peer_value, bar=bar, reason=reason,
    )  # fmt: skip
