"""A soft prompt as an adapter: no weight changes, but every text is read after `vectors` of its own.

    prompt = SoftPrompt.of_text("Answer briefly:", model)      the embeddings of a text
    attach(model, prompt).generate("Why?")
    fit_adapter(model, documents, prompt)                      learn better ones, from there

It takes places in the context, has no scale, and cannot be merged: there is no weight that says the same.  A model has
one at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, final

import torch
from torch import Tensor, nn

from polyloom.adapters.update import Update
from polyloom.arrays import numpy
from polyloom.errors import InputError
from polyloom.model import Arrays, Manifest, Prompt
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.norm import wide
from polyloom.transformer.soft import SoftEmbedding
from polyloom.whole import whole

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel

KIND = "soft prompt"


@final
@dataclass(frozen=True, eq=False)
class SoftPrompt:
    """`vectors` (n, d), d the width of the model; InputError if they are no matrix of numbers."""

    vectors: Tensor

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not len(self.vectors) or not bool(torch.isfinite(self.vectors).all()):
            raise InputError(f"A soft prompt is a matrix (n, d) of finite numbers, got {tuple(self.vectors.shape)}.")

    @classmethod
    def of_text(cls, text: Prompt, model: "TransformerModel", vectors: int | None = None) -> "SoftPrompt":
        """The vectors that the model has for the tokens of a text; as many as asked, of the text again and again."""
        ids = model.ids(text)
        many = len(ids) if vectors is None else whole("vectors", vectors, 1)
        if not len(ids):
            raise InputError("A soft prompt needs a text with at least one token.")
        return cls(_rows(model, torch.tensor(ids).repeat(-(-many // len(ids)))[:many]))

    @classmethod
    def of_words(cls, vectors: int, model: "TransformerModel", seed: int = 0) -> "SoftPrompt":
        """Those of tokens drawn by dice from all of the vocabulary."""
        dice = torch.Generator().manual_seed(seed)
        return cls(_rows(model, torch.randint(model.vocabulary.size, (whole("vectors", vectors, 1),), generator=dice)))

    @classmethod
    def random(cls, vectors: int, model: "TransformerModel", seed: int = 0) -> "SoftPrompt":
        """Normal numbers, spread as those of the model's own tokens."""
        weight, dice = model.decoder.embedding.weight, torch.Generator().manual_seed(seed)
        drawn = torch.randn(whole("vectors", vectors, 1), weight.shape[1], generator=dice)
        return cls(drawn.to(weight.device, wide(weight.dtype)) * weight.to(wide(weight.dtype)).std())

    @property
    def kind(self) -> str:
        """What it is called in a file."""
        return KIND

    @property
    def updates(self) -> Mapping[str, Update]:
        """It changes no map."""
        return {}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The vectors, by name."""
        return {"vectors": self.vectors}

    def bind(self, decoder: Decoder) -> SoftEmbedding:
        """The embedding of a decoder with the vectors behind it; InputError if they do not fit."""
        embedding, config = cast("nn.Module", decoder.embedding), decoder.config
        if not isinstance(embedding, nn.Embedding):
            raise InputError("The model has a soft prompt already: detach it first.")
        if self.vectors.shape[1] != config.width:
            raise InputError(f"The vectors are {self.vectors.shape[1]} wide, the model {config.width}.")
        if len(self.vectors) > config.context - 2:
            raise InputError(f"{len(self.vectors)} vectors leave no room in a context of {config.context}.")
        return SoftEmbedding(embedding, self.vectors)

    def state(self) -> tuple[Manifest, Arrays]:
        """A JSON-able manifest and named arrays."""
        wide = self.vectors.float() if self.vectors.dtype.itemsize == 2 else self.vectors
        return {"method": {"kind": KIND}}, {"vectors": numpy(wide)}

    @classmethod
    def from_state(cls, arrays: Arrays) -> "SoftPrompt":
        """The prompt that `state` described; KeyError if it is none."""
        return cls(torch.tensor(arrays["vectors"]))

    def __repr__(self) -> str:
        return f"<SoftPrompt of {len(self.vectors)} vectors>"


def _rows(model: "TransformerModel", ids: Tensor) -> Tensor:
    return model.decoder.embedding(ids.to(model.network.device)).detach().clone()
