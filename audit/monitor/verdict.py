"""The verdict of an evaluation: what its alarms and its evidence come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.monitor.alarms import Alarm
from audit.monitor.judge import Assessment
from audit.result import Verdict

DECIDING = ("blocker", "major")


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
