"""The models of the demo, woven once; views, and a client that asks as a page does."""

from collections.abc import Iterator

import ipywidgets
import pytest

from polyloom_demo.library import Library
from polyloom_demo.visitors import Views


class Clock:
    """A clock that goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def woven(library: Library) -> Library:
    """The same, with what is woven by and by."""
    library.weave()
    return library


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def views(clock: Clock) -> Iterator[Views]:
    made = Views(most=4, idle=100, fresh=10, clock=clock)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No test leaves a widget to the next one."""
    yield
    ipywidgets.Widget.close_all()
