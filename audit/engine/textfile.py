"""Text files: CSV and TSV, loaded once with every line that cannot be read counted and named."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis.expr.types as ir

from audit.errors import DataError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

MAX_REJECTED_SHARE = 0.01
"""More unreadable lines than this share of a text file is an error, not an exclusion."""
LINES_KEPT = 20
_QUOTE = '"'
LONGEST_LINE = 20_000_000
"""Bytes."""


@dataclass(frozen=True)
class TextTable:
    """The rows that could be read, and the lines that could not."""

    table: ir.Table
    rejected: int
    lines: tuple[int, ...]
    notes: tuple[str, ...]


def _header(path: Path, separator: str | None) -> tuple[list[str], str]:
    """The column names as they stand, and the separator."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        raw = stream.readline(1 << 20)
    try:
        line = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            "is not UTF-8 text", where=path.name, hint="Save it as UTF-8, or as Parquet."
        ) from error
    if "\x00" in line or not line.strip():
        raise DataError("has no header line", where=path.name, hint="The first line names the columns.")
    if separator is None or (separator == "," and "," not in line):
        separator = max(",;\t|", key=line.count)
    return next(csv.reader(io.StringIO(line), delimiter=separator)), separator


def unique_names(names: list[str]) -> list[str]:
    """A later column of the same name gets `_1`, `_2` …; the first keeps its name.

    >>> unique_names(["a", "b", "a"])
    ['a', 'b', 'a_1']
    """
    made: list[str] = []
    for name in names:
        free, count = name, 0
        while free in made:
            count += 1
            free = f"{name}_{count}"
        made.append(free)
    return made


def _columns(paths: tuple[Path, ...], separator: str | None) -> tuple[list[str], str, tuple[str, ...]]:
    """Names, separator and notes; every file must have the same header."""
    names, found = _header(paths[0], separator)
    for path in paths[1:]:
        if _header(path, separator) != (names, found):
            raise DataError(
                f"its header differs from that of {paths[0].name}",
                where=path.name,
                hint="Files that are read together have the same columns in the same order.",
            )
    made = unique_names(names)
    notes = tuple(
        f"two columns are called {name!r}: the first is meant, the other is read as {new!r}"
        for name, new in zip(names, made, strict=True)
        if name != new
    )
    return made, found, notes


def load_text(
    connection: Any,
    spec: AuditSpec,
    paths: tuple[Path, ...],
    separator: str | None,
    *,
    name: str = "staging",
    every_column: bool = False,
) -> TextTable:
    """The columns that are needed, loaded once: a rejected line is then the same for every aggregate.

    `name` is the place in the connection that the rows are loaded to.
    """
    names, separator, notes = _columns(paths, separator)
    # Of a file that lacks a column all are loaded, for the error to list what there is.
    whole = every_column or _open_ended(spec) or not _needed(spec) <= set(names)
    wanted = names if whole else [name for name in names if name in _needed(spec)]
    types = _types(spec, names)
    files = "[" + ", ".join(_literal(str(path)) for path in paths) + "]"
    columns = "{" + ", ".join(f"{_literal(name)}: '{kind}'" for name, kind in types.items()) + "}"
    quote = _literal(_QUOTE)
    scan = (
        f"read_csv({files}, auto_detect=false, header=true, skip=0, delim={_literal(separator)}, "
        f"quote={quote}, escape={quote}, columns={columns}, store_rejects=true, "
        f"rejects_table='{name}_errors', rejects_scan='{name}_scans', "
        f"rejects_limit=0, null_padding=false, max_line_size={LONGEST_LINE})"
    )
    picked = ", ".join(_identifier(name) for name in wanted) or "1 AS one"
    connection.raw_sql(f"ATTACH ':memory:' AS {name} (COMPRESS)")
    connection.raw_sql(f"CREATE TABLE {name}.main.rows AS SELECT {picked} FROM {scan}")
    lines = [
        int(row[0])
        for row in connection.raw_sql(
            f"SELECT DISTINCT line, file_id FROM {name}_errors ORDER BY line"
        ).fetchall()
    ]
    table = connection.table("rows", database=(name, "main"))
    read = int(connection.raw_sql(f"SELECT count(*) FROM {name}.main.rows").fetchone()[0]) + len(lines)
    if lines and len(lines) > MAX_REJECTED_SHARE * read:
        shown = ", ".join(str(line) for line in lines[:LINES_KEPT])
        raise DataError(
            f"{len(lines)} of {read} lines cannot be read (the first: {shown})",
            where=paths[0].name,
            hint=_why_unreadable(connection, name),
        )
    return TextTable(table, len(lines), tuple(lines[:LINES_KEPT]), notes)


def _why_unreadable(connection: Any, name: str) -> str:
    """What to mend: the columns that hold text where a number is needed, or the lines themselves."""
    asked = f"SELECT DISTINCT column_name FROM {name}_errors WHERE error_type = 'CAST' ORDER BY 1"
    columns = [repr(row[0]) for row in connection.raw_sql(asked).fetchall() if row[0]]
    if not columns:
        return "A line has too few or too many fields. Mend them."
    return f"Text where a number is needed, in {', '.join(columns)}: mend it, or name another column."


def _types(spec: AuditSpec, names: list[str]) -> dict[str, str]:
    numeric = _numeric_columns(spec)
    return {name: "DOUBLE" if name in numeric else "VARCHAR" for name in names}


def _open_ended(spec: AuditSpec) -> bool:
    return spec.data.filter is not None or spec.data.join is not None


def _numeric_columns(spec: AuditSpec) -> set[str]:
    columns = spec.data.columns
    binned = {item.column or name for name, item in spec.data.attributes.items() if item.bins}
    measured = (
        columns.score,
        columns.weight,
        columns.count,
        columns.exposure,
        columns.rank,
        columns.relevance,
    )
    predicted = (columns.label, columns.prediction) if spec.data.task_named == "regression" else ()
    return binned | {name for name in (*measured, *predicted) if name}


def _needed(spec: AuditSpec) -> set[str]:
    columns = spec.data.columns
    roles = {column for _, column in columns}
    attributes = {item.column or name for name, item in spec.data.attributes.items()}
    return {name for name in roles if name} | attributes | set(spec.data.control)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
