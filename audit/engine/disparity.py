"""From rules to comparisons: which group is held against whom, and what keeps it from passing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from audit.engine import sampling
from audit.engine.entries import Entry
from audit.engine.groups import Floats, Index
from audit.engine.many import MOST_GROUPS, largest_log_ratio, pair_arguments
from audit.engine.metrics.decisions import conditions_on_prediction
from audit.engine.metrics.sample import Sample
from audit.engine.tables import Tables
from audit.errors import SpecError
from audit.registry import Alias, lookup, metrics, nearest
from audit.result import Group, Policy, Rule, group_name

KEYWORDS = ("largest", "rest", "overall", "best")


@dataclass(frozen=True)
class Context:
    """What the comparisons of one rule need beside the tables."""

    tables: Tables
    policy: Policy
    references: dict[str, str]
    """Per attribute its reference: a value or a keyword."""
    adverse: bool


def entries(rule: Rule, context: Context) -> list[Entry]:
    """The rule's comparisons, one entry for each metric and grouping."""
    found = lookup(rule.metric)
    names = found.metrics if isinstance(found, Alias) else (rule.metric,)
    made = []
    for name in names:
        for grouping in context.tables.groupings:
            if rule.attributes and not set(grouping) <= set(rule.attributes):
                continue
            made.append(_entry(rule, found, name, grouping, context))
    return [entry for entry in made if len(entry)]


def _entry(rule: Rule, found: object, metric: str, grouping: tuple[str, ...], context: Context) -> Entry:
    sample = context.tables.sample(metric, grouping)
    groups = context.tables.groups(grouping).groups
    if isinstance(found, Alias) and found.reference == "best" and context.adverse:
        sample = complement(sample)
    keyword = reference_of(grouping, context.references)
    if isinstance(found, Alias) and found.reference is not None:
        keyword = found.reference
    if rule.comparison == "worst_group":
        return _alone(rule, metric, grouping, groups, sample, context)
    if rule.comparison == "pairs":
        return _every_pair(rule, metric, grouping, groups, sample, context)
    if keyword == "best":
        return _against_best(rule, metric, grouping, groups, sample, context)
    return _against(rule, metric, grouping, groups, sample, keyword, context)


def reference_of(grouping: tuple[str, ...], references: dict[str, str]) -> str | tuple[str, ...]:
    """A keyword, or the named values of all attributes; attributes that disagree fall back to `largest`."""
    named = [references[name] for name in grouping]
    if all(name not in KEYWORDS for name in named):
        return tuple(named)
    return named[0] if len(set(named)) == 1 else "largest"


def complement(sample: Sample) -> Sample:
    """The rate of the other outcome."""
    assert sample.x is not None and sample.size is not None and sample.k is not None
    bucket = None if sample.bucket_k is None or sample.bucket_n is None else sample.bucket_n - sample.bucket_k
    weight = np.where(sample.value > 0, sample.k / np.where(sample.value > 0, sample.value, 1), sample.n)
    return replace(
        sample, value=1 - sample.value, x=sample.size - sample.x, k=weight - sample.k, bucket_k=bucket
    )


def largest(sample_rows: Floats, groups: tuple[Group, ...]) -> int:
    """The group with the most rows; ties go to the first by name. A missing value is never the reference."""
    candidates = [i for i, group in enumerate(groups) if None not in group] or list(range(len(groups)))
    return min(candidates, key=lambda i: (-sample_rows[i], group_name(groups[i])))


