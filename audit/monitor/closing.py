"""Windows are closed once: persons settled, rows paired, tables written; what comes later never enters.

A window is closed for predictions when it ended `grace` ago, and its cohort for labels when the
label lag has passed as well. Each window is one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, text

from audit.monitor import chances, schema
from audit.monitor.batch import Ints
from audit.monitor.blocks import pair_all, window_counts
from audit.monitor.ledger import Ledger
from audit.monitor.readings import LAG_BUCKETS, UNKNOWN_CHANCE
from audit.monitor.records import get_meta, read_cells, set_meta, take_turns
from audit.monitor.scores import reached
from audit.monitor.streams import Stream
from audit.monitor.taking import NO_TIME
from audit.registry import Mask
from audit.result import Group

_LAG = "CASE WHEN l.first_at >= p.at THEN l.first_at - p.at WHEN l.first_at > 0 THEN 0 ELSE -1 END"
_LATEST_LABEL = """
LEFT JOIN (
    SELECT target, rest, value, min(at) OVER (PARTITION BY target, rest) AS first_at,
        row_number() OVER (PARTITION BY target, rest ORDER BY revision DESC, at DESC, value DESC) AS place
    FROM label WHERE target IN (SELECT key FROM prediction WHERE win = :win AND late = 0)
) l ON l.target = p.key AND l.rest = p.rest AND l.place = 1
"""


@dataclass(frozen=True)
class Rows:
    """The rows of one closed window that were in time: all arrays (n,)."""

    key: Ints
    unit: Ints
    at: Ints
    cell: Ints
    yhat: Ints
    score: Ints
    label: Ints
    """1, 0, or −1 where there is none."""
    lag: Ints
    """Seconds to the first label; −1 where there is none, or its time is unknown."""
    chance: Ints
    """As `chances.thinned` says; a label that does not count is none."""

    def inside(self, mask: Mask) -> NDArray[np.bool_]:
        """Which rows lie in a set of (label, prediction) cells."""
        table = np.zeros((3, 2), bool)
        for label, yhat in mask:
            if yhat is not None:
                table[-1 if label is None else label, yhat] = True
        return np.asarray(table[self.label, self.yhat])


def close(
    ledger: Ledger,
    streams: Sequence[Stream],
    attributes: Sequence[str],
    *,
    as_of: int,
    label_lag: int = 0,
    grace: int = 0,
) -> int:
    """Closes every window that is due at `as_of` (seconds since 1970); how many were closed.

    `attributes` names the parts of a cell's group, in order. Closing again does nothing.
    """
    due = {
        "predictions": (as_of - grace) // ledger.window - 1,
        "labels": (as_of - grace - label_lag) // ledger.window - 1,
    }
    closed = 0
    for cohort, last in due.items():
        mine = [s for s in streams if s.needs_label == (cohort == "labels")]
        for win in _open_windows(ledger, cohort, last):
            with ledger.engine.begin() as connection:
                take_turns(connection)
                if win > _closed(connection, cohort):
                    _close_window(connection, cohort, win, mine, attributes)
                    set_meta(connection, f"closed.{cohort}", str(win))
                    closed += 1
        with ledger.engine.begin() as connection:
            take_turns(connection)
            if last > _closed(connection, cohort):
                set_meta(connection, f"closed.{cohort}", str(last))
    return closed


def drop_rows(ledger: Ledger, before: int) -> int:
    """Drops the rows of closed windows that ended before `before` (seconds); their counts stay.

    From then on events of that time are refused: a duplicate could not be told any more.
    """
    with ledger.engine.begin() as connection:
        take_turns(connection)
        last = min(before // ledger.window - 1, *(_closed(connection, c) for c in ("predictions", "labels")))
        if last <= int(get_meta(connection, "dropped") or -(2**31)):
            return 0
        where = {"last": last, "oldest": (last + 1) * ledger.window}
        old = "SELECT key FROM prediction WHERE win <= :last"
        kept = "SELECT 1 FROM prediction p WHERE p.key = label.target AND p.win > :last"
        # A label that came after its prediction was dropped would be new again: it stays until its own time.
        sql = (
            f"DELETE FROM label WHERE at < :oldest AND (at <> {NO_TIME} OR target IN ({old})) "
            f"AND NOT EXISTS ({kept})"
        )
        connection.execute(text(sql), where)
        gone = connection.execute(text("DELETE FROM prediction WHERE win <= :last"), where).rowcount
        set_meta(connection, "dropped", str(last))
    return int(gone)


def _closed(connection: Connection, cohort: str) -> int:
    found = get_meta(connection, f"closed.{cohort}")
    return -(2**31) if found is None else int(found)


def _open_windows(ledger: Ledger, cohort: str, last: int) -> list[int]:
    with ledger.engine.begin() as connection:
        query = text("SELECT DISTINCT win FROM prediction WHERE win > :first AND win <= :last ORDER BY win")
        limits = {"first": _closed(connection, cohort), "last": last}
        return [int(win) for (win,) in connection.execute(query, limits)]


def _close_window(
    connection: Connection, cohort: str, win: int, streams: Sequence[Stream], attributes: Sequence[str]
) -> None:
    rows = _read(connection, win, with_labels=cohort == "labels")
    groups = Groups(read_cells(connection), attributes)
    _write_outcomes(connection, cohort, win, rows)
    if cohort == "labels":
        _write_lags(connection, rows)
    elif (rows.score >= 0).any() or any(stream.reads for stream in streams):
        _write_spread(connection, win, rows)
    made = []
    for name in sorted({rows_name(stream) for stream in streams}):
        same = [stream for stream in streams if rows_name(stream) == name]
        inside = rows.inside(same[0].denominator)
        use = _first_of_each_person(
            connection, name, rows, inside & (rows.score >= 0) if same[0].reads else inside
        )
        for stream in same:
            counts = table_of(stream, rows, use, groups)
            if counts.any():
                made.append({"stream": stream.id, "win": win, "counts": json.dumps(counts.tolist())})
    if made:
        connection.execute(schema.evidence.insert(), made)


class Groups:
    """Which cells are of a group, and which of its reference: looked up once for a window."""

    def __init__(self, cells: dict[int, tuple[str | None, Group]], attributes: Sequence[str]) -> None:
        self.cells, self.attributes = cells, attributes
        self._codes: dict[str, tuple[Ints, dict[str | None, int]]] = {}

    def sides(self, stream: Stream) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each cell number whether its rows are of the stream's group, and of its reference."""
        codes, known = self._of(stream.attribute)
        others = [code for value, code in known.items() if stream.other(value)]
        return codes == known.get(stream.group, -2), np.isin(codes, others)

    def _of(self, attribute: str) -> tuple[Ints, dict[str | None, int]]:
        if attribute not in self._codes:
            place = self.attributes.index(attribute)
            known: dict[str | None, int] = {}
            codes = np.full(max(self.cells, default=0) + 1, -1, np.int64)
            for number, (_, group) in self.cells.items():
                codes[number] = known.setdefault(group[place], len(known))
            self._codes[attribute] = codes, known
        return self._codes[attribute]


