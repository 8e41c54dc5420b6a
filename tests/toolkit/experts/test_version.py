"""Versions in the order of semver.org, and requirements against a definition by numbers."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from polyloom import InputError
from polyloom.experts.version import Requirement, Version

ORDERED = [
    *("0.0.1", "0.9.0", "0.10.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
    *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0", "1.11.0", "2.0.0", "2.1.0", "2.1.1"),
]
small = some.tuples(*[some.integers(0, 3)] * 3)


def text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def test_the_order_is_that_of_the_specification() -> None:
    parsed = list(map(Version.parse, ORDERED))
    assert all((one < other) == (i < j) for (i, one), (j, other) in itertools.product(enumerate(parsed), repeat=2))
    assert list(map(str, parsed)) == ORDERED
    assert Version.parse("1.0.0+a") == Version.parse("1.0.0+b")
    assert len({Version.parse("1.0.0+a"), Version.parse("1.0.0+b")}) == 1


@pytest.mark.parametrize(
    "wrong",
    ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0-a..b", "v1.0.0", "1.0.0\n", "١.0.0", "1." * 99],
)
def test_what_is_no_version_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="Expected a semantic version"):
        Version.parse(wrong)


@given(small, small)
def test_bounds_are_comparisons_of_numbers(version: tuple[int, ...], bound: tuple[int, ...]) -> None:
    fixed = next((at + 1 for at, number in enumerate(bound) if number), 3)
    expected = {
        "<": version < bound, "<=": version <= bound, ">": version > bound, ">=": version >= bound,
        "==": version == bound, "=": version == bound, "": version == bound, "!=": version != bound,
        "~": version >= bound and version[:2] == bound[:2], "^": version >= bound and version[:fixed] == bound[:fixed],
    }  # fmt: skip
    for how, holds in expected.items():
        assert Requirement.parse(f"expert-a@{how}{text(bound)}").allows(Version.parse(text(version))) == holds, how


def test_all_bounds_must_hold_and_a_name_alone_takes_any() -> None:
    range_ = Requirement.parse("expert-a@>=1.2,<2")
    assert [range_.allows(Version.parse(one)) for one in ("1.1.9", "1.2.0", "1.9.9", "2.0.0")] == [
        False,
        True,
        True,
        False,
    ]
    assert Requirement.parse("expert-a").allows(Version.parse("0.0.1-a"))
    assert str(range_) == "expert-a@>=1.2.0,<2.0.0"


@pytest.mark.parametrize(
    "wrong", ["", "a@1.0.0", "expert-a@", "expert-a@>=", "expert-a@1,,2", "expert-A@1", "expert-a@>=x"]
)
def test_what_is_no_requirement_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="Expected a requirement"):
        Requirement.parse(wrong)
