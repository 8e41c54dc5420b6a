"""Which models belong together: a tree that joins the most alike first.

    distance(a, b) = 1 − similarity(a, b)

The two nearest clusters become one, until one is left.  How far apart clusters are is the mean over their pairs
("average"), the nearest pair ("single") or the farthest ("complete"): all three make sense for any distances, unlike
methods that need points in a space.  The search, and the order of the leaves in which neighbours are most alike
(Bar-Joseph, Gifford and Jaakkola, 2001), are those of SciPy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyloom._compat import need
from polyloom.compose.composite import named_members
from polyloom.compose.similarity import LIKELIEST, similarity_matrix
from polyloom.documents import Documents
from polyloom.errors import InputError
from polyloom.model import Floats, LanguageModel
from polyloom.whole import whole

METHODS = ("average", "single", "complete")


@dataclass(frozen=True)
class Merge:
    """Two clusters become one at this `distance`, from 0 to 1; each is the names of its models, as they are ordered."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    distance: float

    @property
    def names(self) -> tuple[str, ...]:
        """All models of the new cluster."""
        return self.left + self.right


@dataclass(frozen=True)
class Clusters:
    """A tree of models: `merges`, the nearest first; `order` of the leaves; `measure` and `method` it was made by."""

    order: tuple[str, ...]
    merges: tuple[Merge, ...]
    measure: str
    method: str

    def cut(self, n: int) -> tuple[tuple[str, ...], ...]:
        """The n clusters that were left at some point, in the order of the leaves; InputError unless there were."""
        left: set[tuple[str, ...]] = {(name,) for name in self.order}
        for merge in self.merges[: len(self.order) - whole("The number of clusters", n, 1, len(self.order))]:
            left = (left - {merge.left, merge.right}) | {merge.names}
        return tuple(sorted(left, key=lambda names: self.order.index(names[0])))

    def __repr__(self) -> str:
        from polyloom.compose.dendrogram import text

        return text(self)

    def _repr_html_(self) -> str:
        from polyloom.compose.dendrogram import picture

        return picture(self)


def cluster(
    models: Mapping[str, LanguageModel],
    on: Documents,
    measure: str = "jensen-shannon",
    method: str = "average",
    k: int = LIKELIEST,
) -> Clusters:
    """Named models as a tree, by how alike they are on the texts `on`.

    `measure`, `k` and the errors are those of `similarity`; `method` is "average", "single" or "complete".  Raises
    InputError for fewer than two models, MissingPackage if SciPy is not installed.
    """
    given = named_members(models)
    if len(given) < 2:
        raise InputError(f"Clustering needs two models or more, got {', '.join(given)} alone.")
    if method not in METHODS:
        raise InputError(f"Unknown method {method!r}; known are {', '.join(METHODS)}.")
    hierarchy = need("scipy.cluster.hierarchy", "cluster", "Clustering models")
    alike = similarity_matrix(given, on, measure, k)
    names, distances = alike.rows, 1.0 - alike.values[np.triu_indices(len(given), 1)]
    return Clusters(*_tree(hierarchy, names, distances, method), measure, method)


def _tree(
    hierarchy: Any, names: tuple[str, ...], distances: Floats, method: str
) -> tuple[tuple[str, ...], tuple[Merge, ...]]:
    """The order of the leaves, and the merges; each row of the linkage names two clusters by when they came to be."""
    linkage: list[list[float]] = hierarchy.linkage(distances, method, optimal_ordering=True).tolist()
    made: list[tuple[str, ...]] = [(name,) for name in names]
    merges: list[Merge] = []
    for left, right, distance, _ in linkage:
        merges.append(Merge(made[int(left)], made[int(right)], distance))
        made.append(merges[-1].names)
    return made[-1], tuple(merges)
