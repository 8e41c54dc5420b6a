"""Servers that do not do what they should: what arrives, what is asked for, and what is said."""

import errno
import sys
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyloom_datasets import DataError, fetch
from polyloom_datasets.download import TRIES

KEPT = r"They are kept: fetch again"


@pytest.fixture
def refused(site: Any, tmp_path: Path):
    """`with refused(words)`: fetching fails in these words, and no file has its name."""

    @contextmanager
    def check(words: str, **options: Any):
        with pytest.raises(DataError, match=words):
            fetch(site.recipe(), tmp_path, **options)
        assert not [path for path in tmp_path.iterdir() if not path.name.endswith(".partial")]
        yield

    return check


def test_a_broken_line_is_taken_up_where_it_broke(site: Any, tmp_path: Path, body: bytes) -> None:
    site.answers = [site.drops(1), site.drops(99_999), site.whole]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == [None, "bytes=1-", "bytes=100000-"]


def test_a_line_that_keeps_breaking_is_reported_and_the_next_fetch_goes_on(
    site: Any, tmp_path: Path, body: bytes, partial: Path, refused: Any
) -> None:
    site.answers = [site.drops(1_000)]
    with refused(f"expected 280,000 bytes, got 5,000 of them and then the end of the connection. {KEPT}"):
        assert site.ranges == [None, *(f"bytes={n}000-" for n in range(1, TRIES))]
        assert partial.read_bytes() == body[:5_000]
    site.answers = [site.whole]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges[-1] == "bytes=5000-"


def test_a_server_that_hangs_up_at_once_is_asked_once(site: Any, refused: Any) -> None:
    site.answers = [lambda asked: None]
    with refused(r"expected the file, got .*\. Look at the connection and fetch again"):
        assert len(site.asked) == 1


