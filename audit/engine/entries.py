"""Comparisons as arrays: what each compares, and their evaluation in a few vectorised batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.engine import distances, evidence, sampling, sided, skewed
from audit.engine.findings import Hypothesis, ranked
from audit.engine.groups import Floats, Index
from audit.engine.many import AgainstBest, EveryPair
from audit.registry import metric_named
from audit.result import Comparison, Group, Policy, Rule, group_name

Evidence = Any
NO_ERROR = "its sampling error is not known well enough for a test"
NO_OTHER = "another group"
"""The reference of an attribute that has one group alone."""
BUILDERS: dict[str, Callable[..., Evidence]] = {
    "rates:difference": lambda x1, n1, x2, n2, deff, df, share: evidence.Overall(
        evidence.TwoRates(x1, n1, x2, n2, "difference", deff, df), share, "difference"
    ),
    "rates:ratio": lambda x1, n1, x2, n2, deff, df, share: evidence.Overall(
        evidence.TwoRates(x1, n1, x2, n2, "ratio", deff, df), share, "ratio"
    ),
    "rate": evidence.OneRate,
    "mean": evidence.Linearised,
    "sided": sided.Sided,
    "log": lambda value, se, df, share: evidence.Overall(
        evidence.LogLinearised(value, se, df), share, "ratio"
    ),
    "odds:difference": evidence.OddsDifference,
    "logit": evidence.LogitLinearised,
    "from zero": evidence.FromZero,
    "auc": evidence.Auc,
    "best:difference": partial(AgainstBest, kind="difference"),
    "best:ratio": partial(AgainstBest, kind="ratio"),
    "lowest:difference": partial(AgainstBest, kind="difference", lowest=True),
    "lowest:ratio": partial(AgainstBest, kind="ratio", lowest=True),
    "pairs": EveryPair,
    "skewed": skewed.Skewed,
    "skewed:ratio": lambda m1, v1, k1, n1, m2, v2, k2, n2, power, share: evidence.Overall(
        skewed.SkewedRatio((m1, v1, k1, n1), (m2, v2, k2, n2), power), share, "ratio"
    ),
    "distance": distances.Distance,
    "auc:difference": lambda *parts: evidence.AucDifference(
        evidence.Auc(*parts[:6]), evidence.Auc(*parts[6:])
    ),
}
"""How the arrays of an entry become evidence; entries of one key are evaluated together."""


@dataclass(frozen=True)
class Entry:
    """The comparisons of one rule and metric in one grouping, an array entry each.

    `key` names a builder and `args` its arrays, or `made` is the evidence itself where it cannot be
    joined with others'.
    """

    rule: Rule
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    groups: tuple[Group, ...]
    references: tuple[str, ...]
    value: Floats
    why: tuple[str | None, ...]
    n: Floats
    reference_n: Floats | None
    blocked: tuple[str | None, ...]
    reported: tuple[bool, ...]
    key: str
    args: tuple[Floats, ...] = ()
    made: Evidence = None
    by_point: tuple[str | None, ...] | None = None
    strata: tuple[Group | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.groups)


def nothing_beside(rule: Rule, metric: str, attribute: str, groups: tuple[Group, ...], n: Floats) -> Entry:
    """An attribute of one group alone: an undefined comparison, so that the rule does not pass without it."""
    name = group_name(groups[0]) if groups else "none"
    reason = f"{attribute} has one group alone, {name}, and nothing to hold it against"
    size = len(groups)
    return Entry(
        rule=rule,
        metric=metric,
        comparison=rule.comparison,
        grouping=(attribute,),
        groups=groups,
        references=(NO_OTHER,) * size,
        value=np.full(size, np.nan),
        why=("there is no other group",) * size,
        n=n,
        reference_n=np.zeros(size),
        blocked=(f"{reason}; where that is right, name the rule's `attributes:` without it",) * size,
        reported=(False,) * size,
        key="mean",
        args=(np.full(size, np.nan),) * 3,
    )


@dataclass(frozen=True)
class _Batch:
    """Entries of one kind of evidence, evaluated together."""

    entries: list[Entry]
    evidence: Evidence
    places: Index
    """Where its comparisons stand among all of them."""


_Figures = dict[str, Floats]
"""What was worked out for each comparison, under the name of the field it goes into."""


def compare(entries: list[Entry], policy: Policy) -> tuple[Comparison, ...]:
    """Evaluate every entry: p values, the intervals that go with them, rows needed."""
    batches = _batches(entries)
    family = _family_sizes(entries, policy)
    total = sum(len(entry) for entry in entries)
    figures: _Figures = defaultdict(lambda: np.full(total, np.nan))
    for batch in batches:
        for name, values in _evaluate(batch, policy, family).items():
            figures[name][batch.places] = values
    tested = np.isfinite(figures["p_pass"]) & np.isfinite(figures["p_violation"])
    levels = np.full(total, 0.1)
    for index, rank, rejected, m in ranked(_hypotheses(entries, figures, tested), policy):
        levels[index] = 2 * policy.alpha / (m - min(rank, rejected + 1) + 1)
    for batch in batches:
        low, high = _possible(batch, *batch.evidence.interval(levels[batch.places]))
        figures["violation_low"][batch.places], figures["violation_high"][batch.places] = low, high
    return tuple(_comparisons(entries, figures, tested))


def _batches(entries: list[Entry]) -> list[_Batch]:
    starts = np.cumsum([0, *(len(entry) for entry in entries)])
    members: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        members[entry.key if entry.made is None else f"made {index}"].append(index)
    batches = []
    for chosen in members.values():
        first = entries[chosen[0]]
        made = first.made
        if made is None:
            columns = zip(*(entries[index].args for index in chosen), strict=True)
            made = BUILDERS[first.key](*(np.concatenate(column) for column in columns))
        places = np.concatenate([np.arange(starts[index], starts[index + 1]) for index in chosen])
        batches.append(_Batch([entries[index] for index in chosen], made, places))
    return batches


def _family_sizes(entries: list[Entry], policy: Policy) -> dict[str, int]:
    """How many comparisons a violation of each rule is adjusted for."""
    sizes: dict[str, int] = defaultdict(int)
    for entry in entries:
        sizes[entry.rule.id] += len(entry)
    whole = sum(sizes.values())
    return {rule: whole if policy.family == "policy" else size for rule, size in sizes.items()}


def _hypotheses(entries: list[Entry], figures: _Figures, tested: npt.NDArray[np.bool_]) -> list[Hypothesis]:
    p = iter(or_none(figures["p_violation"], tested))
    return [
        Hypothesis(entry.rule.id, entry.metric, entry.comparison, entry.grouping, reference, stratum, next(p))
        for entry in entries
        for reference, stratum in zip(entry.references, entry.strata or repeat(None), strict=False)
    ]


def _evaluate(batch: _Batch, policy: Policy, family: dict[str, int]) -> _Figures:
    made, sizes = batch.evidence, [len(entry) for entry in batch.entries]
    rules = [entry.rule for entry in batch.entries]
    lower = np.repeat([-np.inf if rule.lower is None else rule.lower for rule in rules], sizes)
    upper = np.repeat([np.inf if rule.upper is None else rule.upper for rule in rules], sizes)
    levels = np.array([[1 - policy.confidence], [2 * policy.alpha]]) * np.ones(sum(sizes))
    lows, highs = made.interval(levels)
    adjusted = policy.alpha / np.repeat([family[rule.id] for rule in rules], sizes)
    more, alone = _needed(batch, lower, upper, (lows[0], highs[0]), (policy.alpha, adjusted))
    lows, highs = _possible(batch, lows, highs)
    return {
        "p_pass": made.p_pass(lower, upper),
        "p_violation": made.p_violation(lower, upper),
        "low": lows[0],
        "high": highs[0],
        "pass_low": lows[1],
        "pass_high": highs[1],
        "more": more,
        "alone": alone,
    }


def _possible(batch: _Batch, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The limits, without what the metric, or a difference of two of its values, cannot be."""
    spans, sizes = [], [len(entry) for entry in batch.entries]
    for entry in batch.entries:
        least, most = metric_named(entry.metric).span
        possible = {"worst_group": (least, most), "difference": (least - most, most - least)}
        spans.append(possible.get(entry.comparison, (-np.inf, np.inf)))
    ends = np.repeat(np.array(spans), sizes, axis=0)
    return np.maximum(low, ends[:, 0]), np.minimum(high, ends[:, 1])


