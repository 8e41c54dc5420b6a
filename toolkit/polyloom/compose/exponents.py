"""The weights of a log pool, fitted: a concave maximum within a box, by projected Newton steps.

    maximise  F(w) = mean_t [ Σ_k w_k ln p_k(y_t) − ln Z_t(w) ]   over  low ≤ w ≤ high

    slope    g_k  = mean_t [ ln p_k(y_t) − m_k(t) ]                 m_k = E[ln p_k] under the mix at place t
    curve    H_kj = mean_t [ E[ln p_k · ln p_j] − m_k m_j ]         the mean covariance, so F is concave

Weights that press against the box are held there, the others take the Newton step (Bertsekas, "Projected Newton methods
for optimization problems with simple constraints", 1982).  Since F lies below its tangents, F(v) − F(w) ≤ Σ_k max over
the box of g_k (v_k − w_k): the bound of Frank and Wolfe (1956), which says when to stop.

Z needs every token, so a round reads the whole vocabulary at each place.  The log-probabilities are kept between the
rounds if they are small, and asked of the layers again if they are not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyloom.em import Optimum
from polyloom.errors import InputError

Floats = NDArray[np.float64]
Block = tuple[Floats, NDArray[np.int64]]  # ln p of every layer, place and token, (K, n, V); the tokens that came, (n,)

ROUNDS = 100
TOLERANCE = 1e-9  # nats a token
ROUNDING = 1e-12  # nats a token: near the top F moves less than it rounds, and the bound judges alone
HALVINGS = 40


@dataclass(frozen=True)
class Point:
    """Weights (K,), F there, its slope (K,) and its curve (K, K)."""

    weights: Floats
    value: float
    slope: Floats
    curve: Floats


def maximise(judge: Callable[[Floats], Point], start: Floats, low: Floats, high: Floats) -> Optimum:
    """The top of a concave function within a box that holds `start`; never below its value at the start."""
    first = point = judge(start)
    rounds = 0
    while gain(point, low, high) > TOLERANCE and rounds < ROUNDS:
        rounds += 1
        found = _climbed(judge, point, low, high)
        if found is None:
            break
        point = found
    point = first if first.value > point.value else point
    return Optimum(point.weights, point.value, gain(point, low, high), rounds)


def log_pool(blocks: Callable[[], Iterable[Block]]) -> Callable[[Floats], Point]:
    """F of a log pool, judged anew over all blocks for each weights."""
    return lambda weights: _judged(weights, blocks())


def _judged(weights: Floats, blocks: Iterable[Block]) -> Point:
    value, slope, curve, places = 0.0, np.zeros(len(weights)), np.zeros((len(weights),) * 2), 0
    for logs, targets in blocks:
        at = np.arange(len(targets))
        scores, normaliser = pooled(list(zip(weights.tolist(), logs, strict=True)))
        chance = np.exp(scores - normaliser[:, None])  # (n, V)
        mean = np.einsum("nv,knv->kn", chance, logs)
        value += float((scores[at, targets] - normaliser).sum())
        slope += (logs[:, at, targets] - mean).sum(1)
        curve += _moments(chance, logs) - mean @ mean.T
        places += len(targets)
    return Point(weights, value / places, slope / places, curve / places)


def _moments(chance: Floats, logs: Floats) -> Floats:
    """Σ over places of E[ln p_k · ln p_j], float64 (K, K)."""
    found = np.empty((len(logs),) * 2)
    for k, row in enumerate(logs):
        weighted = chance * row
        for j, other in enumerate(logs[: k + 1]):
            found[k, j] = found[j, k] = np.vdot(weighted, other)
    return found


def pooled(voices: Sequence[tuple[float | Floats, Floats]]) -> tuple[Floats, Floats]:
    """Σ_k w_k ln p_k, float64 (…, V), and ln Z, float64 (…), of weights with rows (…, V) of log-probabilities.

    A weight may be an array (…, 1), another one for each row.  A weight of 0 is not read.  Raises InputError where that
    is no distribution: no token is possible, or one that a layer with a negative weight finds impossible has no end, or
    the numbers are too large.
    """
    scores = np.zeros_like(voices[0][1])
    with np.errstate(over="ignore", invalid="ignore"):
        for weight, row in voices:
            if np.all(weight):
                scores += weight * row
            elif np.any(weight):
                scores += np.where(weight, weight * row, 0.0)  # 0 · −∞ is no number
        top = scores.max(-1)
        if not np.isfinite(top).all():
            raise InputError(
                "The log pool is no distribution here: a weight is too large, no token is possible for all layers, or "
                "a layer with a negative weight gives a token no chance at all. Use smaller or positive weights."
            )
        return scores, top + np.log(np.exp(scores - top[..., None]).sum(-1))


def gain(point: Point, low: Floats, high: Floats) -> float:
    """The most that F can still gain within the box, by its tangent."""
    return float(np.maximum(point.slope * (low - point.weights), point.slope * (high - point.weights)).sum())


def _climbed(judge: Callable[[Floats], Point], point: Point, low: Floats, high: Floats) -> Point | None:
    """A higher point, by a Newton step that is halved until it helps; None if rounding leaves no step that does."""
    direction, before = _direction(point, low, high), gain(point, low, high)
    for step in _steps():
        weights = np.clip(point.weights + step * direction, low, high)
        if np.array_equal(weights, point.weights):
            return None
        found = judge(weights)
        if found.value >= point.value + 1e-4 * float(point.slope @ (weights - point.weights)):
            return found
        if found.value >= point.value - ROUNDING and gain(found, low, high) < before:
            return found
    return None


def _direction(point: Point, low: Floats, high: Floats) -> Floats:
    """Uphill: against the box by the slope alone, elsewhere by slope and curve."""
    w, slope = point.weights, point.slope
    ridge = 1e-9 * max(float(point.curve.trace()), 1e-9)  # layers that agree leave a direction without a curve
    edge = min(1e-3, float(np.abs(np.clip(w + slope, low, high) - w).max()))
    held = ((w <= low + edge) & (slope < 0)) | ((w >= high - edge) & (slope > 0))
    direction = slope / (point.curve.diagonal() + ridge)
    free = np.flatnonzero(~held)
    direction[free] = np.linalg.solve(point.curve[np.ix_(free, free)] + ridge * np.eye(len(free)), slope[free])
    return direction


def _steps() -> Iterator[float]:
    yield from (0.5**n for n in range(HALVINGS))
