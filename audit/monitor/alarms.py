"""Alarms as a log that only grows: opened, acknowledged, waived, re-armed, closed; by whom and why.

An alarm's state is what its entries say at a moment; nothing is overwritten. Its id comes from what
it is about and the window that raised it, so two instances that see the same open the same alarm.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import select, text

from audit.errors import UsageError
from audit.monitor import schema
from audit.monitor.judge import Assessment
from audit.monitor.ledger import Ledger
from audit.monitor.records import take_turns
from audit.registry import lookup
from audit.result import group_name

KINDS = {
    "disparity": "a group's value left the bounds of the policy or of its audited rate",
    "absent_group": "a group of the audit sends no more events",
    "stalled_events": "no events at all",
    "label_drought": "labels come for much fewer rows than before",
    "group_flood": "events are refused, for they name more groups than there is room for",
    "stale_evaluation": "the evidence was not evaluated when it was due",
}
ACTIONS = ("opened", "acknowledged", "waived", "rearmed", "closed")
LONGEST_WAIVER = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an alarm's log."""

    alarm: str
    at: int
    """Seconds since 1970."""
    action: str
    by: str
    reason: str = ""
    until: int | None = None
    """For a waiver, when it ends."""
    window: int | None = None
    """Opened: the window that raised it. Closed: the last window of the epoch that it ends."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Opened: kind, subject, severity, words, and the numbers as they were."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as its entries leave it."""

    id: str
    kind: str
    subject: str
    """A stream's id; for an absence the group or source that is missing."""
    severity: str
    words: str
    opened_at: int
    window: int | None
    entries: tuple[Entry, ...]

    def state(self, now: int) -> str:
        """open, acknowledged, waived or closed; re-arming, or the end of a waiver, leaves it open again."""
        last = self.entries[-1]
        if last.action == "waived":
            return "waived" if last.until is not None and now < last.until else "open"
        return {"opened": "open", "rearmed": "open"}.get(last.action, last.action)

    @property
    def closed(self) -> bool:
        return self.entries[-1].action == "closed"


def alarm_id(kind: str, subject: str, window: int | None) -> str:
    """The id of an alarm, the same wherever and whenever it is worked out."""
    return f"{kind}-{hashlib.sha256(json.dumps([kind, subject, window]).encode()).hexdigest()[:12]}"


def fold(entries: Iterable[Entry]) -> tuple[Alarm, ...]:
    """The alarms that a log of entries holds, in the order of their opening."""
    logs: dict[str, list[Entry]] = {}
    for entry in entries:
        logs.setdefault(entry.alarm, []).append(entry)
    alarms = []
    for name, log in logs.items():
        first = log[0]
        facts = {key: str(first.facts.get(key, "")) for key in ("kind", "subject", "severity", "words")}
        alarms.append(Alarm(id=name, opened_at=first.at, window=first.window, entries=tuple(log), **facts))
    return tuple(sorted(alarms, key=lambda alarm: (alarm.opened_at, alarm.id)))


def opened(
    kind: str, subject: str, *, severity: str, words: str, window: int | None, at: int, **numbers: object
) -> Entry:
    """The entry that opens an alarm."""
    if kind not in KINDS:
        raise UsageError(f"no kind of alarm is called {kind!r}", hint=f"Known: {', '.join(KINDS)}.")
    facts = {"kind": kind, "subject": subject, "severity": severity, "words": words, **numbers}
    return Entry(alarm_id(kind, subject, window), at, "opened", "monitor", window=window, facts=facts)


def disparities(
    found: Sequence[Assessment],
    alarms: Sequence[Alarm],
    *,
    at: int,
    say: Callable[[int], str] = "window {}".format,
) -> list[Entry]:
    """An entry for each stream in alarm that has no alarm that is not closed."""
    busy = {alarm.subject for alarm in alarms if not alarm.closed}
    return [
        opened(
            "disparity",
            one.stream.id,
            severity=one.stream.severity,
            words=_words(one, say),
            window=one.alarm,
            at=at,
            since=one.since,
            value=one.value,
            low=one.low,
            high=one.high,
            log_e=one.log_e,
            log_detector=one.log_detector,
        )
        for one in found
        if one.alarm is not None and one.stream.id not in busy
    ]


def act(
    alarm: Alarm,
    action: str,
    *,
    by: str,
    reason: str,
    at: int,
    until: int | None = None,
    window: int | None = None,
) -> Entry:
    """The entry of a person's act on an alarm; a UsageError where it cannot be.

    Everything needs a name and a reason. A waiver ends within a year; a closing names the last
    window of the epoch, from which on the detector begins anew.
    """
    if action not in ACTIONS[1:]:
        raise UsageError(f"no act is called {action!r}", hint=f"Known: {', '.join(ACTIONS[1:])}.")
    if alarm.closed:
        raise UsageError(f"alarm {alarm.id} is closed", hint="What comes again opens a new alarm.")
    if not by.strip() or not reason.strip():
        raise UsageError(
            f"{action} needs a name and a reason", hint="Say who decides and why; both are kept."
        )
    if action == "waived" and (until is None or not at < until <= at + LONGEST_WAIVER):
        raise UsageError(
            "a waiver needs an end after now and within a year", hint="Give a day, as 2027-03-31."
        )
    if action == "closed" and alarm.kind == "disparity" and window is None:
        raise UsageError("closing needs the last window of the epoch", hint="Give the window evaluated last.")
    return Entry(alarm.id, at, action, by, reason, until if action == "waived" else None, window)


def restarts(alarms: Iterable[Alarm]) -> dict[str, int]:
    """For each stream with a closed alarm, the first window of its present epoch."""
    found: dict[str, int] = {}
    for alarm in alarms:
        last = alarm.entries[-1]
        if alarm.kind == "disparity" and alarm.closed and last.window is not None:
            found[alarm.subject] = max(found.get(alarm.subject, last.window + 1), last.window + 1)
    return found


def record(ledger: Ledger, entries: Sequence[Entry]) -> int:
    """Appends entries; an opening that another instance has recorded is left out. How many were new."""
    new = 0
    with ledger.engine.begin() as connection:
        take_turns(connection)
        for entry in entries:
            query = text("SELECT count(*) FROM alarm_entry WHERE alarm = :alarm")
            number = int(connection.execute(query, {"alarm": entry.alarm}).scalar() or 0)
            if (entry.action == "opened") == (number == 0):
                row = {"alarm": entry.alarm, "number": number, "entry": json.dumps(asdict(entry))}
                connection.execute(schema.alarm_entry.insert().values(**row))
                new += 1
    return new


def read(ledger: Ledger) -> tuple[Alarm, ...]:
    """All alarms that the ledger has recorded."""
    a = schema.alarm_entry.c
    with ledger.engine.begin() as connection:
        rows = connection.execute(select(a.entry).order_by(a.alarm, a.number)).fetchall()
    return fold(Entry(**json.loads(entry)) for (entry,) in rows)


def _words(one: Assessment, say: Callable[[int], str]) -> str:
    stream = one.stream
    value = "unknown" if one.value is None else f"{one.value:.3f}"
    limits = "" if one.low is None or one.high is None else f" ({one.low:.3f} to {one.high:.3f})"
    at = "" if one.at is None else f" at a score of {one.at:.4g}"
    since = "" if one.since is None else f" since {say(one.since)}"
    who = f"{stream.attribute}={group_name((stream.group,))}"
    return (
        f"{lookup(stream.metric).title} of {who} against {stream.against}: {stream.compared} "
        f"{value}{limits}{at}, evidence of a breach{since}"
    )
