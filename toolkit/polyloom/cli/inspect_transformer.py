"""`polyloom inspect` of a transformer: what it is made of, part by part; and with a text, where its heads look.

Counts are of the numbers that are trained.  Of a mixture only some experts read a token, so what is read for one is
said as well.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from polyloom.cli.output import columns, print_json

if TYPE_CHECKING:
    from polyloom.transformer.heads import HeadScores
    from polyloom.transformer.model import TransformerModel
    from polyloom.transformer.routing import Routing

PARTS = {  # the name of a weight contains one of these; what it belongs to
    "embedding": "embedding",
    "positions": "positions",
    ".attention.": "attention",
    ".router.": "routers",
    ".feed_forward.": "feed-forward",
    "norm": "norms",
    "output": "output",
}


def inspect_transformer(path: Path, model: "TransformerModel", text: str | None, every: bool, as_json: bool) -> None:
    """Print the architecture, the parameters by part, and what happens while the model reads `text`."""
    told = {**_file(path), **_described(model)}
    parts, arrays = _parts(model), _arrays(model)
    heads, routing = _looks(model, text) if text is not None else (None, ())
    if as_json:
        read = {} if heads is None else {"text": text, "heads": _table(heads), "routing": _loads(routing)}
        print_json({**told, "parts": parts, **read, "arrays": arrays})
        return
    typer.echo("\n".join(f"{name:<12} {_shown(value)}" for name, value in told.items() if value is not None))
    whole = sum(parts.values())
    rows = [(f"{count:,}", f"{100 * count / whole:.1f} %", name) for name, count in parts.items()]
    typer.echo("\n" + columns([("parameters", "share", "part"), *rows]))
    if heads is not None:
        typer.echo(f"\n{heads}")
    for one in routing:
        typer.echo(f"\nlayer {one.layer}, shares of the experts: {' '.join(f'{share:.3f}' for share in one.load)}")
    if every:
        cells = [(f"{a['bytes']:,}", a["dtype"], "×".join(map(str, a["shape"])), a["name"]) for a in arrays]
        typer.echo("\n" + columns([("bytes", "type", "shape", "array"), *cells]))


def _file(path: Path) -> dict[str, Any]:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return {"model": str(path), "bytes": sum(file.stat().st_size for file in files)}


def _described(model: "TransformerModel") -> dict[str, Any]:
    """The config in the words of people."""
    config, vocabulary = model.config, model.vocabulary
    attention, experts = config.attention, config.experts
    shared = "" if attention.kv_heads == attention.heads else f", keys and values of {attention.kv_heads}"
    window = "" if attention.window is None else f", {attention.window} tokens back"
    weights = sum(weight.numel() for weight in model.decoder.parameters())
    return {
        "kind": "transformer",
        "parameters": weights,
        "read": None if experts is None else weights - _asleep(model),
        "dtype": str(model.decoder.embedding.weight.dtype).removeprefix("torch."),
        "layers": config.layers,
        "width": config.width,
        "heads": f"{attention.heads} of {attention.head_size}{shared}{window}",
        "feed-forward": f"{config.feed_forward.kind}, {config.feed_forward.size} wide",
        "experts": None if experts is None else _experts(experts),
        "positions": config.position.kind,
        "norm": config.norm.kind,
        "context": config.context,
        "vocabulary": f"{vocabulary.size:,} pieces, {vocabulary.kind}, {vocabulary.digest[:8]}",
    }


def _experts(experts: Any) -> str:
    shared = f", {experts.shared} shared" if experts.shared else ""
    return f"{experts.active} of {experts.count}{shared}, {experts.size} wide, balanced by {experts.balance}"


def _asleep(model: "TransformerModel") -> int:
    """The numbers of the experts that do not read a token."""
    experts = model.config.experts
    if experts is None:
        return 0
    each = 3 * experts.size * model.config.width
    return len(model.decoder.mixtures) * (experts.count - experts.active) * each


def _parts(model: "TransformerModel") -> dict[str, int]:
    """How many numbers each part has, over all layers; an output that is the embedding is counted as that."""
    found: dict[str, int] = {}
    for name, weight in model.decoder.named_parameters():
        part = next(part for sign, part in PARTS.items() if sign in name)
        found[part] = found.get(part, 0) + weight.numel()
    return found


def _arrays(model: "TransformerModel") -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "dtype": str(weight.dtype).removeprefix("torch."),
            "shape": list(weight.shape),
            "bytes": weight.numel() * weight.element_size(),
        }
        for name, weight in model.decoder.named_parameters()
    ]


def _looks(model: "TransformerModel", text: str) -> "tuple[HeadScores, Sequence[Routing]]":
    from polyloom.transformer.heads import head_scores

    capture = model.capture(text)
    return head_scores(capture), capture.routing


def _table(heads: "HeadScores") -> list[dict[str, Any]]:
    names = ("previous", "induction", "first", "entropy")
    return [
        {"layer": layer, "head": head, **{name: _number(getattr(heads, name)[row, head]) for name in names}}
        for row, layer in enumerate(heads.layers)
        for head in range(heads.previous.shape[1])
    ]


def _loads(routing: "Sequence[Routing]") -> list[dict[str, Any]]:
    return [{"layer": one.layer, "load": one.load.tolist(), "entropy": float(one.entropy.mean())} for one in routing]


def _number(score: float) -> float | None:
    return None if np.isnan(score) else float(score)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