def table_of(stream: Stream, rows: Rows, use: Ints, groups: Groups) -> Ints:
    """One stream's count table from one window's rows; `use` are the rows that may take part."""
    in_group, is_other = groups.sides(stream)
    cell = rows.cell[use]
    if stream.reads:
        goods = [reached(rows.score[use], read).astype(np.int64) for read in stream.reads]
    else:
        goods = [rows.inside(stream.numerator)[use].astype(np.int64)]
    group = in_group[cell]
    if stream.comparison == "rate":
        return np.concatenate([_rate_table(good[group], stream.unit) for good in goods])
    part = group | is_other[cell]
    goods = [good[part] for good in goods]
    if stream.unit == "window":
        return np.concatenate([window_counts(group[part], good) for good in goods])
    key = rows.unit[use][part].view(np.uint64)
    return np.concatenate(pair_all(key, group[part], goods, stream.a, stream.b))


def _rate_table(mine: Ints, unit: str) -> Ints:
    good, n = int(mine.sum()), int(mine.size)
    return np.array([good, n] if unit == "window" else [n - good, good], np.int64)


def rows_name(stream: Stream) -> str:
    """Which rows a stream takes part with, so that streams of the same rows are one."""
    return ("score " if stream.reads else "") + mask_name(stream.denominator)


