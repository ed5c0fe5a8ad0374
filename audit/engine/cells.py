"""Sums per cell: distinct combinations of groups and keys, and what was summed of their rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.errors import DataError

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
FIXED = 2**30
"""Weights and scores are summed as integers in units of 1/FIXED, alike on every engine."""
EXTREMES = {
    **{"low": np.minimum, "high": np.maximum},
    **{"y_low": np.minimum, "y_high": np.maximum, "p_low": np.minimum, "p_high": np.maximum},
}


@dataclass(frozen=True)
class Cells:
    """Distinct key combinations and their sums, one array entry a cell.

    `names` are attributes, then control columns; `codes[:, i]` indexes `levels[i]`. `sums` holds
    integers: n rows; w, w2 weights and squared weights; s, ss scores and squared scores, each also
    times weight (ws, wss) and times squared weight (w2s, w2ss), in units of 1/FIXED; and low, high,
    the least and greatest score, as floats.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str | None, ...], ...]
    codes: npt.NDArray[np.int32]
    keys: dict[str, Ints]
    """label, prediction, bucket (the cluster's hash), bin (the score's) and tenth; -1 is missing."""
    sums: dict[str, Array]

    def __len__(self) -> int:
        return len(self.codes)

    def merged(self, keys: Iterable[str] | None = None, names: tuple[str, ...] | None = None) -> Cells:
        """The same sums over fewer keys and names; equal combinations become one, sorted by key."""
        kept_names = self.names if names is None else names
        columns = [self.names.index(name) for name in kept_names]
        codes = self.codes[:, columns]
        kept = {key: self.keys[key] for key in (self.keys if keys is None else keys)}
        stacked = np.column_stack([codes.astype(np.int64), *kept.values()])
        order, starts = _runs(stacked)
        sums = {
            name: EXTREMES.get(name, np.add).reduceat(values[order], starts)
            for name, values in ((name, _roomy(name, values)) for name, values in self.sums.items())
        }
        first = order[starts]
        return Cells(
            kept_names,
            tuple(self.levels[column] for column in columns),
            codes[first],
            {key: values[first] for key, values in kept.items()},
            {name: _tight(values) for name, values in sums.items()},
        )

    def where(self, chosen: npt.NDArray[np.bool_]) -> Cells:
        """Only the chosen cells."""
        return replace(
            self,
            codes=self.codes[chosen],
            keys={key: values[chosen] for key, values in self.keys.items()},
            sums={name: values[chosen] for name, values in self.sums.items()},
        )

    def __add__(self, other: Cells) -> Cells:
        if self.names != other.names or self.keys.keys() != other.keys.keys():
            raise DataError("the counts were taken of different columns and cannot be added")
        if self.sums.keys() != other.sums.keys():
            raise DataError("the counts hold different sums (weights or scores) and cannot be added")
        levels = tuple(_joined(*pair) for pair in zip(self.levels, other.levels, strict=True))
        return Cells(
            self.names,
            levels,
            np.concatenate([_recode(self, levels), _recode(other, levels)]),
            {key: np.concatenate([self.keys[key], other.keys[key]]) for key in self.keys},
            {name: np.concatenate([self.sums[name], other.sums[name]]) for name in self.sums},
        ).merged()


def ordered(values: Iterable[str | None]) -> tuple[str | None, ...]:
    """Sorted, the missing value last.

    >>> ordered(["b", None, "a"])
    ('a', 'b', None)
    """
    return tuple(sorted(values, key=lambda value: (value is None, value or "")))


def _joined(mine: tuple[str | None, ...], theirs: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """Levels of both: in their own order where they are the same values, as bins are; else sorted."""
    longer = max(mine, theirs, key=len)
    same = {*mine, *theirs} == {*longer}
    known = [value for value in longer if value is not None]
    kept_order = same and known == [value for value in (*mine, *theirs)[: len(known)] if value is not None]
    return longer if kept_order else ordered({*mine, *theirs})


def _recode(cells: Cells, levels: tuple[tuple[str | None, ...], ...]) -> npt.NDArray[np.int32]:
    columns = []
    for index, (mine, target) in enumerate(zip(cells.levels, levels, strict=True)):
        places = {value: place for place, value in enumerate(target)}
        lookup = np.array([places[value] for value in mine], dtype=np.int32)
        columns.append(lookup[cells.codes[:, index]] if len(lookup) else cells.codes[:, index])
    return np.column_stack(columns) if columns else cells.codes.astype(np.int32)


def _runs(stacked: Ints) -> tuple[Ints, Ints]:
    """The order that sorts the rows, and where each run of equal rows starts in it."""
    if stacked.shape[1] == 0:
        return np.arange(len(stacked)), np.zeros(min(1, len(stacked)), dtype=np.int64)
    packed = _packed(stacked)
    order = np.lexsort(stacked.T[::-1]) if packed is None else np.argsort(packed, kind="stable")
    rows = stacked[order] if packed is None else packed[order, None]
    changed = np.any(rows[1:] != rows[:-1], axis=1)
    starts = np.flatnonzero(np.concatenate([[True], changed])) if len(rows) else np.zeros(0, dtype=np.int64)
    return order, starts


def _packed(stacked: Ints) -> Ints | None:
    """Each row as one number that sorts as the row does; None where it would leave 62 bits.

    >>> _packed(np.array([[0, -1], [0, 2], [1, -1]]))
    array([0, 3, 4])
    """
    if not len(stacked):
        return None
    lowest = stacked.min(axis=0)
    widths = [int(width) for width in stacked.max(axis=0) - lowest + 1]
    if math.prod(widths) >= 2**62:
        return None
    packed = np.zeros(len(stacked), dtype=np.int64)
    for column, width in enumerate(widths):
        packed = packed * width + (stacked[:, column] - lowest[column])
    return packed


def _roomy(name: str, values: Array) -> Array:
    """Python integers where the sum could leave 64 bits."""
    if name in EXTREMES or values.dtype == object or not len(values):
        return values
    largest = float(np.abs(values.astype(np.float64)).sum())
    return values if largest < 2**62 else values.astype(object)


def _tight(values: Array) -> Array:
    if values.dtype == object and all(abs(int(value)) < 2**62 for value in values):
        return values.astype(np.int64)
    return values


def integers(column: pa.ChunkedArray) -> Array:
    """An integer or decimal Arrow column as int64, or as Python integers where it does not fit."""
    if pa.types.is_decimal(column.type):
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid:
            return np.array([int(value) for value in column.to_pylist()], dtype=object)
    return np.asarray(column.to_numpy()).astype(np.int64)
