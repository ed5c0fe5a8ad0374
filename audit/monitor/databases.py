"""Events in databases, read on from a watermark through Ibis; rows are read once, and ties are never cut.

A part is all rows with last ≤ watermark < until. Times end `settle` before now, so that a row which
appears a little later than its watermark says is not missed; numbers end with the largest that was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.common.exceptions import TableNotFound

from audit.engine.connect import Connection, connect
from audit.engine.frames import connect_duckdb
from audit.engine.reading import reading
from audit.errors import DataError, UsageError
from audit.monitor.events import Normaliser
from audit.monitor.files import CHUNK_ROWS
from audit.monitor.ledger import Ledger, Received
from audit.monitor.raw import arrow_table
from audit.spec import redact
from audit.spec.monitor import Table
from audit.spec.secrets import expand
from audit.spec.values import seconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DUCKDB = (".duckdb", ".ddb", ".db")


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a table, and the watermark after them."""

    rows: pa.Table
    position: int


def ingest_table(
    ledger: Ledger, said: Table, normaliser: Normaliser, *, base: Path, now: datetime, where: str
) -> list[Received]:
    """What is new in a table, a part at a time, each with its watermark in one transaction.

    Rows without a watermark would never be read: where there are any, a DataError, before the others
    are taken.
    """
    located = expand(said.source, where=where)
    source = f"{redact(said.source)}|{said.table or said.sql}|{said.watermark}"
    found = []
    with reading(where), closing(_open(located, base)) as connection:
        table = _table(connection.backend, said)
        _check(table, said, where)
        after = ledger.offset(source)
        for part in _parts(table, said, after, now):
            batch = normaliser.batch(arrow_table(part.rows, normaliser.mapping), now=now)
            found.append(ledger.ingest(batch, source=source, after=after, position=part.position))
            after = part.position
    return found


def _open(located: str, base: Path) -> Connection:
    path = base / located
    if "://" not in located and path.suffix in _DUCKDB:
        if not path.is_file():
            raise DataError("there is no such database", where=str(path))
        backend = connect_duckdb(str(path))
        return Connection(backend, backend.disconnect)
    return connect(located)


def _table(backend: Any, said: Table) -> Any:
    if said.sql is not None:
        return backend.sql(said.sql)
    schema, _, name = str(said.table).rpartition(".")
    try:
        return backend.table(name, database=schema) if schema else backend.table(name)
    except TableNotFound:
        raise UsageError(
            f"no table is called {said.table!r}", hint=f"There are: {', '.join(backend.list_tables()[:20])}."
        ) from None


def _check(table: Any, said: Table, where: str) -> None:
    if said.watermark not in table.columns:
        raise UsageError(
            f"the table has no column {said.watermark!r}",
            where=where,
            hint=f"It has: {', '.join(table.columns[:20])}.",
        )
    kind = table[said.watermark].type()
    if not (kind.is_timestamp() or kind.is_integer()):
        raise UsageError(
            f"the watermark {said.watermark!r} is {kind}; allowed: a timestamp or a whole number", where=where
        )
    missing = table.filter(table[said.watermark].isnull()).count().to_pyarrow().as_py()
    if missing:
        raise DataError(
            f"{missing} rows have no {said.watermark}: they would never be read",
            where=where,
            hint="Make the column NOT NULL, or leave those rows out in `sql:`.",
        )


def _parts(table: Any, said: Table, position: int, now: datetime) -> Iterator[Part]:
    """Parts from a position on, in the order of the watermark; none where nothing is new."""
    column = table[said.watermark]
    timed = column.type().is_timestamp()
    until = _micros(now - timedelta(seconds=seconds(said.settle))) if timed else None
    while True:
        lower = table.filter(column >= _literal(position, column))
        wanted = lower if until is None else lower.filter(column < _literal(until, column))
        rows = wanted.order_by(said.watermark).limit(CHUNK_ROWS).to_pyarrow()
        if not rows.num_rows:
            return
        marks = _marks(rows, said.watermark)
        first, last = marks[0].as_py(), marks[-1].as_py()
        full = rows.num_rows == CHUNK_ROWS
        if full and first == last:
            rows = wanted.filter(column == _literal(last, column)).to_pyarrow()
        elif full:
            # The last value may go on beyond the limit: it waits for the next part.
            rows = rows.filter(pc.less(marks, last))
        after = last if full and first != last else last + 1
        yield Part(rows, after)
        position = after
        if not full:
            return


def _marks(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """The watermarks as whole numbers: themselves, or microseconds since 1970."""
    column = rows.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    return column.cast(pa.int64())


def _literal(mark: int, column: Any) -> Any:
    kind = column.type()
    if not kind.is_timestamp():
        return ibis.literal(mark)
    at = EPOCH + timedelta(microseconds=mark)
    return ibis.literal(at if kind.timezone else at.replace(tzinfo=None), type=kind)


def _micros(at: datetime) -> int:
    return int((at - EPOCH) / timedelta(microseconds=1))
