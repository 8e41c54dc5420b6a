"""Batches: exactly once an epoch, never the same order twice, and the very same sequence from any state."""

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom.errors import InputError
from polyloom.train.batches import Batches
from polyloom.train.packing import Block

sizes = st.lists(st.integers(0, 12), min_size=1, max_size=8).filter(lambda found: max(found) > 1)


def documents(lengths: list[int]) -> list[np.ndarray]:
    return [np.arange(length) + 100 * (number + 1) for number, length in enumerate(lengths)]


def source(lengths: list[int], streamed: bool, begin: int | None, length: int, batch: int = 2, **more: Any) -> Batches:
    given_documents = (lambda: iter(documents(lengths))) if streamed else documents(lengths)
    return Batches(given_documents, begin, length, batch, **more)


def targets(block: Block) -> Counter[tuple[int, int]]:
    counts = block.documents[:, :-1] == block.documents[:, 1:]
    return Counter(zip(block.tokens[:, :-1][counts].tolist(), block.tokens[:, 1:][counts].tolist(), strict=True))


def same(one: Block, other: Block) -> bool:
    return bool((one.tokens == other.tokens).all() and (one.documents == other.documents).all())


@settings(max_examples=40)
@given(lengths=sizes, length=st.integers(1, 9), begin=st.sampled_from([None, 0]))
def test_every_token_is_predicted_once_an_epoch(lengths: list[int], length: int, begin: int | None) -> None:
    """After as many epochs as the length of a row, rows and epochs end together: each token has been seen so often."""
    texts = [document.tolist() if begin is None else [begin, *document.tolist()] for document in documents(lengths)]
    texts = [text for text in texts if len(text) > 1]
    total = sum(map(len, texts))
    batches = Batches(documents(lengths), begin, length, 1, seed=3)
    found: Counter[tuple[int, int]] = Counter()
    for _ in range(total):  # rows: total · length tokens, which are `length` epochs
        block = batches.next()
        assert block.tokens.shape == block.documents.shape == (1, length + 1)
        assert block.documents.min() >= 0  # nothing is filled up
        found += targets(block)
    expected = Counter({pair: length for text in texts for pair in pairwise(text)})
    assert found == expected


@settings(max_examples=40)
@given(lengths=sizes, length=st.integers(1, 9), begin=st.sampled_from([None, 0]), buffer=st.integers(1, 9))
def test_a_stream_gives_every_token_once_an_epoch(
    lengths: list[int], length: int, begin: int | None, buffer: int
) -> None:
    batches = source(lengths, True, begin, length, batch=1, buffer=buffer)
    found: Counter[tuple[int, int]] = Counter()
    while batches.state()["epoch"] == 0:
        before = found.copy()
        found += targets(batches.next())
    texts = [document.tolist() if begin is None else [begin, *document.tolist()] for document in documents(lengths)]
    assert before == Counter(pair for text in texts for pair in pairwise(text))


@settings(max_examples=40)
@given(lengths=sizes, streamed=st.booleans(), length=st.integers(1, 9), at=st.integers(0, 40), seed=st.integers(0, 3))
def test_the_same_sequence_follows_from_any_state(
    lengths: list[int], streamed: bool, length: int, at: int, seed: int
) -> None:
    batches = source(lengths, streamed, 0, length, batch=3, seed=seed)
    for _ in range(at):
        batches.next()
    state = json.loads(json.dumps(batches.state()))
    assert len(json.dumps(state)) < 200
    resumed = source(lengths, streamed, 0, length, batch=3, seed=seed)
    resumed.restore(state)
    for _ in range(12):
        assert same(batches.next(), resumed.next())


def test_seeds_and_epochs_differ() -> None:
    lengths = [30] * 20

    def tokens(seed: int, skip: int) -> list[int]:
        batches = Batches(documents(lengths), None, 10, 60, seed)
        for _ in range(skip):
            batches.next()
        return batches.next().tokens.ravel().tolist()

    assert tokens(0, 0) == tokens(0, 0)
    assert len({tuple(tokens(seed, skip)) for seed in (0, 1) for skip in (0, 1)}) == 4


def test_the_rows_of_one_long_document_are_shuffled() -> None:
    batches = Batches([np.arange(10_000)], None, 10, 500, seed=0)
    starts = batches.next().tokens[:, 0]
    assert (np.diff(starts) != 10).mean() > 0.95
    assert np.abs(np.corrcoef(starts, np.arange(500))[0, 1]) < 0.2


def test_epochs_never_run_into_each_other() -> None:
    """A single document, over and over: the last token of one reading and the first of the next are apart."""
    block = Batches([np.arange(1, 5)], None, 11, 1).next()
    assert (block.documents[0] == np.arange(12) // 4).all()
    assert not any(first == 4 for first, _ in targets(block))


def test_another_source_refuses_the_state() -> None:
    state = source([5, 6], False, 0, 4).state()
    for other, message in [
        (source([5, 6], False, 0, 5), "with length 4; this has 5"),
        (source([5, 6], False, None, 4), "with begin 0; this has None"),
        (source([5, 6], False, 0, 4, seed=1), "with seed 0; this has 1"),
        (source([5, 7], False, 0, 4), "other documents"),
        (source([5, 6], True, 0, 4), "with buffer None; this has 2048"),
    ]:
        with pytest.raises(InputError, match=message):
            other.restore(state)
    with pytest.raises(InputError, match="rows must be a whole number"):
        source([5, 6], False, 0, 4).restore(state | {"rows": None})
    with pytest.raises(InputError, match="with length None"):
        source([5, 6], False, 0, 4).restore({})


def test_what_gives_no_batches_is_refused() -> None:
    with pytest.raises(InputError, match="No document has a token to predict"):
        source([1, 0], False, None, 4)
    with pytest.raises(InputError, match="The stream gives nothing"):
        source([1, 0], True, None, 4).next()
    with pytest.raises(InputError, match="batch must be a whole number of at least 1, got 0"):
        source([4], False, None, 4, batch=0)
    with pytest.raises(InputError, match="length must be a whole number"):
        source([4], False, None, 0)


def test_large_ids_survive() -> None:
    block = Batches([np.array([2**40, 3, 255, 256])], None, 3, 1).next()
    assert sorted(block.tokens[0].tolist()) == [3, 255, 256, 2**40]
    assert block.tokens.dtype == block.documents.dtype == np.int64


def test_data_need_no_torch() -> None:
    names = ("packing", "shuffle", "batches", "shingles", "minhash", "duplicates", "leakage")
    code = f"import sys, {', '.join(f'polyloom.train.{name}' for name in names)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
