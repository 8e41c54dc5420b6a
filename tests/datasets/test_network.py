"""Two modules open connections, for texts and for experts, and only when something is fetched."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NETWORK = {
    *("urllib.request", "http.client", "socket", "ssl", "ftplib", "smtplib", "xmlrpc.client"),
    *("requests", "httpx", "urllib3", "aiohttp", "huggingface_hub"),
}
ALLOWED = {
    "datasets/polyloom_datasets/connection.py": {"urllib.request", "http.client"},
    "datasets/polyloom_datasets/download.py": {"http.client"},  # a type
    "toolkit/polyloom/experts/fetch.py": {"urllib.request"},
    "widgets/polyloom_demo/app.py": {"socket"},  # on which it waits for visitors
    "widgets/polyloom_demo/bench.py": {"http.client"},  # to the server that it has started on this machine
}
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
    for name, allowed in ALLOWED.items():
        assert imported(ROOT / name) & NETWORK == allowed, "else this test proves nothing"
    for role in ("toolkit", "widgets", "cuda_kernels", "datasets"):
        for path in (ROOT / role).rglob("*.py"):
            assert imported(path) & NETWORK <= ALLOWED.get(path.relative_to(ROOT).as_posix(), set()), path


def test_offline_loads_no_part_of_the_network(tmp_path: Path) -> None:
    line = [sys.executable, "-W", "error", "-c", QUIET, str(tmp_path)]
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout == "\n"
