"""What an evaluation adds to the alarms' log: disparities, absences, a flood of names, and their end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from audit.monitor import absences, alarms
from audit.monitor.alarms import Alarm, Entry
from audit.monitor.baseline import Outcome
from audit.monitor.cells import MAX_CELLS
from audit.monitor.frozen import Frozen
from audit.monitor.judge import Assessment
from audit.monitor.ledger import Ledger
from audit.monitor.records import get_meta, get_tally, set_meta, take_turns
from audit.monitor.settings import Settings

EVALUATED, FLOODED = "evaluated", "flooded"


@dataclass(frozen=True)
class Place:
    """Where the ledger stands in time."""

    settings: Settings
    frozen: Frozen
    now: int
    ended: bool
    """The log is known to be over."""
    last_event: int | None
    """The window of the newest prediction."""

    @staticmethod
    def of(ledger: Ledger, settings: Settings, frozen: Frozen, now: int, ended: bool) -> Place:
        with ledger.engine.begin() as connection:
            newest = connection.execute(text("SELECT max(win) FROM prediction")).scalar()
        return Place(settings, frozen, now, ended, None if newest is None else int(newest))

    @property
    def due(self) -> int:
        """The last window that is over."""
        return (self.now - self.settings.grace) // self.settings.window - 1

    @property
    def last_sign(self) -> int:
        """The last window with a sign of life: an event, or the beginning of the watch."""
        begun = self.frozen.begun // self.settings.window
        return self.due if self.ended else max(begun, self.last_event or begun)


def late(ledger: Ledger, settings: Settings, now: int, every: int) -> list[Entry]:
    """The alarm of an evaluation that was not made for longer than the schedule explains."""
    with ledger.engine.begin() as connection:
        last = get_meta(connection, EVALUATED)
    if last is None:
        return []
    slack = -(-every // settings.window)
    last_window = (int(last) - settings.grace) // settings.window - 1
    due = (now - settings.grace) // settings.window - 1
    if due - last_window < absences.LATE_WINDOWS + slack:
        return []
    return absences.late_evaluation(last_window, due, at=now, say=settings.window_name)


def flood(ledger: Ledger, place: Place) -> list[Entry]:
    """The alarm of events refused for their groups, in this window or in the one before.

    What was refused by when is kept in the ledger, so that several instances say the same.
    """
    with ledger.engine.begin() as connection:
        take_turns(connection)
        refused = get_tally(connection, "rejected.too_many_groups")
        known, last = json.loads(get_meta(connection, FLOODED) or "[0, null]")
        if refused > known:
            last = place.due + 1
            set_meta(connection, FLOODED, json.dumps([refused, last]))
    if last is None or place.due > last:
        return []
    words = (
        f"{refused:,} events refused so far, the last of them in the window of "
        f"{place.settings.window_name(last)}: over {MAX_CELLS:,} combinations of groups that the audit did "
        "not have. Audited groups are taken in as before"
    )
    subject = place.settings.mapping.source_name
    return [alarms.opened("group_flood", subject, severity="major", words=words, window=last, at=place.now)]


def entries(
    found: Sequence[Assessment],
    unknowable: Mapping[str, str],
    known: Sequence[Alarm],
    outcomes: Mapping[str, Sequence[Outcome]],
    place: Place,
    more: Sequence[Entry],
) -> list[Entry]:
    """New disparities, and what is missing or too much: opened where it is new, closed where it is over.

    `more` are openings that were found elsewhere.
    """
    say, at = place.settings.window_name, place.now
    sound = [one for one in found if one.stream.id not in unknowable]
    audited = place.frozen.result.data.attributes
    parts = [place.settings.attributes.index(attribute.name) for attribute in audited]
    rows = [(row[0], tuple(row[1][i] for i in parts), *row[2:]) for row in outcomes["predictions"]]
    present = [
        *absences.absent_groups(audited, rows, at=at, say=say),
        *absences.stalled(
            place.last_sign, place.due, source=place.settings.mapping.source_name, at=at, say=say
        ),
        *absences.drought(outcomes["labels"], at=at, say=say),
        *more,
    ]
    busy = {(alarm.kind, alarm.subject) for alarm in known if not alarm.closed}
    there = {(str(e.facts["kind"]), str(e.facts["subject"])) for e in present}
    ended = [
        Entry(alarm.id, at, "closed", "monitor", over(alarm.kind), window=place.due)
        for alarm in known
        if alarm.kind != "disparity" and not alarm.closed and (alarm.kind, alarm.subject) not in there
    ]
    opening = [e for e in present if (str(e.facts["kind"]), str(e.facts["subject"])) not in busy]
    return [*alarms.disparities(sound, known, at=at, say=say), *opening, *ended]


def over(kind: str) -> str:
    """Why an alarm of a kind ended by itself."""
    if kind == "group_flood":
        return "no event was refused for its groups in a whole window"
    return "it is there again"
