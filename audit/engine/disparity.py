"""From rules to comparisons: each group of each grouping beside what the rule holds it against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from audit.engine.barriers import Context, blocks, by_point, reports_small, takes_rows_as_independent
from audit.engine.entries import Entry, nothing_beside
from audit.engine.groups import Floats, Index
from audit.engine.many import MOST_GROUPS, largest_log_ratio, pair_arguments
from audit.engine.metrics.distributions import Distribution
from audit.engine.metrics.sample import Arguments, Mean, Rate, Sample
from audit.engine.references import named, reference_of
from audit.registry import Alias, lookup, low_is_good, metric_named
from audit.result import Group, Rule, group_name


@dataclass(frozen=True)
class _Place:
    """One rule's metric in one grouping."""

    rule: Rule
    metric: str
    grouping: tuple[str, ...]
    groups: tuple[Group, ...]
    sample: Sample
    context: Context


def entries(rule: Rule, context: Context) -> list[Entry]:
    """The rule's comparisons, one entry for each metric and grouping."""
    found = lookup(rule.metric)
    named = found.metrics if isinstance(found, Alias) else (rule.metric,)
    made = []
    for name in (each for whole in named for each in context.tables.named(whole)):
        for grouping in context.tables.groupings:
            if rule.attributes and not set(grouping) <= set(rule.attributes):
                continue
            groups = context.tables.groups(grouping).groups
            place = _Place(rule, name, grouping, groups, context.tables.sample(name, grouping), context)
            entry = _entry(place, found.reference if isinstance(found, Alias) else None)
            if not len(entry) and len(grouping) == 1:
                entry = nothing_beside(rule, name, grouping[0], groups, place.sample.n)
            made.append(entry)
    return [entry for entry in made if len(entry)]


def _entry(place: _Place, fixed: str | None) -> Entry:
    """`fixed` is the reference that the rule's own definition names."""
    keyword = fixed or reference_of(place.grouping, place.context.references, place.context.tables)
    if place.rule.comparison == "worst_group":
        return _alone(place)
    if place.rule.comparison == "pairs":
        return _every_pair(place)
    if keyword == "best":
        return _against_best(place, by_law=fixed == "best")
    if keyword in ("rest", "overall"):
        return _against_others(place, str(keyword))
    return _against_group(place, keyword)


def _against_group(place: _Place, keyword: str | tuple[str, ...]) -> Entry:
    if keyword == "largest":
        chosen: int | None = place.context.tables.largest(place.grouping)
    else:
        chosen = named(keyword, place.groups, place.grouping)
    if chosen is None:
        return _without_reference(place, group_name(tuple(keyword)))
    index: Index = np.array([i for i in range(len(place.groups)) if i != chosen], dtype=np.int64)
    reference = place.sample.take(np.full(len(index), chosen, dtype=np.int64))
    return _compared(place, index, place.sample.take(index), reference, group_name(place.groups[chosen]))


def _against_others(place: _Place, keyword: str) -> Entry:
    index: Index = np.arange(len(place.groups) if len(place.groups) > 1 else 0)
    reference = place.context.tables.sample(place.metric, place.grouping, "rest").take(index)
    mine = place.sample.take(index)
    plain = place.rule.comparison not in ("difference", "ratio") and not isinstance(mine, Distribution)
    if keyword == "rest" or plain:
        return _compared(place, index, mine, reference, keyword)
    own, others = _mass(mine), _mass(reference)
    if own is None or others is None:
        return _against_everyone(place, index, mine)
    with np.errstate(invalid="ignore"):
        share = own / (own + others)
    entry = _compared(place, index, mine, reference, keyword, share)
    if not isinstance(mine, Mean):
        return entry
    # Of binned scores the mixture is exact to the bins alone; everyone's own value is there.
    direct = mine.compared(_everyone(place, index), np.zeros(len(index)), place.rule.comparison)
    return replace(entry, value=np.where(np.isnan(entry.value), np.nan, direct))


