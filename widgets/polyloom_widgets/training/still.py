"""A training as a picture without scripts: the curves as SVG, the figures and the newest text as words.

Losses stand on a logarithmic axis, as in the live view, so that the slow gains of the end can be seen as well as the
fast ones of the beginning.  Lines are drawn in the colour of the text around them, or in colours that stand out on a
light page and on a dark one.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from polyloom.train.history import Floats

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 190, 40, 22, 8  # pixels
DRAWN = 200  # points of a line at most
HELD_OUT, HEAT = "#d55e00", "0,114,178"  # the second without its share of cover
KEY = "loss of the batches (thin), held-out loss (thick)"
HEADS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
STOPPED = {
    "steps": "all steps done",
    "minutes": "its minutes are over",
    "patience": "it got no better",
    "interrupted": "stopped by hand",
}


def still(
    status: Mapping[str, Any],
    curve: Floats,
    marks: Floats,
    samples: Sequence[Mapping[str, Any]],
    load: Sequence[Sequence[float]],
) -> str:
    """HTML that shows the state of a training; all text escaped."""
    if not status:
        return "<div>No training yet: <code>train(model, texts, callbacks=[view])</code></div>"
    parts = [f"<div><b>{escape(headline(status))}</b></div>", f"<div>{escape(figures(status))}</div>"]
    parts += [_plot(curve, marks, status), _strips(load)]
    if samples:
        newest = samples[-1]
        parts.append(f"<div>After step {newest['step']:,} it writes: <q>{escape(newest['text'])}</q></div>")
    return f"<div style='font:13px/18px system-ui,sans-serif'>{''.join(parts)}</div>"


def headline(status: Mapping[str, Any]) -> str:
    """Where the training is."""
    of = f" of {status['steps']:,}" if status["steps"] else ""
    ending = f": {STOPPED.get(status['stopped'], status['stopped'])}" if status["stopped"] else ""
    return f"Step {status['step']:,}{of}{ending}"


def figures(status: Mapping[str, Any]) -> str:
    """The numbers of the moment in one line."""
    found = [] if status["loss"] is None else [f"loss of the last batch {status['loss']:.3f}"]
    if status["validation"] is not None:
        perplexity = math.exp(min(status["validation"], 700))
        found.append(f"held-out loss {status['validation']:.3f} nats (perplexity {perplexity:.1f})")
    return ", ".join([*found, f"{status['tokens']:,} tokens read"])


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round figures between two positive numbers for a logarithmic axis, as many as can be read."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    sets = ([round(head * 10.0**ten, 9) for ten in decades for head in heads] for heads in HEADS)
    inside = [[figure for figure in figures if low <= figure <= high] for figures in sets]
    found = next((few for few in inside if len(few) <= most), list[float]())
    return found if len(found) > 1 else [float(f"{low:.3g}"), float(f"{high:.3g}")]


def _plot(curve: Floats, marks: Floats, status: Mapping[str, Any]) -> str:
    """Both losses by step; nothing if there is none."""
    marked = marks[np.isfinite(marks[:, 1])][:, :2]
    batch = _fewer(curve[:, :2])
    values = np.concatenate([batch[:, 1], marked[:, 1]])
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return ""
    low, high = float(values.min()) / 1.05, float(values.max()) * 1.05
    end = max(1, status["steps"] or status["step"])

    def at(points: Floats) -> str:
        x = LEFT + (WIDTH - LEFT - 8) * points[:, 0] / end
        y = TOP + (HEIGHT - TOP - BOTTOM) * np.log(high / np.maximum(points[:, 1], low)) / math.log(high / low)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

    lines = [_level(tick, float(at(np.array([[0, tick]])).split(",")[1])) for tick in ticks(low, high)]
    lines.append(f"<polyline points='{at(batch)}' fill='none' stroke='currentColor' stroke-opacity='0.55'/>")
    lines.append(f"<polyline points='{at(marked)}' fill='none' stroke='{HELD_OUT}' stroke-width='2.5'/>")
    words = (
        f"<text x='{LEFT}' y='{HEIGHT - 5}'>step 0</text>"
        f"<text x='{WIDTH - 8}' y='{HEIGHT - 5}' text-anchor='end'>{end:,}</text>"
        f"<text x='{WIDTH / 2}' y='{HEIGHT - 5}' text-anchor='middle'>{KEY}</text>"
    )
    return (
        f"<svg width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}' role='img' "
        f"aria-label='{escape(headline(status), quote=True)}' fill='currentColor' font-size='12'>"
        f"{''.join(lines)}{words}</svg>"
    )


def _fewer(points: Floats) -> Floats:
    """The means of neighbours, at most `DRAWN` of them."""
    size = max(1, -(-len(points) // DRAWN))
    return np.array([points[at : at + size].mean(0) for at in range(0, len(points), size)]).reshape(-1, 2)


def _level(tick: float, y: float) -> str:
    return (
        f"<line x1='{LEFT}' x2='{WIDTH - 8}' y1='{y:.1f}' y2='{y:.1f}' stroke='currentColor' stroke-opacity='0.15'/>"
        f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{tick:g}</text>"
    )


def _strips(load: Sequence[Sequence[float]]) -> str:
    """A row of numbers for each mixture; 1 is an even share."""
    rows = "".join(_strip(mixture, shares) for mixture, shares in enumerate(load))
    title = "<caption style='text-align:left'>How much each expert reads (1 is an even share)</caption>"
    return f"<table style='border-collapse:collapse;color:inherit;font:inherit'>{title}{rows}</table>" if rows else ""


def _strip(mixture: int, shares: Sequence[float]) -> str:
    even = [share * len(shares) for share in shares]
    look = "padding:1px 8px;text-align:right;background:rgba"
    cells = "".join(f"<td style='{look}({HEAT},{min(0.6, 0.3 * n):.2f})'>{n:.2f}</td>" for n in even)
    return f"<tr><th style='padding:1px 8px 1px 0;text-align:left'>mixture {mixture}</th>{cells}</tr>"
