"""A small disk and a full one: what was there stays, and nothing half written is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audit.cli.main import main
from tests.architecture.modules import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None, reason="no unshare(1) to make a small disk with"
)


def on_a_disk(
    place: Path, words: str, *, size: str, before: str = "true"
) -> subprocess.CompletedProcess[str]:
    """The command with a disk of that size at `disk`, whose files are listed after it."""
    (place / "disk").mkdir()
    inside = (
        f"mount -t tmpfs -o size={size} tmpfs disk || exit 77; {before}; "
        f"{sys.executable} -m audit {words}; code=$?; ls -A disk; exit $code"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside],
        cwd=place,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (1, 77) and "error:" not in done.stderr:
        pytest.skip(f"no disk could be mounted here: {done.stderr.strip()[:100]}")
    return done


def test_a_small_disk(place: Path) -> None:
    done = on_a_disk(place, "run --out disk/out", size="48k")
    assert done.returncode == 4, done.stderr
    assert "No space left" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("demo --out disk/demo", 4),
        ("checklist new --project disk", 4),
        ("checklist export --format html --project . --out disk/lists.html", 4),
        ("init rows.csv --out disk/audit.yaml", 4),
        ("run --out evidence --history disk/looks", 4),
        ("plan show evidence --out disk/plan", 4),
    ],
)
def test_a_full_disk_is_left_as_it_was(place: Path, words: str, code: int) -> None:
    assert main(["run", "--out", "evidence", "--quiet"]) == 0
    assert main(["checklist", "new"]) == 0
    done = on_a_disk(place, words, size="16k", before="head -c 16000 /dev/zero > disk/full")
    assert done.returncode == code, done.stderr
    assert "No space left" in done.stderr
    assert "Hint: " in done.stderr
    assert "[(" not in done.stderr
    assert done.stdout.split() == ["full"]
