"""Ctrl-C while a command runs: kept in mind, and pressed again where a library let it fall."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.02
"""Seconds after which a fallen interrupt is pressed again: not within the code that let it fall."""


class Interrupt(KeyboardInterrupt):
    """A Ctrl-C that tells when it is dropped, which only code that swallowed it does before the end."""

    def __init__(self, dropped: Callable[[], None]) -> None:
        super().__init__()
        self._dropped = dropped

    def settle(self) -> None:
        """Say that it was answered: the command ends by itself now."""
        self._dropped = _nothing

    def __del__(self) -> None:
        self._dropped()


class Noted:
    """What became of Ctrl-C: `seen` says whether it was pressed; after `end` nobody hears of it."""

    def __init__(self) -> None:
        self.seen = False
        self._over = False
        self._lock = threading.Lock()

    def end(self) -> None:
        """From here on an interrupt changes nothing: the command is done, and its code is known."""
        self._over = True
        with self._lock:  # no press is under way after this
            pass

    def note(self, number: int, frame: FrameType | None) -> None:
        """The handler of the signal."""
        if not self._over:
            self.seen = True
            raise Interrupt(self._dropped)

    def _dropped(self) -> None:
        if not self._over:
            timer = threading.Timer(AGAIN, self._press)
            timer.daemon = True
            timer.start()

    def _press(self) -> None:
        with self._lock:
            if not self._over:
                _thread.interrupt_main()


@contextmanager
def noted() -> Iterator[Noted]:
    """Whether Ctrl-C was pressed, whatever a library made of the interrupt.

    Importing a library can swallow an interrupt; then it is raised again, until it comes out.
    """
    pressed = Noted()
    try:
        before = signal.signal(signal.SIGINT, pressed.note)
    except ValueError:  # only the main thread may set a handler
        yield pressed
        return
    try:
        yield pressed
    finally:
        pressed.end()
        signal.signal(signal.SIGINT, before)


def settle(error: KeyboardInterrupt) -> None:
    """Say that an interrupt was answered and is not to be raised again."""
    if isinstance(error, Interrupt):
        error.settle()


def _nothing() -> None:
    pass
