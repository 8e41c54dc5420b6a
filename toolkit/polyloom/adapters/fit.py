"""Fitting an adapter or a soft prompt: the loop that trains models, with the base at rest.

    fitted = fit_adapter(model, documents, LoRA(rank=8), Training(minutes=2, optimiser="adamw"))
    fitted = fit_adapter(model, documents, SoftPrompt.of_text("Answer briefly:", model))
    fitted.model.generate("It was")
    write_adapter(fitted.adapter, "folder", model)

Documents are texts, ids, or lessons, of which only what is marked is learned: `template("chatml").encode(…)` makes one
of a conversation.  Only the tensors of the adapter move, so the model may be a `quantised` one, whose maps take a
quarter of the memory, and which stays as it is to the bit.  A soft prompt is fitted from where it is (Lester et al.
2021); it stands before every document, and before every piece that one is cut to.  All that `train` promises holds here
too: the same settings give the same adapter bit for bit, a run in a folder goes on where it was, Ctrl-C ends it with
what there is.
"""

import copy
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach, grafted
from polyloom.adapters.method import Method
from polyloom.adapters.soft_prompt import SoftPrompt
from polyloom.adapters.update import Update
from polyloom.errors import InputError
from polyloom.train.history import Callback, History, Log
from polyloom.train.lesson import Lessons
from polyloom.train.loop import moved
from polyloom.train.settings import Training
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.soft import SoftEmbedding
from polyloom.transformer.surgery import shared

# The rate that Hu et al. (2021) and PEFT's examples use is 2e-4 for models a thousand times as large.
USUAL = Training(optimiser="adamw", learning_rate=0.001, weight_decay=0.0)
SOFT = replace(USUAL, learning_rate=0.03)  # as in PEFT's example: a few vectors have a long way to go


@dataclass(frozen=True)
class Fitted:
    """What a fit ended with.

    `adapter` is the one with the smallest held-out loss, or the last if nothing was held out, and `model` the base with
    it; `last` the adapter after the last step.  `stopped` is "steps", "minutes", "patience" or "interrupted".
    """

    adapter: Adapter | SoftPrompt
    model: TransformerModel
    last: Adapter | SoftPrompt
    history: History = field(repr=False)
    stopped: str
    training: Training


def fit_adapter(
    model: TransformerModel,
    documents: Lessons | Callable[[], Lessons],
    method: Method | Adapter | SoftPrompt,
    training: Training | None = None,
    held_out: Lessons | None = None,
    folder: str | os.PathLike[str] | None = None,
    callbacks: Iterable[Callback] = (),
    log: Log | None = None,
    progress: bool | None = None,
) -> Fitted:
    """Fit an adapter of a method to a model, or go on with one that there is; the other arguments are those of `train`.

    Without `training`, AdamW at a rate of 0.001, 0.03 for a soft prompt, and no decay.  Raises InputError if the
    adapter does not fit the model, and what `train` raises.
    """
    if not isinstance(model, TransformerModel):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise InputError(f"Expected a TransformerModel to fit an adapter to, got {type(model).__name__}.")
    if not isinstance(method, Method | Adapter | SoftPrompt):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise InputError(f"Expected a method such as LoRA(rank=8), an Adapter or a SoftPrompt, got {method!r}.")
    soft = isinstance(method, SoftPrompt)
    training = training or (SOFT if soft else USUAL)
    first = Adapter.first(method, model, training.seed) if isinstance(method, Method) else method
    first.bind(model.decoder)
    vectors = len(first.vectors) if isinstance(first, SoftPrompt) else len(model.network.soft)
    training = training.of_length(model.config.context - vectors)
    start = partial(learning, model.decoder, first)
    found = moved(model, start, documents, training, held_out, folder, callbacks, log, progress)
    best = learned(first, found.best)
    last = best if found.best is found.last else learned(first, found.last)
    return Fitted(best, attach(model, best), last, found.history, found.stopped, found.training)


@final
class Learning(nn.Module):
    """A linear map at rest, with an update whose tensors are parameters."""

    def __init__(self, linear: nn.Linear, update: Update) -> None:
        super().__init__()
        self.linear, self.kind, self.numbers = linear, type(update), update.numbers()
        self.tensors = nn.ParameterDict({name: x.detach().clone().float() for name, x in update.tensors().items()})

    @property
    def weight(self) -> Tensor:
        """The weight with the update as it is, (outputs, inputs)."""
        return self.update().weight(self.linear.weight, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """What the map makes of x, (…, outputs)."""
        return self.update().through(self.linear, x, 1.0)

    def update(self) -> Update:
        """The update as it is."""
        held: dict[str, Any] = dict(self.tensors.items())
        return self.kind.of(held, self.numbers)


def learning(decoder: Decoder, adapter: Adapter | SoftPrompt, training: Training) -> Decoder:
    """A decoder in float32 that shares what it can, in which only the tensors of the adapter ask for a gradient."""
    single = all(weight.dtype == torch.float32 for weight in decoder.parameters())
    whole = {id(held): held for held in decoder.buffers() if not held.is_floating_point()}  # of quantised maps
    base = shared(decoder) if single else copy.deepcopy(decoder, whole).float()
    found = grafted(base, _learning(base, adapter))
    found.recompute = training.checkpointing
    return found.train()


def _learning(base: Decoder, adapter: Adapter | SoftPrompt) -> dict[str, nn.Module]:
    """The parts that learn, by the paths where they stand."""
    if isinstance(adapter, Adapter):
        return {name: Learning(linear, adapter.updates[name]) for name, linear in adapter.bind(base).items()}
    embedding = adapter.bind(base)
    embedding.vectors = nn.Parameter(adapter.vectors.detach().clone().float())
    return {"embedding": embedding}


def learned(adapter: Adapter | SoftPrompt, decoder: Decoder) -> Adapter | SoftPrompt:
    """The adapter with the tensors that such a decoder has come to."""
    if isinstance(adapter, SoftPrompt):
        return SoftPrompt(cast("SoftEmbedding", decoder.embedding).vectors.detach().clone())
    updates: dict[str, Update] = {}
    for name in adapter.updates:
        part = decoder.get_submodule(name)
        if isinstance(part, Learning):
            tensors = {kind: x.detach().clone() for kind, x in part.update().tensors().items()}
            updates[name] = part.kind.of(tensors, part.numbers)
    return Adapter(adapter.method, updates)