def _needed(
    batch: _Batch,
    lower: Floats,
    upper: Floats,
    plain: tuple[Floats, Floats],
    levels: tuple[float, Floats],
) -> tuple[Floats, Floats]:
    """Rows needed in the present mix, and by the group alone (NaN where that is not worked out).

    `levels` are those of a pass, which an estimate inside the band would come to, and of a violation.
    """
    chosen, made = batch.entries, batch.evidence
    estimate = np.concatenate([entry.value for entry in chosen])
    with np.errstate(invalid="ignore"):
        outside = (estimate < lower) | (estimate > upper)
    level = np.where(outside, levels[1], levels[0])
    if chosen[0].key.startswith("rates:") and isinstance(made, evidence.Overall):
        back = (made._back(lower), made._back(upper))
        rest = made.rest
        assert isinstance(rest, evidence.TwoRates)
        return sampling.two_rates_needed(rest, back[0], back[1], level)  # type: ignore[arg-type]
    with np.errstate(invalid="ignore"):
        se = (plain[1] - plain[0]) / 4
    n = np.concatenate([e.n if e.reference_n is None else e.n + e.reference_n for e in chosen])
    more = sampling.rows_needed(estimate, se, lower, upper, n, level)
    return more, np.full(len(estimate), np.nan)


_TESTED = (
    "low",
    "high",
    "p_pass",
    "p_violation",
    "pass_low",
    "pass_high",
    "violation_low",
    "violation_high",
)
"""Fields that are None where nothing can be tested."""


