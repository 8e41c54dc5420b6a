"""`lora`: every row gets what its own adapters say, on every back end, whoever is there and whatever is swapped."""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.lora as face
from cuda_kernels.lora.banks import Batch
from polyloom_kernels.lora import Bank, cpu, lora, operation, reference, thin

BACKENDS = ("reference", "cpu")
KINDS = ("float32", "uint16")


@settings(max_examples=60)
@given(
    st.builds(
        Batch,
        rows=st.integers(0, 12),
        each=st.integers(1, 3),
        inputs=st.integers(1, 70),
        outputs=st.integers(1, 70),
        ranks=st.lists(st.integers(1, 20), min_size=1, max_size=5).map(tuple),
        kind=st.sampled_from(KINDS),
        seed=st.integers(0, 99),
    )
)
def test_every_row_gets_what_its_adapters_say(batch: Batch) -> None:
    expected = batch.defined()
    for backend in BACKENDS:
        np.testing.assert_allclose(batch.ask(backend), expected, rtol=1e-4, atol=1e-4)


def test_a_hand_worked_example() -> None:
    bank = Bank(2, 3, slots=2, rank=1)
    bank.put(1, thin(np.array([[1, 2]], np.float32), np.array([[1], [0], [-1]], np.float32), 0.5))
    x = np.array([[3, 4], [3, 4], [1, 0]], np.float32)
    for backend in BACKENDS:
        found = lora(x, [1, -1, 1], bank, [2, 1, 1], backend=backend)  # A x = 11, 11, 1
        np.testing.assert_array_equal(found, [[11, 0, -11], [0, 0, 0], [0.5, 0, -0.5]])
        np.testing.assert_array_equal(lora(x, [1, -1, 1], bank, backend=backend)[0], [5.5, 0, -5.5])


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_gets_the_same_bits_whoever_else_is_there(kind: str) -> None:
    batch = Batch(33, 2, 75, 61, kind=kind)
    together = batch.ask("cpu")
    for n in range(33):
        np.testing.assert_array_equal(batch.ask("cpu", slice(n, n + 1))[0], together[n])


@pytest.mark.parametrize("backend", BACKENDS)
def test_none_and_an_empty_slot_add_nothing(backend: Any) -> None:
    batch = Batch(6, 1, 20, 30)
    batch.slots[:] = [[-1], [4], [-1], [4], [4], [-1]]
    np.testing.assert_array_equal(batch.ask(backend), batch.out)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slot_is_swapped_by_one_small_write(backend: Any) -> None:
    batch, other = Batch(5, 1, 24, 40), Batch(5, 1, 24, 40, ranks=(7,), seed=1)
    batch.slots[:] = 2
    table, held = batch.bank.now
    batch.bank.put(2, other.bank.now[1][0])
    assert np.flatnonzero((batch.bank.now[0] != table).any(1)).tolist() == [2]
    batch.worth[2] = other.worth[0]
    np.testing.assert_allclose(batch.ask(backend), batch.defined(), rtol=1e-4, atol=1e-4)
    batch.bank.put(2, None)
    np.testing.assert_array_equal(batch.ask(backend), batch.out)
    batch.bank.put(2, held[2])
    np.testing.assert_array_equal(batch.bank.now[0], table)


def test_a_call_sees_the_bank_as_it_was_when_it_began() -> None:
    """While one thread swaps a slot between two adapters, others get what one of the two says, never anything else."""
    batch, other = Batch(4, 1, 64, 64, ranks=(16,)), Batch(4, 1, 64, 64, ranks=(5,), seed=1)
    batch.slots[:] = 0
    pair = [batch.bank.now[1][0], other.bank.now[1][0]]
    expected: list[bytes] = []
    for adapter in pair:
        batch.bank.put(0, adapter)
        expected.append(batch.ask("cpu").tobytes())

    def swap() -> None:
        for n in range(2_000):
            batch.bank.put(0, thin(pair[n % 2].a.copy(), pair[n % 2].b.T.copy(), pair[n % 2].factor))

    with ThreadPoolExecutor(2) as pool:
        swapping = pool.submit(swap)
        found = {batch.ask("cpu").tobytes() for _ in range(500)}
        swapping.result()
    assert found <= set(expected)


def test_matrices_are_shared_where_they_can_be() -> None:
    a, b = np.ones((3, 8), np.float32), np.ones((3, 5), np.float32)
    adapter = thin(a, b.T)
    assert adapter.a is a
    assert np.shares_memory(adapter.b, b)
    assert thin(a, np.ones((5, 3), np.float32)).b.flags.c_contiguous


def test_a_copy_of_a_bank_reads_its_own_matrices() -> None:
    batch = Batch(5, 2, 24, 16)
    expected = batch.ask("cpu")
    original, batch.bank = batch.bank, copy.deepcopy(batch.bank)
    assert not set(original.now[0][:4, :2].ravel()) & set(batch.bank.now[0][:4, :2].ravel())
    for adapter in original.now[1]:
        if adapter is not None:
            adapter.a[:] = np.nan
    np.testing.assert_array_equal(batch.ask("cpu"), expected)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_tensors_of_a_cpu_are_arrays(kind: str) -> None:
    torch: Any = pytest.importorskip("torch")
    a, b = torch.randn(4, 12).to(getattr(torch, kind)), torch.randn(9, 4).to(getattr(torch, kind))
    bank = Bank(12, 9, 1, 4, "float32" if kind == "float32" else "uint16")
    bank.put(0, thin(a.requires_grad_(), b))
    x = torch.randn(3, 12)
    expected = (x @ a.float().T @ b.float().T).detach().numpy()
    for backend in BACKENDS:
        np.testing.assert_allclose(lora(x.numpy(), [0, 0, 0], bank, backend=backend), expected, rtol=1e-4, atol=1e-5)


