"""`attend`: the reference is the softmax of a text, compiled code is near it, and pages are the text."""

import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.attend as face
from polyloom_kernels._device import usable
from polyloom_kernels.attend import Apart, Pages, attend, cpu, narrowed, operation
from polyloom_kernels.shim import Shim

BACKENDS: tuple[Any, ...] = ("reference", "cpu")


class Texts:
    """Texts by chance, in pages that are anywhere."""

    def __init__(self, lengths: list[int], heads: int, shared: int, size: int, page: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.lengths = np.array(lengths, np.int64)
        self.query = rng.standard_normal((len(lengths), heads * shared, size), dtype=np.float32)
        most = max([1, *(-(-length // page) for length in lengths)])
        count = len(lengths) * most
        self.pages = Pages(*rng.standard_normal((2, max(1, count), heads, page, size), dtype=np.float32))
        self.table = rng.permutation(count).reshape(len(lengths), most)

    def contiguous(self) -> Pages:
        """The same texts in one piece each, with something else behind them."""
        parts: list[Any] = []
        for part in self.pages[:2]:
            joined = part[self.table].transpose(0, 2, 1, 3, 4)  # (B, K, n, T, h)
            parts.append(joined.reshape(*joined.shape[:2], joined.shape[2] * joined.shape[3], joined.shape[4]))
        return Pages(*parts)

    def ask(self, backend: Any, **rules: Any) -> np.ndarray:
        return attend(self.query, self.pages, self.lengths, self.table, backend=backend, **rules)


def defined(texts: Texts, scale: float, cap: float, window: int) -> np.ndarray:
    """A softmax over each text, another way than the reference."""
    whole, out = texts.contiguous(), np.zeros(texts.query.shape)
    for b, length in enumerate(texts.lengths.tolist()):
        start = max(0, length - window) if window else 0
        if length == 0:
            continue
        shared = texts.query.shape[1] // whole.keys.shape[1]
        keys, values = (np.repeat(part[b, :, start:length].astype(np.float64), shared, 0) for part in whole[:2])
        scores = np.einsum("hd,htd->ht", texts.query[b].astype(np.float64), keys) * scale
        scores = np.tanh(scores / cap) * cap if cap else scores
        parts = np.exp(scores - np.logaddexp.reduce(scores, 1, keepdims=True))
        out[b] = np.einsum("ht,htd->hd", parts, values)
    return out


@pytest.mark.long
@settings(max_examples=80, deadline=None)
@given(
    st.builds(
        Texts,
        lengths=st.lists(st.integers(0, 70), min_size=0, max_size=4),
        heads=st.integers(1, 3),
        shared=st.sampled_from([1, 2, 3, 4, 5, 8, 9]),
        size=st.sampled_from([1, 7, 8, 16, 33, 64]),
        page=st.sampled_from([1, 3, 16, 300]),
        seed=st.integers(0, 99),
    ),
    st.sampled_from([0.0, 3.0]),
    st.sampled_from([0, 1, 5, 40]),
    st.sampled_from([None, 0.3]),
)
def test_each_head_brings_what_the_softmax_says(texts: Texts, cap: float, window: int, scale: float | None) -> None:
    expected = defined(texts, texts.query.shape[2] ** -0.5 if scale is None else scale, cap, window)
    for backend in BACKENDS:
        found = texts.ask(backend, cap=cap, window=window, scale=scale)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("length", [255, 256, 257, 1000])
@pytest.mark.parametrize("shared", [1, 4, 6])
def test_parts_are_put_together(length: int, shared: int) -> None:
    texts = Texts([length, 1], 2, shared, 24, 100)
    texts.query *= 9  # so that parts differ much in their largest
    np.testing.assert_allclose(texts.ask("cpu"), defined(texts, 24**-0.5, 0, 0), rtol=0, atol=1e-5)


def test_pages_are_one_piece_to_the_last_bit() -> None:
    texts = Texts([500, 37, 0, 256], 2, 4, 32, 256)
    whole = attend(texts.query, texts.contiguous(), texts.lengths, backend="cpu")
    np.testing.assert_array_equal(texts.ask("cpu"), whole)


def test_threads_and_neighbours_change_no_bit() -> None:
    texts = Texts([40, 3, 60, 17], 3, 2, 16, 16)
    found = texts.ask("cpu")
    for threads in (2, 5, 40):
        np.testing.assert_array_equal(texts.ask("cpu", threads=threads), found)
    for b in range(4):
        alone = attend(texts.query[b : b + 1], texts.pages, texts.lengths[b : b + 1], texts.table[b : b + 1])
        np.testing.assert_array_equal(alone[0], found[b])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [1, 3])
def test_texts_may_lie_apart(backend: Any, threads: int) -> None:
    layers, lengths = [Texts([40, 3, 0, 17], 3, 2, 16, 64, seed) for seed in (0, 1)], [40, 3, 0, 17]
    parts = [layer.contiguous() for layer in layers]
    texts = [
        Pages(*(np.stack([whole[side][b, :, : length + b] for whole in parts]) for side in (0, 1)))
        for b, length in enumerate(lengths)
    ]
    apart = Apart(texts, lengths, backend, threads)
    for page, layer in enumerate(layers):
        for window in (0, 12):
            found = apart.attend(layer.query, page, window=window)
            np.testing.assert_allclose(found, layer.ask(backend, window=window), rtol=0, atol=1e-6)
    assert Apart([], [], backend).attend(layers[0].query[:0], 0).shape == (0, 6, 16)


def test_nothing_behind_a_text_is_read() -> None:
    texts = Texts([40, 3, 0, 17], 2, 4, 16, 64)
    expected = texts.ask("cpu")
    for b, length in enumerate(texts.lengths):
        for part in texts.pages[:2]:
            part[texts.table[b, 0], :, length:] = np.nan
    np.testing.assert_array_equal(texts.ask("cpu"), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_large_scores_stay_finite(backend: Any) -> None:
    texts = Texts([300], 1, 2, 8, 300)
    texts.query *= 1e4
    found = texts.ask(backend)
    np.testing.assert_allclose(found, defined(texts, 8**-0.5, 0, 0), rtol=0, atol=2e-3)


# int8


@pytest.mark.parametrize("shared", [1, 4])
def test_narrow_is_what_its_numbers_say(shared: int) -> None:
    texts = Texts([90, 300, 0], 2, shared, 64, 128)
    exact = texts.ask("reference")
    texts.pages = narrowed(texts.pages)
    wide = [part * scales[..., None] for part, scales in zip(texts.pages[:2], texts.pages[2:], strict=True)]
    numbers = attend(texts.query, Pages(*wide), texts.lengths, texts.table, backend="reference")
    for backend in BACKENDS:
        np.testing.assert_allclose(texts.ask(backend), numbers, rtol=0, atol=1e-5)
    assert np.sqrt(((numbers - exact) ** 2).sum() / (exact**2).sum()) < 0.015


def test_narrowed_is_the_nearest_step() -> None:
    given = Pages(*np.random.default_rng(0).standard_normal((2, 3, 2, 5, 16), dtype=np.float32))
    given.keys[0, 0, 0] = 0
    found = narrowed(given)
    assert (found.keys.dtype, found.key_scales.shape) == (np.int8, (3, 2, 5))
    assert (np.abs(found.keys * found.key_scales[..., None] - given.keys) <= found.key_scales[..., None] * 0.5001).all()
    assert np.abs(found.values).max(-1).tolist() == np.full((3, 2, 5), 127).tolist()


# borders


def test_torch_says_the_same() -> None:
    torch: Any = pytest.importorskip("torch")
    texts = Texts([50, 50], 2, 4, 64, 50)
    query, keys, values = (torch.from_numpy(part) for part in (texts.query[:, :, None], *texts.contiguous()[:2]))
    theirs = torch.nn.functional.scaled_dot_product_attention(query, keys, values, enable_gqa=True)
    np.testing.assert_allclose(texts.ask("cpu"), theirs[:, :, 0].numpy(), rtol=0, atol=1e-5)


def test_rows_may_stand_apart_and_be_read_only() -> None:
    texts = Texts([9, 12], 2, 2, 8, 16)
    expected = texts.ask("cpu")
    texts.pages = Pages(*(np.repeat(part, 2, 1)[:, ::2] for part in texts.pages[:2]))
    for part in (texts.query, *texts.pages[:2]):
        part.flags.writeable = False
    np.testing.assert_array_equal(texts.ask("cpu"), expected)
    texts.pages = Pages(*(np.asfortranarray(part) for part in texts.pages[:2]))
    np.testing.assert_array_equal(texts.ask("cpu"), expected)
    texts.pages = narrowed(texts.pages)
    texts.ask("cpu")
    assert len(cpu.attend.signatures) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"query": np.zeros((2, 4, 8))}, "Expected float32 queries"),
    ({"query": np.zeros((2, 3, 8), np.float32)}, "K a divisor of H"),
    ({"query": np.zeros((2, 4, 9), np.float32)}, "K a divisor of H"),
    ({"query": np.zeros((2, 32), np.float32)}, "K a divisor of H"),
    ({"keys": np.zeros((4, 2, 5, 8), np.int8)}, "Expected values like the keys"),
    ({"values": np.zeros((4, 2, 6, 8), np.float32)}, "Expected values like the keys"),
    ({"key_scales": np.zeros((4, 2, 5), np.float32)}, "Scales belong to int8"),
    ({"keys": np.zeros((4, 2, 5, 8), np.int8), "values": np.zeros((4, 2, 5, 8), np.int8)}, "Scales belong to int8"),
    ({"keys": np.zeros((4, 2, 5, 8)), "values": np.zeros((4, 2, 5, 8))}, "float32 or int8, got float64"),
    ({"lengths": [5]}, "Expected 2 lengths"),
    ({"lengths": [5.0, 1.0]}, "lengths must be whole numbers"),
    ({"lengths": [11, 1]}, "room for 0 … 10 tokens"),
    ({"lengths": [-1, 1]}, "room for 0 … 10 tokens"),
    ({"table": [[0, 1], [2, 4]]}, "Pages are 0 … 3"),
    ({"table": [[0, 1], [2, -1]]}, "Pages are 0 … 3"),
    ({"table": [0, 1]}, "rows of pages"),
    ({"scale": np.nan}, "Expected a scale"),
    ({"cap": -1.0}, "Expected a scale"),
    ({"window": -1}, "Expected a scale"),
    ({"backend": "gpu"}, "Unknown back end 'gpu'"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    usual = np.zeros((4, 2, 5, 8), np.float32)
    asked: dict[str, Any] = {
        "query": np.zeros((2, 4, 8), np.float32),
        "lengths": [5, 10],
        "table": [[0, 1], [2, 3]],
        "backend": "cpu",
        **change,
    }
    parts = [asked.pop(name, usual if name in ("keys", "values") else None) for name in Pages._fields]
    with pytest.raises(ValueError, match=message):
        attend(asked.pop("query"), Pages(*parts), asked.pop("lengths"), asked.pop("table"), **asked)


def test_scales_have_a_shape() -> None:
    narrow = narrowed(Pages(*np.ones((2, 1, 1, 4, 8), np.float32)))
    with pytest.raises(ValueError, match="Expected scales float32"):
        attend(np.zeros((1, 1, 8), np.float32), narrow._replace(key_scales=np.ones((1, 1, 3), np.float32)), [4])


def test_texts_that_lie_apart_are_of_one_kind() -> None:
    wide, query = Pages(*np.ones((2, 1, 1, 4, 8), np.float32)), np.zeros((2, 1, 8), np.float32)
    for texts, lengths, message in (
        ([wide, narrowed(wide)], [4, 4], "texts of one kind"),
        ([wide, wide], [4], "lengths must be whole numbers"),
        ([wide, wide], [4, 5], "Text 1 has room for 0 … 4 tokens, got 5"),
        ([wide, wide], [-1, 4], "Text 0 has room for 0 … 4 tokens, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            Apart(texts, lengths)
    apart = Apart([wide, wide], [4, 4])
    for page in (1, -1):
        with pytest.raises(ValueError, match=f"a page from 0 to 0, got .* and {page}"):
            apart.attend(query, page)
    for wrong in (query[:1], query[:, :, :7]):
        with pytest.raises(ValueError, match=r"Expected queries \(2, n · 1, 8\)"):
            apart.attend(wrong, 0)
    with pytest.raises(ValueError, match=r"Expected float32 queries \(B, H, h\)"):
        apart.attend(query[0], 0)


def test_numpy_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def chosen(self, backend: str, seconds: float) -> None:
            assert (backend, seconds > 0) == ("auto", True)

    texts = Texts([9], 1, 1, 8, 16)
    expected = texts.ask("reference")
    monkeypatch.setattr(operation, "COMPILED", Never())
    np.testing.assert_array_equal(texts.ask("auto"), expected)


def test_a_gpu_that_is_not_there_is_no_silent_fall_back() -> None:
    if usable():
        pytest.skip("there is a GPU here")
    with pytest.raises(RuntimeError, match=r'The back end "cuda" cannot be used: \w+'):
        Texts([9], 1, 1, 8, 16).ask("cuda")


def test_what_a_gpu_is_asked_is_what_the_definition_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shim in the place of a GPU: everything but the launch is the same."""
    if shutil.which("g++") is None:
        pytest.skip("g++, which compiles for the shim, is not installed")

    class Tensor(np.ndarray):
        def contiguous(self) -> np.ndarray:
            return np.array(self)

    monkeypatch.setattr(operation, "on_gpu", lambda backend, *_: backend == "cuda")
    monkeypatch.setattr(operation, "Device", SimpleNamespace(of=lambda tensor: Shim()))
    texts = Texts([9, 300, 0], 2, 3, 16, 32)
    for rules in ({}, {"window": 40}, {"cap": 2.0}):
        expected = texts.ask("reference", **rules)
        asked = texts.query.view(Tensor), Pages(*(part.view(Tensor) for part in texts.pages[:2])), texts.lengths
        np.testing.assert_allclose(attend(*asked, texts.table, backend="cuda", **rules), expected, rtol=0, atol=1e-5)
    double = Pages(*(part.astype(np.float64).view(Tensor) for part in texts.pages[:2]))
    with pytest.raises(ValueError, match="On a GPU keys and values are float32, float16, int8, got float64"):
        attend(texts.query.view(Tensor), double, texts.lengths, texts.table, backend="cuda")
    large = Pages(*np.zeros((2, 1, 1, 4, 264), np.float32).view(Tensor))
    with pytest.raises(ValueError, match="at most 256 numbers, got 264"):
        attend(np.zeros((1, 1, 264), np.float32).view(Tensor), large, [4], backend="cuda")


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
