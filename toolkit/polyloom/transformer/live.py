"""A live causal model of the `transformers` library, of any architecture, as a network.

    network or decoder, vocabulary = wrapped(model, tokenizer)

Of the families that we know the weights are taken over, not copied, into a decoder of our own, and everything works.
Any other model answers through its own code: whole texts, and on from what it has read with its own cache.  A cache of
keys and values is forked by sharing its tensors, which the library replaces and never writes to; of any other kind of
cache (recurrent states, quantised or fixed ones) nothing is assumed, and the text is read anew.

The model stays the caller's: nothing in it is changed here, and whoever trains it on changes what is said here too.
Nothing is imported from `transformers`: the caller brings it.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor

from polyloom.errors import FileError, InputError
from polyloom.tokens.foreign import ForeignVocabulary
from polyloom.tokens.foreign_sentencepiece import ForeignSentencePieceVocabulary
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.huggingface import decoder_of, opening
from polyloom.transformer.huggingface_config import read_begin, read_config
from polyloom.transformer.network import HEAD_BYTES, Network

FORKED = ("DynamicLayer", "DynamicSlidingWindowLayer")  # layers of a cache that are replaced, never written to
TOGETHER = 512  # tokens that are read in one pass, so that their logits fit


@dataclass(frozen=True)
class Past:
    """What was read of a text: its ids, and the model's cache of them if it can be shared."""

    ids: tuple[int, ...]
    cache: Any


def wrapped(model: Any, tokenizer: Any, native: bool | None = None) -> tuple[Decoder | Network, Vocabulary]:
    """A decoder or a network, and the vocabulary it speaks; see `TransformerModel.from_transformers`.

    Raises InputError if the model is not causal, the tokenizer is none, or `native` insists on what cannot be.
    """
    vocabulary = _vocabulary(tokenizer, _rows(model))
    begin = vocabulary.begin if isinstance(vocabulary, ForeignVocabulary | ForeignSentencePieceVocabulary) else None
    reason = "as asked"
    if native is not False:
        try:
            return adopted(model, begin), vocabulary
        except FileError as error:
            reason = str(error)
    if native:
        raise InputError(f"{type(model).__name__} cannot become a decoder of our own: {reason}")
    return LiveNetwork(model, begin, reason), vocabulary


def adopted(model: Any, begin: int | None = None) -> Decoder:
    """A decoder that shares the weights of a live model; FileError if our bricks cannot do what it does."""
    if not type(model).__module__.startswith("transformers.models."):
        raise FileError(f"{type(model).__name__} is no class of transformers itself: it may compute something else")
    if any(part._forward_hooks or part._forward_pre_hooks for part in model.modules()):
        raise FileError("hooks are registered on it, which our decoder would not run")
    table: dict[str, Any] = model.config.to_dict()
    config, settled = read_config(table, f"the config of {type(model).__name__}")
    return decoder_of(table, config if settled else opening(config, begin), model.state_dict())


