"""The rows of `polyloom bench transformer`: about running (see `transformer.bench` and `bench_int8`), and of training.

The peer of a step is the same model in plain torch, as people write it who write one model and no toolkit (nanoGPT is
the pattern): linear layers, rotary halves, `scaled_dot_product_attention`, `cross_entropy`, a fused AdamW.  Both have
the same sizes and the same first weights, learn from the same batches of one document each, and take turns; a test
holds their losses equal.  Seconds are the processor's own on one thread, and of each the fastest step counts.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from polyloom.cli.rows import Row
from polyloom.train.muon import orthogonal
from polyloom.train.optimisers import BETAS, STILL, Optimiser
from polyloom.train.packing import Block
from polyloom.train.settings import Training
from polyloom.train.step import learn
from polyloom.transformer import bench, bench_int8
from polyloom.transformer.build import build
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.decoder import Decoder

CONFIG = TransformerConfig(4096, width=320, layers=6, context=256, attention=Attention(5))
TEXTS, STEPS = 8, 6  # of a batch; that are timed
RATE, DECAY = 1e-3, 0.1


def rows(shared: Path | None) -> Iterator[Row]:
    """The group's rows, in about five minutes; no data are needed."""
    yield from bench.rows(shared)
    yield from bench_int8.rows()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from _step_rows()
        yield _orthogonal_row()
    finally:
        torch.set_num_threads(threads)


def _step_rows() -> Iterator[Row]:
    (ours, number), theirs = _ours(), _theirs()
    seconds = _turns([ours, theirs], [_batch(n) for n in range(STEPS)])
    tokens = TEXTS * CONFIG.context
    yield Row(
        group="transformer", name=f"training step, {number / 1e6:.1f}M parameters, {TEXTS} × {CONFIG.context} tokens, "
        "AdamW, fp32, one core", value=tokens / seconds[0], unit="tokens/s", better="higher",
        peer="the same model in plain torch", peer_value=tokens / seconds[1], bar="ratio >= 1.0",
    )  # fmt: skip


def _orthogonal_row() -> Row:
    matrix = torch.randn(CONFIG.feed_forward.size, CONFIG.width, generator=torch.Generator().manual_seed(0))
    theirs = torch.optim.Muon([nn.Parameter(matrix.clone())], lr=0.0, weight_decay=0.0)
    for group in theirs.param_groups:
        group["params"][0].grad = matrix

    def peer(_: Block) -> object:
        return theirs.step()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped

    seconds = _turns([lambda _: orthogonal(matrix), peer], [_batch(0)] * 3)
    size = f"{matrix.shape[0]} × {matrix.shape[1]}"
    return Row(
        group="transformer", name=f"Muon, a matrix of {size} made orthogonal, fp32, one core", value=1e3 * seconds[0],
        unit="ms", peer="torch.optim.Muon (bf16)", peer_value=1e3 * seconds[1],
    )  # fmt: skip


def _turns(works: list[Callable[[Block], object]], batches: list[Block]) -> list[float]:
    """Processor seconds of the fastest of each work, in turns, after one of each that is not timed."""
    for work in works:
        work(batches[0])
    found = [[_timed(work, batch) for work in works] for batch in batches]
    return [min(column) for column in zip(*found, strict=True)]


def _timed(work: Callable[[Block], object], batch: Block) -> float:
    started = time.process_time()
    work(batch)
    return time.process_time() - started


def _batch(number: int) -> Block:
    shape = (TEXTS, CONFIG.context + 1)
    tokens = np.random.default_rng(number).integers(0, CONFIG.vocabulary_size, shape)
    return Block(tokens, np.zeros(shape, np.int64))


def _ours() -> tuple[Callable[[Block], float], int]:
    network = build(CONFIG).requires_grad_(True).train()
    training = Training(learning_rate=RATE, weight_decay=DECAY, optimiser="adamw")
    optimiser = Optimiser(network, training)
    number = sum(weight.numel() for weight in network.parameters())
    return lambda batch: learn(network, optimiser, [batch], training, 1.0).loss, number


def _theirs() -> Callable[[Block], float]:
    network = plain(build(CONFIG))
    matrices = [weight for weight in network.parameters() if weight.ndim > 1]
    vectors = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, RATE, BETAS, STILL, fused=True)

    def step(batch: Block) -> float:
        tokens = torch.as_tensor(batch.tokens)
        logits = network(tokens[:, :-1])
        loss = nn.functional.cross_entropy(logits.view(-1, logits.size(-1)), tokens[:, 1:].reshape(-1))
        loss.backward()  # pyright: ignore[reportUnknownMemberType] - untyped
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()  # pyright: ignore[reportUnknownMemberType] - untyped
        optimiser.zero_grad(set_to_none=True)
        return loss.item()

    return step


class PlainBlock(nn.Module):
    """Attention and SwiGLU of one layer."""

    def __init__(self) -> None:
        super().__init__()
        width, size = CONFIG.width, CONFIG.feed_forward.size
        self.heads = CONFIG.attention.heads
        self.norm1, self.norm2 = nn.RMSNorm(width, CONFIG.norm.eps), nn.RMSNorm(width, CONFIG.norm.eps)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate, self.up = nn.Linear(width, size, bias=False), nn.Linear(width, size, bias=False)
        self.down = nn.Linear(size, width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """The stream (B, T, d) after this block."""
        texts, length, width = x.shape
        q, k, v = (
            part.view(texts, length, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(width, 2)
        )
        z = nn.functional.scaled_dot_product_attention(
            _turned(q, cosine, sine), _turned(k, cosine, sine), v, is_causal=True
        )
        x = x + self.out(z.transpose(1, 2).reshape(texts, length, width))
        h = self.norm2(x)
        return x + self.down(nn.functional.silu(self.gate(h)) * self.up(h))


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), -1)


class Plain(nn.Module):
    """The decoder of CONFIG with nothing that another config would need."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CONFIG.vocabulary_size, CONFIG.width)
        self.blocks = nn.ModuleList(PlainBlock() for _ in range(CONFIG.layers))
        self.norm = nn.RMSNorm(CONFIG.width, CONFIG.norm.eps)
        half = CONFIG.attention.head_size // 2
        speeds = CONFIG.position.theta ** (-torch.arange(half) / half)
        angles = torch.arange(CONFIG.context)[:, None] * speeds  # (T, h / 2)
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cosine, self.sine)
        return nn.functional.linear(self.norm(x), self.embedding.weight)


def plain(decoder: Decoder) -> Plain:
    """The peer with the weights of a decoder."""
    given, found = decoder.state_dict(), dict[str, Tensor]()
    for theirs, ours in [("embedding", "embedding"), ("norm", "norm"), *_pairs()]:
        found[f"{theirs}.weight"] = torch.cat([given[f"{name}.weight"] for name in ours.split("+")])
    peer = Plain()
    peer.load_state_dict({**peer.state_dict(), **found})
    return peer


def _pairs() -> Iterator[tuple[str, str]]:
    """The names of the peer's weights in its blocks, and of ours that are put together in them."""
    for block in (f"blocks.{n}" for n in range(CONFIG.layers)):
        yield f"{block}.qkv", "+".join(f"{block}.attention.{name}" for name in "qkv")
        yield f"{block}.out", f"{block}.attention.o"
        yield from ((f"{block}.{name}", f"{block}.feed_forward.{name}") for name in ("gate", "up", "down"))
        yield f"{block}.norm1", f"{block}.attention_norm"
        yield f"{block}.norm2", f"{block}.feed_forward_norm"
