"""Bring the bytes of an address into a file, going on where an earlier attempt stopped.

The file `partial` holds the first bytes of what is wanted, always: it only ever grows at its end, or is emptied when
the server sends everything from the start. So it may be left behind by a broken connection, Ctrl-C, a full disk or a
crash, and the next download asks for the rest (an HTTP Range) only.

====================================  ==============================================================
206 with the rest that was asked for  appended
200, everything                       the file is emptied first: this server ignores Range
416, or 206 with another range        asked again, for everything
another size than promised            an error before anything is written
more bytes than promised              an error at once; the file is removed, as it cannot be the right one
an end too early, silence             asked again for the rest as long as that brings bytes, then an error
====================================  ==============================================================

Whether the bytes are the right ones is not known here: the caller compares their digest.
"""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPResponse
from io import FileIO
from pathlib import Path

from polyloom_datasets.connection import MOVED, Broken, ask, block
from polyloom_datasets.errors import DataError

TRIES = 5  # connections for one download; a line that breaks more often is reported


def download(url: str, size: int, partial: Path, seen: Callable[[int], None], timeout: float) -> None:
    """Fill `partial` up to `size` bytes.

    Args:
        url: where they are.
        size: how many there are in all; more are never written.
        partial: the file, which may hold the first of them already.
        seen: told the number of bytes there, as they come.
        timeout: how many seconds the server may be silent.

    Raises:
        DataError: the server does not have it, has something of another size, or the connection keeps breaking.
        OSError: the disk does not take it; what was written is kept.

    """
    why = ""
    for _ in range(TRIES):
        have = _length(partial)
        if have > size:  # of another recipe, or written by somebody else
            partial.unlink()
            have = 0
        seen(have)
        if have == size:
            return
        try:
            _attempt(url, size, partial, have, seen, timeout)
        except Broken as broken:
            why = str(broken)
        if _length(partial) <= have:
            break
    if _length(partial) != size:
        raise _gave_up(url, size, _length(partial), why)


def _attempt(url: str, size: int, partial: Path, have: int, seen: Callable[[int], None], timeout: float) -> None:
    """One connection, or two if the server cannot continue where we stand."""
    start, response = _answer(url, size, have, timeout)
    with response, partial.open("ab", buffering=0) as file:
        file.truncate(start)
        done = start
        while data := block(response, timeout):
            done += len(data)
            if done > size:
                break
            _write(file, data, partial)
            seen(done)
    if done > size:
        partial.unlink()
        raise _another_size(url, size, "more than that")
    if done < size:
        raise Broken("the end of the connection")


def _answer(url: str, size: int, have: int, timeout: float) -> tuple[int, HTTPResponse]:
    """An answer that can be used, and the byte that it begins with: `have`, or 0."""
    response = ask(url, have, timeout)
    if have and response is not None and response.status == 206 and _continues(response, have, size):
        return have, response
    if have and (response is None or response.status != 200):
        _close(response)
        response = ask(url, 0, timeout)
    if response is None or response.status != 200:
        _close(response)
        got = f"HTTP {416 if response is None else response.status}"
        raise DataError.at(url, expected="the file", got=got, advice=MOVED)
    told = response.headers.get("Content-Length")
    if told is not None and told.strip() != str(size):
        response.close()
        raise _another_size(url, size, f"a file of {told[:20]!r}")
    return 0, response


def _continues(response: HTTPResponse, start: int, size: int) -> bool:
    """Whether a 206 holds just the rest that was asked for."""
    told = response.headers.get("Content-Range", "").strip()
    return told in (f"bytes {start}-{size - 1}/{size}", f"bytes {start}-{size - 1}/*")


def _write(file: FileIO, data: bytes, partial: Path) -> None:
    """Write all of it, and name the file if the disk refuses."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(partial)) from None


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _close(response: HTTPResponse | None) -> None:
    if response is not None:
        response.close()


def _another_size(url: str, size: int, got: str) -> DataError:
    return DataError.at(url, expected=f"{size:,} bytes", got=got, advice=MOVED)


def _gave_up(url: str, size: int, have: int, why: str) -> DataError:
    if not have:
        return DataError.at(url, expected="the file", got=why, advice="Look at the connection and fetch again")
    got, advice = f"{have:,} of them and then {why}", "They are kept: fetch again to go on from there"
    return DataError.at(url, expected=f"{size:,} bytes", got=got, advice=advice)
