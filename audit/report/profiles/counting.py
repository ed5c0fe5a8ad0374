"""Who was selected, counted from the audit's cells by any attributes, people of no known group apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from audit.errors import UsageError
from audit.registry import require_decisions
from audit.result import Attribute, AuditResult, Group, ScoreBins


@dataclass(frozen=True, slots=True)
class Selected:
    """(people, selected) by group of some attributes; `unknown` are those with a missing value."""

    by_group: dict[tuple[str, ...], tuple[int, int]]
    unknown: int


def selected(result: AuditResult, attributes: Sequence[str], *, known: Sequence[str] = ()) -> Selected:
    """How many of each group there were, and for how many the outcome was favourable.

    `known` are further attributes that must not be missing for a person to count. A UsageError where
    the rows are weighted (people are counted here, not weights) or there are no decisions.
    """
    require_decisions(result.data.task, "this profile")
    if result.data.weights == "sampling":
        raise UsageError(
            "the rows are weighted, and this profile counts people",
            hint="Audit the people themselves, without `weight`.",
        )
    favourable = 0 if result.system.outcome == "adverse" else 1
    by_group: dict[tuple[str, ...], tuple[int, int]] = {}
    unknown = 0
    for cell in result.cells:
        if cell.prediction is None:
            continue
        values = dict(zip(cell.grouping, cell.group, strict=True))
        group: Group = tuple(values[name] for name in attributes)
        if any(values[name] is None for name in (*attributes, *known)):
            unknown += cell.n
            continue
        key = tuple(value for value in group if value is not None)
        n, chosen = by_group.get(key, (0, 0))
        by_group[key] = (n + cell.n, chosen + (cell.n if cell.prediction == favourable else 0))
    return Selected({key: by_group[key] for key in sorted(by_group)}, unknown)


def attribute_of(result: AuditResult, kind: str) -> str | None:
    """The name of the attribute that the spec reads as `kind` (sex, race_ethnicity, age)."""
    return next((a.name for a in result.data.attributes if a.kind == kind), None)


def control_group(attribute: Attribute, people: dict[str, tuple[int, int]]) -> tuple[str, str]:
    """The group that others are held against, and how it was chosen; `people` is (n, chosen) by group."""
    if attribute.reference in people:
        return attribute.reference, "as the policy names it"
    if attribute.reference == "best":
        return max(people, key=lambda g: people[g][1] / people[g][0]), "the highest approval rate"
    return max(people, key=lambda g: people[g][0]), "the largest group"


def moments(
    result: AuditResult, grouping: tuple[str, ...], group: tuple[str, ...]
) -> tuple[float | None, float | None]:
    """Mean and population standard deviation of the scores.

    Each is read at the mean of the group's labelled rows in its bin, or midway between the bin's least and
    greatest score where there is none.
    """
    found = next((b for b in result.score_bins if (b.grouping, b.group) == (grouping, group)), None)
    if found is None:
        return None, None
    counts = _counts(found)
    total = math.fsum(counts)
    if total == 0:
        return None, None
    scores = [
        (low + high) / 2 if known is None else known
        for (low, high), known in zip(spans(result), found.mean_score, strict=True)
    ]
    mean = math.fsum(s * k for s, k in zip(scores, counts, strict=True)) / total
    spread = math.fsum(k * (s - mean) ** 2 for s, k in zip(scores, counts, strict=True)) / total
    return mean, math.sqrt(spread)


def spans(result: AuditResult) -> tuple[tuple[float, float], ...]:
    """The least and greatest score of each bin; its edges where an older audit does not say them."""
    return result.score_spans or tuple(pairwise(result.score_edges))


def width(result: AuditResult) -> float | None:
    """How far apart scores of one bin can lie; 0 where each has its own, None where there are none."""
    return max((high - low for low, high in spans(result)), default=None)


def _counts(bins: ScoreBins) -> list[float]:
    return [sum(three) for three in zip(bins.positives, bins.negatives, bins.unlabelled, strict=True)]
