"""The whole way from a failing audit to a signed release, as the example walks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WALK = Path(__file__).resolve().parents[2] / "examples" / "lending" / "walk.py"


@pytest.mark.slow
def test_the_walk_ends_where_it_says(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(WALK), str(tmp_path / "walk")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    gates = [
        line for line in done.stdout.splitlines() if line.startswith("exit ") and "not gated" not in line
    ]
    assert gates == ["exit 1", "exit 1", "exit 3", "exit 0", "exit 3"]
    said = " ".join(done.stdout.split())
    assert "A-001: verified" in said
    assert "Tier 1 asks for the sign-off of: owner." in said
    assert "not of the given" in said.rpartition("One byte of the model changes.")[2]
    register = (tmp_path / "walk/governance/harms.yaml").read_text(encoding="utf-8")
    assert "status: closed" in register
    assert "status: identified" not in register
