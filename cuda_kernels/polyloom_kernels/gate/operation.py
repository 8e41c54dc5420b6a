"""`gate` as it is called: the choice of a back end for `slope`, which is asked hundreds of times in a row."""

import numpy as np

from polyloom_kernels.gate import reference
from polyloom_kernels.gate.reference import Floats, Integers
from polyloom_kernels.jit import Backend, Compiled, frozen

COMPILED = Compiled("polyloom_kernels.gate.cpu")
AWAITED = float("inf")  # sums in another order, a fit would depend on when compiled code became ready: it waits


def slope(
    gate: Floats, floor: float, parts: Floats, known: Floats, places: Integers, backend: Backend = "auto"
) -> Floats:
    """What the mean log-likelihood of some places gains with each weight, float64 (F, K).

    `gate` (F, K), `parts` (T, K) the chances of the tokens that came under each component, `known` (T, F) the features
    of their places, `places` int64 which of them.  All arrays are contiguous.  The BLAS, whose threads would get into
    each other's way on matrices so small, has no part in the compiled back end.
    """
    compiled = COMPILED.chosen(backend, AWAITED)
    if compiled is None:
        return reference.slope(gate, floor, parts, known, places)
    found = np.zeros(gate.shape)
    compiled.slope(frozen(gate), floor, frozen(parts), frozen(known), frozen(places), found)
    return found
