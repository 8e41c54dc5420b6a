"""Experts in memory: as many as a budget of bytes allows; the one that nobody asked for longest leaves first.

    manager = ExpertManager(load, budget=2**30, refuse=lambda name: unsuited(registry.info(name).manifest, "qwen3"))
    manager.preload({"expert-sql": 0.9, "expert-poems": 0.2})
    manager.get("expert-sql")

What an expert takes is measured when it is there (`held_bytes`), so a new one may for a moment stand beside those that
make room for it.  What the manager lets go stays whole for whoever still uses it.  It knows nothing of models: `load`
makes an expert of a name, and with files that are mapped it is cheap and takes memory only for what it works out.

One thread at a time loads; what is told to `notify` is told in the order in which it happened, under the lock.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Generic, Literal, TypeAlias, TypeVar

from polyloom.errors import InputError
from polyloom.experts.held import held_bytes
from polyloom.real import number
from polyloom.whole import whole

T = TypeVar("T")
What: TypeAlias = Literal["loaded", "found", "left", "pinned", "unpinned", "refused"]


class Refused(InputError):  # noqa: N818 - "refused" already says that it is an error
    """An expert that cannot be had here; `name` and `reason` say which and why."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"The expert {name!r} is refused: {reason}.")


@dataclass(frozen=True)
class Event:
    """What happened to an expert, how many bytes it takes, and why if it was refused."""

    what: What
    name: str
    size: int = 0
    reason: str = ""


@dataclass
class _Kept(Generic[T]):
    """An expert that is there."""

    expert: T
    size: int
    pinned: bool = False


class ExpertManager(Generic[T]):
    """Experts by name, loaded when they are asked for, within `budget` bytes.

    `refuse` gives the reason why an expert cannot be used, before anything is loaded, or None.  `measure` says what one
    takes, `notify` is told of all that happens.  Raises InputError for a budget that is no number of bytes.
    """

    def __init__(
        self,
        load: Callable[[str], T],
        budget: int,
        *,
        refuse: Callable[[str], str | None] = lambda name: None,  # noqa: ARG005 - none is refused
        measure: Callable[[T], int] = held_bytes,
        notify: Callable[[Event], object] = lambda event: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        self.budget = whole("The budget", budget, 0)
        self._load, self._refuse, self._measure, self._notify = load, refuse, measure, notify
        self._kept = OrderedDict[str, _Kept[T]]()  # the one that was asked for last stands last
        self._lock = RLock()

    @property
    def held(self) -> dict[str, int]:
        """The experts that are there and what each takes, in bytes; the next to leave first, but for pinned ones."""
        with self._lock:
            return {name: kept.size for name, kept in self._kept.items()}

    @property
    def used(self) -> int:
        """Bytes of all that are there."""
        return sum(self.held.values())

    def get(self, name: str) -> T:
        """An expert, loaded if it is not there; others leave to make room.

        Raises Refused with the reason if it cannot be used here, or is larger than what others can leave to it; what
        was there stays then.  What `load` raises passes through.
        """
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None:
                self._kept.move_to_end(name)
                self._notify(Event("found", name, kept.size))
                return kept.expert
            return self._fetched(name, self.budget - self._pinned()).expert

    def pin(self, name: str) -> T:
        """An expert that never leaves until it is unpinned.  Raises as `get` does."""
        with self._lock:
            expert = self.get(name)
            self._kept[name].pinned = True
            self._notify(Event("pinned", name, self._kept[name].size))
            return expert

    def unpin(self, name: str) -> None:
        """Let an expert leave again when its time comes.  Raises InputError if it is not there."""
        with self._lock:
            self._there(name).pinned = False
            self._notify(Event("unpinned", name, self._kept[name].size))

    def release(self, name: str) -> None:
        """Let an expert go now, pinned or not.  Raises InputError if it is not there."""
        with self._lock:
            self._there(name)
            self._leave(name)

    def preload(self, priorities: Mapping[str, float]) -> list[str]:
        """Load experts while there is room, those of higher priority first; the names of all asked for that are there.

        None leaves for them, and what is refused or too large is passed over: `notify` is told.  Among equals those
        named first come first; they will leave last.  Raises InputError for a priority that is no finite number.
        """
        if bad := [name for name, priority in priorities.items() if not math.isfinite(number(priority))]:
            raise InputError(f"The priority of {bad[0]!r} must be a finite number, got {priorities[bad[0]]!r}.")
        ordered = sorted(priorities, key=lambda name: -priorities[name])
        with self._lock:
            for name in ordered:
                if name not in self._kept:
                    self._tried(name)
            there = [name for name in ordered if name in self._kept]
            for name in reversed(there):
                self._kept.move_to_end(name)
            return there

    def __repr__(self) -> str:
        return f"<ExpertManager of {len(self.held)} experts, {self.used:,} of {self.budget:,} bytes>"

    def _tried(self, name: str) -> None:
        try:
            self._fetched(name, self.budget - self.used)
        except Refused:
            return

    def _fetched(self, name: str, room: int) -> _Kept[T]:
        """An expert that is new here and takes at most `room`; those that stood longest leave to it."""
        if reason := self._refuse(name):
            raise self._refused(name, reason)
        expert = self._load(name)
        size = whole("What an expert takes", self._measure(expert), 0)
        if size > room:
            what = f"it takes {size:,} bytes, and {room:,} of {self.budget:,} can be had; unpin others, or allow more"
            raise self._refused(name, what, size)
        for other in [other for other, kept in self._kept.items() if not kept.pinned]:
            if self.used + size <= self.budget:
                break
            self._leave(other)
        self._kept[name] = _Kept(expert, size)
        self._notify(Event("loaded", name, size))
        return self._kept[name]

    def _refused(self, name: str, reason: str, size: int = 0) -> Refused:
        self._notify(Event("refused", name, size, reason))
        return Refused(name, reason)

    def _leave(self, name: str) -> None:
        self._notify(Event("left", name, self._kept.pop(name).size))

    def _pinned(self) -> int:
        return sum(kept.size for kept in self._kept.values() if kept.pinned)

    def _there(self, name: str) -> _Kept[T]:
        if name not in self._kept:
            raise InputError(f"The expert {name!r} is not there; there are {', '.join(self._kept) or 'none'}.")
        return self._kept[name]
