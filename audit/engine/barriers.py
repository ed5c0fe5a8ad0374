"""What keeps a comparison from passing whatever its evidence, and what its point alone would say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from audit.engine import sampling
from audit.engine.groups import Floats
from audit.engine.metrics.decisions import conditions_on_prediction
from audit.engine.metrics.sample import Rate, Sample
from audit.engine.tables import Tables
from audit.registry import metric_named
from audit.result import Policy, Rule

_HEAVY = "a few rows carry its spread, so that its interval cannot be relied on"
_UNCLUSTERED = ("auc", "calibration_slope", "log_loss")
"""Metrics of the score's bins, of which clusters keep none."""


@dataclass(frozen=True)
class Context:
    """What the comparisons of one rule need beside the tables."""

    tables: Tables
    policy: Policy
    references: dict[str, str]
    """Per attribute its reference: a value or a keyword."""
    adverse: bool


def reports_small(policy: Policy, grouping: tuple[str, ...]) -> bool:
    if policy.small_groups is None:
        return len(grouping) > 1
    return policy.small_groups == "report"


def blocks(
    metric: str,
    grouping: tuple[str, ...],
    mine: Sample,
    reference: Sample | None,
    context: Context,
) -> tuple[tuple[str | None, ...], tuple[bool, ...]]:
    """Per comparison why it cannot pass (None: it can), and whether it is only reported."""
    policy, words = context.policy, metric_named(metric).denominator_words
    report = reports_small(policy, grouping)
    common = common_block(metric, context)
    floor, rows = policy.min_group, mine.effective
    small = rows < floor
    blocked: list[str | None] = [why or common for why in mine.why]
    for index in np.flatnonzero(mine.too_thin).tolist():
        blocked[index] = blocked[index] or "under ten weighted rows in numerator or complement"
    for index in np.flatnonzero(mine.too_heavy).tolist():
        blocked[index] = blocked[index] or _HEAVY
    if reference is not None:
        for index, reason in _reference_blocks(reference, floor, words):
            blocked[index] = blocked[index] or reason
    for index in np.flatnonzero(small).tolist():
        blocked[index] = f"{rows[index]:,.0f} {words}, under min_group {floor}"
    return tuple(blocked), tuple((small & report).tolist())


def _reference_blocks(reference: Sample, floor: int, words: str) -> Iterator[tuple[int, str]]:
    """Comparisons that their reference keeps from passing, and why; the first reason of each counts."""
    for index, why in enumerate(reference.why):
        if why:
            yield index, f"in the reference: {why}"
    rows = reference.effective
    for index in np.flatnonzero(rows < floor).tolist():
        yield index, f"the reference has {rows[index]:,.0f} {words}, under min_group {floor}"
    for index in np.flatnonzero(reference.too_thin).tolist():
        yield index, "the reference has under ten weighted rows in numerator or complement"
    for index in np.flatnonzero(reference.too_heavy).tolist():
        yield index, f"in the reference: {_HEAVY}"


def common_block(metric: str, context: Context) -> str | None:
    """What keeps every comparison of the metric from passing."""
    clusters = context.tables.counts.clusters
    if clusters is not None and clusters < sampling.LEAST_CLUSTERS:
        what = "queries" if context.tables.counts.task == "ranking" else "clusters"
        return f"only {clusters} {what}, under {sampling.LEAST_CLUSTERS}"
    entry = metric_named(metric)
    if clusters is not None and (metric in _UNCLUSTERED or entry.interval == "distance"):
        return "rows are clustered, and this metric's interval takes them as independent"
    if "label" in entry.needs and conditions_on_prediction(entry) is None:
        return context.tables.uneven_labels
    if "relevance" in entry.needs:
        return context.tables.uneven_relevance
    return None


def by_point(
    rule: Rule, mine: Sample, reference: Sample, value: Floats, floor: int
) -> tuple[str | None, ...]:
    """The verdict of the point alone, None under `floor` rows; rates of counts are compared as integers."""
    exact = rule.comparison == "ratio" and isinstance(mine, Rate) and isinstance(reference, Rate)
    found: list[str | None] = []
    for index, number in enumerate(value):
        if min(mine.effective[index], reference.effective[index]) < floor:
            found.append(None)
        elif exact:
            found.append(_exact_ratio(rule, mine, reference, index))  # type: ignore[arg-type]
        elif np.isfinite(number):
            found.append(_inside(rule, Fraction(float(number)).limit_denominator(10**12)))
        else:
            found.append(None)
    return tuple(found)


def _exact_ratio(rule: Rule, mine: Rate, reference: Rate, index: int) -> str | None:
    if not mine.mass[index] or not reference.mass[index] or not reference.k[index]:
        return None
    own, other = (Fraction(part.k[index]) / Fraction(part.mass[index]) for part in (mine, reference))
    return _inside(rule, own / other)


def _inside(rule: Rule, value: Fraction) -> str:
    low = rule.lower is not None and value < Fraction(str(rule.lower))
    high = rule.upper is not None and value > Fraction(str(rule.upper))
    return "violation" if low or high else "pass"