def _against(
    rule: Rule,
    metric: str,
    grouping: tuple[str, ...],
    groups: tuple[Group, ...],
    sample: Sample,
    keyword: str | tuple[str, ...],
    context: Context,
) -> Entry:
    tables = context.tables
    index: Index = np.arange(len(groups))
    share = np.zeros(len(groups))
    if keyword in ("rest", "overall"):
        reference = tables.sample(metric, grouping, "rest")
        names = [str(keyword)] * len(groups)
        if keyword == "overall":
            with np.errstate(invalid="ignore"):
                mass = [part.n if part.mass is None else part.mass for part in (sample, reference)]
                share = mass[0] / (mass[0] + mass[1])
    else:
        rows = tables.groups(grouping).rows
        chosen = largest(rows, groups) if keyword == "largest" else _named(keyword, groups, grouping)
        if chosen is None:
            return _no_reference(rule, metric, grouping, groups, sample, keyword, context)
        index = np.array([i for i in range(len(groups)) if i != chosen], dtype=np.int64)
        reference = sample.take(np.full(len(index), chosen, dtype=np.int64))
        names = [group_name(groups[chosen])] * len(index)
        share = share[index]
    mine = sample.take(index)
    if keyword in ("rest", "overall") and len(groups) == 1:
        mine, reference, index, names, share = mine.take(index[:0]), reference.take(index[:0]), index[:0], [], share[:0]
    value = _compare(mine, reference, share, rule.comparison)
    key, args = _arguments(mine, reference, share, rule.comparison)
    chosen_groups = tuple(groups[i] for i in index)
    blocked, reported = _blocks(rule, metric, grouping, mine, reference, context, key, args)
    entry = Entry(
        rule, metric, rule.comparison, grouping, chosen_groups, tuple(names), value,
        _why(mine, reference, value, rule.comparison), mine.n, reference.n, blocked, reported, key, args,
    )
    return replace(entry, by_point=_by_point(rule, mine, reference, value)) if rule.judge == "estimate" else entry


def _named(keyword: str | tuple[str, ...], groups: tuple[Group, ...], grouping: tuple[str, ...]) -> int | None:
    if keyword in groups:
        return groups.index(keyword)  # type: ignore[arg-type]
    if len(grouping) > 1:
        return None
    present = [group_name(group) for group in groups]
    near = nearest(str(keyword[0]), present)
    raise SpecError(
        f"no group of {grouping[0]} is called {keyword[0]!r}; there are: {', '.join(present[:20])}",
        where=f"data.attributes.{grouping[0]}.reference",
        hint=f"Did you mean {near}?" if near else "Name one of them, or largest, rest, overall, best.",
    )


def _no_reference(
    rule: Rule,
    metric: str,
    grouping: tuple[str, ...],
    groups: tuple[Group, ...],
    sample: Sample,
    keyword: str | tuple[str, ...],
    context: Context,
) -> Entry:
    """Every comparison undefined: the reference intersection has no rows."""
    size = len(groups)
    gone = np.full(size, np.nan)
    reason = "the reference group has no rows"
    report = reports_small(context.policy, grouping)
    return Entry(
        rule, metric, rule.comparison, grouping, groups, (group_name(tuple(keyword)),) * size, gone,
        (reason,) * size, sample.n, np.zeros(size), (reason,) * size, (report,) * size, "mean", (gone, gone, gone),
    )


def _compare(mine: Sample, reference: Sample, share: Floats, comparison: str) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        if comparison == "ratio":
            below = (1 - share) * reference.value + share * mine.value
            ratio: Floats = mine.value / np.where(below != 0, below, np.nan)
            return np.where(below > 0, ratio, np.nan)
        difference: Floats = (1 - share) * (mine.value - reference.value)
        return difference


def _why(mine: Sample, reference: Sample, value: Floats, comparison: str) -> tuple[str | None, ...]:
    reasons: list[str | None] = []
    for index, number in enumerate(value):
        if np.isfinite(number):
            reasons.append(None)
        elif mine.why[index]:
            reasons.append(mine.why[index])
        elif reference.why[index]:
            reasons.append(f"in the reference: {reference.why[index]}")
        elif comparison == "ratio" and mine.value[index] == 0:
            reasons.append("0/0: the value is 0 in the group and in the reference")
        else:
            reasons.append("the reference's value is 0")
    return tuple(reasons)


