"""`polyloom bench demo`: how long visitors wait, and whether memory stays, with fifty of them on one machine.

Each visitor opens the page and a view, moves a fader (or asks, or writes) every two seconds or so, and after a while
takes the next example.  They and the server share the machine over its loopback, so what is measured is waiting under
load, not the network.  Memory is compared between the second quarter, when everything has been used once, and the last.
"""

import contextlib
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polyloom.cli.rows import Row

VISITORS, SECONDS = 50, 300.0
PACE = (1.0, 3.0)  # seconds between two actions of a visitor
STAYS = 8  # actions on one view
LEARNED = 300.0  # seconds that the transformer may take before the visitors come
KINDS = ("mix", "mix", "mix", "generate", "route", "attend", "compose", "music")
EXAMPLES = 2  # of each kind, in turn
PATHS = {"/": "page", "/polyloom/open": "open", "/polyloom/say": "say"}
ADDRESS = re.compile(r"http://([\d.]+):(\d+)")
SERVE = "from polyloom_demo.app import serve; serve('127.0.0.1', 0, lambda address: print(address, flush=True))"


def rows(shared: Path | None = None) -> Iterator[Row]:
    """The rows of the demo; they need no data from outside."""
    del shared
    with served() as server:
        server.ready()
        load = visited(server, VISITORS, SECONDS)
    told = f"{VISITORS} visitors, {SECONDS:g} s"
    count = len(load.failures)
    growth, reason = load.growth()
    yield Row(group="demo", name=f"wait, p50 ({told})", value=load.percentile(50), unit="ms")
    yield Row(group="demo", name=f"wait, p95 ({told})", value=load.percentile(95), unit="ms", bar="value <= 500")
    for path, name in PATHS.items():
        yield Row(group="demo", name=f"wait, p95 of {name} ({told})", value=load.percentile(95, path), unit="ms")
    asked = sum(map(len, load.waits.values()))
    yield Row(group="demo", name=f"failed of {asked} requests ({told})", value=count, unit="", bar="value <= 0")
    yield Row(group="demo", name=f"memory gained ({told})", value=growth, unit="%", bar="value <= 5", reason=reason)


@dataclass(frozen=True)
class Server:
    """A demo in a process of its own."""

    host: str
    port: int
    process: int

    def client(self) -> contextlib.closing[http.client.HTTPConnection]:
        """A connection to it."""
        return contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=60))

    def ready(self) -> None:
        """Wait until all is woven and learned, as it is on any but the first day."""
        end = time.monotonic() + LEARNED
        with self.client() as client:
            while time.monotonic() < end:
                client.request("GET", "/health")
                if json.loads(client.getresponse().read())["transformer"] == "ready":
                    return
                time.sleep(1)
        raise RuntimeError("the transformer of the demo was not ready in time")

    def memory(self) -> float | None:
        """Its resident memory in MB, where the system tells it as Linux does."""
        try:
            pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        except OSError:
            return None
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def served() -> Generator[Server]:
    """A demo on a free port, with an empty cache; ended as a person ends it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", SERVE], env=os.environ | {"XDG_CACHE_HOME": folder}, stdout=subprocess.PIPE
        ) as process,
    ):
        try:
            found = ADDRESS.search(process.stdout.readline().decode() if process.stdout else "")
            if found is None:
                raise RuntimeError("the demo did not say where it is")
            yield Server(found[1], int(found[2]), process.pid)
        finally:
            process.send_signal(signal.SIGINT)


@dataclass
class Load:
    """What visitors saw: how long each request took, what failed, and the server's memory meanwhile."""

    waits: dict[str, list[float]] = field(default_factory=lambda: {path: [] for path in PATHS})  # seconds
    failures: list[str] = field(default_factory=list[str])
    memory: list[float | None] = field(default_factory=list[float | None])  # MB, at even distances

    def percentile(self, which: float, path: str | None = None) -> float:
        """Of the waits, of one path or of all, in ms."""
        waits = self.waits[path] if path else [wait for some in self.waits.values() for wait in some]
        return 1000 * float(np.percentile(waits, which))

    def growth(self) -> tuple[float | None, str | None]:
        """Percent of memory gained from the second quarter to the last, or why that is not known."""
        found = [value for value in self.memory if value is not None]
        quarter = len(found) // 4
        if not quarter:
            return None, "this system does not tell the memory of a process, or the time was too short"
        return 100 * float(np.mean(found[-quarter:]) / np.mean(found[quarter : 2 * quarter]) - 1), None


def visited(server: Server, visitors: int, seconds: float) -> Load:
    """Let so many visitors use the demo for so long."""
    load, end = Load(), time.monotonic() + seconds
    threads = [threading.Thread(target=_visitor, args=(server, number, end, load)) for number in range(visitors)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        time.sleep(seconds / 40)
        load.memory.append(server.memory())
    for thread in threads:
        thread.join()
    return load


def _visitor(server: Server, number: int, end: float, load: Load) -> None:
    dice = random.Random(number)
    time.sleep(dice.uniform(0, min(2 * PACE[1], (end - time.monotonic()) / 2)))
    with server.client() as client:
        _asked(client, load, "GET", "/", None)
        instead, turn = "", 0
        while time.monotonic() < end:
            kind = KINDS[(number + turn) % len(KINDS)]
            asked = {"kind": kind, "example": turn % EXAMPLES, "instead": instead}
            opened = _asked(client, load, "POST", "/polyloom/open", asked)
            turn, instead = turn + 1, opened.get("view", "")
            for _ in range(STAYS):
                time.sleep(dice.uniform(*PACE))
                if time.monotonic() >= end or not instead:
                    break
                said = {"view": instead, "messages": [_action(kind, opened, dice)]}
                _asked(client, load, "POST", "/polyloom/say", said)


def _action(kind: str, opened: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """What a hand does on such a view."""
    if kind in ("mix", "compose"):
        count = len(opened["state"]["layers"])
        flags = [False] * count
        step = {"weights": [round(dice.uniform(0, 2), 2) for _ in range(count)], "muted": flags, "soloed": flags}
        return {"method": "update", "state": {"steps": [*opened["state"]["steps"], step], "cursor": 1}}
    if kind == "generate":
        return {"method": "custom", "content": {"op": "write", "id": 1}}
    if kind == "music":  # the desk is played, the roll asked
        asked = {"op": "play"} if opened["module"] == "mixer" else {"op": "reason", "step": dice.randrange(100)}
        return {"method": "custom", "content": {**asked, "id": 1}}
    if kind == "attend":
        return {"method": "update", "state": {"chosen": ["head", dice.randrange(4), dice.randrange(4)]}}
    return {"method": "update", "state": {"token": dice.randrange(-1, min(5, len(opened["state"]["pieces"])))}}


def _asked(client: http.client.HTTPConnection, load: Load, method: str, path: str, content: object) -> dict[str, Any]:
    """The answer to one request, timed; one that failed is told in `load` and empty."""
    started = time.perf_counter()
    try:
        client.request(method, path, json.dumps(content), {"Content-Type": "application/json"})
        answer = client.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        load.failures.append(f"{path}: {error!r}")
        client.close()
        return {}
    load.waits[path].append(time.perf_counter() - started)
    if answer.status != 200:
        load.failures.append(f"{path}: {answer.status} {body[:200]!r}")
        return {}
    return json.loads(body) if method == "POST" else {}
