"""Ingests a folder of days into a ledger and closes after each: the process that the kill loop kills.

python -m tests.monitor.worker URL FOLDER CHUNK_BYTES
"""

from __future__ import annotations

import sys
from pathlib import Path

from audit.monitor import files
from audit.monitor.closing import close
from audit.monitor.events import Normaliser
from audit.monitor.ledger import Ledger
from tests.monitor.log import ATTRIBUTES, DAY, LABEL_LAG, MAPPING, NOW, START
from tests.monitor.make import SELECTION, TPR

STREAMS = [SELECTION, TPR]


def main(url: str, folder: str, chunk: str) -> None:
    files.CHUNK_BYTES = int(chunk)
    ledger, normaliser = Ledger(url), Normaliser(MAPPING, threads=1)
    print("ready", flush=True)
    for day, path in enumerate(sorted(Path(folder).glob("*.jsonl"))):
        files.ingest_file(ledger, path, normaliser, now=NOW)
        close(ledger, STREAMS, ATTRIBUTES, as_of=START + (day + 1) * DAY, label_lag=LABEL_LAG)
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