def _comparisons(
    entries: list[Entry], figures: _Figures, tested: npt.NDArray[np.bool_]
) -> Iterator[Comparison]:
    rows = zip(*(or_none(figures[name], tested) for name in _TESTED), strict=True)
    needed = zip(figures["more"].tolist(), figures["alone"].tolist(), tested.tolist(), strict=True)
    for entry in entries:
        values = or_none(entry.value)
        n = entry.n.astype(float).tolist()
        reference_n = None if entry.reference_n is None else entry.reference_n.astype(float).tolist()
        for index, group in enumerate(entry.groups):
            low, high, p_pass, p_violation, pass_low, pass_high, violation_low, violation_high = next(rows)
            rows_needed, note = _needed_words(*next(needed))
            untested = values[index] is not None and p_pass is None
            yield Comparison(
                rule=entry.rule.id,
                metric=entry.metric,
                comparison=entry.comparison,
                grouping=entry.grouping,
                group=group,
                reference=entry.references[index],
                value=values[index],
                low=low,
                high=high,
                n=n[index],
                reference_n=None if reference_n is None else reference_n[index],
                p_pass=p_pass,
                p_violation=p_violation,
                pass_low=pass_low,
                pass_high=pass_high,
                violation_low=violation_low,
                violation_high=violation_high,
                blocked=entry.blocked[index] or (NO_ERROR if untested else None),
                reported_only=entry.reported[index],
                by_point=None if entry.by_point is None else entry.by_point[index],
                rows_needed=rows_needed,
                rows_needed_note=note,
                why=None if values[index] is not None else (entry.why[index] or "undefined"),
                stratum=None if entry.strata is None else entry.strata[index],
            )


def or_none(values: Floats, kept: npt.NDArray[np.bool_] | None = None) -> list[float | None]:
    """Python numbers; None where not kept, NaN or infinite."""
    found = values.astype(float).astype(object)
    found[~np.isfinite(values) if kept is None else ~(np.isfinite(values) & kept)] = None
    listed: list[float | None] = found.tolist()
    return listed


MOST_ROWS = 1e8
"""More rows than this nobody will gather: the estimate lies all but on the bound."""


def _needed_words(more: float, alone: float, tested: bool) -> tuple[int | None, str | None]:
    if not tested:
        return None, None
    if not np.isfinite(more) or more > MOST_ROWS:
        return None, "cannot say, the estimate lies on the bound or all but on it"
    if more < 1:
        return None, "as many as there are would mostly do; this draw of them did not"
    if np.isnan(alone):
        return int(more), "in the present mix"
    if np.isinf(alone) or alone > MOST_ROWS:
        return int(more), "in the present mix; not by this group alone"
    return int(more), f"in the present mix; {int(alone):,} of this group alone"
