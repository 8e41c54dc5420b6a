"""What all tests share: the laws of a language model report like tests, and tiny models are built once."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from polyloom import AssociationModel, Layered, WordVocabulary, weave
from polyloom.compose.weave import HeldOut
from polyloom_datasets import load
from polyloom_kernels.mixture import operation

pytest.register_assert_rewrite("contract")

os.environ["OMP_NUM_THREADS"] = "1"  # torch beside other workers: threads that wait for each other are far slower

os.environ["NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING"] = "1"  # see `polyloom_kernels.jit`: tests import numba first

# How fast an example runs is no property of the code.  Where a change is judged, the examples are the same each time.
settings.register_profile("polyloom", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("polyloom")

VOICES = ("sea", "kitchen", "contracts", "lullabies", "field_guide")


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Compiled code is ready before the first test, or a test that asks twice could be answered by two back ends."""
    for back_end in (operation.TEXT, operation.PLACE):
        back_end.wait()


@pytest.fixture(scope="session")
def voices() -> dict[str, tuple[str, ...]]:
    """The documents of the five voices."""
    return {name: load(name).documents for name in VOICES}


@pytest.fixture(scope="session")
def woven(voices: dict[str, tuple[str, ...]]) -> tuple[Layered, HeldOut]:
    """The mix of the README: five voices at equal weights, and the text held out from each."""
    return weave(voices, progress=False)


@pytest.fixture(scope="session")
def words(voices: dict[str, tuple[str, ...]]) -> WordVocabulary:
    """The commoner words of two voices; the rest is `<unk>`."""
    return WordVocabulary.train([*voices["sea"], *voices["lullabies"]], min_count=3)


@pytest.fixture(scope="session")
def sea(voices: dict[str, tuple[str, ...]], words: WordVocabulary) -> AssociationModel:
    """A small model that kept its text."""
    return AssociationModel.fit(voices["sea"][:30], words, order=4, keep_text=True)


@pytest.fixture(scope="session")
def lullabies(voices: dict[str, tuple[str, ...]], words: WordVocabulary) -> AssociationModel:
    """Another one, on the same vocabulary."""
    return AssociationModel.fit(voices["lullabies"][:30], words, order=3, skips=[(2,), (1, 3)])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that the project does not carry; tests of it are skipped where it is absent."""
    folder = Path(os.environ.get("POLYLOOM_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}; POLYLOOM_SHARED names the folder that has them")
    return folder
