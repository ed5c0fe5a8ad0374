"""One evaluation: windows closed, evidence weighed, alarms opened and ended, a verdict given."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from audit.gate import EXIT_CODES
from audit.monitor import absences, alarms, chances, closing, readings
from audit.monitor.advice import Advice, advise
from audit.monitor.alarms import Alarm, Entry
from audit.monitor.baseline import Outcome
from audit.monitor.changes import changes
from audit.monitor.coverage import Covered, coverage, not_identifiable
from audit.monitor.decompose import Change
from audit.monitor.distribution import Distribution, distributions
from audit.monitor.evidence import e_bh
from audit.monitor.frozen import Frozen, later_groups
from audit.monitor.judge import Assessment, assess
from audit.monitor.ledger import Ledger
from audit.monitor.records import get_meta, set_meta
from audit.monitor.settings import Settings
from audit.monitor.streams import Stream
from audit.monitor.tables import Tables
from audit.monitor.watched import later
from audit.result import Group, Verdict

MOST_LATER = 50
"""Groups unknown to the audit that are watched; a flood of names stays within it."""
DECIDING = ("blocker", "major")
EVALUATED = "evaluated"


@dataclass(frozen=True)
class Evaluation:
    """What the monitor knows at a moment: all that pages, metrics and exit codes are made from."""

    at: int
    """Seconds since 1970."""
    seconds: float
    """How long it took."""
    frozen: Frozen
    settings: Settings
    assessments: tuple[Assessment, ...]
    unknowable: Mapping[str, str]
    """Stream id to why its metric cannot be told from these labels."""
    listed: frozenset[str]
    """Streams that e-BH lists at the level `false_alarms`: a ranking, no alarm."""
    alarms: tuple[Alarm, ...]
    new: tuple[str, ...]
    """Ids of the alarms that this evaluation opened."""
    tallies: Mapping[str, int]
    coverage: tuple[Covered, ...]
    lags: Mapping[Group, tuple[int, ...]]
    changes: Mapping[str, Change]
    """For streams in alarm: the change since the audit, split into mix and treatment."""
    scores: tuple[Distribution, ...]
    """Each group's scores so far; empty where none are watched."""
    advice: tuple[Advice, ...]
    """Rates to expect of rows whose labels are on their way: advice, never an alarm."""
    later: tuple[tuple[str, str | None], ...]
    not_watched_groups: int
    tables: Tables
    closed: Mapping[str, int | None]
    """The last closed window of each kind of cohort."""
    last_event: int | None
    """The window of the newest prediction."""
    verdict: Verdict
    why: str

    @property
    def exit_code(self) -> int:
        """That of the gate: 0 pass, 1 violation, 3 inconclusive."""
        return EXIT_CODES[self.verdict]

    def open_alarms(self) -> tuple[Alarm, ...]:
        """Alarms that are not closed, the gravest first."""
        return tuple(sorted((a for a in self.alarms if not a.closed), key=gravity))


def evaluate(
    ledger: Ledger,
    frozen: Frozen,
    settings: Settings,
    *,
    now: int,
    every: int = 0,
    look_only: bool = False,
    ended: bool = False,
) -> Evaluation:
    """Judges the ledger at `now`; with `look_only` nothing is closed and no alarm is opened.

    `every` is how often it is done, in seconds, so that a short window is no stale evaluation; with
    `ended` the log is known to be over, so that its silence is none.
    """
    begun = time.perf_counter()
    attributes = settings.attributes
    groups, beyond = later_groups(ledger, frozen, attributes, MOST_LATER)
    streams = (*frozen.streams, *later(frozen.result, groups, scores=frozen.scores))
    late = [] if look_only else _late(ledger, settings, now, every)
    if not look_only:
        _close(ledger, streams, settings, now)
    tables, known = readings.tables(ledger), alarms.read(ledger)
    found = _assess(streams, tables, settings, known)
    outcomes = {cohort: readings.outcomes(ledger, cohort) for cohort in ("predictions", "labels")}
    covered = coverage(outcomes["labels"], attributes)
    unknowable = _unknowable(ledger, streams, covered, settings)
    place = _Place(ledger, settings, frozen, now, ended)
    before = {alarm.id for alarm in known}
    if not look_only:
        alarms.record(ledger, _entries(found, unknowable, known, outcomes, place, late))
        known = alarms.read(ledger)
    verdict, why = decide(found, unknowable, known, now)
    closed = _closed(ledger)
    return Evaluation(
        at=now,
        seconds=time.perf_counter() - begun,
        frozen=frozen,
        settings=settings,
        assessments=found,
        unknowable=unknowable,
        listed=_listed(found, settings.false_alarms),
        alarms=known,
        new=tuple(alarm.id for alarm in known if alarm.id not in before),
        tallies=ledger.tallies(),
        coverage=covered,
        lags=readings.lags(ledger),
        changes=changes(found, frozen.result.cells, outcomes, attributes),
        scores=_scores(ledger, frozen, attributes),
        advice=_advice(frozen, outcomes["predictions"], closed, attributes),
        later=groups,
        not_watched_groups=beyond,
        tables=tables,
        closed=closed,
        last_event=place.last_event,
        verdict=verdict,
        why=why,
    )


