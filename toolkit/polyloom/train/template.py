"""A template: how a conversation becomes one text, and which of its tokens are the assistant's.

    chatml = template("chatml")
    lesson = chatml.encode([("user", "Hello"), ("assistant", "Hi")], model.vocabulary)
    fit_adapter(model, [lesson, …], LoRA(8))          learns "Hi" and the end of the turn, and nothing else
    model.generate(chatml.prompt([("user", "Hello")], model.vocabulary))

A turn is written  opening · lead · content · ending · trailing.  Of the assistant's, lead, content and ending are
learned: what a model has to write by itself once it has read the opening.

Markers such as `<|im_start|>` are placed where the vocabulary has a piece of that name, and are characters where it has
none; `<s>` and `</s>` are never characters, but the end of the vocabulary's own, or left out.  What a message says is
never taken for a marker.  The `<s>` before everything is the model's to place, as before every text, and is not among
the ids.  Between markers, and where learning begins or ends, characters are encoded for themselves: so the ids that a
prompt ends with are those that training has seen there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from polyloom.documents import Ids
from polyloom.tokens.vocabulary import SENTENCE_END, Vocabulary
from polyloom.train.conversation import ASSISTANT, SYSTEM, USER, Conversation, Message, alternating, messages
from polyloom.train.lesson import Lesson

BEGIN, END = "<s>", SENTENCE_END


@dataclass(frozen=True)
class Turn:
    """What stands around the words of a role; see the module."""

    opening: str
    lead: str = ""
    ending: str = ""
    trailing: str = ""


class Span(NamedTuple):
    """A stretch of text, whether it is the template's own (and may hold markers), and whether it is learned."""

    text: str
    own: bool
    learned: bool


@final
@dataclass(frozen=True)
class Template:
    """A format of conversations.

    `system` is said where a conversation has no system message.  With `nested`, the system's turn stands inside the
    first user's; with `strict`, users and assistants take turns; with `stripped`, white space around what they say is
    dropped.  With `thoughts`, an answer may begin with `<think>…</think>`: see `thought`.
    """

    name: str
    turns: Mapping[str, Turn]
    markers: tuple[str, ...] = (BEGIN, END)
    system: str | None = None
    nested: bool = False
    strict: bool = True
    stripped: bool = False
    thoughts: bool = False

    def text(self, conversation: Conversation) -> str:
        """The conversation as the format writes it, with every marker."""
        return "".join(span.text for span in self._spans(conversation))

    def encode(self, conversation: Conversation, vocabulary: Vocabulary) -> Lesson:
        """The ids, int64 (T,), and which of them are learned, bool (T,).

        Raises InputError for what is no conversation in this format, and what `vocabulary.encode` raises.
        """
        return self._encoded(self._spans(conversation), vocabulary)

    def prompt(self, conversation: Conversation, vocabulary: Vocabulary) -> Ids:
        """The ids (T,) of a conversation that the assistant is to go on with: its opening stands at the end.

        Raises what `encode` raises.
        """
        spans = [*self._spans(conversation), Span(self.turns[ASSISTANT].opening, True, False)]
        return self._encoded(spans, vocabulary).ids

    def _spans(self, conversation: Conversation) -> list[Span]:
        found = messages(conversation, tuple(self.turns))
        if self.strict:
            alternating(found)
        if self.system is not None and found[0].role != SYSTEM:
            found = [Message(SYSTEM, self.system), *found]
        spans = list[Span]()
        if self.nested and found[0].role == SYSTEM:
            spans, found = self._nested(*found[:2]), found[2:]
        asked = [number for number, message in enumerate(found) if message.role == USER]
        last = asked[-1] if asked else len(found) - 1
        for number, message in enumerate(found):
            spans += self._turn(message, number > last, number == len(found) - 1)
        return spans

    def _nested(self, system: Message, first: Message) -> list[Span]:
        inner, outer = self.turns[system.role], self.turns[first.role]
        content = first.content.rstrip() if self.stripped else first.content
        ending = inner.ending.rstrip() if self.stripped and not content else inner.ending
        parts = (outer.opening + inner.opening, system.content, ending, content, outer.ending + outer.trailing)
        return [Span(part, number % 2 == 0, False) for number, part in enumerate(parts)]

    def _turn(self, message: Message, current: bool, final: bool) -> list[Span]:
        turn, learned = self.turns[message.role], message.role == ASSISTANT
        opening, content = turn.opening, message.content.strip() if self.stripped else message.content
        if learned and self.thoughts:
            given, content = thought(content, current, final)
            opening += given
        return [
            Span(opening, True, False),
            Span(turn.lead, True, learned),
            Span(content, False, learned),
            Span(turn.ending, True, learned),
            Span(turn.trailing, True, False),
        ]

    def _encoded(self, spans: Iterable[Span], vocabulary: Vocabulary) -> Lesson:
        rows, masks = list[Ids](), list[bool]()
        for part, learned in _runs(self._parts(spans, vocabulary)):
            row = vocabulary.encode(part) if isinstance(part, str) else np.array([part], np.int64)
            rows.append(row)
            masks += [learned] * len(row)
        return Lesson(np.concatenate([np.empty(0, np.int64), *rows]), np.array(masks, bool))

    def _parts(self, spans: Iterable[Span], vocabulary: Vocabulary) -> Iterator[tuple[str | int, bool]]:
        """Characters, and the ids of markers, each with whether it is learned."""
        pattern = "(" + "|".join(map(re.escape, self.markers)) + ")"
        before = True
        for text, own, learned in spans:
            for part in re.split(pattern, text) if own else [text]:
                marker = own and part in self.markers
                if not (before and marker and part == BEGIN):
                    placed = _placed(part, vocabulary) if marker else part
                    if placed is not None and placed != "":
                        yield placed, learned
                before = before and part == ""


def thought(content: str, current: bool, final: bool) -> tuple[str, str]:
    r"""What an answer is given to begin with, and what of it is left to say, as Qwen3's own template has it.

    Thoughts stand as `<think>\n…\n</think>\n\n` before an answer to the latest message, and are dropped from those to
    earlier ones.  The last answer of all begins with empty thoughts if it has none: as in a prompt with thinking
    switched off these are given, and not learned.
    """
    thoughts, closed, answer = content.rpartition("</think>")
    thoughts = thoughts.split("</think>")[0].rstrip("\n").rpartition("<think>")[2].strip("\n")
    if closed:
        answer = answer.lstrip("\n")
    if not current or not (final or thoughts):
        return "", answer
    answer = answer.lstrip("\n")
    return ("", f"<think>\n{thoughts}\n</think>\n\n{answer}") if thoughts else ("<think>\n\n</think>\n\n", answer)


def _placed(marker: str, vocabulary: Vocabulary) -> str | int | None:
    """The id of a marker, its characters where there is no such piece, or None for nothing."""
    if marker in vocabulary.pieces:
        return vocabulary.id_of(marker)
    if marker == END:
        return vocabulary.sentence_end
    return None if marker == BEGIN else marker


def _runs(parts: Iterable[tuple[str | int, bool]]) -> Iterator[tuple[str | int, bool]]:
    """Neighbouring characters joined that are learned alike."""
    held: tuple[str, bool] | None = None
    for part, learned in parts:
        if held and isinstance(part, str) and held[1] == learned:
            held = held[0] + part, learned
            continue
        if held:
            yield held
        held = (part, learned) if isinstance(part, str) else None
        if not isinstance(part, str):
            yield part, learned
    if held:
        yield held
