"""The choices of a text without scripts: a row for each expert, a cell for each token, and how the load is shared."""

from collections.abc import Sequence
from html import escape

from polyloom_widgets.base.palette import PALETTE
from polyloom_widgets.routing.choices import Choices

CELL, ROW, NAME = 14, 18, 96  # pixels
DRAWN, LISTED = 60, 24  # tokens, experts


def still(pieces: Sequence[str], shown: Choices) -> str:
    """HTML that shows the table; all text escaped."""
    title = f"<div><b>Routing</b>, {escape(shown.name)}: {len(shown.experts)} experts, {len(pieces)} tokens</div>"
    body = _lanes(pieces, shown) if len(shown.scores) > 1 else ""
    return f"<div style='font:13px/18px system-ui,sans-serif'>{title}{body}{_table(shown)}</div>"


def _lanes(pieces: Sequence[str], shown: Choices) -> str:
    count, tokens, chosen = min(len(shown.experts), LISTED), min(len(pieces), DRAWN), shown.chosen()
    fills = [PALETTE[e % len(PALETTE)] for e in range(count)]
    cells = [
        f"<rect x='{NAME + CELL * t}' y='{ROW * e}' width='{CELL - 1}' height='{ROW - 2}' fill='{fills[e]}' "
        f"fill-opacity='{0.15 + 0.85 * float(shown.scores[t, e]):.2f}'><title>{escape(pieces[t])}</title></rect>"
        for e in range(count)
        for t in range(tokens)
        if chosen[t, e]
    ]  # fmt: skip
    names = [
        f"<text x='{NAME - 6}' y='{ROW * e + 13}' text-anchor='end'>{escape(shown.experts[e][:14])}</text>"
        for e in range(count)
    ]
    width, height = NAME + CELL * tokens, ROW * count
    return (
        f"<svg width='{width}' height='{height}' viewBox='0 0 {width} {height}' role='img' font-size='12' "
        f"fill='currentColor' aria-label='who reads which token'>{''.join(names)}{''.join(cells)}</svg>"
    )


def _table(shown: Choices) -> str:
    look = "padding:1px 12px 1px 0;text-align:left"
    what = "probability" if shown.kind == "router" else "load"
    values = shown.scores[0] if shown.kind == "router" else shown.load
    pairs = sorted(zip(shown.experts, values.tolist(), strict=True), key=lambda one: -one[1])[:LISTED]
    rows = "".join(f"<tr><td style='{look}'>{escape(n)}</td><td style='{look}'>{v:.3f}</td></tr>" for n, v in pairs)
    return f"<table><tr><th style='{look}'>expert</th><th style='{look}'>{what}</th></tr>{rows}</table>"
