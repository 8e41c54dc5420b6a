"""Several association models asked at one place in one call, as the layers of a linear mix are.

Places are pairs of a share and a continuation, all at the end of the same text.  What they say together is Σ share · p;
`apart` tells the places of association models from those of others, which have no such call.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from polyloom.association.continuation import AssociationContinuation
from polyloom.documents import Ids
from polyloom.model import Continuation, Floats
from polyloom_kernels.mixture import Panel, Voice

KEPT = 4  # panels of a model: a layer that was taken out of all its mixes is soon let go
Place: TypeAlias = tuple[float, AssociationContinuation]
Other: TypeAlias = tuple[float, Continuation]


def apart(places: Sequence[Other]) -> tuple[list[Place], list[Other]]:
    """The places of association models, and the others."""
    asked = [(share, place) for share, place in places if isinstance(place, AssociationContinuation)]
    return asked, [one for one in places if not isinstance(one[1], AssociationContinuation)]


def chances(places: Sequence[Place]) -> Floats:
    """Σ share · p of every token, float64 (V,)."""
    return _panel(places).dense(*_asked(places))


def likeliest(places: Sequence[Place], k: int) -> tuple[Ids, Floats] | None:
    """The k likeliest tokens by Σ share · p, with their sums; None if there is nothing to gain."""
    return _panel(places).top(*_asked(places), k)


def above(places: Sequence[Place], k: int, bound: tuple[float, float], wanted: Ids) -> tuple[Ids, Floats] | None:
    """What Σ share · p is of the tokens `wanted`, and of all that it makes likely: see `Panel.above`."""
    return _panel(places).above(*_asked(places), k, bound, wanted)


def _asked(places: Sequence[Place]) -> tuple[Ids, Ids, Floats]:
    """The text, what each level of each model looks at, int64 (models, levels), and the shares."""
    looks = [place.model.looks for _, place in places]
    seen = np.zeros((len(places), max(map(len, looks))), np.int64)
    for n, (_, place) in enumerate(places):
        alike = n and looks[n] == looks[n - 1]  # models of one shape look alike
        seen[n, : len(looks[n])] = seen[n - 1, : len(looks[n])] if alike else place.seen()
    return places[0][1].tokens, seen, np.array([share for share, _ in places])


def _panel(places: Sequence[Place]) -> Panel:
    """The panel of these models; the first of them keeps the last few that it stood on."""
    voices: tuple[Voice, ...] = tuple(place.model.voice for _, place in places)
    panels = voices[0].panels
    found = panels.get(voices)
    if found is None:
        found = panels[voices] = Panel(voices)
        for oldest in list(panels)[:-KEPT]:
            panels.pop(oldest, None)
    return found
