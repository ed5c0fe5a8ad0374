"""What each finding comes to at the gate, worst first: what job summaries and test formats all list."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from audit.engine.findings import DECIDING
from audit.gate import Decision, words_of_waived
from audit.report.numbers import clean, name
from audit.report.suppress import Withheld, withheld
from audit.result import AuditResult, Comparison, Finding, Rule, Verdict

TEXT_LIMIT = 1000
"""Characters of a sentence in a test format or a job summary."""


class Status(StrEnum):
    """What a finding does to the gate, the worst first."""

    VIOLATION = "violation"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"
    REPORTED = "reported"
    """It did not pass, and decides nothing: of a minor rule, or of a small group."""
    PASS = "pass"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finding with its rule, its comparison, and what it does to the gate."""

    finding: Finding
    comparison: Comparison
    rule: Rule
    status: Status
    hidden: bool
    """Whether its figures are withheld for want of rows (`suppress_below`)."""

    @property
    def text(self) -> str:
        """Its sentence, safe to print; without figures where they are withheld."""
        return WITHHELD if self.hidden else clean(self.finding.why, TEXT_LIMIT)

    @property
    def slice(self) -> str:
        """Attributes and values, as `sex × race = Female × Black`."""
        where = clean(" × ".join(self.finding.grouping)) or "everyone"
        text = f"{where} = {name(self.finding.group)}"
        return text if self.finding.stratum is None else f"{text} in {name(self.finding.stratum)}"

    @property
    def judged(self) -> str:
        """The rule's id, and where it judges several metrics, which one this is."""
        rule, metric = clean(self.finding.rule), self.finding.metric
        return rule if metric in (rule, self.rule.metric) else f"{rule}: {metric.replace('_', ' ')}"

    @property
    def against(self) -> str:
        """The slice with whom it is compared."""
        alone = self.finding.comparison == "worst_group" or self.finding.reference == "parity"
        return self.slice if alone else f"{self.slice} vs {clean(self.finding.reference) or '(empty)'}"


WITHHELD = "The figures of this group are withheld: too few rows to print them."


def outcomes(result: AuditResult, decision: Decision) -> list[Outcome]:
    """Every finding of `result` in its order, as `decision` took it."""
    rules = {rule.id: rule for rule in result.policy.rules}
    hidden = withheld(result)
    held = frozenset(decision.waived)
    return [
        _outcome(finding, comparison, rules[finding.rule], held, hidden)
        for finding, comparison in zip(result.findings, result.comparisons, strict=False)
        if finding.rule in rules
    ]


def _outcome(
    finding: Finding, comparison: Comparison, rule: Rule, held: frozenset[str], hidden: Withheld
) -> Outcome:
    undecided_small = comparison.reported_only and finding.verdict is not Verdict.VIOLATION
    if finding.verdict is Verdict.PASS:
        status = Status.PASS
    elif rule.severity not in DECIDING or undecided_small:
        status = Status.REPORTED
    elif words_of_waived(finding) in held:
        status = Status.WAIVED
    else:
        status = Status(finding.verdict.value)
    return Outcome(finding, comparison, rule, status, hidden.comparison(comparison))


def worst_first(found: list[Outcome]) -> list[Outcome]:
    """By status, blockers first, then by the evidence for a violation; ties in the order given."""
    order = list(Status)

    def key(outcome: Outcome) -> tuple[int, bool, float]:
        p = outcome.comparison.p_violation
        blocker = outcome.rule.severity == "blocker"
        return order.index(outcome.status), not blocker, math.inf if p is None else p

    return sorted(found, key=key)


def inconclusive_fails(result: AuditResult, decision: Decision) -> bool:
    """Whether an inconclusive finding keeps this gate shut."""
    if decision.verdict is Verdict.INCONCLUSIVE:
        return decision.exit_code != 0
    return result.policy.on_inconclusive == "fail"
