"""Requests of events to lines of JSON, and one thread that writes them: many requests, one transaction."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa

from audit.errors import AuditError, DataError
from audit.monitor import cloudevents
from audit.monitor.batch import Batch
from audit.monitor.cloudevents import MAX_EVENTS, Pairing
from audit.monitor.events import Normaliser
from audit.monitor.ledger import Ledger, Received
from audit.monitor.raw import json_table, lines_of

LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines")
PLAIN = "application/json"
CLOUD = ("application/cloudevents+json", "application/cloudevents-batch+json")
MOST_WAITING = 200_000
"""Events that may wait to be written; beyond it a request is told to come again."""
MOST_AT_ONCE = 50_000
"""Events of one transaction."""
MOST_LINES = 100_000
"""Lines of one request: a body of the largest size that holds more has nothing in them."""


class FullError(DataError):
    """More events wait than can be held."""


class TooManyError(DataError):
    """More events in one request than are taken at once."""


class UnknownTypeError(DataError):
    """A content type that is none of those that are read."""


def lines(headers: Mapping[str, str], body: bytes, pairing: Pairing) -> pa.Array:
    """The events of one request as JSON texts; a DataError where the body is none.

    JSON lines go through unread; a JSON array or object and CloudEvents (binary, structured, batched)
    are taken apart. A half of KServe's log that still waits for the other gives none.
    """
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if "ce-id" in headers or kind in CLOUD:
        events: list[object] = [
            e for one in cloudevents.read_http(headers, body) for e in pairing.events(one)
        ]
    elif kind in LINES:
        if body.count(b"\n") > MOST_LINES:
            raise TooManyError(f"more than {MOST_LINES:,} lines in one request", hint="Send several.")
        return lines_of(body)
    elif kind == PLAIN:
        events = _plain(cloudevents.read_json(body))
    else:
        raise UnknownTypeError(
            f"the content type {kind[:60]!r} is not read",
            hint=f"Send {LINES[0]} (an event a line), {PLAIN}, or CloudEvents.",
        )
    return pa.array([json.dumps(event) for event in events], pa.large_string())


def _plain(found: object) -> list[object]:
    events = found if isinstance(found, list) else [found]
    if len(events) > MAX_EVENTS:
        raise TooManyError(f"{len(events):,} events in one array; the limit is {MAX_EVENTS:,}")
    return events


Asked = list[tuple[pa.Array, "Future[Received]"]]
"""The events of requests, and where each is told what became of them."""


class Writer:
    """Takes lines from many requests and writes them in few transactions; each is told once it is on disk.

    One thread makes numbers of the next batch while another writes the one before it.
    """

    def __init__(self, ledger: Ledger, normaliser: Normaliser) -> None:
        self.ledger, self.normaliser = ledger, normaliser
        self._waiting: deque[tuple[pa.Array, Future[Received]]] = deque()
        self._events = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._store = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._room = threading.Semaphore(2)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Writes what waits, and ends."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._store.shutdown()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Events that are not yet written."""
        return self._events

    def submit(self, events: pa.Array) -> Future[Received]:
        """What became of the transaction that these events were written in, later; FullError at once."""
        done: Future[Received] = Future()
        with self._wake:
            if self._stopping or self._events + len(events) > max(MOST_WAITING, len(events)):
                raise FullError("more events wait than can be held", hint="Send them again in a second.")
            self._waiting.append((events, done))
            self._events += len(events)
            self._wake.notify()
        return done

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping:
                    self._wake.wait()
                if not self._waiting:
                    return
                taken = [self._waiting.popleft()]
                total = len(taken[0][0])
                while self._waiting and total + len(self._waiting[0][0]) <= MOST_AT_ONCE:
                    taken.append(self._waiting.popleft())
                    total += len(taken[-1][0])
            self._room.acquire()
            try:
                batch = self._batch(pa.concat_arrays([events for events, _ in taken]))
            except Exception as error:
                self._tell(taken, error)
            else:
                self._store.submit(self._write, batch, taken)

    def _batch(self, events: pa.Array) -> Batch:
        raw = json_table(events, self.normaliser)
        return self.normaliser.batch(raw, now=datetime.now(UTC))

    def _write(self, batch: Batch, taken: Asked) -> None:
        try:
            self._tell(taken, self.ledger.ingest(batch))
        except Exception as error:
            self._tell(taken, error)

    def _tell(self, taken: Asked, found: Received | Exception) -> None:
        """Whatever the database or a parser said reaches the senders, and the threads go on."""
        self._room.release()
        with self._wake:
            self._events -= sum(len(events) for events, _ in taken)
        for _, done in taken:
            if isinstance(found, Received):
                done.set_result(found)
            else:
                done.set_exception(found if isinstance(found, AuditError) else DataError(str(found)))
