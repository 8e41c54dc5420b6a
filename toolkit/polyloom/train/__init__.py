"""Training: documents become batches, and batches move the weights of a transformer.

What needs no torch comes at once; `train` and what belongs to it on first use.
"""

from typing import TYPE_CHECKING, Any

from polyloom.train.history import Evaluation, History, Progress, Step
from polyloom.train.infill import FillInTheMiddle
from polyloom.train.settings import Training

if TYPE_CHECKING:
    from polyloom.train.loop import Trained, train

__all__ = [
    "Evaluation",
    "FillInTheMiddle",
    "History",
    "Progress",
    "Step",
    "Trained",
    "Training",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in ("Trained", "train"):
        from polyloom.train import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
