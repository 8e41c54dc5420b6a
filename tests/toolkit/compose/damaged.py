"""A file of a mix that says something else than it did, as every test of damaged files makes one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from polyloom import FileError, LanguageModel
from polyloom.files import read, write


def refused(model: LanguageModel, place: Path, damage: Mapping[str, Any], said: str) -> None:
    """Loading the model's file, with `damage` in its manifest, or among its arrays if it is one, says `said`."""
    manifest, arrays = read(model.save(place / "mix.psamc"))
    held: dict[str, Any] = {name: value for name, value in damage.items() if isinstance(value, np.ndarray)}
    told = {name: value for name, value in damage.items() if name not in held}
    broken = write(place / "broken.psamc", {**manifest, **told}, {**arrays, **held})
    with pytest.raises(FileError, match=said):
        polyloom.load(broken)
