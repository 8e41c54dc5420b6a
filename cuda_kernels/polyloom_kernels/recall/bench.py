"""The rows of `recall` in `polyloom bench kernels`: the ten best tokens after 32 tokens, over four layers.

Each layer counted a text of its own, independent draws of token r with a probability in proportion to 1 / r, and keeps
the 64 commonest tokens of a row; what the weights are does not matter to the time.  A context is 32 tokens from the
first of these texts.  The layers take a few hundred megabytes, so most rows are fetched from memory.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.count import pairs
from polyloom_kernels.recall.operation import fixed, recall
from polyloom_kernels.recall.store import UNIT, Integers, Store, pack, stack

VOCABULARY, WINDOW, LAYERS, CAP, BEST = 32_768, 32, 4, 64, 10
TOKENS = 1_000_000  # that a layer counted
QUESTIONS, FEW = 2_000, 100  # contexts for us, and for peers that take a hundred times as long
WEIGHTS = (1.0, 0.5, 0.3, -0.2)
WHAT = f"recall top {BEST}, {LAYERS} layers × {WINDOW} tokens, V = {VOCABULARY:,}"


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in about half a minute."""
    texts = [zipf(seed) for seed in range(LAYERS)]
    store = stack([layer(text, seed) for seed, text in enumerate(texts)])
    places = np.random.default_rng(1).integers(0, TOKENS - WINDOW, QUESTIONS)
    contexts = [texts[0][place : place + WINDOW] for place in places.tolist()]
    weights = fixed(WEIGHTS)
    recall(store, contexts[0], BEST, weights, backend="cpu")  # made ready before it is measured
    ours = _seconds(lambda context: recall(store, context, BEST, weights, backend="cpu"), contexts)
    numpy = _seconds(lambda context: recall(store, context, BEST, weights, backend="reference"), contexts[:FEW])
    torch, reason = _torch(store, contexts[:FEW])
    yield _row("p50", ours, 50, "NumPy", numpy, bar="value <= 25")
    yield _row("p90", ours, 90, "NumPy", numpy, bar="value <= 40")
    yield _row("p50 beside torch", ours, 50, "torch index_add + topk", torch, bar="ratio >= 10", reason=reason)


def zipf(seed: int) -> Integers:
    """Independent draws of tokens, int64 of shape (TOKENS,)."""
    edges = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    return np.asarray(np.searchsorted(edges, np.random.default_rng(seed).random(TOKENS) * edges[-1]), np.int64)


def layer(text: Integers, seed: int) -> Store:
    """The store of one text: of each row the CAP smallest ids, which are the commonest, with weights by chance."""
    found = pairs(text, np.zeros(1, np.int64), VOCABULARY, WINDOW, backend="cpu")
    lengths = np.minimum(np.diff(found.starts), CAP)
    starts = np.append(0, np.cumsum(lengths))
    kept: Integers = np.arange(int(starts[-1])) + np.repeat(found.starts[:-1] - starts[:-1], lengths)
    weights = np.random.default_rng(seed).random(len(kept)) + 0.01
    share = (np.bincount(text, minlength=VOCABULARY) + 0.5) / TOKENS
    return pack(starts, found.targets[kept], weights, np.rint(np.log(share) * UNIT).astype(np.int32), WINDOW)


def _seconds(ask: Callable[[Any], object], questions: list[Any]) -> list[float]:
    spent: list[float] = []
    for question in questions:
        started = time.perf_counter()
        ask(question)
        spent.append(time.perf_counter() - started)
    return spent


def _torch(store: Store, contexts: list[Integers]) -> tuple[list[float] | None, str | None]:
    """Seconds of each context in torch, on one thread, or why there are none.

    Its rows lie padded in tensors that hold nothing but the rows of these contexts, which favours it.
    """
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return None, "torch is not installed here: pip install torch"
    tables = [padded(store, context) for context in contexts]
    targets = torch.from_numpy(np.concatenate([targets for targets, _ in tables]))
    weights = torch.from_numpy(np.concatenate([weights for _, weights in tables]))
    bias = torch.from_numpy((store.bias / UNIT).astype(np.float32))
    size = WINDOW * LAYERS
    questions = [torch.arange(n * size, (n + 1) * size) for n in range(len(contexts))]

    def ask(rows: Any) -> Any:
        scores = bias.clone()
        scores.index_add_(0, targets[rows].view(-1), weights[rows].view(-1))
        return torch.topk(scores, BEST)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    ask(questions[0])
    seconds = _seconds(ask, questions)
    torch.set_num_threads(before)
    return seconds, None


def padded(store: Store, context: Integers) -> tuple[Integers, NDArray[np.float32]]:
    """Targets and weighted floats of a context's rows, (window · layers, CAP), padded with weights of zero."""
    targets = np.zeros((WINDOW * LAYERS, CAP), np.int64)
    weights = np.zeros((WINDOW * LAYERS, CAP), np.float32)
    for n in range(WINDOW * LAYERS):
        distance, layer_at = divmod(n, LAYERS)
        found, steps, scale = store.row(int(context[-1 - distance]), distance + 1, layer_at)
        targets[n, : len(found)] = found
        weights[n, : len(found)] = steps * (scale * WEIGHTS[layer_at] / 2**24)
    return targets, weights


def _row(
    name: str, ours: list[float], part: int, peer: str, theirs: list[float] | None, **more: str | None
) -> dict[str, Any]:
    """A percentile of the seconds, in microseconds."""
    value, peer_value = (None if each is None else 1e6 * float(np.percentile(each, part)) for each in (ours, theirs))
    named = {"group": "kernels", "name": f"{WHAT}, {name}", "unit": "µs", "value": value}
    return {**named, "peer": peer, "peer_value": peer_value, **more}
