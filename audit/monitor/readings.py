"""What closed windows left: count tables, outcomes, scores and lags, read from the ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import func, select

from audit.monitor import schema
from audit.monitor.ledger import Ledger
from audit.monitor.records import read_cells
from audit.monitor.tables import Tables
from audit.result import Group

LAG_BUCKETS = (3_600, 21_600, 86_400, 604_800, 2_592_000, 7_776_000, 31_536_000)
"""Upper edges, in seconds, of the histogram of label lags; the last bucket is beyond them."""
UNKNOWN_CHANCE = -2
"""The label of an outcome whose chance of one is not known; −1 is no label."""


def tables(ledger: Ledger) -> Tables:
    """The count tables of all closed windows."""
    found = Tables()
    with ledger.engine.begin() as connection:
        for stream, win, counts in connection.execute(select(schema.evidence)):
            found.add(stream, int(win), json.loads(counts))
    return found


def outcomes(ledger: Ledger, cohort: str) -> list[tuple[int, Group, str | None, int | None, int, int]]:
    """(window, group, model version, label, prediction, rows) of the closed windows, in order."""
    with ledger.engine.begin() as connection:
        cells = read_cells(connection)
        o = schema.outcome.c
        query = select(o.win, o.cell, o.label, o.yhat, o.n).where(o.cohort == cohort)
        rows = [
            (int(win), cells[int(c)][1], cells[int(c)][0], None if y < 0 else int(y), int(p), int(n))
            for win, c, y, p, n in connection.execute(query)
        ]
    return sorted(
        rows, key=lambda row: (row[0], json.dumps([row[1], row[2]]), -1 if row[3] is None else row[3], row[4])
    )


def spreads(ledger: Ledger) -> list[tuple[int, Group, int, int]]:
    """(window, group, packed score, rows) of the windows closed for predictions, in order."""
    with ledger.engine.begin() as connection:
        cells = read_cells(connection)
        found = [
            (int(w), cells[int(c)][1], int(s), int(n))
            for w, c, s, n in connection.execute(select(schema.spread))
        ]
    return sorted(found, key=lambda row: (row[0], json.dumps(row[1]), row[2]))


def unknown_chances(
    ledger: Ledger, attributes: Sequence[str]
) -> dict[tuple[str, str | None], tuple[int, int]]:
    """Per group the rows whose chance of a label is not known, and all rows, of windows closed for labels."""
    found: dict[tuple[str, str | None], tuple[int, int]] = {}
    o = schema.outcome.c
    with ledger.engine.begin() as connection:
        cells = read_cells(connection)
        query = select(o.cell, o.label, func.sum(o.n)).where(o.cohort == "labels").group_by(o.cell, o.label)
        for number, label, n in connection.execute(query):
            for place in zip(attributes, cells[int(number)][1], strict=True):
                lacking, rows = found.get(place, (0, 0))
                found[place] = lacking + int(n) * (label == UNKNOWN_CHANCE), rows + int(n)
    return found


def scored(ledger: Ledger) -> dict[Group, dict[int, int]]:
    """Rows by packed score, per group, of all windows closed for predictions."""
    found: dict[Group, dict[int, int]] = {}
    s = schema.spread.c
    with ledger.engine.begin() as connection:
        cells = read_cells(connection)
        query = select(s.cell, s.score, func.sum(s.n)).group_by(s.cell, s.score).order_by(s.cell, s.score)
        for number, score, n in connection.execute(query):
            counts = found.setdefault(cells[int(number)][1], {})
            counts[int(score)] = counts.get(int(score), 0) + int(n)
    return found


def lags(ledger: Ledger) -> dict[Group, tuple[int, ...]]:
    """Rows by the lag of their first label, in the buckets of `LAG_BUCKETS`, per group."""
    found: dict[Group, list[int]] = {}
    with ledger.engine.begin() as connection:
        cells = read_cells(connection)
        for number, bucket, n in connection.execute(select(schema.lag)):
            found.setdefault(cells[int(number)][1], [0] * (len(LAG_BUCKETS) + 1))[int(bucket)] += int(n)
    return {group: tuple(counts) for group, counts in found.items()}
