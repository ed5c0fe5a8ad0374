"""The dashboard: an evaluation as one page, whole without script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import jinja2

import audit
from audit import resources
from audit.monitor import figures, outbox, plots
from audit.monitor.alarms import Alarm
from audit.monitor.changes import of_gap
from audit.monitor.decompose import Change
from audit.monitor.evaluation import Evaluation
from audit.monitor.exporter import suppressed
from audit.monitor.judge import Assessment
from audit.monitor.plots import Plot
from audit.monitor.series import series
from audit.monitor.streams import Stream
from audit.monitor.watch import Watch
from audit.report import html, words
from audit.report.numbers import decimals, figure, interval
from audit.result import group_name

DRAWN = 12
"""Streams that are drawn; the table has them all."""
STATES = {
    "alarm": ("violation", "Alarm"),
    "fine": ("pass", "Inside"),
    "open": ("inconclusive", "Open"),
    "no data": ("inconclusive", "No data"),
    "hidden": ("inconclusive", "Withheld"),
    "unknowable": ("inconclusive", "Not identifiable"),
}


@dataclass(frozen=True)
class Row:
    """One stream, in words."""

    anchor: str
    metric: str
    attribute: str
    group: str
    against: str
    state: str
    listed: bool
    """e-BH lists it: among the listed, few are listed in error."""
    mark: str
    value: str
    at: str
    """The score of the cut at which a distance is largest."""
    limits: str
    bounds: str
    evidence: str
    line: str
    rows: int
    why: str
    since: str
    change: str
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True)
class AlarmRow:
    """One alarm, in words."""

    id: str
    state: str
    severity: str
    kind: str
    words: str
    opened: str
    log: tuple[str, ...]
    change: str


def render(found: Evaluation | None, watch: Watch, problems: Sequence[str]) -> str:
    """The page; before the first evaluation it says that there is none."""
    view = {
        "system": watch.frozen.result.system,
        "bundle": watch.frozen.bundle_id,
        "problems": list(problems),
        "every": watch.every,
        "version": audit.__version__,
        "found": found,
    }
    if found is not None:
        shown = _ranked(found)
        rows = [_row(one, found, number) for number, one in enumerate(shown)]
        view |= {
            "verdict": found.verdict.value,
            "why": found.why,
            "at": moment(found.at),
            "alarms": [_alarm(alarm, found) for alarm in found.open_alarms()],
            "closed_alarms": sum(alarm.closed for alarm in found.alarms),
            "rows": rows,
            "drawn": [row for row in rows if row.plots],
            "ledger": figures.ledger(found),
            "coverage": figures.coverage(found),
            "lags": figures.lags(found),
            "advice": figures.advice(found),
            "cuts": [f"{cut:.4g}" for cut in found.frozen.scores.cuts] if found.frozen.scores else [],
            "scores": figures.scores(found),
            "sinks": sorted(outbox.states(watch.ledger).items()),
            "listed": sum(row.listed for row in rows),
            "not_watched": found.frozen.plan.not_watched,
        }
    return _environment().get_template("dashboard.html").render(view)


@cache
def script() -> str:
    """The script that renews the page; without it the browser reloads the page as a whole."""
    return (resources.templates() / "monitor" / "dashboard.js").read_text(encoding="utf-8")


def moment(at: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@cache
def _environment() -> jinja2.Environment:
    environment = html.environment_of("monitor", "report")
    environment.globals.update(words=words.words(), style=html.style)
    return environment


def _ranked(found: Evaluation) -> list[Assessment]:
    """Alarms first, then by evidence; what is fine comes last."""
    order = {"alarm": 0, "open": 1, "fine": 2, "no data": 3}
    return sorted(
        found.assessments,
        key=lambda one: (order[one.state], -(one.log_detector or -1e9), one.stream.id),
    )


def _row(one: Assessment, found: Evaluation, number: int) -> Row:
    stream, places = one.stream, decimals(one.low, one.high)
    hidden, why = suppressed(one, found), found.unknowable.get(stream.id)
    state = "hidden" if hidden and one.rows else "unknowable" if why else one.state
    mark, word = STATES[state]
    silent = state in ("hidden", "unknowable")
    draw = number < DRAWN and not silent and one.rows > 0
    return Row(
        anchor=f"s{number}",
        metric=words.title(stream.metric),
        attribute=stream.attribute,
        group=group_name((stream.group,)),
        against=stream.against,
        state=word,
        listed=stream.id in found.listed,
        mark=mark,
        value="" if silent else "none" if one.value is None else figure(one.value, places),
        at="" if silent or one.at is None else f"{one.at:.4g}",
        limits=""
        if silent or (one.low is None and one.high is None)
        else interval(one.low, one.high, places),
        bounds=interval(stream.lower, stream.upper, 3),
        evidence="" if silent or one.log_detector is None else figure(max(0.0, one.log_detector), 1),
        line=figure(one.line, 1),
        rows=0 if hidden else one.rows,
        why="withheld: the group is small" if hidden and one.rows else why or one.why or "",
        since="" if one.since is None or one.alarm is None else found.settings.window_name(one.since),
        change=_change(found.changes.get(stream.id), stream),
        plots=_plots(one, found) if draw else (),
    )


def _plots(one: Assessment, found: Evaluation) -> tuple[Plot, ...]:
    points = series(one, found.tables, found.settings.false_alarms)
    if not points:
        return ()
    stream, say = one.stream, found.settings.window_name
    places = decimals(one.low, one.high)
    bounds = [
        (b, name)
        for b, name in ((stream.lower, "lower bound"), (stream.upper, "upper bound"))
        if b is not None
    ]
    name = f"{words.title(stream.metric)}, {stream.attribute} {group_name((stream.group,))}"
    value = "none" if one.value is None else figure(one.value, places)
    said = f"{name}: {stream.compared} over time; now {value}, limits {interval(one.low, one.high, places)}"
    now = 0.0 if one.log_detector is None else max(0.0, one.log_detector)
    weighed = f"{name}: evidence over time; now {now:.1f}, the alarm line is {one.line:.1f}"
    return (
        plots.estimate(points, bounds, say, said),
        plots.evidence(points, one.line, say, weighed),
    )


def _change(change: Change | None, stream: Stream) -> str:
    if change is None or change.total is None or change.mix is None or change.within is None:
        return ""
    parts = (_signed(part) for part in (change.total, change.mix, change.within))
    what = "The gap" if of_gap(stream) else "The group's rate"
    said = "{} by {} since the audit: {} by another mix of people, {} by other outcomes for the same"
    return said.format(f"{what} moved", *parts)


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "") + figure(value, 3)


def _alarm(alarm: Alarm, found: Evaluation) -> AlarmRow:
    log = tuple(
        f"{moment(e.at)}: {e.action} by {e.by}"
        + (f" until {moment(e.until)}" if e.until else "")
        + (f": {e.reason}" if e.reason else "")
        for e in alarm.entries
    )
    hidden = any(one.stream.id == alarm.subject and suppressed(one, found) for one in found.assessments)
    return AlarmRow(
        alarm.id,
        alarm.state(found.at),
        alarm.severity,
        alarm.kind.replace("_", " "),
        f"{alarm.subject}: figures withheld, the group is small" if hidden else alarm.words,
        moment(alarm.opened_at),
        log,
        next(
            (
                _change(found.changes.get(alarm.subject), one.stream)
                for one in found.assessments
                if one.stream.id == alarm.subject
            ),
            "",
        ),
    )
