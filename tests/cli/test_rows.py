import json
import platform
import re
import socket
from dataclasses import FrozenInstanceError

import pytest

from polyloom.cli.rows import Row, machine


def row(**settings: object) -> Row:
    return Row(**({"group": "g", "name": "n", "value": 10.0, "unit": "ms"} | settings))  # type: ignore[arg-type]


def test_json_has_exactly_the_columns_that_others_rely_on() -> None:
    assert list(row().json()) == [
        *("group", "name", "value", "unit", "peer", "peer_value", "ratio", "limit", "limit_ratio"),
        *("bar", "met", "reason", "machine", "date"),
    ]
    absent = {key for key, value in row().json().items() if value is None}
    assert absent == {"peer", "peer_value", "ratio", "limit", "limit_ratio", "bar", "met", "reason"}
    assert json.loads(json.dumps(row(bar="value <= 20").json()))["met"] is True


@pytest.mark.parametrize(
    ("better", "ratio", "limit_ratio"),
    [("lower", 2.0, 0.5), ("higher", 0.5, 2.0)],
)
def test_above_one_is_better_whatever_the_unit(better: str, ratio: float, limit_ratio: float) -> None:
    found = row(better=better, peer="p", peer_value=20.0, limit=5.0)
    assert found.ratio == ratio
    assert found.limit_ratio == limit_ratio


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        ("value <= 10", True),
        ("value <= 9.5", False),
        ("value >= 11", False),
        ("ratio >= 2", True),
        ("ratio >= 2.01", False),
        ("limit_ratio >= 0.75", None),
        (None, None),
    ],
)
def test_met_follows_from_the_bar(bar: str | None, met: bool | None) -> None:
    assert row(peer="p", peer_value=20.0, bar=bar).met is met


@pytest.mark.parametrize("bar", ["<= 50", "value < 50", "speed >= 1", "value <= fifty", "value <= 50 ms"])
def test_a_bar_that_is_no_comparison_is_refused(bar: str) -> None:
    with pytest.raises(ValueError, match="expected a bar such as"):
        row(bar=bar)


def test_what_is_missing_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        row(value=None)
    with pytest.raises(ValueError, match="needs a reason"):
        row(peer="kenlm")
    found = row(value=None, peer="kenlm", bar="value <= 1", reason="kenlm is not installed")
    assert (found.ratio, found.met) == (None, None)


def test_a_value_of_zero_has_no_ratio() -> None:
    assert row(value=0.0, peer="p", peer_value=1.0).ratio is None


def test_a_machine_is_a_kind_and_no_name() -> None:
    assert re.fullmatch(r"\d+ cores [\w-]+, Python 3\.\d+, \w+", machine())
    assert socket.gethostname() not in machine()
    assert platform.system() in machine()


def test_the_date_is_a_day() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row().date)


def test_a_row_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        row().value = 1.0  # type: ignore[misc]
