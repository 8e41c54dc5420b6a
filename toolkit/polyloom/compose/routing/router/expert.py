"""What a router is told of an expert: examples of what it is for, or a manifest, or a manifest with `examples`.

A manifest is a mapping with the fields of an expert's `manifest.json`, or an object that has one as its `document`.
Of it count `routing.keywords`, which call the expert, and `routing.exclude_keywords`, which forbid it.  What it says of
itself in words, `description`, `routing.router_hint`, `tags`, `capabilities` and the keywords, are examples too.

`routing.priority`, from 0 to 1 and 0.5 if it is not stated, says how likely the expert is meant before anything is
read: the odds of one with 0.8 are twice those of one with 0.4.  What a text says soon outweighs it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from polyloom.errors import InputError
from polyloom.real import real

Fields = Mapping[object, object]
USUAL = 0.5  # the priority of who states none
LEAST = 0.05  # a lower one counts as this: words can still call the expert


@dataclass(frozen=True)
class Expert:
    """Texts that are for it; words and phrases that call it, and that forbid it; how ready it is to be asked."""

    examples: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    priority: float = USUAL

    @property
    def leaning(self) -> float:
        """What its priority adds to the logarithm of its odds, in nats."""
        return math.log(max(self.priority, LEAST) / USUAL)


def experts_of(given: object) -> dict[str, Expert]:
    """Experts by name; InputError for what is none, and for fewer than two."""
    if not isinstance(given, Mapping):
        raise InputError(f'Expected examples by name, such as {{"sea": ["the tide is low"]}}, got {given!r}.')
    found: dict[str, Expert] = {}
    for name, told in cast("Fields", given).items():
        if not isinstance(name, str) or not name:
            raise InputError(f"The name of an expert must be text, got {name!r}.")
        found[name] = _expert(name, told)
    if len(found) < 2:
        raise InputError(f"A router chooses among two experts or more, got {len(found)}.")
    return found


def _expert(name: str, told: object) -> Expert:
    document = getattr(told, "document", told)
    found = _declared(name, cast("Fields", document)) if isinstance(document, Mapping) else Expert(_texts(name, told))
    if not found.examples:
        raise InputError(f"The expert {name!r} has neither examples nor words in its manifest; give it at least one.")
    return found


def _declared(name: str, document: Fields) -> Expert:
    """What a manifest says."""
    routing: object = document.get("routing") or dict[object, object]()
    if not isinstance(routing, Mapping):
        raise InputError(f"The manifest of {name!r} must have a table as `routing`, got {routing!r}.")
    table = cast("Fields", routing)
    keywords = _texts(name, table.get("keywords") or ())
    said = (document.get("description"), table.get("router_hint"))
    capable = [one.partition(":")[2] or one for one in _texts(name, document.get("capabilities") or ())]
    examples = (
        *_texts(name, document.get("examples") or ()),
        *_texts(name, [one for one in said if one]),
        *keywords, *_texts(name, document.get("tags") or ()), *capable,
    )  # fmt: skip
    excluded = _texts(name, table.get("exclude_keywords") or ())
    priority = real(f"The priority of {name!r}", table.get("priority", USUAL), 0, 1)
    return Expert(tuple(dict.fromkeys(examples)), keywords, excluded, priority)


def _texts(name: str, given: object) -> tuple[str, ...]:
    """Texts that hold something."""
    several = (
        tuple(cast("Iterable[object]", given)) if isinstance(given, Iterable) and not isinstance(given, str) else ()
    )
    texts = tuple(one for one in several if isinstance(one, str) and one.strip())
    if len(texts) < len(several) or isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"Expected what {name!r} is for as a list of texts that are not empty, got {given!r}.")
    return texts
