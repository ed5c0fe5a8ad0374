"""How fast the monitor takes files into a SQLite ledger, and how long the evidence of 10,000 tables takes.

    python benchmarks/monitor_load.py [--events 2000000] [--quick]

Prints one line of JSON: file_events_per_s (JSON lines, two label or prediction events each person),
parquet_events_per_s, csv_events_per_s, http_events_per_s (batches of 1,000 JSON lines posted to
`harm-audit monitor run`, each answered once it is on disk), http_cloudevents_per_s (batches of 500
CloudEvents), evidence_10k_s, peak_mb, and over the second half of the events the growth of the peak
(growth_mb) and of what is held between two files (held_growth_mb): "flat" means that the latter has no
trend, while the former is the largest of ever more passing heaps and creeps a little.
file_cpu_us_per_event is the processor time of both cores, which other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from audit.monitor import evidence as ev
from audit.monitor.events import Normaliser, connect
from audit.monitor.files import ingest_file
from audit.monitor.ledger import Ledger
from audit.monitor.mapping import Attribute, Mapping

NOW = datetime(2026, 12, 31, tzinfo=UTC)
MAPPING = Mapping({name: Attribute(name) for name in ("sex", "region", "age")}, person="person")
SOURCE = """
    SELECT 'e' || (i // 2) AS event_id, 'p' || (i // 4) AS person,
        strftime(TIMESTAMP '2026-01-01' + INTERVAL 1 SECOND * ((i // 2) % 5000000), '%Y-%m-%dT%H:%M:%SZ')
            AS event_time,
        CASE WHEN i % 2 = 0 THEN ['F', 'M'][1 + (hash(i) % 2)::INT] END AS sex,
        CASE WHEN i % 2 = 0 THEN 'r' || (hash(i + 1) % 10) END AS region,
        CASE WHEN i % 2 = 0 THEN 18 + hash(i + 2) % 60 END AS age,
        CASE WHEN i % 2 = 0 THEN hash(i + 3) % 2 END AS prediction,
        CASE WHEN i % 2 = 1 THEN hash(i + 4) % 2 END AS label
    FROM range({first}, {last}) t(i)
"""
FORMATS = {"jsonl": "FORMAT json", "parquet": "FORMAT parquet", "csv": "FORMAT csv, HEADER"}


def write(path: Path, first: int, last: int) -> None:
    select = SOURCE.format(first=first, last=last)
    connect().execute(f"COPY ({select}) TO '{path}' ({FORMATS[path.suffix[1:]]})")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def held_mb() -> float:
    """What the process holds now; the peak where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return peak_mb()


def rate(folder: Path, ending: str, events: int, parts: int) -> tuple[float, float, list[float], list[float]]:
    """Events a second of one format, processor time of an event in µs, peak and held memory by part."""
    ledger = Ledger(f"sqlite:///{folder}/{ending}.db")
    normaliser, spent, cpu = Normaliser(MAPPING), 0.0, 0.0
    peaks, held = [], []
    for part in range(parts):
        path = folder / f"{part:04d}.{ending}"
        # A process of its own writes the file, so that its memory is not counted here.
        limits = (part * events // parts, (part + 1) * events // parts)
        writer = get_context("spawn").Process(target=write, args=(path, *limits))
        writer.start()
        writer.join()
        begun, cpu_begun = time.perf_counter(), time.process_time()
        ingest_file(ledger, path, normaliser, now=NOW)
        spent += time.perf_counter() - begun
        cpu += time.process_time() - cpu_begun
        peaks.append(peak_mb())
        held.append(held_mb())
        path.unlink()
    counts = ledger.tallies()
    assert counts["received"] == counts["accepted"] == events, counts
    ledger.close()
    return events / spent, 1e6 * cpu / events, peaks, held


SPEC = """
system: {name: load}
data:
  source: test.csv
  columns: {id: event_id, prediction: prediction, label: label, cluster: person}
  attributes: {sex: {}, region: {}, age: {bins: [25, 40, 65]}}
policy: {rules: [{metric: selection_rate, comparison: difference, at_most: 0.1}]}
"""


def http_rates(folder: Path, events: int) -> dict[str, int]:
    """Events a second over HTTP, by the form of the batches, from four clients at once."""
    rows = connect().execute(SOURCE.format(first=0, last=events)).to_arrow_table().to_pylist()
    plain = [{key: value for key, value in row.items() if value is not None} for row in rows]
    (folder / "audit.yaml").write_text(SPEC)
    head = "event_id,person,sex,region,age,prediction,label\n"
    test = "".join(
        f"{i},{i},{'FM'[i % 2]},r{i % 3},{18 + i % 60},{i % 3 % 2},{i % 2}\n" for i in range(3_000)
    )
    (folder / "test.csv").write_text(head + test)
    audit = [sys.executable, "-m", "audit"]
    for words in (["run", "--quiet"], ["monitor", "baseline", "evidence"]):
        subprocess.run([*audit, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*audit, "monitor", "run", "--quiet", "--port", str(port)]
    service = subprocess.Popen(command, cwd=folder, env=os.environ)
    try:
        wait_for(port)
        half, before = len(plain) // 2, cpu_seconds(service.pid)
        lines = [
            "".join(json.dumps(event) + "\n" for event in plain[i : i + 1_000]) for i in range(0, half, 1_000)
        ]
        clouds = [
            json.dumps(
                [
                    {
                        "specversion": "1.0",
                        "id": e["event_id"],
                        "source": "load",
                        "type": "prediction.v1",
                        "data": e,
                    }
                    for e in plain[i : i + 500]
                ]
            )
            for i in range(half, len(plain), 500)
        ]
        rates = {
            "http_events_per_s": half / post(port, lines, "application/x-ndjson"),
            "http_cloudevents_per_s": (len(plain) - half)
            / post(port, clouds, "application/cloudevents-batch+json"),
            "http_cpu_us_per_event": 1e6 * (cpu_seconds(service.pid) - before) / len(plain),
        }
    finally:
        service.terminate()
        service.wait()
    return {name: round(rate) for name, rate in rates.items()}


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(port: int) -> None:
    for _ in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise SystemExit("the service did not come up")


def post(port: int, bodies: list[str], kind: str) -> float:
    """Seconds until every body was answered with 202."""
    waiting, wrong = list(bodies), []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while waiting:
            try:
                body = waiting.pop()
            except IndexError:
                return
            connection.request("POST", "/events", body, {"content-type": kind})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 202:
                wrong.append(answer.status)

    threads = [threading.Thread(target=client) for _ in range(4)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    return time.perf_counter() - begun


def middle(values: list[float]) -> float:
    return float(np.median(values))


def evidence_seconds() -> float:
    rng = np.random.default_rng(0)
    tables, bounds = rng.integers(0, 500, (10_000, 10)), rng.uniform(0, 0.1, 10_000)
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        sides = [
            ev.mixture(ev.log_increments(tables, ev.block_bets("difference", s, sign * bounds, 1, 4)))
            for s, sign in (("above", 1), ("below", -1))
        ]
        ev.both(*sides)
        best = min(best, time.perf_counter() - begun)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--quick", action="store_true", help="200,000 events")
    options = parser.parse_args()
    events = 200_000 if options.quick else options.events
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, cpu, peaks, held = rate(folder, "jsonl", events, max(2, events // 500_000))
        parquet, *_ = rate(folder, "parquet", min(events, 1_000_000), 2)
        csv, *_ = rate(folder, "csv", min(events, 1_000_000), 2)
        peak = peak_mb()
        over_http = http_rates(folder, 20_000 if options.quick else 200_000)
    print(
        json.dumps(
            {
                "events": events,
                "file_events_per_s": round(files),
                "file_cpu_us_per_event": round(cpu, 1),
                "parquet_events_per_s": round(parquet),
                "csv_events_per_s": round(csv),
                **over_http,
                "evidence_10k_s": round(evidence_seconds(), 4),
                "peak_mb": round(peak),
                "growth_mb": round(peaks[-1] - peaks[(len(peaks) - 1) // 2]),
                "held_mb": round(held[-1]),
                "held_growth_mb": round(
                    middle(held[len(held) // 2 :]) - middle(held[: (len(held) + 1) // 2])
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
