"""README alone leads from nothing to a gate in a repository's CI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WALK = ROOT / "examples" / "ci" / "readme_walk.py"


@pytest.mark.slow
def test_each_step_of_the_readme_is_typed() -> None:
    done = subprocess.run(
        [sys.executable, str(WALK), "--borrow"], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["steps"] == 14
    assert figures["gates"] == [3, 3], "the gate here and the job's steps say the same"
