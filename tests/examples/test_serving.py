"""The serving example: an update goes live through the gate, and an alarm takes it back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.architecture.modules import ROOT
from tests.needs import needs_extra


@pytest.mark.slow
def test_a_broken_feed_ends_in_a_rollback(tmp_path):
    needs_extra("uvicorn")
    command = [sys.executable, str(ROOT / "examples" / "serving" / "show.py"), str(tmp_path), "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["rolled_back_to"] == "v1"
    assert said["drift_to_rollback_s"] < 60
    assert set(said["predictions"]) == {"v1", "v2"}
