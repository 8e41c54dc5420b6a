"""Attention, seen: which head looks where, what follows from it, and what is lost without it.

    view = AttentionView(model, "the cat sat on the mat")
    view.chosen = ["head", 1, 3]              or ["layer", 1], ["all"], ["rollout"]
    view.ablated = [[1, 3]]                   the next-token bars and the loss change; `view.effect` holds the figures
    AttentionView(model, text, second=other)  two texts; AttentionView(model, text, against=other_model) two models

Python holds the shares of every head; the page has a small picture of each, and asks for a head when somebody looks at
it: one byte a cell.  What is chosen, brushed and silenced are traits, so views can be linked and watched.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import traitlets

from polyloom.errors import InputError
from polyloom.model import Prompt
from polyloom_widgets.attention import still
from polyloom_widgets.attention.effect import attribution, effect, lens
from polyloom_widgets.attention.pictures import Key, cells, checked, figures, picture, thumbs
from polyloom_widgets.attention.reading import Reading, read
from polyloom_widgets.base.widget import Widget, refusing

AT_ONCE = 1_000_000  # bytes of pictures that travel unasked
OFFLINE = 3_000_000  # bytes of pictures that an exported page carries
LOOKS = ("matrix", "arcs")
MEASURES = ("pattern", "entropy", "distance", "first token")


class AttentionView(Widget):
    """The attention of `model` while it reads `text`, a str or token ids.

    `second`, another text, or `against`, another model, stands beside it; texts of as many tokens can be subtracted.
    `layers` and `heads` choose what is shown.  `readings` takes bare `Reading`s instead of a model.  Raises InputError
    if something is not what it should be.
    """

    module: ClassVar[Path] = Path(__file__).with_name("attention.js")
    reported: ClassVar[frozenset[str]] = frozenset(
        {"text", "reading", "chosen", "look", "measure", "token", "ablated", "compare"}
    )
    shared: ClassVar[Mapping[str, str]] = {"text": "text", "head": "chosen", "token": "token"}

    text: traitlets.Unicode[str, str | bytes] = traitlets.Unicode("").tag(sync=True)
    readings = traitlets.List[dict[str, Any]]().tag(sync=True)
    figures = traitlets.Bytes(b"").tag(sync=True)
    thumbs = traitlets.Bytes(b"").tag(sync=True)
    stored = traitlets.List[list[Any]]().tag(sync=True)
    stored_p = traitlets.Bytes(b"").tag(sync=True)
    reading = traitlets.Int(0).tag(sync=True)
    chosen: "traitlets.List[Any]" = traitlets.List(["all"]).tag(sync=True)
    look = traitlets.Enum(LOOKS, "matrix").tag(sync=True)
    measure = traitlets.Enum(MEASURES, "pattern").tag(sync=True)
    token = traitlets.Int(-1).tag(sync=True)
    ablated = traitlets.List[Any]().tag(sync=True)
    compare = traitlets.Bool(False).tag(sync=True)
    effect: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    asks = traitlets.Bool(False).tag(sync=True)  # whether there is a model that can be asked and silenced
    error = traitlets.Unicode("").tag(sync=True)
    offline = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        model: Any = None,
        text: Prompt = "",
        *,
        second: Prompt | None = None,
        against: Any = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        readings: Sequence[Reading] = (),
        **traits: Any,
    ) -> None:
        if (model is None) == (not readings):
            raise InputError("Expected a model and a text: AttentionView(model, text). For arrays there is head_view.")
        if second is not None and against is not None:
            raise InputError("Compare two texts or two models, not both at once: give `second` or `against`.")
        self._model, self._prompt = model, text
        self._second, self._against = second, against
        self._limits = (layers, heads)
        found = list(readings) if model is None else self._read()
        self._readings = [one.chosen(layers, heads) for one in found]
        super().__init__()
        try:
            self._publish()
            for name, value in traits.items():
                setattr(self, _known(self, name), value)
        except BaseException:
            self.close()
            raise
        self.observe(self._another_text, "text")
        self.observe(self._heard, ["ablated"])

    # -- what is read ------------------------------------------------------------------------------------------------

    def _read(self) -> list[Reading]:
        """One reading, or the two that are compared."""
        if self._against is not None:
            return [read(self._model, self._prompt, "model"), read(self._against, self._prompt, "against")]
        first = read(self._model, self._prompt, "text")
        return [first] if self._second is None else [first, read(self._model, self._second, "second text")]

    def _publish(self) -> None:
        """Send all that the page draws, but for the heads that it will ask for."""
        readings, model = self._readings, self._model
        text = self._prompt if isinstance(self._prompt, str) else model.vocabulary.decode(model.ids(self._prompt))
        first = readings[0]
        with self.hold_sync():
            self.readings = [_described(one) for one in readings]
            self.figures = b"".join(figures(one).tobytes() for one in readings)
            self.thumbs = b"".join(thumbs(one).tobytes() for one in readings)
            self.asks = hasattr(model, "ablate")
            self.text = text if model is not None else ""
            self.reading = min(self.reading, len(readings) - 1)
            self.token = min(self.token, len(readings[self.reading].queries) - 1)
            try:
                self.chosen = checked(first, list(self.chosen))
            except InputError:
                self.chosen = ["all"]
            self.stored, self.stored_p = self._pictures(AT_ONCE)
            self.effect = effect(model, self._prompt, self._silenced()) if self.asks else {}

    def _pictures(self, room: int) -> tuple[list[list[Any]], bytes]:
        """The pictures that fit into so many bytes: the chosen one, then the means, then head after head."""
        parts: list[bytes] = []
        names: list[list[Any]] = []
        for n, key in self._by_interest():
            one = self._readings[n]
            size = len(one.queries) * len(one.keys)
            if names and size > room:
                break
            room -= size
            names.append([n, *key])
            parts.append(cells(picture(one, key)).tobytes())
        return names, b"".join(parts)

    def _by_interest(self) -> list[tuple[int, Key]]:
        count = range(len(self._readings))
        keys: list[tuple[int, Key]] = [(n, list(self.chosen)) for n in (self.reading, *count)]
        keys += [(n, ["all"]) for n in count]
        keys += [(n, ["rollout"]) for n in count if self._readings[n].itself]
        keys += [(n, ["head", *head]) for n in count for head in self.ablated]
        keys += [
            (n, ["head", a, b]) for n in count for a in self._readings[n].layers for b in range(self._readings[n].heads)
        ]
        keys += [(n, ["layer", a]) for n in count for a in self._readings[n].layers]
        return [(n, list(key)) for n, key in dict.fromkeys((n, tuple(key)) for n, key in keys)]

    # -- what the page and the user set -----------------------------------------------------------------------------

    @traitlets.validate("chosen")
    def _chosen(self, proposal: Any) -> Key:
        with refusing():
            return checked(self._readings[self.reading], proposal["value"])

    @traitlets.validate("reading")
    def _one_of_the_readings(self, proposal: Any) -> int:
        with refusing():
            if not 0 <= proposal["value"] < len(self._readings):
                raise InputError(f"There is no reading {proposal['value']}: they are 0 … {len(self._readings) - 1}.")
        return proposal["value"]

    @traitlets.validate("token")
    def _one_of_the_tokens(self, proposal: Any) -> int:
        count = max(len(one.queries) for one in self._readings)
        with refusing():
            if not -1 <= proposal["value"] < count:
                raise InputError(f"There is no token {proposal['value']}: they are 0 … {count - 1}, or -1 for none.")
        return proposal["value"]

    @traitlets.validate("compare")
    def _comparable(self, proposal: Any) -> bool:
        with refusing():
            if proposal["value"] and not self.comparable:
                raise InputError("Two readings of as many tokens, layers and heads can be compared; these cannot.")
        return proposal["value"]

    @traitlets.validate("ablated")
    def _heads(self, proposal: Any) -> list[list[int]]:
        """Each head once, as [layer, head]."""
        with refusing():
            if proposal["value"] and not hasattr(self._model, "ablate"):
                raise InputError("Heads are silenced in a model, and this view has none.")
            pairs = [checked(self._readings[0], ["head", *_pair(one)])[1:] for one in proposal["value"]]
        return [list(one) for one in dict.fromkeys(map(tuple, pairs))]

    @property
    def comparable(self) -> bool:
        """Whether there are two readings that can be subtracted."""
        return len({one.weights.shape for one in self._readings}) == 1 < len(self._readings)

    def _silenced(self) -> list[tuple[int, int]]:
        return [(layer, head) for layer, head in cast("list[tuple[int, int]]", self.ablated)]

    def _heard(self, change: object) -> None:
        del change
        try:
            self.effect, self.error = effect(self._model, self._prompt, self._silenced()), ""
        except InputError as error:  # a model of another library may have no way to silence a head
            self.error = str(error)

    def _another_text(self, change: Mapping[str, Any]) -> None:
        """Read another text; what cannot be read leaves the picture as it was, and the reason."""
        if self._model is None:
            return
        before = self._prompt
        self._prompt = change["new"]
        try:
            self._readings = [one.chosen(*self._limits) for one in self._read()]
        except InputError as error:
            self._prompt, self.error = before, str(error)
            return
        self.error, self.compare = "", self.compare and self.comparable
        self.unobserve(self._another_text, "text")
        try:
            self._publish()
        finally:
            self.observe(self._another_text, "text")

    # -- what the page asks ------------------------------------------------------------------------------------------

    def _answer_picture(self, question: Mapping[str, Any]) -> dict[str, Any]:
        n = question.get("reading")
        if not isinstance(n, int) or not 0 <= n < len(self._readings):
            raise InputError(f"There is no reading {n!r}.")
        one = self._readings[n]
        key = checked(one, question.get("of"))
        return {"of": [n, *key], "buffers": [cells(picture(one, key)).tobytes()]}

    def _answer_lens(self, question: Mapping[str, Any]) -> dict[str, Any]:
        return lens(self._captured(), _number(question, "position"))

    def _answer_attribution(self, question: Mapping[str, Any]) -> dict[str, Any]:
        return attribution(self._captured(), None, _number(question, "position"))

    def _captured(self) -> Any:
        if self._model is None:
            raise InputError("This view shows arrays: there is no model to ask.")
        return self._model.capture(self._prompt)

    # -- forms -------------------------------------------------------------------------------------------------------

    def _text(self) -> str:
        one = self._readings[self.reading]
        shape = f"{len(one.layers)} layers x {one.heads} heads, {len(one.queries)} x {len(one.keys)} tokens"
        silenced = f", ablated={[tuple(head) for head in self.ablated]}" if self.ablated else ""
        return f"AttentionView({shape}, chosen={list(self.chosen)}{silenced})"

    def _still(self) -> str:
        one = self._readings[self.reading]
        return still.still(one, list(self.chosen), picture(one, list(self.chosen)), dict(self.effect))

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        names = ("text", "readings", "reading", "chosen", "look", "measure", "token", "ablated", "compare", "effect")
        state = {name: getattr(self, name) for name in names}
        stored, pictures = self._pictures(OFFLINE)
        buffers = {"figures": self.figures, "thumbs": self.thumbs, "stored_p": pictures}
        return state | {"stored": stored, "asks": False, "offline": True, "error": ""}, buffers


def _described(one: Reading) -> dict[str, Any]:
    return {
        "name": one.name, "queries": list(one.queries), "keys": list(one.keys), "layers": list(one.layers),
        "heads": one.heads, "itself": one.itself,
    }  # fmt: skip


def _pair(given: object) -> list[Any]:
    pair = list(cast("list[Any]", given)) if isinstance(given, (list, tuple)) else []
    if len(pair) != 2:
        raise InputError(f"Expected heads as [layer, head], got {given!r}.")
    return pair


def _number(question: Mapping[str, Any], name: str) -> int:
    found = question.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise InputError(f"Expected a whole number as {name}, got {found!r}.")
    return found


def _known(view: AttentionView, name: str) -> str:
    if name != "layout" and name not in view.reported:
        raise InputError(f"AttentionView takes no {name!r}; it takes {', '.join(sorted(view.reported))}.")
    return name
