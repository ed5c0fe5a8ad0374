"""What is counted of a table before training: a GROUP BY a pair of columns, in the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from audit.analysis.association import GroupSums
from audit.analysis.dataset import Column, Dataset, check_groups
from audit.analysis.tables import as_text
from audit.engine.reading import reading

Floats = npt.NDArray[np.float64]

EXACT_VALUES = 5_000
"""A number of no more distinct values than this is counted value by value."""
BINS = 100
"""Else into bins of about equal rows: a distance of distributions is then off by a bin's share at most."""
_FIXED = float(1 << 30)
_FOURTH = float(1 << 10)
"""Sums are of whole numbers, so that they are the same on every engine and in every run."""


@dataclass(frozen=True)
class Tally:
    """People by level of a column and group of an attribute."""

    groups: tuple[str | None, ...]
    levels: tuple[str | None, ...]
    values: Floats | None
    """For numbers the levels' values in rising order; None for text."""
    counts: Floats
    """(levels, groups); the missing level, if there is one, is the last."""

    @property
    def known(self) -> Floats:
        """The counts without the missing level."""
        return self.counts[:-1] if self.levels and self.levels[-1] is None else self.counts

    def of(self, group: str | None) -> int:
        """The group's place."""
        return self.groups.index(group)


def group_rows(dataset: Dataset, attribute: str) -> tuple[tuple[str | None, ...], Floats]:
    """The attribute's groups, the missing one last, and the people of each."""
    table = dataset.table.mutate(audit_group=dataset.attribute(attribute))
    grouped = _grouped(dataset, table, ["audit_group"])
    check_groups(dataset, attribute, len(grouped["audit_group"]))
    people: dict[str | None, float] = {}
    for raw, n in zip(grouped["audit_group"], grouped["n"], strict=True):
        group = dataset.group(attribute, raw)
        people[group] = people.get(group, 0.0) + float(n)
    groups = tuple(sorted(people, key=lambda one: (one is None, one or "")))
    return groups, np.array([people[group] for group in groups])


def tally(dataset: Dataset, attribute: str, column: Column, groups: tuple[str | None, ...]) -> Tally:
    """The column's levels by the attribute's groups."""
    level, values = _level(dataset, column)
    table = dataset.table.mutate(audit_group=dataset.attribute(attribute), audit_level=level)
    grouped = _grouped(dataset, table, ["audit_group", "audit_level"])
    place = {group: at for at, group in enumerate(groups)}
    order = sorted(set(grouped["audit_level"]), key=lambda one: (one is None, one if one is not None else 0))
    line = {one: at for at, one in enumerate(order)}
    counts = np.zeros((len(order), len(groups)))
    for raw, found, n in zip(grouped["audit_group"], grouped["audit_level"], grouped["n"], strict=True):
        counts[line[found], place[dataset.group(attribute, raw)]] += float(n)
    numbers = None
    if column.kind == "number":
        known = [one for one in order if one is not None]
        numbers = np.array([values[one] if values is not None else one for one in known], dtype=np.float64)
    return Tally(groups, tuple(None if one is None else str(one) for one in order), numbers, counts)


def _grouped(dataset: Dataset, table: ir.Table, keys: list[str]) -> dict[str, list[Any]]:
    times = dataset.times()
    counted = table.count() if times is None else table[dataset.spec.data.columns.count].cast("int64").sum()
    with reading(dataset.source.name):
        found: dict[str, list[Any]] = table.group_by(keys).aggregate(n=counted).to_pyarrow().to_pydict()
    return found


def _level(dataset: Dataset, column: Column) -> tuple[ir.Value, dict[Any, float] | None]:
    """The level's expression; for bins also the value that stands for each."""
    held = dataset.table[column.name]
    if column.kind == "levels":
        return as_text(held), None
    number = held.cast("float64")
    if column.distinct <= EXACT_VALUES:
        return number, None
    cuts = {f"q{at}": number.quantile(at / BINS) for at in range(1, BINS)}
    with reading(dataset.source.name):
        row = dataset.table.aggregate(**cuts).to_pyarrow().to_pylist()[0]
    edges = sorted({float(row[cut]) for cut in cuts})
    steps = [(number <= edge, at) for at, edge in enumerate(edges)]
    level = ibis.cases((number.isnull(), ibis.null("int64")), *steps, else_=len(edges))
    middles = dataset.table.mutate(audit_level=level, audit_number=number).group_by("audit_level")
    with reading(dataset.source.name):
        found = middles.aggregate(middle=lambda t: t.audit_number.mean()).to_pyarrow().to_pydict()
    means = {
        at: float(f"{middle:.12g}")
        for at, middle in zip(found["audit_level"], found["middle"], strict=True)
        if at is not None
    }
    return level, means


