"""Comparisons within strata of the control columns: Mantel–Haenszel, and Simpson's finding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.engine import barriers
from audit.engine import references as held
from audit.engine.decode import finite
from audit.engine.entries import BUILDERS, Entry, nothing_beside
from audit.engine.evidence import MantelHaenszel
from audit.engine.groups import Floats
from audit.engine.metrics.sample import Rate
from audit.engine.sampling import LEAST_CLUSTERS, clustered_rates
from audit.engine.stratified import clustered_strata
from audit.engine.tables import Strata, Tables
from audit.registry import Alias, lookup, metric_named
from audit.result import Conditional, Group, Rule, Stratum, group_name

SIMPSON_LEVEL = 0.025
"""Both intervals, pooled and within strata, are taken at 97.5 %, so that together they err in 5 %."""
_THIN = "under ten weighted rows in numerator or complement"


@dataclass(frozen=True)
class Stratified:
    """Counts by (comparison, stratum): group against reference."""

    groups: tuple[Group, ...]
    references: tuple[str, ...]
    strata: tuple[Group, ...]
    mine: Strata
    reference: Strata
    pooled: Rate
    """Each group's rate over all strata, and `pooled_reference` its reference's."""
    pooled_reference: Rate

    @property
    def counts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Numerator and denominator of the group and of its reference, by (comparison, stratum)."""
        return self.mine.k, self.mine.n, self.reference.k, self.reference.n

    def common(self, kind: str) -> MantelHaenszel:
        """The common difference or ratio, jackknifed over clusters where there are any."""
        plain = MantelHaenszel(*self.counts, kind)
        if not self.mine.bucket_k.shape[-1]:
            return plain
        buckets = (
            self.mine.bucket_k,
            self.mine.bucket_n,
            self.reference.bucket_k,
            self.reference.bucket_n,
        )
        return MantelHaenszel(*self.counts, kind, *clustered_strata(*buckets, kind))


def stratify(
    metric: str, grouping: tuple[str, ...], tables: Tables, references: dict[str, str]
) -> Stratified | None:
    """Each group's counts by stratum beside its reference's; None where there is one group only."""
    groups = tables.groups(grouping).groups
    if len(groups) < 2:
        return None
    strata, table = tables.strata(metric, grouping)
    pooled = tables.sample(metric, grouping)
    assert isinstance(pooled, Rate)
    keyword = held.reference_of(grouping, references, tables)
    if keyword in ("rest", "overall"):
        names = ("rest",) * len(groups)
        rest = tables.sample(metric, grouping, "rest")
        assert isinstance(rest, Rate)
        others = tables.strata(metric, grouping, "rest")[1]
        return Stratified(groups, names, strata, table, others, pooled, rest)
    if keyword in held.KEYWORDS:
        chosen: int | None = tables.largest(grouping)
    else:
        chosen = held.named(keyword, groups, grouping)
    if chosen is None:
        return None
    apart = np.array([index for index in range(len(groups)) if index != chosen], dtype=np.int64)
    fixed = np.full(len(apart), chosen, dtype=np.int64)
    return Stratified(
        tuple(groups[index] for index in apart),
        (group_name(groups[chosen]),) * len(apart),
        strata,
        table.take(apart),
        table.take(fixed),
        pooled.take(apart),
        pooled.take(fixed),
    )


def describe(
    metric: str, grouping: tuple[str, ...], tables: Tables, references: dict[str, str]
) -> list[Conditional]:
    """Pooled and common estimates with 95 % intervals, the strata, and whether the two part ways."""
    found = stratify(metric, grouping, tables, references)
    if found is None:
        return []
    key, args = found.pooled.versus(found.pooled_reference, np.zeros(len(found.groups)), "difference")
    pooled = BUILDERS[key](*args)
    common, ratio = (found.common(kind) for kind in ("difference", "ratio"))
    limits = {
        name: made.interval(0.05) for name, made in (("pooled", pooled), ("common", common), ("ratio", ratio))
    }
    simpson = _simpson(pooled.interval(SIMPSON_LEVEL), common.interval(SIMPSON_LEVEL))
    done = []
    for index, group in enumerate(found.groups):
        done.append(
            Conditional(
                metric=metric,
                grouping=grouping,
                group=group,
                reference=found.references[index],
                control=tables.counts.control,
                pooled=finite(pooled.estimate[index]),
                pooled_low=finite(limits["pooled"][0][index]),
                pooled_high=finite(limits["pooled"][1][index]),
                difference=finite(common.estimate[index]),
                difference_low=finite(limits["common"][0][index]),
                difference_high=finite(limits["common"][1][index]),
                ratio=finite(ratio.estimate[index]),
                ratio_low=finite(limits["ratio"][0][index]),
                ratio_high=finite(limits["ratio"][1][index]),
                strata=_strata(found, index),
                simpson=simpson[index],
                why=None if np.isfinite(common.estimate[index]) else "no stratum holds both groups",
            )
        )
    return done


def _strata(found: Stratified, index: int) -> tuple[Stratum, ...]:
    rows = []
    for place, stratum in enumerate(found.strata):
        k, n, rk, rn = (float(part[index, place]) for part in found.counts)
        rows.append(Stratum(stratum, k, n, rk, rn, k / n - rk / rn if n and rn else None))
    return tuple(rows)


