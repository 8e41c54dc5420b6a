"""The one place in the project that opens a connection, and only when it is called.

`ask` sends one GET and gives the answer's head; `block` reads what comes next of its body. Both know two ways to fail:

- `Broken`: the connection failed or fell silent. The same question may succeed when it is asked again.
- DataError: the server answered, and its answer will not do. Asking again at once will not help.

Redirects are followed at most five times and only to addresses that are as safe: https stays https. Proxies are those
of the environment, as everywhere in Python. It knows nothing of files, sizes or digests.
"""

from __future__ import annotations

import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead, responses
from typing import IO, cast
from urllib.error import HTTPError, URLError

from polyloom_datasets.errors import DataError
from polyloom_datasets.recipe import is_allowed

BLOCK = 64 * 1024  # bytes read at a time
REDIRECTS = 5
RANGE_REFUSED = 416
MOVED = "The file may have moved: update polyloom, or mend the recipe if it is yours"


class Broken(Exception):  # noqa: N818 - a state of the connection, turned into a DataError by whoever gives up
    """The connection failed, ended early or fell silent; the text says how."""


def ask(url: str, start: int, timeout: float) -> HTTPResponse | None:
    """Ask for the bytes of `url` from `start` on; None if the server says that there are none.

    Args:
        url: an address that `is_allowed`.
        start: the first byte that is wanted; the answer's status tells whether the server heeded it.
        timeout: how many seconds the server may be silent, now and at each `block`.

    Raises:
        Broken: no connection, or silence.
        DataError: an error status, or a redirect that is not followed.

    """
    headers = {"User-Agent": "polyloom"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        return cast(HTTPResponse, urllib.request.build_opener(_Redirects).open(request, timeout=timeout))
    except HTTPError as error:
        with error:
            if error.code == RANGE_REFUSED:
                return None
            raise _refused(url, error) from None
    except URLError as error:
        raise Broken(_words(error.reason, timeout)) from error
    except (OSError, HTTPException) as error:
        raise Broken(_words(error, timeout)) from error
    except ValueError:  # brackets that are no IPv6 address, a host that is no name
        raise DataError.at(url, expected="the file", got="a redirect to what is no address", advice=MOVED) from None


def block(response: HTTPResponse, timeout: float) -> bytes:
    """What has come next, at most `BLOCK` bytes; empty at the end.  Raises Broken."""
    try:
        return response.read1(BLOCK)
    except (OSError, HTTPException) as error:
        raise Broken(_words(error, timeout)) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, never from https to anything else."""

    max_redirections = REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The request to go on with; HTTPError where the redirect is not followed."""
        if not is_allowed(newurl) or (req.type == "https" and not newurl.startswith("https:")):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refused(url: str, error: HTTPError) -> DataError:
    """The error for a status that is no success, in our words: those of a server may hold anything."""
    got, advice = f"HTTP {error.code} ({responses.get(error.code, 'unknown')})", MOVED
    if 300 <= error.code < 400:
        expected = f"the file after at most {REDIRECTS} redirects, all to https"
        got = f"HTTP {error.code} to {error.headers.get('Location', 'nowhere')!r}"
        return DataError.at(url, expected=expected, got=got, advice=advice)
    if error.code == 429 or error.code >= 500:
        advice = "The server is in trouble or busy: fetch again later; what has come so far is kept"
    return DataError.at(url, expected="the file", got=got, advice=advice)


def _words(reason: object, timeout: float) -> str:
    """Why a connection failed, in words."""
    if isinstance(reason, TimeoutError):
        return f"silence for {timeout:g} s"
    if isinstance(reason, IncompleteRead):
        return "the end of the connection"
    if isinstance(reason, HTTPException) and not isinstance(reason, OSError):
        return f"what is no HTTP ({type(reason).__name__})"
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__
