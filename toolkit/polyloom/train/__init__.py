"""Training: documents become batches, and batches move the weights of a transformer.

What needs no torch comes at once; `train` and what belongs to it on first use.
"""

from typing import TYPE_CHECKING, Any

from polyloom._compat import need
from polyloom.train.batches import Batches
from polyloom.train.conversation import Conversation, Message
from polyloom.train.duplicates import Deduplicated, Dropped, deduplicate
from polyloom.train.history import Evaluation, History, Progress, Step
from polyloom.train.infill import FillInTheMiddle
from polyloom.train.leakage import Leak, LeakReport, leaks
from polyloom.train.lesson import Lesson
from polyloom.train.packing import Block, packed
from polyloom.train.settings import Training
from polyloom.train.template import Template, Turn
from polyloom.train.templates import TEMPLATES, template

if TYPE_CHECKING:
    from polyloom.train.loop import Trained, train

__all__ = [
    "TEMPLATES",
    "Batches",
    "Block",
    "Conversation",
    "Deduplicated",
    "Dropped",
    "Evaluation",
    "FillInTheMiddle",
    "History",
    "Leak",
    "LeakReport",
    "Lesson",
    "Message",
    "Progress",
    "Step",
    "Template",
    "Trained",
    "Training",
    "Turn",
    "deduplicate",
    "leaks",
    "packed",
    "template",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in ("Trained", "train"):
        need("torch", "torch", f"polyloom.train.{name}")
        from polyloom.train import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
