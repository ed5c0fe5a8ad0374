"""One batch into the ledger's tables: what is there already is told from what is new, in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from audit.monitor.batch import Ints, Labels, Predictions
from audit.monitor.records import add_tally, get_meta, get_tally

ROWS_AT_ONCE = 8_192
NO_TIME = 0
"""The time of a label whose source has none."""
_STAGE = {
    "stage_p": "key BIGINT, rest BIGINT, unit BIGINT, at BIGINT, win INTEGER, cell INTEGER, "
    "yhat SMALLINT, late SMALLINT, score SMALLINT, chance SMALLINT",
    "stage_l": "target BIGINT, rest BIGINT, revision INTEGER, at BIGINT, value SMALLINT, embedded SMALLINT",
    "known_p": "key BIGINT, collides SMALLINT",
    "joined_l": "target BIGINT, rest BIGINT, revision INTEGER, at BIGINT, value SMALLINT, embedded SMALLINT, "
    "matched SMALLINT, late SMALLINT",
}
"""What a batch passes through. In a large ledger the look-ups in it take the time: each is done once."""
_KNOWN_LABEL = (
    "EXISTS (SELECT 1 FROM label l WHERE l.target = s.target AND l.rest = s.rest "
    "AND l.revision = s.revision AND l.at = s.at AND l.value = s.value)"
)


@dataclass(frozen=True, slots=True)
class Closed:
    """The last closed window of each kind of cohort, and where the rows begin that were not dropped."""

    predictions: int
    labels: int
    oldest: int
    """The time (seconds) before which a repeated event could not be told any more."""

    @staticmethod
    def read(connection: Connection, window: int) -> Closed:
        names = ("closed.predictions", "closed.labels", "dropped")
        values = [get_meta(connection, name) for name in names]
        predictions, labels, dropped = (-(2**31) if value is None else int(value) for value in values)
        return Closed(predictions, labels, (dropped + 1) * window)


def keep(p: Predictions, which: NDArray[np.bool_]) -> Predictions:
    """Some of the prediction events."""
    if which.all():
        return p
    return Predictions(*(getattr(p, name)[which] for name in Predictions.__dataclass_fields__))


def take_predictions(
    connection: Connection, p: Predictions, place: Ints, closed: Closed, window: int
) -> tuple[int, int, int]:
    """Accepted, duplicate and colliding prediction events; `place` has each one's number of a cell."""
    if not len(p.key):
        return 0, 0, 0
    _, first = np.unique(p.key, return_index=True)
    clash = p.rest != p.rest[first][np.searchsorted(p.key[first], p.key)]
    if clash.any():
        # Whether the first or the other one is the stranger is told by what the ledger has.
        parts = [
            take_predictions(connection, keep(p, which), place[which], closed, window)
            for which in (~clash, clash)
        ]
        taken, twice, collisions = (sum(counts) for counts in zip(*parts, strict=True))
        return taken, twice, collisions
    win = p.at // window
    late = (win <= closed.predictions).astype(np.int64)
    columns = (p.key, p.rest, p.unit, p.at, win, place, p.yhat, late, p.score, p.chance)
    _stage(connection, "stage_p", [column[first] for column in columns])
    _empty(connection, "known_p")
    known = _run(
        connection,
        "INSERT INTO known_p SELECT s.key, CASE WHEN p.rest <> s.rest THEN 1 ELSE 0 END "
        "FROM stage_p s JOIN prediction p ON p.key = s.key",
    )
    collisions = 0
    if known:
        strangers = connection.execute(text("SELECT key FROM known_p WHERE collides = 1")).scalars().all()
        collisions = int(np.isin(p.key, np.array(strangers, np.int64)).sum()) if strangers else 0
        _run(connection, "DELETE FROM stage_p WHERE key IN (SELECT key FROM known_p)")
    names = "key, rest, unit, at, win, cell, yhat, late, score, chance"
    taken = _run(
        connection,
        f"INSERT INTO prediction ({names}) SELECT {names} FROM stage_p WHERE true ORDER BY key "
        "ON CONFLICT DO NOTHING",
    )
    _tally_if(
        connection, "late.predictions", _scalar(connection, "SELECT count(*) FROM stage_p WHERE late = 1")
    )
    if get_tally(connection, "labels.unmatched"):
        # A label that waited for its prediction is late where that prediction's window is closed by now: so
        # the count does not depend on which of the two came first.
        waited = connection.execute(
            text(
                "SELECT count(*) FROM label l JOIN stage_p s ON s.key = l.target AND s.rest = l.rest "
                "WHERE l.matched = 0 AND s.win <= :closed"
            ),
            {"closed": closed.labels},
        ).scalar()
        _tally_if(connection, "late.labels", int(waited or 0))
        now = _run(
            connection,
            "UPDATE label SET matched = 1 WHERE matched = 0 AND (target, rest) IN "
            "(SELECT key, rest FROM stage_p)",
        )
        _tally_if(connection, "labels.unmatched", -now)
    return taken, len(p.key) - taken - collisions, collisions


