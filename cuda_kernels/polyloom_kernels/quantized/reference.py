"""The definition of `product` in NumPy: the matrix as it was before it was rounded, nearly, and a product."""

from typing import Any

from numpy.typing import NDArray

from polyloom_kernels.quantized.quantise import Quantised


def product(x: NDArray[Any], weight: Quantised) -> NDArray[Any]:
    """x Wᵀ, (m, n) in the dtype of x, whose columns are those of the weight."""
    return x @ weight.dense().astype(x.dtype, copy=False).T
