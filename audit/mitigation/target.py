"""The disparity that a trial works on: the finding that was named, or the one with the strongest evidence."""

from __future__ import annotations

from typing import Any

from audit.engine.entries import NO_OTHER
from audit.errors import DataError, UsageError
from audit.mitigation.trial_report import Target
from audit.registry import metrics, nearest
from audit.result import AuditResult, Finding, Verdict, group_name


def chosen_target(before: AuditResult, rule: str | None, group: str | None) -> Target:
    """The finding to work on: the one that was named, else the strongest evidence, singles first."""
    best = _strongest(
        before, _named([one for one in before.findings if changeable(one)], before, rule, group)
    )
    return Target(
        best.rule,
        best.metric,
        best.comparison,
        best.grouping,
        group_name(best.group),
        best.reference,
        best.bound,
        best.value,
        best.verdict.value,
    )


def _named(able: list[Finding], before: AuditResult, rule: str | None, group: str | None) -> list[Finding]:
    """The findings of the rule and group that were named, at least one."""
    if rule is not None:
        known = [one.id for one in before.policy.rules]
        if rule not in known:
            near = nearest(rule, known)
            hint = f"Did you mean {near}?" if near else f"There are: {', '.join(known)}."
            raise UsageError(f"no rule of decisions is called {rule!r}", where="--rule", hint=hint)
        able = [one for one in able if one.rule == rule]
    if group is not None:
        there = ", ".join(dict.fromkeys(group_name(one.group) for one in able))
        able = [one for one in able if group_name(one.group) == group]
        if not able:
            raise UsageError(
                f"no finding is of group {group!r}", where="--group", hint=f"There are: {there}."
            )
    if not able and all(len(one.values) < 2 for one in before.data.attributes):
        raise DataError(
            "every row is of one group, so there is no gap to shrink",
            where="data.attributes",
            hint="Audit rows of more than one group.",
        )
    if not able:
        raise UsageError(
            "no rule compares a rate of decisions between groups",
            hint="Add one, as {metric: equal_opportunity, at_most: 0.05}.",
        )
    return able


def _strongest(before: AuditResult, able: list[Finding]) -> Finding:
    order = {Verdict.VIOLATION: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
    evidence = {
        (c.rule, c.metric, c.grouping, c.group): c.p_violation
        for c in before.comparisons
        if c.stratum is None
    }

    def rank(one: Finding) -> tuple[Any, ...]:
        p = evidence.get((one.rule, one.metric, one.grouping, one.group))
        return (len(one.grouping) > 1, order[one.verdict], one.severity == "minor", 1.0 if p is None else p)

    return min(able, key=rank)


def changeable(one: Finding) -> bool:
    """Whether the change of a finding's gap can be measured on pairs of decisions."""
    metric = metrics().get(one.metric)
    return (
        metric is not None
        and metric.numerator is not None
        and "score" not in metric.needs
        and one.stratum is None
        and one.comparison in ("difference", "ratio")
        and one.reference not in ("best", "parity", NO_OTHER)
    )
