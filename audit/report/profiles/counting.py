"""Who was selected, counted from the audit's cells by any attributes, people of no known group apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import UsageError
from audit.result import AuditResult, Group


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
