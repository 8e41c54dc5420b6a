"""A real web server on this computer with every bad habit that a fetch must live with."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from polyloom_datasets import Recipe

Answer = Callable[["Asked"], None]
BODY = "\n\n".join(f"Paragraph {n}: the {n % 17} of {n * n}." for n in range(8_000)).encode()[:280_000]


class Asked(BaseHTTPRequestHandler):
    """One request."""

    server: "Site"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        given = self.headers.get("Range")
        self.start = int(given.removeprefix("bytes=").removesuffix("-")) if given else 0
        self.server.asked.append((self.path, given))
        many = len(self.server.asked)
        with suppress(ConnectionError):  # the client has heard enough
            self.server.answers[min(many, len(self.server.answers)) - 1](self)

    def head(self, status: int, length: int | str | None = None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()

    def rest(self, body: bytes = BODY) -> bytes:
        """The head of a good answer, 206 where a Range was asked for; what is to follow."""
        if self.headers.get("Range"):
            span = f"bytes {self.start}-{len(body) - 1}/{len(body)}"
            self.head(206, len(body) - self.start, Content_Range=span)
        else:
            self.head(200, len(body))
        return body[self.start :]

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Site(ThreadingHTTPServer):
    """The server: `answers` in turn, the last of them again and again; `asked` remembers (path, Range)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.answers: list[Answer] = [self.whole]
        self.asked: list[tuple[str, str | None]] = []
        self.closing = threading.Event()

    @property
    def ranges(self) -> list[str | None]:
        return [given for _, given in self.asked]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/corpus.txt"

    def recipe(self, **changes: Any) -> Recipe:
        """The recipe of `BODY`."""
        fields = {"name": "paragraphs", "title": "Paragraphs", "description": "Numbers.", "licence": "CC0-1.0"}
        return Recipe(**fields | {"url": self.url, "size": len(BODY), "sha256": sha256(BODY).hexdigest()} | changes)

    @staticmethod
    def whole(asked: Asked) -> None:
        asked.wfile.write(asked.rest())

    @staticmethod
    def deaf_to_ranges(asked: Asked) -> None:
        asked.head(200, len(BODY))
        asked.wfile.write(BODY)

    @staticmethod
    def drops(after: int) -> Answer:
        """Promises all and closes the connection after so many bytes."""
        return lambda asked: void(asked.wfile.write(asked.rest()[:after]))

    @staticmethod
    def deaf_and_drops(after: int) -> Answer:
        return lambda asked: void((asked.head(200, len(BODY)), asked.wfile.write(BODY[:after])))

    @staticmethod
    def without_length(body: bytes) -> Answer:
        """Says nothing about the length; the end of the connection is the end."""
        return lambda asked: void((asked.head(200), asked.wfile.write(body)))

    @staticmethod
    def claims(length: int | str) -> Answer:
        return lambda asked: void((asked.head(200, length), asked.wfile.write(BODY)))

    @staticmethod
    def chunked(body: bytes, ended: bool = True) -> Answer:
        def answer(asked: Asked) -> None:
            asked.protocol_version = "HTTP/1.1"
            asked.head(200, Transfer_Encoding="chunked", Connection="close")
            for start in range(0, len(body), 9_999):
                piece = body[start : start + 9_999]
                asked.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            asked.wfile.write(b"0\r\n\r\n" if ended else b"")
            asked.close_connection = True

        return answer

    @staticmethod
    def endless(asked: Asked) -> None:
        asked.head(200)
        while True:
            asked.wfile.write(b"x" * 10_000)

    @staticmethod
    def another(body: bytes) -> Answer:
        return lambda asked: void(asked.wfile.write(asked.rest(body)))

    @staticmethod
    def ranged(span: str) -> Answer:
        """A 206 whatever was asked for, with the Content-Range given."""
        return lambda asked: void((asked.head(206, 10, Content_Range=span), asked.wfile.write(b"0123456789")))

    @staticmethod
    def status(code: int, **headers: str) -> Answer:
        return lambda asked: asked.head(code, 0, **headers)

    def silent(self, after: int) -> Answer:
        """Sends so many bytes and then nothing more until the test is over; not even a head if `after` is negative."""

        def answer(asked: Asked) -> None:
            if after >= 0:
                asked.wfile.write(asked.rest()[:after])
            self.closing.wait()

        return answer

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hung up


def void(_: object) -> None:
    """Nothing, after something."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def body() -> bytes:
    return BODY


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """What a fetch into `tmp_path` leaves when it is broken off."""
    return tmp_path / "paragraphs.txt.partial"
