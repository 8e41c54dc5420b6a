"""The bundler: what it joins runs, and what it does not understand it refuses by name."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from polyloom_widgets.base import bundle as module
from polyloom_widgets.base.bundle import BundleError, bundle, bundle_css

WIDGETS = Path(module.__file__).parents[1]
ENTRIES = sorted(path for path in WIDGETS.glob("*/*.js") if path.stem == path.parent.name)


def write(folder: Path, **modules: str) -> Path:
    """Write modules; return the first one's path."""
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder / f"{next(iter(modules))}.js"


def run(text: str, call: str) -> object:
    """Run a module in node and return the JSON of an expression."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = text + f"\nconsole.log(JSON.stringify({call}));\n"
    done = subprocess.run([node, "--input-type=module"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_module_stands_once_after_its_imports(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        top='import { left } from "./left.js";\nimport { right } from "./right.js";\n'
        "export const top = left + right;\n",
        left='import { base } from "./base.js";\nexport const left = base + 1;\n',
        right='import {\n  base,\n  other,\n} from "./base.js";\nexport const right = base * other;\n',
        base="export const base = 10;\nexport function other() {}\nother.valueOf = () => 3;\n",
    )
    text = bundle(entry)
    assert [line[3:] for line in text.splitlines() if line.startswith("// ")] == [
        "base.js",
        "left.js",
        "right.js",
        "top.js",
    ]
    assert "import" not in text
    assert re.findall(r"^export (.*)", text, re.M) == ["const top = left + right;"]
    assert run(text, "top") == 41


def test_a_module_may_stand_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "one").mkdir()
    write(tmp_path / "base", dom="export const make = 1;\n")
    entry = write(tmp_path / "one", one='import { make } from "../base/dom.js";\nexport default { make };\n')
    assert bundle(entry).endswith("export default { make };\n")


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"a": 'import x from "./b.js";\n', "b": ""}, "not understood: 'import x from"),
        ({"a": 'import * as b from "./b.js";\n', "b": ""}, r"not understood: 'import \* as b"),
        ({"a": 'import { b } from "lodash";\n'}, 'not understood: \'import { b } from "lodash"'),
        ({"a": 'const b = await import("./b.js");\n', "b": ""}, "not understood"),
        ({"a": 'export { b } from "./b.js";\n', "b": ""}, "not understood: 'export { b }"),
        ({"a": "var old = 1;\n"}, "not understood: 'var old"),
        ({"a": "const { b } = window;\n"}, "not understood: 'const { b }"),
        (
            {"a": 'import { c } from "./b.js";\n', "b": "export const b = 1;\n"},
            "b.js does not export 'c'; it exports b",
        ),
        ({"a": 'import { b as c } from "./b.js";\n', "b": "export const b = 1;\n"}, "does not export 'b as c'"),
        (
            {"a": 'import { b } from "./b.js";\nconst c = 1;\n', "b": "export const b = 1;\nconst c = 2;\n"},
            "'c' is decl",
        ),
        ({"a": 'import { b } from "./b.js";\n', "b": "export const b = 1;\nexport default b;\n"}, "only the entry"),
        ({"a": 'import { b } from "./b.js";\n'}, "a.js: there is no module"),
        (
            {
                "a": 'import { b } from "./b.js";\nexport const a = 1;\n',
                "b": 'import { a } from "./a.js";\nexport const b = 1;\n',
            },
            "circle: a.js -> b.js -> a.js",
        ),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, modules: dict[str, str], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        bundle(write(tmp_path, **modules))


def test_types_in_comments_are_not_imports(tmp_path: Path) -> None:
    text = (
        '// import nothing from "here"\n/** @param {import("./b.js").B} b */\nexport function a(b) {\n  return b;\n}\n'
    )
    assert run(bundle(write(tmp_path, a=text)), "a(7)") == 7


def test_there_are_widgets_to_bundle() -> None:
    assert [path.stem for path in ENTRIES] == sorted({path.stem for path in ENTRIES}), "one entry for each widget"
    assert "mixer" in {path.stem for path in ENTRIES}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.stem)
def test_every_widget_bundles_to_a_module_that_loads(entry: Path) -> None:
    text = bundle(entry)
    assert text.count("\nexport default ") == 1
    assert not re.search(r"https?://(?!www\.w3\.org/)|\.innerHTML|insertAdjacentHTML|\beval\(|\bnew Function\b", text)
    renamed = text.replace("\nexport default ", "\nconst widget = ")
    assert run(renamed, "[typeof widget.render]") == ["function"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.stem)
def test_every_style_stands_under_the_root_class(entry: Path) -> None:
    text = bundle_css([WIDGETS / "base" / "theme.css", *sorted(entry.parent.glob("*.css"))])
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    selectors = [found.strip() for found in re.findall(r"([^{};]+)\{", text)]
    strange = [s for s in selectors if not s.startswith("@") and ".polyloom" not in s]
    assert strange == []
    assert "#" not in "".join(selectors), "no ids"


@pytest.mark.parametrize("line", ['@import "other.css";', "p { background: url(https://example.org/a.png); }"])
def test_a_style_sheet_fetches_nothing(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.css").write_text(line, encoding="utf-8")
    with pytest.raises(BundleError, match=r"a\.css: .* would fetch"):
        bundle_css([tmp_path / "a.css"])