@final
class LiveNetwork(Network):
    """A model that answers through its own code; `reason` says why it did not become a decoder of ours."""

    def __init__(self, model: Any, begin: int | None = None, reason: str = "as asked") -> None:
        if model.training:
            raise InputError("The model is in training mode, in which dropout makes it guess: call model.eval() first.")
        self.model, self.reason, self.rows = model, reason, _rows(model)
        text = model.config.get_text_config(decoder=True)
        length: object = getattr(text, "max_position_embeddings", None)
        self.context = length if isinstance(length, int) and length > 1 else None
        self.opens = begin is not None
        self.begin = begin if self.opens else read_begin(text.to_dict(), self.rows)
        self._first = _first_length(text)
        self._check()

    @property
    def device(self) -> torch.device:
        """Where the first weights lie."""
        return self.model.get_input_embeddings().weight.device

    def regime(self, length: int) -> int:
        """LongRoPE has two sets of frequencies: one for texts that fit the first training, one for longer ones."""
        return 0 if self._first is None else int(length > self._first)

    def score(self, tokens: Tensor, length: int, first: int) -> Iterator[Tensor]:
        """Logits (n, rows) of windows (B, T), in pieces; a window is read piece by piece, where its cache can be."""
        together = max(1, min(TOGETHER, HEAD_BYTES // (4 * self.rows)) if not self.regime(length) else tokens.shape[1])
        for row in cast("list[list[int]]", tokens.tolist()):  # pyright: ignore[reportUnknownMemberType] - untyped
            past: Past | None = None
            for start in range(0, len(row), together):
                part = row[start : start + together]
                wanted = len(part) - max(0, first - start)
                logits, past = self.read(part, length, past, max(1, wanted))
                if wanted > 0:
                    yield logits

    @torch.no_grad()
    def read(self, tokens: Sequence[int], length: int, state: Past | None, last: int) -> tuple[Tensor, Past]:
        """Logits (last, rows) after the last of `tokens`, and what was read then."""
        del length
        ids = (*(() if state is None else state.ids), *tokens)
        if state is None or state.cache is None:
            found = self.model(input_ids=self._row(ids), use_cache=True)
        else:
            cache = _forked(state.cache)
            found = self.model(input_ids=self._row(tokens), past_key_values=cache, use_cache=True)
        cache = getattr(found, "past_key_values", None)
        return found.logits[0, -last:], Past(ids, cache if _can_fork(cache) else None)

    def cut(self, state: Past, length: int) -> Past | None:
        """The first `length` tokens; None if the cache cannot go back, as one with a window that it has outgrown."""
        if state.cache is None or length == len(state.ids):
            return state if length == len(state.ids) else None
        cache = _forked(state.cache)
        try:
            cache.crop(length - len(state.ids))
        except (NotImplementedError, RuntimeError, ValueError):
            return None
        return Past(state.ids[:length], cache)

    def __repr__(self) -> str:
        return f"{type(self.model).__name__} through transformers ({self.reason})"

    def _row(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor([ids], device=self.device)

    def _check(self) -> None:
        """InputError unless what comes later leaves the logits as they are."""
        alone = self.read((0,), 1, None, 1)[0].float()
        followed = self.read((0, self.rows - 1), 2, None, 2)[0][:1].float()
        slack = 1e-3 if next(self.model.parameters()).dtype in (torch.float32, torch.float64) else 5e-2
        if (alone - followed).abs().max() > slack * alone.abs().max():
            raise InputError(f"{type(self.model).__name__} looks ahead: only causal language models can be wrapped.")


def _rows(model: Any) -> int:
    """How many tokens a model gives logits for; InputError if it gives none."""
    config, head = getattr(model, "config", None), getattr(model, "get_output_embeddings", None)
    if config is None or head is None or not hasattr(config, "to_dict"):
        raise InputError(f"Expected a causal language model of transformers, got {type(model).__name__}.")
    if getattr(config, "is_encoder_decoder", False) or head() is None:
        raise InputError(
            f"{type(model).__name__} has no head that says what comes next: load it by AutoModelForCausalLM."
        )
    return int(head().weight.shape[0])


def _vocabulary(tokenizer: Any, rows: int) -> Vocabulary:
    """The vocabulary of a tokenizer: one of ours, of `transformers` (fast), or of `tokenizers`."""
    if isinstance(tokenizer, Vocabulary):
        return tokenizer
    inner = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(inner, "to_str"):
        raise InputError(
            f"Expected a fast tokenizer of transformers, a tokenizers.Tokenizer or a Vocabulary, "
            f"got {type(tokenizer).__name__}."
        )
    return ForeignVocabulary(inner.to_str(), rows, getattr(tokenizer, "eos_token", None))


def _first_length(text: Any) -> int | None:
    """Up to which length LongRoPE uses its first frequencies, if the model has it."""
    given: object = getattr(text, "rope_parameters", None)
    rope: dict[str, Any] = given if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    return rope.get("original_max_position_embeddings") if rope.get("rope_type") == "longrope" else None


def _can_fork(cache: Any) -> bool:
    layers: Sequence[object] = getattr(cache, "layers", ())
    plain = all(type(layer).__name__ in FORKED for layer in layers)
    return bool(layers) and plain and not getattr(cache, "offloading", False)


def _forked(cache: Any) -> Any:
    """A cache that goes its own way; keys and values are shared."""
    fork = copy.copy(cache)
    fork.layers = [copy.copy(layer) for layer in cache.layers]
    return fork
