"""How a model that was trained to fill in is asked to: both sides, marked, and it goes on with the middle.

    psm    <prefix> left <suffix> right <middle>
    spm    <prefix> <suffix> right <middle> left

Bavarian et al., "Efficient Training of Language Models to Fill in the Middle", 2022.  Which ids are the marks is known
to whoever trained the model: the `FillInTheMiddle` that it was trained with holds them.
"""

from collections.abc import Callable, Mapping

import numpy as np

from polyloom.documents import Ids, checked_ids
from polyloom.errors import InputError
from polyloom.protocols import Begins, Marks

Parts = tuple[object, ...]

FORMS: Mapping[str, Callable[[Marks, Ids, Ids], Parts]] = {
    "psm": lambda marks, left, right: ([marks.prefix], left, [marks.suffix], right, [marks.middle]),
    "spm": lambda marks, left, right: ([marks.prefix, marks.suffix], right, [marks.middle], left),
}


def told(model: Begins, left: Ids, right: Ids, marks: Marks, form: str, length: int = 1) -> Ids:
    """Both sides as the model was trained to read them, int64 (T + 3,).

    Raises InputError for an unknown form, for marks that the vocabulary lacks, and if the model cannot read both sides
    and a middle of `length` tokens at once.
    """
    if form not in FORMS:
        raise InputError(f"Unknown form {form!r}; known are {', '.join(FORMS)}.")
    try:
        parts = FORMS[form](marks, left, right)
    except AttributeError:
        raise InputError(f"infill must be the FillInTheMiddle that the model learned with, got {marks!r}.") from None
    ids = checked_ids(np.concatenate([np.asarray(part, np.int64) for part in parts]), model.vocabulary)
    if model.context is not None and len(ids) + length > model.context:
        raise InputError(
            f"Both sides and their marks are {len(ids)} tokens, the middle {length} or more; the model reads "
            f"{model.context} at once. Give less of the text: what stands next to the gap says most."
        )
    return ids


def closing(model: Begins, marks: Marks) -> Ids:
    """What closes a middle, int64 (1,), or (0,) if the training had no such token."""
    return checked_ids([] if marks.end is None else [marks.end], model.vocabulary)
