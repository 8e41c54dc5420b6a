"""Rows of `polyloom bench transformer` about running: generation against `transformers`, and how well logits agree.

A Qwen3 of 33M random weights, saved by `transformers` and loaded by both, goes on greedily from the same prompt, one
thread, in float32 and bfloat16; the better of a few runs counts, turn by turn.  Parity is the largest difference of
any logit, over random tiny models of five families, all at once and token by token.  What an association model adds to
a step of a transformer is the time of both mixed less that of the transformer alone, at as many words as Qwen3 has.
"""

import importlib.util
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyloom.association.bench_measure import ready, running
from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row
from polyloom.compose.layered import Layer, Layered
from polyloom.generate.sampling import Sampling
from polyloom.tokens.word import WordVocabulary
from polyloom.transformer.config import Experts, TransformerConfig
from polyloom.transformer.experts import Mixture
from polyloom.transformer.huggingface import read_folder
from polyloom.transformer.model import TransformerModel
from polyloom_kernels.experts import operation as experts
from polyloom_kernels.limit import bandwidth, buffer
from polyloom_kernels.route import operation as route

PEER = "transformers"
ABSENT = "transformers is not installed"
PROMPT, NEW, RUNS = 16, 128, 3
WIDTH, MIXTURE = 512, Experts(8, 2, size=1_376)
TOKENS, LAYERS, TURNS = 16, 4, 20  # that a mixture reads; its layers, and how often they are asked
SURE = 20.0
LARGE = 151_936  # words, as many as rows in Qwen3
SHAPE: dict[str, Any] = {
    "vocab_size": 16_384, "hidden_size": 512, "intermediate_size": 1_408, "num_hidden_layers": 8,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "max_position_embeddings": 2_048,
    "tie_word_embeddings": True,
}  # fmt: skip
TINY: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
GPT2: dict[str, Any] = {"vocab_size": 96, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}
FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": TINY,
    "Mistral": {**TINY, "sliding_window": 8},
    "Qwen3": {**TINY, "head_dim": 8},
    "Qwen3Moe": {
        **TINY, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
        "norm_topk_prob": True, "decoder_sparse_step": 1,
    },
    "GPT2": GPT2,
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The same weights twice: `theirs` a live model of transformers, `ours` loaded from what it saved."""

    theirs: Any
    ours: TransformerModel


def rows(shared: Path | None) -> Iterator[Row]:
    """The rows, in about half a minute; nothing of `shared` is needed."""
    del shared
    if importlib.util.find_spec("transformers") is None:
        yield Row(group="transformer", name="generate", value=None, unit="tokens/s", reason=ABSENT)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from _parity_rows()
        for dtype in ("float32", "bfloat16"):
            yield _generate_row(dtype)
        yield _mixed_row()
        yield mixture_row("float32")
        yield mixture_row("bfloat16")
    finally:
        torch.set_num_threads(threads)


def pair(family: str, settings: dict[str, Any], dtype: str = "float32") -> Pair:
    """A random model of a family, in both libraries."""
    import transformers

    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType] - untyped
    config = getattr(transformers, f"{family}Config")(**settings)
    theirs: Any = getattr(transformers, "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM")(config)
    theirs = theirs.to(getattr(torch, dtype)).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        found, decoder = read_folder(Path(folder))
        words = WordVocabulary([f"w{n}" for n in range(found.vocabulary_size)])
        return Pair(theirs, TransformerModel(decoder, words))


def _parity_rows() -> Iterator[Row]:
    """The largest difference of logits of each family; also of the log-probabilities with a cache."""
    for family, settings in FAMILIES.items():
        both, ids = pair(family, settings), np.random.default_rng(0).integers(0, 96, 40)
        with torch.no_grad():
            theirs: torch.Tensor = both.theirs(torch.tensor(ids[None])).logits[0]
        apart = float((both.ours.logits(ids) - theirs).abs().max())
        expected = torch.log_softmax(theirs.double(), -1).numpy()
        place = both.ours.begin(ids[:1])
        cached = [place.distribution(), *(place.extend([token])[0] for token in ids[1:].tolist())]
        apart = max(apart, float(np.abs(np.stack(cached) - expected).max()))
        yield Row(
            group="transformer", name=f"logits of {family} against transformers, cached and not, 40 tokens",
            value=apart, unit="largest difference", bar="value <= 0.0001",
        )  # fmt: skip


def _mixed_row() -> Row:
    words = WordVocabulary([f"w{n}" for n in range(LARGE)])
    decoder = TransformerModel.build(TransformerConfig(LARGE, width=64, layers=2, begin=0), words).decoder
    with torch.no_grad():
        decoder.embedding.weight *= SURE  # of its best guesses, as trained models are
    transformer = TransformerModel(decoder, words)
    text = np.random.default_rng(0).zipf(1.3, 300_000) % LARGE
    counts = AssociationModel.fit(np.array_split(text, 100), words)
    mix = Layered(transformer, {"counts": Layer(counts)}, name="transformer")
    ready(lambda: (mix.begin(text[:10]).top(10), transformer.begin(text[:10]).top(10)))
    alone, both = transformer.begin(text[:10]), mix.begin(text[:10])
    times: list[tuple[float, float]] = []
    for token in text[10 : 10 + NEW].tolist():
        times.append((float(running(alone, np.array([token]))[0]), float(running(both, np.array([token]))[0])))
    added = np.median(np.array(times), 0)
    sure = float(np.exp(transformer.begin(text[:10]).extend(text[10 : 10 + NEW])).max(-1).mean())
    return Row(
        group="transformer", name=f"what an association model adds to advance and top(10), {LARGE:,} words, median",
        value=float(added[1] - added[0]) / 1000, unit="ms", bar="value <= 1",
        reason=f"the transformer alone takes {added[0] / 1000:.2f} ms; its best guess has {sure:.0%} on average",
    )  # fmt: skip


def mixture_row(dtype: str) -> Row:
    """Layers of experts for a few tokens, gates included, beside a plain read of as many bytes as they read.

    Several take turns, as in a model, so that none finds its weights in a cache.
    """
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType] - untyped
    config = TransformerConfig(2, width=WIDTH, experts=MIXTURE)
    layers, memory = [Mixture(config, n).to(getattr(torch, dtype)) for n in range(LAYERS)], buffer()
    with torch.no_grad():
        for weight in (weight for layer in layers for weight in layer.parameters()):
            weight.normal_(std=weight.shape[-1] ** -0.5)
        x = torch.randn(TOKENS, WIDTH, dtype=layers[0].up.dtype)
        read = sum(weight.nbytes for weight in layers[0].parameters())  # with 16 tokens, all experts are chosen
        for operation in (experts, route):  # until they are compiled, torch and NumPy serve
            operation.COMPILED.wait()
        times = [(_seconds(layers, x), read / bandwidth(memory) / 1e9) for _ in range(TURNS)]
    spent, limit = np.array(times).min(0)
    return Row(
        group="transformer", name=f"a mixture of {MIXTURE.count} experts of {WIDTH} × {MIXTURE.size:,}, top "
        f"{MIXTURE.active}, {TOKENS} tokens, {dtype}, one thread",
        value=1e3 * float(spent), unit="ms", limit=1e3 * float(limit), bar="limit_ratio >= 0.67",
    )  # fmt: skip


def _seconds(layers: list[Mixture], x: torch.Tensor) -> float:
    """Processor time of a layer."""
    started = time.thread_time()
    for layer in layers:
        layer(x)
    return (time.thread_time() - started) / len(layers)


def _generate_row(dtype: str) -> Row:
    both = pair("Qwen3", SHAPE, dtype)
    prompt = np.random.default_rng(1).integers(0, SHAPE["vocab_size"], PROMPT)
    ours, theirs = list[float](), list[float]()
    written: tuple[list[int], list[int]] = ([], [])
    for _ in range(RUNS + 1):  # the first of each warms up
        started = time.perf_counter()
        found = both.ours.generate(prompt, Sampling(temperature=0, max_tokens=NEW))
        ours.append(NEW / (time.perf_counter() - started))
        started = time.perf_counter()
        with torch.no_grad():
            answer = both.theirs.generate(
                torch.tensor(prompt[None]), max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, pad_token_id=0
            )
        theirs.append(NEW / (time.perf_counter() - started))
        written = [step.token for step in found.steps], answer[0, PROMPT:].tolist()
    same = next((n for n, (a, b) in enumerate(zip(*written, strict=True)) if a != b), NEW)
    numbers = sum(weight.numel() for weight in both.ours.decoder.parameters()) / 1e6
    return Row(
        group="transformer", name=f"generate, Qwen3 of {numbers:.0f}M, {dtype}, batch 1, {NEW} new tokens, one thread",
        value=max(ours[1:]), unit="tokens/s", better="higher", peer=PEER, peer_value=max(theirs[1:]),
        bar="ratio >= 1.2", reason=f"the first {same} of {NEW} tokens are the same",
    )  # fmt: skip
