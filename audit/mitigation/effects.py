"""What one set of decisions does against another: the target, accuracy, and everyone else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.mitigation.paired import NO_LABEL, Change, Decisions, gap_change, rate_change
from audit.mitigation.rows import Audited
from audit.mitigation.target import changeable
from audit.mitigation.trial_report import Side, Target
from audit.registry import Metric, low_is_good, metrics
from audit.result import AuditResult, Finding, group_name

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairing:
    """The rows on which two sets of decisions are compared."""

    rows: Audited
    audit: AuditResult
    """The audit of the decisions before; its findings say whom each group is compared with."""
    cluster: Ints | None
    limit: float
    confidence: float

    def decisions(self, before: Ints, after: Ints, kept: Flags | None = None) -> Decisions:
        """Both decisions of the rows, or of those that are kept."""
        label = np.where(self.rows.label < 0, NO_LABEL, self.rows.label)
        made = Decisions(label, before, after, self.cluster)
        return made if kept is None else made.where(kept)

    def masks(self, grouping: tuple[str, ...], group: str, reference: str) -> tuple[Flags, Flags]:
        """The rows of a group, and of whom it is compared with."""
        mine = self.rows.members(grouping, group)
        if reference in ("rest", "overall"):
            return mine, ~mine
        return mine, self.rows.members(grouping, reference)


def target_change(
    pairing: Pairing,
    target: Target,
    before: Ints,
    after: Ints,
    *,
    confidence: float,
    kept: Flags | None = None,
) -> Change:
    """The change of the target's gap, on the rule's own scale."""
    mine, other = pairing.masks(target.grouping, target.group, target.reference)
    if kept is not None:
        mine, other = mine[kept], other[kept]
    rows = pairing.decisions(before, after, kept)
    return gap_change(metrics()[target.metric], rows, mine, other, target.comparison, confidence)


def accuracy_change(pairing: Pairing, before: Ints, after: Ints, kept: Flags | None = None) -> Change:
    """The change of the share of right decisions among labelled rows."""
    rows = pairing.decisions(before, after, kept)
    everyone = np.ones(len(rows.label), dtype=bool)
    return rate_change(metrics()["accuracy"], rows, everyone, 1.0, pairing.confidence)


def positives_change(pairing: Pairing, before: Ints, after: Ints, kept: Flags | None = None) -> Change:
    """The change of the share of positive decisions among all rows."""
    rows = pairing.decisions(before, after, kept)
    everyone = np.ones(len(rows.label), dtype=bool)
    return rate_change(metrics()["selection_rate"], rows, everyone, 1.0, pairing.confidence)


def side_effects(
    pairing: Pairing, target: Target, before: Ints, after: Ints, kept: Flags | None = None
) -> tuple[Side, ...]:
    """Every other comparison of single attributes, and every group's own rate, in points."""
    rows = pairing.decisions(before, after, kept)
    found = []
    for one in _others(pairing.audit, target):
        group = group_name(one.group)
        mine, other = _kept(pairing.masks(one.grouping, group, one.reference), kept)
        metric = metrics()[one.metric]
        change = gap_change(metric, rows, mine, other, "difference", pairing.confidence)
        found.append(Side("gap", one.rule, one.metric, one.grouping, group, change, _judged(pairing, change)))
    metric = metrics()[target.metric]
    sign = _direction(metric, pairing.audit.system.outcome)
    for attribute, names in pairing.rows.groups.items():
        for group in sorted(set(names)):
            (mine,) = _kept((names == group,), kept)
            change = rate_change(metric, rows, mine, sign, pairing.confidence)
            found.append(
                Side(
                    "rate",
                    target.rule,
                    metric.name,
                    (attribute,),
                    str(group),
                    change,
                    _judged(pairing, change),
                )
            )
    return tuple(found)


def _kept(masks: tuple[Flags, ...], kept: Flags | None) -> tuple[Flags, ...]:
    return masks if kept is None else tuple(mask[kept] for mask in masks)


def _others(audit: AuditResult, target: Target) -> list[Finding]:
    seen: set[tuple[str, tuple[str, ...], str]] = {(target.metric, target.grouping, target.group)}
    found = []
    for one in audit.findings:
        key = (one.metric, one.grouping, group_name(one.group))
        if len(one.grouping) == 1 and changeable(one) and key not in seen:
            seen.add(key)
            found.append(one)
    return found


def _direction(metric: Metric, outcome: str) -> float:
    return -1.0 if low_is_good(metric, outcome) else 1.0


def _judged(pairing: Pairing, change: Change) -> str:
    if change.value is None or change.low is None or change.n < pairing.audit.policy.min_group:
        return "too few"
    if -change.low <= pairing.limit:
        return "within"
    return "worse" if -change.value > pairing.limit else "not ruled out"
