"""A ledger of an older version goes on where it stood: nothing counted twice, nothing lost."""

from __future__ import annotations

from multiprocessing import get_context
from signal import SIGKILL

import pytest
from sqlalchemy import inspect

from audit.monitor.closing import close
from audit.monitor.events import Normaliser
from audit.monitor.files import ingest_file
from audit.monitor.ledger import Ledger
from audit.monitor.readings import tables
from audit.monitor.records import get_meta, set_meta
from audit.monitor.schema import VERSION, connect
from tests.monitor import worker
from tests.monitor.log import ATTRIBUTES, DAY, LABEL_LAG, MAPPING, NOW, START, Truth, make_log
from tests.monitor.make import SELECTION, TPR

STREAMS = [SELECTION, TPR]
DAYS = 8
CASES = [(version, "opened") for version in (1, 2, 3, 4)]
CASES += [(version, how) for version in (1, 3) for how in ("opened by two", "killed")]
KEYED_BY_HASH = {
    "sqlite": (
        "CREATE TABLE p3 (key INTEGER NOT NULL PRIMARY KEY, rest BIGINT NOT NULL, unit BIGINT NOT NULL, "
        "at BIGINT NOT NULL, win INTEGER NOT NULL, cell INTEGER NOT NULL, yhat SMALLINT NOT NULL, "
        "late SMALLINT NOT NULL, score SMALLINT DEFAULT -1 NOT NULL, chance SMALLINT DEFAULT 1 NOT NULL)",
        "INSERT INTO p3 SELECT * FROM prediction",
        "DROP TABLE prediction",
        "ALTER TABLE p3 RENAME TO prediction",
        "CREATE INDEX prediction_win ON prediction (win)",
        "CREATE TABLE l3 (target BIGINT NOT NULL, revision INTEGER NOT NULL, at BIGINT NOT NULL, "
        "value SMALLINT NOT NULL, rest BIGINT NOT NULL, matched SMALLINT NOT NULL, "
        "PRIMARY KEY (target, revision, at, value)) WITHOUT ROWID",
        "INSERT INTO l3 SELECT * FROM label",
        "DROP TABLE label",
        "ALTER TABLE l3 RENAME TO label",
    ),
    "postgresql": (
        "DROP INDEX label_event",
        "ALTER TABLE label ADD PRIMARY KEY (target, revision, at, value)",
    ),
}
"""From version 4 to 3, by dialect."""
BACK = {
    4: {"postgresql": ("ALTER TABLE cell ADD UNIQUE (value)",), "sqlite": ()},
    3: KEYED_BY_HASH,
    2: dict.fromkeys(
        ("postgresql", "sqlite"),
        (
            "ALTER TABLE prediction DROP COLUMN score",
            "ALTER TABLE prediction DROP COLUMN chance",
            "DROP TABLE spread",
        ),
    ),
    1: dict.fromkeys(("postgresql", "sqlite"), ("DROP TABLE delivery",)),
}
"""What makes a ledger of each version from one of the version after it."""


def made_old(ledger, version):
    with ledger.engine.begin() as connection:
        for step in range(VERSION - 1, version - 1, -1):
            for statement in BACK[step][connection.dialect.name]:
                connection.exec_driver_sql(statement)
        set_meta(connection, "schema_version", str(version))


def reopened(url, how, version):
    """The ledger after it was brought over: by one, by two at once, by one that had been killed in it."""
    context = get_context("forkserver")
    if how == "killed":
        channel, other = context.Pipe(duplex=False)
        process = context.Process(target=worker.bring_over_and_wait, args=(url, other))
        process.start()
        assert channel.recv() == "brought over, not committed"
        process.kill()
        process.join()
        assert process.exitcode == -SIGKILL
        engine = connect(url)
        with engine.begin() as connection:
            assert get_meta(connection, "schema_version") == str(version)
        engine.dispose()
    if how == "opened by two":
        gate = context.Event()
        processes = [context.Process(target=worker.open_at, args=(url, gate)) for _ in range(2)]
        for process in processes:
            process.start()
        gate.set()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
    return Ledger(url)


@pytest.mark.parametrize(("version", "how"), CASES)
def test_a_ledger_of_an_older_version_goes_on(url, tmp_path, version, how):
    log, truth = make_log(days=DAYS, per_day=80, seed=7, late=0.3, twice=0.2), Truth(STREAMS)
    ledger = Ledger(url)
    for day, lines in enumerate(log.days):
        if day == DAYS // 2:
            made_old(ledger, version)
            ledger.close()
            ledger = reopened(url, how, version)
            look = inspect(ledger.engine)
            assert [i["name"] for i in look.get_indexes("prediction")] == ["prediction_win"]
            assert [i["name"] for i in look.get_indexes("label")] == ["label_event"]
        path = tmp_path / f"{day}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        ingest_file(ledger, path, Normaliser(MAPPING, threads=1), now=NOW)
        truth.read(lines)
        close(ledger, STREAMS, ATTRIBUTES, as_of=START + (day + 1) * DAY, label_lag=LABEL_LAG)
        truth.close(START + (day + 1) * DAY)
    with ledger.engine.begin() as connection:
        assert get_meta(connection, "schema_version") == str(VERSION)
    assert truth.counts["duplicate"] > 50
    assert {k: n for k, n in ledger.tallies().items() if n} == truth.tallies()
    assert tables(ledger).to_bytes() == truth.table_bytes()
    ledger.close()


def test_rows_are_kept_in_the_order_in_which_they_came(tmp_path):
    """Keys are hashes: a table in their order is rewritten whole by each batch."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    with ledger.engine.begin() as connection:
        for table, index in (("prediction", "sqlite_autoindex_prediction_1"), ("label", "label_event")):
            found = connection.exec_driver_sql(
                f"SELECT name, sql FROM sqlite_master WHERE tbl_name = '{table}'"
            ).all()
            made = dict(tuple(row) for row in found)
            assert "WITHOUT ROWID" not in made[table]
            assert index in made
    ledger.close()
