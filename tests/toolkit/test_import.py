"""`import polyloom` is light: what is heavy or optional comes in when it is used."""

import subprocess
import sys

HEAVY = {
    "torch",
    "tokenizers",
    "transformers",
    "cupy",
    "numba",
    "gradio",
    "jupyter",
    "IPython",
    "ipywidgets",
    "sentencepiece",
    "pydantic",
    "cryptography",
    "resolvelib",
    "zstandard",
    "typer",
    "rich",
}
SCRIPT = """
import sys, time
started = time.perf_counter()
import polyloom
taken = time.perf_counter() - started
print(taken, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_import_pulls_in_nothing_heavy() -> None:
    found = [
        subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
        for _ in range(5)
    ]
    times, loaded = [float(line.split()[0]) for line in found], set(found[0].split()[1:])
    print(f"import polyloom: {min(times):.3f} s, the best of {len(times)}")
    assert {"polyloom", "polyloom_kernels", "numpy"} <= loaded
    assert not HEAVY & loaded


def test_all_that_the_face_names_is_there() -> None:
    import polyloom

    assert all(hasattr(polyloom, name) for name in polyloom.__all__)
    assert sorted(polyloom.__all__) == polyloom.__all__
