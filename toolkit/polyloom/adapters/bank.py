"""Many adapters over one base, served together: a batch may ask for a different one, at a different scale, in each row.

    bank = AdapterBank(model, {"sql": adapter, "french": other})
    texts = [bank.begin("SELECT", "sql"), bank.begin("Il", {"french": 0.7, "sql": 0.1}), bank.begin("It")]
    bank.step(texts)                       float64 (3, V), as each of them alone

Nothing is merged, and nothing is switched: a request is a value, the model with its adapters at its scales, and whoever
holds it keeps it, also when the adapter leaves the bank.  What the bank does is to read many of them in one pass: the
weights of the base come from memory once for all texts, and beside them each has its own thin matrices (Chen et al.
2023, "Punica"; Sheng et al. 2023, "S-LoRA").

Adding and removing is safe while others are served, from any thread.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import final

from torch import nn

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import Attached, attach, chain, grafted
from polyloom.adapters.method import linears
from polyloom.adapters.rowwise import Request, Rowwise, requests
from polyloom.adapters.soft_prompt import SoftPrompt
from polyloom.errors import InputError
from polyloom.model import Continuation, Floats, Prompt
from polyloom.transformer.continuation import TransformerContinuation
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.network import DecoderNetwork

KEPT = 2  # batches whose stacked matrices are kept: each is a copy of what its rows ask for
Wanted = str | Mapping[str, float] | None


@final
class AdapterBank:
    """Adapters by name over one model; see the module."""

    def __init__(self, model: TransformerModel, adapters: Mapping[str, Adapter | SoftPrompt] | None = None) -> None:
        self.base = model
        self._adapters: dict[str, Adapter | SoftPrompt] = {}
        self._batches: OrderedDict[tuple[TransformerModel, ...], DecoderNetwork] = OrderedDict()
        self._lock = Lock()
        for name, adapter in (adapters or {}).items():
            self.add(name, adapter)

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters there are, in the order in which they came."""
        return tuple(self._adapters)

    def add(self, name: str, adapter: Adapter | SoftPrompt) -> None:
        """Take an adapter in; InputError if it does not fit the model, or the name is taken."""
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise InputError(f"Expected the name of an adapter as text, got {name!r}.")
        attach(self.base, adapter)  # binds it, or says why not
        with self._lock:
            if name in self._adapters:
                raise InputError(f"The bank has an adapter {name!r}: remove it first, or choose another name.")
            self._adapters = {**self._adapters, name: adapter}

    def remove(self, name: str) -> None:
        """Let an adapter go; texts that were begun with it go on.  InputError if there is none of that name."""
        with self._lock:
            self._named(name)
            self._adapters = {other: adapter for other, adapter in self._adapters.items() if other != name}
            self._batches.clear()

    def model(self, wanted: Wanted = None, scale: float = 1.0) -> TransformerModel:
        """The base with an adapter at a scale, with several, each at its own times `scale`, or with none.

        Raises InputError for a name that is not there.
        """
        scales = {} if wanted is None else {wanted: 1.0} if isinstance(wanted, str) else dict(wanted)
        found = self.base
        for name, own in scales.items():
            found = attach(found, self._named(name), own * scale)
        return found

    def begin(self, prompt: Prompt = (), wanted: Wanted = None, scale: float = 1.0) -> TransformerContinuation:
        """A place in a text after `prompt`, under `model(wanted, scale)`."""
        return self.model(wanted, scale).begin(prompt)

    def step(self, continuations: Sequence[Continuation]) -> Floats:
        """The next-token distributions of many texts, float64 (B, V), whichever adapters they ask for.

        Those under this bank's base that have one token to read are read together, the others one by one.
        """
        read = [c for c in dict.fromkeys(continuations) if isinstance(c, TransformerContinuation)]
        ours = [c for c in read if self._knows(c.model)]
        waiting = [(c, one) for c in ours if (one := c.pending()) is not None]
        if len(waiting) > 1:
            tokens, lengths, states = zip(*(one for _, one in waiting), strict=True)
            network = self._network(tuple(c.model for c, _ in waiting))
            logits, states = network.step(tokens, lengths, states)
            for (continuation, _), row, state in zip(waiting, logits, states, strict=True):
                continuation.settle(row, state)
        return self.base.step(continuations)

    def adapter(self, name: str) -> Adapter | SoftPrompt:
        """The adapter of this name; InputError if there is none."""
        return self._named(name)

    def _named(self, name: str) -> Adapter | SoftPrompt:
        found = self._adapters.get(name)
        if found is None:
            raise InputError(f"The bank has no adapter {name!r}; it has {', '.join(self._adapters) or 'none'}.")
        return found

    def _knows(self, model: TransformerModel) -> bool:
        return model is self.base or any(step.base is self.base for step in chain(model))

    def _network(self, models: tuple[TransformerModel, ...]) -> DecoderNetwork:
        """The base whose maps know what each row of a batch asks for."""
        with self._lock:
            if models in self._batches:
                self._batches.move_to_end(models)
                return self._batches[models]
        made = DecoderNetwork(grafted(self.base.decoder, self._bricks(models)))
        with self._lock:
            self._batches[models] = made
            while len(self._batches) > KEPT:
                self._batches.popitem(last=False)
        return made

    def _bricks(self, models: Sequence[TransformerModel]) -> dict[str, nn.Module]:
        asked: list[dict[str, Request]] = []
        known: dict[TransformerModel, dict[str, Request]] = {}
        for model in models:
            if model not in known:
                known[model] = requests(self._above(model), dict(linears(model.decoder)))
            asked.append(known[model])
        maps = linears(self.base.decoder)
        return {
            name: Rowwise(linear, [one.get(name, Request((), linear)) for one in asked])
            for name, linear in maps.items()
            if any(name in one for one in asked)
        }

    def _above(self, model: TransformerModel) -> list[Attached]:
        """The adapters that stand on this bank's base."""
        return chain(model)[len(chain(self.base)) :]
