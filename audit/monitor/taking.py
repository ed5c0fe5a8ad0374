"""One batch into the ledger's tables: what is there already is told from what is new, in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from audit.monitor.events import Ints, Labels, Predictions
from audit.monitor.records import add_tally, get_meta, get_tally

ROWS_AT_ONCE = 8_192
_STAGE = {
    "stage_p": "key BIGINT, rest BIGINT, unit BIGINT, at BIGINT, win INTEGER, cell INTEGER, "
    "yhat SMALLINT, late SMALLINT, score SMALLINT, chance SMALLINT",
    "stage_l": "target BIGINT, revision INTEGER, at BIGINT, value SMALLINT, rest BIGINT, embedded SMALLINT",
    "known_p": "key BIGINT, collides SMALLINT",
    "joined_l": "target BIGINT, revision INTEGER, at BIGINT, value SMALLINT, rest BIGINT, matched SMALLINT, "
    "late SMALLINT",
}
"""What a batch passes through. In a large ledger the look-ups in it take the time: each is done once."""
_KNOWN_LABEL = (
    "EXISTS (SELECT 1 FROM label l WHERE l.target = s.target AND l.revision = s.revision "
    "AND l.at = s.at AND l.value = s.value)"
)


@dataclass(frozen=True, slots=True)
class Closed:
    """The last closed window of each kind of cohort."""

    predictions: int
    labels: int

    @staticmethod
    def read(connection: Connection) -> Closed:
        never = -(2**31)
        values = [get_meta(connection, f"closed.{name}") for name in ("predictions", "labels")]
        return Closed(*(never if value is None else int(value) for value in values))


def take_predictions(
    connection: Connection, p: Predictions, place: Ints, closed: Closed, window: int
) -> tuple[int, int, int]:
    """Accepted, duplicate and colliding prediction events."""
    if not len(p.key):
        return 0, 0, 0
    _, first = np.unique(p.key, return_index=True)
    clash = p.rest != p.rest[first][np.searchsorted(p.key[first], p.key)]
    win = p.at // window
    late = (win <= closed.predictions).astype(np.int64)
    columns = (p.key, p.rest, p.unit, p.at, win, place[p.cell], p.yhat, late, p.score, p.chance)
    _stage(connection, "stage_p", [column[first] for column in columns])
    _empty(connection, "known_p")
    known = _run(
        connection,
        "INSERT INTO known_p SELECT s.key, CASE WHEN p.rest <> s.rest THEN 1 ELSE 0 END "
        "FROM stage_p s JOIN prediction p ON p.key = s.key",
    )
    collisions = int(clash.sum())
    if known:
        collisions += _scalar(connection, "SELECT sum(collides) FROM known_p")
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
            "UPDATE label SET matched = 1 WHERE matched = 0 AND EXISTS "
            "(SELECT 1 FROM stage_p s WHERE s.key = label.target AND s.rest = label.rest)",
        )
        _tally_if(connection, "labels.unmatched", -now)
    return taken, len(p.key) - taken - collisions, collisions


def take_labels(connection: Connection, labels: Labels, closed: Closed) -> tuple[int, int]:
    """Accepted and duplicate label events; those that came within a prediction are not counted."""
    if not len(labels.target):
        return 0, 0
    own = int((~labels.embedded).sum())
    order = np.lexsort((labels.embedded, labels.value, labels.at, labels.revision, labels.target))
    columns = [labels.target, labels.revision, labels.at, labels.value, labels.rest, labels.embedded]
    ordered = [column[order].astype(np.int64) for column in columns]
    new = np.ones(len(order), bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in ordered[:4]], axis=0)
    _stage(connection, "stage_l", [column[new] for column in ordered])
    _run(connection, f"DELETE FROM stage_l AS s WHERE {_KNOWN_LABEL}")
    taken = _scalar(connection, "SELECT count(*) FROM stage_l WHERE embedded = 0")
    _empty(connection, "joined_l")
    total = connection.execute(
        text(
            "INSERT INTO joined_l SELECT s.target, s.revision, s.at, s.value, s.rest, "
            "CASE WHEN p.key IS NULL THEN 0 ELSE 1 END, CASE WHEN p.win <= :closed THEN 1 ELSE 0 END "
            "FROM stage_l s LEFT JOIN prediction p ON p.key = s.target AND p.rest = s.rest"
        ),
        {"closed": closed.labels},
    ).rowcount
    found = _scalar(connection, "SELECT sum(matched) FROM joined_l")
    late = _scalar(connection, "SELECT sum(late) FROM joined_l")
    names = "target, revision, at, value, rest, matched"
    _run(
        connection,
        f"INSERT INTO label ({names}) SELECT {names} FROM joined_l ORDER BY target, revision, at, value",
    )
    add_tally(connection, {"labels": total, "labels.unmatched": total - found, "late.labels": late})
    return taken, own - taken


def _stage(connection: Connection, name: str, columns: Sequence[Ints]) -> None:
    """A temporary table of the batch, filled as fast as the database can."""
    _empty(connection, name)
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
