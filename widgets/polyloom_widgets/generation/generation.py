"""Writing, seen: a text as it grows, what else could have come at each step, and other ways it could have gone.

    view = GenerationView(mix, "At night the", mixes={"law up": mix.with_weights(law=3)})
    view.write()                        token by token; Ctrl-C, or Stop on the page, leaves what is there
    view.fork(5, "moon")                the first five steps, then another token
    view.fork(5, mix="law up")          the same place under another mix
    view.generation                     the text that is shown, as `model.generate` returns it
    view.model = other_mix              texts that are begun from now on are written by it; a linked desk sets it

On the page every token is a button.  The page asks for the next few tokens until the text is done; to stop is not to
ask, so nothing runs on behind it, and a kernel stays free between two questions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import traitlets

from polyloom.compose.layered import Layered
from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Generation
from polyloom.model import LanguageModel
from polyloom_widgets.base.widget import Widget, refusing
from polyloom_widgets.generation import still
from polyloom_widgets.generation.leaves import Leaf, begun, described, forked, grown

CHUNK = 4  # tokens that are written before the page hears of them
LEAVES = 64
TOKENS = 8_000  # of all texts, before another one is begun: all of them travel with each answer
LONGEST = 2_000  # tokens of a text that a page may ask for
OWN = "the mix"  # what the model that was given is called
SETTINGS = ("temperature", "seed", "max_tokens", "top_p")
KEPT_OFFLINE = ("prompt", "leaves", "leaf", "other", "step", "voices", "mixes", "sampling", "recipes")


class GenerationView(Widget):
    """A text that `model` writes after `prompt`, and its forks.

    `mixes` are other models of the same vocabulary by name, under which a text can be forked; a `Generation` may be
    given instead of a model.  Raises InputError if something is not what it should be.
    """

    module: ClassVar[Path] = Path(__file__).with_name("generation.js")
    reported: ClassVar[frozenset[str]] = frozenset({"prompt", "leaf", "other", "step", "sampling"})
    shared: ClassVar[Mapping[str, str]] = {"text": "prompt", "model": "model"}

    model = traitlets.Instance(LanguageModel)

    prompt: traitlets.Unicode[str, str | bytes] = traitlets.Unicode("").tag(sync=True)
    leaves = traitlets.List[dict[str, Any]]().tag(sync=True)
    leaf = traitlets.Int(0).tag(sync=True)
    other = traitlets.Int(-1).tag(sync=True)  # the leaf that is compared with, -1 for none
    step = traitlets.Int(0).tag(sync=True)
    voices = traitlets.List[str]().tag(sync=True)
    mixes = traitlets.List[str]().tag(sync=True)
    sampling: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    recipes = traitlets.List[Any]().tag(sync=True)
    offline = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        model: LanguageModel | Generation | None = None,
        prompt: str = "",
        sampling: Sampling | None = None,
        *,
        mixes: Mapping[str, LanguageModel] | None = None,
        **traits: Any,
    ) -> None:
        if settings := [name for name in traits if name in SETTINGS]:
            raise InputError(f"Settings go together: GenerationView(model, prompt, Sampling({settings[0]}=…)).")
        given = model if isinstance(model, Generation) else None
        speaker = given.scrub(0).model if given else model
        if not isinstance(speaker, LanguageModel):
            raise InputError(f"Expected a model, or a text that one wrote, got {type(model).__name__}.")
        self._models: dict[str, LanguageModel] = {OWN: speaker, **_checked_names(speaker, mixes or {})}
        self._leaves: list[Leaf] = []
        settings = given.sampling if given else Sampling.settled(sampling or Sampling(temperature=0.8, seed=1))
        super().__init__(**traits)
        with self.hold_sync():
            self.mixes, self.voices = list(self._models), _voices(self._models.values())
            self.model = speaker
            self._rest = settings
            self.sampling = {name: getattr(settings, name) for name in SETTINGS}
            self.prompt = given.prompt if given else prompt
            if given:
                self._leaves.append(Leaf(given, OWN, stopped=True))
                self._show(0)

    # -- what is written ---------------------------------------------------------------------------------------------

    @property
    def generation(self) -> Generation:
        """The text that is shown; InputError if none was written yet."""
        return self._numbered(self.leaf).generation

    @property
    def settings(self) -> Sampling:
        """How the next text is drawn."""
        return replace(self._rest, **self.sampling)

    def write(self) -> Generation:
        """Write a text after the prompt, shown as it grows.  Ctrl-C ends it and leaves what is there."""
        self._begin()
        return self._to_the_end()

    def fork(self, step: int, token: str | int | None = None, *, mix: str | None = None) -> Generation:
        """Write the shown text again from `step` on, with `token` there or under another mix."""
        self._fork(self.leaf, step, token, mix)
        return self._to_the_end()

    def _to_the_end(self) -> Generation:
        while self._more(self.leaf):
            pass
        return self.generation

    def _begin(self) -> None:
        self._add(begun(self._models[OWN], OWN, self.prompt, self.settings))

    def _fork(self, number: int, step: int, token: str | int | None, mix: str | None) -> None:
        leaf = self._numbered(number)
        name = leaf.mix if mix is None else mix
        if name not in self._models:
            raise InputError(f"There is no mix {name!r}; there are {', '.join(self._models)}.")
        model = None if mix is None else self._models[name]
        self._add(forked(leaf, number, step, token, name, model, self.settings))
        self.other = number

    def _add(self, leaf: Leaf) -> None:
        if len(self._leaves) >= LEAVES:
            raise InputError(f"A view holds {LEAVES} texts. Make a new one: GenerationView(model, prompt).")
        if (held := sum(len(one.generation.steps) for one in self._leaves)) >= TOKENS:
            raise InputError(
                f"The texts of this view have {held:,} tokens, and from {TOKENS:,} on no other is begun. "
                "Make a new one: GenerationView(model, prompt)."
            )
        self._leaves.append(leaf)
        self._show(len(self._leaves) - 1)

    def _more(self, number: int) -> bool:
        """Write a few tokens more of a leaf; whether it goes on."""
        leaf = self._numbered(number)
        if not leaf.done:
            self._leaves[number] = grown(leaf, CHUNK)
            self._show(number)
        return not self._leaves[number].done

    def _show(self, number: int) -> None:
        """Send a leaf, and look at its end."""
        said = (name for step in self._leaves[number].generation.steps for name in step.shares)
        voices = list(dict.fromkeys([*self.voices, *said]))
        one = described(self._leaves[number], voices)
        with self.hold_sync():
            self.voices = voices
            self.leaves = [*self.leaves[:number], one, *self.leaves[number + 1 :]]
            self.leaf, self.step = number, len(one["steps"])

    def _numbered(self, number: object) -> Leaf:
        if not self._leaves:
            raise InputError("Nothing was written yet: view.write().")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(self._leaves):
            raise InputError(f"There is no text {number!r}: there are {len(self._leaves)}.")
        return self._leaves[number]

    @traitlets.validate("model")
    def _same_pieces(self, proposal: Any) -> LanguageModel:
        with refusing():
            _check_vocabulary(self._models[OWN], "the model", proposal["value"])
        return proposal["value"]

    @traitlets.observe("model")
    def _another_model(self, change: Mapping[str, Any]) -> None:
        self._models[OWN] = change["new"]
        self.voices = list(dict.fromkeys([*self.voices, *_voices([change["new"]])]))

    # -- what the page sets and asks ---------------------------------------------------------------------------------

    @traitlets.validate("sampling")
    def _settings(self, proposal: Any) -> dict[str, Any]:
        with refusing():
            given = proposal["value"]
            if set(given) != set(SETTINGS):
                raise InputError(f"Expected {', '.join(SETTINGS)}, got {', '.join(map(str, given)) or 'nothing'}.")
            most = max(LONGEST, self._rest.max_tokens)
            if Sampling(**given).max_tokens > most:
                raise InputError(
                    f"A text may have {most:,} tokens here, got {given['max_tokens']:,}. Python may ask for more: "
                    "GenerationView(model, prompt, Sampling(max_tokens=…))."
                )
        return given

    @traitlets.validate("leaf")
    def _a_leaf(self, proposal: Any) -> int:
        with refusing():
            if self._leaves:
                self._numbered(proposal["value"])
        return proposal["value"]

    @traitlets.validate("other")
    def _another(self, proposal: Any) -> int:
        with refusing():
            if proposal["value"] != -1:
                self._numbered(proposal["value"])
        return proposal["value"]

    @traitlets.validate("step")
    def _a_step(self, proposal: Any) -> int:
        return max(0, proposal["value"])

    def _answer_write(self, question: object) -> dict[str, Any]:
        del question
        self._begin()
        return {"leaf": self.leaf, "goes_on": self._more(self.leaf)}

    def _answer_more(self, question: Mapping[str, Any]) -> dict[str, Any]:
        number = question.get("leaf")
        self._numbered(number)
        return {"leaf": number, "goes_on": self._more(int(number or 0))}

    def _answer_fork(self, question: Mapping[str, Any]) -> dict[str, Any]:
        number, step, token, mix = (question.get(name) for name in ("leaf", "step", "token", "mix"))
        self._numbered(number)
        if not isinstance(step, int) or not isinstance(token, str | None) or not isinstance(mix, str | None):
            raise InputError(f"Expected a step, perhaps a token and a mix, got {step!r}, {token!r}, {mix!r}.")
        self._fork(int(number or 0), step, token, mix)
        return {"leaf": self.leaf, "goes_on": self._more(self.leaf)}

    def _answer_recipe(self, question: Mapping[str, Any]) -> dict[str, Any]:
        return {"recipe": self._numbered(question.get("leaf")).generation.recipe}

    # -- forms -------------------------------------------------------------------------------------------------------

    def _text(self) -> str:
        if not self._leaves:
            return f"GenerationView({self.prompt!r}, nothing written yet)"
        return f"GenerationView({self.prompt!r}, texts={len(self._leaves)}, shown={self.generation.text[:60]!r})"

    def _still(self) -> str:
        return still.still(self.leaves, self.leaf, self.voices)

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        if not self._leaves:
            raise InputError("There is nothing to export: nothing was written yet.")
        state = {name: getattr(self, name) for name in KEPT_OFFLINE}
        return state | {"recipes": [leaf.generation.recipe for leaf in self._leaves], "offline": True}, {}


def _voices(models: Iterable[LanguageModel]) -> list[str]:
    """The layers that may speak, in order; the terms of a model that is no mix come when they are heard."""
    return list(dict.fromkeys(name for model in models if isinstance(model, Layered) for name in model.layers))


def _check_vocabulary(model: LanguageModel, name: str, other: object) -> None:
    if not isinstance(other, LanguageModel) or other.vocabulary != model.vocabulary:
        raise InputError(f"{name} must be a model that speaks {model.vocabulary!r}, as the first one does.")


def _checked_names(model: LanguageModel, mixes: Mapping[str, LanguageModel]) -> dict[str, LanguageModel]:
    for name, other in mixes.items():
        _check_vocabulary(model, repr(name), other)
        if name == OWN or not name:
            raise InputError(f"Call the mix something else than {name!r}.")
    return dict(mixes)
