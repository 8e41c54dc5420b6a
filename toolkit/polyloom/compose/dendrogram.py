"""A tree of clusters as text and as a picture: leaves on the left, and to the right the distance at which they join.

    sea        ──┬────────────┬
    lullabies  ──┘            │
    contracts  ───────────────┘
    distance   0 … 0.41

In text a cluster goes on in the line of its first leaf, and a join stands at least one column behind what it joins.
"""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyloom.compose.cluster import Clusters

COLUMNS = 40  # of text for the largest distance
WIDTH, LINE, LETTER = 320, 20, 7.5  # pixels of the largest distance, of a leaf's line, and of a letter, about


def text(tree: "Clusters") -> str:
    """The tree as lines."""
    lines = [list[str]() for _ in tree.order]
    for merge in tree.merges:
        first, second = tree.order.index(merge.left[0]), tree.order.index(merge.right[0])
        at = max(round(COLUMNS * _part(tree, merge.distance)), len(lines[first]), len(lines[second]))
        for line in (lines[first], lines[second]):
            line += "─" * (at - len(line))
        for between in lines[first + 1 : second]:
            between += " " * (at - len(between)) + "│"
        lines[first].append("┬")
        lines[second].append("┘")
    width = max(map(len, (*tree.order, "distance")))
    drawn = [f"{name.ljust(width)}  {''.join(line)}" for name, line in zip(tree.order, lines, strict=True)]
    return "\n".join([*drawn, f"{'distance'.ljust(width)}  {_scale(tree)}"])


def picture(tree: "Clusters") -> str:
    """The tree as SVG, without a script, in the colour of the text around it."""
    left = LETTER * max(map(len, tree.order)) + 8
    width, height = left + WIDTH + 10, LINE * (len(tree.order) + 1)
    scale = f"<text x='{left:.1f}' y='{height - 4}' fill-opacity='0.7'>distance {escape(_scale(tree))}</text>"
    said = escape(f"Tree of {len(tree.order)} models: {', '.join(tree.order)}")
    return (
        f"<svg width='{width:.0f}' height='{height}' role='img' aria-label='{said}' font-family='sans-serif' "
        f"font-size='12' fill='currentColor'>{''.join(_leaves(tree, left))}{''.join(_joins(tree, left))}{scale}</svg>"
    )


def _leaves(tree: "Clusters", left: float) -> Iterator[str]:
    for n, name in enumerate(tree.order):
        yield f"<text x='{left - 6:.1f}' y='{LINE * (n + 0.5) + 4:.1f}' text-anchor='end'>{escape(name)}</text>"


def _joins(tree: "Clusters", left: float) -> Iterator[str]:
    """A bracket for each merge; hovering says what it joins."""
    places: dict[tuple[str, ...], tuple[float, float]] = {  # where the line of each cluster starts
        (name,): (0.0, LINE * (n + 0.5)) for n, name in enumerate(tree.order)
    }
    for merge in tree.merges:
        (a, above), (b, below) = places[merge.left], places[merge.right]
        at = WIDTH * _part(tree, merge.distance)
        path = f"M{left + a:.1f} {above:.1f}H{left + at:.1f}V{below:.1f}H{left + b:.1f}"
        told = escape(f"{', '.join(merge.left)} and {', '.join(merge.right)}: {merge.distance:.4f}")
        yield f"<path d='{path}' fill='none' stroke='currentColor' stroke-width='1.5'><title>{told}</title></path>"
        places[merge.names] = at, 0.5 * (above + below)


def _part(tree: "Clusters", distance: float) -> float:
    """A distance as a part of the largest."""
    return distance / tree.merges[-1].distance if tree.merges[-1].distance else 0.0


def _scale(tree: "Clusters") -> str:
    return f"0 … {tree.merges[-1].distance:.3g} (1 − similarity, {tree.measure}; {tree.method} linkage)"
