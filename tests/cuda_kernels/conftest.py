"""At the end of a run: how many of the faults put into kernels were noticed."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line for each operation whose mutants ran, and one for all of them."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    rows = [
        tuple(value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "mutants"
    ]
    if not rows:
        return
    terminalreporter.section("mutants of kernels that were noticed")
    for name, noticed, judged, same in sorted(rows):
        terminalreporter.write_line(f"{name}: {noticed} of {judged}, and {same} change nothing")
    noticed, judged = (sum(row[part] for row in rows) for part in (1, 2))
    terminalreporter.write_line(f"all: {noticed} of {judged}, {noticed / judged:.1%}")
