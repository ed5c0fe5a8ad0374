"""What the monitor's commands print: the verdict first, then alarms, then the streams that matter most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from audit.cli import output
from audit.report.numbers import decimals, figure, interval
from audit.result import Verdict, group_name

if TYPE_CHECKING:
    from audit.monitor.alarms import Alarm
    from audit.monitor.evaluation import Evaluation
    from audit.monitor.frozen import Frozen
    from audit.monitor.judge import Assessment
    from audit.monitor.settings import Settings
    from audit.monitor.watch import Watch

ROWS = 12
STATE_MARKS = {"alarm": "✗", "fine": "✓", "open": "?", "no data": "?"}
HEADLINES = {Verdict.PASS: "PASS", Verdict.VIOLATION: "VIOLATION", Verdict.INCONCLUSIVE: "INCONCLUSIVE"}


def moment(at: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def tell_baseline(frozen: Frozen, settings: Settings, url: str) -> None:
    """Print what is watched, against what, and how blocks are made."""
    from audit.spec import redact

    result = frozen.result
    streams = frozen.streams
    output.echo(
        output.style(f"Baseline {frozen.bundle_id[:12]}", bold=True)
        + f" of {output.one_line(result.system.name, 60)}, audited {result.created_at[:10]}: "
        f"{result.verdict.value}"
    )
    output.echo(f"  {len(streams)} streams in {redact(url)}")
    against = Counter("the audited rate" if s.reference == "baseline" else "others now" for s in streams)
    for name, n in sorted(against.items()):
        output.echo(f"    {n} against {name}")
    output.echo(
        f"  Windows of {settings.window:,} s; labels count after {settings.label_lag:,} s; at most "
        f"{settings.false_alarms:.0%} chance of any false alarm in a year, all streams together."
    )
    if frozen.scores is not None:
        cuts = ", ".join(f"{cut:.4g}" for cut in frozen.scores.cuts)
        gap = (
            "each group against its audited distribution"
            if frozen.scores.at_most is None
            else f"each group against its audited distribution, and at most {frozen.scores.at_most:.3g} from "
            "the reference at the same time"
        )
        said = f"Scores are watched at {len(frozen.scores.cuts)} cuts, {gap}: {cuts}"
        output.echo(output.paragraph(said, indent="    ", first="  "))
    for words, n in Counter(choice.words for _, choice in frozen.plan.choices).most_common(4):
        output.echo(output.paragraph(f"{n} streams: {words}", indent="    ", first="  "))
    if settings.mapping.person is None:
        words = (
            "No `person:` is named: people who come again count as new ones, and then more false alarms "
            "can come than promised."
        )
        output.echo(output.paragraph(words, indent="  ", first="  "))
    for skipped in frozen.plan.not_watched:
        words = f"Not watched: {output.one_line(skipped.what)}: {skipped.why}"
        output.echo(output.paragraph(words, indent="    ", first="  "))


def tell_listening(frozen: Frozen, watch: Watch, host: str, port: int, *, quiet: bool) -> None:
    """Print where the page is and what is watched."""
    if quiet:
        return
    name = f"[{host}]" if ":" in host else host
    output.echo(
        f"Watching {output.one_line(frozen.result.system.name, 60)} against baseline "
        f"{frozen.bundle_id[:12]}: {len(frozen.streams)} streams."
    )
    if watch.folder is not None:
        output.echo(f"Events come from {watch.folder} and from http://{name}:{port}/events")
    output.echo(f"Page: http://{name}:{port}/   Prometheus: http://{name}:{port}/metrics   Stop: Ctrl-C")


def tell(found: Evaluation, frozen: Frozen, *, quiet: bool) -> None:
    """Print the verdict, the alarms and the streams with the most evidence."""
    colour = output.COLOURS[found.verdict.value]
    mark = output.MARKS[found.verdict.value]
    system = output.one_line(frozen.result.system.name, 60)
    output.echo(output.style(f"{mark} {HEADLINES[found.verdict]}", fg=colour, bold=True) + f": {system}")
    if quiet:
        return
    output.echo(output.paragraph(found.why, indent="  ", first="  "))
    for alarm in found.open_alarms()[:ROWS]:
        said = f"{alarm.id} {alarm.state(found.at)} since {moment(alarm.opened_at)}: {alarm.words}"
        output.echo(output.paragraph(said, indent="      ", first="    "))
    output.echo()
    ranked = sorted(found.assessments, key=_gravity)
    output.echo(_line("STATE", "STREAM", "VALUE", "LIMITS", "EVIDENCE"))
    for one in ranked[:ROWS]:
        output.echo(_stream_line(one, found))
    if len(ranked) > ROWS:
        output.echo(f"And {len(ranked) - ROWS:,} more streams with less evidence; --json has all.")
    if found.listed:
        output.echo(
            f"{len(found.listed):,} of {len(ranked):,} streams are listed at a false discovery rate of "
            f"{found.settings.false_alarms:.0%} (e-BH): a ranking, no alarm."
        )
    skipped = len(frozen.plan.not_watched)
    if skipped:
        output.echo(f"{skipped} rules or parts of rules are not watched; `monitor baseline` says why.")
    if found.not_watched_groups:
        output.echo(f"{found.not_watched_groups:,} groups that the audit did not have are not watched.")


def _gravity(one: Assessment) -> tuple[bool, float, str]:
    return (one.state != "alarm", -one.log_e, one.stream.id)


def _stream_line(one: Assessment, found: Evaluation) -> str:
    stream = one.stream
    places = decimals(one.low, one.high)
    name = f"{stream.attribute}={group_name((stream.group,))} v. {stream.reference}: {stream.metric}"
    state = "unknowable" if stream.id in found.unknowable else one.state
    mark = STATE_MARKS.get(state, "–")
    value = "none" if one.value is None else figure(one.value, places)
    limits = interval(one.low, one.high, places) if one.rows else ""
    detector = "" if one.log_detector is None else f"{one.log_detector:.1f}/{one.line:.1f}"
    return _line(f"{mark} {state}", name, value, limits, detector)


def _line(state: str, name: str, value: str, limits: str, evidence: str) -> str:
    spare = output.columns() - 80
    cells = ((state, 11), (name, 31 + spare), (value, 7), (limits, 15), (evidence, 12))
    return " ".join(output.cell(text, width, right=width in (7, 12)) for text, width in cells).rstrip()


def tell_ledger(found: Evaluation) -> None:
    """Print the ledger's figures: what came, what became of it, and how many have labels."""
    t = found.tallies
    rejected = {name[9:]: n for name, n in t.items() if name.startswith("rejected.") and n}
    output.echo()
    output.echo(
        f"Received {t.get('received', 0):,} = accepted {t.get('accepted', 0):,} + "
        f"duplicate {t.get('duplicate', 0):,} + rejected {sum(rejected.values()):,}"
    )
    for reason, n in sorted(rejected.items(), key=lambda item: -item[1]):
        output.echo(f"  rejected {n:,}: {reason}")
    output.echo(
        f"Late: {t.get('late.predictions', 0):,} predictions, {t.get('late.labels', 0):,} labels; "
        f"labels without a prediction: {t.get('labels.unmatched', 0):,}"
    )
    if unnamed := t.get("versions_unnamed", 0):
        output.echo(f"Predictions kept without the name of their model version: {unnamed:,}")
    rows, labelled = (sum(getattr(c, name) for c in _once(found)) for name in ("rows", "labelled"))
    if rows:
        output.echo(
            f"Labels came for {labelled:,} of {rows:,} rows past the label lag ({labelled / rows:.0%})"
        )
    for cohort, window in found.closed.items():
        if window is not None:
            name = found.settings.window_name(window)
            output.echo(f"Closed for {cohort} up to the window of {name}")


