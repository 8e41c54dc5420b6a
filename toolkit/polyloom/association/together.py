"""Several association models asked at one place in one call, as the layers of a linear mix are.

Places are pairs of a share and a continuation, all at the end of the same text.  Where one belongs to another kind of
model there is no such call, and the answer is None.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from polyloom.association.continuation import AssociationContinuation
from polyloom.documents import Ids
from polyloom.model import Candidates, Continuation, Floats
from polyloom.whole import whole
from polyloom_kernels.mixture import Panel, Voice

KEPT = 4  # panels of a model: a layer that was taken out of all its mixes is soon let go
Places: TypeAlias = Sequence[tuple[float, Continuation]]


def distribution(places: Places) -> Floats | None:
    """ln Σ share · p of every token, float64 (V,)."""
    asked = _association(places)
    if asked is None:
        return None
    return np.log(_panel(asked).dense(asked[0].tokens, _seen(asked), _shares(places)))


def likeliest(places: Places, k: int) -> Candidates | None:
    """The k likeliest tokens of Σ share · p; None, too, if there is nothing to gain."""
    asked, k = _association(places), whole("k", k, 1)
    if asked is None:
        return None
    found = _panel(asked).top(asked[0].tokens, _seen(asked), _shares(places), k)
    return None if found is None else Candidates(found[0], np.log(found[1]))


def _association(places: Places) -> list[AssociationContinuation] | None:
    asked = [place for _, place in places if isinstance(place, AssociationContinuation)]
    return asked if asked and len(asked) == len(places) else None


def _shares(places: Places) -> Floats:
    return np.array([share for share, _ in places])


def _seen(asked: Sequence[AssociationContinuation]) -> Ids:
    """What each level of each model looks at, int64 (models, levels); models of one shape look alike."""
    looks = [place.model.looks for place in asked]
    seen = np.zeros((len(asked), max(map(len, looks))), np.int64)
    for n, place in enumerate(asked):
        alike = n and looks[n] == looks[n - 1]
        seen[n, : len(looks[n])] = seen[n - 1, : len(looks[n])] if alike else place.seen()
    return seen


def _panel(asked: Sequence[AssociationContinuation]) -> Panel:
    """The panel of these models; the first of them keeps the last few that it stood on."""
    voices: tuple[Voice, ...] = tuple(place.model.voice for place in asked)
    panels = voices[0].panels
    found = panels.get(voices)
    if found is None:
        found = panels[voices] = Panel(voices)
        for oldest in list(panels)[:-KEPT]:
            panels.pop(oldest, None)
    return found
