"""Frames as tables of an embedded DuckDB: pandas, polars, Arrow; an Ibis table is one already."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from pyarrow import feather

from audit.engine.reading import reading
from audit.errors import DataError, UsageError

_COLLECTED = {"LazyFrame": "frame.collect()", "RecordBatchReader": "reader.read_all()"}
"""What is no table yet, by its type's name, and how it becomes one."""


def connect_duckdb(path: str | None = None) -> Any:
    """An embedded DuckDB that never fetches an extension."""
    options: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if path is None:
        return ibis.duckdb.connect(**options)
    return ibis.duckdb.connect(path, read_only=True, **options)


def frame_table(frame: Any) -> ir.Table:
    if isinstance(frame, ir.Table):
        return frame
    if (way := _COLLECTED.get(type(frame).__name__)) is not None:
        raise UsageError(
            f"a {type(frame).__name__} is read when it is collected, and each look would collect it again",
            where="the frame",
            hint=f"Pass {way}.",
        )
    if not hasattr(frame, "column_names") and not hasattr(frame, "columns"):
        raise _no_frame(frame)
    with reading("the frame"):
        columns = [str(name) for name in getattr(frame, "column_names", getattr(frame, "columns", ()))]
        doubled = sorted({name for name in columns if columns.count(name) > 1})
        if doubled:
            raise DataError(
                f"two columns are called {doubled[0]!r}", where="the frame", hint="Rename one of them."
            )
        if not columns:
            raise DataError("has no columns", where="the frame", hint="Pass a frame of one row a decision.")
        connection = connect_duckdb()
        return connection.create_table("frame", ibis.memtable(typed(_arrow_table(frame))), temp=True)


def typed(table: pa.Table) -> pa.Table:
    """Columns that hold nothing at all as numbers: DuckDB keeps no column without a type."""
    fields = [
        field.with_type(pa.float64()) if pa.types.is_null(field.type) else field for field in table.schema
    ]
    return table.cast(pa.schema(fields)) if fields != list(table.schema) else table


def _arrow_table(frame: Any) -> Any:
    """pandas (NaN is missing there), polars or Arrow as one Arrow table."""
    if isinstance(frame, pa.Table):
        return frame
    if hasattr(frame, "to_arrow"):
        return frame.to_arrow()
    if type(frame).__module__.split(".")[0] == "pandas":
        return pa.Table.from_pandas(_spelt_out(frame), preserve_index=False)
    raise _no_frame(frame)


def _spelt_out(frame: Any) -> Any:
    """The pandas frame with intervals (as of `pd.cut`) and periods as text: no engine has a type for them."""
    odd = {}
    for place, dtype in enumerate(frame.dtypes):
        inner = getattr(getattr(dtype, "categories", None), "dtype", dtype)
        if str(inner).startswith(("interval", "period")):
            column = frame.iloc[:, place]
            odd[frame.columns[place]] = column.astype(object).map(str, na_action="ignore")
    return frame.assign(**odd) if odd else frame


def _no_frame(frame: Any) -> UsageError:
    return UsageError(
        f"cannot audit a {type(frame).__name__}",
        where="the frame",
        hint="Pass a pandas, polars, Arrow or Ibis table.",
    )


def feather_table(connection: Any, names: list[str]) -> ir.Table:
    """Arrow or Feather files, one below the other."""
    tables = [feather.read_table(name, memory_map=True) for name in names]
    return connection.create_table("frame", ibis.memtable(typed(pa.concat_tables(tables))), temp=True)
