"""What is to be told and was not yet: kept in the ledger, tried with back-off, at least once, under one id.

A message's id comes from the sink, the alarm and the entry of its log, so it is queued once however
often an evaluation is repeated; a receiver that keeps ids sees each message once.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from audit.monitor import schema
from audit.monitor.alarms import Alarm
from audit.monitor.evaluation import Evaluation
from audit.monitor.ledger import Ledger
from audit.monitor.records import get_meta, set_meta, take_turns
from audit.monitor.sinks import SendError, Target, send, targets
from audit.monitor.watch import Watch

TOLD = ("opened", "rearmed", "closed")
"""What happens to an alarm that sinks hear of."""
FIRST_PAUSE, LONGEST_PAUSE = 5, 3_600
GIVEN_UP = 7 * 86_400
"""Seconds after which a message that nobody takes is given up; the alarm stays, and the figure is shown."""
LEASE = 120
"""Seconds for which one instance alone tries a message."""


def queue(ledger: Ledger, sinks: Sequence[Target], found: Evaluation) -> int:
    """Queues what is new for each sink; how many messages. A new sink hears of the alarms that are open."""
    made = 0
    with ledger.engine.begin() as connection:
        take_turns(connection)
        for sink in sinks:
            since = _since(connection, sink.name, found.at)
            for alarm in found.alarms:
                if alarm.severity in sink.severity:
                    made += _queue_alarm(connection, sink, alarm, found, since)
    return made


def _since(connection: Connection, sink: str, now: int) -> int:
    stored = get_meta(connection, f"sink.{sink}")
    if stored is None:
        set_meta(connection, f"sink.{sink}", str(now))
        return now
    return int(stored)


def _queue_alarm(connection: Connection, sink: Target, alarm: Alarm, found: Evaluation, since: int) -> int:
    made = 0
    for number, entry in enumerate(alarm.entries):
        if entry.action not in TOLD or (alarm.closed and entry.at < since):
            continue
        name = hashlib.sha256(json.dumps([sink.name, alarm.id, number]).encode()).hexdigest()[:32]
        message = {
            "type": "harm_audit.alarm.v1",
            "delivery": name,
            "event": entry.action,
            "at": entry.at,
            "by": entry.by,
            "reason": entry.reason,
            "system": found.frozen.result.system.name,
            "system_version": found.frozen.result.system.version,
            "baseline": found.frozen.bundle_id,
            "alarm": {
                "id": alarm.id,
                "kind": alarm.kind,
                "subject": alarm.subject,
                "severity": alarm.severity,
                "words": alarm.words,
                "opened_at": alarm.opened_at,
                "facts": dict(alarm.entries[0].facts),
            },
        }
        row = {
            "id": name,
            "sink": sink.name,
            "body": json.dumps(message, ensure_ascii=False),
            "made": found.at,
            "due": 0,
            "attempts": 0,
        }
        done = connection.execute(
            text(
                "INSERT INTO delivery (id, sink, body, made, due, attempts, state) VALUES "
                "(:id, :sink, :body, :made, :due, :attempts, 'waiting') ON CONFLICT (id) DO NOTHING"
            ),
            row,
        )
        made += done.rowcount
    return made


def deliver(ledger: Ledger, sink: Target, *, now: int | None = None) -> tuple[int, int]:
    """Tries every message of a sink that is due: how many were taken, and how many were not."""
    taken = failed = 0
    moment = int(time.time()) if now is None else now
    for name, body, attempts, made in _due(ledger, sink, moment):
        if not _claim(ledger, name, attempts, moment):
            continue
        try:
            send(sink, name, body)
        except SendError as error:
            failed += 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 20))
            state = "given up" if moment - made > GIVEN_UP else "waiting"
            _mark(ledger, name, state, due=moment + pause, error=str(error))
        else:
            taken += 1
            _mark(ledger, name, "delivered", due=moment, error=None)
    return taken, failed


def _due(ledger: Ledger, sink: Target, now: int) -> list[tuple[str, str, int, int]]:
    d = schema.delivery.c
    query = (
        schema.delivery.select()
        .where(d.sink == sink.name, d.state == "waiting", d.due <= now)
        .order_by(d.made, d.id)
        .limit(100)
    )
    with ledger.engine.begin() as connection:
        return [(r.id, r.body, int(r.attempts), int(r.made)) for r in connection.execute(query)]


def _claim(ledger: Ledger, name: str, attempts: int, now: int) -> bool:
    """Whether this instance is the one that tries it now."""
    with ledger.engine.begin() as connection:
        done = connection.execute(
            text(
                "UPDATE delivery SET attempts = attempts + 1, due = :due "
                "WHERE id = :id AND attempts = :attempts AND state = 'waiting'"
            ),
            {"id": name, "attempts": attempts, "due": now + LEASE},
        )
        return bool(done.rowcount)


def _mark(ledger: Ledger, name: str, state: str, *, due: int, error: str | None) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(
            text("UPDATE delivery SET state = :state, due = :due, error = :error WHERE id = :id"),
            {"id": name, "state": state, "due": due, "error": error},
        )


def states(ledger: Ledger) -> dict[tuple[str, str], int]:
    """Messages by sink and state."""
    query = "SELECT sink, state, count(*) FROM delivery GROUP BY sink, state ORDER BY sink, state"
    with ledger.engine.begin() as connection:
        return {(str(sink), str(state)): int(n) for sink, state, n in connection.execute(text(query))}


class Messenger:
    """A thread for each sink, so that one that hangs holds up no other."""

    def __init__(self, watch: Watch) -> None:
        self.ledger = watch.ledger
        self.sinks = targets(watch.spec)
        self.failed = 0
        self._stopping = threading.Event()
        self._wake = {sink.name: threading.Event() for sink in self.sinks}
        self._threads = [
            threading.Thread(target=self._run, args=(sink,), name=sink.name, daemon=True)
            for sink in self.sinks
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something may be due."""
        for event in self._wake.values():
            event.set()

    def stop(self) -> None:
        """Ends after the try that is going on; what was not taken is tried after the next start."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=COMMAND_PATIENCE)

    def _run(self, sink: Target) -> None:
        event = self._wake[sink.name]
        while not self._stopping.is_set():
            event.wait(FIRST_PAUSE)
            event.clear()
            try:
                deliver(self.ledger, sink)
                self.failed = sum(n for (_, state), n in states(self.ledger).items() if state == "given up")
            except SQLAlchemyError:
                self._stopping.wait(FIRST_PAUSE)


COMMAND_PATIENCE = 15
"""Seconds that the end of the service waits for a message under way."""
