"""The ledger's tables, their version, and the way from an older version to this one."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    select,
    text,
)

from audit.errors import DataError

VERSION = 5

metadata = MetaData()

meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
offsets = Table(
    "offsets",
    metadata,
    Column("source", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
tally = Table(
    "tally", metadata, Column("name", Text, primary_key=True), Column("n", BigInteger, nullable=False)
)
cell = Table(
    "cell",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    # Not unique by an index, for names are longer than an index takes: one writer at a time looks first.
    Column("value", Text, nullable=False),
)
# Keys are hashes: a table that is ordered by them is rewritten whole by each batch. Here only the index is.
prediction = Table(
    "prediction",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("rest", BigInteger, nullable=False),
    Column("unit", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("win", Integer, nullable=False),
    Column("cell", Integer, nullable=False),
    Column("yhat", SmallInteger, nullable=False),
    Column("late", SmallInteger, nullable=False),
    Column("score", SmallInteger, nullable=False, server_default="-1"),
    Column("chance", SmallInteger, nullable=False, server_default="1"),
    Index("prediction_win", "win"),
)
label = Table(
    "label",
    metadata,
    Column("target", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("value", SmallInteger, nullable=False),
    Column("rest", BigInteger, nullable=False),
    Column("matched", SmallInteger, nullable=False),
    # All but `rest`: one client's endless corrections of one label are then looked up once each.
    Index("label_event", "target", "revision", "at", "value"),
)
seen = Table(
    "seen",
    metadata,
    Column("mask", Text, primary_key=True),
    Column("unit", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
outcome = Table(
    "outcome",
    metadata,
    Column("cohort", Text, primary_key=True),
    Column("win", Integer, primary_key=True, autoincrement=False),
    Column("cell", Integer, primary_key=True, autoincrement=False),
    Column("label", SmallInteger, primary_key=True, autoincrement=False),
    Column("yhat", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
)
spread = Table(
    "spread",
    metadata,
    Column("win", Integer, primary_key=True, autoincrement=False),
    Column("cell", Integer, primary_key=True, autoincrement=False),
    Column("score", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
)
lag = Table(
    "lag",
    metadata,
    Column("cell", Integer, primary_key=True, autoincrement=False),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
)
evidence = Table(
    "evidence",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("win", Integer, primary_key=True, autoincrement=False),
    Column("counts", Text, nullable=False),
)

alarm_entry = Table(
    "alarm_entry",
    metadata,
    Column("alarm", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sink", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("error", Text),
)


def _add_deliveries(connection: Connection) -> None:
    metadata.create_all(connection, tables=[delivery])


def _add_scores(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE prediction ADD COLUMN score SMALLINT NOT NULL DEFAULT -1"))
    connection.execute(text("ALTER TABLE prediction ADD COLUMN chance SMALLINT NOT NULL DEFAULT 1"))
    metadata.create_all(connection, tables=[spread])


def _append_rows(connection: Connection) -> None:
    """Events in the order in which they came, with an index of their keys beside them."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE label DROP CONSTRAINT label_pkey"))
        for index in label.indexes:
            index.create(connection)
        return
    connection.execute(text("DROP INDEX prediction_win"))
    for table in (prediction, label):
        connection.execute(text(f"ALTER TABLE {table.name} RENAME TO old_{table.name}"))
        table.create(connection)
        names = ", ".join(column.name for column in table.columns)
        connection.execute(text(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM old_{table.name}"))
        connection.execute(text(f"DROP TABLE old_{table.name}"))


def _free_names(connection: Connection) -> None:
    """Names of groups of any length; SQLite's index takes them as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE cell DROP CONSTRAINT cell_value_key"))


MIGRATIONS: dict[int, Callable[[Connection], None]] = {
    1: _add_deliveries,
    2: _add_scores,
    3: _append_rows,
    4: _free_names,
}
"""From version v to v + 1; each runs once, in the transaction that raises the version."""


def connect(url: str) -> Engine:
    """An engine on the ledger at `url` (`sqlite:///file` or `postgresql+psycopg://…`)."""
    # A database that was restarted is found out before a transaction begins, not in it.
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(raw: object, _: object) -> None:
    raw.isolation_level = None  # type: ignore[attr-defined]
    cursor = raw.cursor()  # type: ignore[attr-defined]
    for setting in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "temp_store=MEMORY",
        "cache_size=-65536",
        "wal_autocheckpoint=32768",
    ):
        cursor.execute(f"PRAGMA {setting}")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # The driver's own BEGIN takes the write lock late, and two writers would then fail instead of wait.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_schema(engine: Engine) -> None:
    """Creates the tables, or brings an older ledger to this version; a newer one is a DataError."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7421001)"))
        if not inspect(connection).has_table("meta"):
            metadata.create_all(connection)
            connection.execute(meta.insert().values(name="schema_version", value=str(VERSION)))
            return
        found = connection.execute(select(meta.c.value).where(meta.c.name == "schema_version")).scalar()
        if found is None or not found.isdigit():
            raise DataError("this database is not a ledger", hint="Give the monitor a database of its own.")
        version = int(found)
        if version > VERSION:
            raise DataError(
                f"the ledger has schema version {version}, this program knows {VERSION}",
                hint="Run the newer harm-audit that wrote it.",
            )
        for step in range(version, VERSION):
            MIGRATIONS[step](connection)
        if version < VERSION:
            connection.execute(
                meta.update().where(meta.c.name == "schema_version").values(value=str(VERSION))
            )
