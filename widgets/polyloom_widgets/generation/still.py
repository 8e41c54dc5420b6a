"""The texts of a view without scripts: the shown one with every word underlined by its voice, the others below it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from polyloom_widgets.base.palette import colours


def still(leaves: Sequence[Mapping[str, Any]], shown: int, voices: Sequence[str]) -> str:
    """HTML of the leaves; all text escaped."""
    if not leaves:
        return "<div>Nothing written yet: <code>view.write()</code></div>"
    order = [shown, *(n for n in range(len(leaves)) if n != shown)]
    texts = "".join(_text(n, leaves[n], voices) for n in order)
    lines = [f"border-bottom:3px solid {_colour(n, voices)}" for n in range(len(voices))]
    key = " ".join(f"<span style='{line}'>{escape(voice)}</span>" for line, voice in zip(lines, voices, strict=True))
    return f"<div style='font:15px/26px system-ui,sans-serif'>{texts}<small>{key}</small></div>"


def _text(number: int, leaf: Mapping[str, Any], voices: Sequence[str]) -> str:
    parent = leaf["parent"]
    origin = "" if parent is None else f", from {parent + 1} at step {leaf['at']}"
    words = "".join(_word(step, voices) for step in leaf["steps"])
    return (
        f"<p style='margin:4px 0;white-space:pre-wrap'><small>{number + 1}: {escape(leaf['mix'])}{origin}</small> "
        f"<span style='opacity:0.65'>{escape(leaf['prompt'])}</span>{words}</p>"
    )


def _word(step: Mapping[str, Any], voices: Sequence[str]) -> str:
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in step["shares"].items())
    title = escape(f"{step['p']:.3f}; {shares}" if shares else f"{step['p']:.3f}", quote=True)
    line = f"border-bottom:3px solid {_colour(step['voice'], voices)}"
    return f"<span title='{title}' style='{line}'>{escape(step['text'])}</span>"


def _colour(voice: int, voices: Sequence[str]) -> str:
    """The base is grey, the others have the palette's colours in their order."""
    return "transparent" if voice < 0 else colours(name == "base" for name in voices)[voice]