def group_sums(
    dataset: Dataset, attribute: str, columns: tuple[Column, ...], groups: tuple[str | None, ...]
) -> dict[str, GroupSums]:
    """Of each number column the sums by group, the group of missing values left out."""
    if not columns:
        return {}
    table = dataset.table
    with reading(dataset.source.name):
        spread = table.aggregate(
            **{f"m{at}": table[one.name].mean() for at, one in enumerate(columns)},
            **{f"s{at}": table[one.name].std(how="pop") for at, one in enumerate(columns)},
        )
        scales = spread.to_pyarrow().to_pylist()[0]
    units = [(_plain(scales[f"m{at}"]), _plain(scales[f"s{at}"]) or 1.0) for at in range(len(columns))]
    times = dataset.times()
    keyed = table.mutate(audit_group=dataset.attribute(attribute))
    asked: dict[str, Any] = {}
    for at, (column, (middle, unit)) in enumerate(zip(columns, units, strict=True)):
        u = (keyed[column.name].cast("float64") - middle) / unit
        each = 1 if times is None else keyed[dataset.spec.data.columns.count].cast("int64")
        asked[f"n{at}"] = u.notnull().ifelse(each, 0).sum()
        for name, value, fixed in (("x", u, _FIXED), ("y", u * u, _FIXED), ("z", u * u * u * u, _FOURTH)):
            whole = (value * fixed + 0.5).floor().cast("int64").cast("decimal(38, 0)") * each
            asked[f"{name}{at}"] = whole.sum().cast("string")
    with reading(dataset.source.name):
        found = keyed.group_by("audit_group").aggregate(**asked).to_pyarrow().to_pydict()
    named = [dataset.group(attribute, raw) for raw in found["audit_group"]]
    known = tuple(group for group in groups if group is not None)
    made = {}
    for at, (column, (middle, unit)) in enumerate(zip(columns, units, strict=True)):
        sums = {name: _by_group(found[f"{name}{at}"], named, known) for name in "nxyz"}
        made[column.name] = _sums(sums, middle, unit)
    return made


def _plain(value: float | None) -> float:
    """Six digits, so that the last ones, which differ from run to run, move nothing."""
    return 0.0 if value is None else float(f"{value:.6g}")


def _by_group(values: list[Any], named: list[str | None], known: tuple[str | None, ...]) -> Floats:
    total = dict.fromkeys(known, 0.0)
    for group, value in zip(named, values, strict=True):
        if group in total:
            total[group] += float(value or 0)
    return np.array([total[group] for group in known])


def _sums(sums: dict[str, Floats], middle: float, unit: float) -> GroupSums:
    n = sums["n"]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, square = (np.where(n > 0, sums[name] / _FIXED / n, 0.0) for name in "xy")
    variance = np.maximum(0.0, square - mean**2)
    total = max(float(n.sum()), 1.0)
    fourth, second = float(sums["z"].sum()) / _FOURTH / total, float(sums["y"].sum()) / _FIXED / total
    kurtosis = fourth / second**2 if second > 0 else 3.0
    return GroupSums(n, mean * unit + middle, variance * unit**2, max(1.0, kurtosis))


def missing_by_group(
    dataset: Dataset, attribute: str, columns: tuple[Column, ...], groups: tuple[str | None, ...]
) -> dict[str, Floats]:
    """Of each column the people in which it is missing, by group."""
    asked: dict[str, Any] = {}
    keyed = dataset.table.mutate(audit_group=dataset.attribute(attribute))
    times = dataset.times()
    each = 1 if times is None else keyed[dataset.spec.data.columns.count].cast("int64")
    for at, column in enumerate(columns):
        asked[f"m{at}"] = keyed[column.name].isnull().ifelse(each, 0).sum()
    if not asked:
        return {}
    with reading(dataset.source.name):
        found = keyed.group_by("audit_group").aggregate(**asked).to_pyarrow().to_pydict()
    named = [dataset.group(attribute, raw) for raw in found["audit_group"]]
    return {column.name: _by_group(found[f"m{at}"], named, groups) for at, column in enumerate(columns)}