def _unknowable(
    ledger: Ledger, streams: Sequence[Stream], covered: Sequence[Covered], settings: Settings
) -> dict[str, str]:
    logged = settings.mapping.chance is not None
    unknown = readings.unknown_chances(ledger, settings.attributes) if logged else {}
    found = {
        s.id: chances.not_identifiable(s, unknown) or not_identifiable(s, covered, logged=logged)
        for s in streams
    }
    return {name: why for name, why in found.items() if why is not None}


def _close(ledger: Ledger, streams: Sequence[Stream], settings: Settings, now: int) -> None:
    closing.close(
        ledger,
        streams,
        settings.attributes,
        as_of=now,
        label_lag=settings.label_lag,
        grace=settings.grace,
    )
    if settings.retention is not None:
        closing.drop_rows(ledger, now - settings.retention)
    with ledger.engine.begin() as connection:
        set_meta(connection, EVALUATED, str(now))


def _assess(
    streams: Sequence[Stream], tables: Tables, settings: Settings, known: Sequence[Alarm]
) -> tuple[Assessment, ...]:
    return assess(
        streams,
        tables,
        mean_run=settings.mean_run,
        alpha=settings.false_alarms,
        restarts=alarms.restarts(known),
        paths=True,
    )


def _listed(found: Sequence[Assessment], level: float) -> frozenset[str]:
    ranked = e_bh([one.log_e for one in found], level)
    return frozenset(one.stream.id for one, is_in in zip(found, ranked, strict=True) if is_in)


def _scores(ledger: Ledger, frozen: Frozen, attributes: Sequence[str]) -> tuple[Distribution, ...]:
    if frozen.scores is None:
        return ()
    return distributions(readings.scored(ledger), frozen.streams, len(frozen.scores.cuts), attributes)


def _advice(
    frozen: Frozen, rows: Sequence[Outcome], closed: Mapping[str, int | None], attributes: Sequence[str]
) -> tuple[Advice, ...]:
    last = closed["labels"]
    waiting = [row for row in rows if last is None or row[0] > last]
    return advise(frozen.streams, frozen.result.cells, waiting, attributes)


def _closed(ledger: Ledger) -> dict[str, int | None]:
    with ledger.engine.begin() as connection:
        found = {c: get_meta(connection, f"closed.{c}") for c in ("predictions", "labels")}
    return {cohort: None if value is None else int(value) for cohort, value in found.items()}


