"""The ledger: every event once, whatever is sent twice, late, broken or cut off by a crash.

Each batch is one transaction that also holds its offset, so a process killed at any point has
either taken a batch or not. received = accepted + duplicate + rejected, always.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, Engine, select, text

from audit.errors import DataError, UsageError
from audit.monitor import schema
from audit.monitor.events import Batch, Ints, Labels, Predictions
from audit.monitor.records import (
    add_tally,
    get_meta,
    get_offset,
    read_cells,
    set_meta,
    set_offset,
    take_turns,
)
from audit.monitor.taking import Closed, take_labels, take_predictions
from audit.result import Group

MAX_CELLS = 20_000
"""The most combinations of model version and groups; a flood of invented names is refused beyond it."""


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
            return get_offset(connection, source)

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
            if source is not None and get_offset(connection, source) != after:
                raise DataError(
                    "another process reads this source into the same ledger",
                    where=source,
                    hint="Let one process read a source; several may share a ledger.",
                )
            rejected = dict(batch.rejected)
            before = Closed.read(connection)
            place, refused = self._cell_ids(connection, batch)
            predictions, labels = _known_cells(batch, place)
            _count(rejected, "too_many_groups", refused)
            taken, twice, collisions = take_predictions(connection, predictions, place, before, self.window)
            _count(rejected, "hash_collision", collisions)
            labels_taken, labels_twice = take_labels(connection, labels, before)
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
                set_offset(connection, source, position)
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


def _count(rejected: dict[str, int], reason: str, n: int) -> None:
    if n:
        rejected[reason] = rejected.get(reason, 0) + n
