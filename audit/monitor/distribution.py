"""The scores of each group so far: the share above each cut, beside what the audit found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.monitor.scores import reached
from audit.monitor.streams import Stream
from audit.result import Group, group_name


@dataclass(frozen=True, slots=True)
class Distribution:
    """One group's rows in closed windows, by their score."""

    attribute: str
    group: str | None
    rows: int
    """Rows with a score."""
    unscored: int
    above: tuple[float, ...]
    """Share of rows above each cut; empty where there are no rows with a score."""
    audited: tuple[float, ...]
    """The same in the audit; empty where it has none."""

    @property
    def name(self) -> str:
        """The group as it is shown."""
        return group_name((self.group,))


def distributions(
    scored: Mapping[Group, Mapping[int, int]],
    streams: Sequence[Stream],
    cuts: int,
    attributes: Sequence[str],
) -> tuple[Distribution, ...]:
    """Every group of every attribute, in order; `scored` are rows by packed score.

    >>> found = distributions({("F",): {-1: 1, 0: 3, 2: 1}}, [], 1, ["sex"])
    >>> [(one.group, one.rows, one.unscored, one.above) for one in found]
    [('F', 4, 1, (0.25,))]
    """
    counts: dict[tuple[str, str | None], dict[int, int]] = {}
    for group, by_score in scored.items():
        for attribute, value in zip(attributes, group, strict=True):
            mine = counts.setdefault((attribute, value), {})
            for score, n in by_score.items():
                mine[score] = mine.get(score, 0) + n
    audited = {(s.attribute, s.group): s.centres for s in streams if s.centres and s.reference == "baseline"}
    made = []
    for key, by_score in sorted(counts.items(), key=lambda item: (item[0][0], str(item[0][1]))):
        rows = sum(n for score, n in by_score.items() if score >= 0)
        above = tuple(
            sum(n for score, n in by_score.items() if reached(score, cut)) / rows
            for cut in range(cuts if rows else 0)
        )
        made.append(Distribution(*key, rows, by_score.get(-1, 0), above, audited.get(key, ())))
    return tuple(made)
