"""The page without Python: one file, nothing from outside, and no text that can become markup."""

import base64
import hashlib
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from polyloom_widgets.base.page import page

MODULE = "const render = () => {};\nexport default { render };\n"
CSS = ".polyloom { color: red; }\n"
NASTY = "</script><script>alert(1)</script><!-- \u2028 \u2029 & \"quotes\" 'and' <b>"


class Elements(HTMLParser):
    """Gather elements, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = (dict(attrs).get("type") or tag) if tag in {"script", "style", "title", "h1"} else ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside] = self.texts.get(self.inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def policy(seen: Elements) -> dict[str, str]:
    (text,) = (a["content"] for tag, a in seen.tags if tag == "meta" and "http-equiv" in a)
    assert text is not None
    return {name: value for name, _, value in (part.strip().partition(" ") for part in text.split(";"))}


def test_the_state_comes_back_whole() -> None:
    state = {"text": NASTY, "number": 0.1, "nothing": None, "list": [1, {"a": "é↵"}]}
    seen = Elements(page("Title", MODULE, CSS, state, {"rows": bytes(range(256)), "none": b""}))
    data = json.loads(seen.texts["application/json"])
    assert data["state"] == state
    assert base64.b64decode(data["buffers"]["rows"]) == bytes(range(256))
    assert data["buffers"]["none"] == ""


def test_text_never_becomes_markup() -> None:
    plain = Elements(page("Title", MODULE, CSS, {"text": ""}, {}))
    nasty = Elements(page(NASTY, MODULE, CSS, {NASTY: NASTY}, {}))
    assert [tag for tag, _ in nasty.tags] == [tag for tag, _ in plain.tags]
    assert nasty.texts["title"] == nasty.texts["h1"] == NASTY
    assert not set(nasty.texts["application/json"]) & set("<>&\u2028\u2029")


def test_the_policy_names_exactly_what_was_written() -> None:
    seen = Elements(page("Title", MODULE, CSS, {}, {}))
    rules = policy(seen)
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'{digest(seen.texts['module'])}'"
    assert rules["style-src"] == f"'{digest(seen.texts['style'])}'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert CSS in seen.texts["style"]


def test_the_policy_stands_before_what_it_rules_and_nothing_is_fetched() -> None:
    text = page("Title", MODULE, CSS, {}, {})
    seen = Elements(text)
    assert text.index("Content-Security-Policy") < min(text.index("<style"), text.index("<script"))
    assert not any({"src", "href", "id", "style"} & set(a) or any(k.startswith("on") for k in a) for _, a in seen.tags)
    assert not re.search(r"https?:|//[a-z]+\.", re.sub(r"https?://www\.w3\.org/\S+", "", text))


def test_the_module_is_run_and_its_export_handed_on() -> None:
    script = Elements(page("Title", MODULE, CSS, {}, {})).texts["module"]
    assert "return { render };" in script
    assert not re.search(r"^(?:import|export)\b", script, re.M)
    assert script.endswith("openPage(widget);\n")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("const a = 1;\n", "this one has 0"),
        ("export default 1;\nexport default 2;\n", "this one has 2"),
        ('import { a } from "./a.js";\nexport default a;\n', "Bundle it first"),
        ("export const a = 1;\nexport default a;\n", "Bundle it first"),
        ('const a = "</script>";\nexport default a;\n', "the module contains '</script'"),
        ('const a = "<!--";\nexport default a;\n', "the module contains '<!--'"),
    ],
)
def test_a_module_that_would_not_run_is_refused(module: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        page("Title", module, CSS, {}, {})


def test_a_style_sheet_that_would_end_its_element_is_refused() -> None:
    with pytest.raises(ValueError, match="the style sheet contains '</style'"):
        page("Title", MODULE, ".a::after { content: '</style>'; }", {}, {})


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        page("Title", MODULE, CSS, {"x": float("nan")}, {})


def test_a_trait_has_one_value() -> None:
    with pytest.raises(ValueError, match="traits given both as JSON and as bytes: rows"):
        page("Title", MODULE, CSS, {"rows": 1}, {"rows": b"1"})


def test_the_same_page_is_written_twice() -> None:
    assert page("T", MODULE, CSS, {"b": 1, "a": 2}, {}) == page("T", MODULE, CSS, {"b": 1, "a": 2}, {})


@pytest.mark.browser
def test_a_browser_opens_it_from_a_file_and_the_policy_holds(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium: set CHROMIUM, or install it")
    module = """
function render({ model, el }) {
  const rows = new Int32Array(model.get("rows").buffer);
  const show = () => { el.textContent = JSON.stringify([model.get("text"), rows[1]]); };
  model.on("change:text", show);
  model.on("msg:custom", (answer) => { el.dataset.answer = `${answer.id}: ${answer.error}`; });
  show();
  model.set("text", model.get("text") + "!");
  model.send({ op: "receipt", id: 7 });
}
export default { render };
"""
    file = tmp_path / "page.html"
    rows = b"\x01\0\0\0\x02\0\0\0"
    file.write_text(page(NASTY, module, CSS, {"text": NASTY}, {"rows": rows}), encoding="utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--headless", "--no-sandbox", "--disable-gpu"])
        try:
            tab = browser.new_page()
            faults: list[str] = []
            tab.on("pageerror", lambda error: faults.append(str(error)))
            tab.on("console", lambda message: faults.append(message.text))
            tab.goto(file.as_uri())
            tab.wait_for_selector("[data-answer]")
            assert json.loads(tab.locator("main > div").text_content() or "") == [NASTY + "!", 2]
            assert tab.locator("[data-answer]").get_attribute("data-answer") == "7: This page has no Python to ask."
            assert faults == []
            tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))")
            assert tab.evaluate("typeof hacked") == "undefined"
            assert "Content Security Policy" in faults[0]
        finally:
            browser.close()
