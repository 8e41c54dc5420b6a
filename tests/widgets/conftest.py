"""A small mix of three voices, woven once; and a page that talks to a desk as a browser would."""

from collections.abc import Iterator

import ipywidgets
import pytest

import polyloom
from polyloom.compose.weave import HeldOut
from polyloom_datasets import load
from polyloom_widgets import Mixer
from widgets.talk import Page

VOICES = ("sea", "kitchen", "lullabies")


@pytest.fixture(scope="session")
def trio() -> tuple[polyloom.Layered, HeldOut]:
    return polyloom.weave({name: load(name) for name in VOICES}, progress=False)


@pytest.fixture
def mix(trio: tuple[polyloom.Layered, HeldOut]) -> polyloom.Layered:
    return trio[0]


@pytest.fixture
def held_out(trio: tuple[polyloom.Layered, HeldOut]) -> HeldOut:
    return trio[1]


@pytest.fixture
def desk(mix: polyloom.Layered, held_out: HeldOut) -> Mixer:
    return Mixer(mix, prompt="At night the", held_out=held_out)


@pytest.fixture
def page(desk: Mixer) -> Page:
    return Page(desk)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No test leaves a widget to the next one."""
    yield
    ipywidgets.Widget.close_all()
