"""A training that can be watched: losses, what the model writes, how the experts share the work, and a button to stop.

    view = TrainingView()
    trained = train(model, texts, training, callbacks=[view], progress=False)

The view is a callback.  It shows itself when the training begins, unless it was shown before; what a notebook keeps of
it is the picture at the end.  It looks on: nothing it does changes a weight, and the same view may watch one training
after the other.

Stop ends the training after the step that is being done, with all that there is, as Ctrl-C does.  A kernel that trains
hears the button only if it takes messages of widgets aside from its cells, as ipykernel 7 and JupyterLab 4.4 do; where
nobody answers, the page says which key does the same.
"""

import math
import time
from pathlib import Path
from typing import Any, ClassVar

import traitlets

from polyloom.errors import InputError
from polyloom.train.history import Progress
from polyloom_widgets.base.widget import Widget
from polyloom_widgets.training.curves import Curve, Marks, packed
from polyloom_widgets.training.showing import Showing
from polyloom_widgets.training.still import still

PAUSE = 0.2  # seconds between two updates of the page, at least
SAMPLES = 12  # texts that are kept: the first, and the newest
KEPT_OFFLINE = ("status", "samples", "load")


class TrainingView(Widget):
    """A callback for `train` that shows the training."""

    module: ClassVar[Path] = Path(__file__).with_name("training.js")

    status: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    curve = traitlets.Bytes(b"").tag(sync=True)
    marks = traitlets.Bytes(b"").tag(sync=True)
    samples = traitlets.List[dict[str, Any]]().tag(sync=True)
    load = traitlets.List[list[float]]().tag(sync=True)
    offline = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._curve, self._marks = Curve(), Marks()
        self._asked, self._sent, self._step = False, 0.0, 0
        self._showing = Showing()
        _heard_aside(self)

    def __call__(self, progress: Progress) -> None:
        """Take note of a step; raises KeyboardInterrupt, which ends the training, if somebody asked to stop."""
        if not isinstance(progress, Progress):  # pyright: ignore[reportUnnecessaryIsInstance] - a border to people
            raise InputError(f"Expected what train tells its callbacks, got {type(progress).__name__}.")
        begins = not progress.stopped and (not self.status or self.status["stopped"] or progress.step <= self._step)
        if begins:
            self._begin()
        self._note(progress)
        if begins or progress.evaluated or progress.stopped or time.monotonic() - self._sent >= PAUSE:
            self._publish(progress)
        if begins and not self._showing:
            self._showing.show(self._forms)
        if progress.stopped:
            self._asked = False
            self._showing.refresh(self._forms)
        elif self._asked:
            raise KeyboardInterrupt

    def stop(self) -> None:
        """Ask the training to end after the step that it is doing."""
        self._asked = True

    def _begin(self) -> None:
        """Forget the training before."""
        self._curve, self._marks = Curve(), Marks()
        self._asked = False
        with self.hold_sync():
            self.samples, self.load = [], []

    def _note(self, progress: Progress) -> None:
        """Keep the figures of a step; the end has none of its own."""
        self._step = progress.step
        if not progress.stopped:
            self._curve.add(progress)
        if progress.evaluated:
            self._marks.add(progress)

    def _publish(self, progress: Progress) -> None:
        """Send what the page draws, all of it at once."""
        self._sent = time.monotonic()
        with self.hold_sync():
            self.status = _status(progress)
            self.curve, self.marks = packed(self._curve.rows()), packed(self._marks.rows())
            if progress.sample is not None:
                text = {"step": progress.step, "text": progress.sample}
                self.samples = [*self.samples[:1], *self.samples[1:][-(SAMPLES - 2) :], text]
            if progress.load is not None:
                self.load = progress.load.round(6).tolist()

    def _answer_stop(self, question: object) -> dict[str, Any]:
        del question
        if self.status and not self.status["stopped"]:
            self.stop()
        return {"heard": True}

    # -- forms -------------------------------------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        self._showing.show(self._forms)

    def _forms(self) -> dict[str, Any]:
        return self._repr_mimebundle_()[0]

    def _text(self) -> str:
        status = self.status
        if not status:
            return "TrainingView(nothing yet)"
        of = f"/{status['steps']}" if status["steps"] else ""
        losses = {"loss": status["loss"], "held_out": status["validation"]}
        shown = "".join(f", {name}={loss:.3f}" for name, loss in losses.items() if loss is not None)
        stopped = f", stopped={status['stopped']!r}" if status["stopped"] else ""
        return f"TrainingView(step={status['step']}{of}{shown}{stopped})"

    def _still(self) -> str:
        return still(self.status, self._curve.rows(), self._marks.rows(), self.samples, self.load)

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        if not self.status:
            raise InputError("There is nothing to export: no training was watched yet.")
        state = {name: getattr(self, name) for name in KEPT_OFFLINE}
        return state | {"offline": True}, {"curve": self.curve, "marks": self.marks}


def _heard_aside(view: TrainingView) -> None:
    """Let what the page says go where the page addresses it, aside from the cells.

    From version 7.4 on, ipykernel takes what is said to a widget back to the shell in which the widget spoke last: here
    the one that trains and cannot listen.  Without this method of a comm it does not; elsewhere nobody asks for it.
    """
    vars(view.comm)["_reply_subshell_for"] = None


def _status(progress: Progress) -> dict[str, Any]:
    """The figures of a moment, for JSON: no NaN, no infinity."""
    names = ("step", "steps", "share", "loss", "validation", "best", "rate", "tokens", "tokens_per_second", "seconds")
    found = {name: getattr(progress, name) for name in (*names, "left", "stopped")}
    return {name: None if isinstance(n, float) and not math.isfinite(n) else n for name, n in found.items()}
