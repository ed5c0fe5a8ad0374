"""What is watched: one stream per rule, group and reference, fixed before the first live row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.monitor.blocks import block_shape
from audit.monitor.evidence import rate_limits
from audit.registry import Alias, Mask, Metric, lookup, require_decisions
from audit.result import Attribute, AuditResult, Cell, NotMeasured, Rule, group_name

WATCHED = ("difference", "ratio", "worst_group")
RESERVE = 0.1
"""The share of the alarm budget that is kept for groups that appear later."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One question asked for ever: is this group's rate outside its bounds?"""

    id: str
    rule: str
    metric: str
    attribute: str
    group: str | None
    reference: str
    """A group's value, `rest`, `bound` (a fixed rate of the policy) or `baseline`."""
    comparison: str
    """difference, ratio, or rate (against a fixed number)."""
    lower: float | None
    upper: float | None
    """Evidence against the group is evidence of a value beyond these; None: no limit on that side."""
    fine_lower: float | None
    fine_upper: float | None
    """Evidence that all is well is evidence of a value inside these."""
    a: int
    b: int
    """Rows of the group and of the reference in a block; b is 0 for a rate."""
    unit: str
    """`rows` or `window`: what one block is."""
    weight: float
    severity: str
    numerator: Mask
    denominator: Mask

    @property
    def cells(self) -> int:
        """Length of its count table."""
        if self.unit == "window":
            return 2 if self.comparison == "rate" else 4
        return 2 if self.comparison == "rate" else (self.a + 1) * (self.b + 1)

    @property
    def needs_label(self) -> bool:
        """Whether a row without a label takes no part, so that it is judged on cohorts past the label lag."""
        return all(label is not None for label, _ in self.denominator)

    def other(self, value: str | None) -> bool:
        """Whether rows of the group called `value` are in the reference."""
        return value != self.group if self.reference == "rest" else (value or "") == self.reference


def weights(streams: int, *, reserve: float = RESERVE) -> float:
    """Each stream's share of the alarm budget, the reserve for later groups left out.

    >>> weights(9)
    0.1
    """
    return (1 - reserve) / streams


def later_weight(number: int, *, reserve: float = RESERVE) -> float:
    """The share of the number-th stream that appears later (from 1); all of them sum to the reserve."""
    return reserve * 6 / (math.pi * number) ** 2


def from_result(
    result: AuditResult,
    *,
    unit: str = "rows",
    baseline: bool = True,
    tolerance: float = 0.02,
    level: float = 0.05,
) -> tuple[tuple[Stream, ...], tuple[NotMeasured, ...]]:
    """The streams of an audit's rules, and what cannot be watched with the reason.

    Against the reference group the bounds are the rule's; a reference that the audit chose by
    looking (largest, best) is the group it was then. Against the baseline, a group's live rate is
    tested against the Clopper–Pearson limits of its audited rate, widened by `tolerance`, at half
    of the stream's share of `level`: the audit's sampling error is part of the promise.
    """
    made: dict[str, tuple[Stream, tuple[int, int] | None]] = {}
    skipped: list[NotMeasured] = []
    for rule in result.policy.rules:
        parts, why = _parts(rule)
        skipped += [NotMeasured(rule.id, reason) for reason in why]
        for metric in parts:
            for attribute in result.data.attributes:
                if rule.attributes and attribute.name not in rule.attributes:
                    continue
                table = _Table(result, attribute, metric)
                for stream in _against_reference(rule, metric, attribute, table, unit):
                    made[stream.id] = (stream, None)
                for value in attribute.values if baseline else ():
                    stream = _stream(rule, metric, attribute, value, "baseline", "rate", 1, 0, unit)
                    made.setdefault(stream.id, (stream, table.counts[value]))
    share = weights(max(1, len(made)))
    streams = [_weighed(stream, counts, share, tolerance, level) for stream, counts in made.values()]
    return tuple(sorted(streams, key=lambda stream: stream.id)), tuple(skipped)


