"""What each part of a decoder adds to the logit of a token: direct logit attribution (Elhage et al. 2021).

    x       = embedding + positions + Σ_layers (Σ_heads z_head W_o[head] + bias + feed-forward)
    logit   = cap(u_y · norm(x)),    norm(x) = g (x − mean x) / s + b          RMSNorm without mean and b
    ln p(y) = logit − logsumexp

x is the stream at the last place.  With s taken as found the norm is linear, so every part has a term of its own,
u_y · g (part − mean part) / s, and taking the part away changes the logit, at this s, by exactly its term.  What is not
linear is upstream: which token a head looks at, what a feed-forward makes of what earlier parts wrote.  That sits
inside the term of whoever wrote to the stream in the end.

A layer's attention opens into its heads, a mixture into its experts, each with its weight; a node's own total comes
from what the layer wrote, not from its heads.  Parts are taken as the network computed them, and projected in float64:
what rounding left over in the network is the residual, below 1e-4 in float32 and larger for weights of 16 bits.
"""

from dataclasses import dataclass
from typing import Protocol, cast, final

import torch
from torch import Tensor, nn

from polyloom.explanation import LOGSUMEXP, SOFT_CAP, Explanation, Term
from polyloom.transformer.attention import Attention, Itself, Memory
from polyloom.transformer.decoder import Decoder, SoftCap
from polyloom.transformer.experts import Mixture
from polyloom.transformer.feed_forward import Plain, SwiGLU
from polyloom.transformer.norm import Normalisation


@dataclass(frozen=True)
class Part:
    """A vector (d,) that was added to the stream, and the smaller ones that it is the sum of, if it is known to be."""

    name: str
    vector: Tensor
    detail: str = ""
    inner: tuple["Part", ...] = ()


class Rows(Protocol):
    """The rows of an output matrix, one by one."""

    def __getitem__(self, token: int) -> Tensor:
        """Row of a token, (d,)."""
        ...


@final
@dataclass(frozen=True)
class Attribution:
    """One place of a text: the parts of its stream, seen through the final norm, and what turns them into ln p.

    `size` is how many of the output's rows are pieces, `normaliser` ln Σ exp over their logits.
    """

    parts: tuple[Part, ...]
    offset: Tensor | None
    output: "Tensor | Rows"
    cap: nn.Module
    logit: Tensor
    normaliser: float
    size: int

    def log_prob(self, token: int) -> float:
        """ln p of a token, from the stream as a whole."""
        return float(self.cap(self.logit @ self.output[token].double())) - self.normaliser

    def explain(self, token: int, piece: str, context: str) -> Explanation:
        """The account of one token, which is called `piece` and comes after `context`."""
        return Explanation(piece, context, "logit", self.terms(token, piece, context), self.log_prob(token))

    def terms(self, token: int, piece: str = "", context: str = "") -> tuple[Term, ...]:
        """The terms of one token on the scale `logit`; their sum is its log-probability.

        `piece` and `context` are what the terms that open say of themselves.
        """
        row = self.output[token].double()
        found = [_term(part, row, piece, context) for part in self.parts]
        if self.offset is not None:
            found.append(Term("final norm bias", float(self.offset @ row)))
        if isinstance(self.cap, SoftCap):
            raw = self.logit @ row
            found.append(Term(SOFT_CAP, float(self.cap(raw) - raw), f"{float(raw):.4f} within ±{self.cap.cap:g}"))
        return (*found, Term(LOGSUMEXP, -self.normaliser, f"over all {self.size} pieces"))


@final
@dataclass(frozen=True)
class Undivided:
    """One place of a text under a network of which only the logits, float64 (V,), are known."""

    logits: Tensor

    def terms(self, token: int, piece: str = "", context: str = "") -> tuple[Term, ...]:
        """The network's logit as one term, and − logsumexp."""
        del piece, context
        network = Term("network", float(self.logits[token]), "another library's: it opens no further")
        return network, Term(LOGSUMEXP, -float(self.logits.logsumexp(0)), f"over all {len(self.logits)} pieces")


