"""A model comes back from a file as it was; a file that describes no model is refused in one clear sentence."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from contract import distribution
from polyloom import AssociationModel, ByteVocabulary, FileError, WordVocabulary
from polyloom.association.gate import Gate
from polyloom.association.stored import TAPES
from polyloom.files import read, write
from polyloom_kernels.history import Memory
from polyloom_kernels.mixture import operation, place
from polyloom_kernels.mixture.store import (
    CHAINED,
    CHILDREN,
    COLUMNS,
    COUNTS,
    DISCOUNTS,
    ENTRIES,
    LONG,
    LONG_ROW,
    LONGS,
    NEXT,
    NODES,
    OFFSET,
    PARENT,
    ROWS,
    SUMS,
    TABLE,
    TAKEN,
    TOKENS,
)
from toolkit.association.held import same_tapes

WORDS = WordVocabulary(["<unk>", "</s>", *"abcdefghij"])
MANY = WordVocabulary(["<unk>", "</s>", *(f"w{n}" for n in range(58))])
TEXT = ["a b c a b d a b c", "c a b a c </s> b", "d e f g h i j a", "j i h g f e d"]


def made(**changes: Any) -> AssociationModel:
    return AssociationModel.fit(TEXT, WORDS, **({"order": 3, "skips": [(1, 3), (2,)], "keep_text": True} | changes))


def fitted() -> AssociationModel:
    model = made()
    return dataclasses.replace(model, gate=Gate(np.random.default_rng(0).normal(0, 1, model.gate.weights.shape)))


MAKES: dict[str, Callable[[], AssociationModel]] = {
    "fitted": fitted,
    "stale": lambda: fitted() + made(),
    "less": lambda: fitted() + made() - made(),
    "order 1 alone": lambda: made(order=1, skips=False, history=False, keep_text=False),
    "a memory of its own": lambda: made(history=Memory((2, 3), 5, 2, half_life=3, prior=1, discount=0.5)),
    "one token": lambda: AssociationModel.fit("a", WordVocabulary(["a"])),
    "bytes and long rows": lambda: AssociationModel.fit(
        np.random.default_rng(0).integers(0, 256, 3000), ByteVocabulary(), order=2, held_out=()
    ),
    "two bytes are not enough": lambda: AssociationModel.fit(
        np.arange(2**16 + 5), WordVocabulary([f"w{n}" for n in range(2**16 + 5)]), order=2, skips=[(2,)], held_out=()
    ),
}


@pytest.mark.parametrize("name", MAKES)
def test_a_model_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    model = MAKES[name]()
    path = model.save(tmp_path / "model.psam")
    polyloom.verify(path)
    again = polyloom.load(path)
    assert isinstance(again, AssociationModel)
    assert again.digest == model.digest
    assert same_tapes(again, model)
    assert repr(again) == repr(model)
    for what in (
        "vocabulary",
        "shapes",
        "memory",
        "order",
        "skips",
        "components",
        "tokens_counted",
        "entries",
        "reach",
    ):
        assert getattr(again, what) == getattr(model, what), what
    assert again.gate.stale == model.gate.stale
    ids = np.random.default_rng(1).integers(0, model.vocabulary.size, 400)
    np.testing.assert_array_equal(again.log_likelihood(ids), model.log_likelihood(ids))
    look = model.begin(ids).seen()[None]
    for backend in ("reference", "cpu"):
        ours, theirs = (one.panel.dense(ids, look, np.ones(1), backend=backend) for one in (model, again))
        np.testing.assert_array_equal(ours, theirs)
    assert str(again.explain(ids[:30], 0)) == str(model.explain(ids[:30], 0))
    assert again.save(tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_mapped_model_adds_and_is_fitted_again(tmp_path: Path) -> None:
    model = made()
    again = polyloom.load(model.save(tmp_path / "model.psam"))
    assert isinstance(again, AssociationModel)
    assert (again + again).digest == (model + model).digest
    assert (again + model - again).digest == (model + model - model).digest
    assert again.resume("a b").digest == model.resume("a b").digest
    held_out = np.random.default_rng(0).integers(0, 12, 300)
    assert again.refit_gate(held_out).digest == model.refit_gate(held_out).digest
    assert [passage.before for passage in again.explain("a b", "c").evidence()] == ["a b ", "a b c a b d a b "]


def test_a_mapped_model_is_neither_read_nor_compiled_for(tmp_path: Path) -> None:
    model = MAKES["bytes and long rows"]()
    again = polyloom.load(model.save(tmp_path / "model.psam"))
    assert isinstance(again, AssociationModel)
    store = again.store
    assert not any(tape.flags.writeable for tape in (store.pieces, store.numbers, store.reals))
    assert all(
        np.shares_memory(tape, held)
        for tape, held in zip(again.voice.held[2:5], (store.pieces, store.numbers, store.reals), strict=True)
    )
    ids = np.arange(50)
    again.panel.dense(ids, again.begin(ids).seen()[None], np.ones(1), backend="cpu")
    operation.chances(again.store, again.seen(ids)[:, :50], ids, backend="cpu")
    for module in (place, operation.TEXT.wait()):
        listed = [function for function, _ in module.KERNELS]
        assert all(len(function.signatures) == listed.count(function) for function in listed)


# damage


@pytest.fixture(scope="module")
def state() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Of a model that has every part, rows whose sums are kept among them."""
    texts = [np.random.default_rng(n).integers(0, MANY.size, 300) for n in range(3)]
    return AssociationModel.fit(texts, MANY, order=3, skips=[(1, 3), (2,)], held_out=(), keep_text=True).state()


