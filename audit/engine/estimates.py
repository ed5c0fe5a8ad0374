"""Every metric of every group with its descriptive interval, in a few vectorised batches."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from audit.engine import references as held
from audit.engine import sampling
from audit.engine.entries import BUILDERS, or_none
from audit.engine.groups import Floats
from audit.engine.intervals import wilson
from audit.engine.metrics.sample import Rate, Sample
from audit.engine.tables import WHOLE, Tables
from audit.registry import Metric, family_tasks, metric_named, metrics, on_request
from audit.result import Estimate, NotMeasured, Policy

SHOWN_BY_CLASS = ("base_rate", "selection_rate", "true_positive_rate", "positive_predictive_value", "f1")
"""Metrics of one class against the rest that are measured of every class; others where a rule asks."""


def measurable(tables: Tables) -> tuple[list[Metric], list[NotMeasured]]:
    """The metrics that the data allows, and the others with the reason."""
    possible, left_out = [], []
    unasked = on_request() - _asked(tables)
    for metric in metrics().values():
        if tables.task not in family_tasks(metric) or metric.family in unasked:
            continue
        lacking = [need for need in metric.needs if need not in tables.roles]
        if lacking == ["utility"]:
            left_out.append(NotMeasured(metric.title, "system.utility does not say what outcomes are worth"))
        elif lacking:
            left_out.append(NotMeasured(metric.title, f"the data has no {' and no '.join(lacking)}"))
        elif metric.name == "scoring_rate" and not tables.counts.above:
            left_out.append(NotMeasured(metric.title, "no rule and no law's table asked for it"))
        else:
            possible += _by_class(metric, tables)
    return possible, left_out


def _by_class(metric: Metric, tables: Tables) -> list[Metric]:
    """The metric; of several classes, that of each class where it is one that tables of classes show."""
    names = tables.named(metric.name)
    if names == (metric.name,):
        return [metric] if not tables.counts.classes or not metric.numerator or metric.name in WHOLE else []
    return [metric_named(name) for name in names] if metric.name in SHOWN_BY_CLASS else []


def _asked(tables: Tables) -> set[str]:
    """The families of which a rule names a metric."""
    rules = () if tables.spec is None else tables.spec.policy.rules
    return {metrics()[rule.metric].family for rule in rules if rule.metric in metrics()}


def estimates(tables: Tables, policy: Policy, references: dict[str, str]) -> tuple[Estimate, ...]:
    """All metrics in the whole population, by attribute and by intersection."""
    possible, _ = measurable(tables)
    keys = [(metric, grouping) for grouping in ((), *tables.groupings) for metric in possible]
    samples = [tables.sample(metric.name, grouping) for metric, grouping in keys]
    lows, highs = _limits(samples, policy)
    reachable = _detectable(keys, samples, tables, policy, references)
    done: list[Estimate] = []
    for (metric, grouping), sample, *limits in zip(keys, samples, lows, highs, reachable, strict=True):
        values = or_none(sample.value)
        defined = np.isfinite(sample.value)
        low, high = (or_none(np.clip(limit, *metric.span), defined) for limit in limits[:2])
        numerator = repeat(None) if sample.numerator is None else sample.numerator.astype(float).tolist()
        columns = (values, low, high, numerator, sample.n.astype(float).tolist(), sample.why)
        detectable = or_none(limits[2])
        for group, value, least, most, k, n, why, reach in zip(
            tables.groups(grouping).groups, *columns, detectable, strict=False
        ):
            why = None if value is not None else why or "undefined"
            done.append(Estimate(metric.name, grouping, group, value, least, most, k, n, why, reach))
    return tuple(done)


def _limits(samples: list[Sample], policy: Policy) -> tuple[list[Floats], list[Floats]]:
    """Wilson for proportions (one call for all), the normal's or DeLong's for the others."""
    alpha = 1 - policy.confidence
    pairs = [pair for sample in samples if (pair := sample.shares) is not None]
    x, size = (np.concatenate([pair[i] for pair in pairs] or [np.zeros(0)]) for i in (0, 1))
    low, high = wilson(x, size, alpha)
    lows, highs, start = [], [], 0
    for sample in samples:
        if sample.shares is not None:
            place = slice(start, start + len(sample))
            lows.append(low[place])
            highs.append(high[place])
            start += len(sample)
        else:
            pair = _single_limits(sample, alpha)
            lows.append(pair[0])
            highs.append(pair[1])
    return lows, highs


def _single_limits(sample: Sample, alpha: float) -> tuple[Floats, Floats]:
    found = sample.alone()
    if found is None:
        return np.full(len(sample), np.nan), np.full(len(sample), np.nan)
    limits: tuple[Floats, Floats] = BUILDERS[found[0]](*found[1]).interval(alpha)
    return limits


def _detectable(
    keys: list[tuple[Metric, tuple[str, ...]]],
    samples: list[Sample],
    tables: Tables,
    policy: Policy,
    references: dict[str, str],
) -> list[Floats]:
    """The smallest difference from the reference that would be called, for rates by group."""
    found = [np.full(len(sample), np.nan) for sample in samples]
    chosen, parts = [], []
    for position, ((metric, grouping), sample) in enumerate(zip(keys, samples, strict=True)):
        if not isinstance(sample, Rate) or not grouping or not metric.comparable or len(sample) < 2:
            continue
        reference = _reference(metric.name, grouping, sample, tables, references)
        if reference is not None:
            chosen.append(position)
            parts.append((reference[0], sample.effective, reference[1]))
    if not parts:
        return found
    rate, mine, theirs = (np.concatenate(column) for column in zip(*parts, strict=True))
    values = sampling.detectable(rate, mine, theirs, policy.alpha)
    start = 0
    for position in chosen:
        found[position] = values[start : start + len(found[position])]
        start += len(found[position])
    return found


def _reference(
    metric: str, grouping: tuple[str, ...], sample: Sample, tables: Tables, references: dict[str, str]
) -> tuple[Floats, Floats] | None:
    """The reference's rate and rows for each group; the reference itself gets none."""
    keyword = held.reference_of(grouping, references, tables)
    if keyword in ("rest", "overall"):
        rest = tables.sample(metric, grouping, "rest")
        return rest.value, rest.effective
    groups = tables.groups(grouping).groups
    if keyword in held.KEYWORDS:
        place: int | None = tables.largest(grouping)
    else:
        place = held.named(keyword, groups, grouping)
    if place is None:
        return None
    rate = np.full(len(sample), sample.value[place])
    rate[place] = np.nan
    return rate, np.full(len(sample), sample.effective[place])
