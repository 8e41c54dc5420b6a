"""A report as a notebook shows it: a table, and a reliability diagram as a picture without a script.

The diagram has a point for each bin of confidence, as large as it has tokens: on the diagonal the model is as often
right as it is sure.
"""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyloom.evaluate.report import Report

SIDE, EDGE = 150, 24  # pixels of the square, and of what stands around it
LEAST, MOST = 1.5, 7.0  # pixels of the radius of a point


def page(report: "Report") -> str:
    """The report as HTML."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{figure}</td></tr>" for name, figure in report.rows()
    )
    table = f"<table style='font-variant-numeric:tabular-nums'>{rows}</table>"
    sides = (
        f"<div style='display:flex;gap:2em;align-items:center;flex-wrap:wrap'><div>{table}</div>{diagram(report)}</div>"
    )
    return f"<div>{sides}<small>{escape(report.about)}</small></div>"


def diagram(report: "Report") -> str:
    """Accuracy over confidence, as SVG."""
    size = SIDE + 2 * EDGE
    said = f"Reliability diagram: calibration error {report.calibration_error.value:.4f}"
    return (
        f"<svg width='{size}' height='{size}' viewBox='{-EDGE} {-EDGE} {size} {size}' role='img' aria-label='{said}' "
        f"font-family='sans-serif' font-size='10' fill='currentColor'>{''.join(_drawn(report))}</svg>"
    )


def _drawn(report: "Report") -> Iterator[str]:
    line = "fill='none' stroke='currentColor'"
    yield f"<rect width='{SIDE}' height='{SIDE}' {line} stroke-opacity='0.4'/>"
    yield f"<path d='M0 {SIDE}L{SIDE} 0' {line} stroke-opacity='0.4' stroke-dasharray='3'/>"
    points = [(SIDE * found.confidence, SIDE * (1 - found.accuracy)) for found in report.bins]
    yield f"<path d='M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in points)}' {line} stroke-opacity='0.6'/>"
    most = max(found.tokens for found in report.bins)
    for found, (x, y) in zip(report.bins, points, strict=True):
        told = f"{found.tokens:,} tokens: {found.confidence:.1%} sure, {found.accuracy:.1%} right"
        radius = LEAST + (MOST - LEAST) * (found.tokens / most) ** 0.5
        yield f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:.1f}' fill-opacity='0.7'><title>{told}</title></circle>"
    yield f"<text x='{SIDE / 2}' y='{SIDE + 15}' text-anchor='middle'>confidence</text>"
    yield f"<text transform='translate(-8 {SIDE / 2}) rotate(-90)' text-anchor='middle'>accuracy</text>"
