"""The rows of a benchmark on a screen, printed as they come; as wide on a terminal as in a log."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyloom.cli.rows import Row

WIDTHS = (12, 36, 18, 28, 8, 24)  # group, what, measured, peer, ratio, bar
NARROWEST = sum(WIDTHS) + 2 * len(WIDTHS)
MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("", "")}


class Printed:
    """A table that grows downwards."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(soft_wrap=False)
        if self.console.width < NARROWEST and not self.console.is_terminal:
            self.console.width = NARROWEST  # a log has no width of its own
        self.group: str | None = None

    def row(self, row: Row) -> None:
        """Print one row, below the heads of its group if it is the first."""
        if self.group is None:
            self._line([Text(head, "bold") for head in ("group", "what", "measured", "peer", "ratio", "bar")])
        mark, colour = MARKS[row.met]
        self._line(
            [
                Text(row.group if row.group != self.group else "", "bold"),
                Text(row.name),
                Text(_figure(row.value, row.unit)),
                Text(f"{row.peer}: {_figure(row.peer_value, row.unit)}" if row.peer else ""),
                Text("" if row.ratio is None else f"{row.ratio:.3g} ×"),
                Text(f"{row.bar or ''} {mark}".strip(), colour),
            ]
        )
        if row.reason:
            self._line([Text(), Text(row.reason, "dim")])
        self.group = row.group

    def verdict(self, rows: Sequence[Row]) -> None:
        """Say how many bars were met."""
        judged = [row for row in rows if row.bar]
        met = sum(row.met is True for row in judged)
        kind = f", on {rows[0].machine}" if rows else ""
        self.console.print(f"{len(rows)} rows, {met} of {len(judged)} bars met{kind}", highlight=False)

    def _line(self, cells: Sequence[Text]) -> None:
        grid = Table.grid(padding=(0, 2))
        for width in WIDTHS[: len(cells) - 1]:
            grid.add_column(width=width)
        grid.add_column(width=sum(WIDTHS[len(cells) - 1 :]))
        grid.add_row(*cells)
        self.console.print(grid, highlight=False)


def _figure(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.4g} {unit}" if abs(value) < 10_000 else f"{value:,.0f} {unit}"
