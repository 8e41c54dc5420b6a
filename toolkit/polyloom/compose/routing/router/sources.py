"""What a router may hear beside words: an encoder of sentences, and the directions of the experts' own adapters.

    Router.fit(examples, encoder=encode)           any function of n texts that gives float (n, d)
    Router.fit(examples, arrow=Arrow.of(model, adapters))

Nothing is required, and nothing is ever fetched: `SentenceTransformer(folder).encode` is such a function, and so is any
of one's own.  An encoder is known by what it says to `PROBE`, since no code has a name that means the same elsewhere;
it may be off by rounding.  Adapters are known by their digest.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias, cast, final, runtime_checkable

import numpy as np

from polyloom.compose.routing.router.beside import Source
from polyloom.errors import FileError, InputError
from polyloom.model import Floats

PROBE = "The tide comes in twice a day, whoever has signed the contract."
ALIKE = 0.999  # the least cosine between what an encoder and itself, elsewhere or in another precision, say

Encode: TypeAlias = Callable[[list[str]], Any]


@runtime_checkable
class Leaning(Protocol):
    """What `polyloom.adapters.Arrow` is: who leans to what each map of a network reads."""

    @property
    def names(self) -> tuple[str, ...]:
        """The K adapters."""
        ...

    @property
    def places(self) -> tuple[str, ...]:
        """The M maps."""
        ...

    @property
    def digest(self) -> str:
        """What stands for all of it."""
        ...

    def judge(self, text: str) -> Floats:
        """What each map adds to the score of each adapter, float64 (K, M)."""
        ...


@final
class Meaning(Source):
    """An encoder of sentences; an expert is where the mean of its examples lies, as seen from that of all experts."""

    kind: ClassVar[str] = "encoder"
    name: ClassVar[str] = "likeness of meaning"
    usual: ClassVar[float] = 1.5
    wide: ClassVar[float] = 1.0

    def __init__(self, encode: Encode) -> None:
        if not callable(encode):
            raise InputError(f"An encoder is a function of texts, got {type(encode).__name__}.")
        self.encode = encode
        self.probe = self.see([PROBE])[0, 0]

    def see(self, texts: Sequence[str]) -> Floats:
        """Vectors of length 1, (n, 1, d)."""
        given: Any = self.encode(list(texts))
        try:
            found = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            found = np.empty(0)
        if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
            raise InputError(
                f"The encoder must give {len(texts)} texts a finite vector each, an array ({len(texts)}, d); "
                f"it gave {type(given).__name__} of shape {getattr(given, 'shape', '?')}."
            )
        length = np.sqrt((found**2).sum(1, keepdims=True))
        return (found / np.where(length > 0, length, 1.0))[:, None]

    def directions(self, means: Floats) -> Floats:
        """The way from the centre to each expert, of length 1."""
        ways = means[:, 0]  # (K, d)
        length = np.sqrt((ways**2).sum(1, keepdims=True))
        return ways / np.where(length > 0, length, 1.0)

    def parts(self) -> tuple[str, ...]:
        """A dimension of an encoder says nothing to a person."""
        return ()

    def mark(self) -> object:
        """What it says to the probe."""
        return self.probe.tolist()

    def check(self, mark: Any) -> None:
        """It must say about the same."""
        other = np.array(mark, np.float64)
        if self.probe.shape != other.shape:
            raise FileError(
                f"This encoder's vectors are {self.probe.shape}, those that the router knows {other.shape}."
            )
        if self.probe @ other < ALIKE:
            alike = float(self.probe @ other)
            raise FileError(f"The router was fitted with another encoder: on the same text they agree to {alike:.3f}.")


@final
class Leanings(Source):
    """The directions of adapters, one for each expert, in the order of their names."""

    kind: ClassVar[str] = "arrow"
    name: ClassVar[str] = "directions of the adapters"
    usual: ClassVar[float] = 0.5
    wide: ClassVar[float] = 0.5

    def __init__(self, arrow: Leaning, names: Sequence[str]) -> None:
        if not isinstance(arrow, Leaning):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise InputError(f"Expected Arrow.of(model, adapters), got {type(arrow).__name__}.")
        if set(arrow.names) != set(names):
            has, wanted = ", ".join(arrow.names), ", ".join(names)
            raise InputError(f"There must be an adapter for each expert: the adapters are {has}, the experts {wanted}.")
        self.arrow, self.order = arrow, [arrow.names.index(name) for name in names]

    def see(self, texts: Sequence[str]) -> Floats:
        """What each map adds, (n, K, M)."""
        return np.stack([self.arrow.judge(text)[self.order] for text in texts])

    def directions(self, means: Floats) -> Floats:
        """All the same."""
        return np.ones((len(means), 1))

    def parts(self) -> tuple[str, ...]:
        """The maps."""
        return self.arrow.places

    def mark(self) -> object:
        """The digest."""
        return self.arrow.digest

    def check(self, mark: Any) -> None:
        """The digest must be the same."""
        if mark != self.arrow.digest:
            raise FileError("The router was fitted with other adapters, or over another base, than the arrow is of.")


def sources_of(names: Sequence[str], encoder: Encode | None, arrow: Leaning | None) -> tuple[Source, ...]:
    """Those that are given, for experts of these names."""
    found: list[Source] = [] if encoder is None else [Meaning(encoder)]
    return tuple(found) if arrow is None else (*found, Leanings(arrow, names))


def wanted(manifest: dict[str, Any], given: Iterable[Source]) -> list[tuple[dict[str, Any], Source]]:
    """The sources that a stored router was fitted with, each with what the file says of it.

    Raises FileError for one that is not given, and for one that is given in vain.
    """
    told = {one["kind"]: one for one in cast("list[dict[str, Any]]", manifest.get("beside", []))}
    there = {source.kind: source for source in given}
    for kind in told:
        if kind not in there:
            raise FileError(f"The router was fitted with {kind}=…, which no file holds: give it again.")
    for kind in there:
        if kind not in told:
            raise FileError(f"The router was fitted without {kind}=…: leave it away, or fit anew.")
    return [(told[kind], there[kind]) for kind in told]
