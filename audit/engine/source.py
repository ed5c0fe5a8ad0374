"""Where the rows lie: a file, a database or a frame, opened as one Ibis table and never copied out."""

from __future__ import annotations

import contextlib
import glob
import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import ibis.expr.types as ir
from ibis.common.exceptions import TableNotFound

from audit.engine.connect import SPARK, check_address, connect
from audit.engine.frames import connect_duckdb, feather_table, frame_table
from audit.engine.parquet import check_alike
from audit.engine.reading import KINDS, missing_column, reading
from audit.engine.textfile import load_text
from audit.errors import DataError, UsageError
from audit.registry import nearest
from audit.spec.secrets import redact

if TYPE_CHECKING:
    from audit.spec import AuditSpec

_TEXT = {".csv": ",", ".tsv": "\t", ".txt": None}
_JSON = {".jsonl", ".ndjson", ".json"}
_ARROW = {".arrow", ".feather", ".ipc"}
_DUCKDB = {".duckdb", ".ddb", ".db"}


@dataclass(frozen=True)
class Source:
    """An open table, with what the result says of where it came from."""

    table: ir.Table
    kind: str
    name: str
    """For printing: credentials redacted."""
    digest: str | None
    rejected: int = 0
    rejected_lines: tuple[int, ...] = ()
    files: tuple[Path, ...] = ()
    stamps: tuple[tuple[int, int], ...] = field(default=())
    """(size, mtime) of each file when it was opened."""
    notes: tuple[str, ...] = ()
    close: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)
    """Ends the connection where this source opened one; the table cannot be read after it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check_unchanged(self) -> None:
        """A DataError where a file was written to while it was being read."""
        with reading(self.name):
            now = _stamps(self.files)
        if now != self.stamps:
            raise DataError(
                "the file changed while it was being read",
                where=self.name,
                hint="Wait until it is complete, then run the audit again.",
            )


def open_source(spec: AuditSpec, *, frame: Any = None, every_column: bool = False) -> Source:
    """The spec's source as one Ibis table, its `filter` not yet applied, its `join` done; to be closed.

    Of a text file only the columns that an audit needs are loaded, or else `every_column`.
    Errors: UsageError where there is no such file, table or column; DataError where the content
    cannot be read.
    """
    data = spec.data
    if frame is not None:
        source = Source(frame_table(frame), "frame", type(frame).__module__.split(".")[0] + " frame", None)
    elif data.source is None:
        raise UsageError(
            "the spec names no source", where="data.source", hint="Write data.source: FILE, or pass a frame."
        )
    else:
        located = data.resolved_source()
        assert located is not None
        with reading(redact(data.source)):
            is_url = "://" in located
            source = _database(spec, located) if is_url else _file(spec, located, every_column)
    with _closed_on_error(source.close):
        return _joined(spec, source)


@contextlib.contextmanager
def _closed_on_error(close: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        close()
        raise


def _file(spec: AuditSpec, located: str, every_column: bool) -> Source:
    paths = _paths(spec.base, located)
    suffixes = [suffix.lower() for suffix in paths[0].suffixes[-2:]]
    kind = suffixes[-1] if suffixes else ""
    key = "sql" if spec.data.sql is not None else "table" if spec.data.table is not None else None
    if key and kind not in _DUCKDB:
        raise UsageError(
            f"`{key}` goes with a database, and the source is a file: {paths[0].name}",
            where=f"data.{key}",
            hint="Take it out; `filter` takes a condition on the rows of a file.",
        )
    if kind == ".gz" and len(suffixes) == 2:
        kind = suffixes[0]
    if paths[0].stat().st_size == 0:
        raise DataError(
            "the file is empty", where=located, hint="Write one row a decision, with a header line."
        )
    if kind not in _TEXT:  # whose lines are counted to the end
        _check_gzip(paths)
    stamps, names = _stamps(paths), [str(path) for path in paths]
    rejected: int = 0
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    if kind in _DUCKDB:
        table, name = _database_table(connect_duckdb(names[0]), spec, located), "duckdb"
    else:
        connection = connect_duckdb()
        if kind in (".parquet", ".pq"):
            check_alike(paths)
            table, name = connection.read_parquet(names), "parquet"
        elif kind in _JSON:
            # Types from every row: one that a sample missed would be bent to what the sample held.
            table, name = connection.read_json(names, sample_size=-1, maximum_sample_files=len(names)), "json"
        elif kind in _ARROW:
            table, name = feather_table(connection, names), "arrow"
        elif kind in _TEXT:
            text = load_text(connection, spec, paths, _TEXT[kind], every_column=every_column)
            table, rejected, lines, notes, name = text.table, text.rejected, text.lines, text.notes, "csv"
        else:
            raise UsageError(
                f"a file of an unknown kind: {paths[0].name}", where="data.source", hint=f"Expected {KINDS}."
            )
    return Source(table, name, located, _digest(paths), rejected, lines, paths, stamps, notes)


def _paths(base: Path, located: str) -> tuple[Path, ...]:
    path = Path(os.path.expanduser(located))
    path = path if path.is_absolute() else base / path
    found = [path] if path.is_file() else sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    files = tuple(item for item in found if item.is_file())
    if not files and path.is_dir():
        raise UsageError(
            f"a folder, where a file is needed: {located}",
            where="data.source",
            hint=f"Name the files in it, as {located.rstrip('/')}/*.parquet.",
        )
    if not files:
        here = (
            sorted(item.name for item in path.parent.glob("*") if item.is_file())
            if path.parent.is_dir()
            else []
        )
        near = nearest(path.name, here)
        raise UsageError(
            f"no such file: {located}",
            where="data.source",
            hint=f"Did you mean {near}?" if near else f"Looked in {path.parent}.",
        )
    return files


def _stamps(paths: tuple[Path, ...]) -> tuple[tuple[int, int], ...]:
    stats = [path.stat() for path in paths]
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)


def _digest(paths: tuple[Path, ...]) -> str:
    digests = []
    for path in paths:
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _check_gzip(paths: tuple[Path, ...]) -> None:
    """Read to the end: DuckDB takes a file that was cut off for a shorter one."""
    for path in paths:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                while stream.read(1 << 20):
                    pass


def _database(spec: AuditSpec, located: str) -> Source:
    check_address(located)
    if spec.data.table is None and spec.data.sql is None:
        raise UsageError(
            "a database URL needs `table:` or `sql:`", where="data.source", hint="Write data.table: NAME."
        )
    opened = connect(located)
    name = redact(located)
    with _closed_on_error(opened.close):
        table = _database_table(opened.backend, spec, name)
    return Source(table, "sql" if spec.data.sql else "table", name, None, close=opened.close)


def _database_table(connection: Any, spec: AuditSpec, where: str) -> ir.Table:
    if spec.data.sql is not None:
        return connection.sql(spec.data.sql)
    wanted = spec.data.table
    if wanted is not None and _is_spark_path(connection, wanted):
        return _spark_path(connection, spec, wanted)
    if wanted is not None:
        with contextlib.suppress(TableNotFound):
            return _named(connection, wanted)
    names = connection.list_tables()
    if wanted is None and len(names) == 1:
        return connection.table(names[0])
    raise UsageError(
        f"no table is called {wanted!r}" if wanted else "which table?",
        where=where,
        hint=f"Write data.table: NAME. Tables: {', '.join(names[:20]) or 'none'}.",
    )


def _named(connection: Any, wanted: str) -> ir.Table:
    """`schema.table`, or a table whose own name may have a dot; TableNotFound where there is neither."""
    schema, dot, name = wanted.rpartition(".")
    if dot:
        with contextlib.suppress(TableNotFound):
            return connection.table(name, database=schema)
    return connection.table(wanted)


def _is_spark_path(connection: Any, name: str) -> bool:
    return connection.name in SPARK and "/" in name


def _spark_path(connection: Any, spec: AuditSpec, path: str) -> ir.Table:
    """Parquet that Spark reads itself; of a text file it could not say which lines it dropped."""
    if path.rstrip("/").endswith((*_TEXT, *_JSON, ".gz")):
        raise UsageError(
            f"Spark does not say which lines of a text file it could not read: {path}",
            where="data.table",
            hint="Write it as Parquet, or register it as a table.",
        )
    return connection.read_parquet(path if "://" in path else str(spec.base / path))


def _joined(spec: AuditSpec, source: Source) -> Source:
    join = spec.data.join
    if join is None:
        return source
    with reading(join.table or join.source or "data.join"):
        left = source.table
        connection = left.get_backend()
        files = _joined_files(spec, connection)
        stamps = _stamps(files)
        right = _join_table(spec, connection, files)
        for table, side in ((left, "the source"), (right, "the joined table")):
            if join.on not in table.columns:
                raise missing_column(join.on, table.columns, where=f"data.join.on ({side})")
        keys = right.aggregate(rows=right.count(), keys=right[join.on].nunique()).to_pyarrow().to_pylist()[0]
        if keys["rows"] != keys["keys"]:
            raise DataError(
                f"{keys['rows']} rows for {keys['keys']} keys: a doubled key would count people twice",
                where="data.join",
                hint=f"Keep one row for each {join.on}.",
            )
        added = [name for name in right.columns if name not in left.columns]
        matched = left.left_join(right.select(join.on, *added), join.on)
        table = matched.select(*[left[name] for name in left.columns], *[matched[name] for name in added])
    digest = source.digest
    if digest is not None and files:
        digest = hashlib.sha256(f"{digest}\n{_digest(files)}".encode()).hexdigest()
    return replace(
        source, table=table, files=source.files + files, stamps=source.stamps + stamps, digest=digest
    )


def _joined_files(spec: AuditSpec, connection: Any) -> tuple[Path, ...]:
    """The file that is joined, which counts in the digest and must not change either; none for a table."""
    join = spec.data.join
    assert join is not None
    if join.table is not None:
        return ()
    if connection.name != "duckdb":
        raise UsageError(
            "a file cannot be joined to a table of another database",
            where="data.join.source",
            hint="Name a table of the same connection as data.join.table.",
        )
    files = _paths(spec.base, str(join.resolved_source()))
    if len(files) > 1:
        raise UsageError(
            f"{len(files)} files are joined: {', '.join(path.name for path in files[:5])}",
            where="data.join.source",
            hint="Name one file; people of the others would have no attributes.",
        )
    return files


def _join_table(spec: AuditSpec, connection: Any, files: tuple[Path, ...]) -> ir.Table:
    join = spec.data.join
    assert join is not None
    if join.table is not None:
        if _is_spark_path(connection, join.table):
            return _spark_path(connection, spec, join.table)
        return _named(connection, join.table)
    path = files[0]
    if path.suffix.lower() in (".parquet", ".pq"):
        return connection.read_parquet(str(path))
    if path.name.lower().removesuffix(".gz").rpartition(".")[2] not in ("csv", "tsv", "txt"):
        raise UsageError(
            f"a file of an unknown kind: {path.name}",
            where="data.join.source",
            hint="Expected CSV, TSV (also .gz) or Parquet.",
        )
    loaded = load_text(connection, spec, (path,), _TEXT.get(path.suffix.lower()), name="joined")
    if loaded.rejected:
        shown = ", ".join(str(line) for line in loaded.lines)
        raise DataError(
            f"{loaded.rejected} lines cannot be read (the first: {shown})",
            where=path.name,
            hint="Mend them: people without a line there would have no attribute.",
        )
    return loaded.table
