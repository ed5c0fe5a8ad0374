"""The ledger: every event once, whatever is sent twice, late, broken or cut off by a crash.

Each batch is one transaction that also holds its offset, so a process killed at any point has
either taken a batch or not. received = accepted + duplicate + rejected, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, Engine, select

from audit.errors import DataError, UsageError
from audit.monitor import schema
from audit.monitor.batch import Batch
from audit.monitor.cells import Cells
from audit.monitor.records import (
    add_meta,
    add_tally,
    get_meta,
    get_offset,
    read_cells,
    set_offset,
    take_turns,
)
from audit.monitor.taking import Closed, keep, take_labels, take_predictions
from audit.result import Group


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
        self._cells = Cells()
        try:
            self._open()
        except BaseException:
            self.engine.dispose()
            raise

    def _open(self) -> None:
        schema.open_schema(self.engine)
        with self.engine.begin() as connection:
            add_meta(connection, "window", str(self.window))
            stored = get_meta(connection, "window")
        if stored != str(self.window):
            raise UsageError(
                f"the ledger has windows of {stored} s, the policy asks for {self.window} s",
                hint="Windows are fixed for the life of a ledger; begin a new one.",
            )

    def close(self) -> None:
        self.engine.dispose()

    def offset(self, source: str) -> int:
        """How far a source was read, in its own unit (bytes, rows); 0 at first."""
        with self.engine.begin() as connection:
            return get_offset(connection, source)

    def expect(self, values: Iterable[Collection[str | None]]) -> None:
        """Names the audited values of each part of a group, in order: there is always room for those."""
        self._cells.expect(values)

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
            found = self._take(connection, batch)
            if source is not None and position is not None:
                set_offset(connection, source, position)
        return found

    def _take(self, connection: Connection, batch: Batch) -> Received:
        before = Closed.read(connection, self.window)
        rejected = Counter(batch.rejected)
        new = batch.predictions
        in_time = new.at >= before.oldest
        rejected["too_old"] += int((~in_time).sum())
        new = keep(new, in_time)
        used = np.unique(new.cell)
        numbers, unnamed = self._cells.take(connection, [batch.cells[i] for i in used])
        at = np.searchsorted(used, new.cell)
        fits = numbers[at] >= 0
        rejected["too_many_groups"] += int((~fits).sum())
        new, at = keep(new, fits), at[fits]
        taken, twice, collisions = take_predictions(connection, new, numbers[at], before, self.window)
        labels_taken, labels_twice, labels_old = take_labels(connection, batch.labels, before)
        rejected["hash_collision"] += collisions
        rejected["too_old"] += labels_old
        reasons = {reason: n for reason, n in rejected.items() if n}
        found = Received(batch.received, taken + labels_taken, twice + labels_twice, reasons)
        add_tally(
            connection,
            {
                "received": found.received,
                "accepted": found.accepted,
                "duplicate": found.duplicate,
                "predictions": taken,
                "versions_unnamed": int(unnamed[at].sum()),
                **{f"rejected.{reason}": n for reason, n in reasons.items()},
            },
        )
        return found

    def tallies(self) -> dict[str, int]:
        """Every count by name: received, accepted, duplicate, rejected.…, late.…, labels.…"""
        with self.engine.begin() as connection:
            return dict(sorted((name, int(n)) for name, n in connection.execute(select(schema.tally))))

    def cells(self) -> dict[int, tuple[str | None, Group]]:
        """Model version and groups by cell number."""
        with self.engine.begin() as connection:
            return read_cells(connection)
