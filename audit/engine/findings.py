"""Verdicts from p values: each comparison, each rule, the whole policy; the gate recomputes them here."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from audit.engine.wording import bound_words, sentence
from audit.result import (
    Comparison,
    Finding,
    Group,
    Policy,
    Rule,
    RuleVerdict,
    Verdict,
    Waiver,
    group_name,
)

DECIDING = ("blocker", "major")
"""Severities that decide the verdict; any other is reported."""


class Tested(Protocol):
    """What Holm's procedure needs of a comparison; `p_violation` is None where it cannot be tested."""

    @property
    def rule(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def comparison(self) -> str: ...
    @property
    def grouping(self) -> tuple[str, ...]: ...
    @property
    def reference(self) -> str: ...
    @property
    def stratum(self) -> Group | None: ...
    @property
    def p_violation(self) -> float | None: ...


class Hypothesis(NamedTuple):
    """A comparison before it is written out: what Holm's procedure needs of it."""

    rule: str
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    reference: str
    stratum: Group | None
    p_violation: float | None


Judged = tuple[Finding, Comparison]
"""A finding and the comparison that it judges."""
Ranking = list[tuple[int, int, int, int]]
"""(index of the comparison, its rank from 1, hypotheses rejected in its family, their number m)."""


def holm_adjusted(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, shape (m,), in the order given (Holm 1979).

    Rejecting those at most α keeps the chance of any false rejection at α, whatever the
    dependence. 1 means no evidence at all.

    >>> holm_adjusted([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = running
    return adjusted


def violation_level(rank: int, rejected: int, m: int, alpha: float) -> float:
    """Level of the two-sided interval that agrees with the Holm-adjusted test of this rank.

    1 − 2α/(m − min(r, R+1) + 1): with one hypothesis it is the level of a pass, 1 − 2α.

    >>> violation_level(1, 0, 1, 0.05)
    0.9
    >>> violation_level(3, 1, 10, 0.05) == 1 - 0.1 / 9
    True
    """
    return 1 - 2 * alpha / (m - min(rank, rejected + 1) + 1)


def look_alpha(alpha: float, look: int | None) -> float:
    """The level at the j-th look, α/(j(j+1)), which sums to α over all looks; α where none are counted.

    >>> look_alpha(0.06, 2)
    0.01
    """
    return alpha if look is None else alpha / (look * (look + 1))


def ranked(comparisons: Sequence[Tested], policy: Policy) -> Ranking:
    """Rank, rejections and size of its Holm family for each comparison that can be tested."""
    found: Ranking = []
    for family in _families(comparisons, policy):
        adjusted = holm_adjusted([p for p, _ in family])
        rejected = sum(value <= policy.alpha for value in adjusted)
        order = sorted(range(len(family)), key=lambda i: family[i][0])
        for rank, position in enumerate(order, start=1):
            found += [(index, rank, rejected, len(family)) for index in family[position][1]]
    return sorted(found)


def adjusted_p(comparisons: Sequence[Comparison], policy: Policy) -> dict[int, float]:
    """Holm-adjusted p_violation by the comparison's index; absent where it cannot be tested."""
    return {
        index: value
        for family in _families(comparisons, policy)
        for value, (_, members) in zip(holm_adjusted([p for p, _ in family]), family, strict=True)
        for index in members
    }


def _families(comparisons: Sequence[Tested], policy: Policy) -> list[list[tuple[float, list[int]]]]:
    """The families over which Holm runs, each a list of hypotheses (p value, indices of comparisons)."""
    grouped: dict[object, list[int]] = defaultdict(list)
    for index, c in enumerate(comparisons):
        grouped[(c.rule, c.metric, c.comparison, c.grouping, c.stratum)].append(index)
    families: dict[str, list[tuple[float, list[int]]]] = defaultdict(list)
    even = {rule.id for rule in policy.rules if mirrors_itself(rule)}
    for members in grouped.values():
        first = comparisons[members[0]]
        family = families["" if policy.family == "policy" else first.rule]
        tested = [(p, i) for i in members if (p := comparisons[i].p_violation) is not None]
        mirrored = len(members) == 2 and all(comparisons[i].reference == "rest" for i in members)
        mirrored = mirrored and first.rule in even
        if mirrored and tested:
            family.append((min(p for p, _ in tested), [i for _, i in tested]))
        else:
            family += [(p, [i]) for p, i in tested]
    return list(families.values())


def mirrors_itself(rule: Rule) -> bool:
    """Whether two groups exchanged are held against the same band: ±b of a difference, [τ, 1/τ] of a ratio.

    Only then is each of two groups against the rest the other's hypothesis once more.
    """
    if rule.lower is None or rule.upper is None:
        return False
    if rule.comparison.endswith("ratio"):
        return math.isclose(rule.lower * rule.upper, 1.0, rel_tol=1e-9)
    return rule.lower == -rule.upper


def judge(
    comparisons: Sequence[Comparison], policy: Policy
) -> tuple[tuple[Finding, ...], tuple[RuleVerdict, ...], Verdict]:
    """Findings in the order of `comparisons`, a verdict per rule, and the worst of the deciding rules.

    A comparison passes where p_pass ≤ α and nothing blocks it, violates where its Holm-adjusted
    p_violation ≤ α, and is inconclusive otherwise. A rule passes where all its comparisons that
    count pass; a rule with none, and a policy without a deciding rule, is inconclusive.
    """
    rules = {rule.id: rule for rule in policy.rules}
    adjusted = adjusted_p(comparisons, policy)
    findings = []
    of_rule: dict[str, list[Judged]] = defaultdict(list)
    for index, comparison in enumerate(comparisons):
        rule = rules.get(comparison.rule)
        if rule is None:
            raise ValueError(f"a comparison belongs to the rule {comparison.rule!r}, which the policy lacks")
        finding = _finding(comparison, rule, policy, adjusted.get(index))
        findings.append(finding)
        of_rule[rule.id].append((finding, comparison))
    verdicts = tuple(_rule_verdict(rule, of_rule[rule.id]) for rule in policy.rules)
    deciding = [v.verdict for v in verdicts if rules[v.rule].severity in DECIDING]
    return tuple(findings), verdicts, Verdict.worst(deciding)


def verdict_of(comparison: Comparison, rule: Rule, alpha: float, adjusted: float | None) -> Verdict:
    """What one comparison comes to, its Holm-adjusted p_violation given (None: not testable)."""
    if rule.judge == "estimate":
        outside = comparison.by_point == Verdict.VIOLATION
        inside = comparison.by_point == Verdict.PASS
    else:
        outside = adjusted is not None and adjusted <= alpha
        inside = comparison.p_pass is not None and comparison.p_pass <= alpha
    if outside:
        return Verdict.VIOLATION
    if inside and comparison.blocked is None:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def _finding(c: Comparison, rule: Rule, policy: Policy, adjusted: float | None) -> Finding:
    verdict = verdict_of(c, rule, policy.alpha, adjusted)
    return Finding(
        rule=c.rule,
        metric=c.metric,
        comparison=c.comparison,
        bound=bound_words(rule.lower, rule.upper),
        grouping=c.grouping,
        group=c.group,
        reference=c.reference,
        value=c.value,
        low=c.low,
        high=c.high,
        verdict=verdict,
        why=sentence(c, rule, policy, verdict, adjusted),
        rows_needed=c.rows_needed if verdict is Verdict.INCONCLUSIVE else None,
        severity=rule.severity,
        waived=None if verdict is Verdict.PASS else waiver_for(rule.waivers, c.group),
        stratum=c.stratum,
    )


def waiver_for(waivers: Sequence[Waiver], group: Group) -> Waiver | None:
    """The waiver that covers this group, the one that lasts longest; None where none does."""
    if not waivers:
        return None
    name = group_name(group)
    covering = [w for w in waivers if not w.groups or name in w.groups]
    return max(covering, key=lambda waiver: waiver.expires, default=None)


def _rule_verdict(rule: Rule, judged: list[Judged]) -> RuleVerdict:
    counted = [(finding, c) for finding, c in judged if not c.reported_only]
    violations = [(finding, c) for finding, c in judged if finding.verdict is Verdict.VIOLATION]
    undecided = [(finding, c) for finding, c in counted if finding.verdict is Verdict.INCONCLUSIVE]
    verdict = Verdict.VIOLATION if violations else Verdict.worst([finding.verdict for finding, _ in counted])
    return RuleVerdict(
        rule=rule.id,
        verdict=verdict,
        why=_rule_why(rule, judged, counted, violations, undecided),
        comparisons=len(judged),
        violations=len(violations),
        inconclusive=len(undecided),
        reported_only=len(judged) - len(counted),
    )


def _rule_why(
    rule: Rule,
    judged: list[Judged],
    counted: list[Judged],
    violations: list[Judged],
    undecided: list[Judged],
) -> str:
    if not judged:
        return "No comparison could be made under this rule."
    if violations:
        share = f"{len(violations)} of {len(judged)} comparisons show a violation."
        text = f"{share} {foremost(violations, rule)[0].why}"
    elif not counted:
        text = f"{_all(len(judged), 'is', 'are')} of small groups, which are listed and decide nothing."
    elif undecided:
        share = f"{len(undecided)} of {len(counted)} comparisons are undecided."
        text = f"{share} {foremost(undecided, rule)[0].why}"
    else:
        bound = bound_words(rule.lower, rule.upper)
        text = f"{_all(len(counted), 'lies', 'lie')} inside the bound, {bound}."
    small = len(judged) - len(counted)
    return f"{text} {small} small groups are listed and do not decide." if small and counted else text


def foremost(judged: Sequence[Judged], rule: Rule) -> Judged:
    """The one with the most evidence for a violation; by its value where the rule is judged by points.

    Of equal evidence, the one whose value lies farthest outside the band, an undefined one last.
    """

    def rank(entry: Judged) -> tuple[float, float]:
        p = entry[1].p_violation
        evidence = -p if p is not None and rule.judge != "estimate" else -1.0
        return evidence, _distance(entry[0].value, rule)

    return max(judged, key=rank)


def _distance(value: float | None, rule: Rule) -> float:
    """How far a value lies outside the rule's band; negative inside it."""
    if value is None:
        return -math.inf
    below = rule.lower - value if rule.lower is not None else -math.inf
    above = value - rule.upper if rule.upper is not None else -math.inf
    return max(below, above)


def _all(count: int, one: str, many: str) -> str:
    return f"The one comparison {one}" if count == 1 else f"All {count} comparisons {many}"