def _arguments(
    mine: Sample, reference: Sample, share: Floats, comparison: str
) -> tuple[str, tuple[Floats, ...]]:
    """Which evidence the comparison stands on, and its arrays."""
    if mine.kind == "rate":
        assert mine.x is not None and mine.size is not None
        assert reference.x is not None and reference.size is not None
        deff, df = _clusters(mine, reference, comparison)
        return f"rates:{comparison}", (
            mine.x, mine.size, reference.x, reference.size, deff, df, share,
        )
    if mine.kind == "auc":
        assert mine.auc is not None and reference.auc is not None
        return "auc:difference", (*mine.auc, *reference.auc)
    return _linear(mine, reference, share, comparison)


def _linear(mine: Sample, reference: Sample, share: Floats, comparison: str) -> tuple[str, tuple[Floats, ...]]:
    assert mine.se is not None and reference.se is not None
    infinite = np.full(len(mine), np.inf)
    value = _compare(mine, reference, share, comparison)
    with np.errstate(invalid="ignore", divide="ignore"):
        on_log = comparison == "ratio"
        own = [part.se / part.value if on_log and part.kind != "odds" else part.se for part in (mine, reference)]
        if not on_log and mine.kind == "odds":
            own = [part.se * part.value for part in (mine, reference)]
        se = np.hypot(own[0], own[1]) * (1 - share)
        if mine.leave_out is not None and reference.leave_out is not None:
            a, b = mine.leave_out, reference.leave_out
            leave = np.log(a / b) if on_log else (a - b) * (1 - share)[:, None]
            full = np.log(value) if on_log else value
            occupied = mine.occupied | reference.occupied  # type: ignore[operator]
            jack = np.sqrt(sampling.jackknife(full, leave, occupied))
            se, infinite = np.maximum(se, jack), np.maximum(occupied.sum(axis=1) - 1.0, 1.0)
    return ("log" if on_log else "mean"), (value, se, infinite)


def _clusters(mine: Sample, reference: Sample, comparison: str) -> tuple[Floats, Floats]:
    if mine.bucket_k is None or mine.bucket_n is None:
        return np.ones(len(mine)), np.full(len(mine), np.inf)
    assert reference.bucket_k is not None and reference.bucket_n is not None
    deff, df, _ = sampling.clustered_rates(
        mine.bucket_k, mine.bucket_n, reference.bucket_k, reference.bucket_n, comparison
    )
    return np.nan_to_num(deff, nan=1.0), df


def reports_small(policy: Policy, grouping: tuple[str, ...]) -> bool:
    if policy.small_groups is None:
        return len(grouping) > 1
    return policy.small_groups == "report"


def _blocks(
    rule: Rule,
    metric: str,
    grouping: tuple[str, ...],
    mine: Sample,
    reference: Sample | None,
    context: Context,
    key: str,
    args: tuple[Floats, ...],
) -> tuple[tuple[str | None, ...], tuple[bool, ...]]:
    """Per comparison why it cannot pass (None: it can), and whether it is only reported."""
    policy, words = context.policy, metrics()[metric].denominator_words
    report = reports_small(policy, grouping)
    common = common_block(metric, context)
    blocked: list[str | None] = []
    reported: list[bool] = []
    for index in range(len(mine)):
        small = mine.effective[index] < policy.min_group
        reason = mine.why[index] or common
        if small:
            reason = f"{mine.effective[index]:,.0f} {words}, under min_group {policy.min_group}"
        elif reason is None and mine.thin is not None and mine.thin[index]:
            reason = "under ten weighted rows in numerator or complement"
        elif reason is None and reference is not None:
            reason = _reference_block(reference, index, policy.min_group, words)
        if reason is None and key == "mean" and not np.isfinite(args[1][index]):
            reason = "no standard error"
        blocked.append(reason)
        reported.append(bool(small and report))
    return tuple(blocked), tuple(reported)


