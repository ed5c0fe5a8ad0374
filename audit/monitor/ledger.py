"""The ledger: every event once, whatever is sent twice, late, broken or cut off by a crash.

Each batch is one transaction that also holds its offset, so a process killed at any point has
either taken a batch or not. received = accepted + duplicate + rejected, always.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, select, text

from audit.errors import DataError, UsageError
from audit.monitor import schema
from audit.monitor.events import Batch, Ints, Labels, Predictions
from audit.result import Group

MAX_CELLS = 20_000
"""The most combinations of model version and groups; a flood of invented names is refused beyond it."""

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
class Received:
    """What became of one batch: received = accepted + duplicate + the sum of rejected."""

    received: int
    accepted: int
    duplicate: int
    rejected: dict[str, int]


class Ledger:
    """The ledger at a database URL; `window` is the length of a window in seconds."""

    def __init__(self, url: str, *, window: int = 86_400) -> None:
        self.engine: Engine = schema.connect(url)
        self.window = window
        schema.open_schema(self.engine)
        self._cells: dict[str, int] = {}
        with self.engine.begin() as connection:
            stored = get_meta(connection, "window")
            if stored is None:
                set_meta(connection, "window", str(window))
            elif int(stored) != window:
                raise UsageError(
                    f"the ledger has windows of {stored} s, the policy asks for {window} s",
                    hint="Windows are fixed for the life of a ledger; begin a new one.",
                )

    def close(self) -> None:
        self.engine.dispose()

    def offset(self, source: str) -> int:
        """How far a source was read, in its own unit (bytes, rows); 0 at first."""
        with self.engine.begin() as connection:
            return _offset(connection, source)

    def oldest(self) -> int:
        """The time (seconds) before which predictions are refused, because rows were dropped."""
        with self.engine.begin() as connection:
            return (int(get_meta(connection, "dropped") or -(10**9)) + 1) * self.window

    def ingest(
        self, batch: Batch, *, source: str | None = None, after: int = 0, position: int | None = None
    ) -> Received:
        """Takes one batch, and with it the offset of its source, or nothing at all.

        `after` is the offset at which the batch begins, `position` the one at which it ends. Where
        the source has been read further by another process, a DataError, and nothing is counted.
        """
        with self.engine.begin() as connection:
            take_turns(connection)
            if source is not None and _offset(connection, source) != after:
                raise DataError(
                    "another process reads this source into the same ledger",
                    where=source,
                    hint="Let one process read a source; several may share a ledger.",
                )
            rejected = dict(batch.rejected)
            before = _Closed.read(connection)
            place, refused = self._cell_ids(connection, batch)
            predictions, labels = _known_cells(batch, place)
            _count(rejected, "too_many_groups", refused)
            taken, twice, collisions = _take_predictions(connection, predictions, place, before, self.window)
            _count(rejected, "hash_collision", collisions)
            labels_taken, labels_twice = _take_labels(connection, labels, before)
            found = Received(batch.received, taken + labels_taken, twice + labels_twice, rejected)
            add_tally(
                connection,
                {
                    "received": found.received,
                    "accepted": found.accepted,
                    "duplicate": found.duplicate,
                    "predictions": taken,
                    **{f"rejected.{reason}": n for reason, n in rejected.items()},
                },
            )
            if source is not None and position is not None:
                _set_offset(connection, source, position)
        return found

    def tallies(self) -> dict[str, int]:
        """Every count by name: received, accepted, duplicate, rejected.…, late.…, labels.…"""
        with self.engine.begin() as connection:
            return dict(sorted((name, int(n)) for name, n in connection.execute(select(schema.tally))))

    def cells(self) -> dict[int, tuple[str | None, Group]]:
        """Model version and groups by cell number."""
        with self.engine.begin() as connection:
            return read_cells(connection)

    def _cell_ids(self, connection: Connection, batch: Batch) -> tuple[Ints, int]:
        """The ledger's number of each of the batch's cells, −1 beyond the limit, and the events refused."""
        names = [json.dumps([version, list(group)], ensure_ascii=False) for version, group in batch.cells]
        if any(name not in self._cells for name in names):
            self._cells = {str(v): int(i) for i, v in connection.execute(select(schema.cell))}
        new = sorted({name for name in names if name not in self._cells})
        fits = new[: max(0, MAX_CELLS - len(self._cells))]
        if fits:
            insert = "INSERT INTO cell (value) VALUES (:value) ON CONFLICT DO NOTHING"
            connection.execute(text(insert), [{"value": name} for name in fits])
            known = {str(v): int(i) for i, v in connection.execute(select(schema.cell))}
        else:
            known = self._cells
        ids = np.array([known.get(name, -1) for name in names], np.int64)
        refused = int((ids[batch.predictions.cell] < 0).sum()) if len(ids) else 0
        return ids, refused


@dataclass(frozen=True, slots=True)
class _Closed:
    """The last closed window of each kind of cohort."""

    predictions: int
    labels: int

    @staticmethod
    def read(connection: Connection) -> _Closed:
        never = -(2**31)
        values = [get_meta(connection, f"closed.{name}") for name in ("predictions", "labels")]
        return _Closed(*(never if value is None else int(value) for value in values))


def _known_cells(batch: Batch, place: Ints) -> tuple[Predictions, Labels]:
    """The batch without the predictions that were refused for their group, and without their labels."""
    p, labels = batch.predictions, batch.labels
    if not len(place) or (place >= 0).all():
        return p, labels
    keep = place[p.cell] >= 0
    gone = p.key[~keep]
    kept = ~(labels.embedded & np.isin(labels.target, gone))
    return (
        Predictions(*(getattr(p, name)[keep] for name in Predictions.__dataclass_fields__)),
        Labels(*(getattr(labels, name)[kept] for name in Labels.__dataclass_fields__)),
    )


def _take_predictions(
    connection: Connection, p: Predictions, place: Ints, closed: _Closed, window: int
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


def _take_labels(connection: Connection, labels: Labels, closed: _Closed) -> tuple[int, int]:
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


def take_turns(connection: Connection) -> None:
    """Lets one writer at a time go on, so that counts are exact with several instances on PostgreSQL.

    SQLite's transactions begin with the write lock as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT value FROM meta WHERE name = 'window' FOR UPDATE"))


