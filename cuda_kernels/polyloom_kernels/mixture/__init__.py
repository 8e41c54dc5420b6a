"""`mixture`: contexts → counted rows → the probability of what comes next, under discounts and a gate.

    n-gram chain    p_n(y) = (c(y) − D(c)) / Σ c  +  freed / Σ c · p_{n−1}(y),      p_1 = unigram
    other tables    p_k(y) = (c(y) − D(c)) / Σ c  +  freed / Σ c · unigram(y)
    mixture         p(y) = Σ_k share_k · p_k(y)

c are the counts in the row of the context, freed = Σ D(c); a context that was never seen leaves everything to what lies
below.  `Store` is how contexts and rows lie in memory and in a file.
"""

from polyloom_kernels.mixture.operation import Panel, Voice, chances, remembered
from polyloom_kernels.mixture.reference import entries, sums, walk
from polyloom_kernels.mixture.store import Level, Store, packed

__all__ = [
    "Level",
    "Panel",
    "Store",
    "Voice",
    "chances",
    "entries",
    "packed",
    "remembered",
    "sums",
    "walk",
]
