"""Ingests a folder of days into a ledger and closes after each: the process that the kill loop kills."""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from time import sleep
from typing import Any

from audit.monitor import files, schema
from audit.monitor.closing import close
from audit.monitor.events import Normaliser
from audit.monitor.ledger import Ledger
from tests.monitor.log import ATTRIBUTES, DAY, LABEL_LAG, MAPPING, NOW, START
from tests.monitor.make import SELECTION, TPR

STREAMS = [SELECTION, TPR]


class Telling(Ledger):
    """A ledger that tells of each batch when it is in."""

    def __init__(self, url: str, channel: Connection) -> None:
        super().__init__(url)
        self.channel = channel

    def ingest(self, *arguments: Any, **options: Any) -> Any:
        found = super().ingest(*arguments, **options)
        self.channel.send("batch")
        return found


def main(url: str, folder: str, chunk: int, channel: Connection) -> None:
    files.CHUNK_BYTES, files.EVENTS_AT_ONCE = chunk, 1
    ledger, normaliser = Telling(url, channel), Normaliser(MAPPING, threads=1)
    channel.send("ready")
    for day, path in enumerate(sorted(Path(folder).glob("*.jsonl"))):
        files.ingest_file(ledger, path, normaliser, now=NOW)
        close(ledger, STREAMS, ATTRIBUTES, as_of=START + (day + 1) * DAY, label_lag=LABEL_LAG)
    ledger.close()


def take(url: str, folder: str, chunk: int) -> None:
    """Ingests a folder and closes nothing: one of several processes on a ledger."""
    files.CHUNK_BYTES, files.EVENTS_AT_ONCE = chunk, 1
    ledger, normaliser = Ledger(url), Normaliser(MAPPING, threads=1)
    for path in sorted(Path(folder).glob("*.jsonl")):
        files.ingest_file(ledger, path, normaliser, now=NOW)
    ledger.close()


def open_at(url: str, gate: Event) -> None:
    """Opens a ledger when it is told to, as another process does."""
    gate.wait()
    Ledger(url).close()


def bring_over_and_wait(url: str, channel: Connection) -> None:
    """Brings a ledger to this version and waits before the transaction ends, to be killed."""
    last = schema.VERSION - 1
    step = schema.MIGRATIONS[last]

    def told(connection: Any) -> None:
        step(connection)
        channel.send("brought over, not committed")
        sleep(600)

    schema.MIGRATIONS[last] = told
    Ledger(url)
