"""The ledger's cells, a model version with groups each: which number one has, and which there is room for.

Audited groups always have room, so that a flood of invented names stops the watch of nobody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, text

from audit.monitor import schema
from audit.monitor.batch import Ints
from audit.result import Group

Cell = tuple[str | None, Group]

MAX_CELLS = 20_000
"""The most cells with a group that the audit did not have; and the most of audited groups that keep the name
of their version. Cells of audited groups beyond those have no version's name, and are as many as the audited
values combine to."""


class Cells:
    """The cells of one ledger, for one writer at a time."""

    def __init__(self) -> None:
        self._audited: tuple[frozenset[str | None], ...] | None = None
        self._numbers: dict[str, int] = {}
        self._named = self._others = 0

    def expect(self, values: Iterable[Collection[str | None]]) -> None:
        """Names the audited values, an entry for each part of a cell's group, in order."""
        self._audited = tuple(frozenset(part) for part in values)
        self._numbers, self._named, self._others = {}, 0, 0

    def take(self, connection: Connection, cells: Sequence[Cell]) -> tuple[Ints, NDArray[np.bool_]]:
        """The number of each cell, −1 where there is no room, and which lack their version's name."""
        names = [_name(*cell) for cell in cells]
        kept = {name: name for name in names if name in self._numbers}
        numbers = self._numbers
        if len(kept) < len(names):
            self._read(connection)
            kept = self._settle(dict(sorted(zip(names, cells, strict=True))))
            numbers = self._numbers
            if new := sorted(set(kept.values()) - numbers.keys()):
                connection.execute(
                    text("INSERT INTO cell (value) VALUES (:value)"), [{"value": name} for name in new]
                )
                numbers = _stored(connection)
        place = [numbers[kept[name]] if name in kept else -1 for name in names]
        return np.array(place, np.int64), np.array([kept.get(name, name) != name for name in names], bool)

    def _settle(self, cells: dict[str, Cell]) -> dict[str, str]:
        """By name the name under which a cell stands; one that there is no room for is not in it."""
        kept = {}
        named, others = self._named, self._others
        for name, (version, group) in cells.items():
            if name in self._numbers:
                kept[name] = name
            elif not self._known(group):
                if others < MAX_CELLS:
                    kept[name] = name
                    others += 1
            elif version is None or named < MAX_CELLS:
                kept[name] = name
                named += version is not None
            else:
                kept[name] = _name(None, group)
        return kept

    def _read(self, connection: Connection) -> None:
        """What is in the ledger before this batch: so a batch that is rolled back leaves nothing here."""
        found = _stored(connection)
        for name in found.keys() - self._numbers.keys():
            version, group = json.loads(name)
            if not self._known(group):
                self._others += 1
            elif version is not None:
                self._named += 1
        self._numbers = found

    def _known(self, group: Sequence[str | None]) -> bool:
        if self._audited is None or len(self._audited) != len(group):
            return False
        return all(value in values for value, values in zip(group, self._audited, strict=True))


def _name(version: str | None, group: Group) -> str:
    return json.dumps([version, list(group)], ensure_ascii=False)


def _stored(connection: Connection) -> dict[str, int]:
    return {str(value): int(number) for number, value in connection.execute(select(schema.cell))}
