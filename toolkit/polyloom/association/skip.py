"""Skip templates: what comes next given the tokens at chosen distances back, whatever stands between.

    p(y | h) = max(c(h y) − D, 0) / c(h)  +  D · |row(h)| / c(h) · unigram(y)

A template with a single offset is a position-specific association.  Skips look past `</s>`, never past the start of the
document.
"""

from collections.abc import Sequence
from typing import TypeAlias

from polyloom.errors import InputError

Template: TypeAlias = tuple[int, ...]
TEMPLATES: tuple[Template, ...] = ((1,), (1, 3), (1, 3, 4), (2,), (2, 3), (3,), (4,))
FARTHEST = 255  # tokens back


def templates(skips: bool | Sequence[Template]) -> tuple[Template, ...]:
    """The templates that are meant, ascending: the default ones, none, or those given.

    Raises InputError for what is no template, and for one that stands twice.
    """
    if isinstance(skips, bool):
        return TEMPLATES if skips else ()
    for template in skips:
        if not template or list(template) != sorted(set(template)) or not 1 <= template[0] <= template[-1] <= FARTHEST:
            raise InputError(
                f"A skip template is ascending offsets back such as (1, 3), from 1 to {FARTHEST}; got {template!r}."
            )
    found = tuple(sorted(map(tuple, skips)))
    if len(set(found)) < len(found):
        raise InputError(f"Each skip template may stand once, got {found}.")
    return found


def name(template: Template) -> str:
    """`skip 1+3`: the tokens 1 and 3 back."""
    return "skip " + "+".join(map(str, template))
