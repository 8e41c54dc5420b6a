"""Experts in memory: what is kept, what leaves, what is refused and why, and how much anything takes."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from polyloom import InputError
from polyloom.experts.held import held_bytes
from polyloom.experts.manager import Event, ExpertManager, Refused
from polyloom.experts.manifest import Manifest
from polyloom.experts.package import Package
from polyloom.experts.suited import unsuited
from polyloom.files import read, write
from toolkit.experts.samples import one, package, two

SIZES = {"a": 40, "b": 30, "c": 50, "d": 10, "e": 100, "f": 101}


def manager(budget: int = 100, **settings: Any) -> tuple[ExpertManager[bytes], list[Event]]:
    told: list[Event] = []
    return ExpertManager(lambda name: bytes(SIZES[name]), budget, notify=told.append, **settings), told


def said(told: list[Event]) -> str:
    return " ".join(f"{event.what}:{event.name}" for event in told)


def test_the_one_that_nobody_asked_for_longest_leaves() -> None:
    experts, told = manager()
    first = experts.get("a")
    experts.get("b")
    assert experts.get("a") is first
    experts.get("c")
    assert said(told) == "loaded:a loaded:b found:a left:b loaded:c"
    assert experts.held == {"a": 40, "c": 50}
    assert experts.used == 90
    experts.get("e")
    assert experts.held == {"e": 100}
    assert experts.get("a") is not first
    assert repr(experts) == "<ExpertManager of 1 experts, 40 of 100 bytes>"


def test_what_is_pinned_stays() -> None:
    experts, told = manager()
    experts.pin("a")
    experts.get("c")
    experts.get("b")
    assert experts.held == {"a": 40, "b": 30}
    with pytest.raises(Refused, match="'e' is refused: it takes 100 bytes, and 60 of 100 can be had") as refused:
        experts.get("e")
    assert refused.value.name == "e"
    assert experts.held == {"a": 40, "b": 30}
    assert told[-1] == Event("refused", "e", 100, refused.value.reason)
    experts.unpin("a")
    experts.get("e")
    assert said(told[-4:]) == "unpinned:a left:a left:b loaded:e"
    experts.pin("e")
    experts.release("e")
    assert experts.held == {}


def test_loading_ahead_goes_by_priority_and_pushes_nobody_out() -> None:
    experts, told = manager()
    experts.get("d")
    assert experts.preload({"b": 0.2, "a": 0.5, "c": 0.9, "f": 2, "d": 0.1}) == ["c", "a", "d"]
    assert said(told) == "loaded:d refused:f loaded:c loaded:a refused:b"
    assert list(experts.held) == ["d", "a", "c"]
    experts.get("b")
    assert experts.held == {"c": 50, "b": 30}


def test_what_cannot_be_used_is_never_loaded() -> None:
    loaded: list[str] = []
    experts = ExpertManager(loaded.append, 10, refuse=lambda name: "it is for another model" if name == "b" else None)
    with pytest.raises(Refused, match="'b' is refused: it is for another model"):
        experts.get("b")
    experts.get("a")
    assert loaded == ["a"]
    assert experts.preload({"b": 1}) == []


def test_what_fails_to_load_changes_nothing() -> None:
    experts, told = manager()
    experts.get("a")
    with pytest.raises(KeyError):
        experts.get("nobody")
    assert experts.held == {"a": 40}
    assert said(told) == "loaded:a"


@given(some.lists(some.tuples(some.sampled_from(["get", "pin", "unpin", "release"]), some.sampled_from("abcdef"))))
def test_it_does_as_a_plain_list_would(steps: list[tuple[str, str]]) -> None:
    experts, _ = manager()
    there, pinned = OrderedDict[str, int](), set[str]()
    for what, name in steps:
        if what in ("get", "pin"):
            fixed = sum(size for other, size in there.items() if other in pinned)
            if name not in there and SIZES[name] + fixed > 100:
                with pytest.raises(Refused):
                    getattr(experts, what)(name)
                continue
            getattr(experts, what)(name)
            if name in there:
                there.move_to_end(name)
            else:
                while sum(there.values()) + SIZES[name] > 100:
                    del there[next(other for other in there if other not in pinned)]
                there[name] = SIZES[name]
            pinned |= {name} if what == "pin" else set()
        elif name in there:
            getattr(experts, what)(name)
            pinned.discard(name)
            if what == "release":
                del there[name]
        else:
            with pytest.raises(InputError, match="is not there"):
                getattr(experts, what)(name)
    assert list(experts.held.items()) == list(there.items())
    assert experts.used <= 100


def test_many_may_ask_at_once() -> None:
    experts, told = manager()
    dice = np.random.default_rng(0)
    asked = [dice.choice(list("abcd"), 200).tolist() for _ in range(4)]
    threads = [threading.Thread(target=lambda names=names: [experts.get(name) for name in names]) for names in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(event.what in ("loaded", "found") for event in told) == 800
    used = 0
    for event in told:
        used += {"loaded": event.size, "left": -event.size}.get(event.what, 0)
        assert used <= 100
    assert experts.used == used


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: manager(-1), "The budget must be a whole number"),
        (lambda: manager(1.5), "The budget must be a whole number"),  # type: ignore[arg-type]
        (lambda: manager(measure=lambda _: -1)[0].get("a"), "What an expert takes"),
        (lambda: manager()[0].preload({"a": float("nan")}), "priority of 'a'"),
        (lambda: manager()[0].preload({"a": "high"}), "priority of 'a'"),  # type: ignore[dict-item]
        (lambda: manager()[0].unpin("a"), "'a' is not there; there are none"),
    ],
)
def test_what_cannot_be_done_is_said(ask: Callable[[], object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        ask()


# how much it takes


class Slotted:
    """Two ways to hold things."""

    __slots__ = ("__dict__", "here", "never")

    def __init__(self, here: object, there: object) -> None:
        self.here, self.there = here, there


def test_bytes_count_once_however_deep() -> None:
    array = np.zeros((10, 8))
    assert held_bytes(array) == held_bytes(array[3:, 2:]) == held_bytes({"a": array, "b": [array.T, (array,)]}) == 640
    assert held_bytes(np.frombuffer(bytes(64))) == held_bytes(memoryview(bytes(64))[3:]) == 64
    assert held_bytes(Slotted(bytearray(5), np.zeros(2, np.float32))) == 13
    assert held_bytes(np.array([bytes(3), None], object)) == 16 + 3
    assert held_bytes(["text", 3, None, held_bytes, np, dict]) == 0
    circle: list[object] = [array]
    circle.append(circle)
    assert held_bytes(circle) == 640
    assert held_bytes({"base": array, "own": np.zeros(3)}, shared=[array[1:]]) == 24


def test_tensors_count_by_what_they_store() -> None:
    layer = torch.nn.Linear(4, 3)
    assert held_bytes(layer) == 4 * (12 + 3)
    weight = torch.zeros(6, 2)
    assert held_bytes([weight, weight[2:], weight.T]) == 48
    assert held_bytes([layer, weight], shared=[layer]) == 48


def test_what_is_mapped_takes_nothing(tmp_path: Path) -> None:
    _, arrays = read(write(tmp_path / "mapped", {}, {"a": np.zeros(1000), "b": np.ones(7, np.float32)}))
    assert held_bytes(arrays) == 0
    assert held_bytes([arrays["a"] + 1, arrays]) == 8000
    mapped = Package.read(package().save(tmp_path / "sea.expert", "mapped"), check=False)
    assert sum(map(len, mapped.files.values())) > held_bytes(mapped.files)


# for which base


def test_an_expert_is_for_its_base() -> None:
    first, second = Manifest(one()), Manifest(two())
    assert unsuited(first, one()["base_model"]["name"], quantization="nf4") is None
    for meant in two()["base_models"]:
        assert unsuited(second, meant["name"].upper(), quantization=meant.get("quantization")) is None
    reason = unsuited(second, "somebody/else-7b")
    assert reason is not None
    assert reason.startswith(second.name)
    assert reason.count("and not for somebody/else-7b") == len(two()["base_models"])


def test_digests_and_quantisation_tell_bases_apart() -> None:
    base = {"name": "house/model", "sha256": "ab" * 32, "quantization": "int4"}
    expert = Manifest(one(base_model=base))
    assert unsuited(expert, "other name", "AB" * 32, "int4") is None
    assert "with the digest abababababab…" in str(unsuited(expert, "house/model", "cd" * 32, "int4"))
    assert str(unsuited(expert, "model")).endswith("for house/model as int4, and not as it was trained")
    assert unsuited(expert, "elsewhere/Model", quantization="int4") is None
    unstated = Manifest(one(base_model={"name": "F:\\models\\Tiny", "sha256": ""}))
    assert unsuited(unstated, "org/tiny", "cd" * 32) is None
