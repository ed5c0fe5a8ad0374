"""Frames, files and Ibis tables as one Ibis table, and the split of its people into two halves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from audit.engine.frames import connect_duckdb
from audit.engine.reading import missing_column, reading
from audit.engine.source import open_source
from audit.engine.sums import md5
from audit.errors import DataError, UsageError
from audit.spec import AuditSpec

SALT = "harm-audit/slices/1"
"""Fixed, so that the same people fall into the same half in every run and on every engine."""
_TYPES = ["BIGINT", "DOUBLE", "VARCHAR"]
"""What a text file's column may be: of more types, F and No would be guessed to be false, and inf a date."""
_TEXT = {".csv", ".tsv", ".txt", ".gz"}


def as_table(data: Any, *, where: str = "the frame") -> ir.Table:
    """An Ibis table as it is; a data frame, or the path of a CSV or Parquet file, by embedded DuckDB.

    Errors: UsageError where there is no such file or it is of another kind, DataError where it
    cannot be read, has no rows, or has two columns of one name.
    """
    if isinstance(data, ir.Table):
        return data
    if isinstance(data, (str, Path)):
        return _file(Path(data))
    names = [str(name) for name in data.columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataError(f"two columns are called {doubled[0]!r}", where=where, hint="Rename one of them.")
    with reading(where):
        rows = pa.Table.from_pandas(data, preserve_index=False) if hasattr(data, "iloc") else data
        return connect_duckdb().create_table("rows", ibis.memtable(rows), temp=True)


def _file(path: Path) -> ir.Table:
    if path.is_dir():
        raise UsageError(f"a folder, where a file is needed: {path}", hint="Name a file in it.")
    if not path.is_file():
        raise UsageError(f"no such file: {path}", hint=f"Looked in {path.resolve().parent}.")
    kind = path.suffix.lower()
    if path.stat().st_size == 0:
        raise DataError("the file is empty", where=path.name, hint="Write one row a line under a header.")
    with reading(path.name):
        table = _loaded(path, kind)
        empty = table.limit(1).count().to_pyarrow().as_py() == 0
    if empty:
        raise DataError("has no rows", where=str(path), hint="Write one row a person under the header.")
    return table


def _loaded(path: Path, kind: str) -> ir.Table:
    connection = connect_duckdb()
    if kind in (".parquet", ".pq"):
        return connection.read_parquet(str(path), table_name="rows")
    if kind in _TEXT:
        table = connection.read_csv(
            str(path), table_name="rows", header=True, sample_size=-1, auto_type_candidates=_TYPES
        )
        return connection.create_table("loaded", _with_flags(table), temp=True)
    raise UsageError(
        f"a file of an unknown kind: {path.name}", hint="Expected CSV, TSV (also .gz) or Parquet."
    )


def _with_flags(table: ir.Table) -> ir.Table:
    """The table with its columns of the words true and false alone as truth values."""
    texts = [name for name in table.columns if table[name].type().is_string()]
    if not texts:
        return table
    asked = {f"c{at}": table[name].lower().isin(["true", "false"]).all() for at, name in enumerate(texts)}
    (flags,) = table.aggregate(**asked).to_pyarrow().to_pylist()
    return table.mutate(
        **{name: table[name].lower() == "true" for at, name in enumerate(texts) if flags[f"c{at}"]}
    )


@contextmanager
def spec_table(spec: AuditSpec) -> Iterator[ir.Table]:
    """The rows that a policy file names, its filter applied, with the types that its columns have.

    An audit reads a text file's features as text; here their numbers are wanted. A connection that
    was opened for it is closed at the end, and the table cannot be read after that.
    Errors: as `as_table` and `open_source`.
    """
    located = spec.data.resolved_source()
    path = None if located is None or "://" in located else spec.base / Path(located).expanduser()
    typed = path is not None and path.is_file() and spec.data.join is None and spec.data.sql is None
    if typed and path is not None and path.suffix.lower() in {*_TEXT, ".parquet", ".pq"}:
        yield _filtered(spec, _file(path))
        return
    with open_source(spec) as source:
        yield _filtered(spec, source.table)


def _filtered(spec: AuditSpec, table: ir.Table) -> ir.Table:
    if spec.data.filter is None:
        return table
    with reading("data.filter"):
        kept = table.alias("audited").sql(f"SELECT *, ({spec.data.filter}) AS audit_keep FROM audited")
        kept = kept.filter(kept["audit_keep"].cast("boolean").fill_null(False))
        return kept.drop("audit_keep")


def require(table: ir.Table, *names: str | None, where: str) -> None:
    """A UsageError for the first of `names` that is no column of the table."""
    for name in names:
        if name is not None and name not in table.columns:
            raise missing_column(name, table.columns, where=where)


def as_text(column: ir.Value) -> ir.StringValue:
    """A value as the text by which it is compared; NULL stays NULL."""
    return column if column.type().is_string() else column.cast("string")


def one_row_each(table: ir.Table, person: str | None, *, row: str, half: str) -> ir.Table:
    """The table with `row`, a number, and `half`, 0 or 1; of each person one row, chosen by a hash.

    Rows of one person tell much the same thing, and a test that counts them all finds slices that
    are a few people. Without `person` every row counts as a person of its own.
    Errors: UsageError where there is no such column, DataError where the ids are decimal numbers.
    """
    numbered = table.mutate(**{row: ibis.row_number()})
    key = numbered[row].cast("string")
    if person is not None:
        require(table, person, where="id")
        kind = table[person].type()
        if kind.is_floating() or kind.is_decimal():
            raise DataError(
                f"the ids in {person!r} are decimal numbers, which engines print differently",
                where="id",
                hint="Give them as text or as whole numbers.",
            )
        numbered = numbered.filter(numbered[person].notnull())
        order = md5(ibis.literal(SALT + ":row:") + numbered[row].cast("string"))
        window = ibis.window(group_by=numbered[person], order_by=order)
        numbered = numbered.mutate(__turn=ibis.row_number().over(window))
        numbered = numbered.filter(numbered["__turn"] == 0).drop("__turn")
        key = as_text(numbered[person])
    digit = md5(ibis.literal(SALT + ":") + key).substr(0, 1)
    return numbered.mutate(**{half: digit.isin(list("89abcdef")).cast("int64")})