def _everyone(place: _Place, index: Index) -> Sample:
    """Everyone's value, once for each group."""
    return place.context.tables.sample(place.metric, ()).take(np.zeros(len(index), dtype=np.int64))


def _mass(sample: Sample) -> Floats | None:
    """What the sample's values are means over; None where they are none."""
    return sample.mass if isinstance(sample, (Rate, Mean, Distribution)) else None


def _against_everyone(place: _Place, index: Index, mine: Sample) -> Entry:
    """Values against everyone's where that is no mixture of the group's and the rest's: without a test."""
    entry = _compared(
        place, index, mine, _everyone(place, index), "overall", evidence=_untestable(len(index))
    )
    return replace(entry, blocked=tuple(why or _NO_MIX for why in entry.why))


_NO_MIX = "not a mean over rows, so that no test against overall is known; name rest"


def _compared(
    place: _Place,
    index: Index,
    mine: Sample,
    reference: Sample,
    name: str,
    share: Floats | None = None,
    evidence: Arguments | None = None,
) -> Entry:
    """Group against reference, entry by entry; `share` is the group's part of the reference, 0 if apart."""
    share = np.zeros(len(index)) if share is None else share
    value = mine.compared(reference, share, place.rule.comparison)
    independent = takes_rows_as_independent(place.metric, place.context)
    found = None if independent else evidence or mine.versus(reference, share, place.rule.comparison)
    blocked, reported = blocks(place.metric, place.grouping, mine, reference, place.context)
    if found is None:
        reason = f"no test of {place.metric} by {place.rule.comparison}"
        blocked = tuple(block or reason for block in blocked)
    key, args = found or _untestable(len(index))
    return Entry(
        rule=place.rule,
        metric=place.metric,
        comparison=place.rule.comparison,
        grouping=place.grouping,
        groups=tuple(place.groups[i] for i in index),
        references=(name,) * len(index),
        value=value,
        why=_why(mine, reference, value, place.rule.comparison),
        n=mine.n,
        reference_n=reference.n,
        blocked=blocked,
        reported=reported,
        key=key,
        args=args,
        by_point=_points(place, mine, reference, value),
    )


def _why(mine: Sample, reference: Sample, value: Floats, comparison: str) -> tuple[str | None, ...]:
    defined = np.isfinite(value)
    if defined.all():
        return (None,) * len(value)
    reasons: list[str | None] = []
    refused = mine.why_not(reference, comparison)
    for index in range(len(value)):
        if refused[index]:
            reasons.append(refused[index])
        elif defined[index]:
            reasons.append(None)
        elif mine.why[index]:
            reasons.append(mine.why[index])
        elif reference.why[index]:
            reasons.append(f"in the reference: {reference.why[index]}")
        elif mine.value[index] < 0 or reference.value[index] < 0:
            reasons.append("a ratio of values under 0 says nothing")
        elif mine.value[index] == 0:
            reasons.append("0/0: the value is 0 in the group and in the reference")
        else:
            reasons.append("the reference's value is 0")
    return tuple(reasons)


def _points(place: _Place, mine: Sample, reference: Sample, value: Floats) -> tuple[str | None, ...] | None:
    if place.rule.judge != "estimate":
        return None
    return by_point(place.rule, mine, reference, value, place.context.policy.min_group)


def _untestable(size: int) -> Arguments:
    """No evidence either way."""
    return "mean", (np.full(size, np.nan),) * 3


def _without_reference(place: _Place, name: str) -> Entry:
    """Every comparison undefined: the reference intersection has no rows."""
    size, reason = len(place.groups), "the reference group has no rows"
    key, args = _untestable(size)
    return Entry(
        rule=place.rule,
        metric=place.metric,
        comparison=place.rule.comparison,
        grouping=place.grouping,
        groups=place.groups,
        references=(name,) * size,
        value=args[0],
        why=(reason,) * size,
        n=place.sample.n,
        reference_n=np.zeros(size),
        blocked=(reason,) * size,
        reported=(reports_small(place.context.policy, place.grouping),) * size,
        key=key,
        args=args,
    )


