"""How a model is trained, as one frozen value: equal settings, model and documents give equal weights, bit for bit.

    Training(minutes=10, batch=16, optimiser="muon", schedule="stable", seed=0)

A **step** reads `accumulate` batches of `batch` texts of `length` tokens and changes the weights once.  Training ends
after `steps` or `minutes`, whichever is first; with neither given after 1,000 steps.  The two rates are those of the
plateau: `learning_rate` for everything that AdamW moves, `matrix_learning_rate` for the matrices that Muon moves (see
`optimisers`); the schedule multiplies both (see `schedule`).  A minute is a minute: where it falls depends on the
machine, so only runs that are counted in steps repeat exactly.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal, cast

from polyloom.errors import InputError
from polyloom.train.infill import FillInTheMiddle
from polyloom.train.schedule import SCHEDULES

# The usual `learning_rate` of each optimiser: of 0.003, 0.01 and 0.02 the best after 300 steps on War and Peace with a
# model of a million weights; of AdamW 0.003 and 0.01 were tried.
RATES: Mapping[str, float] = {"muon": 0.01, "adamw": 0.003}
DTYPES = ("float32", "bfloat16")
STEPS = 1_000  # where neither steps nor minutes are given
LONG = 1_024  # where no length is given: models that read much more would need much memory

RANGES: Mapping[str, tuple[type, float, float]] = {  # name: kind, smallest and largest; None is checked elsewhere
    "steps": (Integral, 1, 2**53),
    "minutes": (Real, 1e-6, 1e9),
    "batch": (Integral, 1, 2**31),
    "length": (Integral, 1, 2**31),
    "accumulate": (Integral, 1, 2**31),
    "learning_rate": (Real, 0, 1e3),
    "matrix_learning_rate": (Real, 0, 1e3),
    "weight_decay": (Real, 0, 1e3),
    "warm_up": (Real, 0, 1),
    "decay": (Real, 0, 1),
    "clip": (Real, 1e-12, 1e12),
    "z_loss": (Real, 0, 1e3),
    "evaluate_every": (Integral, 1, 2**53),
    "evaluate_tokens": (Integral, 1, 2**53),
    "save_every": (Integral, 1, 2**53),
    "patience": (Integral, 1, 2**53),
    "sample_tokens": (Integral, 0, 2**31),
    "seed": (Integral, 0, 2**63 - 1),
    "threads": (Integral, 1, 2**16),
}
OPTIONAL = {"steps", "minutes", "length", "learning_rate", "decay", "clip", "patience", "threads"}
CHOICES: Mapping[str, tuple[str, ...]] = {"optimiser": tuple(RATES), "schedule": tuple(SCHEDULES), "dtype": DTYPES}


@dataclass(frozen=True, kw_only=True)
class Training:
    """Frozen settings; raises InputError naming the value that is out of range.

    `length` None is the context of the model, 1,024 at most; `learning_rate` None what suits the optimiser, 0.01 with
    Muon and 0.003 without.  `warm_up` and `decay` are shares of the whole; `decay` None is what the schedule usually
    takes.  `clip` is the longest a gradient may be, None for no limit.  `z_loss` keeps the sum behind the probabilities
    near 1 (PaLM, Chowdhery et al. 2022, used 1e-4).

    `dtype` "bfloat16" computes the forward pass in that type where it is safe (autocast) and keeps the weights in
    float32; it pays on processors that multiply it, and is slower on others.  `checkpointing` forgets what happens
    inside the blocks and computes it again for the gradient: less memory, a third more time.

    Every `evaluate_every` steps, at most `evaluate_tokens` held-out tokens are judged, a text of `sample_tokens` tokens
    that goes on from `sample` is written for whoever watches, and with `patience` training ends when that many
    evaluations in a row brought nothing better.  `save_every` counts for runs that have a folder.  `infill` teaches a
    share of the documents with their middle at the end.  `threads` None leaves the number to torch.
    """

    steps: int | None = None
    minutes: float | None = None
    batch: int = 16
    length: int | None = None
    accumulate: int = 1
    optimiser: Literal["muon", "adamw"] = "muon"
    learning_rate: float | None = None
    matrix_learning_rate: float = 0.02
    weight_decay: float = 0.1
    schedule: Literal["stable", "cosine"] = "stable"
    warm_up: float = 0.02
    decay: float | None = None
    clip: float | None = 1.0
    z_loss: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    checkpointing: bool = False
    evaluate_every: int = 100
    evaluate_tokens: int = 65_536
    save_every: int = 100
    patience: int | None = None
    infill: FillInTheMiddle | None = None
    sample: str = ""
    sample_tokens: int = 40
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be {' or '.join(map(repr, choices))}, got {getattr(self, name)!r}.")
        usual = {"learning_rate": RATES[self.optimiser], "decay": SCHEDULES[self.schedule].decay}
        if self.minutes is None:
            usual["steps"] = STEPS
        for name, (kind, smallest, largest) in RANGES.items():
            given = getattr(self, name)
            value = _number(name, usual.get(name) if given is None else given, kind, smallest, largest)
            object.__setattr__(self, name, value)  # a frozen dataclass completes itself once
        for name, kind in (("checkpointing", bool), ("sample", str), ("infill", FillInTheMiddle | None)):
            if not isinstance(getattr(self, name), kind):
                raise InputError(f"{name} must be {_named(kind)}, got {getattr(self, name)!r}.")

    def to_json(self) -> dict[str, Any]:
        """A JSON-able table of the settings."""
        return asdict(self)

    def of_length(self, context: int) -> "Training":
        """The same with a `length` for a model that reads `context` tokens at once; InputError if it asks for more."""
        if self.length is not None and self.length > context:
            raise InputError(f"length must be at most {context}, which the model reads at once, got {self.length}.")
        return replace(self, length=self.length or min(context, LONG))


def _number(name: str, value: object, kind: type, smallest: float, largest: float) -> float | None:
    """The value as Python's own int or float, so that it can be written down."""
    if value is None and name in OPTIONAL:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = "a number" if kind is Real else "a whole number"
        raise InputError(f"{name} must be {expected}{' or None' if name in OPTIONAL else ''}, got {value!r}.")
    if not smallest <= float(cast("float", value)) <= largest:  # NaN is in no range
        reach = f"{smallest:g} or more" if largest > 1 else f"from {smallest:g} to {largest:g}"
        raise InputError(f"{name} must be {reach}, got {value!r}.")
    return int(cast("int", value)) if kind is Integral else float(cast("float", value))


def _named(kind: object) -> str:
    return {bool: "True or False", str: "a text"}.get(cast("type", kind), "a FillInTheMiddle or None")
