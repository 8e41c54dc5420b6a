"""A memory: conversations as models.

    memory = MemoryStore("talks", vocabulary)                      a folder; made if it is not there
    memory.remember("My flight to Oslo is on Friday.", session="monday", topic="travel")
    memory.recall("When do I fly?")                                passages, with reasons that add up
    memory.model(base, session="monday", prompt="My flight")       the base under faders with what was heard
    memory.forget(session="monday")                                as if it had never been heard

What is remembered are turns, in one SQLite file; everything else is derived from them: counts in time buckets, the
layers that faders weigh, the index of words.  What was derived is kept in memory and, after `compact`, in `.psam` files
beside, and each is used only for exactly the turns that it counted.  So a process may be killed at any write, and what
was acknowledged is there.

Text is stored in plain, in that folder and nowhere else; nothing is sent anywhere.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from polyloom.association.counts import shapes
from polyloom.association.model import AssociationModel
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.rejecting import Rejecting
from polyloom.documents import Ids
from polyloom.errors import InputError, VocabularyMismatch
from polyloom.generate.trace import Generation
from polyloom.memory import vocabulary as stored
from polyloom.memory.database import Database
from polyloom.memory.drift import Drift, drift
from polyloom.memory.index import Among, Index
from polyloom.memory.journal import LAST, Journal, Row, Said
from polyloom.memory.judgement import judged
from polyloom.memory.layers import Layers
from polyloom.memory.models import Models
from polyloom.memory.pruning import least_worth, room_needed
from polyloom.memory.recalled import Action, Activation, Forgotten, Part, Recalled
from polyloom.memory.selection import AVOID, HEARD, Selection
from polyloom.memory.settings import Settings
from polyloom.memory.turn import Turn
from polyloom.model import LanguageModel
from polyloom.real import real
from polyloom.tokens.checks import unicode_text
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.whole import whole

MOST = 2**63 - 1  # that SQLite counts
CALLED = 20  # passages that say which topics speak for a prompt
REMAINS = (
    "The vocabulary may still list its words, and what was made before may still count it: models that were asked for, "
    "weights and gates fitted with them, and copies of the files."
)
READ = (
    " Another process is reading: the log beside the file keeps its bytes until that ends and something is forgotten."
)


class MemoryStore:
    """What was said in several sessions, on several topics, by several speakers, in one vocabulary.

    `folder` is made if need be.  A new memory needs a `vocabulary` and may have `settings`; one that is there brings
    both, and refuses others (of the settings: others that shape the counts).  Several processes may have a memory open;
    threads may share one.  `with` closes it.

    Raises FileError if the file is damaged, foreign, of a future version, or cannot be written, VocabularyMismatch if
    it speaks another vocabulary, InputError for settings that it was not made with.
    """

    def __init__(
        self, folder: str | os.PathLike[str], vocabulary: Vocabulary | None = None, settings: Settings | None = None
    ) -> None:
        self.folder = Path(folder)
        if vocabulary is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        self._database = Database(self.folder / "memory.sqlite", _made(vocabulary, settings or Settings()))
        try:
            self.vocabulary, self.settings = self._opened(vocabulary, settings)
        except BaseException:
            self._database.close()
            raise
        levels = shapes(self.settings.order, self.settings.skips)
        models = Models(self._database, self.vocabulary, levels, self.folder / "blocks")
        self._layers = Layers(self._database, models, self.settings)
        self._journal = Journal(self._database, models, self.settings.bucket)
        self._reach = max(max(shape.path, default=0) for shape in levels)
        self._index, self._gone = Index(), 0

    # what is there

    def remember(
        self,
        text: str,
        session: str = "main",
        topic: str | None = None,
        *,
        role: str = "user",
        importance: float = 1.0,
        at: float | None = None,
    ) -> Turn:
        """Add a turn; when this returns it will be there, even if the process is killed.

        `at` is when it was said, in seconds since 1970, by default now.  `importance`, above 0, counts in `recall` and
        `prune`.  The vocabulary's `</s>` ends the turn.  Raises InputError for a text without a token and for what
        cannot be used, VocabularyError if the vocabulary cannot express it, FileError if it cannot be written.
        """
        tokens, end = self.vocabulary.encode(text), self.vocabulary.sentence_end
        if end is not None and len(tokens):
            tokens = np.append(tokens, end)
        return self._journal.add(Said(HEARD, text, tokens[:0], tokens, session, topic, role, importance, at))

    def turns(self, session: str | None = None, topic: str | None = None) -> list[Turn]:
        """What was heard, oldest first: all of it, or that of a session and a topic."""
        return Selection(HEARD, session=session, topic=topic).turns(self._database)

    def sessions(self) -> dict[str, Part]:
        """Each session and what it holds, in the order in which they began."""
        return self._journal.parts("session")

    def topics(self) -> dict[str, Part]:
        """Each topic and what it holds, in the order in which they came up."""
        return self._journal.parts("topic")

    def recall(
        self, query: str, k: int = 5, *, session: str | None = None, topic: str | None = None
    ) -> tuple[Recalled, ...]:
        """The k turns that best answer a query, best first, each with the words it was found by.

        Of all sessions and topics, or of those given.  Turns that share no word with the query are not among them.
        """
        query, k = unicode_text(query, "the query"), whole("k", k, 1)
        with self._database.reading():
            found = self._synced().search(query, k, Among(session, topic, self.settings.half_life))
            turns = [Selection(turn=one.turn).turns(self._database)[0] for one in found]
        return tuple(Recalled(turn, one.score, one.terms) for turn, one in zip(turns, found, strict=True))

    def activation(self, prompt: str) -> Activation:
        """Which topics speak for a prompt: each topic's part in the scores of the passages that it calls up."""
        passages = self.recall(prompt, CALLED)
        total, scores = sum(max(0.0, one.score) for one in passages), dict[str, float]()
        for one in passages:
            if one.turn.topic is not None and one.score > 0:
                scores[one.turn.topic] = scores.get(one.turn.topic, 0.0) + one.score
        ordered = sorted(scores.items(), key=lambda item: -item[1])
        return Activation({topic: score / total for topic, score in ordered}, passages)

    # as models

    def layer(
        self, turn: int | None = None, *, session: str | None = None, topic: str | None = None
    ) -> AssociationModel | None:
        """The counts of one turn, a session, a topic, or of everything, as a model; None if nothing was heard there."""
        with self._database.reading():
            return self._layers.models.of(Selection(HEARD, _id(turn), session, topic))

    def layers(
        self, session: str | None = None, prompt: str | None = None, *, upto: int | None = None
    ) -> dict[str, Layer]:
        """Working and session memory of `session`, long-term memory, and the topics that `prompt` calls up.

        Each at its usual weight beside a base at 1; what is empty is left out.  `upto` is the last turn that counts.
        What has changed since it was last asked for is counted again: the session, and the newest time bucket.
        """
        topics = {} if prompt is None else self.activation(prompt).topics
        with self._database.reading():
            return self._layers.all(session, topics, _id(upto))

    def model(
        self,
        base: LanguageModel,
        session: str | None = None,
        prompt: str | None = None,
        *,
        strength: float = 1.0,
        avoid: float = 1.0,
        upto: int | None = None,
    ) -> Layered | Rejecting:
        """The base with the `layers` of this memory; `strength` weighs all of them beside it, 0 or more.

        If something was rejected, the mix is kept from saying it again in the same place, the more the larger `avoid`
        (`polyloom.compose.rejecting`); such a mix reads the whole vocabulary at each token.
        The mix is a value: it does not change when the memory does.
        """
        strength, avoid = real("strength", strength, 0), real("avoid", avoid, 0)
        found = self.layers(session, prompt, upto=upto)
        mix = Layered(base, {name: Layer(layer.model, strength * layer.weight) for name, layer in found.items()})
        with self._database.reading():
            rejected = self._layers.avoided(_id(upto)) if avoid else None
        return mix if rejected is None else Rejecting(mix, rejected, avoid)

    def drift(
        self, base: LanguageModel, probe: str | Ids, since: int | None = None, session: str | None = None
    ) -> Drift:
        """How far the memory has moved what the base says of a probe text; with `since`, what turns after it moved.

        The probe should stay the same, and be typical.  Raises InputError if it holds no token.
        """
        before = base if since is None else self.model(base, session, upto=since)
        return drift(before, self.model(base, session), base.ids(probe))

    # forgetting

    def forget(
        self, turn: int | None = None, *, session: str | None = None, topic: str | None = None, text: str | None = None
    ) -> Forgotten:
        """Take away a turn, a session, a topic, or all turns in which `text` stands; what is given holds together.

        Afterwards all counts are those of a memory that never heard it, accepted and rejected turns included, and the
        bytes are overwritten.  Raises InputError if nothing is named or nothing is found.
        """
        named = {"turn": turn, "session": session, "topic": topic, "text": text}
        given = {name: value for name, value in named.items() if value is not None}
        if not given or text == "":
            raise InputError("Say what to forget: a turn by its id, a session, a topic, or a text.")
        selection = Selection(None, _id(turn), session, topic, text)
        with self._journal.taking(*selection.where()) as rows:
            if not rows:
                asked = ", ".join(f"{name} {value!r}" for name, value in given.items())
                raise InputError(
                    f"Nothing is remembered of {asked}. turns() lists what is, sessions() and topics() too."
                )
        return self._forgotten(rows)

    def prune(self, budget: int) -> Forgotten:
        """Forget the turns that are worth least until the SQLite file takes at most `budget` bytes.

        Worth is importance, halved every `half_life` before the newest turn.  Exact, as `forget`.  The `.psam` files
        are not counted: they can be deleted at any time.  Raises InputError if not even an empty memory is so small.
        """
        budget, gone = whole("budget", budget, 1), list[Row]()
        while (size := self._database.vacuum()) > budget:
            room = room_needed(size, budget, Selection().stamp(self._database)[0])
            worst = least_worth(self._database, self.settings.half_life, room)
            with self._journal.taking("id IN (SELECT value FROM json_each(?))", [str(worst)]) as rows:
                gone += rows
        return self._forgotten(gone)

    # learning from use

    def accept(
        self, generation: Generation | str, session: str = "main", topic: str | None = None, *, importance: float = 1.0
    ) -> Turn:
        """Remember what a model wrote as right: its tokens, after the end of its prompt.  `undo` takes it back."""
        return self._judged("accept", HEARD, generation, session, topic, importance)

    def reject(self, generation: Generation | str, session: str = "main", topic: str | None = None) -> Turn:
        """Count what a model wrote as wrong, in a layer of its own that `model` avoids.  `undo` takes it back."""
        return self._judged("reject", AVOID, generation, session, topic, 1.0)

    def log(self) -> tuple[Action, ...]:
        """What was accepted and rejected and not undone, nor forgotten since, oldest first."""
        return self._journal.actions()

    def undo(self) -> Action:
        """Take back the last `accept` or `reject`: all counts are as if it had not been.  InputError for none."""
        with self._journal.taking(LAST, []) as rows:
            if not rows:
                raise InputError("There is nothing to undo: log() lists what was accepted and rejected.")
            return self.log()[-1]

    # the files

    def compact(self) -> list[Path]:
        """Write the blocks of long-term memory as `.psam` files, so that a memory opened later need not count them.

        Returns their paths; each is a model that `polyloom.load` opens.  Files that are of no use any more go.
        """
        with self._database.reading():
            paths = self._layers.models.save(list(self._layers.blocks()))
        self._database.clean()
        return paths

    def verify(self) -> None:
        """Read everything; FileError if the file is damaged, naming the first turn that is not what was remembered."""
        self._database.check()
        Selection().turns(self._database)

    def close(self) -> None:
        """Give the files free; nothing can be asked any more."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        count, tokens = self._database.ask("SELECT count(*), coalesce(sum(size), 0) FROM turn")[0]
        return (
            f"<MemoryStore {self.folder.name}: {count:,} turns of {tokens:,} tokens, {len(self.sessions())} sessions>"
        )

    def _judged(
        self, kind: str, layer: str, given: Generation | str, session: str, topic: str | None, importance: float
    ) -> Turn:
        text, context, tokens = judged(given, self.vocabulary, self._reach)
        said = Said(layer, text, context, tokens, session, topic, f"{kind}ed", importance, action=kind)
        return self._journal.add(said)

    def _forgotten(self, rows: Sequence[Row]) -> Forgotten:
        remains = REMAINS if self._database.clean() else REMAINS + READ
        return Forgotten(len(rows), sum(size for _, _, size in rows), remains)

    def _synced(self) -> Index:
        """The index of words of all turns that were heard."""
        gone = self._database.ask("SELECT turns FROM gone")[0][0]
        if gone != self._gone:
            self._index, self._gone = Index(), gone
        for turn in Selection(since=self._index.last + 1).turns(self._database):  # by id alone, which is at once
            if turn.layer == HEARD:
                self._index.add(turn)
            self._index.last = turn.id
        return self._index

    def _opened(self, vocabulary: Vocabulary | None, settings: Settings | None) -> tuple[Vocabulary, Settings]:
        """What the file was made with, held against what was given."""
        values = dict(self._database.ask("SELECT name, value FROM setting"))
        spoken, made = stored.read(values, self._database.path), Settings.read(values["settings"].decode())
        if vocabulary is not None and vocabulary != spoken:
            raise VocabularyMismatch(
                f"The memory in {self.folder} speaks {spoken!r}, given was {vocabulary!r}. "
                f"Open it without a vocabulary, or make another one in another folder."
            )
        if settings is not None:
            made.check_alike(settings)
        return spoken, settings or made


def _made(vocabulary: Vocabulary | None, settings: Settings) -> dict[str, bytes] | None:
    """What a new file is to hold; None if none may be made."""
    return None if vocabulary is None else {**stored.written(vocabulary), "settings": settings.written().encode()}


def _id(given: int | None) -> int | None:
    return None if given is None else whole("turn", given, 0, MOST)
