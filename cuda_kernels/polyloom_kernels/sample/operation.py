"""`sample` as it is called: checks, and the choice of a back end.

    x_y = logit_y / repetition, or · repetition if it is below 0        for every y of the text so far (CTRL, 2019)
          − presence − frequency · (how often y came)
          + boost, if y is green (see `watermark`);  −∞, if it is not allowed
    p_y ∝ e^(x_y / temperature)                                         temperature 0 is greedy: ties by smaller id
    top_k, top_p, min_p          each of what the one before left, likeliest first, ties by smaller id
    token = the first y with Σ p up to it > dice                        in the same order

Probabilities are whole numbers (see `weights`), so every back end draws the same token, and a seed and a place always
give the same one.  A row costs three passes over its V numbers, 12 V bytes; the second takes about forty operations for
each.  What has 2^-40 of the largest probability, or less, is never drawn.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.sample import cuda, reference
from polyloom_kernels.sample.asked import Asked, masked, penalised, texts, words
from polyloom_kernels.sample.watermark import Watermark
from polyloom_kernels.sample.weights import IDS, Longs, Reals, Settings, settled

COMPILED = Compiled("polyloom_kernels.sample.cpu", cuda=True)
SORTED = 1e-5  # seconds for each number that NumPy takes to sort the rows of a text of a hundred tokens


class Drawn(NamedTuple):
    """Tokens int64 (B,), and the probability with which each was drawn after all settings, float64 (B,)."""

    tokens: Longs
    chances: Reals


def sample(
    logits: Any,
    seeds: ArrayLike,
    places: ArrayLike = 0,
    *,
    temperature: ArrayLike = 1.0,
    top_k: ArrayLike = 0,
    top_p: ArrayLike = 1.0,
    min_p: ArrayLike = 0.0,
    said: ArrayLike | None = None,
    repetition: ArrayLike = 1.0,
    presence: ArrayLike = 0.0,
    frequency: ArrayLike = 0.0,
    allowed: NDArray[np.uint32] | None = None,
    watermark: Watermark | None = None,
    backend: Backend = "auto",
) -> Drawn:
    """One token for each row, and how likely it was.

    `logits` float32 (B, V), −∞ for what may not come; `seeds` and `places`, whole numbers of 64 bits, say which dice
    are thrown: the place is usually how many tokens were written.  Settings are one number, or (B,).  top_k 0, top_p 1
    and min_p 0 leave all.  `said` whole numbers (B, T) are the text so far, filled up with −1 in front: penalties and
    the watermark, which goes by the last token, need it.  `allowed` uint32 (B, ⌈V / 32⌉): bit y of a row, from the
    lowest of the first word on, says whether y may come.  Raises ValueError for arrays and settings that do not fit,
    and for a row with NaN, +∞ or nothing that may come.  Where logits are a tensor on a GPU, so are the results, and
    such a row has the token −1: to look would be to wait.
    """
    rows: Any = logits if on_gpu(backend, logits) else np.asarray(logits)
    if rows.ndim != 2 or str(rows.dtype).removeprefix("torch.") != "float32" or not 0 < rows.shape[1] < 1 << IDS:
        raise ValueError(
            f"Expected float32 logits (B, V) with V from 1 to below 2^24, got {rows.dtype} {tuple(rows.shape)}."
        )
    if watermark is not None and not isinstance(watermark, Watermark):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"Expected a watermark such as Watermark(key=1), got {watermark!r}.")
    count, size = rows.shape
    asked = Asked(
        settled(count, size, temperature, top_k, top_p, min_p),
        *(words("seeds", seeds, count), words("places", places, count)),
        *texts(said, count, size),
        *(penalised(count, repetition, presence, frequency), masked(allowed, count, size)),
        watermark,
    )
    if on_gpu(backend, logits):
        machine = Device.of(rows)
        return Drawn(*cuda.run(machine, rows.contiguous(), cuda.placed(machine, asked), watermark))
    compiled = COMPILED.chosen(backend, SORTED * rows.size)
    found = reference.sample(rows, asked) if compiled is None else _compiled(compiled, rows, asked)
    if (found[0] < 0).any():
        raise ValueError(
            f"Row {int(found[0].argmin())} is no distribution: it has NaN or +∞, or nothing that may come."
        )
    return Drawn(*found)


def _compiled(compiled: Any, rows: NDArray[np.float32], asked: Asked) -> tuple[Longs, Reals]:
    tokens, chances = np.empty(len(rows), np.int64), np.empty(len(rows))
    mark = asked.watermark or Watermark(0)
    share = mark.threshold if asked.watermark else 0
    parts = (rows, *asked.settings, asked.seeds, asked.places, asked.spoken, asked.penalties, asked.allowed, asked.last)
    compiled.sample(
        *(frozen(np.ascontiguousarray(part)) for part in parts),
        *(np.uint64(mark.key), np.uint64(share), np.float32(mark.boost), tokens, chances),
    )
    return tokens, chances


def kept(
    log_probs: Reals,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    backend: Backend = "auto",
) -> Longs:
    """The tokens that top_k, top_p and min_p leave of one row, int64 (n,), rising; for whoever draws by himself.

    `log_probs` float64 (V,), up to a constant.  Raises ValueError as `sample` does.
    """
    if log_probs.ndim != 1 or log_probs.dtype != np.float64 or not 0 < len(log_probs) < 1 << IDS:
        raise ValueError(f"Expected float64 log-probabilities (V,), got {log_probs.dtype} {log_probs.shape}.")
    settings = Settings(*(part[0] for part in settled(1, len(log_probs), temperature, top_k, top_p, min_p)))
    compiled = COMPILED.chosen(backend, SORTED * log_probs.size)
    if compiled is None:
        found = np.sort(reference.left(log_probs, settings)[0])
    else:
        ids = np.empty(len(log_probs), np.int64)
        found = ids[: max(0, compiled.kept(frozen(np.ascontiguousarray(log_probs)), *settings, ids))]
    if not len(found):
        raise ValueError("The row is no distribution: it has NaN or +∞, or nothing that may come.")
    return found


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None
