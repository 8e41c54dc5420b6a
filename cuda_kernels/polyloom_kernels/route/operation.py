"""`route` as it is called: checks, and the choice of a back end.

Bytes and operations, for N tokens, E experts and k choices: 4 N E bytes of scores are read once and 28 N k written,
with one exponential and about log k comparisons a score.  That is little: what a router costs is the dozen calls that
it usually is.
"""

from typing import Any

import numpy as np

from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.route import cuda, reference
from polyloom_kernels.route.reference import GateKind, Numbers, Routed

COMPILED = Compiled("polyloom_kernels.route.cpu")
GATES = ("softmax", "sigmoid")


def route(
    scores: Numbers,
    active: int,
    bias: Numbers | None = None,
    gate: GateKind = "softmax",
    normalise: bool = True,
    backend: Backend = "auto",
) -> Routed:
    """Send each token to the `active` experts that its scores want most.

    `scores` float32 or float64 (N, E), `bias` (E,) of the same type or None, added to the softmax or sigmoid for the
    choice alone, as in "Auxiliary-Loss-Free Load Balancing" (Wang et al. 2024); −∞ bans an expert and +∞ forces it.
    With `normalise` the weights of a token sum to 1.  Ties go to the lower number, so the result is the same every
    time.  Compiled code reads float32; float64 is read by the reference.  Back ends agree within rounding, and on the
    experts unless rounding decides between two.  Raises TypeError or ValueError for what does not fit.

    On a GPU both are float32 tensors of torch there, and so are the results; scores that are no numbers are not
    looked for, because that would be waited for.  Raises RuntimeError if there is no GPU, and says why.
    """
    if on_gpu(backend, scores):
        return _on_gpu(scores, active, bias, gate, normalise)
    _check(scores, active, bias, gate)
    added = np.zeros(scores.shape[1], scores.dtype) if bias is None else bias
    return routed(scores, active, added, gate, normalise, backend)


def routed(
    scores: Numbers, active: int, bias: Numbers, gate: GateKind, normalise: bool, backend: Backend = "auto"
) -> Routed:
    """The same of arrays that are known to fit; scores that are no numbers get weights without meaning."""
    compiled = COMPILED.chosen(backend) if scores.dtype == np.float32 else None
    if compiled is None:
        return reference.route(scores, active, bias, gate, normalise)
    (tokens, experts), choices = scores.shape, len(scores) * active
    out = Routed(
        np.empty((tokens, active), np.int64),
        np.empty((tokens, active), np.float32),
        *(np.empty(size, np.int64) for size in (choices, choices, experts + 1)),
    )
    given, added = frozen(np.ascontiguousarray(scores)), frozen(np.ascontiguousarray(bias))
    compiled.route(given, added, gate == "sigmoid", bool(normalise), *out)
    return out


def _on_gpu(scores: Any, active: int, bias: Any, gate: GateKind, normalise: bool) -> Routed:
    added = scores.new_zeros(scores.shape[-1:]) if bias is None else bias
    if scores.ndim != 2 or added.shape != scores.shape[1:] or gate not in GATES:
        raise ValueError(
            f"Expected scores (N, E), a bias (E,) and a gate of {GATES}, "
            f"got {tuple(scores.shape)}, {tuple(added.shape)} and {gate!r}."
        )
    tokens, experts = scores.shape
    if not cuda.fits(tokens, experts, active):
        raise ValueError(
            f"On a GPU there are at most {cuda.EXPERTS} experts, {cuda.CHOICES} choices of a token and {cuda.MOST:,} "
            f"scores; got scores {tuple(scores.shape)} and {active} choices."
        )
    return Routed(*cuda.run(Device.of(scores), scores, added, active, gate == "sigmoid", normalise))


def _check(scores: Any, active: Any, bias: Any, gate: Any) -> None:
    _check_floats("scores", scores)
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(f"Expected scores (N, E) of at least one expert, got {scores.shape}.")
    if not np.isfinite(scores).all():
        raise ValueError("Expected finite scores, got some that are not: look where the gate's input comes from.")
    experts = scores.shape[1]
    if isinstance(active, bool) or not isinstance(active, int | np.integer) or not 1 <= active <= experts:
        raise ValueError(f"active must be a whole number from 1 to {experts}, the number of experts; got {active!r}.")
    if gate not in GATES:
        raise ValueError(f"Unknown gate {gate!r}; there are {' and '.join(map(repr, GATES))}.")
    if bias is None:
        return
    _check_floats("bias", bias)
    if bias.shape != (experts,) or bias.dtype != scores.dtype or np.isnan(bias).any():
        raise ValueError(
            f"Expected a bias ({experts},) of {scores.dtype} without NaN, as the scores are; "
            f"got {bias.dtype} {bias.shape}."
        )


def _check_floats(name: str, given: Numbers) -> None:
    array = isinstance(given, np.ndarray)  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
    kind = str(given.dtype) if array else f"a {type(given).__name__}"
    if kind not in ("float32", "float64"):
        raise TypeError(f"{name} must be a NumPy array of float32 or float64, got {kind}.")
