"""Activation patching: where in a network, and where in a text, is it settled what comes next?

    clean       "The keeper of the lamp said"       the answer is likely
    corrupted   "The farmer of the field said"      as many tokens, and the answer is not

The corrupted text is read once for each layer and position, and each time one activation there is replaced by what it
was in the clean text (Vig et al. 2020; Meng et al. 2022, "causal tracing"; Wang et al. 2022).  How much of the answer
comes back is the effect of that place:

    effect = (score patched − score corrupted) / (score clean − score corrupted)       0 nothing, 1 everything

The score is ln p(answer), or with `against` the difference ln p(answer) − ln p(against), after the last token.  It may
lie outside 0 … 1: a patch can also harm, or overshoot.  What is patched is the stream before each layer ("residual"),
or what its attention or its feed-forward adds.  All positions of a layer are read in one batch, from that layer on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from polyloom.errors import InputError
from polyloom.model import Floats, Prompt, Token
from polyloom.transformer.attention import Itself
from polyloom.transformer.capture import named, read_by
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.opened import opened

What = Literal["residual", "attention", "feed_forward"]
NAMES = {"residual": "hook_resid_pre", "attention": "hook_attn_out", "feed_forward": "hook_mlp_out"}
BEFORE = {"residual": "hook_resid_pre", "attention": "hook_resid_pre", "feed_forward": "hook_resid_mid"}
TOGETHER = 4096  # tokens that are read in one pass
SAME = 1e-9  # nats: scores closer than that leave nothing to restore


@dataclass(frozen=True, eq=False, repr=False)
class PatchMap:
    """Scores (layers, positions) of the patched readings, and those of the two texts themselves."""

    what: What
    answer: str
    against: str | None
    pieces: tuple[str, ...]  # of the corrupted text; where the clean one has another, "clean→corrupted"
    scores: Floats
    clean: float
    corrupted: float

    @property
    def effect(self) -> Floats:
        """How much of the answer each place brings back, (layers, positions)."""
        return (self.scores - self.corrupted) / (self.clean - self.corrupted)

    def strongest(self) -> tuple[int, int]:
        """Layer and position of the largest effect."""
        layer, position = np.unravel_index(int(self.effect.argmax()), self.effect.shape)
        return int(layer), int(position)

    def __repr__(self) -> str:
        (layers, positions), (layer, at) = self.scores.shape, self.strongest()
        most = f"most at layer {layer}, {self.pieces[at]!r}: {self.effect[layer, at]:.2f}"
        return f"<PatchMap of the {self._named()}: {layers} layers, {positions} positions, {most}>"

    def __str__(self) -> str:
        head = "layer  " + "  ".join(f"{piece:>4}" for piece in self.pieces)
        rows = [
            "  ".join(f"{value:z{max(4, len(piece))}.2f}" for value, piece in self._row(layer))
            for layer in self._layers
        ]
        return "\n".join([self._title(), head, *(f"{layer:5}  {row}" for layer, row in enumerate(rows))])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(piece)}</th>" for piece in self.pieces)
        cells = ["".join(_cell(value) for value, _ in self._row(layer)) for layer in self._layers]
        rows = "".join(f"<tr><th>layer {layer}</th>{cells[layer]}</tr>" for layer in reversed(self._layers))
        table = f"<caption>{escape(self._title())}</caption>{rows}<tr><td></td>{head}</tr>"
        return f"<table style='font-variant-numeric:tabular-nums;text-align:center'>{table}</table>"

    @property
    def _layers(self) -> range:
        return range(len(self.scores))

    def _row(self, layer: int) -> list[tuple[float, str]]:
        return list(zip(self.effect[layer].tolist(), self.pieces, strict=True))

    def _named(self) -> str:
        return self.what.replace("_", "-") + (" stream" if self.what == "residual" else "")

    def _title(self) -> str:
        score = f"ln p({self.answer})" + ("" if self.against is None else f" − ln p({self.against})")
        return f"{self._named()}: {score} is {self.clean:.3f} clean, {self.corrupted:.3f} corrupted; part restored"


@torch.no_grad()
def patch(
    model: TransformerModel,
    clean: Prompt,
    corrupted: Prompt,
    answer: Token,
    against: Token | None = None,
    what: What = "residual",
) -> PatchMap:
    """How much the activation of each layer and position of `clean`, put into `corrupted`, restores of `answer`.

    Tokens are ids or pieces.  Raises InputError if the texts have different numbers of tokens, or make the answer
    equally likely.
    """
    if what not in get_args(What):
        raise InputError(f"Unknown part {what!r} to patch; there are {', '.join(get_args(What))}.")
    read, wrong = read_by(model, clean), read_by(model, corrupted)
    if len(read) != len(wrong):
        raise InputError(
            f"Patching goes place by place, but there are {len(read)} clean tokens and {len(wrong)} others."
        )
    score = _score(model, answer, against)
    patched, ends = _patched(model.decoder, read, wrong, what, score)
    if abs(ends[0] - ends[1]) < SAME:
        raise InputError(f"Both texts score {ends[0]:.6f} for {answer!r}: there is nothing to restore.")
    pieces = tuple(_both(model, int(a), int(b)) for a, b in zip(read, wrong, strict=True))
    rival = None if against is None else _piece(model, against)
    return PatchMap(what, _piece(model, answer), rival, pieces, patched, *ends)


def _patched(
    decoder: Decoder, clean: Tensor, corrupted: Tensor, what: What, score: Callable[[Tensor], Floats]
) -> tuple[Floats, tuple[float, float]]:
    """Scores (layers, T) of the patched readings, and of the clean and the corrupted text."""
    names = {f"blocks.{layer}.{name}" for layer in range(len(decoder.layers)) for name in (NAMES[what], BEFORE[what])}
    good, bad = (opened(decoder, tokens, keep=names.__contains__) for tokens in (clean, corrupted))
    count = len(clean)
    found = np.empty((len(decoder.layers), count))
    size = max(1, TOGETHER // count)
    for layer in range(len(decoder.layers)):
        before, name = bad.seen[f"blocks.{layer}.{BEFORE[what]}"], f"blocks.{layer}.{NAMES[what]}"
        given = good.seen[name] if what == "residual" else before + good.seen[name]  # (T, d), at each place
        own = before if what == "residual" else before + bad.seen[name]
        for start in range(0, count, size):
            places = torch.arange(start, min(start + size, count), device=clean.device)
            stream = own.repeat(len(places), 1, 1)  # (B, T, d)
            stream[places - start, places] = given[places]
            found[layer, start : start + len(places)] = score(_onward(decoder, stream, layer, what))
    best, worst = (float(score(trace.logits[-1:])[0]) for trace in (good, bad))
    return found, (best, worst)


def _onward(decoder: Decoder, x: Tensor, layer: int, what: What) -> Tensor:
    """Logits (B, rows) after the last token, of streams (B, T, d) that have come so far."""
    places = torch.arange(x.shape[1], device=x.device)[None]
    turning, memory = decoder.positions.turning(places, x.shape[1]), Itself()
    block, *others = decoder.layers[layer:]
    if what == "attention":
        x = x + block.think(block.feed_forward_norm(x), None)
    for later in others if what != "residual" else [block, *others]:
        x = later(x, turning, memory, None)
    return decoder.head(x[:, -1])


def _score(model: TransformerModel, answer: Token, against: Token | None) -> Callable[[Tensor], Floats]:
    """Of logits (B, rows): ln p(answer), less ln p(against) if it is given."""
    right = model.token_id(answer)
    wrong = None if against is None else model.token_id(against)

    def score(logits: Tensor) -> Floats:
        rows = model.normalised(logits)
        return rows[:, right] if wrong is None else rows[:, right] - rows[:, wrong]

    return score


def _piece(model: TransformerModel, token: Token) -> str:
    return model.vocabulary.display(model.token_id(token))


def _both(model: TransformerModel, clean: int, corrupted: int) -> str:
    ours, theirs = named(model, clean), named(model, corrupted)
    return theirs if clean == corrupted else f"{ours}→{theirs}"


def _cell(value: float) -> str:
    """A number, and how strong it is: blue restores, red harms."""
    colour = "70,130,180" if value >= 0 else "200,80,60"
    return f"<td style='background:rgba({colour},{min(1.0, abs(value)) * 0.7:.2f})'>{value:z.2f}</td>"
