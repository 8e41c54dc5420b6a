"""The performance core of Polyloom: one folder for each operation, with its definition and its fast paths."""

from polyloom_kernels.count import Counted, Merged, Pairs, count, merge, pairs

__all__ = ["Counted", "Merged", "Pairs", "count", "merge", "pairs"]
