"""Events in databases: every row once, whatever ties, late commits and restarts do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from audit.errors import DataError, UsageError
from audit.monitor import databases
from audit.monitor.databases import ingest_table
from audit.monitor.events import Normaliser
from audit.monitor.ledger import Ledger
from audit.monitor.mapping import Attribute, Mapping
from audit.spec.monitor import Table

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MAPPING = Mapping({"sex": Attribute("sex")}, id="id", at="at")


@pytest.fixture
def place(tmp_path):
    with duckdb.connect(str(tmp_path / "events.duckdb")) as made:
        made.execute(
            'CREATE TABLE decisions (id BIGINT, "at" TIMESTAMP, written TIMESTAMP, n BIGINT, sex VARCHAR, '
            "prediction BOOLEAN)"
        )
    return tmp_path


def add(place, first, last, *, written, every=1):
    with duckdb.connect(str(place / "events.duckdb")) as made:
        made.execute(
            "INSERT INTO decisions SELECT i, TIMESTAMP '2026-05-01', "
            "? + INTERVAL 1 SECOND * (i // ?), i // ?, "
            "CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END, i % 3 = 0 FROM range(?, ?) t(i)",
            [written, every, every, first, last],
        )


def read(place, ledger, *, now=NOW, **given):
    said = {"source": "events.duckdb", "table": "decisions", "watermark": "written"} | given
    return ingest_table(
        ledger, Table.model_validate(said), Normaliser(MAPPING, threads=1), base=place, now=now, where="x"
    )


@pytest.mark.parametrize(("watermark", "every"), [("written", 1), ("written", 7), ("n", 7), ("n", 1_000)])
def test_every_row_is_read_once_with_ties_at_every_border(place, monkeypatch, watermark, every):
    monkeypatch.setattr(databases, "CHUNK_ROWS", 50)
    ledger = Ledger(f"sqlite:///{place}/ledger.db")
    add(place, 0, 333, written=datetime(2026, 6, 1), every=every)
    parts = read(place, ledger, watermark=watermark)
    assert sum(part.accepted for part in parts) == 333
    assert read(place, ledger, watermark=watermark) == []
    add(place, 2_000, 2_111, written=datetime(2026, 6, 1, 1), every=every)
    again = read(place, ledger, watermark=watermark)
    assert (sum(p.accepted for p in again), sum(p.duplicate for p in again)) == (111, 0)
    counts = ledger.tallies()
    assert counts["received"] == counts["accepted"] == counts["predictions"] == 444


def test_what_is_not_settled_waits(place):
    ledger = Ledger(f"sqlite:///{place}/ledger.db")
    add(place, 0, 10, written=NOW.replace(tzinfo=None) - timedelta(seconds=30))
    assert read(place, ledger) == []
    assert sum(p.accepted for p in read(place, ledger, now=NOW + timedelta(minutes=5))) == 10


def test_a_select_and_its_faults_are_named(place):
    ledger = Ledger(f"sqlite:///{place}/ledger.db")
    add(place, 0, 10, written=datetime(2026, 6, 1))
    sql = "SELECT * FROM decisions WHERE sex = 'F'"
    assert sum(p.accepted for p in read(place, ledger, table=None, sql=sql)) == 5
    with pytest.raises(UsageError, match="no table is called"):
        read(place, ledger, table="nowhere")
    with pytest.raises(UsageError, match="no column 'when'"):
        read(place, ledger, watermark="when")
    with pytest.raises(UsageError, match="a timestamp or a whole number"):
        read(place, ledger, watermark="sex")
    with duckdb.connect(str(place / "events.duckdb")) as made:
        made.execute("UPDATE decisions SET written = NULL WHERE id = 3")
    with pytest.raises(DataError, match="1 rows have no written"):
        read(place, ledger)


def test_rows_that_another_process_read_meanwhile_are_not_counted_twice(place, monkeypatch):
    ledger, other = (Ledger(f"sqlite:///{place}/ledger.db") for _ in range(2))
    add(place, 0, 10, written=datetime(2026, 6, 1))
    plain = databases._parts

    def meanwhile(*given):
        for part in plain(*given):
            monkeypatch.setattr(databases, "_parts", plain)
            read(place, other)
            yield part

    monkeypatch.setattr(databases, "_parts", meanwhile)
    with pytest.raises(DataError, match="another process reads this source"):
        read(place, ledger)
    assert ledger.tallies() == {"accepted": 10, "predictions": 10, "received": 10}
    ledger.close()
    other.close()


@pytest.mark.slow
def test_postgres_gives_the_same(place, postgres_url):
    ibis = pytest.importorskip("ibis")
    add(place, 0, 100, written=datetime(2026, 6, 1), every=7)
    with duckdb.connect(str(place / "events.duckdb")) as made:
        rows = made.execute("SELECT * FROM decisions").to_arrow_table()
    backend = ibis.connect(postgres_url)
    backend.create_table("decisions", rows, overwrite=True)
    backend.disconnect()
    ledger = Ledger(f"sqlite:///{place}/ledger.db")
    assert sum(p.accepted for p in read(place, ledger, source=postgres_url)) == 100
    assert read(place, ledger, source=postgres_url) == []
