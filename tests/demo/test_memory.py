"""What visitors leave behind is freed: by the minute, at once where it is large, and for good."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from demo.conftest import Clock
from polyloom_demo import app
from polyloom_demo.kinds import KINDS, made
from polyloom_demo.library import Library
from polyloom_demo.memory import tidy
from polyloom_demo.visitors import Views


@pytest.fixture(autouse=True)
def _held_back() -> Iterator[None]:
    """Python collects nothing by itself, as when the house is large and a view is small."""
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def lived(library: Library, views: Views, places: int = 1) -> tuple[str, "weakref.ref[object]"]:
    """A view that was let in, and its widget if it is still there."""
    widget = made("mix", 0, library)
    return views.add(widget, places), weakref.ref(widget)


def test_what_was_put_away_is_freed_by_the_minute(library: Library, views: Views, clock: Clock) -> None:
    _, widget = lived(library, views)
    clock.now = 101
    views.sweep()
    tidy(views)
    assert widget() is None


def test_the_demo_does_so_by_itself(
    library: Library, views: Views, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, widget = lived(library, views)
    clock.now = 101
    monkeypatch.setattr(app, "SWEEP", 0.01)

    async def swept() -> None:
        sweeping = asyncio.create_task(app._sweep(views))
        for _ in range(1000):
            if widget() is not None:
                await asyncio.sleep(0.01)
        sweeping.cancel()

    asyncio.run(swept())
    assert widget() is None


def test_the_house_is_told_when_nothing_more_is_to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Library, "_kept", lambda library: library.mix)
    made, told = Library(tmp_path), Event()
    made.begin(told.set)
    assert told.wait(60)
    assert made.state == "ready"
    made.close()


@pytest.mark.long
def test_what_stays_while_nobody_is_here_is_the_house_s(library: Library, views: Views, clock: Clock) -> None:
    assert gc.get_freeze_count() == 0
    name, widget = lived(library, views)
    tidy(views)
    assert gc.get_freeze_count() == 0
    assert views[name].widget is widget()
    clock.now = 101
    views.sweep()
    tidy(views)
    assert gc.get_freeze_count() > 10_000
    _, second = lived(library, views)
    gc.freeze()  # one who came in between the look and the freezing
    clock.now = 202
    views.sweep()
    tidy(views)
    assert second() is None


def test_models_that_nobody_shares_are_freed_at_once(library: Library, views: Views) -> None:
    name, large = lived(library, views, 2)
    _, small = lived(library, views)
    views.add(made("generate", 0, library), instead=name)
    assert large() is None
    assert small() is not None


@pytest.mark.long
def test_a_thousand_views_leave_nothing(woven: Library, views: Views, clock: Clock) -> None:
    kinds = [(kind, number) for kind in ("mix", "generate", "route", "music") for number in range(len(KINDS[kind]))]

    def visited(rounds: int) -> int:
        name = ""
        for turn in range(rounds):
            name = views.add(made(*kinds[turn % len(kinds)], woven), instead=name)
            views[name].state()
        clock.now += 101
        views.sweep()
        tidy(views)
        return len(gc.get_objects())

    before = visited(90)
    assert visited(900) - before < 90
