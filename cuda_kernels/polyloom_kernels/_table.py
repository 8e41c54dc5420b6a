"""The operations, in one table: the folder of each, and which back ends it has beside its reference.

`polyloom kernels`, the generic tests and the run on a GPU read it.
"""

from importlib import import_module

from polyloom_kernels import _device
from polyloom_kernels.shim.build import missing

OPERATIONS = {
    "attend": ("cpu", "cuda"),
    "count": ("cpu", "cuda"),
    "decode": ("cpu",),
    "experts": ("cpu",),
    "gate": ("cpu",),
    "history": (),
    "lora": ("cpu", "cuda"),
    "mixture": ("cpu",),
    "quantized": ("cpu", "cuda"),
    "recall": ("cpu", "cuda"),
    "route": ("cpu", "cuda"),
    "sample": ("cpu", "cuda"),
}


def reasons() -> dict[str, str | None]:
    """Why a back end, or the shim on which CUDA kernels run without a GPU, cannot be used here; None if it can."""
    return {"cpu": _without_numba(), "cuda": _device.why(), "shim": missing()}


def _without_numba() -> str | None:
    try:
        import_module("numba")
    except Exception as error:  # missing, or there with a NumPy that it does not know
        return f"numba cannot be used, and NumPy serves instead ({type(error).__name__}: {error})"
    return None
