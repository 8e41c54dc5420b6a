"""The operations, in one table: the folder of each, and which back ends it has beside its reference.

`polyloom kernels`, the generic tests and the run on a GPU read it.
"""

OPERATIONS = {
    "count": ("cpu",),
    "decode": ("cpu",),
    "experts": ("cpu",),
    "gate": ("cpu",),
    "history": (),
    "mixture": ("cpu",),
    "recall": ("cpu", "cuda"),
    "sample": ("cpu",),
}
