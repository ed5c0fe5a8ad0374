"""A person's act on an alarm, found by its id or the beginning of it."""

from __future__ import annotations

from audit.errors import UsageError
from audit.monitor import alarms
from audit.monitor.alarms import Alarm
from audit.monitor.ledger import Ledger
from audit.monitor.records import get_meta
from audit.registry import nearest


def act(
    ledger: Ledger, name: str, action: str, *, by: str, reason: str, at: int, until: int | None = None
) -> Alarm:
    """Appends the act to the alarm's log and returns the alarm as it is then.

    A closing ends the epoch with the last closed window: evidence up to it stays, the detector begins
    anew after it.
    """
    alarm = find(alarms.read(ledger), name)
    window = _last_closed(ledger) if action == "closed" else None
    entry = alarms.act(alarm, action, by=by, reason=reason, at=at, until=until, window=window)
    alarms.record(ledger, [entry])
    return find(alarms.read(ledger), alarm.id)


def find(known: tuple[Alarm, ...], name: str) -> Alarm:
    """The alarm with this id, or with an id that begins so; a UsageError where there is not exactly one."""
    found = [alarm for alarm in known if alarm.id == name] or [a for a in known if a.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{len(found)} alarms begin with {name!r}", hint="Write more of the id.")
    near = nearest(name, [alarm.id for alarm in known])
    raise UsageError(
        f"no alarm is called {name!r}",
        hint=f"Did you mean {near}?" if near else "`harm-audit monitor alarms list --all` names them.",
    )


def _last_closed(ledger: Ledger) -> int | None:
    with ledger.engine.begin() as connection:
        found = [get_meta(connection, f"closed.{cohort}") for cohort in ("predictions", "labels")]
    known = [int(value) for value in found if value is not None]
    return max(known, default=None)
