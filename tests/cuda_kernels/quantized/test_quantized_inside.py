"""`quantized` in torch: the operator is a good one, and its gradient is that of a product with the dense matrix."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from polyloom_kernels.quantized import inside, int4, int8, operation
from polyloom_kernels.quantized.inside import dense, product, tensors

KINDS = (8, 32, 64, 128)


def held(kind: int, rows: int = 7, columns: int = 70) -> tuple[Any, tuple[Tensor, Tensor, int]]:
    drawn = np.random.default_rng(kind).standard_normal((rows, columns), dtype=np.float32)
    weight = int8(drawn) if kind == 8 else int4(drawn, kind)
    return weight, (*tensors(weight), columns)


def inputs(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, 70, dtype=dtype, generator=torch.Generator().manual_seed(1)).requires_grad_()


@pytest.mark.parametrize("kind", KINDS)
def test_dense_is_what_numpy_makes_dense(kind: int) -> None:
    weight, given = held(kind)
    np.testing.assert_array_equal(dense(*given).numpy(), weight.dense())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1,), (3, 5), (40,), (0,), ()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_is_a_product_with_the_dense_matrix(kind: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    operation.COMPILED.wait()
    weight, given = held(kind)
    x = inputs(*shape, dtype=dtype)
    expected = x.double() @ torch.from_numpy(weight.dense()).double().T
    near = {torch.float32: 1e-4, torch.float64: 1e-10, torch.bfloat16: 0.1}[dtype]
    with torch.no_grad():
        quick = product(x, *given)
    for found in (product(x, *given), quick):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, atol=near, rtol=near)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [3, 40])
def test_the_gradient_is_that_of_the_dense_matrix(kind: int, rows: int) -> None:
    weight, given = held(kind)
    ours, theirs = inputs(rows), inputs(rows)
    pull = torch.randn(rows, 7, generator=torch.Generator().manual_seed(2))
    (product(ours, *given) * pull).sum().backward()
    ((theirs @ torch.from_numpy(weight.dense()).T) * pull).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("kind", KINDS)
def test_its_gradient_is_the_slope(kind: int) -> None:
    _, given = held(kind)
    assert torch.autograd.gradcheck(lambda x: product(x, *given), (inputs(3, dtype=torch.float64),))


@pytest.mark.parametrize("kind", [8, 64])
def test_torch_accepts_the_operator(kind: int) -> None:
    _, given = held(kind)
    for x in (inputs(3), inputs(0, dtype=torch.float64).detach()):
        torch.library.opcheck(inside._product, (x, *given))


def test_torch_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, given = held(8)
    monkeypatch.setattr(inside, "ready", lambda: False)
    monkeypatch.setattr(inside, "compiled", None)
    x = inputs(2).detach()
    with torch.no_grad():
        found = product(x, *given)
    torch.testing.assert_close(found, x @ torch.from_numpy(weight.dense()).T)


def test_training_does_not_change_when_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    operation.COMPILED.wait()
    x, (_, given) = inputs(2), held(8)
    monkeypatch.setattr(inside, "compiled", None)
    for row in (x, x.detach()):
        assert torch.equal(product(row, *given), torch.nn.functional.linear(row, dense(*given)))


@pytest.mark.parametrize("x", [torch.ones(3, 69), torch.ones(3, 70, dtype=torch.int64), torch.ones(())])
def test_inputs_that_do_not_fit_are_refused(x: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected real inputs \(…, 70\)"):
        product(x, *held(8)[1])
