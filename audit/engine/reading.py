"""What an engine says when it cannot read, turned into errors that say where and what to do."""

from __future__ import annotations

import contextlib
import csv
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from ibis.common.exceptions import IbisError

from audit.errors import AuditError, DataError, UsageError
from audit.registry import nearest
from audit.spec.secrets import redact

KINDS = "CSV, TSV (also .gz), Parquet, JSON lines, Arrow/Feather, a DuckDB file, or a database URL"


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever an engine raises while reading into a DataError that says where."""
    try:
        with warnings.catch_warnings():
            # What one library deprecates of another's is neither the reader's fault nor the audit's.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except AuditError:
        raise
    except _UNREADABLE as error:
        raise _unreadable(error, where) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ENGINES:
            raise
        raise _unreadable(error, where) from error


_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    ArithmeticError,
    IbisError,
    csv.Error,
    zlib.error,
    pa.ArrowException,
)
ENGINES = {
    *("_duckdb", "duckdb", "psycopg", "pyarrow", "pyspark", "py4j", "sqlglot", "polars"),
    *("databricks", "google", "snowflake", "trino"),
}


def _unreadable(error: Exception, where: str) -> DataError:
    lines = [line for line in redact(str(error)).splitlines() if line.strip()]
    return DataError(
        f"could not be read: {lines[0][:400] if lines else type(error).__name__}",
        where=where,
        hint=f"Expected {KINDS}.",
    )


def missing_column(name: str, columns: Any, *, where: str) -> UsageError:
    """The error for a column that is not there: what exists, and the nearest name."""
    near = nearest(name, columns)
    listed = ", ".join(list(columns)[:30])
    return UsageError(
        f"no column is called {name!r}; there are: {listed}",
        where=where,
        hint=f"Did you mean {near}?" if near else "Name one of them.",
    )
