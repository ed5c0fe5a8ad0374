"""Rows that a test set shares with the training set: what was learnt by heart is not a test."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from audit.analysis.dataset import Dataset
from audit.analysis.tables import as_text
from audit.engine.frames import typed
from audit.engine.reading import reading
from audit.errors import UsageError

_ABSENT = "\x1fmissing"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Test rows, and how many of them stand in the training set too."""

    rows: int
    same: int
    """Equal in every column that both have."""
    same_features: int
    """Equal in every one but the label."""
    columns: tuple[str, ...]
    """The columns that both have, label included."""


def overlap(train: Dataset, test: Dataset) -> Overlap:
    """How many of the test's rows stand in the training set.

    Values are compared as numbers where both sides hold numbers, else as text; a missing one equals a
    missing one. Errors: UsageError where the two share no column, or the training set is no file.
    """
    if train.table.get_backend().name != "duckdb" or test.table.get_backend().name != "duckdb":
        raise UsageError(
            "rows of a database are not held against a test file",
            where="--test",
            hint="Export the training rows to Parquet and name that file.",
        )
    left_out = {train.spec.data.columns.id, train.spec.data.columns.cluster}
    shared = [name for name in train.table.columns if name in test.table.columns and name not in left_out]
    if not shared:
        raise UsageError("the training and the test set share no column", where="--test")
    label = train.spec.data.columns.label
    features = [name for name in shared if name != label] or shared
    numeric = {name for name in shared if _is_number(train.table[name]) and _is_number(test.table[name])}
    with reading(test.source.name):
        connection = train.table.get_backend()
        ours = _keyed(train.table, shared, numeric).distinct()
        rows = _keyed(test.table, shared, numeric).to_pyarrow()
        held = connection.create_table("audit_test_rows", ibis.memtable(typed(rows)), temp=True)
        total = int(held.count().to_pyarrow().as_py())
        same = _matching(held, ours, shared)
        alike = same if features == shared else _matching(held, ours.select(*features).distinct(), features)
    return Overlap(total, same, alike, tuple(shared))


def _matching(rows: ir.Table, known: ir.Table, columns: list[str]) -> int:
    return int(rows.semi_join(known, columns).count().to_pyarrow().as_py())


def _is_number(column: ir.Value) -> bool:
    return bool(column.type().is_numeric() and not column.type().is_boolean())


def _keyed(table: ir.Table, columns: list[str], numeric: set[str]) -> ir.Table:
    return table.select(
        **{
            name: as_text(table[name].cast("float64") if name in numeric else table[name]).fill_null(_ABSENT)
            for name in columns
        }
    )
