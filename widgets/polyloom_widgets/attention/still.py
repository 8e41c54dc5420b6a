"""The chosen picture of a reading without scripts: a matrix in SVG, the figures of the heads as a table.

Long texts are drawn in at most `SIDE` rows and columns, each cell the largest share that falls into it.  Colours stand
out on a light page and on a dark one.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from polyloom_widgets.attention.pictures import Key, edges, figures
from polyloom_widgets.attention.reading import Reading, Weights

SIDE, CELL, NAME = 40, 14, 84  # cells, pixels, pixels
INK = "#2a8fd0"
FAINT = 0.004  # shares below are not drawn
LISTED = 24  # heads that the table holds


def still(reading: Reading, key: Key, shares: Weights, effect: Mapping[str, Any]) -> str:
    """HTML that shows the same as the view does at first sight; all text escaped."""
    title = f"<div><b>Attention</b>, {escape(_named(key))}: {len(reading.layers)} layers of {reading.heads} heads</div>"
    said = _next(effect)
    parts = (title, _matrix(reading, shares), _table(reading), said)
    return f"<div style='font:13px/18px system-ui,sans-serif'>{''.join(parts)}</div>"


def _named(key: Key) -> str:
    kind, *numbers = key
    names = {"all": "mean of all heads", "rollout": "roll-out through all layers"}
    if kind in names:
        return names[kind]
    heads = ", ".join(map(str, numbers[1:]))
    return f"layer {numbers[0]}" + (
        f", head {heads}" if kind == "head" else f", mean of heads {heads}" if heads else ", mean of its heads"
    )


def _matrix(reading: Reading, shares: Weights) -> str:
    rows, columns = (edges(count, SIDE) for count in shares.shape)
    small = np.maximum.reduceat(np.maximum.reduceat(shares, rows, 0), columns, 1)
    queries, keys = [escape(reading.queries[at]) for at in rows], [escape(reading.keys[at]) for at in columns]
    whole = small.shape == shares.shape
    cells = [
        f"<rect x='{NAME + CELL * x}' y='{CELL * y}' width='{CELL}' height='{CELL}' fill-opacity='{share**0.5:.2f}'>"
        f"<title>{queries[y]} takes {share:.2f} from {keys[x]}</title>"
        "</rect>"
        for (y, x), share in np.ndenumerate(small)
        if share > FAINT
    ]
    names = [
        f"<text x='{NAME - 6}' y='{CELL * y + 11}' text-anchor='end'>{escape(piece[:12])}</text>"
        for y, piece in enumerate(reading.queries)
    ] if whole else []  # fmt: skip
    width, height = NAME + CELL * small.shape[1], CELL * small.shape[0]
    line = "fill='none' stroke='currentColor' stroke-opacity='0.3'"
    frame = f"<rect x='{NAME}' width='{width - NAME}' height='{height}' {line}/>"
    return (
        f"<svg width='{width}' height='{height}' viewBox='0 0 {width} {height}' role='img' "
        f"aria-label='attention: queries down, keys across' font-size='11'>"
        f"<g fill='{INK}'>{''.join(cells)}</g><g fill='currentColor'>{''.join(names)}</g>{frame}</svg>"
    )


def _table(reading: Reading) -> str:
    """The heads that look the most sharply."""
    found = figures(reading)
    order = np.argsort(found[..., 0], axis=None, kind="stable")[:LISTED]
    look = "padding:1px 10px 1px 0;text-align:left"
    head = "".join(f"<th style='{look}'>{name}</th>" for name in ("head", "entropy", "distance", "first token"))
    rows = "".join(
        f"<tr><td style='{look}'>{reading.layers[at // reading.heads]}.{at % reading.heads}</td>"
        + "".join(f"<td style='{look}'>{value}</td>" for value in _told(found[at // reading.heads, at % reading.heads]))
        + "</tr>"
        for at in order.tolist()
    )
    return f"<details><summary>The {len(order)} sharpest heads</summary><table>{head}{rows}</table></details>"


def _told(figures: Weights) -> tuple[str, str, str]:
    entropy, distance, first = figures.tolist()
    return f"{entropy:.2f} bits", f"{distance:.1f} tokens", f"{100 * first:.0f} %"


def _next(effect: Mapping[str, Any]) -> str:
    rows = effect.get("rows", [])[:5]
    words = ", ".join(f"{escape(row['piece'])} {row['after']:.3f}" for row in rows)
    return f"<div>next: {words}</div>" if words else ""
