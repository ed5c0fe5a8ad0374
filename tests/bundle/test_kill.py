"""Kill the writer at random moments: a reader finds the old bundle or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit import bundle

WRITER = """
import sys, pathlib
from audit import bundle
target = pathlib.Path(sys.argv[1])
print("ready", flush=True)
for turn in range(10**9):
    body = f'{{"turn": {turn}}}'.encode()
    bundle.write(target, {"audit.json": body, "report.html": body * 20_000, "counts.parquet": body * 5_000})
"""
KILLS = 50

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not there")
def test_fifty_kills(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    target = tmp_path / "out"
    bundle.write(target, {"audit.json": b'{"turn": -1}'})
    recovered = 0
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": "."},
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        recovered += not target.exists()
        said = bundle.verify(target)
        assert said.ok, said.message
    assert len(list(tmp_path.iterdir())) <= 3
    bundle.write(target, {"audit.json": b"{}"})
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
