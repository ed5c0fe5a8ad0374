"""An alarm in the project's governance: the linked harm opens again, and a re-audit is drafted."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from audit.governance.harms import OPEN, Harm, Trigger
from audit.governance.register import HARM_MOVES, Book
from audit.governance.stages import FOLDER
from audit.monitor.alarms import Alarm
from audit.monitor.changes import of_gap
from audit.monitor.evaluation import Evaluation
from audit.monitor.streams import Stream
from audit.result import group_name

DRAFTS = "re-audits"
PROGRAM = "harm-audit"


def follow(base: Path, found: Evaluation) -> tuple[Path, ...]:
    """For every disparity alarm that has no draft yet: the harm, an action, the draft. Drafts are the mark
    that it was done, so that a repetition changes nothing. Without a governance folder nothing happens.
    """
    home = base / FOLDER
    if not home.is_dir():
        return ()
    streams = {one.stream.id: one.stream for one in found.assessments}
    made = []
    for alarm in found.alarms:
        path = home / DRAFTS / f"{alarm.id}.md"
        stream = streams.get(alarm.subject)
        if alarm.kind != "disparity" or alarm.closed or stream is None or path.exists():
            continue
        day = datetime.fromtimestamp(alarm.opened_at, UTC).date()
        book = Book.open(home / "harms.yaml")
        harm = _harm(book, alarm, stream, found, day)
        if not any(alarm.id in action.description for action in book.register.actions):
            words = f"re-audit {stream.attribute}={group_name((stream.group,))} after alarm {alarm.id}"
            book.add_action("monitor", words, (harm,), by=PROGRAM, on=day)
        book.save()
        _write(path, draft(alarm, stream, found, harm))
        made.append(path)
    return tuple(made)


def _harm(book: Book, alarm: Alarm, stream: Stream, found: Evaluation, day: date) -> str:
    """The id of the harm that the alarm is about: opened again, noted, or made."""
    name = group_name((stream.group,))
    for harm in book.register.harms:
        if harm.trigger is not None and _same(harm.trigger, stream, name):
            _again(book, harm, alarm, day)
            return harm.id
    facts: Any = alarm.entries[0].facts
    made = book.add_harm(
        f"{stream.metric.replace('_', ' ').capitalize()} of {stream.attribute}={name} left its bounds in use",
        source="incident",
        by=PROGRAM,
        on=day,
        description=f"Alarm {alarm.id}: {alarm.words}",
        affected=(name,),
        trigger=Trigger(
            rule=stream.rule,
            metric=stream.metric,
            comparison=stream.compared,
            grouping=(stream.attribute,),
            group=name,
            observed=facts.get("value"),
            low=facts.get("low"),
            high=facts.get("high"),
            limit=_limit(stream),
            bundle=found.frozen.bundle_id,
        ),
    )
    return made.id


def _same(trigger: Trigger, stream: Stream, name: str) -> bool:
    mine = (stream.rule, stream.metric, (stream.attribute,), name)
    return (trigger.rule, trigger.metric, tuple(trigger.grouping), trigger.group) == mine


def _again(book: Book, harm: Harm, alarm: Alarm, day: date) -> None:
    words = f"alarm {alarm.id}: {alarm.words}"
    if "reopened" in HARM_MOVES[harm.status]:
        book.move(harm.id, "reopened", by=PROGRAM, on=day, note=words)
    elif harm.status in OPEN and not any(alarm.id in step for step in book.history(harm.id)):
        book.note(harm.id, words, by=PROGRAM, on=day)


def _limit(stream: Stream) -> str:
    low = "no lower limit" if stream.lower is None else f"{stream.lower:.4g}"
    high = "no upper limit" if stream.upper is None else f"{stream.upper:.4g}"
    return f"{low} to {high}"


def draft(alarm: Alarm, stream: Stream, found: Evaluation, harm: str) -> str:
    """The plan of a re-audit in Markdown: what was seen, what to audit, what to type."""
    facts: Any = alarm.entries[0].facts
    since = facts.get("since")
    when = "an unknown day" if since is None else found.settings.window_name(int(since))
    name = group_name((stream.group,)).replace("`", "'").replace("\n", " ")
    change = found.changes.get(stream.id)
    split, what = "", "the gap" if of_gap(stream) else "the rate"
    if change is not None and change.total is not None:
        split = (
            f"- Change of {what} since the audit: {change.total:+.3f}, of which {change.mix:+.3f} from "
            f"another mix of people and {change.within:+.3f} from other treatment of the same\n"
        )
    return (
        f"# Re-audit after alarm {alarm.id} (draft)\n\n"
        f"- Harm: {harm}. Severity: {alarm.severity}\n"
        f"- Watched: {stream.metric} of {stream.attribute} = `{name}` against {stream.reference}, "
        f"limits {_limit(stream)} (rule {stream.rule})\n"
        f"- Seen: {' '.join(alarm.words.split())}\n"
        f"- Most likely since: {when}\n{split}"
        f"- Baseline: bundle {found.frozen.bundle_id}\n\n"
        "## To do\n\n"
        f"1. Take labelled rows from {when} on that took no part in any tuning; name them in `data:`.\n"
        "2. Audit them under the same policy:\n\n"
        "       harm-audit run audit.yaml --out evidence-re-audit --baseline-bundle evidence\n"
        "       harm-audit gate evidence-re-audit\n\n"
        "3. Decide: mend, roll back, or waive with a reason and a date; then\n\n"
        f"       harm-audit monitor alarms close {alarm.id} --by NAME --reason WHY\n\n"
        "This is a draft made from an alarm. It is no audit and no legal advice.\n"
    )


def _write(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(words)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
