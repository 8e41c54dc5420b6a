"""The rows of `recall` on a GPU: the ten best tokens of 65,536 contexts of 32 tokens, over four layers."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from polyloom_kernels._cuda import Device
from polyloom_kernels._measure import Ceilings, seconds
from polyloom_kernels.recall import bench, cuda
from polyloom_kernels.recall.operation import fixed
from polyloom_kernels.recall.store import LINE, Store, stack

CONTEXTS = 65_536
FEW = 256  # contexts of the peer, which keeps the scores of all of them


def rows(machine: Device, ceilings: Ceilings) -> Iterator[dict[str, Any]]:
    """The arguments of each row."""
    texts = [bench.zipf(seed) for seed in range(bench.LAYERS)]
    store = stack([bench.layer(text, seed) for seed, text in enumerate(texts)])
    placed, text = cuda.place(machine, store), machine.array(texts[0], "int")
    ends = np.random.default_rng(1).integers(bench.WINDOW, bench.TOKENS, CONTEXTS)
    first, last = machine.array(ends - bench.WINDOW, "long long"), machine.array(ends, "long long")
    weights = machine.array(fixed(bench.WEIGHTS), "long long")
    spent = seconds([lambda: cuda.run(machine, placed, text, first, last, weights, bench.BEST)])
    peer = seconds([_torch(machine, store, texts[0], ends[:FEW])]) / FEW
    wanted = machine.array(texts[0][np.minimum(ends, bench.TOKENS - 1)], "int")
    judging = seconds([lambda: cuda.judge(machine, placed, text, first, last, wanted, weights)])
    shared: dict[str, Any] = {"group": "kernels", "unit": "M contexts/s", "better": "higher"}
    shared["limit"] = ceilings.copy / _bytes(store, texts[0], ends) / 1e6
    name = bench.WHAT.replace("recall", f"recall on a GPU, {CONTEXTS:,} contexts,")
    rates = {"value": CONTEXTS / spent / 1e6, "peer": "torch scatter_add + topk", "peer_value": 1 / peer / 1e6}
    yield {**shared, "name": name, **rates, "bar": "value >= 10"}
    yield {**shared, "name": name.replace(f"top {bench.BEST}", "likelihood"), "value": CONTEXTS / judging / 1e6}


def _bytes(store: Store, text: Any, ends: Any) -> float:
    """The mean bytes of a context: its entries of the table, and the lines of its rows."""
    sample, total = ends[:1000], 0
    lengths = (store.table >> np.uint64(32)).astype(np.int64) & 0xFF
    by_row = lengths.reshape(-1, store.layers)
    for end in sample.tolist():
        context = text[end - store.window : end][::-1]
        found = by_row[context * store.window + np.arange(store.window)]
        total += found.size * 8 + int((-(-found * (1 + store.targets.itemsize) // LINE) * LINE).sum())
    return total / len(sample)


def _torch(machine: Device, store: Store, text: Any, ends: Any) -> Any:
    """The same of a few contexts with torch, whose rows lie padded in tensors that hold nothing but these."""
    torch: Any = import_module("torch")
    tables = [bench.padded(store, text[end - store.window : end]) for end in ends.tolist()]
    targets, weights = (np.stack([table[part].reshape(-1) for table in tables]) for part in (0, 1))
    where, what = machine.array(targets, "long long"), machine.array(weights, "float")
    bias = machine.array((store.bias / bench.UNIT).astype(np.float32), "float")

    def ask() -> Any:
        return torch.topk(bias.repeat(len(ends), 1).scatter_add_(1, where, what), bench.BEST)

    return ask
