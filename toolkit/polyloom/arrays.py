"""One way out of any array library: `polyloom.numpy(x)`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def numpy(array: Any) -> NDArray[Any]:
    """A NumPy copy of an array, whatever library and device it lives on."""
    for leave in ("detach", "cpu", "numpy"):  # torch: out of the graph, off the device
        array = getattr(array, leave, lambda kept=array: kept)()
    return np.array(array.get() if hasattr(array, "get") else array)  # CuPy: off the device
