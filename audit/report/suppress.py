"""Which groups a page must not show, so that no small count can be read or worked out from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from audit.report.numbers import name
from audit.result import AuditResult, Comparison, Group, group_name

Key = tuple[tuple[str, ...], Group]


@dataclass(frozen=True, slots=True)
class Withheld:
    """The groups whose figures are withheld: `small` by their own counts, `second` to protect those."""

    limit: int | None
    small: frozenset[Key]
    second: frozenset[Key]
    names: frozenset[tuple[tuple[str, ...], str]]

    def group(self, grouping: tuple[str, ...], group: Group) -> bool:
        """Whether a group's figures are withheld."""
        return (grouping, group) in self.small or (grouping, group) in self.second

    def comparison(self, row: Comparison) -> bool:
        """Whether a comparison is: by its group, by its reference, or by a denominator of its own."""
        return (
            self.group(row.grouping, row.group)
            or (row.grouping, row.reference) in self.names
            or self.count(row.n)
            or self.count(row.reference_n)
        )

    def count(self, n: float | None) -> bool:
        """Whether a bare count is too small to be shown."""
        return self.limit is not None and n is not None and 0 < n < self.limit


def withheld(result: AuditResult) -> Withheld:
    """The groups that `suppress_below` withholds in `result`.

    A group is withheld whole where any denominator of its figures is above 0 and below the limit,
    since the other figures of the same group would give it away. Where a total is shown and only
    one of its parts is withheld, the smallest other part is withheld too.
    """
    limit = result.policy.suppress_below
    if limit is None:
        return Withheld(None, frozenset(), frozenset(), frozenset())
    size: dict[Key, float] = defaultdict(float)
    small: set[Key] = set()
    for attribute in result.data.attributes:
        for value, n in zip(attribute.values, attribute.rows, strict=True):
            size[(attribute.name,), (value,)] = n
    for e in result.estimates:
        key = (e.grouping, e.group)
        size[key] = max(size[key], e.n)
        if 0 < e.n < limit:
            small.add(key)
    small |= {key for key, n in size.items() if 0 < n < limit}
    hidden = _complete(size, small)
    names = frozenset((grouping, group_name(group)) for grouping, group in hidden)
    return Withheld(limit, frozenset(small), frozenset(hidden - small), names)


def _complete(size: dict[Key, float], small: set[Key]) -> set[Key]:
    """`small` and what else must go until no withheld group is a difference of shown ones."""
    families: dict[Key, list[Key]] = defaultdict(list)
    for grouping, group in size:
        for drop in range(len(grouping)):
            parent = (grouping[:drop] + grouping[drop + 1 :], group[:drop] + group[drop + 1 :])
            families[parent].append((grouping, group))
    # Within a family only the parts of one grouping add up to the parent.
    parts: list[tuple[Key, list[Key]]] = []
    for parent, members in families.items():
        by_grouping: dict[tuple[str, ...], list[Key]] = defaultdict(list)
        for member in members:
            by_grouping[member[0]].append(member)
        parts += [
            (parent, sorted(found, key=lambda key: (size[key], name(key[1]))))
            for found in by_grouping.values()
        ]
    hidden = set(small)
    changed = True
    while changed:
        changed = False
        for parent, children in parts:
            gone = [child for child in children if child in hidden]
            alone = len(gone) == 1 and parent not in hidden
            uncovered = not gone and parent in hidden
            left = [child for child in children if child not in hidden and size[child] > 0]
            if (alone or uncovered) and left:
                hidden.add(left[0])
                changed = True
    return hidden
