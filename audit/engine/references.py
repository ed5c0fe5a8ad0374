"""Whom a group is held against."""

from __future__ import annotations

from audit.engine.groups import Floats
from audit.engine.tables import Tables
from audit.errors import SpecError
from audit.registry import nearest
from audit.result import Group, group_name

KEYWORDS = ("largest", "rest", "overall", "best")


def reference_of(
    grouping: tuple[str, ...], references: dict[str, str], tables: Tables
) -> str | tuple[str, ...]:
    """A keyword, or the values of the reference group.

    In an intersection named values are joined by the largest group of each attribute that names
    none; attributes that disagree otherwise fall back to `largest`.
    """
    asked = [references[name] for name in grouping]
    if len(set(asked)) == 1 and asked[0] in KEYWORDS:
        return asked[0]
    if any(reference in KEYWORDS and reference != "largest" for reference in asked):
        return "largest"
    return tuple(
        _largest_value(name, tables) if reference == "largest" else reference
        for name, reference in zip(grouping, asked, strict=True)
    )


def _largest_value(attribute: str, tables: Tables) -> str:
    groups = tables.groups((attribute,))
    return group_name(groups.groups[largest(groups.rows, groups.groups)])


def largest(sample_rows: Floats, groups: tuple[Group, ...]) -> int:
    """The group with the most rows; ties go to the first by name. A missing value is never the reference."""
    candidates = [i for i, group in enumerate(groups) if None not in group] or list(range(len(groups)))
    return min(candidates, key=lambda i: (-sample_rows[i], group_name(groups[i])))


def named(keyword: str | tuple[str, ...], groups: tuple[Group, ...], grouping: tuple[str, ...]) -> int | None:
    if keyword in groups:
        return groups.index(keyword)
    if len(grouping) > 1:
        return None
    present = [group_name(group) for group in groups]
    near = nearest(str(keyword[0]), present)
    raise SpecError(
        f"no group of {grouping[0]} is called {keyword[0]!r}; there are: {', '.join(present[:20])}",
        where=f"data.attributes.{grouping[0]}.reference",
        hint=f"Did you mean {near}?" if near else "Name one of them, or largest, rest, overall, best.",
    )
