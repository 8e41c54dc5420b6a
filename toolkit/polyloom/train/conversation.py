"""What counts as a conversation: messages in order, each a role and what it said.

[{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]        as `transformers` takes it
[("user", "Hello"), ("assistant", "Hi")]                                              the same
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, cast

from polyloom.errors import InputError
from polyloom.tokens.checks import unicode_text

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"


class Message(NamedTuple):
    """Who speaks, and what; empty content is allowed."""

    role: str
    content: str


Conversation: TypeAlias = Iterable[Mapping[str, str] | tuple[str, str]]


def messages(conversation: Conversation, roles: Sequence[str]) -> list[Message]:
    """The messages, checked: roles are among these, and a system message is the first or none.

    Raises InputError that says which message is wrong, and VocabularyError for a lone surrogate.
    """
    given = cast("object", conversation)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        kind = type(cast("object", given)).__name__
        raise InputError(f"Expected a list of messages, such as [('user', 'Hello')], got {kind}.")
    found = [_message(number, one, roles) for number, one in enumerate(conversation)]
    if not found:
        raise InputError("A conversation needs at least one message, and there is none.")
    late = [number for number, message in enumerate(found) if number and message.role == SYSTEM]
    if late:
        raise InputError(
            f"Message {late[0]} is of the system, which speaks only first. Move it, or join it to the first."
        )
    return found


def alternating(found: Sequence[Message]) -> None:
    """Refuse messages, the system's left out, that are not of user, assistant, user, …"""
    spoken = [message for message in found if message.role != SYSTEM]
    for number, message in enumerate(spoken):
        expected = ASSISTANT if number % 2 else USER
        if message.role != expected:
            raise InputError(
                f"Expected message {number} after the system's to be of {expected!r}, got {message.role!r}."
            )
    if not spoken:
        raise InputError("The conversation holds a system message alone. Add one of 'user'.")


def _message(number: int, given: object, roles: Sequence[str]) -> Message:
    if isinstance(given, Mapping):
        fields = cast("Mapping[str, object]", given)
        if set(fields) != {"role", "content"}:
            raise InputError(f"Message {number} must have 'role' and 'content' and nothing else, has {sorted(fields)}.")
        role, content = fields["role"], fields["content"]
    elif isinstance(given, list | tuple) and len(cast("Sequence[object]", given)) == 2:
        role, content = cast("Sequence[object]", given)
    else:
        raise InputError(f"Message {number} must be a mapping or a pair (role, text), got {given!r}.")
    if not isinstance(role, str) or role not in roles:
        raise InputError(f"The role of message {number} must be one of {list(roles)}, got {role!r}.")
    return Message(role, unicode_text(content, f"the content of message {number}"))
