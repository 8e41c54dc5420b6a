"""`recall`: which tokens the sparse rows of a context point to, and how strongly; sums in fixed point, top k exact.

    score(b) = bias(b) + Σ over the context and the layers of weight(layer) · row(token, distance, layer)[b]

A `Store` holds the rows of one or several layers, packed for the cache by `pack` and `stack`.  `recall` gives the best
tokens of one context, `recall_many` those of many, `touched` the sums of many, `log_likelihood` how likely a text is
under their softmax.  The mathematics, bit for bit, stand in `operation.py`.
"""

from polyloom_kernels.recall.likelihood import log_likelihood, log_normalisers
from polyloom_kernels.recall.operation import Recalled, Touched, fixed, recall, recall_many, touched
from polyloom_kernels.recall.store import LONGEST, UNIT, Store, pack, stack

__all__ = [
    "LONGEST",
    "UNIT",
    "Recalled",
    "Store",
    "Touched",
    "fixed",
    "log_likelihood",
    "log_normalisers",
    "pack",
    "recall",
    "recall_many",
    "stack",
    "touched",
]
