"""The kinds of chooser that a file may hold, as one table: the name in the manifest, and what restores it."""

from typing import Any

from polyloom.compose.routing.cascade import Cascade
from polyloom.compose.routing.chooser import Chooser
from polyloom.compose.routing.keyword import ByKeyword
from polyloom.compose.routing.language import ByLanguage
from polyloom.compose.routing.likelihood import ByLikelihood
from polyloom.compose.routing.router.router import Router
from polyloom.errors import InputError
from polyloom.model import Arrays

CHOOSERS: dict[str, type[Chooser]] = {
    chooser.kind: chooser for chooser in (ByKeyword, ByLanguage, ByLikelihood, Cascade, Router)
}


def chooser_of(manifest: Any, arrays: Arrays) -> Chooser:
    """The chooser that `state` described; InputError if it is none."""
    kind = manifest["kind"]
    if kind not in CHOOSERS:
        raise InputError(f"The file holds a router of kind {kind!r}; this Polyloom knows {', '.join(CHOOSERS)}.")
    return CHOOSERS[kind].from_state(manifest, arrays)
