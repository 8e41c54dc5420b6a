"""The web demo on a port of its own, with an empty cache; ended as a person ends it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60  # seconds
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
SERVE = """
import sys

def watch(event, given):  # what this process asks of others is a complaint too
    if event == "socket.connect" and isinstance(given[1], tuple) and given[1][0] not in ("127.0.0.1", "::1"):
        print("asked outside:", given[1], file=sys.stderr)

sys.addaudithook(watch)
from polyloom_demo.app import serve
serve("127.0.0.1", 0, lambda address: print(address, flush=True))
"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Its address.  At the end Ctrl-C must end it without a complaint."""
    folder.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"XDG_CACHE_HOME": str(folder), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    log = folder / "demo.log"
    with (
        log.open("w", encoding="utf-8") as complaints,
        subprocess.Popen([sys.executable, "-c", SERVE], env=env, stdout=subprocess.PIPE, stderr=complaints) as server,
    ):
        assert server.stdout is not None
        try:
            found = ADDRESS.search(server.stdout.readline().decode())
            assert found, log.read_text(encoding="utf-8")
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)
            code = server.wait(PATIENCE)
    assert (code, log.read_text(encoding="utf-8")) == (0, "")