def _reference_block(reference: Sample, index: int, floor: int, words: str) -> str | None:
    if reference.why[index]:
        return f"in the reference: {reference.why[index]}"
    if reference.effective[index] < floor:
        return f"the reference has {reference.effective[index]:,.0f} {words}, under min_group {floor}"
    if reference.thin is not None and reference.thin[index]:
        return "the reference has under ten weighted rows in numerator or complement"
    return None


def common_block(metric: str, context: Context) -> str | None:
    """What keeps every comparison of the metric from passing."""
    clusters = context.tables.counts.clusters
    if clusters is not None and clusters < sampling.LEAST_CLUSTERS:
        return f"{clusters} clusters, under {sampling.LEAST_CLUSTERS}"
    if clusters is not None and metric == "auc":
        return "rows are clustered, and the area's interval takes them as independent"
    needs = metrics()[metric].needs
    if "label" in needs and conditions_on_prediction(metrics()[metric]) is None:
        return context.tables.uneven_labels
    return None


def _by_point(rule: Rule, mine: Sample, reference: Sample, value: Floats) -> tuple[str | None, ...]:
    """The verdict of the point alone; rates of counts are compared as integers."""
    found: list[str | None] = []
    for index, number in enumerate(value):
        if rule.comparison == "ratio" and mine.kind == "rate" and mine.k is not None and reference.k is not None:
            found.append(_exact_ratio(rule, mine, reference, index))
        elif not np.isfinite(number):
            found.append(None)
        else:
            low = -np.inf if rule.lower is None else rule.lower
            high = np.inf if rule.upper is None else rule.upper
            found.append("pass" if low - 1e-12 <= number <= high + 1e-12 else "violation")
    return tuple(found)


def _exact_ratio(rule: Rule, mine: Sample, reference: Sample, index: int) -> str | None:
    assert mine.k is not None and reference.k is not None
    if mine.n[index] == 0 or reference.n[index] == 0 or not reference.k[index]:
        return None
    rates = []
    for part in (mine, reference):
        if part.thin is None:
            rates.append(Fraction(int(part.k[index])) / Fraction(int(part.n[index])))
        else:
            rates.append(Fraction(float(part.value[index])))
    ratio = rates[0] / rates[1]
    if rule.lower is not None and ratio < Fraction(str(rule.lower)):
        return "violation"
    if rule.upper is not None and ratio > Fraction(str(rule.upper)):
        return "violation"
    return "pass"


def _alone(
    rule: Rule, metric: str, grouping: tuple[str, ...], groups: tuple[Group, ...], sample: Sample, context: Context
) -> Entry:
    size = len(groups)
    infinite = np.full(size, np.inf)
    if sample.kind == "rate":
        assert sample.x is not None and sample.size is not None
        deff, df = np.ones(size), infinite
        if sample.bucket_k is not None and sample.bucket_n is not None:
            deff, df, _ = sampling.clustered_rate(sample.bucket_k, sample.bucket_n)
            deff = np.nan_to_num(deff, nan=1.0)
        key, args = "rate", (sample.x, sample.size, deff, df)
    elif sample.kind == "auc":
        assert sample.auc is not None
        key, args = "auc", sample.auc
    else:
        assert sample.se is not None
        se, df = sample.se, infinite
        if sample.leave_out is not None:
            jack = sampling.jackknife(sample.value, sample.leave_out, sample.occupied)  # type: ignore[arg-type]
            se, df = np.maximum(se, np.sqrt(jack)), np.maximum(sample.occupied.sum(axis=1) - 1.0, 1.0)  # type: ignore[union-attr]
        key, args = ("log" if sample.kind == "odds" else "mean"), (sample.value, se, df)
    blocked, reported = _blocks(rule, metric, grouping, sample, None, context, key, args)
    entry = Entry(
        rule, metric, rule.comparison, grouping, groups, ("parity",) * size, sample.value, sample.why,
        sample.n, None, blocked, reported, key, args,
    )
    return replace(entry, by_point=_by_point(rule, sample, sample, sample.value)) if rule.judge == "estimate" else entry


