"""Formulas of the ranking family on sums by group and by bucket of queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.engine.cells import FIXED, Cells
from audit.engine.groups import Floats, Index, exact_sum, place
from audit.engine.metrics.sample import Flags, Mean, Sample, reasons
from audit.engine.sums import BUCKETS
from audit.engine.tasks.orders import OTHER
from audit.registry import Metric
from audit.result import Group

if TYPE_CHECKING:
    from audit.engine.tables import Tables

_WHOLE = ("n", "relevant", "pairs", "lists")
_ALONE = "there is no other group"


@dataclass(frozen=True)
class _Ratio:
    """What a metric is a function of: sums by group and bucket of queries, (G, B), each."""

    parts: tuple[Floats, ...]
    formula: Callable[..., Floats]
    n: Floats
    """Rows, pairs or lists that it rests on."""
    reason: str
    mixes: bool = False
    """Whether everyone's value is the groups' by the second part."""

    def sample(self) -> Mean:
        """The value, and without each bucket; the jackknife over them is its only error."""
        whole = tuple(part.sum(axis=1) for part in self.parts)
        without = tuple(part.sum(axis=1, keepdims=True) - part for part in self.parts)
        with np.errstate(invalid="ignore", divide="ignore"):
            value, leave = self.formula(*whole), self.formula(*without)
        value = np.where(np.isfinite(value), value, np.nan)
        occupied: Flags = np.logical_or.reduce([part > 0 for part in self.parts])
        se = np.where(np.isnan(value), np.nan, 0.0)
        mass = whole[1] if self.mixes else None
        return Mean(value, self.n, reasons(np.isnan(value), self.reason), se, leave, occupied, mass=mass)


def sample(metric: Metric, tables: Tables, grouping: tuple[str, ...], side: str) -> Sample:
    """The metric by group; with side `rest`, of everyone else for each group."""
    rest = side == "rest"
    groups = tables.groups(grouping).groups
    if metric.name == "pairwise_accuracy":
        made = _pairwise(tables, grouping, groups, rest=rest).sample()
    elif metric.name == "ndkl":
        made = _ndkl(tables, grouping, groups).sample()
    else:
        made = _shares(metric.name, tables, grouping, rest=rest).sample()
    needs_others = metric.name in ("skew_at_k", "ndkl", "pairwise_accuracy")
    alone = np.full(len(made), needs_others and len(groups) < 2)
    return made.undefined_where(alone, _ALONE)


def _by_bucket(cells: Cells, index: Index, size: int, name: str) -> Floats:
    flat = index * BUCKETS + cells.keys["bucket"]
    found = exact_sum(cells.sums[name], flat, size * BUCKETS).astype(np.float64)
    return (found if name in _WHOLE else found / FIXED).reshape(size, BUCKETS)


def _shares(name: str, tables: Tables, grouping: tuple[str, ...], *, rest: bool) -> _Ratio:
    cells = tables.cells(grouping)
    index, groups = place(cells, grouping)

    def of(key: str) -> Floats:
        table = _by_bucket(cells, index, len(groups), key)
        return table.sum(axis=0) - table if rest else table

    def everyone(key: str) -> Floats:
        table = _by_bucket(cells, index, len(groups), key)
        return np.broadcast_to(table.sum(axis=0), table.shape)

    rows = of("n").sum(axis=1)
    if name == "top_k_rate":
        return _Ratio((of("top"), of("n")), np.divide, rows, "no candidate", mixes=True)
    if name == "top_k_share":
        return _Ratio((of("top"), everyone("top")), np.divide, rows, "no top place was held")
    if name == "skew_at_k":
        parts = (of("top"), everyone("top"), of("n"), everyone("n"))
        return _Ratio(
            parts, lambda t, tt, n, nn: np.log(t / tt / (n / nn)), rows, "nobody of the group is in the top"
        )
    if name == "exposure":
        return _Ratio((of("exposure"), of("n")), np.divide, rows, "no candidate", mixes=True)
    if name == "exposure_share":
        return _Ratio((of("exposure"), everyone("exposure")), np.divide, rows, "no exposure")
    due = (of("due"), of("relevance"))
    return _Ratio(due, np.divide, of("relevant").sum(axis=1), "no relevance in the group", mixes=True)


def _pairwise(tables: Tables, grouping: tuple[str, ...], groups: tuple[Group, ...], *, rest: bool) -> _Ratio:
    """Pairs of a group's more relevant rows with less relevant ones of other groups."""
    names = (*grouping, *(name + OTHER for name in grouping))
    found = [table for table in tables.counts.histogram if table.names == names]
    right, pairs = (np.zeros((len(groups), BUCKETS)) for _ in range(2))
    number = {group: at for at, group in enumerate(groups)}
    for table in found:
        index, both = place(table, names)
        sums = [_by_bucket(table, index, len(both), name) for name in ("right", "pairs")]
        for at, pair in enumerate(both):
            mine, theirs = number[pair[: len(grouping)]], number[pair[len(grouping) :]]
            # Seen from the rest of a group, the more relevant row is outside it and the other within.
            to = theirs if rest else mine
            if mine != theirs:
                right[to] += sums[0][at]
                pairs[to] += sums[1][at]
    why = "no pair with a less relevant row of another group" if found else "no pairs were compared"
    return _Ratio((right, pairs), np.divide, pairs.sum(axis=1), why)


def _ndkl(tables: Tables, grouping: tuple[str, ...], groups: tuple[Group, ...]) -> _Ratio:
    found = [table for table in tables.counts.histogram if table.names == grouping and "lists" in table.sums]
    lost, lists = (np.zeros((len(groups), BUCKETS)) for _ in range(2))
    number = {group: at for at, group in enumerate(groups)}
    for table in found:
        index, held = place(table, grouping)
        for at, group in enumerate(held):
            lost[number[group]] += _by_bucket(table, index, len(held), "divergence")[at]
            lists[number[group]] += _by_bucket(table, index, len(held), "lists")[at]
    why = "no list without ties holds the group and others" if found else "taken of single attributes alone"
    return _Ratio((lost, lists), np.divide, lists.sum(axis=1), why)
