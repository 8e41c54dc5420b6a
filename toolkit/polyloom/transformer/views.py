"""Weights as NumPy arrays that share their memory, for compiled code: bfloat16, which NumPy lacks, as its bits."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

DTYPES = (torch.float32, torch.bfloat16)  # that compiled code reads


def as_array(weight: Tensor) -> NDArray[Any]:
    """A view of a weight on a CPU: float32, or uint16 for bfloat16."""
    held = weight.detach()
    return (held.view(torch.uint16) if held.dtype == torch.bfloat16 else held).numpy()
