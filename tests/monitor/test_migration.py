"""A ledger of an older version goes on where it stood: nothing counted twice, nothing lost."""

from __future__ import annotations

from sqlalchemy import inspect

from audit.monitor.closing import close
from audit.monitor.events import Normaliser
from audit.monitor.files import ingest_file
from audit.monitor.ledger import Ledger
from audit.monitor.readings import tables
from audit.monitor.records import get_meta, set_meta
from audit.monitor.schema import VERSION
from tests.monitor.log import ATTRIBUTES, DAY, LABEL_LAG, MAPPING, NOW, START, Truth, make_log
from tests.monitor.make import SELECTION, TPR

STREAMS = [SELECTION, TPR]
DAYS = 8
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
        "ALTER TABLE cell ADD UNIQUE (value)",
        "DROP INDEX label_target",
        "ALTER TABLE label ADD PRIMARY KEY (target, revision, at, value)",
    ),
}
"""What version 4 was before, by dialect."""


def test_a_ledger_of_version_3_goes_on(url, tmp_path):
    log, truth = make_log(days=DAYS, per_day=80, seed=7, late=0.3, twice=0.2), Truth(STREAMS)
    ledger = Ledger(url)
    for day, lines in enumerate(log.days):
        if day == DAYS // 2:
            with ledger.engine.begin() as connection:
                for statement in KEYED_BY_HASH[connection.dialect.name]:
                    connection.exec_driver_sql(statement)
                set_meta(connection, "schema_version", "3")
            ledger.close()
            ledger = Ledger(url)
            indexes = {i["name"] for name in ("prediction", "label") for i in _indexes(ledger, name)}
            assert {"prediction_win", "label_target"} <= indexes
        path = tmp_path / f"{day}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
        truth.read(lines)
        close(ledger, STREAMS, ATTRIBUTES, as_of=START + (day + 1) * DAY, label_lag=LABEL_LAG)
        truth.close(START + (day + 1) * DAY)
    with ledger.engine.begin() as connection:
        assert get_meta(connection, "schema_version") == str(VERSION)
    assert truth.counts["duplicate"] > 50
    assert {k: n for k, n in ledger.tallies().items() if n} == truth.tallies()
    assert tables(ledger).to_bytes() == truth.table_bytes()
    ledger.close()


def _indexes(ledger, table):
    return inspect(ledger.engine).get_indexes(table)
