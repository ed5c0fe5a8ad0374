"""Whom a group is held against."""

from __future__ import annotations

from audit.engine.groups import Floats
from audit.errors import SpecError
from audit.registry import nearest
from audit.result import Group, group_name

KEYWORDS = ("largest", "rest", "overall", "best")


def reference_of(grouping: tuple[str, ...], references: dict[str, str]) -> str | tuple[str, ...]:
    """A keyword, or the named values of all attributes; attributes that disagree fall back to `largest`."""
    named = [references[name] for name in grouping]
    if all(name not in KEYWORDS for name in named):
        return tuple(named)
    return named[0] if len(set(named)) == 1 else "largest"


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
