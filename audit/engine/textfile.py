"""Text files: CSV and TSV, loaded once with every line that cannot be read counted and named."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis.expr.types as ir

from audit.engine.textlines import Form, check_ends, check_swallowed, count_lines, identifier, literal
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
    line = _first_record(path)
    if "\x00" in line or not line.strip():
        raise DataError("has no header line", where=path.name, hint="The first line names the columns.")
    if "\r" in line.rstrip("\r\n").replace("\r\n", "") and _QUOTE not in line:
        raise DataError(
            "its lines end in a carriage return alone, as on old Macs",
            where=path.name,
            hint="Save it with line feeds: `tr '\\r' '\\n' < OLD > NEW`.",
        )
    if separator is None or (separator == "," and "," not in line):
        separator = max(",;\t|", key=line.count)
    return next(csv.reader(io.StringIO(line, newline=""), delimiter=separator)), separator


def _first_record(path: Path) -> str:
    """The first line, and what follows of it where a quoted name goes on in the next."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        raw = stream.readline(1 << 20)
        while raw.count(_QUOTE.encode()) % 2 and len(raw) < 1 << 20 and (more := stream.readline(1 << 20)):
            raw += more
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            "is not UTF-8 text", where=path.name, hint="Save it as UTF-8, or as Parquet."
        ) from error


def unique_names(names: list[str]) -> list[str]:
    """A later column of the same name, in whatever case, gets `_1`, `_2` …; one without a name its place.

    The first of a name keeps it. (pandas writes its index under no name; `init` calls it so too.)

    >>> unique_names(["", "a", "b", "A"])
    ['column0', 'a', 'b', 'A_1']
    """
    made: list[str] = []
    taken: set[str] = set()
    for place, given in enumerate(names):
        name = given or f"column{place}"
        free, count = name, 0
        while free.casefold() in taken:
            count += 1
            free = f"{name}_{count}"
        taken.add(free.casefold())
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
        if name and name != new
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
    lacking = _needed(spec) - set(names)  # the error names every column that there is
    whole = every_column or _open_ended(spec) or bool(lacking)
    wanted = names if whole else [name for name in names if name in _needed(spec)]
    types = _types(spec, names)
    files = "[" + ", ".join(literal(str(path)) for path in paths) + "]"
    columns = "{" + ", ".join(f"{literal(name)}: '{kind}'" for name, kind in types.items()) + "}"
    quote = literal(_QUOTE)
    form = Form(
        paths,
        tuple(names),
        separator,
        f"delim={literal(separator)}, quote={quote}, escape={quote}, max_line_size={LONGEST_LINE}, "
        "auto_detect=false, header=true, skip=0, null_padding=false",
    )
    scan = (
        f"read_csv({files}, {form.options}, columns={columns}, store_rejects=true, rejects_limit=0, "
        f"rejects_table='{name}_errors', rejects_scan='{name}_scans')"
    )
    picked = ", ".join(identifier(name) for name in wanted) or "1 AS one"
    connection.raw_sql(f"ATTACH ':memory:' AS {name} (COMPRESS)")
    lines_in_files = count_lines(paths)
    with check_ends(form, lines_in_files):
        connection.raw_sql(f"CREATE TABLE {name}.main.rows AS SELECT {picked} FROM {scan}")
    lines = _rejected(connection, name, paths)
    table = connection.table("rows", database=(name, "main"))
    read = int(connection.raw_sql(f"SELECT count(*) FROM {name}.main.rows").fetchone()[0]) + len(lines)
    if lines and len(lines) > MAX_REJECTED_SHARE * read:
        shown = ", ".join(str(line) for line in lines[:LINES_KEPT])
        raise DataError(
            f"{len(lines)} of {read} lines cannot be read (the first: {shown})",
            where=paths[0].name,
            hint=_why_unreadable(connection, name),
        )
    if read + len(paths) != lines_in_files.number:
        check_swallowed(connection, form)
    return TextTable(table, len(lines), tuple(lines[:LINES_KEPT]), notes)


def _rejected(connection: Any, name: str, paths: tuple[Path, ...]) -> list[int]:
    """Numbers of the lines that cannot be read; a DataError where a line could take others with it."""
    found = connection.raw_sql(
        f"SELECT line, file_id, error_type, contains(rtrim(csv_line, chr(10) || chr(13)), chr(10)) "
        f"FROM {name}_errors ORDER BY line"
    ).fetchall()
    for line, file_id, kind, spans in found:
        where = f"{paths[file_id].name if file_id < len(paths) else paths[0].name}:{line}"
        if kind == "INVALID ENCODING":
            raise DataError(
                "is not UTF-8 text: names with accents would be left out, and with them their people",
                where=where,
                hint="Save the file as UTF-8: `iconv -f latin1 -t utf-8 OLD > NEW`.",
            )
        if kind == "LINE SIZE OVER MAXIMUM" or (kind == "UNQUOTED VALUE" and spans):
            raise DataError(
                "a quote opens here and is not closed, so the lines after it cannot be told from text",
                where=where,
                hint='Close it, or double a quote that belongs to the text: "".',
            )
    return [line for line, _ in sorted({(int(line), file_id) for line, file_id, _, _ in found})]


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
