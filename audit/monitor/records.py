"""The ledger's small tables by name: settings, tallies, offsets, cells; and whose turn it is to write."""

from __future__ import annotations

import json

from sqlalchemy import Connection, select, text

from audit.monitor import schema
from audit.result import Group


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


def add_meta(connection: Connection, name: str, value: str) -> None:
    """Sets what is not set yet; of two that do it at once the first one holds."""
    statement = "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"
    connection.execute(text(statement), {"name": name, "value": value})


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


def get_offset(connection: Connection, source: str) -> int:
    query = select(schema.offsets.c.position).where(schema.offsets.c.source == source)
    return int(connection.execute(query).scalar() or 0)


def set_offset(connection: Connection, source: str, position: int) -> None:
    statement = (
        "INSERT INTO offsets (source, position) VALUES (:source, :position) "
        "ON CONFLICT (source) DO UPDATE SET position = :position"
    )
    connection.execute(text(statement), {"source": source, "position": position})
