"""A table of figures with named rows and columns, which shows itself as text and as a page.

perplexity  tales   laws
sea          41.2  310.0
law         288.1   22.9
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from polyloom.errors import InputError
from polyloom.model import Floats

STRONGEST = 0.45  # opacity of the largest figure's shade


@dataclass(frozen=True, eq=False)
class Matrix:
    """`values` float64 (rows, columns), read-only; `what` says of what.  `table["sea", "tales"]` is one of them."""

    what: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    def __getitem__(self, place: tuple[str, str]) -> float:
        if not isinstance(place, tuple) or len(place) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f'Expected a row and a column, such as table["sea", "tales"], got {place!r}.')
        row, column = place
        for name, known in ((row, self.rows), (column, self.columns)):
            if name not in known:
                raise InputError(f"The table has no {name!r}; it has {', '.join(known)}.")
        return float(self.values[self.rows.index(row), self.columns.index(column)])

    def __repr__(self) -> str:
        lines = [[self.what, *self.columns], *([name, *told] for name, told in self._told())]
        first, *others = (max(map(len, column)) for column in zip(*lines, strict=True))
        return "\n".join(
            "  ".join(
                [line[0].ljust(first), *(cell.rjust(width) for cell, width in zip(line[1:], others, strict=True))]
            )
            for line in lines
        )

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        rows = [
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            + "".join(
                f"<td style='background:rgba(127,127,127,{s:.2f})'>{t}</td>" for t, s in zip(told, shades, strict=True)
            )
            + "</tr>"
            for (name, told), shades in zip(self._told(), self._shades().tolist(), strict=True)
        ]
        head = f"<tr><th style='text-align:left'>{escape(self.what)}</th>{heads}</tr>"
        return f"<table style='font-variant-numeric:tabular-nums'>{head}{''.join(rows)}</table>"

    def _told(self) -> list[tuple[str, list[str]]]:
        """Each row's name and its figures as they are printed: four digits, more only before the point."""
        return [
            (name, [f"{value:,.{max(0, 3 - _power(value))}f}" for value in row])
            for name, row in zip(self.rows, self.values.tolist(), strict=True)
        ]

    def _shades(self) -> Floats:
        """How dark each figure stands: the largest of the table darkest."""
        finite = np.where(np.isfinite(self.values), self.values, 0.0)
        return STRONGEST * np.clip(finite / max(float(finite.max(initial=0.0)), 1e-300), 0.0, 1.0)


def _power(value: float) -> int:
    """How many digits stand before the point, less one."""
    return int(np.floor(np.log10(value))) if np.isfinite(value) and value >= 1 else 0