def refused(manifest: dict[str, Any], arrays: dict[str, np.ndarray], path: Path) -> str:
    """What `load` says of a file with these parts."""
    write(path, manifest, arrays)
    with pytest.raises(FileError) as caught:
        polyloom.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


ROOT, DEEP, SILENT, SKIP = 0, 2, 3, 5  # the chain's first and last level, the skips' root, and one that has a parent
FAR = 2**40
LINES: dict[str, tuple[int, dict[int, int]]] = {
    "another parent": (DEEP, {PARENT: 0}),
    "a parent below": (DEEP, {PARENT: 4}),
    "no parent": (DEEP, {PARENT: -1}),
    "another offset": (DEEP, {OFFSET: 1}),
    "out of the chain": (DEEP, {CHAINED: 0}),
    "into the chain": (SKIP, {CHAINED: 1}),
    "a table too many": (SILENT, {TABLE: 0}),
    "a table twice": (SKIP, {TABLE: 0}),
    "no table": (DEEP, {TABLE: -1}),
    "a table far away": (DEEP, {TABLE: FAR}),
    "a root of none": (ROOT, {NODES: 0}),
    "a root of two": (SILENT, {NODES: 2}),
    "fewer than no nodes": (DEEP, {NODES: -1}),
    "too many nodes": (DEEP, {NODES: FAR}),
    "too many nodes above": (1, {NODES: FAR}),
    "fewer than no entries": (DEEP, {ENTRIES: -1}),
    "too many entries": (DEEP, {ENTRIES: FAR}),
    "too many long rows": (DEEP, {LONGS: FAR}),
    "fewer than no long rows": (ROOT, {LONGS: -1}),
    **{
        f"column {column} {how}": (DEEP, {column: value})
        for column in (TOKENS, CHILDREN, ROWS, NEXT, COUNTS, TAKEN, LONG, SUMS)
        for how, value in (("before the start", -2), ("past the end", FAR), ("past any end", 2**63 - 1))
    },
}


@pytest.mark.parametrize("name", LINES)
def test_a_directory_that_points_elsewhere_is_refused(name: str, state: Any, tmp_path: Path) -> None:
    level, changes = LINES[name]
    manifest, arrays = state
    directory = arrays["directory"].copy()
    assert directory[SKIP, PARENT] >= 0 > directory[SILENT, PARENT]
    directory[level, list(changes)] = list(changes.values())
    assert "'directory'" in refused(manifest, arrays | {"directory": directory}, tmp_path / "file")


