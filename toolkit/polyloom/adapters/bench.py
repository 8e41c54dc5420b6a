"""The rows of `polyloom bench adapters`: attaching, and many adapters in one batch, beside PEFT.

A Qwen3 of 33M random weights carries adapters of rank 16 on all linear maps of its blocks, in float32 on one thread;
ours and PEFT's hold the same numbers, and a test holds them to the same answers.  *Attach* is the time from an
adapter in memory to a model that can answer; PEFT's `load_adapter` reads a folder, so reading and attaching has a row
of its own.  What a batch *adds* is the time of a step with a different adapter in each row, less that of the same step
of the base alone: each library over its own base.  The better of many runs counts, turn by turn.
"""

import copy
import importlib.util
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

import torch

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach, detach
from polyloom.adapters.bank import AdapterBank
from polyloom.adapters.lora import LoRA
from polyloom.adapters.peft_folder import read_adapter, write_adapter
from polyloom.cli.rows import Row
from polyloom.tokens.word import WordVocabulary
from polyloom.transformer.live import adopted
from polyloom.transformer.model import TransformerModel

PEER = "PEFT"
ABSENT = "peft and transformers are not installed"
BATCHES = {8: 4.0, 64: 8.0}  # distinct adapters in a batch, and how many times less than PEFT they may add
RANK, RUNS, LOADS, WARM = 16, 12, 5, 2
SHAPE: dict[str, Any] = {
    "vocab_size": 16_384, "hidden_size": 512, "intermediate_size": 1_408, "num_hidden_layers": 8,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "max_position_embeddings": 2_048,
    "tie_word_embeddings": True,
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """One base of ours and of theirs, and the adapters in order: values, and in a copy of theirs as "0", "1" …"""

    ours: TransformerModel
    plain: Any
    theirs: Any
    adapters: tuple[Adapter, ...]


def rows(shared: Path | None) -> Iterator[Row]:
    """Six rows, in about two minutes."""
    del shared
    if not (importlib.util.find_spec("peft") and importlib.util.find_spec("transformers")):
        yield Row(group="adapters", name="attach, rank 16, 33M model", value=None, unit="ms", reason=ABSENT)
        return
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        yield from _attaching(paired(SHAPE, 1, Path(folder)), Path(folder))
        for size, times in BATCHES.items():
            yield _added(paired(SHAPE, size, Path(folder)), size, times)


def paired(shape: dict[str, Any], size: int, folder: Path) -> Pair:
    """A base of that shape with `size` adapters, which are written as folders "0", "1" … and read by PEFT."""
    import peft
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType] - untyped
    live = Qwen3ForCausalLM(Qwen3Config(**shape, bos_token_id=None, eos_token_id=None)).eval()
    ours = TransformerModel(adopted(live), WordVocabulary([f"w{n}" for n in range(shape["vocab_size"])]))
    adapters = tuple(moved(Adapter.first(LoRA(RANK), ours, seed), seed) for seed in range(size))
    for n, adapter in enumerate(adapters):
        write_adapter(adapter, folder / str(n), ours)
    with quiet():
        theirs = cast("Any", peft).PeftModel.from_pretrained(copy.deepcopy(live), folder / "0", adapter_name="0")
        for n in range(1, size):
            theirs.load_adapter(folder / str(n), adapter_name=str(n))
    return Pair(ours, live, theirs.eval(), adapters)


def moved(adapter: Adapter, seed: int) -> Adapter:
    """The same with every number moved a little, so that B is not zero."""
    dice = torch.Generator().manual_seed(seed)
    updates = {
        name: update.of(
            {n: x + 0.02 * torch.randn(x.shape, generator=dice) for n, x in update.tensors().items()},
            update.numbers(),
        )
        for name, update in adapter.updates.items()
    }
    return Adapter(adapter.method, updates)


def step_of_ours(pair: Pair, wanted: Sequence[int | None]) -> Callable[[], Any]:
    """A step of texts that ask for these adapters, each a token longer than the one before."""
    bank = AdapterBank(pair.ours, {str(n): pair.adapters[n] for n in wanted if n is not None})
    places = [bank.begin([1], None if n is None else str(n)) for n in wanted]

    def step() -> Any:
        found = bank.step(places)
        for place in places:
            place.advance(1)
        return found

    return step


def step_of_theirs(pair: Pair, wanted: Sequence[int | None]) -> Callable[[], Any]:
    """A step of PEFT's mixed batch, one token for each row."""
    names = ["__base__" if n is None else str(n) for n in wanted]
    tokens = torch.ones(len(wanted), 1, dtype=torch.int64)
    mixed = any(n is not None for n in wanted)
    model, more = (pair.theirs, {"adapter_names": names}) if mixed else (pair.plain, {})

    def step() -> Any:
        with torch.no_grad():
            return model(input_ids=tokens, use_cache=False, **more).logits

    return step


def _attaching(pair: Pair, folder: Path) -> Iterator[Row]:
    import peft

    adapter, loaded = pair.adapters[0], count()

    def load() -> None:
        theirs.load_adapter(folder / "0", adapter_name=f"again {next(loaded)}")

    with quiet():
        theirs = cast("Any", peft).PeftModel.from_pretrained(copy.deepcopy(pair.plain), folder / "0")
        bare, read, their_load = best(
            (
                lambda: attach(pair.ours, adapter),
                lambda: attach(pair.ours, read_adapter(folder / "0", pair.ours)),
                load,
            ),
            LOADS,
        )
    attached = attach(pair.ours, adapter)
    (away,) = best((lambda: detach(attached),), LOADS)
    peer = {"unit": "ms", "peer": f"{PEER} load_adapter", "peer_value": 1e3 * their_load}
    name = f"attach, rank {RANK}, 33M model"
    yield _row(name, 1e3 * bare, **peer, bar="value <= 10")
    yield _row(f"{name}, against load_adapter", 1e3 * bare, **peer, bar="ratio >= 5")
    yield _row("read a folder of PEFT and attach", 1e3 * read, **peer)
    yield _row("detach", 1e6 * away, unit="µs", reason="the base is there already")


def _added(pair: Pair, size: int, times: float) -> Row:
    """What `size` distinct adapters add to a step of as many texts."""
    wanted, none = list(range(size)), [None] * size
    ours = [step_of_ours(pair, none), step_of_ours(pair, wanted)]
    theirs = [step_of_theirs(pair, none), step_of_theirs(pair, wanted)]
    base, mixed, their_base, their_mixed = best((*ours, *theirs), RUNS)
    said = f"base {1e3 * base:.1f} ms, PEFT's {1e3 * their_base:.1f} ms; in all {mixed / base:.2f} × the base"
    return _row(
        f"added to a step by {size} distinct adapters in a batch of {size}",
        1e3 * (mixed - base), unit="ms", peer=f"{PEER} mixed batch", peer_value=1e3 * (their_mixed - their_base),
        bar=f"ratio >= {times:g}", reason=said,
    )  # fmt: skip


def best(works: Sequence[Callable[[], Any]], runs: int) -> list[float]:
    """The least seconds of the processor that each of these takes, turn by turn."""
    found = [float("inf")] * len(works)
    for run in range(runs + WARM):
        for n, work in enumerate(works):
            start = time.process_time()
            work()
            if run >= WARM:
                found[n] = min(found[n], time.process_time() - start)
    return found


@contextmanager
def one_thread() -> Generator[None]:
    """Torch on one thread, within the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def quiet() -> Generator[None]:
    """Without the warnings of peers, within the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _row(name: str, value: float, **more: Any) -> Row:
    return Row(group="adapters", name=name, value=value, **more)
