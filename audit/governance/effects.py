"""What an action did, from the audits before and after it: how far the worst gap of a rule closed."""

from __future__ import annotations

from dataclasses import dataclass

from audit.errors import UsageError
from audit.governance.harms import Effect
from audit.registry import nearest
from audit.result import AuditResult, Comparison, group_name

PARITY = {"difference": 0.0, "ratio": 1.0}


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a group lies from its reference, at least 0, with the least and the most it can be."""

    group: str
    value: float
    low: float
    high: float


def effect_of(before: AuditResult, after: AuditResult, rule: str, group: str | None = None) -> Effect:
    """The gap before less the gap after, positive for the better, under one rule of both audits.

    Without `group` it is the worst gap of each audit. The ends are those of the two intervals taken
    against each other, which covers at least as often as either, however the two audits depend on each
    other. A UsageError where a rule or a group is not in both, or has no value.
    """
    one, other = _worst(before, rule, group, "before"), _worst(after, rule, group, "after")
    return Effect(one.value - other.value, one.low - other.high, one.high - other.low)


def gaps(result: AuditResult, rule: str) -> tuple[Gap, ...]:
    """The gaps of a rule's comparisons that have a value and an interval."""
    rows = [row for row in result.comparisons if row.rule == rule and not row.reported_only]
    return tuple(gap for row in rows if (gap := _gap(row)) is not None)


def _gap(row: Comparison) -> Gap | None:
    parity = PARITY.get(row.comparison)
    if parity is None or row.value is None or row.low is None or row.high is None:
        return None
    low, high = row.low - parity, row.high - parity
    ends = sorted((abs(low), abs(high)))
    least = 0.0 if low <= 0 <= high else ends[0]
    return Gap(group_name(row.group), abs(row.value - parity), least, ends[1])


def _worst(result: AuditResult, rule: str, group: str | None, which: str) -> Gap:
    known = [r.id for r in result.policy.rules]
    if rule not in known:
        near = nearest(rule, known)
        hint = f"Did you mean {near}?" if near else f"It has: {', '.join(known) or 'none'}."
        raise UsageError(f"the audit {which} has no rule {rule!r}", hint=hint)
    found = [gap for gap in gaps(result, rule) if group is None or gap.group == group]
    if not found:
        of = f" of {group}" if group else ""
        raise UsageError(
            f"the audit {which} has no difference or ratio{of} with an interval under {rule}",
            hint="Give --delta, --low, --high and --result instead.",
        )
    worst = max(found, key=lambda gap: gap.value)
    return Gap(worst.group, worst.value, worst.low, max(gap.high for gap in found))


def words(before: AuditResult, after: AuditResult, rule: str, ids: tuple[str, str]) -> str:
    """Which audits the effect comes from, and whether they read the same file."""
    digest = before.data.digest
    same = "the same data file"
    if digest is None or digest != after.data.digest:
        same = f"{after.data.rows_audited:,} rows of a new data file against {before.data.rows_audited:,}"
    return f"rule {rule}, bundle {ids[1][:12]} against {ids[0][:12]}, {same}"
