"""A rack of experts over one base: which are attached and how strongly, what they take, whether they can be believed.

    rack = ExpertRack(bank, registry, prompt="SELECT")
    rack.scales = {"expert-sql": 0.8}        attached at that scale; what is not named is detached
    rack.model                               the base under them; `bank` and base stay as they are

The bars show what the base says next and what it says under the rack.  Where there is a registry, each expert has its
description, its version and what was known of its signature when it was installed; to verify reads all of it again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import traitlets

from polyloom.adapters.bank import AdapterBank
from polyloom.errors import InputError
from polyloom.experts.held import held_bytes
from polyloom.experts.registry import Registry
from polyloom.real import number
from polyloom.transformer.model import TransformerModel
from polyloom_widgets.attention.effect import compared
from polyloom_widgets.base.widget import Widget, refusing
from polyloom_widgets.rack import still

LOUDEST = 4.0  # a scale
KEPT_OFFLINE = ("prompt", "experts", "scales", "effect")


class ExpertRack(Widget):
    """The adapters of `bank` under faders; with `registry`, what is known of the experts of those names.

    Raises InputError for what is no bank and no registry.
    """

    module: ClassVar[Path] = Path(__file__).with_name("rack.js")
    reported: ClassVar[frozenset[str]] = frozenset({"prompt", "scales"})

    prompt: traitlets.Unicode[str, str | bytes] = traitlets.Unicode("").tag(sync=True)
    experts = traitlets.List[dict[str, Any]]().tag(sync=True)
    scales: "traitlets.Dict[str, float]" = traitlets.Dict().tag(sync=True)
    effect: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    offline = traitlets.Bool(False).tag(sync=True)

    def __init__(self, bank: AdapterBank, registry: Registry | None = None, prompt: str = "", **traits: Any) -> None:
        if not isinstance(bank, AdapterBank):  # pyright: ignore[reportUnnecessaryIsInstance] - a border to people
            raise InputError(f"Expected the experts as an AdapterBank, got {type(bank).__name__}.")
        if registry is not None and not isinstance(registry, Registry):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"Expected a Registry, got {type(registry).__name__}.")
        self.bank, self.registry = bank, registry
        super().__init__(**traits)
        with self.hold_sync():
            self.prompt = prompt
            self.refresh()
        self.observe(self._changed, ["prompt", "scales"])

    def refresh(self) -> None:
        """Look at the bank and the registry again: an expert may have come or gone."""
        self.experts = [self._described(name) for name in self.bank.names]
        self.scales = {name: scale for name, scale in self.scales.items() if name in self.bank.names}
        self._listen()

    @property
    def model(self) -> TransformerModel:
        """The base under the experts that are attached, each at its scale."""
        return self.bank.model(self.scales or None)

    def _described(self, name: str) -> dict[str, Any]:
        size = held_bytes(self.bank.adapter(name), shared=[self.bank.base])
        found: dict[str, Any] = {"name": name, "bytes": size, "state": "", "version": "", "about": ""}
        known = {one.name: one for one in self.registry.list()} if self.registry else {}
        if one := known.get(name):
            about = str(one.manifest.document.get("description", ""))
            found |= {"state": one.state, "version": str(one.version), "about": about}
        return found

    @traitlets.validate("scales")
    def _known(self, proposal: Any) -> dict[str, float]:
        with refusing():
            for name, scale in proposal["value"].items():
                if name not in self.bank.names:
                    raise InputError(f"The rack has no {name!r}; it has {', '.join(self.bank.names) or 'none'}.")
                if not -LOUDEST <= number(scale) <= LOUDEST:
                    raise InputError(f"The scale of {name!r} must be from {-LOUDEST:g} to {LOUDEST:g}, got {scale!r}.")
        return {name: float(scale) for name, scale in proposal["value"].items()}

    def _changed(self, change: object) -> None:
        del change
        self._listen()

    def _listen(self) -> None:
        """What the base says next, and under the rack."""
        try:
            self.effect, self.error = compared(self.bank.base, self.model, self.prompt), ""
        except InputError as error:
            self.error = str(error)

    def _answer_verify(self, question: Mapping[str, Any]) -> dict[str, Any]:
        name = question.get("expert")
        if self.registry is None:
            raise InputError("These experts came without a registry, so nothing is known of who made them.")
        if not isinstance(name, str):
            raise InputError(f"Expected the name of an expert, got {name!r}.")
        return {"expert": name, "said": str(self.registry.verify(name))}

    # -- forms -------------------------------------------------------------------------------------------------------

    def _text(self) -> str:
        attached = ", ".join(f"{name}={scale:g}" for name, scale in self.scales.items()) or "none attached"
        return f"ExpertRack({len(self.experts)} experts: {attached}; prompt={self.prompt!r})"

    def _still(self) -> str:
        return still.still(self.experts, self.scales, self.effect)

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        return {name: getattr(self, name) for name in KEPT_OFFLINE} | {"offline": True, "error": ""}, {}
