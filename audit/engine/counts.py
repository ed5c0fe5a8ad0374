"""All that the audit keeps of the rows, to be saved, loaded and added up."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.engine import edges
from audit.engine.cells import EXTREMES, Array, Cells, integers
from audit.engine.exclusions import in_order
from audit.errors import BundleError, DataError


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
    bins: int = 0
    """The most score bins there may be: up to so many distinct scores have one each."""
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
        one, two = aligned((self, other))
        return one.plus(two)

    def plus(self, other: Counts) -> Counts:
        """The sum of counts whose scores are `aligned`; errors as of `+`."""
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
            excluded=tuple((reason, excluded[reason]) for reason in in_order(excluded)),
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


def aligned(parts: Sequence[Counts]) -> list[Counts]:
    """The counts with score bins in common, where they can have them."""
    if not all(counts.scores for counts in parts):
        return list(parts)
    binned = edges.aligned([edges.Binned(c.edges, c.bins, c.scores, c.cells) for c in parts])
    return [
        replace(counts, edges=b.edges, bins=b.bins, scores=b.scores, cells=b.cells)
        for counts, b in zip(parts, binned, strict=True)
    ]


_KINDS = ("cells", "scores", "above", "histogram")
_LATER = ("task", "scales", "classes", "bins")
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
        kind = pa.float64() if name in EXTREMES else pa.decimal128(38, 0)
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
    return np.asarray(column.to_numpy()) if name in EXTREMES else integers(column)
