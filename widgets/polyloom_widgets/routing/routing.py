"""Routing, seen: who reads which token, how narrowly, what would change it, and what that would cost.

    view = RoutingView(model, text, held_out=texts)      a transformer with mixtures of experts: a table for each
    view = RoutingView(routed, text)                     a `Routed` mix: who speaks before each token
    view = RoutingView(router, "my card is lost")        a `Router`: its features under sliders

    view.moved = [0.0, 0.2, 0.0, 0.0]     the gate chooses as if expert 1 had so much more; `view.cost` is the price
    view.scales = {"card": 0.0}           the router decides as if the word were not there

The page decides anew by itself while a slider moves, since biases and features only add up; costs are Python's to say.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import traitlets

from polyloom.compose.routing.router.router import Router
from polyloom.documents import Documents
from polyloom.errors import InputError
from polyloom.model import Prompt
from polyloom.real import number
from polyloom_widgets.base.widget import Widget, refusing
from polyloom_widgets.routing import still
from polyloom_widgets.routing.choices import Choices, choices
from polyloom_widgets.routing.cost import Judge

FEATURES = 12  # of a router's text that get a slider
KEPT_OFFLINE = ("text", "pieces", "tables", "table", "token", "moved", "cost", "parts", "scales")


class RoutingView(Widget):
    """Who `model` chose while it read `text`.

    `held_out` are documents on which another choice is judged too.  Raises InputError for a model in which nothing
    chooses.
    """

    module: ClassVar[Path] = Path(__file__).with_name("routing.js")
    reported: ClassVar[frozenset[str]] = frozenset({"text", "table", "token", "moved", "scales"})
    shared: ClassVar[Mapping[str, str]] = {"text": "text", "token": "token"}

    text: traitlets.Unicode[str, str | bytes] = traitlets.Unicode("").tag(sync=True)
    pieces = traitlets.List[str]().tag(sync=True)
    tables = traitlets.List[dict[str, Any]]().tag(sync=True)
    scores = traitlets.Bytes(b"").tag(sync=True)
    table = traitlets.Int(0).tag(sync=True)
    token = traitlets.Int(-1).tag(sync=True)
    moved = traitlets.List[float]().tag(sync=True)
    cost: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    parts: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    scales: "traitlets.Dict[str, float]" = traitlets.Dict().tag(sync=True)
    asks = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    offline = traitlets.Bool(False).tag(sync=True)

    def __init__(self, model: Any, text: Prompt = "", *, held_out: Documents | None = None, **traits: Any) -> None:
        self._model, self._held_out = model, held_out
        self._prompt: Prompt = text
        self._judge: Judge | None = None
        pieces, self._tables = choices(model, text)
        super().__init__(**traits)
        self._publish(pieces)
        self.observe(self._another_text, "text")
        self.observe(self._judged, "moved")
        self.observe(self._other_table, "table")

    def _publish(self, pieces: tuple[str, ...]) -> None:
        model, text = self._model, self._prompt
        with self.hold_sync():
            self.pieces, self.tables = list(pieces), [_described(one) for one in self._tables]
            self.scores = b"".join(one.scores.tobytes() for one in self._tables)
            self.table = min(self.table, len(self._tables) - 1)
            self.token, self.moved, self.cost, self.scales = -1, [], {}, {}
            self.text = text if isinstance(text, str) else model.vocabulary.decode(model.ids(text))
            self.parts = _parts(model, self.text) if isinstance(model, Router) else {}
            self.asks = not isinstance(model, Router)
        self._judge = None

    @property
    def shown(self) -> Choices:
        """The table that is shown."""
        return self._tables[self.table]

    def alone(self, expert: int | str) -> dict[str, float]:
        """What it would cost, in nats a token, if one member spoke alone, or one expert read every token."""
        names = self.shown.experts
        at = names.index(expert) if isinstance(expert, str) and expert in names else expert
        if isinstance(at, bool) or not isinstance(at, int):
            raise InputError(f"There is no {expert!r}; there are {', '.join(names)}.")
        return self._judging().alone(self.shown, at)

    def _judging(self) -> Judge:
        """Made when somebody asks: it reads the held-out text."""
        if isinstance(self._model, Router):
            raise InputError(
                "A router alone writes nothing, so nothing can be lost: judge the Routed mix that it serves."
            )
        if self._judge is None:
            self._judge = Judge(self._model, self._model.ids(self._prompt), self._held_out)
        return self._judge

    # -- what is set -------------------------------------------------------------------------------------------------

    @traitlets.validate("table")
    def _a_table(self, proposal: Any) -> int:
        with refusing():
            if not 0 <= proposal["value"] < len(self._tables):
                raise InputError(f"There is no table {proposal['value']}: they are 0 … {len(self._tables) - 1}.")
        return proposal["value"]

    @traitlets.validate("token")
    def _a_token(self, proposal: Any) -> int:
        with refusing():
            if not -1 <= proposal["value"] < len(self._tables[0].scores):
                raise InputError(f"There is no token {proposal['value']}; -1 is none.")
        return proposal["value"]

    @traitlets.validate("moved")
    def _biases(self, proposal: Any) -> list[float]:
        with refusing():
            given, count = proposal["value"], len(self.shown.experts)
            if given and (self.shown.kind != "mixture" or len(given) != count):
                raise InputError(f"Expected {count} numbers for the experts of a mixture, got {len(given)}.")
            if not np.isfinite([number(one) for one in given]).all():
                raise InputError("Biases are finite numbers.")
        return [float(one) for one in given]

    @traitlets.validate("scales")
    def _scaled(self, proposal: Any) -> dict[str, float]:
        with refusing():
            for name, much in proposal["value"].items():
                if name not in self.parts.get("features", {}) or not 0 <= number(much) <= 10:
                    raise InputError(
                        f"Expected a feature of the text and a number from 0 to 10, got {name!r}: {much!r}."
                    )
        return proposal["value"]

    def _judged(self, change: object) -> None:
        del change
        moved = {n: bias for n, bias in enumerate(self.moved) if bias}
        self.cost = self._judging().moved(self.shown, moved) if moved else {}

    def _other_table(self, change: object) -> None:
        del change
        self.moved, self.token = [], min(self.token, len(self.shown.scores) - 1)

    def _another_text(self, change: Mapping[str, Any]) -> None:
        try:
            pieces, self._tables = choices(self._model, change["new"])
        except InputError as error:
            self.error = str(error)
            return
        self._prompt, self.error = change["new"], ""
        self.unobserve(self._another_text, "text")
        try:
            self._publish(pieces)
        finally:
            self.observe(self._another_text, "text")

    def _answer_alone(self, question: Mapping[str, Any]) -> dict[str, Any]:
        found = question.get("expert")
        if not isinstance(found, int):
            raise InputError(f"Expected the number of an expert, got {found!r}.")
        return {"expert": found, "cost": self.alone(found)}

    # -- forms -------------------------------------------------------------------------------------------------------

    def _text(self) -> str:
        one = self.shown
        load = ", ".join(f"{name}={share:.2f}" for name, share in zip(one.experts[:4], one.load, strict=False))
        more = ", …" if len(one.experts) > 4 else ""
        return f"RoutingView({one.name}: {len(one.experts)} experts, {len(self.pieces)} tokens, {load}{more})"

    def _still(self) -> str:
        return still.still(tuple(self.pieces), self.shown)

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        state = {name: getattr(self, name) for name in KEPT_OFFLINE}
        return state | {"asks": False, "offline": True, "error": ""}, {"scores": self.scores}


def _described(one: Choices) -> dict[str, Any]:
    return {
        "kind": one.kind, "name": one.name, "experts": list(one.experts), "active": one.active,
        "bias": [round(float(bias), 6) for bias in one.biases], "threshold": one.threshold, "rows": len(one.scores),
    }  # fmt: skip


def _parts(router: Router, text: str) -> dict[str, Any]:
    """The features that weigh most, what the others add together, and what z none has."""
    found = router.parts(text)
    order = sorted((name for name in found if name), key=lambda name: -float(np.ptp(found[name])))
    rest = np.sum([found[name] for name in ("", *order[FEATURES:])], axis=0)
    return {
        "features": {name: found[name].round(6).tolist() for name in order[:FEATURES]},
        "rest": rest.tolist(), "none": router.calibration.none,
    }  # fmt: skip
