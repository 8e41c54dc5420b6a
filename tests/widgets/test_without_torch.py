"""The views come in where torch is not installed; the one that stands on it says what to install."""

import subprocess
import sys

SCRIPT = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())
import polyloom_widgets
import polyloom_widgets.lab
assert polyloom_widgets.Mixer
try:
    polyloom_widgets.ExpertRack
except ImportError as error:
    print(error)
"""


def test_they_come_in_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("polyloom_widgets.ExpertRack needs torch, which is not installed: pip install")
