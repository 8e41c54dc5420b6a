"""Fitting a router: witnesses that learned from all examples, weighed by what others said of examples kept from them.

The examples of each expert are dealt to `FOLDS` folds.  What the witnesses of the other folds say of a fold is what the
calibration is fitted to.  The only example of an expert is never kept back: somebody must know the expert.
"""

from collections.abc import Sequence

import numpy as np

from polyloom.compose.routing.router.beside import Source
from polyloom.compose.routing.router.calibration import Calibration, calibrated
from polyloom.compose.routing.router.expert import Expert
from polyloom.compose.routing.router.features import read
from polyloom.compose.routing.router.witnesses import WITNESSES, Witnesses
from polyloom.documents import Ids

FOLDS = 4
CELLS = 2_000_000  # held-out texts × experts: they are in memory at once
SEED = 0  # of the dice that deal the examples


def fitted(
    experts: Sequence[Expert], forbidding: float, sources: Sequence[Source] = ()
) -> tuple[Witnesses, Calibration]:
    """The witnesses of some experts, and how they are weighed; each word that forbids takes off so much.

    Each source reads every example once.
    """
    texts = [text for expert in experts for text in expert.examples]
    of = np.repeat(np.arange(len(experts)), [len(expert.examples) for expert in experts])
    reads, folds = [read(text) for text in texts], _folds(experts)
    asked = _asked(folds, max(1, CELLS // len(experts)))
    seen = [source.see(texts) for source in sources]
    many = len(WITNESSES) + len(sources)
    judged, barred = np.empty((len(asked), len(experts), many)), np.empty((len(asked), len(experts)))
    for fold in np.unique(folds[asked]).tolist():
        kept = np.flatnonzero(folds != fold)
        part = [(source, x[kept]) for source, x in zip(sources, seen, strict=True)]
        others = Witnesses.fit([reads[at] for at in kept], of[kept], experts, part)
        for row in np.flatnonzero(folds[asked] == fold).tolist():
            at = int(asked[row])
            judged[row], barred[row], *_ = others.judge(texts[at], [x[at] for x in seen])
    usual = [(source.usual, source.wide) for source in sources]
    found = Witnesses.fit(reads, of, experts, list(zip(sources, seen, strict=True)))
    taken_off = forbidding * barred - np.array([expert.leaning for expert in experts])
    return found, calibrated(judged, taken_off, of[asked], usual)


def _folds(experts: Sequence[Expert]) -> Ids:
    """The fold of each example, int64; −1 for one that is never kept back."""
    dice = np.random.default_rng(SEED)
    dealt = [
        dice.permutation(len(expert.examples)) % FOLDS if len(expert.examples) > 1 else np.array([-1])
        for expert in experts
    ]
    return np.concatenate(dealt)


def _asked(folds: Ids, most: int) -> Ids:
    """Which examples are judged: of those that can be kept back at most so many, drawn by dice."""
    return np.random.default_rng(SEED).permutation(np.flatnonzero(folds >= 0))[:most]