def take_labels(connection: Connection, labels: Labels, closed: Closed) -> tuple[int, int, int]:
    """Accepted, duplicate and too old label events; those that came within a prediction are not counted.

    A label within a prediction that was refused is not kept. One by itself without a prediction is too
    old where its prediction, made before it, would be.
    """
    if not len(labels.target):
        return 0, 0, 0
    own = int((~labels.embedded).sum())
    columns = [labels.target, labels.rest, labels.revision, labels.at, labels.value, labels.embedded]
    order = np.lexsort(columns[::-1])
    ordered = [column[order].astype(np.int64) for column in columns]
    new = np.ones(len(order), bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in ordered[:5]], axis=0)
    _stage(connection, "stage_l", [column[new] for column in ordered])
    _run(connection, f"DELETE FROM stage_l AS s WHERE {_KNOWN_LABEL}")
    fresh = _scalar(connection, "SELECT count(*) FROM stage_l WHERE embedded = 0")
    _empty(connection, "joined_l")
    connection.execute(
        text(
            "INSERT INTO joined_l SELECT s.target, s.rest, s.revision, s.at, s.value, s.embedded, "
            "CASE WHEN p.key IS NULL THEN 0 ELSE 1 END, CASE WHEN p.win <= :closed THEN 1 ELSE 0 END "
            "FROM stage_l s LEFT JOIN prediction p ON p.key = s.target AND p.rest = s.rest"
        ),
        {"closed": closed.labels},
    )
    _run(connection, "DELETE FROM joined_l WHERE matched = 0 AND embedded = 1")
    old = connection.execute(
        text(f"DELETE FROM joined_l WHERE matched = 0 AND at < :oldest AND at <> {NO_TIME}"),
        {"oldest": closed.oldest},
    ).rowcount
    found = _scalar(connection, "SELECT sum(matched) FROM joined_l")
    late = _scalar(connection, "SELECT sum(late) FROM joined_l")
    names = "target, revision, at, value, rest, matched"
    total = _run(
        connection,
        f"INSERT INTO label ({names}) SELECT {names} FROM joined_l ORDER BY target, revision, at, value",
    )
    add_tally(connection, {"labels": total, "labels.unmatched": total - found, "late.labels": late})
    return fresh - old, own - fresh, old


def _stage(connection: Connection, name: str, columns: Sequence[Ints]) -> None:
    """A temporary table of the batch, filled as fast as the database can: by the driver itself."""
    _empty(connection, name)
    try:
        _fill(connection, name, columns)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(f"fill {name}", None, error) from error


def _fill(connection: Connection, name: str, columns: Sequence[Ints]) -> None:
    rows = _rows(columns)
    if connection.dialect.name == "postgresql":
        copier: Any = connection.connection.cursor()
        with copier.copy(f"COPY {name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        connection.exec_driver_sql(f"ANALYZE {name}")
        return
    marks = ", ".join("?" * len(columns))
    # The driver's own executemany takes the rows one by one from the iterator: no list of them is made.
    cursor: Any = connection.connection.cursor()
    cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)


def _empty(connection: Connection, name: str) -> None:
    """The temporary table, with nothing in it."""
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({_STAGE[name]})")
    connection.exec_driver_sql(f"DELETE FROM {name}")


def _rows(columns: Sequence[Ints]) -> Iterator[tuple[int, ...]]:
    """The rows as Python's numbers, some at a time: of a whole batch they are ten times the arrays."""
    for start in range(0, len(columns[0]), ROWS_AT_ONCE):
        parts = [column[start : start + ROWS_AT_ONCE].tolist() for column in columns]
        yield from zip(*parts, strict=True)


def _tally_if(connection: Connection, name: str, n: int) -> None:
    if n:
        add_tally(connection, {name: n})


def _scalar(connection: Connection, sql: str) -> int:
    return int(connection.execute(text(sql)).scalar() or 0)


def _run(connection: Connection, sql: str) -> int:
    return int(connection.execute(text(sql)).rowcount)
