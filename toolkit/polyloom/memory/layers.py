"""The layers of a memory: working, session and long-term memory, and the topics that a prompt calls up.

    working      the last few turns of the session
    session      all its turns
    long-term    everything that was heard, in blocks of time, older ones at lower faders (`memory.blocks`)
    topic …      what was heard on a topic, as loudly as the topic speaks for the prompt

Each is a model of counts, or a mix of such, so a fader weighs it.  How loudly they speak by default beside a base at 1
stands here; on the dialogues of the benchmark that serves topics the base has never seen, and does little harm where it
knows the topic better than the memory does.  `fit_weights` on a text of one's own finds better ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from polyloom.association.model import AssociationModel
from polyloom.compose.layered import Layer, Layered
from polyloom.memory.blocks import Block, blocks, name
from polyloom.memory.database import Database
from polyloom.memory.models import Models
from polyloom.memory.selection import AVOID, HEARD, Selection
from polyloom.memory.settings import Settings
from polyloom.model import LanguageModel

WORKING, SESSION, LONG, TOPICS = 0.05, 0.1, 0.3, 0.3
LEAST = 0.1  # share of a topic that is worth a layer


@dataclass(frozen=True)
class Layers:
    """Makes layers of what one memory holds; `upto` is the last turn that is taken in."""

    database: Database
    models: Models
    settings: Settings

    def all(self, session: str | None, topics: Mapping[str, float], upto: int | None) -> dict[str, Layer]:
        """The layers that hold anything, at their usual weights."""
        found: dict[str, tuple[LanguageModel | None, float]] = {}
        if session is not None:
            found |= {"working": (self._working(session, upto), WORKING)}
            found |= {"session": (self.models.of(Selection(HEARD, session=session, upto=upto)), SESSION)}
        found |= {"long-term": (self._long(upto), LONG)}
        for topic, share in topics.items():
            if share >= LEAST:
                model = self.models.of(Selection(HEARD, topic=topic, upto=upto))
                found[f"topic {topic}"] = model, TOPICS * share
        return {key: Layer(model, weight) for key, (model, weight) in found.items() if model is not None}

    def avoided(self, upto: int | None) -> AssociationModel | None:
        """What was rejected, if anything was."""
        return self.models.of(Selection(AVOID, upto=upto))

    def blocks(self, upto: int | None = None) -> dict[Block, float]:
        """The blocks of long-term memory and their weights, newest first."""
        sql, values = Selection(HEARD, upto=upto).where()
        asked = f"SELECT bucket, sum(size) FROM turn WHERE {sql} GROUP BY bucket HAVING sum(size) > 0"
        buckets = dict(self.database.ask(asked, values))
        return blocks(buckets, self.settings.half_life / self.settings.bucket)

    def _working(self, session: str, upto: int | None) -> AssociationModel | None:
        selection = Selection(HEARD, session=session, upto=upto)
        sql, values = selection.where()
        asked = f"SELECT id FROM turn WHERE {sql} ORDER BY id DESC LIMIT ?"
        last = self.database.ask(asked, [*values, self.settings.working])
        return self.models.of(replace(selection, since=last[-1][0])) if last else None

    def _long(self, upto: int | None) -> LanguageModel | None:
        """The newest bucket, then ever longer blocks, as one mix; the model itself if there is one."""
        parts: dict[str, Layer] = {}
        for block, weight in self.blocks(upto).items():
            model = self.models.of(Selection(HEARD, buckets=block, upto=upto))
            if model is not None:
                parts[name(block, self.settings.bucket)] = Layer(model, weight)
        if len(parts) < 2:
            return next((layer.model for layer in parts.values()), None)
        (first, newest), *others = parts.items()
        return Layered(newest.model, dict(others), name=first, weight=newest.weight)
