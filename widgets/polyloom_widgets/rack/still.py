"""The rack without scripts: a row for each expert, and what is said next."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

COLUMNS = ("expert", "scale", "signature", "memory", "about")


def still(experts: Sequence[Mapping[str, Any]], scales: Mapping[str, float], effect: Mapping[str, Any]) -> str:
    """HTML of the rack; all text escaped."""
    look = "padding:1px 14px 1px 0;text-align:left"
    head = "".join(f"<th style='{look}'>{name}</th>" for name in COLUMNS)
    rows = "".join(
        f"<tr>{''.join(f'<td style={look!r}>{cell}</td>' for cell in _cells(one, scales))}</tr>" for one in experts
    )
    said = ", ".join(
        f"{escape(row['piece'])} {row['before']:.3f} → {row['after']:.3f}" for row in effect.get("rows", [])[:5]
    )
    table = f"<table><tr>{head}</tr>{rows}</table>"
    return f"<div style='font:13px/18px system-ui,sans-serif'>{table}<div>next: {said}</div></div>"


def _cells(one: Mapping[str, Any], scales: Mapping[str, float]) -> tuple[str, ...]:
    scale = f"{scales[one['name']]:.2f}" if one["name"] in scales else "detached"
    name = f"{escape(one['name'])} {escape(one['version'])}"
    return name, scale, escape(one["state"] or "unknown"), f"{one['bytes'] / 1e6:.2f} MB", escape(one["about"])
