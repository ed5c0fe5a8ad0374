"""Findings as facts that a sentence or a table row can be made of, in the order of their evidence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from audit.engine.findings import DECIDING, adjusted_p
from audit.engine.wording import alone, bound_words, number
from audit.report import numbers, words
from audit.report.suppress import Withheld, withheld
from audit.result import AuditResult, Comparison, Estimate, Finding, Group, Rule, Verdict

Key = tuple[str, str, str, tuple[str, ...], Group, str, Group | None]

PER_HUNDRED = (5, 2000)
"""Between these, `74 for every 100` is easier to read than the ratio."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One finding, its figures as text."""

    rule: str
    rule_anchor: str
    severity: str
    verdict: str
    metric: str
    """The metric's title as it stands in a sentence."""
    comparison: str
    attribute: str
    group: str
    group_people: str | None
    reference: str
    reference_people: str | None
    stratum: str | None
    value: str
    size: str
    """The value without its sign."""
    interval: str
    side: str
    """below, above or equal: where the value lies from parity."""
    points: str | None
    """For a difference of shares, its size in percentage points."""
    points_interval: str | None
    per_hundred: int | None
    """For selection rates: how many of the group are selected for every 100 of the reference."""
    bound: str
    lower: str | None
    upper: str | None
    """The ends of the band as a sentence says them, in points where the value is."""
    either_way: bool
    """The band is the same on both sides of zero."""
    n: str
    reference_n: str
    pass_interval: str
    violation_interval: str
    p_pass: str
    p_violation: str
    """Holm-adjusted."""
    detectable: str
    rows_needed: str | None
    rows_note: str | None
    alone: str | None
    """Why it is undecided although its interval lies outside the bound."""
    blocked: str | None
    undefined: str | None
    by_point: bool
    small: bool
    """Listed, and does not decide."""
    withheld: bool
    waiver: str | None
    also: tuple[str, ...] = ()
    """Other rules that found the same."""


@dataclass(frozen=True)
class Judged:
    """A finding with the comparison and the rule it came from, and its adjusted p value."""

    finding: Finding
    row: Comparison
    rule: Rule
    adjusted: float | None

    @property
    def strength(self) -> tuple[float, float, str]:
        """Sorts by evidence of a violation, the strongest first."""
        p = 1.0 if self.adjusted is None else self.adjusted
        raw = 1.0 if self.row.p_violation is None else self.row.p_violation
        return (p, raw - self.distance * 1e-12, numbers.name(self.row.group))

    @property
    def distance(self) -> float:
        """How far the value lies outside the band, 0 inside it."""
        value = self.row.value
        if value is None:
            return 0.0
        below = 0.0 if self.rule.lower is None else self.rule.lower - value
        above = 0.0 if self.rule.upper is None else value - self.rule.upper
        return max(0.0, below, above)

    @property
    def decides(self) -> bool:
        """Whether it counts for the verdict: a rule that decides, and not merely listed."""
        listed = self.row.reported_only and self.finding.verdict is not Verdict.VIOLATION
        return self.rule.severity in DECIDING and not listed


@dataclass(frozen=True)
class Case:
    """A result with what every part of the page looks up in it."""

    result: AuditResult

    @cached_property
    def withheld(self) -> Withheld:
        """The groups whose figures must not be shown."""
        return withheld(self.result)

    @cached_property
    def judged(self) -> list[Judged]:
        """Every finding with its comparison and rule, in the result's order."""
        rules = {rule.id: rule for rule in self.result.policy.rules}
        adjusted = adjusted_p(self.result.comparisons, self.result.policy)
        rows = {_key(row): (row, adjusted.get(i)) for i, row in enumerate(self.result.comparisons)}
        found = []
        for finding in self.result.findings:
            if finding.rule in rules and _key(finding) in rows:
                row, p = rows[_key(finding)]
                found.append(Judged(finding, row, rules[finding.rule], p))
        return found

    @cached_property
    def estimates(self) -> dict[tuple[str, tuple[str, ...], Group], Estimate]:
        """Estimates by metric, grouping and group."""
        return {(e.metric, e.grouping, e.group): e for e in self.result.estimates}

    @cached_property
    def kinds(self) -> dict[str, str | None]:
        """What the spec says an attribute is: sex, race_ethnicity, age."""
        return {attribute.name: attribute.kind for attribute in self.result.data.attributes}

    @cached_property
    def anchors(self) -> dict[str, str]:
        """The id under which each rule stands in the page."""
        return {rule.id: f"rule-{i}" for i, rule in enumerate(self.result.policy.rules, start=1)}

    def attribute(self, grouping: tuple[str, ...]) -> str:
        """A grouping's name."""
        return " × ".join(numbers.clean(part) for part in grouping)


def _key(row: Comparison | Finding) -> Key:
    return (row.rule, row.metric, row.comparison, row.grouping, row.group, row.reference, row.stratum)