def _simpson(pooled: tuple[Floats, Floats], common: tuple[Floats, Floats]) -> list[str | None]:
    """`reversal`: both exclude zero, on opposite sides. `vanishes`: pooled excludes zero, the common
    interval holds zero and does not meet the pooled one."""
    found: list[str | None] = []
    for low, high, inner_low, inner_high in zip(*pooled, *common, strict=True):
        opposite = (high < 0 < inner_low) or (inner_high < 0 < low)
        apart = (high < 0 and inner_low > high) or (low > 0 and inner_high < low)
        if opposite:
            found.append("reversal")
        elif apart and inner_low <= 0 <= inner_high:
            found.append("vanishes")
        else:
            found.append(None)
    return found


def entries(rule: Rule, context: barriers.Context) -> list[Entry]:
    """The common estimate for each group, and each stratum: a pass needs all of them inside."""
    found = lookup(rule.metric)
    named = found.metrics if isinstance(found, Alias) else (rule.metric,)
    names = [each for name in named for each in context.tables.named(name)]
    kind = rule.comparison.removeprefix("conditional_")
    made: list[Entry] = []
    for metric in names:
        for grouping in context.tables.groupings:
            if rule.attributes and not set(grouping) <= set(rule.attributes):
                continue
            stratified = stratify(metric, grouping, context.tables, context.references)
            if stratified is not None and len(stratified.groups):
                made += [_common(rule, metric, grouping, kind, stratified, context)]
                made += [_within(rule, metric, grouping, kind, stratified, context)]
            elif len(grouping) == 1:
                groups = context.tables.groups(grouping).groups
                n = context.tables.sample(metric, grouping).n
                made.append(nothing_beside(rule, metric, grouping[0], groups, n))
    return made


def _common(
    rule: Rule,
    metric: str,
    grouping: tuple[str, ...],
    kind: str,
    found: Stratified,
    context: barriers.Context,
) -> Entry:
    evidence = found.common(kind)
    value = evidence.estimate
    n, reference_n = found.mine.n.sum(axis=1), found.reference.n.sum(axis=1)
    thin = found.pooled.too_thin | found.pooled_reference.too_thin
    floor, words = context.policy.min_group, metric_named(metric).denominator_words
    report = barriers.reports_small(context.policy, grouping)
    common = barriers.common_block(metric, context)
    blocked, reported = [], []
    for index in range(len(found.groups)):
        small = min(n[index], reference_n[index]) < floor
        reason = f"under min_group {floor} {words}" if small else common
        blocked.append(reason or (_THIN if thin[index] else None))
        reported.append(bool(small and report))
    why = tuple(None if np.isfinite(v) else "no stratum holds both groups" for v in value)
    return Entry(
        rule,
        metric,
        rule.comparison,
        grouping,
        found.groups,
        found.references,
        value,
        why,
        n,
        reference_n,
        tuple(blocked),
        tuple(reported),
        "mean",
        made=evidence,
    )


def _within(
    rule: Rule,
    metric: str,
    grouping: tuple[str, ...],
    kind: str,
    found: Stratified,
    context: barriers.Context,
) -> Entry:
    """Strata in which both groups have rows."""
    rows, columns = np.nonzero((found.mine.n > 0) & (found.reference.n > 0))
    k, n, rk, rn = (part[rows, columns] for part in found.counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = k / n - rk / rn if kind == "difference" else np.where(rk > 0, (k / n) / (rk / rn), np.nan)
    thin = (found.mine.thin | found.reference.thin)[rows, columns]
    deff, df = np.ones(len(rows)), np.full(len(rows), np.inf)
    few = np.zeros(len(rows), dtype=bool)
    if found.mine.bucket_k.shape[-1] and len(rows):
        one, two = (
            (side.bucket_k[rows, columns], side.bucket_n[rows, columns])
            for side in (found.mine, found.reference)
        )
        deff, df, occupied = clustered_rates(*one, *two, kind)
        deff, few = np.nan_to_num(deff, nan=1.0), occupied < LEAST_CLUSTERS
    floor, words = context.policy.min_group, metric_named(metric).denominator_words
    small = np.minimum(n, rn) < floor
    report = context.policy.small_groups != "inconclusive"
    common = barriers.common_block(metric, context)
    return Entry(
        rule,
        metric,
        rule.comparison,
        grouping,
        tuple(found.groups[row] for row in rows),
        tuple(found.references[row] for row in rows),
        value,
        tuple(None if np.isfinite(v) else "the reference's value is 0" for v in value),
        n,
        rn,
        tuple(
            f"under min_group {floor} {words} in the stratum"
            if flag
            else common
            or (f"under {LEAST_CLUSTERS} clusters in the stratum" if scarce else None)
            or (_THIN if slight else None)
            for flag, scarce, slight in zip(small, few, thin, strict=True)
        ),
        tuple(bool(flag and report) for flag in small),
        f"rates:{kind}",
        (k, n, rk, rn, deff, df, np.zeros(len(rows))),
        strata=tuple(found.strata[column] for column in columns),
    )
