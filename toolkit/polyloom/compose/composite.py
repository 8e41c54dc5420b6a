"""What all models made of models share: members on one vocabulary, a state for each of them, one file for all.

A composite says what it makes of its members (`manifest`); here stands how members are checked, kept at the same place
in a text and saved.  Members come back through `polyloom.kinds`, which restores them before the composite.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar, cast

from polyloom.buffer import TokenBuffer
from polyloom.compose.reference import write_references
from polyloom.documents import Ids
from polyloom.errors import FileError, InputError, VocabularyMismatch
from polyloom.files import DEEPEST, write
from polyloom.model import Arrays, Continuation, LanguageModel, Manifest, Prompt, Token
from polyloom.whole import whole

Place = TypeVar("Place", bound="CompositeContinuation")


class Composite(LanguageModel, Generic[Place]):
    """A model made of named models; `Place` is what `begin` gives."""

    @property
    @abstractmethod
    def models(self) -> Mapping[str, LanguageModel]:
        """The members by name, in order."""

    @abstractmethod
    def manifest(self) -> tuple[Manifest, Arrays]:
        """What the composite itself is, without its members."""

    @abstractmethod
    def place(self, ids: Ids, members: Sequence[Continuation]) -> Place:
        """A place in a text after these tokens, from the states of all members there."""

    @classmethod
    @abstractmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> Self:
        """The model that `manifest` described, of members that were restored already; InputError if it is none."""

    @property
    def context(self) -> int | None:
        """That of the member which reads least at once."""
        return min((model.context for model in self.models.values() if model.context is not None), default=None)

    def begin(self, prompt: Prompt = ()) -> Place:
        """A place in a text: after `prompt`, a str or token ids."""
        return self.replay(prompt, {})

    def replay(self, tokens: Prompt, known: Mapping[int, Continuation], origin: int | None = None) -> Place:
        """`begin(tokens)`, taking over the states of members that `known` (by `id` of the model) holds.

        With `origin` only so many of the tokens are the prompt, for the members too.
        """
        ids = self.ids(tokens)
        members = [model.replay(ids, known, origin) for model in self.models.values()]
        return self.place(ids, members).prompted(len(ids) if origin is None else origin)

    def save(self, path: str | os.PathLike[str], members: Literal["embed", "reference"] = "embed") -> Path:
        """Write the mix as one `.psamc` file that `polyloom.load` reads; returns its path.

        With `members="reference"` the members are written as files of their own, in a folder beside it (`mix.members`
        for `mix.psamc`), under their name and digest, and the mix records where, how large and with which digest.  Keep
        the two together.  Earlier files there stay, so that a mix that still refers to them can be read.

        Each file is written whole or not at all, the mix last.  Raises FileError for mixes nested so deep that no file
        of them could be read, OSError if the disk does not take it.
        """
        if _depth(self) > DEEPEST:
            raise FileError(f"Mixes are nested {_depth(self)} deep here; a file holds {DEEPEST}. Take some apart.")
        if members == "embed":
            return super().save(path)
        if members != "reference":
            raise InputError(f'members must be "embed" or "reference", got {members!r}.')
        files = {n: (x, ".psamc" if isinstance(x, Composite) else ".psam") for n, x in self.models.items()}
        references = write_references(Path(path), files)
        manifest, arrays = self.manifest()
        return write(path, {**manifest, "members": references}, arrays)

    def state(self) -> tuple[Manifest, Arrays]:
        """All that this model is: what it makes of its members, and these in order, their arrays under `0/`, `1/` …"""
        members: list[Manifest] = []
        manifest, arrays = self.manifest()
        for n, model in enumerate(self.models.values()):
            member, held = model.state()
            members.append(member)
            arrays |= {f"{n}/{key}": array for key, array in held.items()}
        return {**manifest, "members": members}, arrays


class CompositeContinuation(Continuation):
    """One state for each member, all at the same place."""

    def __init__(
        self, model: LanguageModel, tokens: Ids, members: Sequence[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, buffer)
        self.members = list(members)

    def advance(self, token: Token) -> None:
        """Append one token to the text, for every member."""
        super().advance(token)
        for member in self.members:
            member.advance(token)

    def fork(self) -> Self:
        """The same place again; the states of the members are forked."""
        return self._at(self._length, [member.fork() for member in self.members])

    def back(self, n: int = 1) -> Self:
        """The same text without its last n tokens; the members go back too, and keep what they can."""
        kept = self._length - whole("n", n, 0, self._length)
        return self._at(kept, [member.back(n) for member in self.members])

    def summed(self) -> list[tuple[float, Continuation]] | None:
        """Places and factors, none of them 0, such that p is here the sum of what they give; None if it is none."""
        return None

    def states(self) -> Iterator[Continuation]:
        """The composite's own state, then those of the members."""
        yield self
        for member in self.members:
            yield from member.states()

    def _at(self, length: int, members: Sequence[Continuation]) -> Self:
        """A place in the same text, at most this far."""
        return type(self)(self.model, self.tokens[:length], members, self._buffer)

    def _said(self, ids: Ids) -> None:
        """Append tokens to the text of the composite alone, whose members read them by themselves."""
        for token in ids.tolist():
            super().advance(token)


def named_members(members: object) -> dict[str, LanguageModel]:
    """Members as a caller gave them, by name.

    InputError unless it is a table of models with at least one, VocabularyMismatch unless all speak one vocabulary.
    """
    if not isinstance(members, Mapping) or not members:
        raise InputError(f'Expected members by name, such as {{"counts": model}}, got {members!r}.')
    found: dict[str, LanguageModel] = {}
    for name, given in cast("Mapping[object, object]", members).items():
        if not isinstance(name, str):
            raise InputError(f"Expected the name of a member as text, got {name!r}.")
        model = a_model(f"Member {name!r}", given)
        first, base = next(iter(found.items()), (name, model))
        check_member(f"Member {name!r}", model, base, repr(first))
        found[name] = model
    return found


def restored_members(names: Any, members: Sequence[LanguageModel]) -> dict[str, LanguageModel]:
    """Members that came back from a file under the names it tells; InputError if these are not as many."""
    if len(set(names)) != len(members):
        raise InputError(f"The mix names {len(set(names))} members and holds {len(members)}.")
    return dict(zip(names, members, strict=True))


def check_member(what: str, model: object, base: LanguageModel, owner: str) -> None:
    """InputError unless this is a model, VocabularyMismatch unless it speaks the vocabulary of `base`, the `owner`."""
    spoken = a_model(what, model).vocabulary
    if spoken != base.vocabulary:
        raise VocabularyMismatch(
            f"{what} speaks {spoken!r}, {owner} speaks {base.vocabulary!r}. "
            f"Train both on one vocabulary: polyloom.weave does, and ByteVocabulary fits any text."
        )


def _depth(model: LanguageModel) -> int:
    """How many composites stand inside one another, from the model on."""
    return 1 + max(map(_depth, model.models.values())) if isinstance(model, Composite) else 0


def a_model(what: str, given: object) -> LanguageModel:
    """What `what` holds, if it is a model; InputError if not."""
    if not isinstance(given, LanguageModel):
        raise InputError(f"{what} holds a {type(given).__name__}; expected a model.")
    return given
