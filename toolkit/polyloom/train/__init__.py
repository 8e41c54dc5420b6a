"""Training: documents become batches, and batches move the weights of a transformer.

What needs no torch comes at once; `train` and what belongs to it on first use.
"""

from typing import TYPE_CHECKING, Any

from polyloom._compat import need
from polyloom.train.batches import Batches
from polyloom.train.duplicates import Deduplicated, Dropped, deduplicate
from polyloom.train.history import Evaluation, History, Progress, Step
from polyloom.train.infill import FillInTheMiddle
from polyloom.train.leakage import Leak, LeakReport, leaks
from polyloom.train.packing import Block, packed
from polyloom.train.settings import Training

if TYPE_CHECKING:
    from polyloom.train.loop import Trained, train

__all__ = [
    "Batches",
    "Block",
    "Deduplicated",
    "Dropped",
    "Evaluation",
    "FillInTheMiddle",
    "History",
    "Leak",
    "LeakReport",
    "Progress",
    "Step",
    "Trained",
    "Training",
    "deduplicate",
    "leaks",
    "packed",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in ("Trained", "train"):
        need("torch", "torch", f"polyloom.train.{name}")
        from polyloom.train import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
