"""A vocabulary inside the file of a memory, so that a memory can be opened without bringing its vocabulary."""

import io
import json

import numpy as np

from polyloom.errors import FileError, PolyloomError
from polyloom.tokens.vocabulary import Vocabulary

KIND, ARRAY = "vocabulary", "vocabulary/"


def written(vocabulary: Vocabulary) -> dict[str, bytes]:
    """Named values that hold a vocabulary: its manifest as JSON, its arrays as `.npy`."""
    manifest, arrays = vocabulary.state()
    found = {KIND: json.dumps(manifest).encode()}
    for name, array in arrays.items():
        held = io.BytesIO()
        np.save(held, array, allow_pickle=False)
        found[ARRAY + name] = held.getvalue()
    return found


def read(values: dict[str, bytes], place: object) -> Vocabulary:
    """The vocabulary that `written` wrote; FileError if it cannot be read."""
    try:
        arrays = {
            name.removeprefix(ARRAY): np.load(io.BytesIO(value), allow_pickle=False)
            for name, value in values.items()
            if name.startswith(ARRAY)
        }
        return Vocabulary.from_state(json.loads(values[KIND]), arrays)
    except (PolyloomError, KeyError, ValueError, OSError, EOFError) as error:
        raise FileError(f"{place} is damaged: its vocabulary cannot be read ({error}). Take it from a copy.") from error
