"""What the views share, run in node: heads taken together, the strongest keys, where texts part, tables to be pasted.

And all of the JavaScript under TypeScript's strict eyes, where its compiler is installed.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from polyloom_widgets.base import bundle as module
from polyloom_widgets.base.bundle import bundle

WIDGETS = Path(module.__file__).parents[1]
STRICT = ("--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck")
SETTINGS = ("--target", "es2023", "--module", "esnext", "--moduleResolution", "bundler")


def run(name: str, expression: str) -> Any:
    """The value of an expression in a module."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = bundle(WIDGETS / name) + f"\nconsole.log(JSON.stringify({expression}));\n"
    done = subprocess.run([node, "--input-type=module"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("before", "key", "adds", "after"),
    [
        (["all"], ["head", 1, 2], False, ["head", 1, 2]),
        (["all"], ["head", 1, 2], True, ["head", 1, 2]),
        (["head", 1, 2], ["head", 1, 0], True, ["heads", 1, 0, 2]),
        (["heads", 1, 0, 2], ["head", 1, 11], True, ["heads", 1, 0, 2, 11]),
        (["heads", 1, 0, 2], ["head", 1, 0], True, ["head", 1, 2]),
        (["head", 1, 2], ["head", 1, 2], True, ["head", 1, 2]),
        (["head", 1, 2], ["head", 0, 2], True, ["head", 0, 2]),
        (["head", 1, 2], ["layer", 1], True, ["layer", 1]),
    ],
)
def test_heads_of_one_layer_are_taken_together(before: Any, key: Any, adds: bool, after: Any) -> None:
    given = ", ".join(map(json.dumps, (before, key, adds)))
    assert run("attention/overview.js", f"together({given})") == after


def test_the_strongest_keys_by_size_whatever_their_sign() -> None:
    look = "{ columns: 4, share: (query, key) => [0.1, -0.6, 0, 0.1][key] }"
    assert [one["key"] for one in run("attention/look.js", f"strongest({look}, 0, 9)")] == [1, 0, 3]
    assert len(run("attention/look.js", f"strongest({look}, 0, 2)")) == 2


def test_a_picture_as_a_table() -> None:
    look = "{ queries: ['a', 'b'], keys: ['x'], share: (query) => query / 3 }"
    assert run("attention/look.js", f"shareRows({look})") == [["query", "x"], ["a", "0.0000"], ["b", "0.3333"]]
    assert run("attention/look.js", "shareRows(null)") == []


@pytest.mark.parametrize(
    ("a", "b", "at"), [([1, 2, 3], [1, 2, 4], 2), ([1, 2], [1, 2, 4], 2), ([], [1], 0), ([5], [6], 0)]
)
def test_where_two_texts_part(a: list[int], b: list[int], at: int) -> None:
    leaves = ", ".join(json.dumps({"steps": [{"token": token} for token in tokens]}) for tokens in (a, b))
    assert run("generation/texts.js", f"parting({leaves})") == at


def test_what_a_text_is_called() -> None:
    leaf = {"mix": "law up", "parent": 0, "at": 4, "steps": []}
    assert run("generation/texts.js", f"leafName(2, {json.dumps(leaf)}, true)") == "3 law up, from 1 at step 4"
    assert run("generation/texts.js", f"leafName(0, {json.dumps({**leaf, 'parent': None})}, false)") == "1"


def test_a_table_that_can_be_pasted_whatever_its_cells_hold() -> None:
    assert run("base/save.js", r"tabbed([['a', 'b\tc'], ['d\r\ne', '\n']])") == "a\tb c\nd e\t "


def test_everything_is_strictly_typed() -> None:
    tsc = shutil.which("tsc")
    if tsc is None:
        pytest.skip("there is no tsc: npm install --global typescript")
    files = sorted(map(str, WIDGETS.rglob("*.js")))
    done = subprocess.run([tsc, *STRICT, *SETTINGS, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for file in files:
        assert Path(file).read_text("utf-8").startswith("// @ts-check\n"), file
