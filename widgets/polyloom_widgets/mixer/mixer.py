"""The mixing desk: faders over the layers of a mix, and at once what comes next, how good it is, and why.

    desk = Mixer(mix, prompt="At night the", held_out=held_out)

Python owns the state (`steps`, `cursor`, `prompt`, …) and every exact figure; the page draws, and while a finger moves
a fader it computes the same figures itself from float32 arrays, marked ≈.  On release the state comes here, `model`
becomes the mix on the desk, and the exact figures go back, marked =.

`desk.model` is that mix: read it, set it, `desk.observe(f, "model")` it.  See `mixer.js` for the other side.
"""

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import traitlets
from numpy.typing import NDArray

from polyloom.compose.layered import Layered
from polyloom.compose.recipe import members
from polyloom.documents import Documents, Ids
from polyloom.errors import InputError, PolyloomError
from polyloom.model import Floats, LanguageModel
from polyloom.tokens.word import WordVocabulary
from polyloom_widgets.base.widget import Widget, refusing
from polyloom_widgets.mixer import closer, still
from polyloom_widgets.mixer.bars import Bars
from polyloom_widgets.mixer.receipt import receipt
from polyloom_widgets.mixer.recipe import checked_recipe, checked_sampling
from polyloom_widgets.mixer.score import HeldOut
from polyloom_widgets.mixer.step import KEPT, Step, checked, effective, following, plain
from polyloom_widgets.mixer.stream import Stream

WORDS = 40  # tokens that the desk writes at a time
EXPORTED = 40_000  # positions that an exported page holds; with more it says ≈
RECEIPTS = 16  # best tokens of each layer whose receipt an exported page carries

KEPT_OFFLINE = (
    "layers",
    "steps",
    "cursor",
    "pinned",
    "prompt",
    "bars",
    "exact",
    "sampling",
    "presets",
    "recipe",
    "busy",
    "error",
)


