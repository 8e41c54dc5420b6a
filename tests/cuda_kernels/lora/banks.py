"""Random adapters in a bank, and what they are worth: the definition that every back end is compared with."""

from typing import Any

import numpy as np

from polyloom_kernels.lora import Bank, lora, thin


class Batch:
    """Rows with slots, some of them −1, over adapters of mixed ranks, of which the last slot has none."""

    def __init__(
        self,
        rows: int,
        each: int,
        inputs: int,
        outputs: int,
        ranks: tuple[int, ...] = (1, 16, 3, 8),
        kind: str = "float32",
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.bank = Bank(inputs, outputs, len(ranks) + 1, max(ranks), kind)
        self.worth: list[Any] = []
        for slot, rank in enumerate(ranks):
            a, b = rng.standard_normal((rank, inputs)), rng.standard_normal((outputs, rank)) / np.sqrt(inputs)
            (a, one), (b, other) = stored(a, kind), stored(b, kind)
            factor = float(np.float32(rng.uniform(0.2, 2)))
            self.bank.put(slot, thin(a, b, factor))
            self.worth.append(factor * other @ one)
        self.x = rng.standard_normal((rows, inputs)).astype(np.float32)
        self.slots = rng.integers(-1, len(ranks) + 1, (rows, each))
        self.scales = rng.uniform(-2, 2, (rows, each)).astype(np.float32)
        self.out = rng.standard_normal((rows, outputs)).astype(np.float32)

    def ask(self, backend: Any, rows: slice = slice(None)) -> np.ndarray:
        out = self.out[rows].copy()
        found = lora(self.x[rows], self.slots[rows], self.bank, self.scales[rows], out, backend)
        assert found is out
        return found

    def defined(self) -> np.ndarray:
        """y + Σ s f B A x in float64, with the product B A made."""
        out = self.out.astype(np.float64)
        for (row, place), slot in np.ndenumerate(self.slots):
            if 0 <= slot < len(self.worth):
                out[row] += float(self.scales[row, place]) * (self.worth[slot] @ self.x[row].astype(np.float64))
        return out


def stored(matrix: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """A matrix as it is stored, and what that is worth, in float64."""
    real = matrix.astype(np.float32)
    if kind == "float32":
        return real, real.astype(np.float64)
    bits = (real.view(np.uint32) >> 16).astype(np.uint16)
    return bits, (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
