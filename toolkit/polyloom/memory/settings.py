"""How a memory counts, and how it forgets with time: what is settled when it is made.

`order`, `skips` and `bucket` shape the counts, so they stay as they are; `half_life` and `working` are applied when the
memory is asked, so they may be others each time it is opened.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from polyloom.association.skip import Template, templates
from polyloom.errors import InputError
from polyloom.real import real
from polyloom.whole import whole

DAY = 86_400.0  # seconds
LONGEST = 16  # tokens in an n-gram


@dataclass(frozen=True)
class Settings:
    """`order` of the n-grams and `skips`, as `AssociationModel.fit` takes them; `bucket` and `half_life` in
    seconds, one at least.

    A time bucket holds what was said within so many seconds; what is a `half_life` old weighs half.  `working` is how
    many turns of a session make its working memory.  Raises InputError for what cannot be used.
    """

    order: int = 4
    skips: tuple[Template, ...] = ()
    bucket: float = DAY
    half_life: float = 30 * DAY
    working: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", whole("order", self.order, 1, LONGEST))
        object.__setattr__(self, "working", whole("working", self.working, 1))
        object.__setattr__(self, "skips", tuple(templates(self.skips)))
        for name in ("bucket", "half_life"):
            object.__setattr__(self, name, real(name, getattr(self, name), 1))

    @classmethod
    def read(cls, text: str) -> "Settings":
        """Those that `written` wrote."""
        given: dict[str, Any] = json.loads(text)
        given["skips"] = tuple(tuple(template) for template in given["skips"])
        return cls(**given)

    def written(self) -> str:
        """For the file."""
        return json.dumps(asdict(self))

    def check_alike(self, others: "Settings") -> None:
        """InputError unless the others shape the counts in the same way."""
        for name in ("order", "skips", "bucket"):
            ours, theirs = getattr(self, name), getattr(others, name)
            if ours != theirs:
                raise InputError(
                    f"The memory was made with {name}={ours!r}, which its counts depend on; got {theirs!r}. "
                    f"Leave {name} as it is, or make another memory."
                )