def test_no_server_is_a_clear_error(site: Any, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/corpus.txt"
    with pytest.raises(DataError, match="expected the file, got Connection refused"):
        fetch(site.recipe(url=url), tmp_path)


def free_port() -> int:
    import socket

    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@pytest.mark.parametrize(
    ("after", "many", "words"),
    [(-1, 1, "file, got silence"), (0, 1, "file, got silence"), (5_000, TRIES, "got 25,000 of them and then silence")],
)
def test_silence_is_not_waited_for(site: Any, refused: Any, after: int, many: int, words: str) -> None:
    site.answers = [site.silent(after)]
    with refused(f"{words} for 0.3 s", timeout=0.3):
        assert site.ranges == [None, *(f"bytes={5_000 * n}-" for n in range(1, many))]


def test_a_server_without_ranges_begins_again(site: Any, tmp_path: Path, body: bytes) -> None:
    site.answers = [site.drops(200_000), site.deaf_to_ranges]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == [None, "bytes=200000-"]


def test_a_server_without_ranges_that_keeps_breaking_is_given_up(site: Any, refused: Any, partial: Path) -> None:
    site.answers = [site.deaf_and_drops(2_000)]
    with refused(KEPT):
        assert site.ranges == [None, "bytes=2000-"]
        assert partial.stat().st_size == 2_000


WRONG = ["bytes 0-279999/280000", "bytes 1001-279999/280000", "bytes 1000-5000/280000", "bytes 1000-279999/9", "x", ""]


@pytest.mark.parametrize("span", WRONG)
def test_a_wrong_range_is_not_believed(site: Any, tmp_path: Path, body: bytes, span: str) -> None:
    site.answers = [site.drops(1_000), site.ranged(span), site.whole]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == [None, "bytes=1000-", None]


def test_ranges_of_thousands_of_digits(site: Any, tmp_path: Path, body: bytes) -> None:
    site.answers = [site.drops(1_000), site.ranged(f"bytes 1000-{'9' * 5_000}/*"), site.claims("9" * 5_000)]
    with pytest.raises(DataError, match=r"got a file of '9{20}'\."):
        fetch(site.recipe(), tmp_path)


@pytest.mark.parametrize("said", [b"\x1b[31mHELLO\r\n\r\n", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200])
def test_what_is_no_http_is_told_without_repeating_it(site: Any, refused: Any, said: bytes) -> None:
    site.answers = [lambda asked: asked.wfile.write(said)]
    with refused(r"expected the file, got what is no HTTP \(\w+\)\. Look at the connection and fetch again\.$"):
        assert len(site.asked) == 1


def test_a_refused_range_begins_again(site: Any, tmp_path: Path, body: bytes) -> None:
    site.answers = [site.drops(1_000), site.status(416), site.whole]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == [None, "bytes=1000-", None]


@pytest.mark.parametrize(("code", "words"), [(206, "HTTP 206"), (204, "HTTP 204"), (416, "HTTP 416")])
def test_an_answer_to_another_question_is_refused(site: Any, refused: Any, code: int, words: str) -> None:
    site.answers = [site.status(code)]
    with refused(f"expected the file, got {words}"):
        pass


def test_a_range_whose_total_is_unknown_will_do(site: Any, tmp_path: Path, body: bytes, partial: Path) -> None:
    partial.write_bytes(body[:-10])
    site.answers = [site.ranged(f"bytes {len(body) - 10}-{len(body) - 1}/*")]
    with pytest.raises(DataError, match="SHA-256"):  # it is believed; its ten digits are not the right ones
        fetch(site.recipe(), tmp_path)
    assert len(site.asked) == 1


@pytest.mark.parametrize("length", [0, 10, 279_999, 280_001, 10**30, -1])
def test_another_length_is_refused_before_anything_is_written(site: Any, refused: Any, length: int) -> None:
    site.answers = [site.claims(length)]
    with refused(rf"expected 280,000 bytes, got a file of '{str(length)[:20]}'\. The file may have moved"):
        assert len(site.asked) == 1


def test_another_length_costs_no_partial(site: Any, refused: Any, body: bytes, partial: Path) -> None:
    partial.write_bytes(body[:1_000])
    site.answers = [site.claims(10)]
    with refused("a file of '10'"):
        assert partial.read_bytes() == body[:1_000]


@pytest.mark.parametrize("kind", ["without_length", "chunked"])
def test_a_length_is_not_needed(site: Any, tmp_path: Path, body: bytes, kind: str) -> None:
    site.answers = [getattr(site, kind)(body)]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body


@pytest.mark.parametrize("kind", ["without_length", "chunked"])
def test_a_byte_too_many_is_one_too_many(site: Any, refused: Any, body: bytes, partial: Path, kind: str) -> None:
    site.answers = [getattr(site, kind)(body + b"!")]
    with refused("expected 280,000 bytes, got more than that"):
        assert not partial.exists()


def test_a_flood_is_stopped(site: Any, refused: Any, partial: Path) -> None:
    site.answers = [site.endless]
    with refused("got more than that"):
        assert not partial.exists()
        assert len(site.asked) == 1


@pytest.mark.parametrize("ended", [True, False])
def test_chunks_that_end_too_early(site: Any, tmp_path: Path, body: bytes, ended: bool) -> None:
    site.answers = [site.chunked(body[:120_000], ended), site.whole]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == [None, "bytes=120000-"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (404, r"corpus\.txt: expected the file, got HTTP 404 \(Not Found\)\. The file may have moved: update polyloom"),
        (403, r"HTTP 403 \(Forbidden\)"),
        (429, r"HTTP 429 .* fetch again later"),
        (500, r"HTTP 500 \(Internal Server Error\)\. The server is in trouble or busy: fetch again later"),
        (503, r"HTTP 503 .* kept"),
    ],
)
def test_an_error_status_is_told(site: Any, refused: Any, body: bytes, partial: Path, code: int, words: str) -> None:
    partial.write_bytes(body[:500])
    site.answers = [site.status(code)]
    with refused(words):
        assert partial.read_bytes() == body[:500]
        assert len(site.asked) == 1


