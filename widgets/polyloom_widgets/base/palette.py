"""Which colour a layer has where there are no style sheets: the base grey, then the palette in the order of the others.

The colours are those of theme.css; `palette.js` names the classes that carry them.
"""

from collections.abc import Iterable

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")  # Okabe and Ito
BASE = "#767676"


def colours(bases: Iterable[bool]) -> list[str]:
    """The colour of each layer, given which of them is the base."""
    found, others = list[str](), 0
    for base in bases:
        found.append(BASE if base else PALETTE[others % len(PALETTE)])
        others += not base
    return found
