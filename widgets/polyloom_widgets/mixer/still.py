"""The desk as a picture without scripts: what a viewer without Python shows of it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from polyloom_widgets.base.palette import colours

BAR = 320  # pixels of the longest bar


def still(
    layers: Sequence[Mapping[str, Any]],
    weights: Sequence[float],
    bars: Sequence[Mapping[str, Any]],
    words: Sequence[str],
    before: str,
    score: str,
) -> str:
    """Faders as numbers, bars as blocks of colour, the score in words; all text escaped."""
    fills = colours(layer["base"] for layer in layers)
    total = sum(weights)
    faders = "".join(
        f"<td style='padding:2px 12px 2px 0;border-top:6px solid {colour}'>{escape(layer['name'])}<br>"
        f"<b>{weight:.2f}</b> ({100 * weight / total if total else 0:.0f} %)</td>"
        for layer, weight, colour in zip(layers, weights, fills, strict=True)
    )
    longest = max((bar["p"] for bar in bars), default=0.0) or 1.0
    rows = "".join(_row(word, bar, fills, longest) for word, bar in zip(words, bars, strict=True))
    head = f"<div>… {escape(before)} …</div>" if before else ""
    return (
        f"<div style='font:13px/18px system-ui,sans-serif;font-variant-numeric:tabular-nums'>{head}"
        f"<table style='border-collapse:collapse;margin:6px 0'><tr>{faders}</tr></table>"
        f"<table style='border-collapse:collapse'>{rows}</table><div>{escape(score)}</div></div>"
    )


def _row(word: str, bar: Mapping[str, Any], fills: Sequence[str], longest: float) -> str:
    blocks = "".join(
        f"<span style='display:inline-block;height:14px;width:{BAR * part / longest:.1f}px;background:{colour}'></span>"
        for part, colour in zip(bar["parts"], fills, strict=True)
    )
    cell = "text-align:left;padding:1px 8px 1px 0"
    return (
        f"<tr><td style='{cell}'><code>{escape(word)}</code></td><td style='{cell}'>{blocks} {bar['p']:.3f}</td></tr>"
    )