@torch.no_grad()
def attribute(decoder: Decoder, tokens: Tensor, length: int | None = None, size: int | None = None) -> Attribution:
    """The parts of the logits after tokens (T,), a begin token included, in one pass.

    `length` is that of the whole text, where this is not all of it; `size` the number of pieces that the first rows of
    the output stand for, by default the vocabulary of the config.  After nothing all pieces are equally likely.
    """
    size = decoder.config.vocabulary_size if size is None else size
    nothing = torch.zeros(decoder.config.width, dtype=torch.float64, device=tokens.device)
    if not len(tokens):
        even = torch.zeros(size).double().logsumexp(0)
        return Attribution((), None, decoder.output.weight, nn.Identity(), nothing, float(even), size)
    parts, x = _written(decoder, tokens, len(tokens) if length is None else length)
    scale, offset = decoder.norm.scale(x).double(), decoder.norm.offset()
    seen = [through(decoder.norm, part, scale) for part in parts]
    bias = nothing if offset is None else offset.double()
    return Attribution(
        parts=tuple(seen),
        offset=None if offset is None else bias,
        output=decoder.output.weight,
        cap=decoder.cap,
        logit=decoder.norm.apply_scale(x.double(), scale) + bias,
        normaliser=float(decoder.head(x)[:size].double().logsumexp(0)),
        size=size,
    )


@final
class Last(Memory):
    """Looks into the text itself and remembers what the heads of each layer, (H, h), brought to the last place."""

    def __init__(self) -> None:
        self.itself, self.brought = Itself(), list[Tensor]()

    def look(self, layer: int, q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
        """What each head brings, (B, H, T, h)."""
        found = self.itself.look(layer, q, k, v, window)
        self.brought.append(found[0, :, -1])
        return found


def _written(decoder: Decoder, tokens: Tensor, length: int) -> tuple[list[Part], Tensor]:
    """Everything that was added to the stream at the last place, in order, and the stream (d,) then.

    Once it is known what the heads bring, the last place can be read without the others.
    """
    places, memory = torch.arange(len(tokens), device=tokens.device)[None], Last()
    decoder.read(tokens[None], places, length, memory)
    x = decoder.embedding(tokens[-1])  # (d,)
    parts = [Part("embedding", x)]
    if decoder.config.position.kind in ("learned", "sinusoidal"):
        place = decoder.positions.embed(torch.zeros_like(x)[None, None], places[:, -1:])[0, 0]
        parts.append(Part("positions", place))
        x = x + place
    for layer, (block, z) in enumerate(zip(decoder.layers, memory.brought, strict=True)):
        gathered = block.attention.o(z.flatten())
        parts.append(Part(f"layer {layer} attention", gathered, inner=_heads(block.attention, z)))
        x = x + gathered
        read = block.feed_forward_norm(x)
        thought = block.think(read[None], None)[0]
        parts.append(Part(f"layer {layer} feed-forward", thought, inner=_experts(block.feed_forward, read)))
        x = x + thought
    return parts, x


def _heads(part: Attention, z: Tensor) -> tuple[Part, ...]:
    """What each head adds, of what they bring (H, h), and the bias."""
    weight = part.o.weight.view(-1, part.heads, part.size).double()  # (d, H, h)
    added = torch.einsum("hi,dhi->hd", z.double(), weight)
    heads = [Part(f"head {head}", vector) for head, vector in enumerate(added)]
    bias = cast("Tensor | None", part.o.bias)
    return tuple(heads) if bias is None else (*heads, Part("output bias", bias))


def _experts(part: SwiGLU | Plain | Mixture, x: Tensor) -> tuple[Part, ...]:
    """What each chosen expert adds at one place, most wanted first, and the shared ones; nothing for a dense part."""
    if not isinstance(part, Mixture):
        return ()
    route = part.router(x[None])
    chosen: list[int] = route.chosen[0].tolist()
    found = [
        Part(f"expert {expert}", weight.to(x.dtype) * part.one(expert, x[None])[0], f"weight {float(weight):.4f}")
        for expert, weight in zip(chosen, route.weights[0], strict=True)
    ]
    return tuple(found) if part.shared is None else (*found, Part("shared experts", part.shared(x)))


def through(norm: Normalisation, part: Part, scale: Tensor) -> Part:
    """The part through the final norm, float64, without its bias."""
    inner = tuple(through(norm, smaller, scale) for smaller in part.inner)
    return Part(part.name, norm.apply_scale(part.vector.double(), scale), part.detail, inner)


def _term(part: Part, row: Tensor, piece: str, context: str) -> Term:
    total = float(part.vector @ row)
    if not part.inner:
        return Term(part.name, total, part.detail)
    inner = tuple(_term(smaller, row, piece, context) for smaller in part.inner)
    return Term(part.name, total, part.detail, Explanation(piece, context, "logit", inner, total))
