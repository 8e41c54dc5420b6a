"""The view of a training: what it keeps, what it sends, how it stops one, and its other forms."""

import gc
import math
import struct
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyloom import ByteVocabulary, InputError
from polyloom.train.loop import train
from polyloom.train.settings import Training
from polyloom.transformer.config import TransformerConfig
from polyloom_widgets.training import curves
from polyloom_widgets.training.curves import Curve, Marks, busiest
from polyloom_widgets.training.still import ticks
from polyloom_widgets.training.training import SAMPLES, TrainingView
from widgets.talk import Page
from widgets.test_widget import HTML, TEXT, VIEW, Seen
from widgets.training_run import events, loss, watched

TAGS = {"div", "b", "svg", "line", "text", "polyline", "table", "caption", "tr", "th", "td", "q"}


@pytest.fixture
def view() -> TrainingView:
    return TrainingView()


def rows(data: bytes, columns: int) -> np.ndarray:
    return np.array(struct.unpack(f"<{len(data) // 4}f", data)).reshape(-1, columns)


def test_it_shows_every_step_and_evaluation(view: TrainingView) -> None:
    watched(view)
    curve, marks = rows(view.curve, 4), rows(view.marks, 3)
    assert curve[:, 0].tolist() == list(range(1, 61))
    assert curve[:, 1] == pytest.approx([loss(step) for step in range(1, 61)], rel=1e-6)
    assert curve[:3, 2:].tolist() == [[pytest.approx(step / 10), 9000] for step in (1, 2, 3)]
    assert marks[:, 0].tolist() == [10, 20, 30, 40, 50, 60]
    assert marks[-1, 1] == pytest.approx(loss(60) + 0.2, rel=1e-6)
    assert np.isnan(marks[:, 2]).all()
    assert view.status["stopped"] == "steps"
    assert [sample["step"] for sample in view.samples] == [10, 20, 30, 40, 50, 60]


def test_the_curve_stays_small_and_keeps_its_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "POINTS", 8)
    curve, values = Curve(), np.random.default_rng(1).uniform(1, 9, 75)
    (event, *_) = events(1)
    for step, value in enumerate(values, 1):
        curve.add(replace(event, step=step, loss=float(value)))
        found = curve.rows()
        assert len(found) <= 8
        assert found[-1, 0] == step
    ends = found[:, 0].astype(int)
    starts = [0, *ends[:-1]]
    means = [values[a:b].mean() for a, b in zip(starts, ends, strict=True)]
    assert found[:, 1] == pytest.approx(means)
    assert len(set(np.diff(ends[:-1]))) == 1, "all stretches but the last are equally long"


def test_only_the_newest_evaluations_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "POINTS", 4)
    marks = Marks()
    for event in events(60):
        if event.evaluated:
            marks.add(event)
    assert marks.rows()[:, 0].tolist() == [30, 40, 50, 60]


def test_how_busy_the_busiest_expert_is() -> None:
    assert busiest(np.array([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0.0, 0.0]])) == pytest.approx((1 + 2) / 2)
    assert math.isnan(busiest(None))


def test_the_load_travels_with_the_evaluation(view: TrainingView) -> None:
    watched(view, experts=4)
    assert np.array(view.load).shape == (3, 4)
    assert np.array(view.load).sum(1) == pytest.approx(1, abs=1e-5)
    assert rows(view.marks, 3)[-1, 2] == pytest.approx(busiest(np.array(view.load)), abs=1e-4)


def test_the_first_text_and_the_newest_are_kept(view: TrainingView) -> None:
    watched(view, steps=300)
    assert len(view.samples) == SAMPLES
    assert [sample["step"] for sample in view.samples] == [10, *range(200, 301, 10)]