def _pair_clusters(sample: Sample) -> tuple[Floats, Floats]:
    """Design effect and degrees of freedom of each group's own rate, for comparisons of all pairs."""
    if sample.bucket_k is None or sample.bucket_n is None:
        return np.ones(len(sample)), np.full(len(sample), np.inf)
    deff, df, _ = sampling.clustered_rate(sample.bucket_k, sample.bucket_n)
    return np.nan_to_num(deff, nan=1.0), df


def _against_best(
    rule: Rule, metric: str, grouping: tuple[str, ...], groups: tuple[Group, ...], sample: Sample, context: Context
) -> Entry:
    size = len(groups)
    if size < 2:
        return _empty(rule, metric, grouping)
    floor = sample.effective >= context.policy.min_group
    ranked = np.where(np.isnan(sample.value), -np.inf, sample.value)
    candidates = np.where(floor & np.isfinite(sample.value), ranked, -np.inf) if rule.judge == "interval" else ranked
    best = int(candidates.argmax()) if np.isfinite(candidates.max()) else int(ranked.argmax())
    index: Index = np.array([i for i in range(size) if i != best], dtype=np.int64)
    mine, reference = sample.take(index), sample.take(np.full(len(index), best, dtype=np.int64))
    value = _compare(mine, reference, np.zeros(len(index)), rule.comparison)
    key: str = "mean"
    args: tuple[Floats, ...] = (np.full(len(index), np.nan),) * 3
    tested = size <= MOST_GROUPS and sample.kind == "rate"
    if tested:
        key, args = f"best:{rule.comparison}", pair_arguments(sample, index, *_pair_clusters(sample))
    blocked, reported = _blocks(rule, metric, grouping, mine, reference, context, "best", ())
    if not tested:
        reason = f"{size} groups: all pairs are tested up to {MOST_GROUPS}" if size > MOST_GROUPS else "only rates are held against the best"
        blocked = tuple(block or (reason if rule.judge == "interval" else None) for block in blocked)
    entry = Entry(
        rule, metric, rule.comparison, grouping, tuple(groups[i] for i in index),
        (group_name(groups[best]),) * len(index), value, _why(mine, reference, value, rule.comparison),
        mine.n, reference.n, blocked, reported, key, args,
    )
    return replace(entry, by_point=_by_point(rule, mine, reference, value)) if rule.judge == "estimate" else entry


def _every_pair(
    rule: Rule, metric: str, grouping: tuple[str, ...], groups: tuple[Group, ...], sample: Sample, context: Context
) -> Entry:
    size = len(groups)
    if size < 2:
        return _empty(rule, metric, grouping)
    value, partner = largest_log_ratio(sample)
    names = tuple(group_name(groups[other]) for other in partner)
    why = tuple(
        None if np.isfinite(v) else (sample.why[i] or "a rate is 0 or 1 in one group of the pair")
        for i, v in enumerate(value)
    )
    key: str = "mean"
    args: tuple[Floats, ...] = (np.full(size, np.nan),) * 3
    if size <= MOST_GROUPS:
        key, args = "pairs", pair_arguments(sample, np.arange(size), *_pair_clusters(sample))
    blocked, reported = _blocks(rule, metric, grouping, sample, None, context, "pairs", ())
    if key != "pairs":
        blocked = tuple(block or f"{size} groups: all pairs are tested up to {MOST_GROUPS}" for block in blocked)
    return Entry(
        rule, metric, rule.comparison, grouping, groups, names, value, why, sample.n, None, blocked, reported,
        key, args,
    )


def _empty(rule: Rule, metric: str, grouping: tuple[str, ...]) -> Entry:
    nothing = np.zeros(0)
    return Entry(rule, metric, rule.comparison, grouping, (), (), nothing, (), nothing, None, (), (), "mean", (nothing,) * 3)
