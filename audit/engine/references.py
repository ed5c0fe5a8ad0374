"""Whom a group is held against."""

from __future__ import annotations

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
    grouping = (attribute,)
    return group_name(tables.groups(grouping).groups[tables.largest(grouping)])


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
