"""The table of public corpora, and what a recipe refuses."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from polyloom_datasets import DataError, Recipe, load, names, read, recipes
from polyloom_datasets.public import named
from polyloom_datasets.recipe import is_allowed, readable

GOOD: dict[str, Any] = {
    "name": "some_text",
    "title": "Some text",
    "description": "Words.",
    "licence": "CC0-1.0",
    "url": "https://example.org/some/text.TXT?version=2",
    "size": 1_000,
    "sha256": "0f" * 32,
}
COMMITTED = re.compile(r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+/[0-9a-f]{40}/[\w./-]+")
SHARED = {
    "tinyshakespeare": "tinyshakespeare/input.txt",
    "warandpeace": "warandpeace/warandpeace.txt",
    "wikitext2_valid": "wikitext2/valid.txt",
    "wikitext2_test": "wikitext2/test.txt",
}


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_every_address_holds_its_full_commit(recipe: Recipe) -> None:
    assert COMMITTED.fullmatch(recipe.url)
    assert named(recipe.name) is recipe
    assert all(text in recipe.card() for text in (recipe.title, recipe.licence, recipe.url, readable(recipe.size)))


def test_no_two_corpora_share_a_name_or_their_bytes() -> None:
    known = recipes()
    assert len({recipe.name for recipe in known} | set(names())) == len(known) + len(names())
    assert len({recipe.sha256 for recipe in known}) == len({recipe.url for recipe in known}) == len(known)


@pytest.mark.shared_data
@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_the_figures_are_those_of_the_real_file_and_it_can_be_read(shared: Path, recipe: Recipe) -> None:
    path = shared / "data/text" / SHARED[recipe.name]
    content = path.read_bytes()
    assert (len(content), sha256(content).hexdigest()) == (recipe.size, recipe.sha256)
    assert sum(1 for _ in read(path)) > 1_000


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", "../up", "small letters, digits and underscores"),
        ("name", "", "small letters"),
        ("name", "a.b", "small letters"),
        ("name", "a\n", "small letters"),
        ("name", "Name", "small letters"),
        ("title", " ", "some text"),
        ("description", "", "some text"),
        ("licence", "", "an SPDX identifier or words"),
        ("url", "http://example.org/a.txt", "an https address"),
        ("url", "file:///etc/passwd.txt", "an https address"),
        ("url", "ftp://example.org/a.txt", "an https address"),
        ("url", "https:///a.txt", "an https address"),
        ("url", "https://[::1/a.txt", "an https address"),
        ("url", "https://example.org/a.zip", "the address of a file that ends in .txt, .md, .jsonl"),
        ("url", "https://example.org/?file=a.txt", "the address of a file that ends in"),
        ("size", 0, "a number of bytes"),
        ("size", -1, "a number of bytes"),
        ("sha256", "0F" * 32, "64 hexadecimal digits in lower case"),
        ("sha256", "0f" * 31, "64 hexadecimal digits"),
    ],
)
def test_a_recipe_refuses_what_cannot_be_right(field: str, value: object, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        Recipe(**GOOD | {field: value})
    assert str(caught.value).startswith(f"recipe {(GOOD | {field: value})['name']!r}, {field}: expected {expected}")
    assert repr(value) in str(caught.value)


def test_the_file_is_named_after_the_recipe() -> None:
    assert Recipe(**GOOD).file == "some_text.txt"
    assert Recipe(**GOOD | {"url": "https://example.org/x.jsonl#y"}).file == "some_text.jsonl"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://localhost:8000/a", True),
        ("http://127.0.0.1/a", True),
        ("http://[::1]:80/a", True),
        ("http://localhost.example.org/a", False),
        ("http://127.0.0.1@example.org/a", False),
        ("HTTPS://example.org", True),
        ("//example.org", False),
        ("", False),
    ],
)
def test_plain_http_is_for_this_computer(url: str, allowed: bool) -> None:
    assert is_allowed(url) is allowed


def test_sizes_read_well() -> None:
    assert [readable(size) for size in (999, 1_000, 1_115_394, 2_500_000_000)] == [
        *("999 bytes", "1.0 kB", "1.1 MB", "2.5 GB")
    ]


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    known = ", ".join(recipe.name for recipe in recipes())
    with pytest.raises(DataError, match=re.escape(f"fetch: expected one of {known}, got 'WarAndPeace'. Did you mean")):
        named("WarAndPeace")
    with pytest.raises(DataError, match=r"got 'zzz'\. What needs no fetching"):
        named("zzz")


def test_load_says_how_to_get_what_it_does_not_carry() -> None:
    with pytest.raises(DataError, match=r"got 'warandpeace'\. .* fetched: read\(fetch\('warandpeace'\)\)\."):
        load("warandpeace")
