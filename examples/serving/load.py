"""Load for the inference server: a steady stream of applicants, and a side-by-side measure of two servers.

python load.py URL [SECONDS] [PER_SECOND]
python load.py --compare URL_WITH_CAPTURE URL_WITHOUT [REQUESTS]
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from make_models import people

ROUND = 500
LOST = 0.7
"""The share of women whom the bureau no longer finds once its feed is broken."""


class Client:
    """One connection that is kept."""

    def __init__(self, url: str) -> None:
        self.host = url.partition("://")[2].rstrip("/")
        self.connection = http.client.HTTPConnection(self.host, timeout=10)
        self.connection.connect()

    def predict(self, row: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Seconds that a prediction took, and the answer."""
        body = json.dumps(row)
        begun = time.perf_counter()
        self.connection.request("POST", "/predict", body, {"content-type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        spent = time.perf_counter() - begun
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {text[:200]!r}")
        return spent, json.loads(text)


class Stream:
    """A steady stream of applicants in a thread; `drift` breaks the bureau's feed for women."""

    def __init__(self, url: str, per_second: float = 120) -> None:
        self.client, self.pause = Client(url), 1 / per_second
        self.drift = threading.Event()
        self.stopping = threading.Event()
        self.sent = 0
        self.versions: dict[str, int] = {}
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        rng = np.random.default_rng()
        while not self.stopping.is_set():
            for row in people(rng, 2_000).drop(columns=["repaid", "race", "area_index"]).to_dict("records"):
                if self.stopping.is_set():
                    return
                begun = time.perf_counter()
                if self.drift.is_set() and row["sex"] == "Female" and rng.random() < LOST:
                    row["bureau"] = 0
                _, answer = self.client.predict({**row, "is_male": 0, "customer": f"c{rng.integers(2**62)}"})
                self.sent += 1
                version = str(answer["model_version"])
                self.versions[version] = self.versions.get(version, 0) + 1
                time.sleep(max(0.0, self.pause - (time.perf_counter() - begun)))


def compare(captured: str, plain: str, requests: int = 6_000) -> dict[str, float]:
    """Median latencies of two servers in milliseconds, asked in turn by one client with the same rows.

    What the capture adds is the median over rounds of 500 requests each, so that a busy moment of the
    machine counts once.
    """
    rows = people(np.random.default_rng(7), 1_000).drop(columns=["repaid", "race"]).to_dict("records")
    clients = [Client(captured), Client(plain)]
    rounds = []
    for start in range(-ROUND, requests, ROUND):
        spent: tuple[list[float], list[float]] = ([], [])
        for i in range(ROUND):
            row = {**rows[i], "is_male": 0, "customer": f"c{start + i}"}
            for which in (0, 1) if i % 2 else (1, 0):
                spent[which].append(clients[which].predict(row)[0])
        if start >= 0:
            rounds.append([statistics.median(times) * 1_000 for times in spent])
    return {
        "captured_ms": round(statistics.median(with_it for with_it, _ in rounds), 4),
        "plain_ms": round(statistics.median(without for _, without in rounds), 4),
        "added": round(statistics.median(with_it / without - 1 for with_it, without in rounds), 4),
    }


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--compare"]:
        print(json.dumps(compare(words[1], words[2], int(words[3]) if len(words) > 3 else 6_000)))
        return
    stream = Stream(words[0], float(words[2]) if len(words) > 2 else 120)
    stream.thread.start()
    time.sleep(float(words[1]) if len(words) > 1 else 60)
    stream.stopping.set()
    stream.thread.join()
    print(json.dumps({"sent": stream.sent, "versions": stream.versions}))


if __name__ == "__main__":
    main()
