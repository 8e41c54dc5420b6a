"""Counts of models as numbers: a + b, a − b, a & b, a | b, a · n, each of them exact.

    a + b, a − b    both texts as one, and one without the other
    a & b, a | b    what both counted, and what either did: the smaller and the larger of each two counts
    a * n           n copies of the text

What is exact are the raw counts under one vocabulary.  All that is derived from them is derived again.  What is neither
a count nor derived from counts:

    the gate        that of the first model, and stale
    the text kept   adds, is taken away and is repeated with the counts; a & b and a | b have none, as their counts
                    are those of no text (see `joins`)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from polyloom.association.counts import Counts
from polyloom.association.derived import derived
from polyloom.association.joins import Join, added, smaller, taken_away
from polyloom.association.text import Text
from polyloom.errors import InputError, VocabularyMismatch
from polyloom.whole import whole

if TYPE_CHECKING:
    from polyloom.association.model import AssociationModel

TEXTS: dict[Join, Callable[[Text, Text], Text | None]] = {added: Text.plus, taken_away: Text.minus}
EMPTY: dict[Join, str] = {
    taken_away: "Nothing would be left: the models counted the same tokens as often.",
    smaller: "Nothing would be left: the models have no token in common.",
}


def combined(ours: "AssociationModel", theirs: "AssociationModel", join: Join) -> "AssociationModel":
    """What `join` makes of the counts of two models; the gate of `ours` stays, and is stale."""
    _check_alike(ours, theirs)
    keep = TEXTS.get(join)
    text = None if keep is None or ours.text is None or theirs.text is None else keep(ours.text, theirs.text)
    return _derived(ours, lambda: _some(ours.counts.joined(theirs.counts, join), join), text)


def repeated(model: "AssociationModel", n: object) -> "AssociationModel":
    """The model of n copies of its text; its gate is stale, unless that is one copy."""
    n = copies(n)
    check_whole(model)
    if n == 1:
        return model
    return _derived(model, lambda: model.counts.times(n), None if model.text is None else model.text.times(n))


def copies(n: object) -> int:
    """How many copies of a text, at least one; InputError if that is no whole number."""
    return whole("The number of copies", n, 1)


def check_whole(model: "AssociationModel") -> None:
    """InputError if counts are missing."""
    if model.pruned:
        raise InputError("This model was pruned or capped, so counts are missing: fit it whole to merge or resume.")


def _derived(model: "AssociationModel", make: Callable[[], Counts], text: Text | None) -> "AssociationModel":
    """The model with other counts."""
    try:
        store = derived(make())
    except OverflowError as error:
        raise InputError(f"The counts would be too large to keep: {error}") from error
    return replace(model, store=store, gate=replace(model.gate, stale=True), text=text)


def _some(counts: Counts, join: Join) -> Counts:
    """The counts, if there are any."""
    if not counts.tokens:
        raise InputError(EMPTY[join])
    return counts


def _check_alike(ours: "AssociationModel", theirs: "AssociationModel") -> None:
    if theirs.vocabulary != ours.vocabulary:
        raise VocabularyMismatch(
            f"One model speaks {ours.vocabulary!r}, the other {theirs.vocabulary!r}. Fit both on one vocabulary."
        )
    check_whole(ours)
    check_whole(theirs)
    if theirs.shapes != ours.shapes:
        shapes = [f"order {model.order} with skips {', '.join(map(str, model.skips))}" for model in (ours, theirs)]
        raise InputError(f"One model is of {shapes[0]}, the other of {shapes[1]}. Fit them alike.")
    if theirs.memory != ours.memory:
        raise InputError(f"One model has history {ours.memory}, the other {theirs.memory}. Fit them alike.")
