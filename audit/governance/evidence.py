"""What the audit itself says to a question: a value with its interval, or that there is none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from audit.governance.situation import Situation
from audit.result import Finding, Verdict, group_name

YES, NO, UNCLEAR, MISSING, WAIVED = "yes", "no", "unclear", "missing", "waived"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A derived answer. `says` is yes, no, unclear, missing, or waived (by the policy, in force)."""

    says: str
    words: str
    metric: str | None = None
    subject: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None
    limit: str | None = None
    bundle: str | None = None

    @property
    def id(self) -> str:
        """`ev:` and twelve digits that change with any of its contents."""
        parts = (
            self.says,
            self.words,
            self.metric,
            self.subject,
            self.value,
            self.low,
            self.high,
            self.bundle,
        )
        return "ev:" + hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def from_findings(metrics: tuple[str, ...], comparison: str | None, situation: Situation) -> Evidence:
    """What the findings on these metrics come to: the worst of them, with its numbers.

    No finding is missing, never a pass; a finding without a value is unclear at best.
    """
    result = situation.result
    if result is None:
        return Evidence(MISSING, "no audit result was given")
    by_rule = {rule.id: rule for rule in result.policy.rules}
    found = [f for f in result.findings if _on(f, by_rule[f.rule].metric, metrics, comparison)]
    verdicts = {rule.rule: rule.verdict for rule in result.rules}
    if not found:
        kind = f" as a {comparison}" if comparison else ""
        words = f"no rule of the policy judges {' or '.join(metrics)}{kind}"
        return Evidence(MISSING, words, bundle=situation.bundle_id)
    day = situation.as_of.isoformat()
    live = [f for f in found if not (f.waived and f.waived.expires >= day)]
    failing = [f for f in live if f.verdict is Verdict.VIOLATION]
    if failing:
        return _of(NO, failing[0], len(failing), situation)
    undecided = {f.rule for f in live if f.verdict is Verdict.INCONCLUSIVE}
    held = [f for f in live if f.verdict is Verdict.INCONCLUSIVE and verdicts[f.rule] is not Verdict.PASS]
    if undecided and held:
        return _of(UNCLEAR, held[0], len(held), situation)
    if len(live) < len(found):
        waived = next(f for f in found if f not in live)
        return _of(WAIVED, waived, len(found) - len(live), situation)
    valued = [f for f in found if f.value is not None and f.verdict is Verdict.PASS]
    if not valued:
        return Evidence(UNCLEAR, "nothing that was compared has a value", bundle=situation.bundle_id)
    return _of(YES, valued[0], len(valued), situation)


def _on(finding: Finding, rule_metric: str, metrics: tuple[str, ...], comparison: str | None) -> bool:
    named = finding.metric in metrics or rule_metric in metrics
    return named and (comparison is None or finding.comparison == comparison)


def _of(says: str, finding: Finding, count: int, situation: Situation) -> Evidence:
    result = situation.result
    subject = group_name(finding.group)
    others = f", one of {count}" if count > 1 else ""
    n = next(
        (
            c.n
            for c in (result.comparisons if result else ())
            if (c.rule, c.metric, c.grouping, c.group)
            == (finding.rule, finding.metric, finding.grouping, finding.group)
        ),
        None,
    )
    value = f"{finding.value:.4g}" if finding.value is not None else "undefined"
    interval = (
        f" ({finding.low:.4g} to {finding.high:.4g})"
        if finding.low is not None and finding.high is not None
        else ""
    )
    return Evidence(
        says=says,
        words=f"{finding.metric}, {finding.comparison}, {subject}: {value}{interval}, "
        f"limit {finding.bound}{others}",
        metric=finding.metric,
        subject=subject,
        value=finding.value,
        low=finding.low,
        high=finding.high,
        n=n,
        limit=finding.bound,
        bundle=situation.bundle_id,
    )