def mask_name(mask: Mask) -> str:
    """A mask in canonical words, so that equal ones are one.

    >>> mask_name(frozenset({(1, 1), (None, 0)}))
    '-0 11'
    """
    return " ".join(sorted("".join("-" if part is None else str(part) for part in cell) for cell in mask))


def _read(connection: Connection, win: int, *, with_labels: bool) -> Rows:
    label = f"coalesce(l.value, -1), {_LAG}" if with_labels else "-1, -1"
    join = _LATEST_LABEL if with_labels else ""
    columns = f"p.key, p.unit, p.at, p.cell, p.yhat, p.score, {label}, p.chance"
    sql = f"SELECT {columns} FROM prediction p {join} WHERE p.win = :win AND p.late = 0"
    found = connection.execute(text(sql), {"win": win}).fetchall()
    table = np.array([tuple(row) for row in found], np.int64).reshape(-1, 9)
    table = table[np.lexsort((table[:, 0], table[:, 2]))]
    counts = table[:, 8] == chances.COUNTS
    table[:, 6] = np.where(counts, table[:, 6], -1)
    return Rows(*(np.ascontiguousarray(table[:, i]) for i in range(9)))


def _first_of_each_person(connection: Connection, mask: str, rows: Rows, inside: NDArray[np.bool_]) -> Ints:
    """Indices of the rows that take part: of each person the first row ever under this denominator."""
    index = np.flatnonzero(inside)
    _, first = np.unique(rows.unit[index], return_index=True)
    index = index[np.sort(first)]
    named = index[rows.unit[index] != rows.key[index]]
    if not named.size:
        return index
    known = _seen_before(connection, mask, rows.unit[named].tolist())
    new = [{"mask": mask, "unit": unit} for unit in rows.unit[named].tolist() if unit not in known]
    if new:
        connection.execute(text("INSERT INTO seen (mask, unit) VALUES (:mask, :unit)"), new)
    return index[~np.isin(rows.unit[index], np.array(sorted(known), np.int64))]


def _seen_before(connection: Connection, mask: str, units: list[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(units), 500):
        part = units[start : start + 500]
        query = select(schema.seen.c.unit).where(schema.seen.c.mask == mask, schema.seen.c.unit.in_(part))
        found.update(int(unit) for (unit,) in connection.execute(query))
    return found


def _write_outcomes(connection: Connection, cohort: str, win: int, rows: Rows) -> None:
    label = np.where(rows.chance == chances.UNKNOWN, UNKNOWN_CHANCE, rows.label)
    kinds, counts = _distinct(np.stack([rows.cell, label, rows.yhat], axis=1))
    new = [
        {"cohort": cohort, "win": win, "cell": int(c), "label": int(y), "yhat": int(p), "n": int(n)}
        for (c, y, p), n in zip(kinds, counts, strict=True)
    ]
    if new:
        connection.execute(schema.outcome.insert(), new)


def _write_spread(connection: Connection, win: int, rows: Rows) -> None:
    kinds, counts = _distinct(np.stack([rows.cell, rows.score], axis=1))
    new = [
        {"win": win, "cell": int(c), "score": int(s), "n": int(n)}
        for (c, s), n in zip(kinds, counts, strict=True)
    ]
    if new:
        connection.execute(schema.spread.insert(), new)


def _write_lags(connection: Connection, rows: Rows) -> None:
    known = (rows.label >= 0) & (rows.lag >= 0)
    bucket = np.searchsorted(LAG_BUCKETS, rows.lag[known])
    kinds, counts = _distinct(np.stack([rows.cell[known], bucket], axis=1))
    new = [{"cell": int(c), "bucket": int(b), "n": int(n)} for (c, b), n in zip(kinds, counts, strict=True)]
    if new:
        statement = (
            "INSERT INTO lag (cell, bucket, n) VALUES (:cell, :bucket, :n) "
            "ON CONFLICT (cell, bucket) DO UPDATE SET n = lag.n + :n"
        )
        connection.execute(text(statement), new)


def _distinct(columns: Ints) -> tuple[Iterable[Ints], Ints]:
    kinds, counts = np.unique(columns, axis=0, return_counts=True)
    return list(kinds), counts
