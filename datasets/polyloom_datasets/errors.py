"""The one error of this package: text that cannot be used, and what to do about it.

Every message has the same shape, in the words of the person who asked::

    notes.txt, byte 1042 (line 17): expected UTF-8 text, got the byte 0xe9. Save the file as UTF-8.

Byte offsets count from 0 at the start of the file, a byte-order mark included, so that `dd skip=`, a hex editor and
`file.seek` agree with them; lines count from 1, as editors do. It knows nothing of corpora, formats or folders.
"""

from __future__ import annotations

from os import PathLike
from typing import Self


class DataError(ValueError):
    """Text, a file or a name that cannot be used; the message says what was expected, what came and what to do."""

    @classmethod
    def at(
        cls,
        file: str | PathLike[str],
        *,
        expected: str,
        got: str,
        advice: str,
        byte: int | None = None,
        line: int | None = None,
    ) -> Self:
        """Build the error for a place in a file.

        Args:
            file: the file or pattern, as the caller named it.
            expected: what should have been there ("UTF-8 text").
            got: what was there ("the byte 0xe9").
            advice: a sentence that says what to do, without its full stop.
            byte: offset of the fault from the start of the file, counted from 0.
            line: line of the fault, counted from 1.

        """
        place = str(file)
        if byte is not None:
            place += f", byte {byte}"
        if line is not None:
            place += f" (line {line})"
        return cls(f"{place}: expected {expected}, got {got}. {advice}.")
