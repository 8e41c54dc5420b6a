"""A transformer in whole numbers: a quarter of the memory, and several times the words in a second on a processor.

    fast = int8(model)                   weights of 8 bits with a scale for each row
    fast = int8(model, threads=2)        read by two threads together
    small = int4(model, group=64)        4 bits within the blocks, with a scale for each 64 columns

What meets the weights is rounded to 8 bits too, so that all sums are of whole numbers, and the whole network is one
compiled call for a token, which takes as long as reading the weights from memory (see `polyloom_kernels.decode`).  The
result is a `TransformerModel` like any other, which says slightly other things: of the model of `bench hybrid` the
perplexity rises by 0.04 % in 8 bits and by 1.0 % in 4; measure `perplexity` of yours.  It is saved as one file that
`polyloom.load` reads.  An explanation names what each layer adds, and what rounding before the output does, as a term
of its own; for heads and patterns look into the model that it was made from.

The same text gives the same bits, read at once or word by word, with any number of threads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Arrays
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.transformer.account import Attribution, Part, through
from polyloom.transformer.cache import Cache, Store
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Decoder, SoftCap
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.network import HEAD_BYTES, Network
from polyloom.transformer.norm import norm
from polyloom.transformer.places import Places
from polyloom.transformer.provenance import Provenance
from polyloom.transformer.rounded import SCALES, Bits, Reader, round_off, widened
from polyloom.whole import whole
from polyloom_kernels import decode
from polyloom_kernels.decode.reference import rounded

TOGETHER = 64  # tokens of a text that are read in one call
KIND = "rounded"  # of the file


def int8(model: TransformerModel, threads: int = 1) -> TransformerModel:
    """The model in 8 bits, read by so many threads; one that is in 8 bits already shares its weights.

    Raises InputError for a model that has no weights of ours, has a soft prompt, or is in 4 bits.
    """
    return _rounded(model, 8, 0, threads)


def int4(model: TransformerModel, threads: int = 1, group: int = 64) -> TransformerModel:
    """The model in 4 bits, but for embedding and output, with a scale for each `group` columns: 32, 64 or 128.

    Raises InputError for such a model as `int8` does, and for another group.
    """
    return _rounded(model, 4, group, threads)


def _rounded(model: TransformerModel, bits: Bits, group: int, threads: int) -> TransformerModel:
    if not isinstance(model, TransformerModel):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise InputError(
            f"Expected a TransformerModel, got a {type(model).__name__}: others have no matrices to round."
        )
    threads, was = whole("threads", threads, 1), model.provenance
    if isinstance(was, Rounded):
        if was.bits != bits:
            raise InputError(f"{model!r} is in {was.bits} bits already: round the model that it was made from.")
        return restored(was, threads)
    try:
        decoder = model.plain
        arrays = round_off(decoder, bits, group)
    except ValueError as error:
        raise InputError(str(error)) from None
    return restored(Rounded(decoder.config, model.vocabulary, bits, arrays), threads)


def restored(rounded: "Rounded", threads: int = 1) -> TransformerModel:
    """The model of rounded weights."""
    return TransformerModel(Int8Network(rounded, threads), rounded.vocabulary, rounded)


def from_state(manifest: dict[str, Any], arrays: Arrays) -> TransformerModel:
    """What `Rounded.state` described; ValueError or KeyError for what does not fit."""
    words = {name.removeprefix("vocabulary."): a for name, a in arrays.items() if name.startswith("vocabulary.")}
    weights = {name.removeprefix("weights."): a for name, a in arrays.items() if name.startswith("weights.")}
    vocabulary = Vocabulary.from_state(manifest["vocabulary"], words)
    bits: Bits = 4 if manifest["bits"] == 4 else 8
    return restored(Rounded(TransformerConfig.from_json(manifest["config"]), vocabulary, bits, weights))


@final
@dataclass(frozen=True, eq=False)
class Rounded(Provenance):
    """The weights of a model in whole numbers, as `rounded` names them."""

    config: TransformerConfig
    vocabulary: Vocabulary
    bits: Bits
    arrays: Arrays

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """The numbers as they are."""
        words, held = self.vocabulary.state()
        manifest = {"kind": KIND, "bits": self.bits, "config": self.config.to_json(), "vocabulary": words}
        arrays = {f"vocabulary.{name}": array for name, array in held.items()}
        return manifest, arrays | {f"weights.{name}": array for name, array in self.arrays.items()}

    def __str__(self) -> str:
        return f"in {self.bits} bits"

    def plain(self) -> Decoder:
        """A decoder whose weights are the rounded ones, in float32; what meets them is not rounded there."""
        return widened(self.config, self.arrays)


@final
class Int8Network(Network):
    """Rounded weights and the compiled code that reads them."""

    inside = "its weights are whole numbers. Look into the model that it was made from."

    def __init__(self, rounded: Rounded, threads: int = 1) -> None:
        config, arrays = rounded.config, rounded.arrays
        self.rounded, self.config = rounded, config
        self.rows, self.context, self.begin, self.opens = config.rows, config.context, config.begin, config.opens
        reader = Reader(config, arrays)
        self.machine = decode.prepare(reader.shape(), reader.weights(), "cpu", threads)
        self.places = Places(config, arrays.get("positions.weight"))

    @property
    def device(self) -> torch.device:
        """The processor."""
        return torch.device("cpu")

    def regime(self, length: int) -> int:
        """That of the positions."""
        return self.places.regime(length)

    def score(self, tokens: Tensor, length: int, first: int) -> Iterator[Tensor]:
        """Logits (n, V) of windows (B, T), in pieces."""
        size = max(1, min(TOGETHER, HEAD_BYTES // (4 * self.rows)))
        for row in tokens.numpy():
            cache: Cache | None = None
            for start in range(0, len(row), size):
                some = row[start : start + size]
                wanted = min(len(some), start + len(some) - first)
                logits, cache = self._read(some, length, cache, max(1, wanted))
                if wanted > 0:
                    yield logits

    def read(self, tokens: Sequence[int], length: int, state: Cache | None, last: int) -> tuple[Tensor, Cache]:
        """Logits (last, V) after the last of `tokens`, and the cache then."""
        return self._read_on(np.array(tokens), length, state, last)

    def cut(self, state: Cache, length: int) -> Cache:
        """The first `length` tokens of a cache, shared."""
        return state.cut(length)

    def attribute(self, tokens: Tensor, length: int, size: int) -> Attribution:
        """What each layer adds to the logits after tokens (T,), and what rounding before the output does."""
        parts = np.zeros((2 * self.config.layers + 3, self.config.width), np.float32)
        cap = nn.Identity() if self.config.soft_cap is None else SoftCap(self.config.soft_cap)
        if not len(tokens):
            nothing = torch.zeros(self.config.width, dtype=torch.float64)
            return Attribution((), None, self, nn.Identity(), nothing, float(np.log(size)), size)
        logits, _ = self._read_on(tokens.numpy(), length, None, 1, parts)
        stream = torch.tensor(parts[:-1])
        brick = norm(self.config.norm, self.config.width)
        names = ("weight", "bias")[: 1 + (self.config.norm.kind == "layer")]
        brick.load_state_dict({name: torch.tensor(self.rounded.arrays[f"norm.{name}"]) for name in names})
        brick.requires_grad_(False)
        scale, offset = brick.scale(stream.sum(0)).double(), brick.offset()
        numbers, step = rounded(parts[-1])
        given = torch.tensor(numbers).double() * float(step)
        added = Part("rounding to 8 bits", given - torch.tensor(parts[-1]).double(), "of what the output is given")
        return Attribution(
            parts=(*(through(brick, part, scale) for part in self._parts(stream)), added),
            offset=None if offset is None else offset.double(),
            output=self,
            cap=cap,
            logit=given,
            normaliser=float(logits[0, :size].double().logsumexp(0)),
            size=size,
        )

    def __getitem__(self, token: int) -> Tensor:
        """The row of the output that stands for a token, (d,)."""
        name = ("embedding" if self.config.tied else "output") + ".weight"
        row, scale = self.rounded.arrays[name][token], self.rounded.arrays[name + SCALES][token]
        return torch.tensor(row).double() * float(scale)

    def _parts(self, stream: Tensor) -> Iterator[Part]:
        yield Part("embedding", stream[0])
        if self.config.position.kind in ("learned", "sinusoidal"):
            yield Part("positions", stream[1])
        for layer in range(self.config.layers):
            yield Part(f"layer {layer} attention", stream[2 * layer + 2])
            yield Part(f"layer {layer} feed-forward", stream[2 * layer + 3])

    def _read_on(
        self, tokens: Ids, length: int, state: Cache | None, last: int, parts: Any = None
    ) -> tuple[Tensor, Cache]:
        found, cache = list[Tensor](), state
        for start in range(0, len(tokens), TOGETHER):
            some = tokens[start : start + TOGETHER]
            wanted = min(len(some), last - (len(tokens) - start - len(some)))
            logits, cache = self._read(some, length, cache, max(1, wanted), parts)
            if wanted > 0:
                found.append(logits)
        assert cache is not None
        return found[0] if len(found) == 1 else torch.cat(found), cache

    def _read(
        self, tokens: Ids, length: int, state: Cache | None, last: int, parts: Any = None
    ) -> tuple[Tensor, Cache]:
        attention = self.config.attention
        if state is None:
            shape = (2, self.config.layers, attention.kv_heads, 0, attention.head_size)
            state = Cache(Store(torch.empty(shape), 0), 0)
        start, cache = state.length, state.grown(len(tokens))
        turns, added = self.places.turns(start, len(tokens), length), self.places.added(start, len(tokens))
        keys, values = cache.store.data.numpy()
        held = decode.Cache(keys, values)
        found = self.machine.read(tokens, start, held, turns, added, last, parts=parts)
        return torch.as_tensor(found), cache

    def __repr__(self) -> str:
        config = self.config
        experts = "" if config.experts is None else f", {config.experts.active} of {config.experts.count} experts"
        read = f"{self.machine.nbytes / 1e6:.1f} MB a token, threads: {self.machine.threads}"
        return f"{config.layers} layers, width {config.width}{experts}, {self.rounded}, {read}"