def test_the_words_of_a_server_are_not_repeated(site: Any, refused: Any) -> None:
    site.answers = [lambda asked: asked.wfile.write(b"HTTP/1.0 499 \x1b[31mred\r\n\r\n")]
    with refused(r"got HTTP 499 \(unknown\)\."):
        pass


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(site: Any, tmp_path: Path, body: bytes, code: int) -> None:
    site.answers = [
        site.status(code, Location="/two.txt"),
        site.status(code, Location=f"http://localhost:{site.server_port}/three.txt"),
        site.drops(1_000),
        site.status(code, Location="/five.txt"),
        site.whole,
    ]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    again = ("/corpus.txt", "bytes=1000-"), ("/five.txt", "bytes=1000-")
    assert site.asked == [("/corpus.txt", None), ("/two.txt", None), ("/three.txt", None), *again]


@pytest.mark.parametrize(
    "place",
    ["file:///etc/passwd", "ftp://example.org/a.txt", "http://example.org/a.txt", "data:,x", "https://[::1", "//\x80"],
)
def test_redirects_lead_nowhere_else(site: Any, refused: Any, place: str) -> None:
    site.answers = [site.status(302, Location=place)]
    with refused(r"expected the file( after at most 5 redirects, all to https)?, got (HTTP 302 to|a redirect)"):
        assert len(site.asked) == 1


def test_a_redirect_to_nowhere(site: Any, refused: Any) -> None:
    site.answers = [site.status(302)]
    with refused("got HTTP 302 to 'nowhere'"):
        assert len(site.asked) == 1


@pytest.mark.parametrize("places", [["/corpus.txt"], ["/a", "/b"], [f"/{n}" for n in range(30)]])
def test_redirects_end(site: Any, refused: Any, places: list[str]) -> None:
    site.answers = [site.status(302, Location=place) for place in places * 30]
    with refused("expected the file after at most 5 redirects, all to https, got HTTP 302 to '/"):
        assert len(site.asked) <= 6


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of this kind")
def test_a_disk_that_takes_no_more(site: Any, tmp_path: Path, body: bytes, partial: Path) -> None:
    """A real refusal by the system, in the midst of a file."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(OSError, match="File too large") as caught:
            fetch(site.recipe(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(partial)
    assert partial.read_bytes() == body[:100_000]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == [None, "bytes=100000-"]


def test_a_full_disk(site: Any, tmp_path: Path, partial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(FileIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "paragraphs.txt").write_text("mine", "utf-8")
    monkeypatch.setattr(Path, "open", lambda path, mode, **_: Full(path, mode.replace("b", "")))
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(site.recipe(sha256="0" * 64), tmp_path, force=True)
    assert caught.value.filename == str(partial)
    assert (tmp_path / "paragraphs.txt").stat().st_size == 4


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 279_000)), max_size=8))
def test_however_it_breaks_it_ends_well(
    site: Any, tmp_path_factory: pytest.TempPathFactory, body: bytes, breaks: list[tuple[bool, int]]
) -> None:
    """The partial is always the beginning of the file, and each request asks for what is missing."""
    folder = tmp_path_factory.mktemp("broken")
    site.asked.clear()
    site.answers = [site.drops(n) if ranged else site.deaf_and_drops(n) for ranged, n in breaks] + [site.whole]
    for _ in range(len(breaks) + 1):
        kept = (folder / "paragraphs.txt.partial").read_bytes() if list(folder.iterdir()) else b""
        assert body.startswith(kept)
        many = len(site.asked)
        try:
            assert fetch(site.recipe(), folder).read_bytes() == body
            break
        except DataError:
            assert site.ranges[many] == (f"bytes={len(kept)}-" if kept else None)
    assert [path.name for path in folder.iterdir()] == ["paragraphs.txt"]