class Mixer(Widget):
    """A mix under faders.

    `mix` is a `Layered` (or one model, which gets one fader), `prompt` the text whose next token is shown, `held_out`
    the documents that judge the mix: a mapping by name, as `weave` returns it, gives a score for each name.
    Raises InputError if something is not what it should be.
    """

    module: ClassVar[Path] = Path(__file__).with_name("mixer.js")
    reported: ClassVar[frozenset[str]] = frozenset({"steps", "cursor", "pinned", "prompt", "place", "sampling"})
    shared: ClassVar[Mapping[str, str]] = {"text": "prompt", "model": "model"}

    model = traitlets.Instance(LanguageModel, allow_none=True)

    layers = traitlets.List[dict[str, Any]]().tag(sync=True)
    steps = traitlets.List[Step]().tag(sync=True)
    cursor = traitlets.Int(0).tag(sync=True)
    pinned = traitlets.List[float]().tag(sync=True)
    prompt: traitlets.Unicode[str, str | bytes] = traitlets.Unicode("").tag(sync=True)
    place = traitlets.Int(-1).tag(sync=True)
    sampling: "traitlets.Dict[str, Any]" = traitlets.Dict({"temperature": 0.5, "seed": 1}).tag(sync=True)
    bars: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    bars_p = traitlets.Bytes(b"").tag(sync=True)
    keys_p = traitlets.Bytes(b"").tag(sync=True)  # of music alone
    score: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    score_p = traitlets.Bytes(b"").tag(sync=True)
    score_blocks = traitlets.Bytes(b"").tag(sync=True)
    exact: traitlets.TraitType[Any, Any] = traitlets.Dict(None, allow_none=True).tag(sync=True)
    presets = traitlets.List[dict[str, Any]]().tag(sync=True)
    recipe: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    busy = traitlets.Unicode("").tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    offline = traitlets.Bool(False).tag(sync=True)
    receipts: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)

    def __init__(
        self, mix: LanguageModel | None = None, prompt: str = "", held_out: Documents | None = None, **traits: Any
    ) -> None:
        _check_kinds(mix, prompt)
        super().__init__(**traits)
        self._held_out = held_out
        self._inside = False  # while Python changes the state, its own observers rest
        self._key = 0
        self._bars: Bars | None = None
        self._judge: HeldOut | None = None
        self._stream: Stream | None = None
        with self._own():
            self.prompt = prompt
        try:
            if mix is not None:
                self.model = mix
        except BaseException:
            self.close()  # a desk that could not be laid out leaves nothing behind
            raise

    # -- the mix -------------------------------------------------------------------------------------------------

    @property
    def mix(self) -> Layered:
        """The mix on the desk; InputError if there is none yet."""
        if not isinstance(self.model, Layered):
            raise InputError("There is no mix on the desk yet. Set one: desk.model = mix")
        return self.model

    @traitlets.validate("model")
    def _layered(self, proposal: Any) -> Layered | None:
        """One model alone is a mix of one layer."""
        model, judge = proposal["value"], getattr(self, "_judge", None)
        if model is not None and judge and self.model is not None and model.vocabulary != self.mix.vocabulary:
            raise InputError(
                f"The desk's held-out text is in {self.mix.vocabulary!r}, the new mix speaks {model.vocabulary!r}. "
                f"Make a new desk: Mixer(mix, held_out=held_out)."
            )
        if isinstance(model, Layered) and model.pool != "linear":
            raise InputError(
                f"The desk mixes in a linear pool, this mix is a {model.pool} pool. Put it on the desk as one layer: "
                f"Mixer(Layered(mix, {{}}, name='mix'))."
            )
        return model if model is None or isinstance(model, Layered) else Layered(model, {}, name="model")

    @traitlets.observe("model")
    def _model_changed(self, change: Any) -> None:
        if self._inside or self.model is None:
            return
        old, new = change["old"], self.mix
        weights = list(new.weights.values())
        with self._own():
            if isinstance(old, Layered) and _same_members(old, new):
                self._append(following(self.step, weights))
            else:
                self._open(new, plain(weights))
        self._publish()

    def _open(self, mix: Layered, step: Step) -> None:
        """Lay out the desk for a mix whose layers are new to it."""
        names = list(mix.layers)
        self.layers = [{"name": n, "base": n == "base", "start": w} for n, w in mix.weights.items()]
        self.steps, self.cursor, self.pinned = [step], 0, effective(step)
        alone = [{"name": f"only {name}", "weights": [float(name == other) for other in names]} for name in names]
        self.presets = [
            {"name": "start", "weights": step["weights"]},
            {"name": "all equal", "weights": [1.0] * len(names)},
            *alone,
        ]
        self.recipe = {**members(mix), "max_tokens": WORDS}
        self._judge, self._stream = HeldOut.of(mix, self._held_out), None
        self.place = -1
        self._send_score(self._judge.sample())
        self._ask()

    def _send_score(self, positions: NDArray[np.int64]) -> None:
        judge = self._judge
        assert judge is not None
        self.score_p = judge.chance[:, positions].astype("<f4").tobytes()
        self.score_blocks = judge.blocks[positions].astype("<i4").tobytes()
        count = len(positions)
        self.score = {"slices": judge.sliced(positions), "positions": count, "total": len(judge), "places": len(judge)}

    # -- the place in a text -------------------------------------------------------------------------------------

    @traitlets.validate("place")
    def _known_place(self, proposal: Any) -> int:
        judge: HeldOut | None = getattr(self, "_judge", None)
        places = len(judge) if judge is not None else 0
        return int(proposal["value"]) if -1 <= proposal["value"] < places else -1

    @traitlets.observe("prompt", "place")
    def _place_changed(self, change: Any) -> None:
        if self._inside or self.model is None:
            return
        with self._own():
            if change["name"] == "prompt":
                self.place = -1
            self._ask()
        self._publish()

    def _ask(self) -> None:
        """Ask every layer what comes next, where the desk stands now."""
        self._key += 1
        try:
            tokens, actual = self._here()
            self._bars = Bars.of(self._key, self.mix, tokens, actual)
        except PolyloomError as error:
            self.error = str(error)
            return
        self.error = ""
        self.bars_p, self.bars = b"", {}  # the two belong together: no page may draw one with the other's past
        described, self.bars_p = self._bars.message()
        vocabulary = self.mix.vocabulary
        if self.place == -1 and isinstance(vocabulary, WordVocabulary):
            described["unknown"] = vocabulary.unknown_words(self.prompt)
        self.keys_p = self._bars.keys()
        self.bars = described

    def _here(self) -> tuple[Ids, int | None]:
        if self.place >= 0 and self._judge is not None:
            return self._judge.place(self.place)
        return self.mix.ids(self.prompt), None

    # -- the faders ----------------------------------------------------------------------------------------------

    @traitlets.validate("steps")
    def _whole_steps(self, proposal: Any) -> list[Step]:
        with refusing():
            if self.layers and not proposal["value"]:
                raise InputError("Expected at least one step.")
            return [checked(step, len(self.layers)) for step in proposal["value"]][-KEPT:]

    @traitlets.validate("pinned")
    def _whole_pin(self, proposal: Any) -> list[float]:
        flags = [False] * len(self.layers)
        with refusing():
            return checked({"weights": proposal["value"], "muted": flags, "soloed": flags}, len(flags))["weights"]

    @traitlets.validate("sampling")
    def _known_sampling(self, proposal: Any) -> dict[str, Any]:
        with refusing():
            return checked_sampling(proposal["value"])

    @traitlets.observe("steps", "cursor", "pinned")
    def _faders_changed(self, change: Any) -> None:
        del change
        if not self._inside and self.model is not None:
            self._publish()

    @property
    def step(self) -> Step:
        """Where the faders are: weights, muted, soloed."""
        return self.steps[self._at]

    @property
    def _at(self) -> int:
        """The cursor, wherever it was set to, within the history."""
        return min(max(self.cursor, 0), len(self.steps) - 1)

    @property
    def weights(self) -> dict[str, float]:
        """The weight that sounds of each layer: 0 for one that is muted, or not soloed while another is."""
        return dict(zip(self.mix.layers, effective(self.step), strict=True))

    def undo(self) -> None:
        """Go one step back, if there is one."""
        self.cursor = max(0, self._at - 1)

    def redo(self) -> None:
        """Go one step forward again, if there is one."""
        self.cursor = min(len(self.steps) - 1, self._at + 1)

    def pin(self) -> None:
        """Compare with the present mix from now on."""
        self.pinned = effective(self.step)

    def fit(self) -> None:
        """Set the faders to the weights that make the held-out text likeliest; InputError if there is none."""
        if not self._judge:
            raise InputError("Fitting needs held-out text: Mixer(mix, held_out=held_out).")
        self.model = self.mix.fit_weights(self._judge.documents)

    def to_recipe(self) -> dict[str, Any]:
        """What the desk is set to, for JSON: models by digest, weights, who is muted or soloed, prompt, sampling."""
        names, step = list(self.mix.layers), self.step
        return {
            **self.recipe,
            "weights": dict(zip(names, step["weights"], strict=True)),
            "muted": [name for name, muted in zip(names, step["muted"], strict=True) if muted],
            "soloed": [name for name, soloed in zip(names, step["soloed"], strict=True) if soloed],
            "prompt": self.prompt,
            **self.sampling,
        }

    def restore(self, recipe: Mapping[str, Any]) -> None:
        """Set the desk to a recipe; layers it does not name keep their weight.

        Raises InputError if it is no recipe, or names a layer that is not on the desk or is another model there;
        nothing is changed then.
        """
        step, settings, prompt = checked_recipe(recipe, self.mix, self.step, self.sampling)
        with self._own():
            self.sampling = settings
            self._append(step)
            if prompt is not None and (prompt != self.prompt or self.place != -1):
                self.prompt, self.place = prompt, -1
                self._ask()
        self._publish()

    def _append(self, step: Step) -> None:
        self.steps = [*self.steps[: self._at + 1], step]
        self.cursor = len(self.steps) - 1

    @contextlib.contextmanager
    def _own(self) -> Generator[None]:
        """While Python changes several traits, observers rest; the caller publishes once at the end."""
        outer, self._inside = self._inside, True
        try:
            yield
        finally:
            self._inside = outer

    def _publish(self) -> None:
        """Make the step on the desk the model, and send the exact figures of it."""
        sounding = effective(self.step)
        if self._bars is None or not any(sounding):  # nobody is speaking: the last mix stays, without figures
            self.exact = None
            return
        now, then = _proportions(sounding), _proportions(self.pinned)
        figures = self._judge.figures(now, then) if self._judge else {}
        with self._own():
            if list(self.mix.weights.values()) != sounding:
                self.model = self.mix.with_weights(dict(zip(self.mix.layers, sounding, strict=True)))
            self.exact = {
                "weights": sounding,
                "pinned": self.pinned,
                "key": self._bars.key,
                **NO_SCORE,
                **figures,
                **self._bars.top(now),
            }

    # -- questions of the page -----------------------------------------------------------------------------------

    def _answer_receipt(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if self._bars is None or question.get("key") != self._bars.key:
            raise InputError("The text has changed since; click the word again.")
        token = question.get("token")
        if not isinstance(token, int) or isinstance(token, bool):
            raise InputError(f"Expected the id of a token, got {token!r}.")
        return receipt(self._bars.place, self.mix.token_id(token), self._bars.key)

    def _answer_generate(self, question: Mapping[str, Any]) -> dict[str, Any]:
        del question
        return closer.written(self.mix, self.mix, self._here()[0], self.sampling, WORDS)

    def _answer_play(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if not any(effective(self.step)):
            raise InputError("Nobody is speaking. Raise a fader, or unmute a layer.")
        if self._stream is None or question.get("begin"):
            self._stream = Stream(self.mix, self._here()[0])
        return self._stream.more(self.mix, self.sampling)

    def _answer_credit(self, question: Mapping[str, Any]) -> dict[str, Any]:
        del question
        return closer.credit(self.mix, self._judge.documents if self._judge else ())

    def _answer_likeness(self, question: Mapping[str, Any]) -> dict[str, Any]:
        del question
        return closer.likeness(self.mix, self._judge.documents if self._judge else ())

    def _answer_reach(self, question: Mapping[str, Any]) -> dict[str, Any]:
        return closer.reach(self.mix, self._here()[0], question)

    def _answer_lanes(self, question: Mapping[str, Any]) -> dict[str, Any]:
        return closer.lanes(self.mix, self._here()[0], question, self.sampling, WORDS)

    def _answer_fit(self, question: Mapping[str, Any]) -> dict[str, Any]:
        del question
        self.busy = "Finding the weights that make the held-out text likeliest"
        try:
            self.fit()
        finally:
            self.busy = ""
        return {}

    # -- other forms ---------------------------------------------------------------------------------------------

    def _text(self) -> str:
        if self.model is None:
            return "Mixer(empty)"
        weights = ", ".join(
            f"{name}={weight:.2f}" if weight < 1e6 else f"{name}={weight:g}" for name, weight in self.weights.items()
        )
        score = f", perplexity={self.exact['perplexity']:.1f}" if self.exact and self._judge else ""
        return f"Mixer({weights}, prompt={self.prompt!r}{score})"

    def _still(self) -> str:
        if self.model is None or self._bars is None:
            return "<div>No layers yet: <code>Mixer(mix, held_out=held_out)</code></div>"
        bars: list[dict[str, Any]] = self.exact["bars"] if self.exact else []
        words = [self.mix.vocabulary.display(bar["token"]) for bar in bars]
        score = f"perplexity = {self.exact['perplexity']:.1f}" if self.exact and self._judge else ""
        return still.still(self.layers, effective(self.step), bars, words, self.bars["before"], score)

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        judge, bars = self._judge, self._bars
        if judge is None or bars is None:
            raise InputError("There is nothing to export: the desk has no mix yet.")
        positions = judge.sample(EXPORTED)
        score = {"slices": judge.sliced(positions), "positions": len(positions), "total": len(judge), "places": 0}
        best = np.unique(np.argsort(-bars.chance, axis=1, kind="stable")[:, :RECEIPTS]).tolist()
        carried = {str(token): receipt(bars.place, token, bars.key) for token in best}
        state = {name: getattr(self, name) for name in KEPT_OFFLINE}
        state |= {"place": -1, "offline": True, "score": score, "receipts": carried}
        arrays = {
            "bars_p": self.bars_p,
            "keys_p": self.keys_p,
            "score_p": judge.chance[:, positions].astype("<f4").tobytes(),
        }
        return state, arrays | {"score_blocks": judge.blocks[positions].astype("<i4").tobytes()}


NO_SCORE: dict[str, Any] = {"perplexity": 0.0, "pinned_perplexity": 0.0, "change": 0.0, "half": 0.0, "slices": []}


def _check_kinds(mix: object, prompt: object) -> None:
    kind = type(mix).__name__
    if mix is not None and not isinstance(mix, LanguageModel):
        advice = "weave gives two things" if isinstance(mix, tuple) else "Weave texts into one first"
        raise InputError(f"Expected a mix or a model, got {kind}. {advice}: mix, held_out = polyloom.weave(voices)")
    if not isinstance(prompt, str):
        raise InputError(f"Expected the prompt as text, got {type(prompt).__name__}.")


def _proportions(weights: list[float]) -> Floats:
    given = np.array(weights, np.float64)
    if not given.any():
        return np.full(len(given), 1 / len(given))
    given = given / given.max()  # first, since the sum of very large ones would not be finite
    return given / given.sum()


def _same_members(old: Layered, new: Layered) -> bool:
    """Whether the same models stand under the same names, so that only the faders move."""
    ours, theirs = old.models, new.models
    return list(ours) == list(theirs) and all(ours[name] is theirs[name] for name in ours)
