"""kill -9 at random moments, of the monitor and of its database: the counts equal the truth, exactly."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.monitor.closing import outcomes, tables
from audit.monitor.ledger import Ledger
from tests.monitor.log import DAY, START, Truth, make_log
from tests.monitor.postgres import Server
from tests.monitor.worker import STREAMS
from tests.needs import needs_extra, needs_postgres

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Size:
    """How much is ingested and how often it is killed."""

    days: int
    per_day: int
    chunk: int
    kills: int
    longest: float
    """Seconds that a process may live after it is ready."""


SMALL = Size(days=4, per_day=1_000, chunk=60_000, kills=3, longest=0.25)
FULL = Size(days=30, per_day=18_500, chunk=500_000, kills=100, longest=1.2)
"""About a million events: a day's predictions, .8 labels each, 5 % of all twice."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    needs_extra("psycopg")
    made = Server(needs_postgres())
    yield made
    made.stop()


def truth_and_files(size: Size, folder: Path) -> Truth:
    log, truth = make_log(days=size.days, per_day=size.per_day, seed=11), Truth(STREAMS)
    for day, lines in enumerate(log.days):
        (folder / f"{day:04d}.jsonl").write_text("".join(f"{line}\n" for line in lines))
        truth.read(lines)
        truth.close(START + (day + 1) * DAY)
    return truth


def start(url: str, folder: Path, chunk: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.monitor.worker", url, str(folder), str(chunk)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def ingest_with_kills(url: str, folder: Path, size: Size, server: Server | None = None) -> int:
    """Starts and kills until so many kills hit a working process, then lets one finish; how many hit."""
    rng, hits = random.Random(5), 0
    server_kills = {size.kills // 3, 2 * size.kills // 3} if server else set()
    while hits < size.kills:
        process = start(url, folder, size.chunk)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, size.longest))
        if server and hits in server_kills:
            server_kills.discard(hits)
            server.kill()
            server.start()
        done = process.poll() is not None
        process.kill()
        process.communicate()
        if done and process.returncode == 0:
            break
        hits += 1
    assert not server_kills
    process = start(url, folder, size.chunk)
    process.communicate(timeout=1_200)
    assert process.returncode == 0
    return hits


def assert_equals(truth: Truth, url: str) -> None:
    ledger = Ledger(url)
    assert {k: n for k, n in ledger.tallies().items() if n} == truth.tallies()
    assert tables(ledger).to_bytes() == truth.table_bytes()
    found = {
        (cohort, win, str(group[0]), str(group[1]), label, yhat): n
        for cohort in ("predictions", "labels")
        for win, group, _, label, yhat, n in outcomes(ledger, cohort)
    }
    assert found == dict(truth.outcome)
    ledger.close()


def test_killed_at_random_moments(tmp_path):
    truth, url = truth_and_files(SMALL, tmp_path), f"sqlite:///{tmp_path}/ledger.db"
    assert ingest_with_kills(url, tmp_path, SMALL) >= 2
    assert_equals(truth, url)


@pytest.mark.slow
def test_a_hundred_kills_over_a_million_events(tmp_path):
    truth, url = truth_and_files(FULL, tmp_path), f"sqlite:///{tmp_path}/ledger.db"
    assert truth.counts["received"] > 1_000_000
    assert ingest_with_kills(url, tmp_path, FULL) == FULL.kills
    assert_equals(truth, url)


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, FULL], ids=["small", "full"])
def test_postgres_with_the_server_killed_twice(tmp_path, server, size):
    database = f"kill_{size.kills}"
    admin = Ledger(server.url)
    with admin.engine.connect() as connection:
        connection.connection.driver_connection.autocommit = True
        connection.connection.cursor().execute(f"CREATE DATABASE {database}")
    admin.close()
    truth, url = truth_and_files(size, tmp_path), server.url.replace("/postgres", f"/{database}")
    assert ingest_with_kills(url, tmp_path, size, server) >= min(size.kills, 2)
    assert_equals(truth, url)
