"""Rules with their verdicts, and figures by group, as the profiles print them."""

from __future__ import annotations

from dataclasses import dataclass

from audit.engine.wording import bound_words
from audit.report import numbers, words
from audit.report.profiles.frame import Case
from audit.result import Estimate, RuleVerdict, group_name

USUAL = (
    "selection_rate",
    "accuracy",
    "true_positive_rate",
    "false_positive_rate",
    "positive_predictive_value",
)
"""Shown beside the metrics of the rules."""


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule, what it allows, and what the evidence said."""

    id: str
    title: str
    comparison: str
    bound: str
    severity: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of one group; the numbers are None where the policy withholds them."""

    metric: str
    title: str
    attribute: str
    group: str
    value: float | None
    low: float | None
    high: float | None
    n: float | None
    why: str | None


def rules(case: Case) -> tuple[RuleLine, ...]:
    """Every rule of the policy; one that made no comparison is inconclusive."""
    said = {rule.rule: rule for rule in case.result.rules}
    lines = []
    for rule in case.result.policy.rules:
        found = said.get(rule.id)
        lines.append(
            RuleLine(
                numbers.clean(rule.id),
                words.title(rule.metric),
                rule.comparison.replace("_", " "),
                bound_words(rule.lower, rule.upper),
                rule.severity,
                found.verdict.value if found else "inconclusive",
                _why(case, found),
            )
        )
    return tuple(lines)


def _why(case: Case, found: RuleVerdict | None) -> str:
    """The rule's own words; counts alone where groups are withheld, whose figures those words may hold."""
    if found is None:
        return "it made no comparison"
    if case.withheld.limit is None:
        return numbers.clean(found.why, 400)
    return (
        f"{found.violations} violations and {found.inconclusive} undecided of {found.comparisons} comparisons"
    )


def figures(case: Case) -> tuple[Figure, ...]:
    """The rules' metrics and the usual ones, for everybody and for the groups of each attribute."""
    asked = {*USUAL, *(c.metric for c in case.result.comparisons)}
    return tuple(
        _figure(case, e) for e in case.result.estimates if e.metric in asked and len(e.grouping) <= 1
    )


def _figure(case: Case, e: Estimate) -> Figure:
    hidden = case.withheld.group(e.grouping, e.group) or case.withheld.count(e.n)
    attribute = e.grouping[0] if e.grouping else "everyone"
    shown = (None, None, None, None, words.words()["plot"]["withheld"])
    value, low, high, n, why = shown if hidden else (e.value, e.low, e.high, e.n, e.why)
    return Figure(e.metric, words.title(e.metric), attribute, group_name(e.group), value, low, high, n, why)
