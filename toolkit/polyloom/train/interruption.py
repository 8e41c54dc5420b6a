"""Ctrl-C, heard at once and obeyed when the step is done.

Python raises KeyboardInterrupt between any two instructions, also in the middle of an optimiser that has moved half of
the weights.  Inside `with Interruption() as interruption` the first Ctrl-C only sets `interruption.asked`; the second
is obeyed where it falls.  Where somebody else decides on Ctrl-C (a handler of their own, a thread that is not the main
one) nothing is changed.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import final


@final
class Interruption:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        self._ours = False

    def __enter__(self) -> "Interruption":
        main = threading.current_thread() is threading.main_thread()
        self._ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True
