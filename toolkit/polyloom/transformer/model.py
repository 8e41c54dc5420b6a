"""A transformer as a language model: the second kind, composing with all others.

    model = TransformerModel.build("small", vocabulary)     # first weights: train it, or
    model = TransformerModel.load("folder")                 # Llama, Mistral, Qwen3, Qwen3-MoE, GPT-2, or one of ours

A model is a value: its weights do not change.  Training, ablation and adapters give a new one, which shares the weights
that stay.  Texts longer than the context are read through windows (see `windows`).  Distributions are NumPy arrays in
float64 at the border, as those of every model, so that models of different libraries and devices mix; `logits` stay
what the network computes them in.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor

from polyloom.errors import InputError
from polyloom.files import Arrays
from polyloom.model import Continuation, Floats, LanguageModel, Manifest, Prompt, block_rows
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.transformer.build import build, preset
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.continuation import TransformerContinuation, natural
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.network import DecoderNetwork, Network
from polyloom.transformer.provenance import Provenance
from polyloom.transformer.stored import from_state, to_state
from polyloom.transformer.windows import Group, groups, opening

if TYPE_CHECKING:
    from polyloom.transformer.account import Attribution, Undivided
    from polyloom.transformer.capture import Capture

TOGETHER = 4096  # tokens of a long text that are read in one pass


@final
class TransformerModel(LanguageModel):
    """A network and the vocabulary it speaks; takes a `Decoder`, whose weights must not be changed afterwards.

    `provenance` is for a decoder that holds more than plain weights: what it was made of.

    Raises InputError if the network has fewer rows than the vocabulary has pieces.
    """

    def __init__(
        self, network: Decoder | Network, vocabulary: Vocabulary, provenance: Provenance | None = None
    ) -> None:
        if isinstance(network, Decoder):
            if network.config.vocabulary_size != vocabulary.size:
                said = network.config.vocabulary_size
                raise InputError(f"The decoder says {said} pieces, {vocabulary!r} has {vocabulary.size}.")
            network.eval().requires_grad_(False)
            network = DecoderNetwork(network)
        if network.rows < vocabulary.size:
            raise InputError(f"The network has {network.rows} rows, {vocabulary!r} needs {vocabulary.size}.")
        self.network, self.vocabulary, self.provenance = network, vocabulary, provenance

    @classmethod
    def build(cls, config: TransformerConfig | str, vocabulary: Vocabulary, seed: int = 0) -> "TransformerModel":
        """A model with its first weights; the name of a preset stands for its config.

        With a name, a text begins with `</s>` if the vocabulary has it, else with a token of the model's own.
        """
        if isinstance(config, str):
            begin = vocabulary.size if vocabulary.sentence_end is None else vocabulary.sentence_end
            config = preset(config, vocabulary.size, begin)
        if config.vocabulary_size != vocabulary.size:
            raise InputError(f"The config says {config.vocabulary_size} pieces, {vocabulary!r} has {vocabulary.size}.")
        return cls(build(config, seed), vocabulary)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], device: str = "cpu", dtype: str | None = None) -> "TransformerModel":
        """The model of a Hugging Face folder, or of a repository id that the local Hugging Face cache holds.

        The weights are mapped, not copied, where device and dtype (None: as stored) leave them as they are.  Nothing is
        fetched, and no code from a folder is run.  Raises FileError with the full list of what is missing, extra or of
        another shape, FileNotFoundError if there is no such folder.
        """
        from polyloom.transformer.huggingface import read_model
        from polyloom.transformer.huggingface_cache import resolve

        return cls(*read_model(resolve(folder), device, dtype))

    @classmethod
    def from_transformers(cls, model: Any, tokenizer: Any, native: bool | None = None) -> "TransformerModel":
        """A live causal model of `transformers`, of any architecture, as a language model.

        Of Llama, Mistral, Qwen3, Qwen3-MoE and GPT-2 the weights are taken over, not copied, into our own decoder, and
        everything works; other architectures answer through their own code, and what needs to look inside says so.
        `native` True insists on the first, False on the second.
        """
        from polyloom.transformer.live import wrapped

        return cls(*wrapped(model, tokenizer, native))

    @property
    def decoder(self) -> Decoder:
        """The bricks; InputError for a wrapped model of another library, which has none of ours."""
        if not isinstance(self.network, DecoderNetwork):
            raise InputError(f"{self!r} has no bricks of ours: {self.network.inside}")
        return self.network.decoder

    @property
    def plain(self) -> Decoder:
        """The decoder as plain weights, for who stores or changes them: adapters, if there are any, are merged."""
        return self.decoder if self.provenance is None else self.provenance.plain()

    @property
    def config(self) -> TransformerConfig:
        """What the decoder is made of."""
        return self.decoder.config

    @property
    def context(self) -> int | None:
        """How many tokens of a text the network reads at once; None if there is no limit."""
        return None if self.network.context is None else self.network.context - opening(self.network)

    def begin(self, prompt: Prompt = ()) -> TransformerContinuation:
        """A place in a text: after `prompt`, a str or token ids."""
        return TransformerContinuation(self, self.ids(prompt))

    def logits(self, tokens: Prompt) -> Tensor:
        """Logits float32 (T, V) after each of exactly these tokens: no begin token is put in front, no window drawn.

        A soft prompt stands before them.  Raises InputError if there are more tokens than the context holds.
        """
        ids, soft = self.ids(tokens), self.network.soft
        if self.network.context is not None and len(ids) > self.network.context - len(soft):
            raise InputError(f"{len(ids)} tokens are more than the context of {self.network.context - len(soft)}.")
        if not len(ids):
            return torch.empty(0, self.vocabulary.size)
        given = torch.tensor([*soft, *ids.tolist()], device=self.network.device)[None]
        scored = self.network.score(given, given.shape[1], len(soft))
        pieces = [part[:, : self.vocabulary.size].float() for part in scored]
        return torch.cat(pieces)

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids = self.ids(tokens)
        size, left = block_rows(self.vocabulary.size), len(ids)
        held: list[Floats] = []
        for logits in self._scored(ids):
            rows = self.normalised(logits)
            while len(rows):
                need = min(size, left) - sum(map(len, held))
                held.append(rows[:need])
                rows = rows[need:]
                if sum(map(len, held)) == min(size, left):
                    left -= min(size, left)
                    yield np.concatenate(held)
                    held = []

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,)."""
        ids = self.ids(tokens)
        found, at = np.empty(len(ids)), 0
        for logits in self._scored(ids):
            wide = logits[:, : self.vocabulary.size].to(torch.float64)
            targets = torch.tensor(ids[at : at + len(wide)], device=wide.device)
            chosen = wide.gather(1, targets[:, None])[:, 0] - wide.logsumexp(-1)
            found[at : at + len(wide)] = chosen.cpu().numpy()
            at += len(wide)
        return found

    def step(self, continuations: Sequence[Continuation]) -> Floats:
        """The next-token distributions of many texts, float64 (B, V); those that read one token are read together."""
        ours = [c for c in continuations if isinstance(c, TransformerContinuation) and c.model is self]
        waiting = [(c, one) for c in dict.fromkeys(ours) if (one := c.pending()) is not None]
        if len(waiting) > 1:
            tokens, lengths, states = zip(*(one for _, one in waiting), strict=True)
            logits, states = self.network.step(tokens, lengths, states)
            for (continuation, _), row, state in zip(waiting, logits, states, strict=True):
                continuation.settle(row, state)
        return super().step(continuations)

    def normalised(self, logits: Tensor) -> Floats:
        """Log-probabilities over the vocabulary, float64 (n, V), of logits (n, rows)."""
        return natural(logits[:, : self.vocabulary.size])

    @property
    def unread(self) -> Floats:
        """The distribution where there is no token, float64 (1, V): that after what stands before it, else uniform."""
        begin = () if self.network.begin is None else (self.network.begin,)
        given = self.network.front or begin
        if not given:
            return np.full((1, self.vocabulary.size), -np.log(self.vocabulary.size))
        return self.normalised(self.network.read(given, len(given), None, 1)[0])

    def attribution(self, tokens: Prompt) -> "Attribution | Undivided":
        """What each part of the decoder adds to the logits after these tokens; of a wrapped model, one whole."""
        from polyloom.transformer.account import Undivided

        ids, length = self.seen(tokens)
        found = self.network.attribute(ids, length, self.vocabulary.size)
        if found is not None:
            return found
        if not len(ids):
            return Undivided(torch.zeros(self.vocabulary.size, dtype=torch.float64))
        logits, _ = self.network.read([int(token) for token in ids], length, None, 1)
        return Undivided(logits[0, : self.vocabulary.size].double())

    def seen(self, tokens: Prompt) -> tuple[Tensor, int]:
        """What the network reads after these tokens, int64 (T,), what stands before included; and how long that is."""
        ids = self.ids(tokens)
        (group,) = groups(self.network, len(ids), len(ids))
        given = [*self.network.front, *ids[group.window.start :].tolist()]
        if self.network.begin is not None and not given:
            given = [self.network.begin]
        return torch.tensor(given, dtype=torch.int64, device=self.network.device), len(given)

    def capture(
        self, text: Prompt, layers: Sequence[int] | None = None, positions: Sequence[int] | None = None
    ) -> "Capture":
        """Attention, residual stream, contributions and routing while reading `text`; see `Capture`."""
        from polyloom.transformer.capture import capture

        return capture(self, text, layers, positions)

    def ablate(
        self,
        *,
        heads: Sequence[tuple[int, int]] = (),
        experts: Sequence[tuple[int, int]] = (),
        layers: Sequence[int] = (),
        attention: Sequence[int] = (),
        feed_forward: Sequence[int] = (),
        reroute: bool = False,
        mean: Iterable[Prompt] | None = None,
    ) -> "TransformerModel":
        """The model without some of its parts; heads and experts are (layer, number).

        With `reroute` an expert is never chosen, instead of adding nothing; with `mean`, texts, a head adds what it
        adds to them on average, instead of nothing.  See `surgery`.  Raises InputError for a part that is not there.
        """
        from polyloom.transformer.surgery import ablate

        return ablate(
            self, heads=heads, experts=experts, layers=layers, attention=attention, feed_forward=feed_forward,
            reroute=reroute, mean=mean,
        )  # fmt: skip

    def force(self, *, experts: Sequence[tuple[int, int]]) -> "TransformerModel":
        """The model whose gates always choose these experts, (layer, number), whatever else they choose."""
        from polyloom.transformer.surgery import force

        return force(self, experts=experts)

    def transplant(
        self,
        donor: "TransformerModel",
        *,
        heads: Sequence[tuple[int, int]] = (),
        experts: Sequence[tuple[int, int]] = (),
        layers: Sequence[int] = (),
    ) -> "TransformerModel":
        """The model with some parts of another one of the same config; see `surgery`."""
        from polyloom.transformer.surgery import transplant

        return transplant(self, donor, heads=heads, experts=experts, layers=layers)

    def to(self, device: str | None = None, dtype: str | None = None) -> "TransformerModel":
        """The same weights on another device or in another dtype ("float32", "bfloat16", "float16"), merged."""
        from polyloom.transformer.stored import moved

        return TransformerModel(moved(self.plain, device, dtype), self.vocabulary)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as a folder in the layout of Hugging Face, with its tokenizer; returns its path.

        A model with an adapter is written as one file, base and adapter apart, which `polyloom.load` reads too: merge
        it first if it is to be a folder.  Both are written whole or not at all.  Raises FileError if something else is
        in the place, OSError if the disk does not take it.
        """
        from polyloom.tokens.folder import write_tokenizer
        from polyloom.transformer.huggingface import write_folder

        if self.provenance is not None:
            return super().save(path)
        end = self.vocabulary.sentence_end
        return write_folder(self.decoder, Path(path), lambda folder: write_tokenizer(self.vocabulary, folder), end)

    def state(self) -> tuple[Manifest, Arrays]:
        """All that this model is: config, vocabulary and weights under their names, or what it was made of."""
        return to_state(self.decoder, self.vocabulary) if self.provenance is None else self.provenance.state()

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> "TransformerModel":
        """The model that `state` described; FileError if a part is missing or damaged."""
        return cls(*from_state(manifest, arrays))

    def __repr__(self) -> str:
        if not isinstance(self.network, DecoderNetwork):
            return f"<TransformerModel: {self.network!r}>"
        config = self.config
        experts = "" if config.experts is None else f", {config.experts.active} of {config.experts.count} experts"
        numbers = sum(weight.numel() for weight in self.decoder.parameters())
        beside = "" if self.provenance is None else f", {self.provenance}"
        size = f"{config.layers} layers, width {config.width}{experts}"
        return f"<TransformerModel {size}: {numbers:,} parameters{beside}>"

    def _scored(self, ids: np.ndarray[Any, np.dtype[np.int64]]) -> Iterator[Tensor]:
        """Logits (n, rows) before each token, in order and in pieces."""
        if not len(ids):
            return
        first = 0
        if not opening(self.network):  # nothing stands before the first token
            yield torch.tensor(self.unread)
            first = 1
        alike: list[Group] = []
        for group in groups(self.network, first, len(ids) - 1) if first < len(ids) else ():
            if alike and (not _alike(alike[0], group) or len(alike) * _width(group) >= TOGETHER):
                yield from self._passes(ids, alike)
                alike = []
            alike.append(group)
        if alike:
            yield from self._passes(ids, alike)

    def _passes(self, ids: np.ndarray[Any, np.dtype[np.int64]], alike: list[Group]) -> Iterator[Tensor]:
        """Groups of one shape, read together."""
        front = self.network.front
        rows = [ids[group.window.start : group.last].tolist() for group in alike]
        given = torch.tensor([[*front, *row] for row in rows], device=self.network.device)
        first = alike[0].first - alike[0].window.start - (1 - len(front))
        return self.network.score(given, given.shape[1], first)


def _alike(a: Group, b: Group) -> bool:
    """Whether two groups can share a pass."""
    same = a.first - a.window.start == b.first - b.window.start
    return same and _width(a) == _width(b) and a.window.regime == b.window.regime


def _width(group: Group) -> int:
    return group.last - group.window.start
