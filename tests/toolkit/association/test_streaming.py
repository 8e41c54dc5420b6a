"""Counting in one pass: bit for bit what counting all at once gives, in little memory, and nothing is left behind."""

import gc
import hashlib
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from polyloom import AssociationModel, InputError, WordVocabulary
from polyloom.association import aside, streaming
from polyloom.association.counts import Counts, shapes
from polyloom.association.derived import derived
from polyloom.association.merging import combined, stored
from polyloom.association.spool import Spool, nbytes, read, spilled
from polyloom.association.streaming import Counting
from polyloom.association.text import Places, Text
from polyloom_kernels.mixture import Store
from toolkit.association.held import TAPES, rows, same_tapes

END, SIZE = 1, 5
VOCABULARY = WordVocabulary(["<unk>", "</s>", "a", "b", "c"])
TEMPLATES = ((1,), (2,), (1, 3), (2, 3, 5))
Documents = list[list[int]]

document = st.lists(st.integers(0, SIZE - 1), max_size=30)
corpus = st.lists(document, min_size=1, max_size=6).filter(any)
orders = st.integers(1, 5)
chunks = st.integers(1, 40)  # tokens


def at_once(documents: Documents, order: int, size: int = SIZE) -> Counts:
    """The counts of all documents, by the definition."""
    text = Text.join(rows(documents))
    return Counts.of(Places.of(text, END, size)[: len(text.tokens)], text.tokens, shapes(order, TEMPLATES))


def same(ours: Store, theirs: Store) -> bool:
    """Whether two stores are the same, bit for bit."""
    pairs = ((getattr(ours, name), getattr(theirs, name)) for name in TAPES)
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def memory_of(chunk: int, levels: int) -> int:
    """The bytes with which a chunk has so many tokens."""
    return chunk * (streaming.PLACE + streaming.LEVEL * levels)


def zipf(size: int, seed: int = 0) -> np.ndarray:
    """Text in which a few of 300 tokens are most of it."""
    edges = np.cumsum(1 / np.arange(1, 301))
    return np.searchsorted(edges, np.random.default_rng(seed).random(size) * edges[-1]).astype(np.int64)


MANY = WordVocabulary([f"w{n}" for n in range(300)])
ENDING = WordVocabulary(["<unk>", "</s>", *(f"w{n}" for n in range(298))])
PARTS = [zipf(200, seed) for seed in range(100)]  # 20,000 tokens
SMALL = memory_of(2_000, 15)


# the same counts


@settings(max_examples=40)
@given(corpus, orders, chunks)
def test_any_chunks_give_the_store_of_all_at_once(documents: Documents, order: int, chunk: int) -> None:
    """Documents are cut anywhere, also within a context, and one chunk may hold many."""
    with Counting(VOCABULARY, levels := shapes(order, TEMPLATES), memory_of(chunk, len(levels))) as counting:
        counting.add_all(rows(documents))
        assert counting.tokens == sum(map(len, documents))
        found = counting.store()
    assert same(found, derived(at_once(documents, order)))


@pytest.mark.long
@settings(max_examples=40)
@given(st.lists(corpus, min_size=1, max_size=4), orders, st.sampled_from([1, 100, 1000, 10**6]))
def test_any_ranges_give_the_store_of_all_at_once(parts: list[Documents], order: int, room: int) -> None:
    """From ranges as small as one token before one nearest token, which cut rows in two, to everything in one."""
    whole = at_once([tokens for documents in parts for tokens in documents], order)
    runs = [spilled(at_once(documents, order)) for documents in parts]
    assert same(derived(combined(runs, room)), derived(whole))
    assert same(stored(runs, room), derived(whole))
    assert runs == []  # the disk is free again


@pytest.mark.long
def test_larger_counts_in_ranges_of_all_sizes() -> None:
    """The commonest tokens have contexts enough to be cut; runs are read from disk and from memory."""
    parts = [part.tolist() for part in PARTS]
    whole = derived(at_once(parts, 4, 300))
    for room in (3_000, 30_000, 300_000):
        runs = [at_once(parts[start::3], 4, 300) for start in range(3)]
        assert same(stored([spilled(runs[0]), spilled(runs[1]), runs[2]], room), whole)


@given(corpus.flatmap(lambda documents: st.tuples(st.just(documents), st.permutations(documents))), chunks)
@settings(max_examples=25)
def test_the_order_of_documents_never_matters(pair: tuple[Documents, Documents], chunk: int) -> None:
    ours, theirs = (AssociationModel.fit(rows(part), VOCABULARY, memory=memory_of(chunk, 15)) for part in pair)
    assert ours.digest == theirs.digest == AssociationModel.fit(rows(pair[0]), VOCABULARY).digest


