"""Skip templates: what comes next given the tokens at chosen distances back, whatever stands between.

    p(y | h) = max(c(h y) − D, 0) / c(h)  +  D · |row(h)| / c(h) · unigram(y)

A template with a single offset is a position-specific association.  Skips look past `</s>`, never past the start of the
document.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

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
    if isinstance(skips, str) or not isinstance(skips, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected skip templates such as [(2,), (1, 3)], or True or False; got {skips!r}.")
    found = tuple(sorted(map(_template, skips)))
    if len(set(found)) < len(found):
        raise InputError(f"Each skip template may stand once, got {found}.")
    return found


def _template(given: object) -> Template:
    offsets = tuple(cast("Sequence[object]", given)) if isinstance(given, Sequence) else ()
    found = tuple(offset for offset in offsets if type(offset) is int and 1 <= offset <= FARTHEST)
    if not found or len(found) < len(offsets) or list(found) != sorted(set(found)):
        raise InputError(
            f"A skip template is ascending offsets back such as (1, 3), from 1 to {FARTHEST}; got {given!r}."
        )
    return found


def name(template: Template) -> str:
    """`skip 1+3`: the tokens 1 and 3 back."""
    return "skip " + "+".join(map(str, template))
