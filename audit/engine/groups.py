"""Sums per group of one grouping, as arrays: what every metric's formula reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.engine.cells import FIXED, Array, Cells
from audit.engine.sums import BUCKETS
from audit.result import Group

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
MISSING = 2
"""The place of a missing label or prediction on their axes, after 0 and 1."""


@dataclass(frozen=True)
class Groups:
    """Rows (and weights) by group × label × prediction, label and prediction indexed 0, 1, missing.

    `n` has shape (G, 3, 3); `w` and `w2` too, or are None without weights; `buckets` has shape
    (G, 3, 3, B), rows or weights by cluster bucket, or is None without clusters.
    """

    grouping: tuple[str, ...]
    groups: tuple[Group, ...]
    n: Floats
    w: Floats | None = None
    w2: Floats | None = None
    buckets: Floats | None = None

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def rows(self) -> Floats:
        """Rows per group, shape (G,)."""
        total: Floats = self.n.sum(axis=(1, 2))
        return total

    def take(self, index: Index) -> Groups:
        """The groups at these places, repeats allowed."""
        chosen: dict[str, Any] = {
            name: None if (v := getattr(self, name)) is None else v[index] for name in _ARRAYS
        }
        return replace(self, groups=tuple(self.groups[i] for i in index), **chosen)

    def spread(self, cells: Index, rows: int, columns: int, *, rest: bool) -> Groups:
        """The groups laid out as rows × columns, flat, empty ones between; with `rest` all other rows'."""

        def laid(values: Floats) -> Floats:
            out = np.zeros((rows * columns, *values.shape[1:]))
            out[cells] = values
            table = out.reshape(rows, columns, *values.shape[1:])
            return (table.sum(axis=0, keepdims=True) - table if rest else table).reshape(out.shape)

        arrays: dict[str, Any] = {
            name: None if (v := getattr(self, name)) is None else laid(v) for name in _ARRAYS
        }
        return replace(self, groups=((),) * (rows * columns), **arrays)

    def rest(self) -> Groups:
        """For each group all the others together."""
        others: dict[str, Any] = {
            name: None if (v := getattr(self, name)) is None else v.sum(axis=0, keepdims=True) - v
            for name in _ARRAYS
        }
        return replace(self, **others)


_ARRAYS = ("n", "w", "w2", "buckets")


def place(cells: Cells, names: tuple[str, ...]) -> tuple[Index, tuple[Group, ...]]:
    """Each cell's group by the named columns, and the groups in the order of their levels."""
    columns = [cells.names.index(name) for name in names]
    combined = np.zeros(len(cells), dtype=np.int64)
    for column in columns:
        combined = combined * max(1, len(cells.levels[column])) + cells.codes[:, column]
    first, index = _distinct(combined)
    groups = tuple(
        tuple(cells.levels[column][cells.codes[cell, column]] for column in columns) for cell in first
    )
    return index, groups


def _distinct(values: Index) -> tuple[Index, Index]:
    """Where each distinct value is seen, ascending by value, and each entry's place among them.

    >>> _distinct(np.array([7, 3, 7]))
    (array([1, 2]), array([1, 0, 1]))
    """
    size = int(values.max(initial=-1)) + 1
    if size > 4 * len(values):
        _, seen, index = np.unique(values, return_index=True, return_inverse=True)
        return seen, index.astype(np.int64).reshape(-1)
    where = np.full(size, -1, dtype=np.int64)
    where[values] = np.arange(len(values))
    occurs = where >= 0
    return where[occurs], (np.cumsum(occurs) - 1)[values]


def exact_sum(values: Array, index: Index, size: int) -> Array:
    """Integer sums by index, without rounding and without overflow."""
    if values.dtype != object and float(np.abs(values.astype(np.float64)).sum()) < 2**62:
        sums = np.zeros(size, dtype=np.int64)
        np.add.at(sums, index, values)
        return sums
    wide = np.zeros(size, dtype=object)
    np.add.at(wide, index, values.astype(object))
    return wide


def scaled_sum(values: Array, index: Index, size: int) -> Floats:
    """Sums of fixed-point integers as floats, exact up to the one division."""
    return exact_sum(values, index, size).astype(np.float64) / FIXED


def tabulate(cells: Cells, grouping: tuple[str, ...], stratum: tuple[str, ...] = ()) -> Groups:
    """Sum the cells by group (and stratum, whose values then follow the group's)."""
    index, groups = place(cells, (*grouping, *stratum))
    size = len(groups)
    label = np.where(cells.keys["label"] < 0, MISSING, cells.keys["label"])
    prediction = np.where(cells.keys["prediction"] < 0, MISSING, cells.keys["prediction"])
    flat = (index * 3 + label) * 3 + prediction

    def table(values: Floats) -> Floats:
        return values.reshape(size, 3, 3)

    n = table(exact_sum(cells.sums["n"], flat, size * 9).astype(np.float64))
    w = w2 = buckets = None
    if "w" in cells.sums:
        w = table(scaled_sum(cells.sums["w"], flat, size * 9))
        w2 = table(scaled_sum(cells.sums["w2"], flat, size * 9))
    if "bucket" in cells.keys:
        wide = flat * BUCKETS + cells.keys["bucket"]
        by = (
            scaled_sum(cells.sums["w"], wide, size * 9 * BUCKETS)
            if w is not None
            else (exact_sum(cells.sums["n"], wide, size * 9 * BUCKETS).astype(np.float64))
        )
        buckets = by.reshape(size, 3, 3, BUCKETS)
    return Groups(grouping, groups, n, w, w2, buckets)