def fact(case: Case, judged: Judged, *, also: tuple[str, ...] = ()) -> Fact:
    """The finding's figures as text; where the group is withheld, without any."""
    row, rule, finding = judged.row, judged.rule, judged.finding
    hidden = case.withheld.comparison(row)
    places = numbers.decimals(row.low, row.high)
    ratio = is_ratio(row.comparison)
    parity = 1.0 if ratio else 0.0
    in_points = row.comparison in ("difference", "conditional_difference") and words.is_proportion(row.metric)
    estimate = case.estimates.get((row.metric, row.grouping, row.group))
    detectable = estimate.detectable if estimate else None
    bounds = (rule.lower, rule.upper)
    kind = case.kinds.get(row.grouping[0]) if len(row.grouping) == 1 else None
    group, reference = numbers.name(row.group), words.reference_words(row.reference)
    waiver = finding.waived

    def shown(text: str) -> str:
        return words.words()["plot"]["withheld"] if hidden else text

    return Fact(
        rule=numbers.clean(rule.id),
        rule_anchor=case.anchors[rule.id],
        severity=rule.severity,
        verdict=finding.verdict.value,
        metric=words.within_sentence(row.metric),
        comparison=row.comparison,
        attribute=case.attribute(row.grouping),
        group=group,
        group_people=words.people(kind, group),
        reference=reference,
        reference_people=words.people(kind, reference),
        stratum=None if row.stratum is None else numbers.name(row.stratum),
        value=shown(numbers.figure(row.value, places, bounds=bounds)),
        size=shown(numbers.figure(row.value, places, bounds=bounds).removeprefix(numbers.MINUS)),
        interval=shown(numbers.interval(row.low, row.high, places)),
        side=_side(row.value, parity),
        points=_points(row.value, places, bounds) if in_points else None,
        points_interval=_points_interval(row, places) if in_points else None,
        per_hundred=None if hidden else _per_hundred(row, estimate),
        bound=bound_words(rule.lower, rule.upper),
        lower=_limit(rule.lower, in_points=in_points),
        upper=_limit(rule.upper, in_points=in_points),
        either_way=rule.lower is not None and rule.lower == -(rule.upper or 0),
        n=shown(numbers.rows(row.n)),
        reference_n=shown(numbers.rows(row.reference_n)),
        pass_interval=shown(numbers.interval(row.pass_low, row.pass_high, places + 1)),
        violation_interval=shown(numbers.interval(row.violation_low, row.violation_high, places + 1)),
        p_pass=shown(numbers.p_words(row.p_pass)),
        p_violation=shown(numbers.p_words(judged.adjusted)),
        detectable=shown("–" if detectable is None else numbers.figure(detectable, 3)),
        rows_needed=None if finding.rows_needed is None or hidden else f"{finding.rows_needed:,}",
        rows_note=None if row.rows_needed_note is None or hidden else numbers.clean(row.rows_needed_note),
        alone=None if hidden else _alone(case, judged),
        blocked=None if row.blocked is None or hidden else numbers.clean(row.blocked),
        undefined=None if row.why is None or hidden else numbers.clean(row.why),
        by_point=rule.judge == "estimate",
        small=row.reported_only and finding.verdict is not Verdict.VIOLATION,
        withheld=hidden,
        waiver=None
        if waiver is None
        else f"{numbers.clean(waiver.approver)}, {numbers.clean(waiver.expires)}",
        also=also,
    )


def _alone(case: Case, judged: Judged) -> str | None:
    if judged.finding.verdict is not Verdict.INCONCLUSIVE:
        return None
    return alone(judged.row, judged.rule, case.result.policy, judged.adjusted)


def is_ratio(comparison: str) -> bool:
    """Whether 1 is parity, and a log scale the honest one."""
    return comparison in ("ratio", "conditional_ratio")


def _side(value: float | None, parity: float) -> str:
    if value is None or value == parity:
        return "equal"
    return "below" if value < parity else "above"


def _limit(bound: float | None, *, in_points: bool) -> str | None:
    if bound is None:
        return None
    return number(round(100 * bound if in_points else bound, 6)).replace("-", numbers.MINUS)


def _points(value: float | None, places: int, bounds: tuple[float | None, ...]) -> str | None:
    if value is None:
        return None
    ends = tuple(None if bound is None else abs(100 * bound) for bound in bounds)
    return numbers.figure(abs(100 * value), max(0, places - 2), bounds=ends)


def _points_interval(row: Comparison, places: int) -> str | None:
    if row.low is None or row.high is None:
        return None
    return numbers.interval(100 * row.low, 100 * row.high, max(0, places - 2))


def _per_hundred(row: Comparison, estimate: Estimate | None) -> int | None:
    if row.metric != "selection_rate" or row.value is None or row.reference in words.words()["reference"]:
        return None
    ratio = row.value if row.comparison == "ratio" else None
    if row.comparison == "difference" and estimate is not None and estimate.value is not None:
        reference_rate = estimate.value - row.value
        ratio = estimate.value / reference_rate if reference_rate > 0 else None
    if ratio is None:
        return None
    hundred = round(100 * ratio)
    return hundred if PER_HUNDRED[0] <= hundred <= PER_HUNDRED[1] else None


def distinct(judged: list[Judged]) -> list[tuple[Judged, tuple[str, ...]]]:
    """The same comparison under several rules once, by the first of them, the other rules named."""
    also: dict[tuple[object, ...], list[str]] = {}
    kept: dict[tuple[object, ...], Judged] = {}
    for item in judged:
        row = item.row
        key = (row.metric, row.comparison, row.grouping, row.group, row.reference, row.stratum)
        if key in kept:
            also[key].append(numbers.clean(item.rule.id))
        else:
            kept[key], also[key] = item, []
    return [(item, tuple(also[key])) for key, item in kept.items()]
