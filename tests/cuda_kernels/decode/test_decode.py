"""`decode`: the reference is what a definition without a cache says, compiled code is the reference."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.decode as face
from cuda_kernels.decode.models import KINDS, REAL, WHOLE, defined, random_model, turns
from polyloom_kernels.decode import (
    Cache,
    Feed,
    Machine,
    Matrix,
    Mixture,
    Norm,
    Shape,
    Weights,
    cpu,
    operation,
    prepare,
    reference,
)
from polyloom_kernels.decode.weights import BENDS, placed
from polyloom_kernels.integers import WAYS

SMALL = Shape(vocabulary=40, heads=4, kv_heads=2, head_size=6, windows=(0, 3), soft_cap=4.0)
BACKENDS = ("reference", "cpu")
PARTS = ("bias", "norms", "centred", "head", "mixture", "shared")


def said(machine: Machine, tokens: list[int], turn: np.ndarray) -> np.ndarray:
    """Logits (T, V), token by token with a cache."""
    cache = machine.cache(len(tokens))
    return np.stack([machine.step(token, at, cache, turn[at]) for at, token in enumerate(tokens)])


@st.composite
def models(draw: st.DrawFn, kinds: tuple[str, ...]) -> tuple[Shape, Weights]:
    kv_heads, layers = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = Shape(
        vocabulary=draw(st.integers(1, 50)),
        heads=kv_heads * draw(st.integers(1, 3)),
        kv_heads=kv_heads,
        head_size=2 * draw(st.integers(1, 17)),
        eps=draw(st.sampled_from([1e-6, 1e-5])),
        windows=draw(st.sampled_from([(), tuple(range(layers)), (2,) * layers])),
        soft_cap=draw(st.sampled_from([None, 2.0, 30.0])),
        bend=draw(st.sampled_from(BENDS)),
    )
    sizes = (draw(st.integers(1, 70)), draw(st.integers(1, 70)))
    parts = {name: draw(st.booleans()) for name in PARTS}
    return shape, random_model(shape, *sizes, layers, draw(st.sampled_from(kinds)), draw(st.integers(0, 99)), **parts)


@settings(max_examples=60)
@given(model=models(REAL), data=st.data())
def test_the_back_ends_say_what_the_definition_says(model: tuple[Shape, Weights], data: st.DataObject) -> None:
    shape, weights = model
    tokens = data.draw(st.lists(st.integers(0, shape.vocabulary), min_size=1, max_size=9))
    turn = turns(len(tokens), shape.head_size)
    expected = defined(shape, weights, tokens, turn)
    for backend in BACKENDS:
        found = said(prepare(shape, weights, backend), tokens, turn)  # pyright: ignore[reportArgumentType]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=5e-5)


@settings(max_examples=40)
@given(model=models(KINDS), data=st.data())
def test_bits_do_not_tell_who_read_together(model: tuple[Shape, Weights], data: st.DataObject) -> None:
    """Neither how many threads, nor how many tokens at once, nor how whole numbers are multiplied."""
    shape, weights = model
    tokens = data.draw(st.lists(st.integers(0, shape.vocabulary), min_size=1, max_size=9))
    turn = turns(len(tokens), shape.head_size)
    expected = said(prepare(shape, weights, "cpu"), tokens, turn)
    cut = data.draw(st.integers(0, len(tokens)))
    for way in WAYS:
        machine = prepare(shape, weights, "cpu", threads=1 + way, way=way)
        cache = machine.cache(len(tokens))
        parts = [(at, some) for at, some in ((0, tokens[:cut]), (cut, tokens[cut:])) if some]
        found = [
            machine.read(some, at, cache, turn[at : at + len(some)], last=data.draw(st.integers(1, len(some))))
            for at, some in parts
        ]
        for (at, some), rows in zip(parts, found, strict=True):
            np.testing.assert_array_equal(rows, expected[at + len(some) - len(rows) : at + len(some)])


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("parts", [{}, {"bias": True, "norms": True, "head": True}, {"mixture": True, "shared": True}])
@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_numbers_say_what_the_definition_says(backend: Any, kind: str, parts: dict[str, bool]) -> None:
    """Up to a rounding that falls the other way, which a short text and few layers keep small."""
    shape = Shape(vocabulary=301, heads=6, kv_heads=3, head_size=32)
    weights, tokens = random_model(shape, 96, 200, 2, kind, **parts), [7, 300, 12, 0]
    turn = turns(len(tokens), shape.head_size)
    expected = defined(shape, weights, tokens, turn)
    found = said(prepare(shape, weights, backend), tokens, turn)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
    plain = weights._replace(layers=tuple(layer._replace(mixture=None) for layer in weights.layers[:1]))
    assert np.abs(defined(shape, plain, tokens, turn) - expected).max() > 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_positions_add_is_added(backend: Any) -> None:
    weights, more = random_model(SMALL, 10, 7, 2), np.random.default_rng(0).standard_normal((3, 10), dtype=np.float32)
    embedded = weights.embedding.weight.copy()
    embedded[[1, 2, 3]] += more
    there = weights._replace(embedding=Matrix(embedded), head=weights.embedding)
    machine, other = prepare(SMALL, weights, backend), prepare(SMALL, there, backend)
    rows = machine.read([1, 2, 3], 0, machine.cache(3), added=more, last=3)
    np.testing.assert_allclose(rows, other.read([1, 2, 3], 0, other.cache(3), last=3), atol=1e-6)
    with pytest.raises(ValueError, match=r"what positions add, of shape \(1, 10\)"):
        machine.read([1], 0, machine.cache(3), added=more)


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("parts", [{}, {"bias": True, "norms": True, "head": True}, {"mixture": True, "centred": True}])
def test_many_steps_of_a_wider_model(kind: str, parts: dict[str, bool]) -> None:
    shape = Shape(vocabulary=301, heads=6, kv_heads=3, head_size=32, windows=(0, 40))
    weights, tokens = random_model(shape, 128, 200, 2, kind, **parts), [7 * n % 301 for n in range(120)]
    turn = turns(len(tokens), shape.head_size)
    keys, values = np.zeros((2, 2, 3, len(tokens), 32))
    expected = [
        reference.step(shape, weights, token, at, keys, values, turn[at].astype(np.float64))
        for at, token in enumerate(tokens)
    ]
    np.testing.assert_allclose(said(prepare(shape, weights, "cpu"), tokens, turn), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_turn_nothing_is_turned(backend: Any) -> None:
    machine = prepare(SMALL, random_model(SMALL, 10, 7, 2), backend)
    still = np.repeat(np.array([[1], [0]], np.float32), 3, 1)
    one, other = machine.cache(2), machine.cache(2)
    for at in range(2):
        np.testing.assert_array_equal(machine.step(3, at, one), machine.step(3, at, other, still))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_writes_its_place_in_the_cache_and_no_other(backend: Any) -> None:
    machine = prepare(SMALL, random_model(SMALL, 10, 7, 2), backend)
    cache = machine.cache(4)
    for part in cache:
        part[:, :, 2:] = np.nan  # what is not written yet is not read
    first = machine.step(1, 0, cache).copy()
    second = machine.step(2, 1, cache).copy()
    assert all(np.isnan(part[:, :, 2:]).all() and np.isfinite(part[:, :, :2]).all() for part in cache)
    np.testing.assert_array_equal(machine.step(2, 1, cache), second)  # asked again, it says the same
    np.testing.assert_array_equal(machine.step(1, 0, cache), first)


def test_logits_go_where_they_are_wanted() -> None:
    machine = prepare(SMALL, random_model(SMALL, 10, 7, 2), "cpu")
    out = np.empty(40, np.float32)
    assert machine.step(1, 0, machine.cache(1), out=out) is out
    np.testing.assert_array_equal(out, machine.step(1, 0, machine.cache(1)))


def test_the_same_call_gives_the_same_bits_wherever_its_arrays_lie() -> None:
    machine, held = prepare(SMALL, random_model(SMALL, 10, 7, 2), "cpu"), list[np.ndarray]()
    expected = machine.step(1, 0, machine.cache(1))
    for size in np.random.default_rng(0).integers(1, 300, 20_000).tolist():
        held.append(np.empty(size, np.uint8))  # the next arrays lie elsewhere
        np.testing.assert_array_equal(machine.step(1, 0, machine.cache(1)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_read_where_they_lie(tmp_path: Path, kind: str) -> None:
    """Also from a file that is mapped into memory, at an address that suits no vector."""
    weights = random_model(SMALL, 10, 7, 2, kind)
    expected = said(prepare(SMALL, weights, "cpu"), [1, 2, 3], turns(3, 6))

    def mapped(name: str, matrix: Matrix) -> Matrix:
        (tmp_path / name).write_bytes(b"\0" * 2 * matrix.weight.itemsize + matrix.weight.tobytes())
        at, shape = 2 * matrix.weight.itemsize, matrix.weight.shape
        return matrix._replace(weight=np.memmap(tmp_path / name, matrix.weight.dtype, "r", at, shape))

    layers = tuple(
        layer._replace(
            **{name: mapped(f"{n}{name}", getattr(layer, name)) for name in ("query", "key", "value", "output")},
            feed=Feed(*(mapped(f"{n}feed{m}", matrix) for m, matrix in enumerate(layer.feed or ()) if matrix)),
        )
        for n, layer in enumerate(weights.layers)
    )
    there = weights._replace(embedding=mapped("embedding", weights.embedding), layers=layers)
    np.testing.assert_array_equal(said(prepare(SMALL, there, "cpu"), [1, 2, 3], turns(3, 6)), expected)


def test_a_copy_reads_its_own_weights() -> None:
    machine = prepare(SMALL, random_model(SMALL, 10, 7, 2), "cpu")
    expected = machine.step(1, 0, machine.cache(1))
    copied: Machine = pickle.loads(pickle.dumps(machine))
    for one in placed(SMALL, machine.weights):
        one.matrix.weight[:] = 0
    np.testing.assert_array_equal(copied.step(1, 0, copied.cache(1)), expected)
    assert not np.array_equal(machine.step(1, 0, machine.cache(1)), expected)


def test_the_bytes_of_a_token() -> None:
    machine = prepare(SMALL, random_model(SMALL, 10, 7, 2))
    assert machine.nbytes == 4 * (41 * 10 + 2 * (2 * 24 * 10 + 2 * 12 * 10 + 3 * 7 * 10))


def test_threads_may_ask_at_once() -> None:
    machine, found = prepare(SMALL, random_model(SMALL, 64, 96, 2), "cpu"), dict[int, np.ndarray]()
    texts = {n: [(n * at) % 41 for at in range(30)] for n in range(4)}

    def ask(n: int) -> None:
        found[n] = said(machine, texts[n], turns(30, 6))

    threads = [threading.Thread(target=ask, args=(n,)) for n in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, text in texts.items():
        np.testing.assert_array_equal(found[n], said(machine, text, turns(30, 6)))


def test_helpers_serve_one_caller_at_a_time_and_come_again() -> None:
    weights, turn = random_model(SMALL, 64, 96, 2, "int8"), turns(30, 6)
    machine, texts = (
        prepare(SMALL, weights, "cpu", threads=3),
        {n: [(n * at) % 41 for at in range(30)] for n in range(5)},
    )
    expected = {n: said(prepare(SMALL, weights, "cpu"), text, turn) for n, text in texts.items()}
    for _ in range(3):
        with ThreadPoolExecutor(5) as pool:
            found = pool.map(lambda text: said(machine, text, turn), texts.values())
            for n, rows in enumerate(found):
                np.testing.assert_array_equal(rows, expected[n])


def test_heads_are_shared_where_there_is_much_to_look_back_at() -> None:
    shape = replace(SMALL, windows=(0, 90))
    weights, turn = random_model(shape, 24, 31, 2), turns(150, 6)
    tokens = [7 * at % 41 for at in range(150)]
    expected = defined(shape, weights, tokens, turn)
    for threads in (1, 2):
        machine = prepare(shape, weights, "cpu", threads=threads)
        found = machine.read(tokens, 0, machine.cache(150), turn, last=150)
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=5e-5)


def test_numpy_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def chosen(self, backend: str) -> None:
            assert backend == "auto"

        def now(self) -> None:
            pass

    monkeypatch.setattr(operation, "COMPILED", Never())
    weights = random_model(SMALL, 10, 7, 2)
    machine, turn = prepare(SMALL, weights), turns(1, 6)[0]
    expected = reference.step(SMALL, weights, 1, 0, *machine.cache(1), turn)
    np.testing.assert_array_equal(machine.step(1, 0, machine.cache(1), turn), expected)
    assert not face.ready()


def test_once_compiled_it_is_ready() -> None:
    operation.COMPILED.wait()
    assert face.ready()


def test_one_compiled_function_serves_all_models() -> None:
    for kind in KINDS:
        weights = random_model(SMALL, 10, 7, 2, kind, bias=True, norms=True, head=True)
        machine = prepare(SMALL, weights, "cpu", threads=2)
        machine.step(np.int64(1), np.int32(0), machine.cache(3))  # pyright: ignore[reportArgumentType]
        machine.read(np.array([1, 2], np.int32), 0, machine.cache(3), last=2)  # pyright: ignore[reportArgumentType]
    assert len(cpu.read.signatures) == 1


def test_what_cannot_be_asked_is_refused() -> None:
    machine = prepare(SMALL, random_model(SMALL, 10, 7, 2))
    cache = machine.cache(2)
    for token in (-1, 41):
        with pytest.raises(ValueError, match=f"token must be from 0 to 40, got {token}"):
            machine.step(token, 0, cache)
    for position in (-1, 2):
        with pytest.raises(ValueError, match=f"positions 0 to 1, got {position}"):
            machine.step(0, position, cache)
    fixed = cache.keys.copy()
    fixed.flags.writeable = False
    for keys in (cache.keys[:1], cache.keys.astype(np.float64), cache.keys[..., ::2], fixed, cache.keys[0]):
        with pytest.raises(ValueError, match="writable cache of float32"):
            machine.step(0, 0, Cache(keys, cache.values))
    with pytest.raises(ValueError, match=r"cosines and sines of shape \(2, 3\)"):
        machine.step(0, 0, cache, np.zeros((2, 6), np.float32))
    for out in (np.empty(39, np.float32), np.empty(40), np.empty(80, np.float32)[::2]):
        with pytest.raises(ValueError, match="room for 40 float32 logits"):
            machine.step(0, 0, cache, out=out)  # pyright: ignore[reportArgumentType]


WRONG: list[tuple[str, Any, str]] = [
    ("query", lambda m: m._replace(weight=m.weight.astype(np.float64)), "layer 0: query: expected float32 or uint16"),
    ("key", lambda m: m._replace(weight=m.weight[:, :-1].copy()), r"layer 0: key: .* of shape \(12, 10\)"),
    ("value", lambda m: m._replace(weight=np.asfortranarray(m.weight)), "not contiguous"),
    ("output", lambda m: m._replace(scales=np.ones(10, np.float32)), "scales go with int8"),
    ("feed", lambda f: f._replace(gate=Matrix(f.gate.weight.astype(np.int8))), "gate: scales go with int8"),
    ("feed", lambda f: f._replace(up=f.up._replace(bias=np.ones(8, np.float32))), r"layer 0: up bias: .* \(7,\)"),
    ("feed", lambda f: f._replace(down=f.down._replace(bias=np.ones(10))), "layer 0: down bias: .*float64"),
    ("feed", lambda f: f._replace(gate=None), "layer 0: swiglu and experts need a gate"),
    ("feed", lambda _: None, "layer 0: expected a feed-forward or a mixture"),
    ("attention_norm", lambda n: Norm(n.gain[:-1]), r"layer 0: attention_norm: .* of shape \(10,\)"),
    ("attention_norm", lambda n: Norm(n.gain, n.gain), "all or none"),
    ("query_norm", lambda _: np.ones(6, np.float32), "query_norm and key_norm come both or neither"),
    ("mixture", lambda _: Mixture(np.ones((1, 10), np.float32), (), 1), "1 experts of 0 cannot be active"),
]


@pytest.mark.parametrize(("name", "change", "message"), WRONG)
def test_arrays_that_do_not_fit_are_named(name: str, change: Any, message: str) -> None:
    weights = random_model(SMALL, 10, 7, 2)
    layer = weights.layers[0]._replace(**{name: change(getattr(weights.layers[0], name))})
    with pytest.raises(ValueError, match=message):
        prepare(SMALL, weights._replace(layers=(layer, weights.layers[1])))


PACKED: list[tuple[Any, str]] = [
    (lambda m: m._replace(scales=m.scales.astype(np.float32)), r"query scales: expected uint16 \(24, groups\)"),
    (lambda m: m._replace(scales=m.scales[:-1]), r"query scales: expected uint16 \(24, groups\)"),
    (lambda m: m._replace(scales=np.repeat(m.scales, 2, 1)), "query scales: 10 columns do not make 2 groups"),
    (lambda m: m._replace(scales=None), "scales go with int8 and uint8"),
]


@pytest.mark.parametrize(("change", "message"), PACKED)
def test_packed_weights_that_do_not_fit_are_named(change: Any, message: str) -> None:
    weights = random_model(SMALL, 10, 7, 2, "int4")
    layer = weights.layers[0]._replace(query=change(weights.layers[0].query))
    with pytest.raises(ValueError, match=message):
        prepare(SMALL, weights._replace(layers=(layer, weights.layers[1])))
    with pytest.raises(ValueError, match="embedding: expected float32 or uint16 or int8 of"):
        prepare(SMALL, weights._replace(embedding=weights.layers[0].query))


@pytest.mark.parametrize("threads", [0, -1, 1.5, None, True, "2"])
def test_threads_are_a_whole_number(threads: Any) -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        prepare(SMALL, random_model(SMALL, 10, 7, 2), threads=threads)


SHAPES: list[tuple[dict[str, Any], str]] = [
    ({"kv_heads": 3}, "4 heads of 6 cannot share 3 keys"),
    ({"head_size": 5}, "turned pairs"),
    ({"windows": (1,)}, "window of 0 or more for each of 2 layers"),
    ({"windows": (1, -1)}, "window of 0 or more"),
    ({"soft_cap": 0.0}, "soft cap must be above 0"),
    ({"vocabulary": 0}, "at least one token"),
    ({"vocabulary": 42}, r"embedding: .* of shape \(42, 10\)"),
]


@pytest.mark.parametrize(("change", "message"), SHAPES)
def test_shapes_that_are_none_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(replace(SMALL, **change), random_model(SMALL, 10, 7, 2))


def test_an_unknown_back_end_is_named() -> None:
    machine = prepare(SMALL, random_model(SMALL, 10, 7, 2), "gpu")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="Unknown back end 'gpu'"):
        machine.step(0, 0, machine.cache(1))


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