def test_updates_come_together_and_not_for_every_step(view: TrainingView, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(view)  # type: ignore[arg-type]
    clock = iter(range(10_000))
    monkeypatch.setattr("polyloom_widgets.training.training.time.monotonic", lambda: next(clock) / 1000)
    watched(view, steps=60, every=30)
    updates = [data for data in page.sent if data["method"] == "update" and "status" in data["state"]]
    assert [update["state"]["status"]["step"] for update in updates] == [1, 30, 60, 60]
    assert [["curve"] in update["buffer_paths"] for update in updates] == [True, True, True, False]


def test_a_second_training_begins_anew(view: TrainingView) -> None:
    watched(view, experts=4)
    watched(view, steps=20)
    assert rows(view.curve, 4)[:, 0].tolist() == list(range(1, 21))
    assert view.load == []
    watched(view, until=5)  # one that broke off without a word
    watched(view, steps=20)
    assert rows(view.curve, 4)[:, 0].tolist() == list(range(1, 21))


def test_stop_ends_after_the_step(view: TrainingView) -> None:
    page, told = Page(view), iter(events())  # type: ignore[arg-type]
    view(next(told))
    assert page.ask({"op": "stop", "id": "stop"}) == {"op": "stop", "id": "stop", "heard": True}
    with pytest.raises(KeyboardInterrupt):
        view(next(told))
    view(replace(next(told), stopped="interrupted"))
    assert view.status["stopped"] == "interrupted"
    watched(view, steps=20)  # and the next one is not stopped
    assert view.status["stopped"] == "steps"


def test_a_late_stop_stops_nothing(view: TrainingView) -> None:
    watched(view)
    page = Page(view)  # type: ignore[arg-type]
    assert page.ask({"op": "stop", "id": "stop"})["heard"]
    watched(view)
    assert view.status["stopped"] == "steps"


def test_the_page_may_set_nothing(view: TrainingView) -> None:
    watched(view)
    page = Page(view)  # type: ignore[arg-type]
    (said,) = page.report(status={}, samples=[])
    assert said == "The page may not set samples, status."
    assert view.status["step"] == 60


def test_what_is_no_progress_is_refused(view: TrainingView) -> None:
    with pytest.raises(InputError, match="Expected what train tells its callbacks, got str"):
        view("step 1")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="TrainingView takes no 'models'"):
        TrainingView(models=3)


def test_infinity_is_nothing_that_json_could_hold(view: TrainingView) -> None:
    (event, *_) = events(1)
    view(replace(event, loss=math.inf, left=math.nan))
    assert (view.status["loss"], view.status["left"]) == (None, None)
    assert view._still()


def test_names_and_forms_are_stable() -> None:
    assert repr(TrainingView()) == "TrainingView(nothing yet)"
    one, other = TrainingView(), TrainingView()
    for view in (one, other):
        watched(view, experts=4)
    expected = f"TrainingView(step=60/60, loss={loss(60):.3f}, held_out={loss(60) + 0.2:.3f}, stopped='steps')"
    assert repr(one) == expected
    forms = [view._repr_mimebundle_()[0] for view in (one, other)]
    assert set(forms[0]) == {VIEW, HTML, TEXT}
    assert (forms[0][HTML], forms[0][TEXT]) == (forms[1][HTML], forms[1][TEXT])


def test_the_still_form_has_the_curves_and_no_script(view: TrainingView) -> None:
    watched(view, experts=4, sample="<script>alert(1)</script> & 🌊")
    seen = Seen(view._still())
    assert set(seen.tags) <= TAGS
    assert seen.tags.count("polyline") == 2
    assert seen.tags.count("td") == 12
    assert seen.attributes.isdisjoint({"onload", "href", "src", "id"})
    for text in ("Step 60 of 60: all steps done", "perplexity", "<script>alert(1)</script> & 🌊 60", "30,720 tokens"):
        assert text in seen.text


def test_a_still_form_of_nothing_and_of_very_much(view: TrainingView) -> None:
    assert "No training yet" in view._still()
    watched(view, steps=5000, every=10)
    assert len(view._still()) < 40_000


@pytest.mark.parametrize(("low", "high"), [(2.4, 2.6), (1.0, 9.0), (0.01, 8.0), (5.0, 5.0001), (1e-9, 1e9)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 6
    assert found == sorted(found)
    assert all(low * 0.99 <= tick <= high * 1.01 for tick in found)


def test_a_page_of_it_is_small_and_whole(view: TrainingView, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        view.to_html(tmp_path / "view.html")
    watched(view, steps=5000)
    assert view.to_html(tmp_path / "view.html").stat().st_size < 120_000


@pytest.mark.long
def test_a_hundred_views_leave_nothing_alive() -> None:
    alive: list[weakref.ref[TrainingView]] = []
    for _ in range(100):
        view = TrainingView()
        watched(view, until=3)
        view.close()
        alive.append(weakref.ref(view))
    del view
    gc.collect()
    assert [one for one in alive if one() is not None] == []


def test_it_watches_a_real_training_and_stops_it(view: TrainingView) -> None:
    torch.set_num_threads(1)
    config = TransformerConfig(257, width=16, layers=1, context=16)
    texts = ["the sea and the moon and the tide " * 3] * 8
    settings = Training(steps=40, batch=2, evaluate_every=4, sample_tokens=3)

    def stop(progress: Any) -> None:
        if progress.step == 9:
            view.stop()

    found = train(
        config, texts, settings, vocabulary=ByteVocabulary(), callbacks=[stop, view], progress=False, held_out=texts[:1]
    )
    assert (found.stopped, len(found.history.steps)) == ("interrupted", 9)
    assert rows(view.curve, 4)[:, 1] == pytest.approx(found.history.column("loss"), rel=1e-6)
    assert rows(view.marks, 3)[:, 1] == pytest.approx(found.history.validation()[1], rel=1e-6)
    assert len(view.samples) == 2
