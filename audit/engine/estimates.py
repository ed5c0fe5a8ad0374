"""Every metric of every group with its descriptive interval, in a few vectorised batches."""

from __future__ import annotations

import numpy as np

from audit.engine import disparity, sampling
from audit.engine.auc import Auc
from audit.engine.decode import finite
from audit.engine.groups import Floats
from audit.engine.intervals import wilson
from audit.engine.metrics.sample import Sample
from audit.engine.tables import Tables
from audit.engine.tails import quantile
from audit.registry import Metric, metrics
from audit.result import Estimate, NotMeasured, Policy


def measurable(tables: Tables) -> tuple[list[Metric], list[NotMeasured]]:
    """The metrics that the data allows, and the others with the reason."""
    possible, left_out = [], []
    for metric in metrics().values():
        lacking = [need for need in metric.needs if need not in tables.roles]
        if lacking:
            left_out.append(NotMeasured(metric.title, f"the data has no {' and no '.join(lacking)}"))
        elif metric.name == "scoring_rate" and not tables.counts.above:
            left_out.append(NotMeasured(metric.title, "no rule and no law's table asked for it"))
        else:
            possible.append(metric)
    return possible, left_out


def estimates(tables: Tables, policy: Policy, references: dict[str, str]) -> tuple[Estimate, ...]:
    """All metrics in the whole population, by attribute and by intersection."""
    possible, _ = measurable(tables)
    keys = [(metric, grouping) for grouping in ((), *tables.groupings) for metric in possible]
    samples = [tables.sample(metric.name, grouping) for metric, grouping in keys]
    lows, highs = _limits(samples, policy)
    reachable = _detectable(keys, samples, tables, policy, references)
    done: list[Estimate] = []
    for position, ((metric, grouping), sample) in enumerate(zip(keys, samples, strict=True)):
        groups = tables.groups(grouping).groups
        for index, group in enumerate(groups):
            defined = bool(np.isfinite(sample.value[index]))
            done.append(
                Estimate(
                    metric=metric.name,
                    grouping=grouping,
                    group=group,
                    value=float(sample.value[index]) if defined else None,
                    low=finite(lows[position][index]) if defined else None,
                    high=finite(highs[position][index]) if defined else None,
                    k=None if sample.k is None else float(sample.k[index]),
                    n=float(sample.n[index]),
                    why=None if defined else sample.why[index] or "undefined",
                    detectable=finite(reachable[position][index]),
                )
            )
    return tuple(done)


def _limits(samples: list[Sample], policy: Policy) -> tuple[list[Floats], list[Floats]]:
    """Wilson for proportions (one call for all), the normal's or DeLong's for the others."""
    alpha = 1 - policy.confidence
    rates = [s for s in samples if s.x is not None and s.size is not None]
    joined = [np.concatenate([getattr(s, name) for s in rates]) for name in ("x", "size")] if rates else []
    low, high = wilson(*joined, alpha) if rates else (np.zeros(0), np.zeros(0))
    lows, highs, start = [], [], 0
    for sample in samples:
        if sample.x is not None and sample.size is not None:
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
    if sample.auc is not None:
        return Auc(*sample.auc).interval(alpha)
    if sample.se is None:
        return np.full(len(sample), np.nan), np.full(len(sample), np.nan)
    reach = quantile(alpha / 2, np.asarray(np.inf)) * sample.se
    if sample.kind == "odds":
        with np.errstate(invalid="ignore", over="ignore"):
            return sample.value * np.exp(-reach), sample.value * np.exp(reach)
    return sample.value - reach, sample.value + reach


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
        if sample.kind != "rate" or not grouping or not metric.comparable or len(sample) < 2:
            continue
        reference = _reference(metric.name, grouping, sample, tables, references)
        if reference is not None:
            chosen.append(position)
            parts.append((reference[0], sample.effective, reference[1]))
    if not parts:
        return found
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    values = sampling.detectable(*joined, policy.alpha)
    start = 0
    for position in chosen:
        found[position] = values[start : start + len(found[position])]
        start += len(found[position])
    return found


def _reference(
    metric: str, grouping: tuple[str, ...], sample: Sample, tables: Tables, references: dict[str, str]
) -> tuple[Floats, Floats] | None:
    """The reference's rate and rows for each group; the reference itself gets none."""
    keyword = disparity.reference_of(grouping, references)
    if keyword in ("rest", "overall"):
        rest = tables.sample(metric, grouping, "rest")
        return rest.value, rest.effective
    groups = tables.groups(grouping).groups
    if keyword in disparity.KEYWORDS:
        place: int | None = disparity.largest(tables.groups(grouping).rows, groups)
    else:
        place = groups.index(keyword) if keyword in groups else None  # type: ignore[arg-type]
    if place is None:
        return None
    rate = np.full(len(sample), sample.value[place])
    rate[place] = np.nan
    return rate, np.full(len(sample), sample.effective[place])
