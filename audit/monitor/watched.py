"""What is watched: a stream per rule, group and reference, fixed before the first live row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.monitor.audited import Audited, Base, Shares, audited
from audit.monitor.blocks import block_shape
from audit.monitor.scores import MEAN, METRICS, ScoreWatch
from audit.monitor.streams import Stream, later_weight, weights
from audit.registry import Alias, Metric, lookup, require_decisions
from audit.result import Attribute, AuditResult, NotMeasured, Rule, group_name

WATCHED = ("difference", "ratio", "worst_group")
DISTANCE = "score_ks"
ANY_ROW = frozenset((label, yhat) for label in (0, 1, None) for yhat in (0, 1))


def from_result(
    result: AuditResult,
    *,
    unit: str = "rows",
    baseline: bool = True,
    tolerance: float = 0.02,
    level: float = 0.05,
    scores: ScoreWatch | None = None,
    no_scores: str = "no score is watched",
) -> tuple[tuple[Stream, ...], tuple[NotMeasured, ...]]:
    """The streams of an audit's rules and of its scores, and what cannot be watched with the reason.

    Against the reference group the bounds are the rule's; a reference that the audit chose by
    looking (largest, best) is the group it was then. Against the baseline, a group's live rate is
    tested against the limits of its audited rate, widened by `tolerance`, at half of the stream's
    share of `level`: the audit's sampling error is part of the promise.
    """
    require_decisions(result.data.task, "the monitor")
    made: dict[str, tuple[Stream, Base | None]] = {}
    skipped: dict[NotMeasured, None] = {}
    rules = [*result.policy.rules, *([_of_scores(scores)] if scores else [])]
    for rule in rules:
        parts, why = _parts(rule, scores, no_scores)
        skipped |= dict.fromkeys(NotMeasured(rule.id, reason) for reason in why)
        for metric in parts:
            for attribute in result.data.attributes:
                if rule.attributes and attribute.name not in rule.attributes:
                    continue
                table = audited(result, attribute, metric, scores)
                for stream in _against_reference(rule, metric, attribute, table, unit, scores):
                    made[stream.id] = (stream, None)
                for value in attribute.values if baseline else ():
                    base = table.bases.get(value)
                    if base is None:
                        note = f"{attribute.name}: some groups have no audited figure to be held against"
                        skipped[NotMeasured(metric.name, f"{note}: {table.why}")] = None
                        continue
                    stream = _stream(rule, metric, attribute, value, "baseline", "rate", 1, 0, unit, scores)
                    made.setdefault(stream.id, (stream, base))
    if scores is None:
        skipped[NotMeasured("the distribution of scores", no_scores)] = None
    share = weights(max(1, len(made)))
    streams = [_weighed(stream, base, share, tolerance, level) for stream, base in made.values()]
    return tuple(sorted(streams, key=lambda stream: stream.id)), tuple(skipped)


def later(
    result: AuditResult,
    groups: Sequence[tuple[str, str | None]],
    *,
    unit: str = "rows",
    scores: ScoreWatch | None = None,
) -> tuple[Stream, ...]:
    """Streams for groups (attribute, value) that the audit did not have, in the order of their appearance.

    The number-th group has `later_weight(number)` of the alarm budget for all its streams together. It
    is compared with the audit's reference; against the baseline it cannot be, for it has no audited rate.
    """
    made = []
    known = {attribute.name: attribute for attribute in result.data.attributes}
    rules = [*result.policy.rules, *([_of_scores(scores)] if scores else [])]
    for number, (name, value) in enumerate(groups, start=1):
        mine = []
        for rule in rules:
            if rule.attributes and name not in rule.attributes:
                continue
            for metric in _parts(rule, scores, "")[0]:
                table = audited(result, known[name], metric, scores)
                mine += _against(rule, metric, known[name], value, table, unit, scores)
        made += [replace(stream, weight=later_weight(number) / len(mine)) for stream in mine]
    return tuple(made)


def _of_scores(scores: ScoreWatch) -> Rule:
    """What the monitor asks of the distribution of scores, in the form of a rule."""
    return Rule(
        id="scores",
        metric=DISTANCE,
        comparison="difference",
        lower=None,
        upper=scores.at_most,
        attributes=(),
        judge="interval",
        severity=scores.severity,
        owner=None,
        waivers=(),
        line=None,
    )


def _parts(rule: Rule, scores: ScoreWatch | None, no_scores: str) -> tuple[list[Metric], list[str]]:
    """The metrics that a rule compares and that can be watched, and why anything else of it is not."""
    if rule.comparison not in WATCHED:
        return [], [f"the comparison {rule.comparison} is not watched"]
    found = lookup(rule.metric)
    parts = [lookup(name) for name in found.metrics] if isinstance(found, Alias) else [found]
    good, why = [], []
    for part in parts:
        if isinstance(part, Metric) and part.denominator is not None:
            good.append(part)
        elif not isinstance(part, Metric) or part.name not in METRICS:
            why.append(f"{part.name} is not a share of rows, so it has no blocks")
        elif scores is None:
            why.append(f"{part.name} needs scores, and they are not watched: {no_scores}")
        elif part.name == "mean_score" and not scores.unit:
            why.append("mean_score is watched where all audited scores lie in [0, 1], and these do not")
        else:
            good.append(part)
    return good, why


def _against_reference(
    rule: Rule, metric: Metric, attribute: Attribute, table: Audited, unit: str, scores: ScoreWatch | None
) -> list[Stream]:
    found = []
    for value in attribute.values:
        found += _against(rule, metric, attribute, value, table, unit, scores)
    return found


def _against(
    rule: Rule,
    metric: Metric,
    attribute: Attribute,
    value: str | None,
    table: Audited,
    unit: str,
    scores: ScoreWatch | None,
) -> list[Stream]:
    """The stream of one group against others of its time; none for the reference itself."""
    if rule.comparison == "worst_group":
        fixed = _stream(rule, metric, attribute, value, "bound", "rate", 1, 0, unit, scores)
        return [_bounded(fixed, rule)]
    reference = _reference(attribute, table)
    if metric.name == DISTANCE and attribute.reference == "best":
        reference = "rest"
    if value == reference or (metric.name == DISTANCE and rule.upper is None):
        return []
    rows = table.rows.get(value, 0)
    other = sum(table.rows.values()) - rows if reference == "rest" else table.rows.get(reference, 0)
    a, b = block_shape(rows, other)
    return [
        _bounded(
            _stream(rule, metric, attribute, value, reference, rule.comparison, a, b, unit, scores), rule
        )
    ]


def _reference(attribute: Attribute, table: Audited) -> str:
    known = [value for value in table.rows if value is not None]
    if attribute.reference in ("rest", "overall") or not known:
        return "rest"
    if attribute.reference == "largest":
        return min(known, key=lambda v: (-attribute.rows[attribute.values.index(v)], v))
    if attribute.reference == "best":
        return max(known, key=lambda v: (table.value(v), v))
    return attribute.reference


def _stream(
    rule: Rule,
    metric: Metric,
    attribute: Attribute,
    value: str | None,
    reference: str,
    comparison: str,
    a: int,
    b: int,
    unit: str,
    scores: ScoreWatch | None,
) -> Stream:
    subject = metric.name if reference == "baseline" else rule.id
    reads = _reads(metric, scores)
    return Stream(
        id=f"{subject}|{metric.name}|{attribute.name}={group_name((value,))}|{reference}",
        rule=rule.id,
        metric=metric.name,
        attribute=attribute.name,
        group=value,
        reference=reference,
        comparison=comparison,
        lower=None,
        upper=None,
        fine_lower=None,
        fine_upper=None,
        a=a,
        b=b,
        unit=unit,
        weight=0.0,
        severity=rule.severity,
        numerator=metric.numerator or frozenset(),
        denominator=metric.denominator or ANY_ROW,
        reads=reads,
        cuts=tuple(scores.cuts[place] for place in reads if place != MEAN) if scores else (),
        centres=(0.0,) * len(reads) if metric.name == DISTANCE else (),
    )


def _reads(metric: Metric, scores: ScoreWatch | None) -> tuple[int, ...]:
    if scores is None or metric.name not in METRICS:
        return ()
    every = tuple(range(len(scores.cuts)))
    return {"mean_score": (MEAN,), "scoring_rate": (scores.middle,), DISTANCE: every}[metric.name]


def _bounded(stream: Stream, rule: Rule) -> Stream:
    low, high = rule.lower, rule.upper
    return replace(stream, lower=low, upper=high, fine_lower=low, fine_upper=high)


def _weighed(stream: Stream, base: Base | None, share: float, tolerance: float, level: float) -> Stream:
    if base is None:
        return replace(stream, weight=share)
    low, high = base.limits(share * level / 2)
    if isinstance(base, Shares):
        sampling, inside = high, tolerance - high
        return replace(
            stream, weight=share, centres=base.above, upper=min(1.0, sampling + tolerance), fine_upper=inside
        )
    fine = (high - tolerance, low + tolerance)
    return replace(
        stream,
        weight=share,
        lower=max(0.0, low - tolerance),
        upper=min(1.0, high + tolerance),
        fine_lower=max(0.0, fine[0]),
        fine_upper=min(1.0, fine[1]),
    )