def _alone(place: _Place) -> Entry:
    """Each group's own value against the band."""
    size = len(place.groups)
    independent = takes_rows_as_independent(place.metric, place.context)
    found = None if independent else place.sample.alone()
    blocked, reported = blocks(place.metric, place.grouping, place.sample, None, place.context)
    key, args = found or _untestable(size)
    return Entry(
        rule=place.rule,
        metric=place.metric,
        comparison=place.rule.comparison,
        grouping=place.grouping,
        groups=place.groups,
        references=("parity",) * size,
        value=place.sample.value,
        why=place.sample.why,
        n=place.sample.n,
        reference_n=None,
        blocked=blocked,
        reported=reported,
        key=key,
        args=args,
        by_point=_points(place, place.sample, place.sample, place.sample.value),
    )


def _against_best(place: _Place, *, by_law: bool) -> Entry:
    """Against the value that is best for people, small groups aside where intervals judge.

    `by_law`: against the highest rate of the favourable outcome, whichever prediction that is.
    """
    sample, size, adverse = place.sample, len(place.groups), place.context.adverse
    lowest = not by_law and low_is_good(metric_named(place.metric), "adverse" if adverse else "favourable")
    if by_law and adverse and isinstance(sample, Rate):
        sample = sample.complement()
    if size < 2:
        nothing = np.zeros(0, dtype=np.int64)
        return _compared(place, nothing, sample.take(nothing), sample.take(nothing), "")
    rate = np.where(np.isnan(sample.value), -np.inf, -sample.value if lowest else sample.value)
    large = np.where(sample.effective >= place.context.policy.min_group, rate, -np.inf)
    best = int((large if place.rule.judge == "interval" and np.isfinite(large.max()) else rate).argmax())
    index: Index = np.array([i for i in range(size) if i != best], dtype=np.int64)
    evidence = _untestable(len(index))
    if isinstance(sample, Rate) and size <= MOST_GROUPS:
        kind = "lowest" if lowest else "best"
        evidence = f"{kind}:{place.rule.comparison}", pair_arguments(sample, index)
    reference = sample.take(np.full(len(index), best, dtype=np.int64))
    return _compared(
        place, index, sample.take(index), reference, group_name(place.groups[best]), evidence=evidence
    )


def _every_pair(place: _Place) -> Entry:
    """Each group's largest log ratio to any other group, of either outcome."""
    sample, size = place.sample, len(place.groups)
    if size < 2 or not isinstance(sample, Rate):
        nothing = np.zeros(0, dtype=np.int64)
        return _compared(place, nothing, sample.take(nothing), sample.take(nothing), "")
    value, partner = largest_log_ratio(sample)
    blocked, reported = blocks(place.metric, place.grouping, sample, None, place.context)
    key, args = _untestable(size)
    if size <= MOST_GROUPS:
        key, args = "pairs", pair_arguments(sample, np.arange(size))
    else:
        blocked = tuple(b or f"{size} groups: pairs are tested up to {MOST_GROUPS}" for b in blocked)
    undefined = "a rate is 0 or 1 in one group of the pair"
    return Entry(
        rule=place.rule,
        metric=place.metric,
        comparison=place.rule.comparison,
        grouping=place.grouping,
        groups=place.groups,
        references=tuple(group_name(place.groups[other]) for other in partner),
        value=value,
        why=tuple(
            None if np.isfinite(v) else why or undefined for v, why in zip(value, sample.why, strict=True)
        ),
        n=sample.n,
        reference_n=None,
        blocked=blocked,
        reported=reported,
        key=key,
        args=args,
    )