@pytest.mark.parametrize("tape", ["pieces", "numbers", "reals"])
def test_every_tape_that_ends_too_soon_is_refused(tape: str, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    for left in (0, 1, len(arrays[tape]) // 2, len(arrays[tape]) - 1):
        assert repr(tape) in refused(manifest, arrays | {tape: arrays[tape][:left]}, tmp_path / "file")


@pytest.mark.parametrize("name", [*TAPES, "gate", "text.tokens", "text.starts"])
def test_an_array_that_is_missing_or_of_another_kind_is_refused(name: str, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    array = arrays[name]
    if name != "text.tokens":  # without it no text was kept
        rest = {other: array for other, array in arrays.items() if other != name}
        assert repr(name) in refused(manifest, rest, tmp_path / "file")
    for other in (array[None], array.ravel()[0], array.astype(np.int32), array.astype(np.uint8), array[:0][None]):
        assert repr(name) in refused(manifest, arrays | {name: other}, tmp_path / "file")


def test_a_directory_of_other_levels_is_refused(state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    directory = arrays["directory"]
    for other in (directory[:-1], np.concatenate([directory, directory[-1:]]), directory[:, :-1], directory[:0]):
        assert "levels" in refused(manifest, arrays | {"directory": other}, tmp_path / "file")
    assert directory.shape[1] == COLUMNS


def test_pieces_of_another_width_are_refused(state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    wide = arrays["pieces"].astype(np.uint32)
    assert "must hold uint16 for 60 tokens" in refused(manifest, arrays | {"pieces": wide}, tmp_path / "file")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.1, 1.0, 1e300])
def test_a_unigram_distribution_that_is_none_is_refused(value: float, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    for at in (0, 5, MANY.size - 1):
        reals = arrays["reals"].copy()
        reals[DISCOUNTS * 5 + at] = value
        assert "no unigram" in refused(manifest, arrays | {"reals": reals}, tmp_path / "file")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -0.5, 3.0])
def test_a_discount_that_is_none_is_refused(value: float, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    for at in range(DISCOUNTS * 5):
        reals = arrays["reals"].copy()
        reals[at] = value if at % DISCOUNTS else 0.5
        assert "discount" in refused(manifest, arrays | {"reals": reals}, tmp_path / "file")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gate_that_is_not_finite_is_refused(value: float, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    gate = arrays["gate"].copy()
    gate[1, 2] = value
    assert "'gate' holds a number that is not finite" in refused(manifest, arrays | {"gate": gate}, tmp_path / "file")


def test_a_gate_of_another_model_is_refused(state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    gate = arrays["gate"]
    for other in (gate[:-1], gate[:, :-1], gate.T.copy(), np.zeros((0, 0))):
        said = "does not hold {} × {} real numbers".format(*gate.shape)
        assert said in refused(manifest, arrays | {"gate": other}, tmp_path / "file")


TEXTS: dict[str, dict[str, list[int]]] = {
    "a token too many": {"text.tokens": [1, MANY.size]},
    "a token below none": {"text.tokens": [1, -1]},
    "no start": {"text.starts": []},
    "a start later": {"text.starts": [1]},
    "starts that do not ascend": {"text.starts": [0, 5, 5]},
    "a start past the end": {"text.starts": [0, 10**9]},
    "a start in no text": {"text.tokens": [], "text.starts": [0]},
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_none_is_refused(name: str, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    changed = {key: np.array(values, np.int64) for key, values in TEXTS[name].items()}
    assert "'text." in refused(manifest, arrays | changed, tmp_path / "file")


MEMORY = {"orders": [1, 2], "bucket": 3, "buckets": 2, "half_life": 4.0, "prior": 5.0, "discount": 0.5}
MANIFESTS: dict[str, dict[str, Any]] = {
    "order 0": {"order": 0},
    "order 17": {"order": 17},
    "another order": {"order": 4},
    "no whole order": {"order": 3.0},
    "an order in words": {"order": "3"},
    "no order": {"order": None},
    "no templates": {"templates": None},
    "other templates": {"templates": [[1, 3]]},
    "a template of none": {"templates": [[], [2]]},
    "a template twice": {"templates": [[2], [2]]},
    "a template too far": {"templates": [[1, 3], [256]]},
    "templates of words": {"templates": [["1", "3"], ["2"]]},
    "templates that are numbers": {"templates": [1, 3]},
    "a history of nothing": {"history": {}},
    "a history of words": {"history": "long"},
    "a history that is a list": {"history": [1, 2]},
    "a history without a part": {"history": {key: value for key, value in MEMORY.items() if key != "orders"}},
    "a history with a part too many": {"history": MEMORY | {"extra": 1}},
    "another history": {"history": MEMORY},  # it has fewer orders than the gate
    **{
        f"a history whose {key} is {value!r:.12}": {"history": MEMORY | {key: value}}
        for key, values in {
            "orders": [None, [], [0], [2, 1], [1.5], ["1"], [1, 10**30], 3],
            "bucket": [0, -1, 1.5, "1", None, 10**30, True],
            "buckets": [0, 10**9, 2.0],
            "half_life": [0, -1.0, "1", None, 10**400],
            "prior": [0, "x", 10**400],
            "discount": [0, 1, -0.5, None],
        }.items()
        for value in values
    },
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_describes_no_model_is_refused(name: str, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    assert refused(manifest | MANIFESTS[name], arrays, tmp_path / "file")


@pytest.mark.parametrize("key", ["order", "templates", "history", "stale", "vocabulary"])
def test_a_manifest_without_a_part_is_refused(key: str, state: Any, tmp_path: Path) -> None:
    manifest, arrays = state
    rest = {other: value for other, value in manifest.items() if other != key}
    assert key in refused(rest, arrays, tmp_path / "file")


WALK = """
import sys, warnings, numpy as np, polyloom
from polyloom.files import read, write
warnings.simplefilter("ignore", RuntimeWarning)
path, dice = sys.argv[1], np.random.default_rng(0)
manifest, arrays = read(path)
loaded = 0
for n in range(300):
    changed = {name: np.array(arrays[name]) for name in ("directory", "pieces", "numbers")}
    line, column = dice.integers(changed["directory"].shape[0]), dice.integers(changed["directory"].shape[1])
    changed["directory"][line, column] += dice.choice([-3, -1, 1, 2, 50])
    for name in ("pieces", "numbers"):
        raw = changed[name].view(np.uint8)
        hit = dice.random(len(raw)) < dice.choice([0, 0.001, 0.1])
        raw[hit] = dice.integers(0, 256, int(hit.sum()))
    write(path + "2", manifest, arrays | changed)
    try:
        model = polyloom.load(path + "2")
    except polyloom.FileError:
        continue
    loaded += 1
    ids = dice.integers(0, 60, 20)
    model.panel.dense(ids, model.begin(ids).seen()[None], np.ones(1), backend="cpu")
    model.panel.top(ids, model.begin(ids).seen()[None], np.ones(1), 5, backend="cpu")
print(loaded)
"""


@pytest.mark.long
def test_damage_that_opening_cannot_see_harms_nothing(state: Any, tmp_path: Path) -> None:
    """A directory that points a little off, tapes with other bytes: a model without sense, and a process that lives.

    `verify` sees all of it.
    """
    path = write(tmp_path / "file", *state)
    done = subprocess.run([sys.executable, "-c", WALK, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert 30 < int(done.stdout) < 270
    manifest, arrays = read(path)
    numbers = np.array(arrays["numbers"])
    numbers[7] += 1
    other = write(tmp_path / "other", manifest, arrays | {"numbers": numbers})
    content, wrong = path.read_bytes(), other.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    (tmp_path / "mixed").write_bytes(content[:start] + wrong[start:])
    with pytest.raises(FileError, match="'numbers' was changed after it was saved"):
        polyloom.verify(tmp_path / "mixed")


def test_a_sound_state_is_a_model(state: Any, tmp_path: Path) -> None:
    """The one that all of these damage; one of its rows is long."""
    model = polyloom.load(write(tmp_path / "file", *state))
    assert isinstance(model, AssociationModel)
    assert model.store.entries(ROOT) > LONG_ROW
    assert model.store.directory[ROOT, LONGS] == 1
    assert np.isfinite(distribution(model.begin("w1 w2"))).all()
