"""A few sessions to remember, and what a memory counts, for comparing two of them number by number."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polyloom import WordVocabulary
from polyloom.memory import MemoryStore, Settings
from polyloom.memory.selection import AVOID, HEARD, Selection

SAID = (
    ("monday", "travel", "My flight to Oslo is on Friday morning."),
    ("monday", "travel", "Then pack the warm coat, Oslo is cold."),
    ("monday", None, "The cat needs food."),
    ("tuesday", "travel", "Is the flight on time?"),
    ("tuesday", "kitchen", "We have bread and butter, and no milk."),
    ("tuesday", "kitchen", "Buy milk and food for the cat."),
    ("friday", "travel", "The flight to Oslo was late, the coat was warm."),
    ("friday", None, "And the cat? The cat is well."),
)
START, STEP = 1_000_000_000.0, 50_000.0  # seconds; a new time bucket about every second turn
WORDS = WordVocabulary.train([*(text for *_, text in SAID), "Anna says so, and Bob does not."])


def filled(folder: Path, said: Sequence[int] = range(len(SAID)), settings: Settings | None = None) -> MemoryStore:
    """A memory of these turns, each said at its time."""
    memory = MemoryStore(folder, WORDS, settings)
    for n in said:
        session, topic, text = SAID[n]
        memory.remember(text, session, topic, at=START + n * STEP)
    return memory


def held(memory: MemoryStore) -> dict[str, dict[str, Any]]:
    """Every number that a memory has counted, by layer, and in how many turns it finds each word."""
    layers, index = memory._layers, memory._synced()
    found = {str(block): layers.models.of(Selection(HEARD, buckets=block)) for block in layers.blocks()}
    found |= {f"session {name}": memory.layer(session=name) for name in memory.sessions()}
    found |= {f"topic {name}": memory.layer(topic=name) for name in memory.topics()}
    found |= {"all": memory.layer(), "avoid": layers.models.of(Selection(AVOID))}
    words = {word: len(postings.rows) for word, postings in index._postings.items()}
    return {**{name: arrays(model) for name, model in found.items()}, "words": words}


def arrays(model: Any) -> dict[str, np.ndarray]:
    return {} if model is None else model.state()[1]


def same(ours: MemoryStore, theirs: MemoryStore) -> None:
    """Both have counted exactly the same."""
    a, b = held(ours), held(theirs)
    assert list(a) == list(b)
    for name in a:
        assert set(a[name]) == set(b[name]), name
        for part in a[name]:
            np.testing.assert_array_equal(a[name][part], b[name][part], err_msg=f"{name}: {part}")
