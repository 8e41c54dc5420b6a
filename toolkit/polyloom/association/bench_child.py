"""What is measured in a process of its own: opening a file, and the memory that fitting takes.

    python -m polyloom.association.bench_child open FILE PROMPT
    python -m polyloom.association.bench_child fit TOKENS.npy VOCABULARY-SIZE HOW-MANY MOST-BYTES

Each prints one line of JSON.  Starting Python and importing polyloom comes before the clock.  Peak memory is what Linux
tells of this process alone; `ru_maxrss` would also hold that of the one that started it.  Whoever asks for more than
MOST-BYTES is refused, so that a benchmark cannot take a machine down.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from polyloom.association.bench_text import drawn
from polyloom.association.model import AssociationModel
from polyloom.kinds import load
from polyloom.tokens.word import WordVocabulary

STATUS = Path("/proc/self/status")


def opened(file: str, prompt: str) -> dict[str, float]:
    """Seconds from a path to the ten likeliest tokens."""
    started = time.perf_counter()
    load(file).predict(prompt, 10)
    return {"seconds": time.perf_counter() - started}


def fitted(tokens: str, vocabulary: str, size: str, most: str) -> dict[str, float]:
    """Peak bytes, seconds and counts of a fit whose documents are made as they are asked for."""
    _limit(int(most))
    words = WordVocabulary(f"w{n}" for n in range(int(vocabulary)))
    text = np.load(tokens, mmap_mode="r")
    started = time.perf_counter()
    model = AssociationModel.fit(drawn(text, int(size)), words)
    seconds = time.perf_counter() - started
    return {"bytes": peak(), "seconds": seconds, "entries": model.entries}


def peak() -> int:
    """The most bytes that this process ever had in memory."""
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
    if found is None:
        raise OSError(f"{STATUS} does not say how much memory was used at most.")
    return 1024 * int(found[1])


def _limit(most: int) -> None:
    import resource  # Linux has it

    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    print(json.dumps({"open": opened, "fit": fitted}[name](*words)))
