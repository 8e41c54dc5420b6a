"""The whole application without a browser: the page is there, is ours alone, and takes nothing but what it should."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from browser.demo import served

pytestmark = pytest.mark.long  # Gradio is large, and leaves loops behind that are warned of: a process of its own

FILE = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n' + b"x" * 2000 + b"\r\n--x--\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("demo")) as found:
        yield found


def got(address: str, content: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
    """Status and body."""
    try:
        with urlopen(Request(address, content, {"Content-Type": kind}), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def sent(address: str, **content: Any) -> Any:
    return json.loads(got(address, json.dumps(content).encode())[1])


def test_the_page_has_every_tab_and_asks_nobody_else(address: str) -> None:
    status, text = got(address)
    assert status == 200
    for name in ("Mix", "Attend", "Route", "Compose", "Generate", "Music"):
        assert re.search(rf'"label": ?"{name}"', text)
    assert "fonts.googleapis" not in text
    assert "polyloom/views.css" in text


def test_nothing_is_counted_and_nothing_else_is_offered(address: str) -> None:
    config = json.loads(got(f"{address}/config")[1])
    assert (config["analytics_enabled"], config["footer_links"], config["dependencies"]) == (False, [], [])
    assert got(f"{address}/docs")[0] == 404
    assert got(f"{address}/monitoring")[0] == 403


def test_gradio_takes_no_files(address: str) -> None:
    assert got(f"{address}/gradio_api/upload", FILE, "multipart/form-data; boundary=x")[0] == 413


def test_views_are_there_beside_the_page(address: str) -> None:
    view = sent(f"{address}/polyloom/open", kind="mix")["view"]
    assert sent(f"{address}/polyloom/say", view=view, messages=[])["said"] == []
    health = json.loads(got(f"{address}/health")[1])
    assert (health["status"], health["views"]) == ("ok", 1)
    assert health["transformer"] in ("learning", "ready")