def _once(found: Evaluation) -> list[Any]:
    """Coverage of one attribute: each row is in it once."""
    names = [c.attribute for c in found.coverage]
    return [c for c in found.coverage if c.attribute == names[0]] if names else []


def tell_alarms(shown: Sequence[Alarm], now: int, *, as_json: bool) -> None:
    """Print alarms with their log."""
    if as_json:
        output.echo_json([alarm_document(alarm, now) for alarm in shown])
        return
    if not shown:
        output.echo("no alarms")
    for alarm in shown:
        colour = "red" if alarm.state(now) == "open" else None
        output.echo(output.style(f"{alarm.id}  {alarm.state(now)}, {alarm.severity}", fg=colour, bold=True))
        output.echo(output.paragraph(alarm.words, indent="  ", first="  "))
        for entry in alarm.entries:
            reason = f": {entry.reason}" if entry.reason else ""
            until = f" until {moment(entry.until)}" if entry.until else ""
            said = f"{moment(entry.at)} {entry.action}{until} by {entry.by}{reason}"
            output.echo(output.paragraph(said, indent="    ", first="  "))


def alarm_document(alarm: Alarm, now: int) -> dict[str, Any]:
    """An alarm for machines."""
    return {
        "id": alarm.id,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "severity": alarm.severity,
        "state": alarm.state(now),
        "words": alarm.words,
        "opened_at": alarm.opened_at,
        "window": alarm.window,
        "facts": dict(alarm.entries[0].facts),
        "log": [
            {"at": e.at, "action": e.action, "by": e.by, "reason": e.reason, "until": e.until}
            for e in alarm.entries
        ],
    }


def document(found: Evaluation) -> dict[str, Any]:
    """An evaluation for machines."""
    return {
        "verdict": found.verdict.value,
        "why": found.why,
        "exit_code": found.exit_code,
        "at": found.at,
        "baseline": found.frozen.bundle_id,
        "tallies": dict(found.tallies),
        "closed": dict(found.closed),
        "alarms": [alarm_document(alarm, found.at) for alarm in found.alarms],
        "streams": [_stream_document(one, found) for one in found.assessments],
        "not_watched": [{"what": n.what, "why": n.why} for n in found.frozen.plan.not_watched],
        "groups_not_watched": found.not_watched_groups,
    }


def _stream_document(one: Assessment, found: Evaluation) -> dict[str, Any]:
    stream = one.stream
    return {
        "id": stream.id,
        "rule": stream.rule,
        "metric": stream.metric,
        "attribute": stream.attribute,
        "group": stream.group,
        "reference": stream.reference,
        "comparison": stream.compared,
        "cuts": list(stream.cuts),
        "severity": stream.severity,
        "state": one.state,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "at": one.at,
        "why": one.why,
        "rows": one.rows,
        "reference_rows": one.reference_rows,
        "log_evidence": one.log_e,
        "log_detector": one.log_detector,
        "alarm_line": one.line,
        "log_evidence_fine": _finite(one.log_fine),
        "since": one.since,
        "listed": stream.id in found.listed,
        "not_identifiable": found.unknowable.get(stream.id),
    }


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
