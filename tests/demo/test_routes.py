"""The routes, asked as a page asks: views with their state, messages, files to take along, and clear errors."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

import polyloom
from demo.says import custom, seen, update
from polyloom.errors import InputError
from polyloom.music import read_midi
from polyloom_datasets import load
from polyloom_demo.bridge import TURN
from polyloom_demo.library import Library
from polyloom_demo.routes import FORMS, LARGEST, LINE, PARTS, TUNE, Desk, routes
from polyloom_demo.uploads import ALL, Upload
from polyloom_demo.visitors import Views


@pytest.fixture
def desk(library: Library, views: Views) -> Desk:
    return Desk(library, views)


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(routes(desk))
    with TestClient(app) as found:
        yield found


def opened(client: TestClient, **asked: Any) -> dict[str, Any]:
    answer = client.post("/polyloom/open", json={"kind": "mix", **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(client: TestClient, view: str, *messages: dict[str, Any]) -> dict[str, Any]:
    return client.post("/polyloom/say", json={"view": view, "messages": list(messages)}).json()


def test_two_visitors_never_see_each_other_s_faders(client: TestClient) -> None:
    mine, yours = opened(client), opened(client)
    flags = [False] * 5
    steps = [{"weights": [3.0, 0, 0, 0, 0], "muted": flags, "soloed": flags}]
    news = seen(said(client, mine["view"], update(steps=steps, cursor=0))["said"])
    assert news["exact"]["weights"] == [3.0, 0, 0, 0, 0]
    assert said(client, yours["view"])["said"] == []
    assert said(client, yours["view"])["recipe"] == yours["recipe"]
    assert said(client, mine["view"])["recipe"]["weights"]["sea"] == 3.0


def test_a_recipe_in_the_address_sets_the_desk(client: TestClient) -> None:
    recipe = opened(client)["recipe"] | {"weights": {"sea": 0.25}, "prompt": "Stir the", "muted": ["kitchen"]}
    found = opened(client, recipe=recipe)
    assert found["note"] == ""
    assert found["state"]["prompt"] == "Stir the"
    assert found["recipe"]["weights"]["sea"] == 0.25
    assert found["recipe"]["muted"] == ["kitchen"]


@pytest.mark.parametrize("recipe", [{"damaged": True}, {}, [], "x", 1, {"polyloom": "recipe", "format": 9}])
def test_a_recipe_that_does_not_fit_is_told_and_the_desk_opens(client: TestClient, recipe: object) -> None:
    found = opened(client, recipe=recipe)
    assert found["note"].startswith("The address holds a recipe that does not fit: ")
    assert found["recipe"]["prompt"] == "At night the"


def test_the_next_example_takes_the_place_of_the_last(client: TestClient, views: Views) -> None:
    first = opened(client)["view"]
    opened(client, example=1, instead=first)
    assert len(views) == 1
    answer = client.post("/polyloom/say", json={"view": first, "messages": []})
    assert answer.status_code == 410
    assert "Reload the page" in answer.json()["error"]


def test_the_files_are_those_of_the_view(client: TestClient, tmp_path: Path) -> None:
    view = opened(client, example=1)
    page = client.get(f"/polyloom/take/{view['view']}/page.html")
    assert page.headers["content-disposition"] == 'attachment; filename="polyloom-page.html"'
    assert "This page needs no Python" in page.text
    assert json.loads(client.get(f"/polyloom/take/{view['view']}/recipe.json").text) == view["recipe"]
    model = tmp_path / "mix.psamc"
    model.write_bytes(client.get(f"/polyloom/take/{view['view']}/mix.psamc").content)
    polyloom.verify(model)
    mix = polyloom.load(model)
    assert isinstance(mix, polyloom.Layered)
    assert mix.weights == view["recipe"]["weights"]


FORM, TEXTS = {"X-Polyloom": "1"}, {"kind": "compose"}


def test_files_become_a_desk(client: TestClient, views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom_demo.routes.OWN_MODELS", 2)
    before = opened(client)["view"]
    files = [("files", ("sea.txt", load("sea").text.encode())), ("files", ("law.txt", load("contracts").text.encode()))]
    found = client.post("/polyloom/compose", files=files, data=TEXTS | {"instead": before}, headers=FORM).json()
    assert [layer["name"] for layer in found["state"]["layers"]] == ["sea", "law"]
    assert found["module"] == "mixer"
    assert client.post("/polyloom/say", json={"view": before, "messages": []}).status_code == 410
    assert client.get(f"/polyloom/take/{found['view']}/mix.psamc").status_code == 200
    full = client.post("/polyloom/compose", files=files * 2, data=TEXTS | {"instead": found["view"]}, headers=FORM)
    assert full.status_code == 200
    assert len(views) == 1


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"files": [("files", ("a.exe", b"x"))], "data": TEXTS, "headers": FORM}, "a.exe: expected a file that"),
        ({"files": [("files", ("a.txt", b"x. y."))]}, "Expected a form with the header x-polyloom."),
        ({"files": [("files", (f"{n}.txt", b"x")) for n in range(9)], "headers": FORM}, "Too many files"),
        ({"content": b"x", "headers": FORM}, "No files can be brought to ''; they can to compose, music."),
        ({"files": [("files", ("a.txt", b"x"))], "data": {"kind": "mix"}, "headers": FORM}, "No files can be"),
        ({"files": [("files", ("a.txt", bytes(ALL)))], "headers": FORM}, "All files together may have 64 MB."),
        ({"files": [("other", ("a.txt", b"x"))], "data": TEXTS, "headers": FORM}, "Expected 1 to 8 files, got 0."),
    ],
)
def test_files_that_are_no_good_get_the_reason(client: TestClient, views: Views, sent: Any, why: str) -> None:
    answer = client.post("/polyloom/compose", **sent)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(why)
    assert len(views) == 0


def test_so_many_forms_are_in_memory_and_no_more(
    client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go_on = Event(), Event()
    inside: list[int] = []

    async def brought(request: Request) -> tuple[list[Upload], str, str]:
        del request
        inside.append(FORMS - desk._forms._value)
        if len(inside) == FORMS:
            held.set()
        await asyncio.to_thread(go_on.wait, 30)
        return [Upload("a.exe", b"")], "compose", ""

    monkeypatch.setattr("polyloom_demo.routes._brought", brought)
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(client.post, "/polyloom/compose", headers=FORM) for _ in range(2 * FORMS)]
        assert held.wait(30)
        assert opened(client)["view"]
        assert len(inside) == FORMS
        go_on.set()
        assert {answer.result().status_code for answer in answers} == {400}
    assert len(inside) == 2 * FORMS
    assert max(inside) == FORMS
    assert desk._waiting == 0


def test_files_that_do_not_arrive_are_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom_demo.routes.ARRIVED", 0.05)
    with pytest.raises(InputError, match=r"took more than 0\.05 seconds to arrive"):
        asyncio.run(desk.bring(half_a_form(asyncio.Event().wait)))
    assert desk._waiting == 0


def test_who_leaves_while_files_arrive_is_no_fault_of_ours(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    async def left() -> Any:
        return {"type": "http.disconnect"}

    (route,) = (one for one in routes(desk).routes if getattr(one, "path", "") == "/polyloom/compose")
    asyncio.run(cast("Any", route).endpoint(half_a_form(left)))
    assert caplog.text == ""
    assert desk._waiting == 0


def half_a_form(then: Callable[[], Awaitable[Any]]) -> Request:
    """A request of which the first part came; `then` says what comes after it."""
    parts = iter([b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhalf'])
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "2000", **FORM}

    async def receive() -> Any:
        part = next(parts, None)
        return await then() if part is None else {"type": "http.request", "body": part, "more_body": True}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/polyloom/compose", "headers": raw}, receive)


def test_a_fault_of_ours_is_told_without_a_page_of_python(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("polyloom_demo.routes.made", lambda *_: 1 / 0)
    answer = client.post("/polyloom/open", json={"kind": "mix"})
    assert (answer.status_code, answer.json()["error"]) == (
        500,
        "That failed, and the fault is ours: it stands in the demo's log.",
    )
    assert "Traceback" in caplog.text


def test_nobody_waits_for_another_s_long_work(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    view, go_on = opened(client)["view"], Event()
    monkeypatch.setattr("polyloom_demo.routes.TAKES", {"page.html": lambda *_: str(go_on.wait(30)).encode()})
    with ThreadPoolExecutor() as pool:
        pages = [pool.submit(client.get, f"/polyloom/take/{view}/page.html") for _ in range(4)]
        try:
            assert said(client, view)["said"] == []
            assert opened(client)["view"] != view
            assert not any(page.done() for page in pages)
        finally:
            go_on.set()
        assert [page.result().content for page in pages] == [b"True"] * 4


def test_who_says_much_goes_back_into_the_line(
    client: TestClient, desk: Desk, woven: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, few = opened(client, kind="music")["view"], opened(client)["view"]
    order: list[str] = []
    heard = Desk._heard
    monkeypatch.setattr(Desk, "_heard", lambda self, name, part: (order.append(name), heard(self, name, part))[1])

    async def both() -> Any:
        desk._slots = asyncio.Semaphore(1)
        play = {"view": many, "messages": [custom(op="play", id=n) for n in range(2 * TURN + 1)]}
        return await asyncio.gather(desk.say(play), desk.say({"view": few, "messages": []}))

    answers, _ = asyncio.run(both())
    assert order == [many, few, many, many]
    assert [one["content"]["id"] for one in answers["said"]] == list(range(2 * TURN + 1))


@pytest.mark.parametrize("number", [0, 1])
def test_a_tune_is_taken_along_with_its_recipe(client: TestClient, woven: Library, number: int, tmp_path: Path) -> None:
    view = opened(client, kind="music", example=number)
    for what in TUNE:
        assert what in view["takes"]
        (tmp_path / what).write_bytes(client.get(f"/polyloom/take/{view['view']}/{what}").content)
        assert len(polyloom.replay(polyloom.open_recipe(tmp_path / what), woven.styles.mix).steps) > 10
    assert len(read_midi(tmp_path / "tune.mid")) > 4


def test_a_tune_becomes_a_desk(client: TestClient, woven: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom_demo.routes.OWN_MODELS", 2)
    sent: Any = {"files": [("files", ("a.abc", load("tunes").documents[0].encode()))], "data": {"kind": "music"}}
    found = client.post("/polyloom/compose", headers=FORM, **sent).json()
    assert [layer["name"] for layer in found["state"]["layers"]] == [*woven.styles.mix.layers, "mine"]
    assert found["takes"] == ["page.html", "recipe.json", "mix.psamc", *TUNE]


def test_no_request_weaves_an_example(client: TestClient, tmp_path: Path, desk: Desk) -> None:
    desk.library = Library(tmp_path)
    answer = client.post("/polyloom/open", json={"kind": "compose"})
    assert (answer.status_code, answer.json()["error"][:29]) == (202, "These texts are being woven. ")
    answer = client.post("/polyloom/open", json={"kind": "music"})
    assert (answer.status_code, answer.json()["error"][:27]) == (202, "The tunes are being woven. ")
    desk.library.weave()
    assert [layer["name"] for layer in opened(client, kind="compose")["state"]["layers"]] == ["sea", "kitchen"]
    assert opened(client, kind="music")["state"]["prompt"] == "Bar"


def test_a_line_has_an_end(client: TestClient, desk: Desk) -> None:
    desk._waiting = LINE
    answer = client.post("/polyloom/open", json={"kind": "mix"})
    assert (answer.status_code, answer.json()["error"]) == (
        503,
        "Too many visitors are waiting just now. Try again in a moment.",
    )


def test_what_there_is_not_is_said(client: TestClient) -> None:
    view = opened(client, kind="route")["view"]
    assert client.get(f"/polyloom/take/{view}/mix.psamc").json() == {"error": "There is no mix.psamc of this view."}
    assert client.get(f"/polyloom/take/{view}/..%2Fx").status_code in (400, 404)
    assert client.get("/polyloom/take/nobody/page.html").status_code == 410
    assert client.get("/polyloom/kinds.py").status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[]", b"1", b"[" * 100_000, b'{"x": NaN}', b'{"x": "\\ud800"}', b'{"kind": "mix"' + b" " * LARGEST],
)
def test_a_body_that_is_none_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/polyloom/open", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_only_json_is_taken_since_no_foreign_page_can_send_it(client: TestClient) -> None:
    answer = client.post("/polyloom/open", content=b'{"kind": "mix"}', headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()) == (400, {"error": "Expected JSON."})


def test_while_the_transformer_learns_the_page_is_told_how_far_it_is(client: TestClient) -> None:
    answer = client.post("/polyloom/open", json={"kind": "attend"})
    assert answer.status_code == 202
    assert answer.json()["error"].startswith("A small transformer is learning from the texts of this demo: 0 %")


def test_health(client: TestClient) -> None:
    opened(client)
    found = client.get("/health").json()
    assert found == {
        "status": "ok", "version": polyloom.__version__, "views": 1, "most": 4, "transformer": "learning",
    }  # fmt: skip


def test_every_part_of_the_page_is_there(client: TestClient) -> None:
    for name in PARTS:
        answer = client.get(f"/polyloom/{name}")
        assert answer.status_code == 200
        assert len(answer.content) > 1000
        assert ("css" in answer.headers["content-type"]) is name.endswith(".css")