def later(
    result: AuditResult, groups: Sequence[tuple[str, str | None]], *, unit: str = "rows"
) -> tuple[Stream, ...]:
    """Streams for groups (attribute, value) that the audit did not have, in the order of their appearance.

    The number-th group has `later_weight(number)` of the alarm budget for all its streams together. It
    is compared with the audit's reference; against the baseline it cannot be, for it has no audited rate.
    """
    made = []
    known = {attribute.name: attribute for attribute in result.data.attributes}
    for number, (name, value) in enumerate(groups, start=1):
        mine = []
        for rule in result.policy.rules:
            if rule.attributes and name not in rule.attributes:
                continue
            for metric in _parts(rule)[0]:
                reference = _reference(known[name], _Table(result, known[name], metric))
                fixed = rule.comparison == "worst_group"
                a, b = (1, 0) if fixed else block_shape(0, 1)
                made_of = ("bound", "rate") if fixed else (reference, rule.comparison)
                mine.append(_bounded(_stream(rule, metric, known[name], value, *made_of, a, b, unit), rule))
        made += [replace(stream, weight=later_weight(number) / len(mine)) for stream in mine]
    return tuple(made)


def _parts(rule: Rule) -> tuple[list[Metric], list[str]]:
    """The proportions that a rule compares, and why anything else of it is not watched."""
    if rule.comparison not in WATCHED:
        return [], [f"the comparison {rule.comparison} is not watched"]
    found = lookup(rule.metric)
    parts = [lookup(name) for name in found.metrics] if isinstance(found, Alias) else [found]
    shares = [part for part in parts if isinstance(part, Metric) and part.denominator is not None]
    why = [f"{part.name} is not a share of rows, so it has no blocks" for part in parts if part not in shares]
    return shares, why


class _Table:
    """One metric's favourable and all rows per value of one attribute, from the audit's cells."""

    def __init__(self, result: AuditResult, attribute: Attribute, metric: Metric) -> None:
        require_decisions(result.data.task, "the monitor")
        cells = _cells_of(result.cells, attribute.name)
        self.counts = dict.fromkeys(attribute.values, (0, 0))
        for cell in cells:
            value = cell.group[cell.grouping.index(attribute.name)]
            good, rows = self.counts.get(value, (0, 0))
            place = (cell.label, cell.prediction)
            rows += cell.n * (place in (metric.denominator or ()))
            good += cell.n * (place in (metric.numerator or ()))
            self.counts[value] = (good, rows)
        self.rows = sum(rows for _, rows in self.counts.values())


def _cells_of(cells: tuple[Cell, ...], attribute: str) -> list[Cell]:
    """The cells of one grouping that holds the attribute: each row is in exactly one of them."""
    groupings = sorted(
        {cell.grouping for cell in cells if attribute in cell.grouping}, key=lambda g: (len(g), g)
    )
    return [cell for cell in cells if groupings and cell.grouping == groupings[0]]


def _against_reference(
    rule: Rule, metric: Metric, attribute: Attribute, table: _Table, unit: str
) -> list[Stream]:
    if rule.comparison == "worst_group":
        fixed = [_stream(rule, metric, attribute, v, "bound", "rate", 1, 0, unit) for v in attribute.values]
        return [_bounded(stream, rule) for stream in fixed]
    reference = _reference(attribute, table)
    streams = []
    for value, (_, rows) in table.counts.items():
        if value != reference:
            other = table.rows - rows if reference == "rest" else table.counts.get(reference, (0, 0))[1]
            a, b = block_shape(rows, other)
            made = _stream(rule, metric, attribute, value, reference, rule.comparison, a, b, unit)
            streams.append(_bounded(made, rule))
    return streams


def _reference(attribute: Attribute, table: _Table) -> str:
    known = {value: counts for value, counts in table.counts.items() if value is not None}
    if attribute.reference in ("rest", "overall") or not known:
        return "rest"
    if attribute.reference == "largest":
        return min(known, key=lambda v: (-attribute.rows[attribute.values.index(v)], v))
    if attribute.reference == "best":
        return max(known, key=lambda v: (known[v][0] / known[v][1] if known[v][1] else -1.0, v))
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
) -> Stream:
    subject = metric.name if reference == "baseline" else rule.id
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
        denominator=metric.denominator or frozenset(),
    )


def _bounded(stream: Stream, rule: Rule) -> Stream:
    low, high = rule.lower, rule.upper
    return replace(stream, lower=low, upper=high, fine_lower=low, fine_upper=high)


def _weighed(
    stream: Stream, counts: tuple[int, int] | None, share: float, tolerance: float, level: float
) -> Stream:
    if counts is None:
        return replace(stream, weight=share)
    low, high = (float(x) for x in rate_limits(*counts, share * level / 4))
    fine = (high - tolerance, low + tolerance)
    return replace(
        stream,
        weight=share,
        lower=max(0.0, low - tolerance),
        upper=min(1.0, high + tolerance),
        fine_lower=max(0.0, fine[0]),
        fine_upper=min(1.0, fine[1]),
    )
