"""What runs behind the service: the writer, the schedule of judging, the messenger to the sinks."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from audit.errors import AuditError
from audit.monitor import follow, page
from audit.monitor.cloudevents import Pairing
from audit.monitor.evaluation import Evaluation
from audit.monitor.events import Normaliser
from audit.monitor.intake import MOST_WAITING, Writer
from audit.monitor.outbox import Messenger
from audit.monitor.watch import Watch

log = logging.getLogger("harm_audit.monitor")

STALE = 3
"""Evaluations that may be missed before the service is not ready."""


class Keeper:
    """The threads of a running monitor, and the last evaluation that they made."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.pairing = Pairing(watch.settings.mapping)
        self.writer = Writer(watch.ledger, Normaliser(watch.settings.mapping, threads=1))
        self.messenger = Messenger(watch)
        self.found: Evaluation | None = None
        self.problems: tuple[str, ...] = ()
        self._page: tuple[bytes, str] | None = None
        self._drawing = threading.Lock()
        self._stopping = threading.Event()
        self._schedule = threading.Thread(target=self._run, name="schedule", daemon=True)
        self._begun = time.monotonic()
        self._judged: float | None = None

    @property
    def deliveries_failed(self) -> int:
        """Messages that were given up."""
        return self.messenger.failed

    def start(self) -> None:
        """Starts the threads."""
        self.writer.start()
        self._schedule.start()
        self.messenger.start()

    def stop(self) -> None:
        """Writes what waits, ends the threads, closes the ledger."""
        self._stopping.set()
        self.writer.stop()
        if self._schedule.is_alive():
            self._schedule.join(timeout=60)
        self.messenger.stop()
        self.watch.close()

    def tallies(self) -> dict[str, int]:
        """The ledger's counts as they are now; those of the last evaluation where it cannot be read."""
        try:
            return self.watch.ledger.tallies()
        except SQLAlchemyError:
            return dict(self.found.tallies) if self.found else {}

    def unready(self) -> list[str]:
        """Why events are not taken in or not judged; nothing where they are."""
        wrong = []
        every = max(self.watch.every, 5)
        since = time.monotonic() - (self._begun if self._judged is None else self._judged)
        if self._judged is None:
            wrong.append("not evaluated yet")
        elif since > STALE * every + 60:
            wrong.append(f"not evaluated since {since:.0f} s")
        if not self.writer.alive:
            wrong.append("the writer has ended")
        if self.writer.waiting >= MOST_WAITING:
            wrong.append("more events wait than can be held")
        return wrong

    def page(self) -> tuple[bytes, str]:
        """The page and its tag; drawn when it is first asked for after an evaluation."""
        with self._drawing:
            if self._page is None:
                text = page.render(self.found, self.watch, self.problems).encode()
                self._page = text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'
            return self._page

    def _run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            self.look()
            self._stopping.wait(max(0.2, self.watch.every - (time.monotonic() - begun)))

    def look(self) -> None:
        """Takes in what is new, judges it, tells the sinks; what goes wrong is said and tried again."""
        try:
            taken = self.watch.ingest(now=datetime.now(UTC))
            found = self.watch.evaluate()
            told = follow.follow(self.watch, found)
            self.problems = (*taken.problems, *told)
            self.found = found
            self._judged = time.monotonic()
            self._page = None
            self.messenger.wake()
        except (AuditError, SQLAlchemyError, OSError) as error:
            self._failed(str(error).splitlines()[0] if str(error) else type(error).__name__)
        except Exception as error:
            # A fault of this program must not end the thread that would say so.
            self._failed(f"internal error: {type(error).__name__}: {error}")
            log.exception("evaluation failed")

    def _failed(self, words: str) -> None:
        self.problems = (words,)
        self._page = None
        log.warning("evaluation failed: %s", words)
