"""The page's side of a view, run by node: what is sent and when, and that an answer never overtakes a hand."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import polyloom_demo.app as demo
from polyloom_widgets.base.bundle import bundle

MODULE = Path(demo.__file__).with_name("served.js")
STUBS = """
globalThis.document = { baseURI: "http://demo/base/" };
globalThis.location = { search: "", hash: "" };
const sent = [];
const open = [];
globalThis.fetch = (url, options) => {
  sent.push({ url: String(url), ...JSON.parse(options.body) });
  return new Promise((resolve, reject) => open.push({ resolve, reject }));
};
const reply = (content, status = 200) => open.shift().resolve({ ok: status < 300, status, json: async () => content });
const settle = () => new Promise((done) => setTimeout(done, 5));
const troubles = [];
const recipes = [];
const begun = { view: "v", state: { a: 1, b: 1 }, buffers: { rows: "AQI=" } };
const fresh = () => new ServedModel(begun, (trouble) => troubles.push(trouble), (recipe) => recipes.push(recipe));
"""


@pytest.fixture(scope="module")
def run() -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run JavaScript")
    code = bundle(MODULE)

    def done(script: str) -> Any:
        text = f"{code}\n{STUBS}\n{script}"
        found = subprocess.run([node, "--input-type=module"], input=text, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)

    return done


def test_what_gathers_while_a_request_is_out_goes_together(run: Any) -> None:
    sent = run("""
    const model = fresh();
    model.set("a", 2); model.save_changes();
    model.set("a", 3); model.set("b", 5); model.save_changes();
    model.set("a", 4); model.save_changes();
    model.send({ op: "ask", id: 1 });
    model.set("b", 6); model.save_changes(); model.save_changes();
    reply({ said: [], recipe: null }); await settle();
    reply({ said: [], recipe: null }); await settle();
    console.log(JSON.stringify(sent));""")
    assert [one["url"] for one in sent] == ["http://demo/base/polyloom/say"] * 2
    assert sent[0]["messages"] == [{"method": "update", "state": {"a": 2}}]
    assert sent[1]["messages"] == [
        {"method": "update", "state": {"a": 4, "b": 5}},
        {"method": "custom", "content": {"op": "ask", "id": 1}},
        {"method": "update", "state": {"b": 6}},
    ]


def test_an_answer_never_overwrites_what_a_hand_has_changed_since(run: Any) -> None:
    found = run("""
    const model = fresh();
    const heard = [];
    for (const name of ["a", "b", "rows"]) model.on(`change:${name}`, () => heard.push(name));
    model.set("a", 2); model.save_changes();
    model.set("a", 3);
    reply({ said: [{ state: { a: 2, b: 9 }, buffers: { rows: "Bwg=" } }], recipe: { mix: 1 } }); await settle();
    const now = [model.get("a"), model.get("b"), model.get("rows").getUint8(1)];
    console.log(JSON.stringify([...now, heard, recipes, troubles]));""")
    assert found == [3, 9, 8, ["a", "a", "b", "rows"], [{"mix": 1}], [""]]


def test_both_traits_stand_before_either_is_told(run: Any) -> None:
    found = run("""
    const model = fresh();
    const seen = [];
    model.on("change:a", () => seen.push(model.get("b")));
    model.set("b", 1); model.send({}); reply({ said: [{ state: { a: 7, b: 8 }, buffers: {} }] }); await settle();
    console.log(JSON.stringify(seen));""")
    assert found == [8]


def test_a_refusal_is_told_and_questions_are_not_left_waiting(run: Any) -> None:
    found = run("""
    const model = fresh();
    const answers = [];
    model.on("msg:custom", (answer) => answers.push(answer));
    model.send({ op: "ask", id: 7 });
    reply({ error: "This view rested too long." }, 410); await settle();
    model.send({ op: "ask", id: 8 });
    reply({ said: [{ content: { op: "ask", id: 8, x: 1 }, buffers: ["AQ=="] }] }); await settle();
    console.log(JSON.stringify([troubles, answers]));""")
    troubles, answers = found
    assert troubles == ["This view rested too long.", ""]
    assert answers == [{"op": "ask", "id": 7, "error": "The demo did not answer."}, {"op": "ask", "id": 8, "x": 1}]


def test_a_request_that_got_no_answer_is_sent_again(run: Any) -> None:
    sent, troubles = run("""
    const model = fresh();
    model.set("a", 2); model.save_changes();
    open.shift().reject(new Error("no network"));
    await new Promise((done) => setTimeout(done, 700));
    reply({ said: [] }); await settle();
    console.log(JSON.stringify([sent.map((one) => one.messages), troubles]));""")
    assert sent == [[{"method": "update", "state": {"a": 2}}]] * 2
    assert troubles == [""]


def test_a_recipe_survives_the_address(run: Any) -> None:
    recipe = {"prompt": "Nächte + «so» / 夜?", "weights": {"sea": 0.5}}
    found = run(f"""
    const text = packed({json.dumps(recipe)});
    location.hash = `#recipe=${{text}}`;
    const there = recipeInAddress();
    location.hash = "#recipe=%%%";
    const broken = recipeInAddress();
    location.hash = ""; location.search = `?recipe=${{text}}`;
    console.log(JSON.stringify([text, there, broken, recipeInAddress()]));""")
    assert not set(found[0]) & set("+/=")
    assert found[1:] == [recipe, {"damaged": True}, recipe]
