"""Sums per cell: all that the audit keeps of the rows, to be saved, loaded and added up."""

from __future__ import annotations

import importlib
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.errors import BundleError, DataError

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
FIXED = 2**30
"""Weights and scores are summed as integers in units of 1/FIXED, alike on every engine."""
_EXTREMES = {
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
            name: _EXTREMES.get(name, np.add).reduceat(values[order], starts)
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
    if name in _EXTREMES or values.dtype == object or not len(values):
        return values
    largest = float(np.abs(values.astype(np.float64)).sum())
    return values if largest < 2**62 else values.astype(object)


def _tight(values: Array) -> Array:
    if values.dtype == object and all(abs(int(value)) < 2**62 for value in values):
        return values.astype(np.int64)
    return values


@dataclass(frozen=True)
class Counts:
    """Everything the audit knows of the data.

    `cells` is one table over the full cross of the attributes, or, where that has too many cells,
    one table a grouping; `scores` the same with score bins; `above` with `bin` 1 where the score
    lies strictly above `median`. `excluded` are rows read but not audited, by reason.
    """

    attributes: tuple[str, ...]
    control: tuple[str, ...]
    cells: tuple[Cells, ...]
    scores: tuple[Cells, ...] = ()
    above: tuple[Cells, ...] = ()
    edges: tuple[float, ...] = ()
    """Lower edges of the score bins, and the last upper edge."""
    median: float | None = None
    excluded: tuple[tuple[str, int], ...] = ()
    rejected_lines: tuple[int, ...] = ()
    clusters: int | None = None
    positive: tuple[tuple[str, str], ...] = ()
    weights: str | None = None
    notes: tuple[str, ...] = ()
    task: str = ""
    """`regression` or another task with sums of its own; empty for decisions and scores."""
    histogram: tuple[Cells, ...] = ()
    """Regression: rows by bin of the prediction, as `cells` by grouping."""
    scales: tuple[tuple[str, int], ...] = ()
    """Powers of two by which values were divided before they were summed, and the bins' width."""
    classes: tuple[str, ...] = ()
    """Multiclass: what labels and predictions of the cells' keys stand for."""

    @property
    def rows(self) -> int:
        """Rows audited."""
        return int(self.cells[0].sums["n"].sum())

    @property
    def rows_read(self) -> int:
        """Rows audited and excluded."""
        return self.rows + sum(rows for _, rows in self.excluded)

    def covering(self, grouping: tuple[str, ...], kind: str = "cells") -> Cells | None:
        """The first table of the kind that has every attribute of the grouping, or None."""
        tables: tuple[Cells, ...] = getattr(self, kind)
        return next((table for table in tables if set(grouping) <= set(table.names)), None)

    def __add__(self, other: Counts) -> Counts:
        """The counts of both sets of rows, as if they had been read together.

        Errors: DataError where they were taken under different roles or bins. Medians and clusters
        cannot be told from counts: scoring rates fall away, clusters shared between sites count twice.
        """
        if self.task and self.task == other.task:
            self, other = _of_task(self.task).aligned(self, other)
        same = ("task", "attributes", "control", "edges", "positive", "weights", "scales", "classes")
        if self.edges != other.edges and self.scores and other.scores:
            raise DataError(
                "the score bins differ, so the counts cannot be added",
                where="the score",
                hint="Scores outside [0, 1] are binned by the range of each part: bring them into it by one "
                "formula for all. Attributes with many more values in one part give it fewer bins.",
            )
        for name in same:
            if getattr(self, name) != getattr(other, name):
                raise DataError(f"the counts differ in {name} and cannot be added")
        if [table.names for table in self.cells] != [table.names for table in other.cells]:
            raise DataError("the counts were taken by different groupings and cannot be added")
        excluded: dict[str, int] = {}
        for reason, rows in (*self.excluded, *other.excluded):
            excluded[reason] = excluded.get(reason, 0) + rows
        return replace(
            self,
            cells=tuple(a + b for a, b in zip(self.cells, other.cells, strict=True)),
            scores=tuple(a + b for a, b in zip(self.scores, other.scores, strict=True)),
            histogram=tuple(a + b for a, b in zip(self.histogram, other.histogram, strict=True)),
            above=(),
            median=None,
            excluded=tuple(excluded.items()),
            rejected_lines=(),
            clusters=None if self.clusters is None else self.clusters + (other.clusters or 0),
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
        )

    def save(self) -> bytes:
        """Parquet bytes, equal for equal counts."""
        tables, described = [], []
        for kind in _KINDS:
            for cells in getattr(self, kind):
                described.append({"kind": kind, "names": cells.names, "levels": cells.levels})
                tables.append(_to_arrow(cells, len(described) - 1))
        meta = {name: getattr(self, name) for name in _META} | {"tables": described}
        table = pa.concat_tables(tables, promote_options="default")
        table = table.replace_schema_metadata({"harm-audit": json.dumps(meta, sort_keys=True)})
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        return sink.getvalue()

    @staticmethod
    def load(content: bytes) -> Counts:
        """What `save` wrote; BundleError for anything else."""
        try:
            table = pq.read_table(io.BytesIO(content))
            meta = json.loads((table.schema.metadata or {})[b"harm-audit"])
            parts: dict[str, list[Cells]] = {kind: [] for kind in _KINDS}
            for index, described in enumerate(meta.pop("tables")):
                chosen = table.filter(pc.equal(table["table"], index))
                parts[described["kind"]].append(_from_arrow(chosen, described))
            values = {name: _tuples(meta[name]) for name in _META if name in meta or name not in _LATER}
            tables: dict[str, Any] = {kind: tuple(cells) for kind, cells in parts.items()}
            return Counts(**values, **tables)
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise BundleError(
                f"not a counts file: {error}", where="counts.parquet", hint="Make it with `harm-audit run`."
            ) from error


_KINDS = ("cells", "scores", "above", "histogram")
_LATER = ("task", "scales", "classes")
"""What files of earlier versions do not have."""


def _of_task(task: str) -> Any:
    """The module of a task that has sums of its own."""
    return importlib.import_module(f"audit.engine.tasks.{task}")


_META = (
    *_LATER,
    "attributes",
    "control",
    "edges",
    "median",
    "excluded",
    "rejected_lines",
    "clusters",
    "positive",
    "weights",
    "notes",
)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _to_arrow(cells: Cells, index: int) -> pa.Table:
    columns: dict[str, pa.Array] = {"table": pa.array(np.full(len(cells), index, dtype=np.int16))}
    for place, _ in enumerate(cells.names):
        columns[f"code{place}"] = pa.array(cells.codes[:, place])
    columns |= {f"key_{key}": pa.array(values) for key, values in cells.keys.items()}
    for name, values in cells.sums.items():
        kind = pa.float64() if name in _EXTREMES else pa.decimal128(38, 0)
        columns[f"sum_{name}"] = pa.array(values.tolist(), type=kind)
    return pa.table(columns)


def _from_arrow(table: pa.Table, described: dict[str, Any]) -> Cells:
    names = tuple(described["names"])
    filled = [name for name in table.column_names if table[name].null_count < len(table) or not len(table)]
    codes = [table[f"code{place}"].to_numpy().astype(np.int32) for place in range(len(names))]
    return Cells(
        names,
        _tuples(described["levels"]),
        np.column_stack(codes) if codes else np.zeros((len(table), 0), dtype=np.int32),
        {name[4:]: table[name].to_numpy().astype(np.int64) for name in filled if name.startswith("key_")},
        {name[4:]: _sum_column(name[4:], table[name]) for name in filled if name.startswith("sum_")},
    )


def _sum_column(name: str, column: pa.ChunkedArray) -> Array:
    return np.asarray(column.to_numpy()) if name in _EXTREMES else integers(column)


def integers(column: pa.ChunkedArray) -> Array:
    """An integer or decimal Arrow column as int64, or as Python integers where it does not fit."""
    if pa.types.is_decimal(column.type):
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid:
            return np.array([int(value) for value in column.to_pylist()], dtype=object)
    return np.asarray(column.to_numpy()).astype(np.int64)
