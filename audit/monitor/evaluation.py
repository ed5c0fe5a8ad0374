"""One evaluation: windows closed, evidence weighed, alarms opened and ended, a verdict given."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.gate import EXIT_CODES
from audit.monitor import alarms, chances, closing, happenings, readings
from audit.monitor.advice import Advice, advise
from audit.monitor.alarms import Alarm
from audit.monitor.baseline import Outcome
from audit.monitor.changes import changes
from audit.monitor.coverage import Covered, coverage, not_identifiable
from audit.monitor.decompose import Change
from audit.monitor.distribution import Distribution, distributions
from audit.monitor.evidence import e_bh
from audit.monitor.frozen import Frozen, later_groups
from audit.monitor.happenings import EVALUATED, Place
from audit.monitor.judge import Assessment, assess
from audit.monitor.ledger import Ledger
from audit.monitor.records import get_meta, set_meta
from audit.monitor.settings import Settings
from audit.monitor.streams import Stream
from audit.monitor.tables import Tables
from audit.monitor.verdict import decide, gravity
from audit.monitor.watched import later
from audit.result import Group, Verdict

MOST_LATER = 50
"""Groups unknown to the audit that are watched; a flood of names stays within it."""


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
    late = [] if look_only else happenings.late(ledger, settings, now, every)
    if not look_only:
        _close(ledger, streams, settings, now)
    tables, known = readings.tables(ledger), alarms.read(ledger)
    found = _assess(streams, tables, settings, known)
    outcomes = {cohort: readings.outcomes(ledger, cohort) for cohort in ("predictions", "labels")}
    covered = coverage(outcomes["labels"], attributes)
    unknowable = _unknowable(ledger, streams, covered, settings)
    place = Place.of(ledger, settings, frozen, now, ended)
    before = {alarm.id for alarm in known}
    if not look_only:
        more = [*late, *happenings.flood(ledger, place)]
        alarms.record(ledger, happenings.entries(found, unknowable, known, outcomes, place, more))
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