def decide(
    found: Sequence[Assessment], unknowable: Mapping[str, str], known: Sequence[Alarm], now: int
) -> tuple[Verdict, str]:
    """The verdict and its reason: an open alarm is a violation, silence and thin evidence are inconclusive.

    A pass needs evidence that every stream lies inside its bounds. A waived alarm's stream decides nothing
    while the waiver lasts; streams of minor severity never do.
    """
    live = [alarm for alarm in known if not alarm.closed and alarm.severity in DECIDING]
    waived = {alarm.subject for alarm in live if alarm.state(now) == "waived"}
    burning = [alarm for alarm in live if alarm.subject not in waived]
    broken = [alarm for alarm in burning if alarm.kind == "disparity"]
    broken.sort(key=gravity)
    if broken:
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        return Verdict.VIOLATION, f"{broken[0].words} (alarm {broken[0].id}){more}"
    if burning:
        return Verdict.INCONCLUSIVE, f"{burning[0].words} (alarm {burning[0].id})"
    deciding = [one for one in found if one.stream.severity in DECIDING and one.stream.id not in waived]
    hidden = [one for one in deciding if one.stream.id in unknowable]
    if hidden:
        return Verdict.INCONCLUSIVE, f"{hidden[0].stream.id}: {unknowable[hidden[0].stream.id]}"
    thin = [one for one in deciding if one.state != "fine"]
    if thin or not deciding:
        return (
            Verdict.INCONCLUSIVE,
            f"no alarm; for {len(deciding) - len(thin)} of {len(deciding)} streams there is evidence that "
            "they lie inside their bounds",
        )
    cuts = ", distributions at their cuts" if any(one.stream.centres for one in deciding) else ""
    return Verdict.PASS, f"evidence that all {len(deciding)} streams lie inside their bounds{cuts}"


def gravity(alarm: Alarm) -> tuple[int, bool, float, str]:
    """Sorts alarms: by severity, disparities before silences, then by the evidence when they were opened."""
    rank = ("blocker", "major", "minor")
    found = alarm.entries[0].facts.get("log_detector")
    evidence = float(found) if isinstance(found, (int, float)) else 0.0
    severity = rank.index(alarm.severity) if alarm.severity in rank else len(rank)
    return severity, alarm.kind != "disparity", -evidence, alarm.id


class _Place:
    """Where the ledger stands in time."""

    def __init__(self, ledger: Ledger, settings: Settings, frozen: Frozen, now: int, ended: bool) -> None:
        with ledger.engine.begin() as connection:
            newest = connection.execute(text("SELECT max(win) FROM prediction")).scalar()
        self.last_event = None if newest is None else int(newest)
        self.now, self.settings, self.frozen = now, settings, frozen
        self.due = (now - settings.grace) // settings.window - 1
        self.begun = frozen.begun // settings.window
        self.ended = ended

    @property
    def last_sign(self) -> int:
        """The last window with a sign of life: an event, or the beginning of the watch."""
        return self.due if self.ended else max(self.begun, self.last_event or self.begun)


def _late(ledger: Ledger, settings: Settings, now: int, every: int) -> list[Entry]:
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


def _entries(
    found: Sequence[Assessment],
    unknowable: Mapping[str, str],
    known: Sequence[Alarm],
    outcomes: Mapping[str, Sequence[Outcome]],
    place: _Place,
    late: Sequence[Entry],
) -> list[Entry]:
    """What this evaluation adds to the alarms' log."""
    say, at = place.settings.window_name, place.now
    sound = [one for one in found if one.stream.id not in unknowable]
    audited = place.frozen.result.data.attributes
    parts = [place.settings.attributes.index(attribute.name) for attribute in audited]
    rows = [(row[0], tuple(row[1][i] for i in parts), *row[2:]) for row in outcomes["predictions"]]
    absent = [
        *absences.absent_groups(audited, rows, at=at, say=say),
        *absences.stalled(
            place.last_sign, place.due, source=place.settings.mapping.source_name, at=at, say=say
        ),
        *absences.drought(outcomes["labels"], at=at, say=say),
        *late,
    ]
    busy = {(alarm.kind, alarm.subject) for alarm in known if not alarm.closed}
    present = {(str(e.facts["kind"]), str(e.facts["subject"])) for e in absent}
    over = [
        Entry(alarm.id, at, "closed", "monitor", "it is there again", window=place.due)
        for alarm in known
        if alarm.kind != "disparity" and not alarm.closed and (alarm.kind, alarm.subject) not in present
    ]
    opening = [e for e in absent if (str(e.facts["kind"]), str(e.facts["subject"])) not in busy]
    return [*alarms.disparities(sound, known, at=at, say=say), *opening, *over]
