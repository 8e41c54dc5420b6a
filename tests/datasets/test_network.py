"""One module opens connections, and only when something is fetched."""

import ast
import subprocess
import sys
from pathlib import Path

import polyloom_datasets.connection

ROOT = Path(__file__).parents[2]
NETWORK = {
    *("urllib.request", "http.client", "socket", "ssl", "ftplib", "smtplib", "xmlrpc.client"),
    *("requests", "httpx", "urllib3", "aiohttp", "huggingface_hub"),
}
ALLOWED = {"connection.py": {"urllib.request", "http.client"}, "download.py": {"http.client"}}  # the latter: a type
QUIET = """
import sys
import polyloom_datasets
polyloom_datasets.load("sea"), polyloom_datasets.recipes()
polyloom_datasets.fetched("tinyshakespeare", sys.argv[1])
try:
    polyloom_datasets.fetch("tinyshakespeare", sys.argv[1], offline=True)
except polyloom_datasets.DataError:
    pass
print(*{"socket", "ssl", "http.client", "urllib.request"} & set(sys.modules))
"""


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_other_module_can_reach_the_network() -> None:
    home = Path(polyloom_datasets.connection.__file__).parent
    assert imported(home / "connection.py") & NETWORK == ALLOWED["connection.py"], "else this test proves nothing"
    for role in ("toolkit", "widgets", "cuda_kernels", "datasets"):
        for path in (ROOT / role).rglob("*.py"):
            allowed = ALLOWED.get(path.name, set()) if path.parent == home else set()
            assert imported(path) & NETWORK <= allowed, path


def test_offline_loads_no_part_of_the_network(tmp_path: Path) -> None:
    line = [sys.executable, "-W", "error", "-c", QUIET, str(tmp_path)]
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout == "\n"
