"""The page's figures of events, labels and scores, in words."""

from __future__ import annotations

from itertools import zip_longest

from audit.monitor.distribution import Distribution
from audit.monitor.evaluation import Evaluation
from audit.monitor.events import REASONS
from audit.monitor.readings import LAG_BUCKETS
from audit.report import words
from audit.report.numbers import figure
from audit.result import group_name


def ledger(found: Evaluation) -> dict[str, object]:
    """What came in and what became of it."""
    t = found.tallies
    rejected = {name[9:]: n for name, n in t.items() if name.startswith("rejected.") and n}
    return {
        "received": t.get("received", 0),
        "accepted": t.get("accepted", 0),
        "duplicate": t.get("duplicate", 0),
        "rejected": sum(rejected.values()),
        "reasons": [
            (REASONS.get(name, name), n) for name, n in sorted(rejected.items(), key=lambda i: -i[1])
        ],
        "late_predictions": t.get("late.predictions", 0),
        "unnamed": t.get("versions_unnamed", 0),
        "late_labels": t.get("late.labels", 0),
        "labels": t.get("labels", 0),
        "unmatched": t.get("labels.unmatched", 0),
        "closed": [
            (cohort, found.settings.window_name(w)) for cohort, w in found.closed.items() if w is not None
        ],
    }


def coverage(found: Evaluation) -> list[tuple[str, str, int, int, float, str]]:
    """Attribute, group, rows, rows with a label, their share, and within what time half came."""
    least = found.frozen.result.policy.suppress_below or 1
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for one in found.coverage:
        key = (one.attribute, group_name((one.group,)))
        rows, labelled = counts.get(key, (0, 0))
        counts[key] = (rows + one.rows, labelled + one.labelled)
    half = _half_within(found)
    return [
        (*key, n, k, k / n, half.get(key, "unknown")) for key, (n, k) in sorted(counts.items()) if n >= least
    ]


def _half_within(found: Evaluation) -> dict[tuple[str, str], str]:
    """Within what time half of a group's labels came, in the buckets that the ledger keeps."""
    names, made = [name for name, _ in lags(found)], {}
    for place, attribute in enumerate(found.settings.attributes):
        for value in {group[place] for group in found.lags}:
            mine = [counts for group, counts in found.lags.items() if group[place] == value]
            total = [sum(column) for column in zip(*mine, strict=True)]
            reached = next(i for i in range(len(total)) if 2 * sum(total[: i + 1]) >= sum(total))
            made[attribute, group_name((value,))] = names[reached]
    return made


def advice(found: Evaluation) -> list[tuple[str, str, str, str, str, int]]:
    """Metric, attribute, group, audited and expected rate, and the rows that wait for labels."""
    least = found.frozen.result.policy.suppress_below or 0
    shown = sorted(found.advice, key=lambda a: (-abs(a.expected - a.audited), a.attribute, str(a.group)))
    return [
        (
            words.title(a.metric),
            a.attribute,
            group_name((a.group,)),
            figure(a.audited, 3),
            figure(a.expected, 3),
            a.rows,
        )
        for a in shown
        if a.rows >= least
    ]


def scores(found: Evaluation) -> list[tuple[Distribution, list[tuple[str, str]]]]:
    """Each group that may be shown, with the share above each cut now and in the audit."""
    least = found.frozen.result.policy.suppress_below or 1
    return [
        (
            one,
            [
                (figure(now, 3), "not audited" if was is None else figure(was, 3))
                for now, was in zip_longest(one.above, one.audited)
            ]
            if one.rows
            else [],
        )
        for one in found.scores
        if one.rows + one.unscored >= least
    ]


def lags(found: Evaluation) -> list[tuple[str, int]]:
    """Rows of everyone by the lag of their first label."""
    totals = [sum(column) for column in zip(*found.lags.values(), strict=True)]
    names = [f"up to {_duration(edge)}" for edge in LAG_BUCKETS] + [f"over {_duration(LAG_BUCKETS[-1])}"]
    return list(zip(names, totals, strict=True)) if totals else []


def _duration(seconds: int) -> str:
    return f"{seconds // 86_400} days" if seconds >= 86_400 else f"{seconds // 3_600} hours"
