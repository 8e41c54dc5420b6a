"""Routing by a function of one's own: text in, the name of a member out, or scores by name, or None to abstain.

A function is code and code is never stored, so a mix that has one is not saved and has no digest; what chooses by
keyword, language or likelihood does both.
"""

import math
from collections.abc import Callable, Mapping
from typing import NoReturn, Self, TypeAlias, cast, final

from polyloom.compose.routing.text import TextChooser, account_of
from polyloom.errors import FileError, InputError
from polyloom.explanation import Explanation
from polyloom.model import Arrays, Manifest
from polyloom.real import number

Chosen: TypeAlias = str | Mapping[str, float] | None
NOT_SAVED = (
    "A mix that is routed by a function cannot be saved: a file holds no code. Choose by keyword, by language or by "
    "likelihood, or save the members and build the mix anew."
)


@final
class ByFunction(TextChooser):
    """Any function of the text: `Routed(lambda text: "law" if "§" in text else None, members)`.

    It must give the same for the same text, or evaluation and generation will not agree.  `window` is how many
    characters at the end of the text it sees; None, the default, is all of it, which it reads again at each place.
    Raises InputError when it gives something else than a name, scores or None; what it raises itself passes through.
    """

    kind = "function"

    def __init__(self, function: Callable[[str], Chosen], window: int | None = None) -> None:
        if not callable(function):
            raise InputError(f"Expected a function of the text, got {type(function).__name__}.")
        super().__init__((), window)
        self.function = function

    def weigh(self, text: str) -> dict[str, float]:
        """What the function says: 1 for the one it names."""
        chosen: object = cast("object", self.function(text))
        if chosen is None:
            return {}
        if isinstance(chosen, str):
            return {chosen: 1.0}
        if not isinstance(chosen, Mapping):
            raise InputError(f"The router gave {chosen!r}; expected the name of a member, scores by name or None.")
        given = cast("Mapping[object, object]", chosen)
        return {_name(name): _score(name, score) for name, score in given.items()}

    def account(self, text: str) -> Explanation:
        """What the function says is all there is to say."""
        weighed, name = self.weigh(text), getattr(self.function, "__name__", "the function")
        return account_of(text, weighed, dict.fromkeys(weighed, f"says {name}"))

    def state(self) -> NoReturn:
        """A function is not written."""
        raise FileError(NOT_SAVED)

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> Self:
        """No file holds one."""
        del manifest, arrays
        raise InputError(NOT_SAVED)

    def __repr__(self) -> str:
        return f"ByFunction({getattr(self.function, '__name__', type(self.function).__name__)})"


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"The router scored {name!r}; expected the name of a member.")
    return name


def _score(name: object, score: object) -> float:
    if not 0 <= number(score) < math.inf:
        raise InputError(f"The router scored {name!r} {score!r}; expected a finite number of 0 or more.")
    return number(score)
