"""Checkpoints: whole or not at all, and of no other run."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyloom import FileError, InputError
from polyloom.files import read, write
from polyloom.train.checkpoint import LAST, Checkpoint, Store, read_checkpoint, restore_weights, weights_of
from polyloom.train.history import Evaluation, History, Step
from polyloom.transformer.build import build
from polyloom.transformer.config import TransformerConfig

IDENTITY = {"settings": {"steps": 5, "seed": 0, "infill": None}, "documents": "abc"}


@pytest.fixture
def state(mixed: TransformerConfig) -> Checkpoint:
    history = History([Step(1, 10, 0.1 + 0.2, 1 / 3, 1.0, 0.5)], [Evaluation(1, 10, 2.0, 0.5, np.ones((2, 4)) / 4)])
    optimiser = {"momentum.x": torch.randn(3, 4), "step.x": torch.tensor(1.0)}
    return Checkpoint(1, weights_of(build(mixed)), optimiser, history, {"rows": 4}, 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "run", IDENTITY)


def test_what_is_saved_comes_back_bit_for_bit(store: Store, state: Checkpoint) -> None:
    assert store.load(LAST) is None
    store.save(LAST, state)
    found = store.load(LAST)
    assert found is not None
    assert (found.step, found.data, found.threads, found.history) == (1, {"rows": 4}, 1, state.history)
    for ours, theirs in ((found.weights, state.weights), (found.optimiser, state.optimiser)):
        assert set(ours) == set(theirs)
        assert all(torch.equal(ours[name], theirs[name]) and ours[name].shape == theirs[name].shape for name in ours)


def test_weights_are_there_once_and_with_the_biases_of_the_gates(mixed: TransformerConfig) -> None:
    found = weights_of(build(mixed))
    assert "embedding.weight" in found
    assert "output.weight" not in found  # tied
    assert "blocks.0.feed_forward.router.bias" in found
    assert "output.weight" in weights_of(build(replace(mixed, tied=False)))


def test_restored_weights_are_tied_as_before(mixed: TransformerConfig) -> None:
    one, other = build(mixed, 1), build(mixed, 2)
    restore_weights(other, weights_of(one))
    assert other.output.weight is other.embedding.weight
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    with pytest.raises(FileError, match="another network"):
        restore_weights(build(replace(mixed, width=32)), weights_of(one))


def test_another_run_is_told_what_differs(store: Store, state: Checkpoint, tmp_path: Path) -> None:
    store.save(LAST, state)
    for identity, message in (
        ({**IDENTITY, "settings": {**IDENTITY["settings"], "steps": 6}}, "its steps is 5, now it is 6"),  # type: ignore[dict-item]
        ({**IDENTITY, "documents": "abd"}, "its documents is 'abc', now it is 'abd'"),
    ):
        with pytest.raises(InputError, match=message):
            Store(tmp_path / "run", identity).load(LAST)


def test_no_byte_can_be_changed_unnoticed(store: Store, state: Checkpoint, tmp_path: Path) -> None:
    store.save(LAST, state)
    path = tmp_path / "run" / LAST
    whole = path.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 40):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((FileError, InputError)):
            store.load(LAST)
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError):
            store.load(LAST)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "association"}, "holds 'association', not a training"),
        ({"format": 2}, "format 2; known up to 1. Upgrade"),
        ({"format": None}, "format None"),
        ({"step": None, "data": None, "threads": None, "identity": None}, "another training"),
    ],
)
def test_foreign_and_future_files_are_refused(
    store: Store, state: Checkpoint, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    store.save(LAST, state)
    path = tmp_path / "run" / LAST
    manifest, arrays = read(path)
    arrays = {name: np.array(array) for name, array in arrays.items()}
    write(path, {**manifest, **changed}, arrays)
    with pytest.raises((FileError, InputError), match=message):
        store.load(LAST)
    del arrays["history.steps"]
    write(path, manifest, arrays)
    with pytest.raises(FileError, match="missing or misshapen"):
        read_checkpoint(path, IDENTITY)


def test_a_full_disk_leaves_the_checkpoint_before(
    store: Store, state: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(LAST, state)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(LAST, replace(state, step=2))
    found = store.load(LAST)
    assert found is not None
    assert found.step == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LAST]
