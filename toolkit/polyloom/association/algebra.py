"""Models of two texts as one, and one without the other: sums and differences of counts, and of the texts kept."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from polyloom.association.derived import derived
from polyloom.association.text import Text
from polyloom.errors import InputError, VocabularyMismatch

if TYPE_CHECKING:
    from polyloom.association.model import AssociationModel


def combined(ours: "AssociationModel", theirs: "AssociationModel", sign: Literal[1, -1]) -> "AssociationModel":
    """`ours` with the counts of `theirs` added or taken away; its gate stays, and is stale."""
    _check_alike(ours, theirs)
    counts = ours.counts.plus(theirs.counts) if sign > 0 else ours.counts.minus(theirs.counts)
    if not counts.tokens:
        raise InputError("Nothing would be left: the models counted the same text.")
    try:
        store = derived(counts)
    except OverflowError as error:
        raise InputError(f"The counts cannot be added: {error}") from error
    return replace(ours, store=store, gate=replace(ours.gate, stale=True), text=_text(ours.text, theirs.text, sign))


def check_whole(model: "AssociationModel") -> None:
    """InputError if counts are missing."""
    if model.pruned:
        raise InputError("This model was pruned or capped, so counts are missing: fit it whole to merge or resume.")


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


def _text(ours: Text | None, theirs: Text | None, sign: int) -> Text | None:
    if ours is None or theirs is None:
        return None
    return ours.plus(theirs) if sign > 0 else ours.minus(theirs)
