"""One level that grows on disk, range after range: what follows is appended, its numbers moved on by what is there."""

import numpy as np

from polyloom.association.counts import Array, Shape, rows_of
from polyloom.association.derived import taken_of, tally
from polyloom.association.spool import PARTS, Spool
from polyloom.documents import Ids
from polyloom_kernels.mixture.store import Level, piece_type


class Growing:
    """A level below a root; `discounted` if it has continuation counts.  `tallied` int64 (6,): its counts of counts."""

    def __init__(self, shape: Shape, vocabulary_size: int, discounted: bool) -> None:
        self.tallied: Ids = np.zeros(6, np.int64)
        self._shape, self._depth = shape, len(shape.path)
        kept = ["tokens", "children", *(["rows", "next", "counts"] if shape.asked else []), *["taken"] * discounted]
        types = {"pieces": piece_type(vocabulary_size), "numbers": np.uint32}
        self._spools = {name: Spool(types[PARTS[name]]) for name in kept}
        for name in ("children", "rows"):
            if name in kept:
                self._spools[name].put(np.zeros(1, np.uint32))

    def append(self, level: Level, unfinished: bool = False) -> None:
        """The next range of it; `unfinished` if the range is part of one node below the root, and not the last.

        Raises OverflowError or OSError as `Spool.put` does.
        """
        spools = self._spools
        if unfinished and self._depth == 1:
            return  # that node comes with its last part
        if self._depth > 1 and not (unfinished and self._depth == 2):
            spools["children"].put(_moved(level.children, spools["tokens"].length))
        spools["tokens"].put(level.tokens)
        if level.rows is None:
            return
        rows, following, counts = rows_of(level)
        spools["rows"].put(_moved(rows, spools["next"].length))
        spools["next"].put(following)
        spools["counts"].put(counts)
        if level.taken is not None:
            spools["taken"].put(level.taken)
        self.tallied += tally(taken_of(level))

    def level(self) -> Level:
        """All of it, mapped; nothing can be appended any more."""
        if self._depth == 1:
            self._spools["children"].put(np.array([self._spools["tokens"].length]))
        return Level(self._shape.path, self._shape.chained, **{name: s.whole() for name, s in self._spools.items()})

    def close(self) -> None:
        """Give up the files, unless they are mapped."""
        for spool in self._spools.values():
            spool.close()


def _moved(starts: Array, by: int) -> Ids:
    """Where each part ends, after `by` others."""
    return starts[1:].astype(np.int64) + by
