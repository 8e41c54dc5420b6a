"""Semantic versions, and which of them a requirement allows.

    Version.parse("1.0.0-rc.1") < Version.parse("1.0.0")
    Requirement.parse("expert-sql@>=1.2,<2")

Order is that of https://semver.org, 2.0.0, clause 11: numbers by value, a pre-release before its release, and build
metadata without a say.  A requirement is a name, or a name, `@` and comparisons that all must hold:
`<`, `<=`, `>`, `>=`, `==` (or `=`), `!=`, `^` (the same leftmost number that is not zero) and `~` (the same minor
version).  A bound may leave out its last numbers; they are zero.  A pre-release is compared like any other version.
"""

import operator
import re
from dataclasses import dataclass
from functools import total_ordering

from polyloom.errors import InputError

NUMBER = r"(?:0|[1-9]\d*)"
LABEL = rf"(?:{NUMBER}|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
VERSION = re.compile(
    rf"({NUMBER})\.({NUMBER})\.({NUMBER})(?:-({LABEL}(?:\.{LABEL})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
BOUND = re.compile(rf"(<=|>=|==|!=|<|>|=|\^|~)?\s*({NUMBER}(?:\.{NUMBER}){{0,2}}(?:[-+][0-9A-Za-z.+-]+)?)", re.ASCII)
NAME = re.compile(r"expert-[a-z0-9-]{1,57}", re.ASCII)
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "!=": operator.ne}
LONGEST = 128  # characters of a version: it becomes part of a file's name


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A semantic version; equal, as an order goes, to one that differs in build metadata alone."""

    numbers: tuple[int, int, int]
    labels: tuple[str, ...] = ()
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> "Version":
        """The version that a text states; InputError if it states none."""
        found = VERSION.fullmatch(text) if len(text) <= LONGEST else None
        if found is None:
            raise InputError(f"Expected a semantic version such as 1.2.0 or 1.2.0-rc.1, got {text[:LONGEST]!r}.")
        major, minor, patch, labels, build = found.groups()
        return cls((int(major), int(minor), int(patch)), tuple(labels.split(".")) if labels else (), build or "")

    @property
    def key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        """What versions are ordered by: a number as a label comes before a word."""
        labels = ((not one.isdigit(), int(one) if one.isdigit() else 0, one) for one in self.labels)
        return self.numbers, not self.labels, tuple(labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __lt__(self, other: "Version") -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        labels, build = ".".join(self.labels), self.build
        return ".".join(map(str, self.numbers)) + (f"-{labels}" if labels else "") + (f"+{build}" if build else "")


@dataclass(frozen=True)
class Requirement:
    """A name and the versions of it that are allowed."""

    name: str
    bounds: tuple[tuple[str, Version], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Requirement":
        """The requirement that a text states; InputError if it states none."""
        name, at, wanted = (part.strip() for part in text.partition("@"))
        bounds = [BOUND.fullmatch(part.strip()) for part in wanted.split(",")] if at else []
        if NAME.fullmatch(name) is None or None in bounds or len(text) > 4 * LONGEST:
            raise InputError(f"Expected a requirement such as expert-sql@>=1.2,<2, got {text[:LONGEST]!r}.")
        return cls(name, tuple((found[1] or "==", _bound(found[2])) for found in bounds if found))

    def allows(self, version: Version) -> bool:
        """Whether every bound holds."""
        return all(_holds(how, version, bound) for how, bound in self.bounds)

    def __str__(self) -> str:
        return self.name + ("@" if self.bounds else "") + ",".join(f"{how}{bound}" for how, bound in self.bounds)


def _bound(text: str) -> Version:
    numbers, mark, rest = re.fullmatch(r"([\d.]+)([-+]?)(.*)", text).groups()  # pyright: ignore[reportOptionalMemberAccess] - BOUND matched
    return Version.parse(numbers + ".0" * (2 - numbers.count(".")) + mark + rest)


def _holds(how: str, version: Version, bound: Version) -> bool:
    if how in COMPARISONS:
        return COMPARISONS[how](version, bound)
    if how in ("=", "=="):
        return version == bound
    fixed = 2 if how == "~" else 1 + next((at for at, number in enumerate(bound.numbers) if number), 2)
    return version >= bound and version.numbers[:fixed] == bound.numbers[:fixed]
