"""Generated texts with every word underlined in the colour of the layer that spoke loudest for it."""

from collections.abc import Mapping
from html import escape

from polyloom.generate.trace import Generation, Step
from polyloom_widgets.base.palette import PALETTE


class Spoken:
    """Several generations under one another; shows itself in a notebook, as HTML and as text."""

    def __init__(self, generations: Mapping[str, Generation]) -> None:
        self.generations = dict(generations)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {text.prompt} {text.text}" for name, text in self.generations.items())

    def _repr_html_(self) -> str:
        first = next(iter(self.generations.values()))
        voices = list(first.steps[0].shares) if first.steps else []
        colours = {name: PALETTE[n % len(PALETTE)] for n, name in enumerate(voices)}
        parts = [_text(name, text, first, colours) for name, text in self.generations.items()]
        key = " ".join(
            f"<span style='border-bottom:3px solid {c}'>{escape(name)}</span>" for name, c in colours.items()
        )
        return f"<div style='font:15px/26px system-ui,sans-serif'>{''.join(parts)}<small>{key}</small></div>"


def spoken(generations: Mapping[str, Generation]) -> Spoken:
    """Show generations by name, each word underlined by its loudest layer.

    A mark ⑂ stands where a text after the same prompt first departs from the first one.
    """
    return Spoken(generations)


def _text(name: str, text: Generation, first: Generation, colours: Mapping[str, str]) -> str:
    fork = text.diverges_from(first) if text.prompt == first.prompt else None
    words = [("⑂ " if at == fork else "") + _word(step, colours) for at, step in enumerate(text.steps)]
    return f"<p style='margin:4px 0'><b>{escape(name)}</b>: {escape(text.prompt)} {' '.join(words)}</p>"


def _word(step: Step, colours: Mapping[str, str]) -> str:
    if step.piece == "\n":
        return "/"
    said = f"{step.loudest}: {100 * step.shares[step.loudest]:.0f} % of this word"
    line = f"border-bottom:3px solid {colours.get(step.loudest, 'currentColor')}"
    return f"<span title='{escape(said, quote=True)}' style='{line}'>{escape(step.piece)}</span>"