def test_numpy_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def chosen(self, backend: str) -> None:
            assert backend == "auto"

    expected = Batch(5, 2, 12, 9).ask("reference")
    monkeypatch.setattr(operation, "COMPILED", Never())
    np.testing.assert_array_equal(Batch(5, 2, 12, 9).ask("auto"), expected)


def test_one_compiled_function_serves_all() -> None:
    for kind in KINDS:
        batch = Batch(5, 2, 12, 9, kind=kind)
        batch.ask("cpu")
        for part in (batch.x, batch.slots, batch.scales):
            part.flags.writeable = False
        batch.slots = batch.slots.astype(np.int32)
        batch.ask("cpu")
        batch.x = np.asfortranarray(batch.x)
        lora(batch.x, batch.slots[:, 0], batch.bank, backend="cpu")
    assert len(cpu.lora.signatures) == 1


def test_the_reference_computes_in_the_type_of_its_result() -> None:
    batch = Batch(4, 2, 30, 20)
    out = batch.out.astype(np.float64)
    assert reference.lora(batch.x.astype(np.float64), batch.slots, batch.scales, batch.bank.now[1], out)
    np.testing.assert_allclose(out, batch.defined(), rtol=1e-12, atol=1e-12)


ASKED = ("x", "slots", "scales", "out")
WRONG: list[tuple[str, Any, str]] = [
    ("x", lambda a: a.astype(np.float64), r"float32 rows \(N, 12\), got float64"),
    ("x", lambda a: a[0], "Expected float32 rows"),
    ("x", lambda a: a[:, :-1], r"got float32 \(5, 11\)"),
    ("slots", lambda a: a[:-1], r"slots \(5,\) or \(5, K\)"),
    ("slots", lambda a: a.astype(np.float32), "got float32"),
    ("slots", lambda a: a[:, :1], "scales as many"),
    ("slots", lambda a: a * 0 + 5, "from 0 to 4, or −1, got 5 … 5"),
    ("slots", lambda a: a * 0 - 2, "got -2 … -2"),
    ("out", lambda a: a.astype(np.float64), r"room of float32 \(5, 9\)"),
    ("out", lambda a: a[:, :-1], "room of float32"),
    ("out", np.asfortranarray, "row after row"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "change", "message"), WRONG)
def test_what_does_not_fit_is_refused(name: str, change: Any, message: str, backend: Any) -> None:
    batch = Batch(5, 2, 12, 9)
    arrays = {asked: getattr(batch, asked) for asked in ASKED}
    arrays[name] = change(arrays[name])
    before = batch.out.copy()
    with pytest.raises(ValueError, match=message):
        lora(bank=batch.bank, backend=backend, **arrays)
    np.testing.assert_array_equal(batch.out, before)


def one(rank: int = 2, inputs: int = 12, outputs: int = 9, kind: Any = np.float32) -> Any:
    return thin(np.zeros((rank, inputs), kind), np.zeros((outputs, rank), kind))


PUT: list[tuple[Any, str]] = [
    (lambda bank: bank.put(5, None), "slots 0 to 4, got 5"),
    (lambda bank: bank.put(-1, None), "slots 0 to 4, got -1"),
    (lambda bank: bank.put("sql", None), "slots 0 to 4, got 'sql'"),
    (lambda bank: thin(np.zeros((2, 12), np.float32), np.zeros((9, 2), np.float32), None), "finite, got None"),  # pyright: ignore[reportArgumentType]
    (lambda bank: bank.put(0, one(17)), r"r ≤ 16, 12.*got \(17, 12\)"),
    (lambda bank: bank.put(0, one(inputs=11)), "takes adapters"),
    (lambda bank: bank.put(0, one(outputs=8)), "takes adapters"),
    (lambda bank: bank.put(0, one(kind=np.uint16)), "of uint16"),
    (lambda bank: thin(np.zeros((2, 12), np.float32), np.zeros((9, 3), np.float32)), "of one rank"),
    (lambda bank: thin(np.zeros((0, 12), np.float32), np.zeros((9, 0), np.float32)), "of one rank"),
    (lambda bank: one(kind=np.float16), "both float32 or both bfloat16"),
    (lambda bank: thin(np.zeros((2, 12), np.float32), np.zeros((9, 2), np.uint16)), "got float32 and uint16"),
    (lambda bank: thin(np.zeros((2, 12), np.float32), np.zeros((9, 2), np.float32), float("nan")), "finite"),
    (lambda bank: Bank(12, 9, 0, 1), "at least 1"),
    (lambda bank: Bank(12, 9, 1, 1, "float16"), "stored as float32 or uint16"),
]


@pytest.mark.parametrize(("do", "message"), PUT)
def test_a_bank_refuses_what_it_cannot_hold(do: Any, message: str) -> None:
    bank = Batch(5, 2, 12, 9).bank
    before = bank.now
    with pytest.raises(ValueError, match=message):
        do(bank)
    assert bank.now is before


def test_an_unknown_back_end_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown back end 'gpu'"):
        Batch(1, 1, 2, 2).ask("gpu")


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
