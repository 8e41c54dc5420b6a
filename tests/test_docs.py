"""The guides are true: their code runs as written, their links lead somewhere, their tables are the measured ones.

`python tests/test_docs.py` writes the tables from `benchmarks/latest.json`, between the lines that name them.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "docs" / "association.md"]
GALLERY = ROOT / "docs" / "gallery.md"
RESULTS = ROOT / "benchmarks" / "latest.json"
TABLE = re.compile(r"(<!-- measured: (\w+) -->\n)(.*?)(<!-- end -->)", re.S)
NOTHING = "Not measured yet.\n"
Row = dict[str, Any]


def crossed(pattern: str, corner: str) -> Callable[[list[Row]], str]:
    """A table with a line for each `row` and a column for each `column` that the rows' names hold."""

    def table(rows: list[Row]) -> str:
        cells: dict[str, dict[str, Row]] = {}
        for row in rows:
            found = re.fullmatch(pattern, row["name"])
            if found:
                cells.setdefault(found["row"], {})[found["column"]] = row
        columns = list(dict.fromkeys(column for line in cells.values() for column in line))
        lines = [[name, *(figure(line.get(column)) for column in columns)] for name, line in cells.items()]
        return drawn([corner, *columns], lines)

    return table


def listed(pattern: str) -> Callable[[list[Row]], str]:
    """A table with a line for each row whose name fits."""

    def table(rows: list[Row]) -> str:
        chosen = [row for row in rows if re.match(pattern, row["name"])]
        lines = [[row["name"], figure(row), peer(row), ratio(row), bar(row)] for row in chosen]
        return drawn(["what", "measured", "peer", "ratio", "bar"], lines)

    return table


TABLES = {
    "perplexity": crossed(r"(?P<row>perplexity of .+, .+|calibration error, .+), (?P<column>\w+)", "test text"),
    "peers": listed("perplexity of known words"),
    "presets": crossed(r"(?P<row>preset \w+|position scores): (?P<column>.+), .+", "settings"),
    "speed": listed("fit, |log_likelihood, |advance and top|merge|subtract|bytes a|open to|peak mem|fit_weights, "),
}


def drawn(head: list[str], lines: list[list[str]]) -> str:
    if not lines:
        return NOTHING
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


def figure(row: Row | None) -> str:
    """Four significant digits and the unit, unless the name says it already."""
    if row is None or row["value"] is None:
        return "–"
    unit = "" if row["unit"] in ("perplexity", "probability") else f" {row['unit']}"
    return number(row["value"]) + unit


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10_000 else f"{value:.4g}"


def peer(row: Row) -> str:
    return f"{row['peer']}: {number(row['peer_value'])}" if row["peer"] and row["peer_value"] else ""


def ratio(row: Row) -> str:
    return f"{row['ratio']:.3g} ×" if row["ratio"] else ""


def bar(row: Row) -> str:
    if row["bar"] is None:
        return ""
    words = row["bar"].replace("value <=", "at most").replace("value >=", "at least")
    return words + {True: ", met", False: ", not met", None: ""}[row["met"]]


def measured() -> list[Row]:
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def filled(text: str, rows: list[Row]) -> str:
    """A guide with its tables written anew."""
    return TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]](rows)}{found[4]}", text)


@pytest.fixture(params=GUIDES, ids=lambda path: path.name)
def guide(request: pytest.FixtureRequest) -> str:
    return request.param.read_text(encoding="utf-8")


def test_the_code_runs_as_written(guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"```python\n(.*?)```", guide, re.S)
    assert snippets
    exec("\n".join(snippets), {})
    assert "residual 0.000000" in capsys.readouterr().out


def test_tables_are_the_measured_ones(guide: str) -> None:
    assert filled(guide, measured()) == guide, "python tests/test_docs.py writes them anew"


def test_links_lead_somewhere(guide: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", guide)
    assert [link for link in links if not (ROOT / "docs" / link).is_file()] == []


def test_it_is_two_pages(guide: str) -> None:
    prose = TABLE.sub("", guide)
    assert len(prose.split()) < 1300


def test_the_gallery_shows_every_picture_that_there_is_in_light_and_in_dark() -> None:
    text = GALLERY.read_text(encoding="utf-8")
    shown = {GALLERY.parent / name for name in re.findall(r'(?:src|srcset)="([^"]+)"', text)}
    there = set((GALLERY.parent / "gallery").glob("*.png"))
    assert shown == there
    assert {path.name.replace("-light", "-dark") for path in there} == {
        path.name for path in there if path.stem.endswith("-dark")
    }
    assert max(path.stat().st_size for path in there) < 200_000
    assert text.count("<img ") == len(re.findall(r'<img [^>]*alt="[^"]{20,}"', text)), "each says what it shows"
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (GALLERY.parent / link).is_file()] == []


def given(name: str, value: float | None, **more: Any) -> Row:
    return {"name": name, "value": value, "unit": "µs", "peer": None, "ratio": None, "bar": None, "met": None} | more


def test_a_crossed_table_has_a_dash_where_nothing_was_measured() -> None:
    rows = [given("preset a: file, Book", 12.3456), given("preset a: fit, Book", 70_000.4), given("other", 1.0)]
    rows += [given("preset b: fit, Book", None)]
    assert TABLES["presets"](rows) == (
        "| settings | file | fit |\n| --- | ---: | ---: |\n| preset a | 12.35 µs | 70,000 µs |\n| preset b | – | – |\n"
    )
    assert TABLES["presets"]([given("other", 1.0)]) == NOTHING


def test_a_list_says_what_the_peer_took_and_whether_the_bar_is_met() -> None:
    row = given("open to x", 2.0, peer="other", peer_value=5.0, ratio=2.5, bar="value <= 1", met=False)
    assert TABLES["speed"]([row]).splitlines()[-1] == "| open to x | 2 µs | other: 5 | 2.5 × | at most 1, not met |"


def test_filling_is_done_between_the_lines_and_can_be_repeated() -> None:
    text = "a\n<!-- measured: speed -->\nold\n<!-- end -->\nb\n"
    once = filled(text, [given("fit, x", 3.0)])
    assert once.startswith("a\n<!-- measured: speed -->\n| what |")
    assert once.endswith("|\n<!-- end -->\nb\n")
    assert filled(once, [given("fit, x", 3.0)]) == once


if __name__ == "__main__":
    for path in GUIDES:
        path.write_text(filled(path.read_text(encoding="utf-8"), measured()), encoding="utf-8")
