"""The manifest: both versions and their variants, every problem at once, and nothing lost when it is written again."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as some

from polyloom import FileError
from polyloom.experts.manifest import InvalidExpert, Manifest, json_schema, parse, problems
from polyloom.experts.schema import ManifestOne, ManifestTwo
from toolkit.experts.samples import one, two

json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)


UNSTATED = two(base_models=[{"name": "F:/models/Tiny", "sha256": "", "adapters": [{"type": "lora", "sha256": ""}]}])


def test_an_empty_digest_states_none() -> None:
    """As the forerunner's published experts have it."""
    said = Manifest(UNSTATED).said
    assert isinstance(said, ManifestTwo)
    assert (said.base_models[0].sha256, said.base_models[0].adapters[0].sha256) == ("", "")


def test_both_versions_are_read() -> None:
    first, second = Manifest(one()), Manifest(two())
    assert isinstance(first.said, ManifestOne)
    assert isinstance(second.said, ManifestTwo)
    assert first.said.adapters[0].r == second.said.base_models[0].adapters[0].r == 8
    assert (first.name, str(second.version)) == ("expert-graph", "2.0.0")


def test_a_minimal_one_will_do() -> None:
    least: dict[str, Any] = {
        "schema_version": "1.0",
        "name": "expert-a",
        "version": "0.1.0",
        "base_model": {"name": "x"},
    }
    assert Manifest(least).said.routing.priority == 0.5


@pytest.mark.parametrize("document", [one(), two()])
def test_writing_keeps_every_field_in_its_order(document: dict[str, Any]) -> None:
    """The forerunner dropped `quality_metrics` and `limitations` here."""
    assert json.dumps(parse(Manifest(document).bytes())) == json.dumps(document)
    changed = Manifest(document).replace(version="3.0.0", routing={"priority": 0.1}).document
    assert changed == {**document, "version": "3.0.0", "routing": {**document["routing"], "priority": 0.1}}
    assert list(changed) == list(document)


@given(some.dictionaries(some.text().map("x_".__add__), json_values, max_size=3))
def test_what_is_not_known_survives_anywhere(unknown: dict[str, Any]) -> None:
    document = two(**unknown)
    for table in ("routing", "constraints", "perf"):
        document[table] |= unknown
    document["base_models"][0]["adapters"][0] |= unknown
    document["integrity"] = {"timestamp": "2025-01-01", "public_key": "AA==", **unknown}
    manifest = Manifest.parse(json.dumps(document).encode())
    again = Manifest.parse(manifest.replace(description="new").bytes()).document
    assert json.dumps(again) == json.dumps({**document, "description": "new"})


def test_both_spellings_of_integrity_are_read() -> None:
    for when, key in (("created_at", "pubkey"), ("timestamp", "public_key")):
        said = Manifest(two(integrity={when: "then", key: "AA=="})).said.integrity
        assert (said.created_at, said.pubkey) == ("then", "AA==")


def test_every_problem_is_told_at_once() -> None:
    document = two(name="Graph", version="1.0", tags=[1], capabilities=["tech neo4j"], adapters=[], base_models=[])
    document["constraints"] |= {"load_order": 11, "requires": ["b"], "incompatible_with": ["expert-b@~>1"]}
    document["soft_prompts"][0]["tokens"] = 513
    document["routing"]["priority"] = 1.5
    wheres = [problem.where for problem in problems(document)]
    assert set(wheres) == {
        *("name", "version", "tags[0]", "capabilities[0]", "adapters", "base_models", "constraints.load_order"),
        *("constraints.requires[0]", "constraints.incompatible_with[0]", "soft_prompts[0].tokens", "routing.priority"),
    }
    with pytest.raises(InvalidExpert, match=r"semantic version.*version 2 has it in each of base_models") as caught:
        Manifest(document)
    assert len(caught.value.problems) == 11


@pytest.mark.parametrize(
    "name", ["..", "expert-../x", "expert-a/b", "expert-A", "expert-", "expert-a\n", "expert-" + "a" * 99]
)
def test_a_name_that_is_a_path_is_refused(name: str) -> None:
    """The forerunner deleted the parent of a package called `..`."""
    assert [problem.where for problem in problems(one(name=name))] == ["name"]


@pytest.mark.parametrize(("version", "field"), [("1.0", "base_models"), ("3.0", None), (None, None), (1.0, None)])
def test_a_version_that_there_is_not_is_refused(version: object, field: str | None) -> None:
    assert problems({**two(), "schema_version": version})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (
            {**two(), "schema_version": "3.0"},
            'schema_version: expected "1.0" or "2.0", got \'3.0\'. If it is newer, upg',
        ),
        ({}, 'schema_version: expected "1.0" or "2.0", got None'),
        (two(name="expert-😀"), "name: expected a name such as expert-sql.*got 'expert-😀'"),
        (two(capabilities=["s q l"]), r"capabilities\[0\]: expected a word such as tech:sql"),
        (
            two(integrity={"files": {"a": "x"}}),
            r"integrity\.files\.a: expected a SHA-256, 64 hexadecimal digits, got 'x'",
        ),
        (two(base_models=[]), "base_models: it is empty"),
        (two(base_models=[{}]), r"base_models\[0\]\.name: it is missing"),
    ],
)
def test_a_problem_says_what_was_expected(document: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidExpert, match=says):
        Manifest(document)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "not a table but list"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": {"b": 1, "b": 1}}', "'b' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "not JSON compliant|Out of range"),
        (b'{"a": "\\ud800"}', "surrogates"),
        (b"\xff{}", "utf-8"),
        (b'{"a":' * 100_000, "recursion"),
        (b'{"a": "' + b"x" * 2**20 + b'"}', "at most 1,048,576"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(text: bytes, says: str) -> None:
    with pytest.raises(FileError, match=says):
        parse(text)


def test_the_schema_agrees_with_the_models() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    for document in (
        one(),
        two(),
        two(adapters=[]),
        one(name="x"),
        two(version="1"),
        two(tags="a"),
        {},
        two(capabilities=[""]),
        UNSTATED,
    ):
        assert judge.is_valid(document) == (not problems(document)), document


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}, b"x"])
def test_a_document_from_code_must_be_json_too(value: object) -> None:
    with pytest.raises(InvalidExpert, match="cannot be written as JSON"):
        Manifest(two(mine=[value]))
