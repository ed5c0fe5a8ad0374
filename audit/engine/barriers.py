"""What keeps a comparison from passing whatever its evidence, and what its point alone would say."""

from __future__ import annotations

import math
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
    if takes_rows_as_independent(metric, context):
        return "rows are clustered, and this metric's test takes them as independent"
    if "label" not in entry.needs:
        return context.tables.uneven_relevance if "relevance" in entry.needs else None
    only = conditions_on_prediction(entry)
    if only is None:
        return context.tables.uneven_labels
    words = ("negative prediction", "positive prediction")[only]
    return context.tables.uneven_where(slice(only, only + 1), words)


def takes_rows_as_independent(metric: str, context: Context) -> bool:
    """Whether rows are clustered and the metric's error is known for independent ones alone: no test then."""
    clustered = context.tables.counts.clusters is not None
    return clustered and (metric in _UNCLUSTERED or metric_named(metric).interval == "distance")


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
    lower, upper = (None if bound is None else Fraction(str(bound)) for bound in (rule.lower, rule.upper))
    if lower and upper and rule.comparison == "ratio" and math.isclose(lower * upper, 1.0, rel_tol=1e-15):
        # One end was written, and the other is its reciprocal as a float: the longer of the two.
        lower, upper = (lower, 1 / lower) if lower.denominator <= upper.denominator else (1 / upper, upper)
    low = lower is not None and value < lower
    high = upper is not None and value > upper
    return "violation" if low or high else "pass"