@pytest.mark.long
@pytest.mark.parametrize("memory", [SMALL // 4, SMALL, 2**22, 2**30])
def test_a_fitted_gate_is_the_same_too(memory: int) -> None:
    """Here documents are set aside, fit the gate, and are counted after the rest."""
    whole = AssociationModel.fit(PARTS, MANY)
    found = AssociationModel.fit(iter(PARTS[::-1]), MANY, memory=memory)
    assert same_tapes(found, whole)
    assert np.array_equal(found.gate.weights, whole.gate.weights)
    assert not np.array_equal(found.gate.weights, AssociationModel.fit(PARTS, MANY, held_out=[]).gate.weights)
    assert found.digest == whole.digest


@pytest.mark.long
def test_all_arguments_that_shape_a_model_hold_in_small_memory() -> None:
    for given_ in (
        {"held_out": PARTS[:9]},
        {"keep_text": True},
        {"prune": 2},
        {"cap": 8},
        {"order": 2, "skips": False},
    ):
        whole = AssociationModel.fit(PARTS[9:], MANY, **given_)
        assert AssociationModel.fit(PARTS[9:], MANY, memory=SMALL, **given_).digest == whole.digest


def test_one_long_document_is_cut_into_chunks() -> None:
    tokens = np.concatenate(PARTS)
    tokens[::97] = END
    whole = AssociationModel.fit(tokens, ENDING)
    assert same_tapes(AssociationModel.fit([tokens], ENDING, memory=SMALL), whole)


@pytest.mark.parametrize("memory", [SMALL // 4, SMALL, 2**30])
def test_to_resume_is_to_have_counted_all(memory: int, tmp_path: Path) -> None:
    whole = AssociationModel.fit(PARTS, MANY, held_out=[])
    first = AssociationModel.fit(PARTS[:60], MANY, held_out=[])
    assert same_tapes(first.resume(iter(PARTS[60:]), memory=memory), whole)
    loaded = polyloom.load(first.save(tmp_path / "first.psam"))
    assert isinstance(loaded, AssociationModel)
    assert same_tapes(loaded.resume(PARTS[60:], memory=memory), whole)
    assert same_tapes(loaded.resume([], memory=memory), first)


def test_a_model_in_temporary_files_is_a_model_like_any_other(tmp_path: Path) -> None:
    whole, found = AssociationModel.fit(PARTS, MANY), AssociationModel.fit(PARTS, MANY, memory=SMALL)
    text = zipf(300, seed=1)
    assert np.array_equal(found.log_likelihood(text), whole.log_likelihood(text))
    assert found.predict(text) == whole.predict(text)
    assert not found.store.numbers.flags.writeable
    assert same_tapes(found + found, whole + whole)
    again = polyloom.load(found.save(tmp_path / "found.psam"))
    assert again.digest == found.digest


# documents come by


def test_documents_are_read_once_and_let_go() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def documents() -> Iterator[np.ndarray]:
        nonlocal most
        for part in PARTS:
            given_ = part.copy()
            alive.append(weakref.ref(given_))
            yield given_
            del given_
            most = max(most, sum(reference() is not None for reference in alive))

    model = AssociationModel.fit(documents(), MANY, memory=SMALL)
    assert model.tokens_counted == 20_000
    assert most <= 2


@pytest.mark.parametrize("keep_text", [False, True])
def test_a_caller_may_use_an_array_again(keep_text: bool) -> None:
    buffer = np.empty(200, np.int64)

    def documents() -> Iterator[np.ndarray]:
        for part in PARTS:
            buffer[:] = part
            yield buffer

    found = AssociationModel.fit(documents(), MANY, memory=SMALL, keep_text=keep_text)
    assert found.digest == AssociationModel.fit(PARTS, MANY, keep_text=keep_text).digest


@pytest.mark.parametrize("memory", [0, -1])
def test_no_memory_is_refused(memory: int) -> None:
    with pytest.raises(InputError, match=f"memory must be .*, got {memory}"):
        AssociationModel.fit("a b", VOCABULARY, memory=memory)


# what is set aside


def set_aside(documents: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The definition: of a twentieth of the documents those with the lowest hashes, until there is plenty of text."""
    marks = [hashlib.sha256(document.tobytes()).digest() for document in documents]
    chosen, tokens = set[bytes](), 0
    for mark, document in sorted(zip(marks, documents, strict=True), key=lambda pair: pair[0]):
        candidate = mark[0] * aside.SHARE < 256 and len(document) <= aside.PLENTY
        if candidate and (tokens < aside.PLENTY or mark in chosen):
            chosen.add(mark)
            tokens += len(document)
    kept = [document for document, mark in zip(documents, marks, strict=True) if mark not in chosen]
    return kept, [document for document, mark in zip(documents, marks, strict=True) if mark in chosen]


def bag(documents: list[np.ndarray]) -> list[bytes]:
    return sorted(document.tobytes() for document in documents)


@given(st.lists(st.integers(0, 400), max_size=300), st.integers(1, 60), st.randoms())
def test_what_is_set_aside_is_chosen_by_content(numbers: list[int], plenty: int, random: Random) -> None:
    """Documents of all lengths, some of them several times, in any order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aside, "PLENTY", plenty)
        patch.setattr(aside, "ENOUGH", 1)
        documents = [np.arange(n, n + 1 + n % 7) for n in numbers]
        kept, chosen = set_aside(documents)
        choice = aside.Aside()
        random.shuffle(documents)
        learned = [part for document in documents for part in choice.offer(document)]
        assert bag(learned) == bag(kept)
        assert bag(choice.chosen(1)) == bag(chosen)
        assert choice.chosen(0) == []  # not everything is set aside
        assert bag([*learned, *choice.rest()]) == bag(documents)
        assert choice.chosen(1) == []


def test_too_little_is_not_set_aside() -> None:
    candidates = (np.array([n, n]) for n in range(100_000))
    lost = [tokens for tokens in candidates if hashlib.sha256(tokens.tobytes()).digest()[0] * aside.SHARE < 256]
    choice = aside.Aside()
    assert [part for tokens in lost[: aside.ENOUGH // 2 - 1] for part in choice.offer(tokens)] == []
    assert choice.chosen(10**6) == []
    assert list(choice.offer(lost[-1])) == []
    assert len(choice.chosen(10**6)) == aside.ENOUGH // 2


# on disk


def test_counts_on_disk_are_the_same_counts() -> None:
    whole = at_once([part.tolist() for part in PARTS], 3, 300)
    laid = spilled(whole)
    assert nbytes(laid) == nbytes(whole)
    for again in (laid, read(laid)):
        assert same(derived(again), derived(whole))


def test_a_spool_is_empty_or_holds_what_was_put_there() -> None:
    assert len(Spool(np.uint32).whole()) == 0
    spool = Spool(np.uint16)
    assert [spool.put(np.arange(part)) for part in (3, 0, 2)] == [0, 3, 3]
    assert spool.whole().tolist() == [0, 1, 2, 0, 1]


def test_a_spool_that_nobody_finished_is_closed() -> None:
    """A warning about an open file would be an error here."""
    spool = Spool(np.uint16)
    file = spool._file
    del spool
    gc.collect()
    assert file.closed


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError, match="65536 needs more than 16 bits"):
        Spool(np.uint16).put(np.array([2**16]))


# how far it has come


def test_progress_is_said_if_asked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom.progress.EVERY", 0.0)
    AssociationModel.fit(PARTS, MANY, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "20,000 tokens, " in said.err
    assert said.err.endswith("a second; putting the counts together\n")


def test_nothing_is_said_if_nobody_watches(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom.progress.PATIENCE", 0.0)
    monkeypatch.setattr("polyloom.progress.someone_watches", lambda stream: False)
    AssociationModel.fit(PARTS, MANY)
    AssociationModel.fit(PARTS, MANY, progress=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("polyloom.progress.someone_watches", lambda stream: True)
    AssociationModel.fit(PARTS, MANY, progress=False)
    assert capsys.readouterr().err == ""
    AssociationModel.fit(PARTS, MANY)
    assert "20,000 tokens" in capsys.readouterr().err


# nothing is left behind

STOPPED = """
import gc, os, resource, sys, tempfile, threading, time
import numpy as np
from polyloom import AssociationModel, WordVocabulary
from polyloom.association import merging, streaming
from polyloom_kernels.mixture import operation

how = sys.argv[1]
streaming.LEAST = 1_000
operation.TEXT.wait()
words = WordVocabulary([f"w{n}" for n in range(300)])

def documents():
    dice, number = np.random.default_rng(0), 0
    while number < 60 or how == "reading":
        number += 1
        if number == 30:
            print("going" if how == "reading" else "read", os.listdir(tempfile.gettempdir()), flush=True)
        yield dice.integers(0, 300, 500)

def slowly(whole, *given, append=merging._Whole.append):
    append(whole, *given)
    print("going", os.listdir(tempfile.gettempdir()), flush=True)
    time.sleep(0.1)

if how == "merging":
    merging._Whole.append = slowly
if how == "full disk":
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    AssociationModel.fit(documents(), words, memory=256 * 2_000)
except (KeyboardInterrupt, OSError) as error:
    print(type(error).__name__)
gc.collect()
files = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
named = [name for name in files if tempfile.gettempdir() in name and not name.endswith("(deleted)")]
print(named, os.listdir(tempfile.gettempdir()))
workers = [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]
for worker in workers:
    worker.join(10)  # one that was counting ends with its count
print([worker.name for worker in workers if worker.is_alive()])
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files and threads are left")
@pytest.mark.parametrize("how", ["reading", "merging", "full disk"])
def test_nothing_is_left_behind(how: str, tmp_path: Path) -> None:
    """After Ctrl-C and after an error of the disk: no file, no thread; at no time does a file have a name."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", STOPPED, how]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1].startswith("read"):
            lines.append(process.stdout.readline())
        if how != "full disk":
            process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
    seen = [line.strip() for line in lines if not line.startswith(("going", "read"))]
    assert process.returncode == 0
    assert seen == ["OSError" if how == "full disk" else "KeyboardInterrupt", "[] []", "[]"]
    assert {line.partition(" ")[2] for line in lines if line.startswith(("going", "read"))} <= {"[]\n"}
    assert list(tmp_path.iterdir()) == []
