"""Tokens that continuations share: one growing array, of which everybody sees a prefix that never changes.

Whoever stands at the end of what is written appends in place, for O(1) a token; whoever stands earlier (a fork whose
sibling went on first) gets a copy of his prefix and goes on in that.  Where the prompt ended belongs to the text.
"""

from threading import Lock

import numpy as np
from numpy.typing import NDArray


class TokenBuffer:
    """An append-only row of int64 token ids with spare room; its prompt are the first `prompt` of them, or all."""

    def __init__(self, tokens: NDArray[np.int64], prompt: int | None = None) -> None:
        self.prompt = len(tokens) if prompt is None else prompt
        self._room = np.empty(max(16, 2 * len(tokens)), np.int64)
        self._room[: len(tokens)] = tokens
        self._used = len(tokens)
        self._lock = Lock()

    def view(self, length: int) -> NDArray[np.int64]:
        """The first `length` tokens, read-only, without a copy."""
        found = self._room[:length]
        found.flags.writeable = False
        return found

    def append(self, length: int, token: int) -> "TokenBuffer":
        """The buffer that holds the first `length` tokens and then `token`: this one if that place is free."""
        with self._lock:
            if length == self._used and length < len(self._room):
                self._room[length] = token
                self._used += 1
                return self
        grown = TokenBuffer(self._room[:length], min(self.prompt, length))
        return grown.append(length, token)
