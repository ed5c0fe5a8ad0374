"""kill -9 at random moments, of the monitor and of its database: the counts equal the truth, exactly."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from signal import SIGKILL

import pytest

from audit.monitor.ledger import Ledger
from audit.monitor.readings import outcomes, tables
from tests.monitor import worker
from tests.monitor.log import DAY, START, Truth, make_log
from tests.monitor.postgres import Server
from tests.monitor.worker import STREAMS
from tests.needs import needs_extra, needs_postgres


@dataclass(frozen=True)
class Size:
    """How much is ingested and how often it is killed."""

    days: int
    per_day: int
    chunk: int
    kills: int
    batches: int
    """The most batches that a process may take before it is killed."""


SMALL = Size(days=4, per_day=1_000, chunk=60_000, kills=5, batches=3)
LARGE = Size(days=10, per_day=4_000, chunk=200_000, kills=15, batches=3)
FULL = Size(days=30, per_day=18_500, chunk=500_000, kills=100, batches=4)
"""About a million events: a day's predictions, .8 labels each, 5 % of all twice."""
SLOW = FULL if os.environ.get("KILL_SIZE") == "full" else LARGE
"""`KILL_SIZE=full` takes the better part of an hour; the suite has a smaller one."""


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


class Worker:
    """The process, forked from one that has imported everything; it tells of each batch."""

    def __init__(self, url: str, folder: Path, chunk: int) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(["tests.monitor.worker"])
        self.channel, other = context.Pipe(duplex=False)
        self.process = context.Process(target=worker.main, args=(url, str(folder), chunk, other))
        self.process.start()
        other.close()

    def wait(self, messages: int) -> None:
        """Until so many messages came, or it ended."""
        with suppress(EOFError):
            for _ in range(messages):
                self.channel.recv()

    def kill(self) -> bool:
        """kill -9; whether it was at work."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode == -SIGKILL

    def finish(self) -> None:
        with suppress(EOFError):
            while True:
                self.channel.recv()
        self.process.join()
        assert self.process.exitcode == 0


def ingest_with_kills(url: str, folder: Path, size: Size, server: Server | None = None) -> int:
    """Starts and kills until so many kills hit a working process, then lets one finish; how many hit."""
    rng, hits = random.Random(5), 0
    server_kills = {size.kills // 3, 2 * size.kills // 3} if server else set()
    while hits < size.kills:
        running = Worker(url, folder, size.chunk)
        running.wait(rng.randrange(size.batches + 2))
        time.sleep(rng.uniform(0, 0.3))
        if server and hits in server_kills:
            server_kills.discard(hits)
            server.kill()
            server.start()
            hits += 1
        hits += running.kill()
        if running.process.exitcode == 0:
            break
    assert not server_kills
    Worker(url, folder, size.chunk).finish()
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
def test_many_kills_over_many_events(tmp_path):
    truth, url = truth_and_files(SLOW, tmp_path), f"sqlite:///{tmp_path}/ledger.db"
    assert truth.counts["received"] > 1.8 * SLOW.days * SLOW.per_day
    assert ingest_with_kills(url, tmp_path, SLOW) >= SLOW.kills / 2
    assert_equals(truth, url)


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL] if SLOW is LARGE else [SMALL, FULL])
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