def read_cells(connection: Connection) -> dict[int, tuple[str | None, Group]]:
    found = {}
    for number, value in connection.execute(select(schema.cell)):
        version, group = json.loads(value)
        found[int(number)] = (version, tuple(group))
    return found


def get_meta(connection: Connection, name: str) -> str | None:
    return connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == name)).scalar()


def set_meta(connection: Connection, name: str, value: str) -> None:
    statement = (
        "INSERT INTO meta (name, value) VALUES (:name, :value) "
        "ON CONFLICT (name) DO UPDATE SET value = :value"
    )
    connection.execute(text(statement), {"name": name, "value": value})


def get_tally(connection: Connection, name: str) -> int:
    return int(connection.execute(select(schema.tally.c.n).where(schema.tally.c.name == name)).scalar() or 0)


def add_tally(connection: Connection, counts: dict[str, int]) -> None:
    """Adds to the tallies; in the order of names, so that two writers never wait for each other."""
    rows = [{"name": name, "n": n} for name, n in sorted(counts.items()) if n]
    if rows:
        statement = (
            "INSERT INTO tally (name, n) VALUES (:name, :n) ON CONFLICT (name) DO UPDATE SET n = tally.n + :n"
        )
        connection.execute(text(statement), rows)


def _offset(connection: Connection, source: str) -> int:
    query = select(schema.offsets.c.position).where(schema.offsets.c.source == source)
    return int(connection.execute(query).scalar() or 0)


def _set_offset(connection: Connection, source: str, position: int) -> None:
    statement = (
        "INSERT INTO offsets (source, position) VALUES (:source, :position) "
        "ON CONFLICT (source) DO UPDATE SET position = :position"
    )
    connection.execute(text(statement), {"source": source, "position": position})


def _tally_if(connection: Connection, name: str, n: int) -> None:
    if n:
        add_tally(connection, {name: n})


def _count(rejected: dict[str, int], reason: str, n: int) -> None:
    if n:
        rejected[reason] = rejected.get(reason, 0) + n


def _scalar(connection: Connection, sql: str) -> int:
    return int(connection.execute(text(sql)).scalar() or 0)


def _run(connection: Connection, sql: str) -> int:
    return int(connection.execute(text(sql)).rowcount)
