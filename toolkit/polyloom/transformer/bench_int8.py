"""Rows of `polyloom bench transformer` about whole numbers: words a second, beside torch and beside the memory.

A Qwen3 of 33M first weights answers for a text of 128 tokens, one after the other, each the likeliest; so do the peers
of `bench_torch`, with the same weights, and the fastest of them counts.  The limit is how fast as many threads read a
buffer as large as the weights.  All take turns, text by text.  Of the seconds of tokens the lower quartile counts,
which other work on the machine touches least; of those of reading the buffer the least.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from polyloom.cli.rows import Row
from polyloom.tokens.word import WordVocabulary
from polyloom.transformer.bench_torch import Step, variants
from polyloom.transformer.config import Attention, FeedForward, TransformerConfig
from polyloom.transformer.int8 import Int8Network, int4, int8
from polyloom.transformer.model import TransformerModel
from polyloom_kernels.integers import VNNI
from polyloom_kernels.limit import reading
from polyloom_kernels.threads import cores

CONFIG = TransformerConfig(
    16_384, width=512, layers=8, context=256,
    attention=Attention(8, 4, 64, qk_norm=True), feed_forward=FeedForward(size=1_408),
)  # fmt: skip
TOKENS, TEXTS = 128, 4
THREADS = (1, 2)
OURS = {"int8": int8, "int4": int4}


def rows() -> Iterator[Row]:
    """Four rows for each number of threads, in about two minutes."""
    words = WordVocabulary([f"w{n}" for n in range(CONFIG.vocabulary_size)])
    model, before = TransformerModel.build(CONFIG, words), torch.get_num_threads()
    try:
        for threads in THREADS:
            torch.set_num_threads(threads)
            yield from _rows_of(model, threads)
    finally:
        torch.set_num_threads(before)


def _rows_of(model: TransformerModel, threads: int) -> Iterator[Row]:
    numbers = sum(weight.numel() for weight in model.decoder.parameters()) / 1e6
    name = f"Qwen3 of {numbers:.0f}M, batch 1, {TOKENS} tokens, threads: {threads}"
    if threads > cores():
        reason = f"there are {cores()} cores"
        yield Row(group="transformer", name=f"int8, {name}", value=None, unit="tokens/s", reason=reason)
        return
    peers, missing = made(variants(model.decoder, TOKENS))
    networks = {kind: network(of(model, threads=threads)) for kind, of in OURS.items()}
    steps = peers | {kind: _step(found) for kind, found in networks.items()}
    readers = {f"reading {kind}": reader(found, threads) for kind, found in networks.items()}
    seconds = measured(steps, readers)
    best = min(peers, key=seconds.__getitem__)
    told = ", ".join(f"{peer} {1 / seconds[peer]:.0f}" for peer in peers) + "".join(missing)
    for kind, found in networks.items():
        yield Row(
            group="transformer", name=f"{kind}, {name}", value=1 / seconds[kind], unit="tokens/s", better="higher",
            peer=f"torch, {best}", peer_value=1 / seconds[best], reason=f"torch: {told}",
            bar="ratio >= 2.5" if kind == "int8" else None,
        )  # fmt: skip
        size = found.machine.nbytes
        yield Row(
            group="transformer", name=f"{kind}, {name}, weights and cache read",
            value=(size + kept()) / seconds[kind] / 1e9, unit="GB/s", better="higher",
            limit=size / seconds[f"reading {kind}"] / 1e9,
            bar="limit_ratio >= 0.75" if kind == "int8" and VNNI in ways() else None,
        )  # fmt: skip


def network(model: TransformerModel) -> Int8Network:
    """What reads it."""
    assert isinstance(model.network, Int8Network)
    return model.network


def _step(network: Int8Network) -> Step:
    state: Any = None

    def step(token: int, place: int) -> int:
        nonlocal state
        logits, state = network.read([token], place + 1, None if place == 0 else state, 1)
        return int(logits.numpy().argmax())

    return step


def made(variants: Mapping[str, Callable[[], Step]]) -> tuple[dict[str, Step], list[str]]:
    """The steps that can be had here, and why the others cannot."""
    found, missing = dict[str, Step](), list[str]()
    for name, make in variants.items():
        try:
            found[name] = make()
        except Exception as error:  # a compiler, a kernel or a back end of torch that is not here
            missing.append(f"; {name} is missing: {type(error).__name__}")
    return found, missing


def measured(steps: Mapping[str, Step], readers: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The lower quartile of the seconds of a token, and the least of those that readers tell, of each in turn."""
    spent: dict[str, list[float]] = {name: [] for name in (*steps, *readers)}
    for _ in range(TEXTS):
        for name, read in readers.items():
            spent[name] += [read() for _ in range(TEXTS)]
        for name, step in steps.items():
            token = 1
            for place in range(TOKENS):
                started = time.perf_counter()
                token = step(token, place)
                spent[name].append(time.perf_counter() - started)
    return {name: float(np.percentile(each, 0 if name in readers else 25)) for name, each in spent.items()}


def reader(network: Int8Network, threads: int) -> Callable[[], float]:
    """What tells in how many seconds so many threads read a buffer as large as the weights."""
    memory = np.ones(network.machine.nbytes // 4, np.float32)
    return partial(reading, memory, threads)


def ways() -> list[int]:
    """How this processor can multiply whole numbers."""
    from polyloom_kernels.decode import cpu

    return cpu.ways()


def kept() -> float:
    """The bytes of keys and values that a token reads, in the middle of the text."""
    attention = CONFIG.attention
    return 4 * 2 * CONFIG.layers * attention.kv_heads * attention.head_size * (TOKENS + 1) / 2
