"""JupyterLab on this machine with a notebook, and with nothing of the user's: no settings, no kernels, no home."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60  # seconds
QUIET = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # all cells stand in the page
}
KERNEL = {
    "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python 3",
    "language": "python",
}


@contextmanager
def jupyterlab(notebook: Path, folder: Path) -> Iterator[str]:
    """Serve a copy of the notebook from `folder`; yields the address that opens it."""
    work, settings, kernels = folder / "work", folder / "settings", folder / "data" / "kernels" / "python3"
    for made in (work, settings, kernels):
        made.mkdir(parents=True)
    shutil.copy(notebook, work)
    (settings / "overrides.json").write_text(json.dumps(QUIET))
    (kernels / "kernel.json").write_text(json.dumps(KERNEL))
    port, token = _free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={work}"]
    command += [f"--LabApp.app_settings_dir={settings}", "--LabApp.expose_app_in_browser=True"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    log = folder / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=_environment(folder), cwd=work, stdout=out, stderr=subprocess.STDOUT)
    try:
        _await(f"http://127.0.0.1:{port}/api?token={token}", server, log)
        yield f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(20)


def _environment(folder: Path) -> dict[str, str]:
    """The caller's environment, with everything of Jupyter's and the home below `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    places |= {"IPYTHONDIR": "ipython", "HOME": "home", "XDG_CACHE_HOME": "cache"}
    for name in places.values():
        (folder / name).mkdir(exist_ok=True)
    return kept | {name: str(folder / place) for name, place in places.items()} | {"JUPYTER_PREFER_ENV_PATH": "0"}


def _await(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the server answers; its log if it does not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"JupyterLab does not answer:\n{log.read_text()}")


def _free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
