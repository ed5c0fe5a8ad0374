"""The demo ends with a verdict and a report, and is run again over itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audit import bundle
from audit.cli.main import main
from tests.architecture.modules import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


@pytest.mark.slow
def test_demo_makes_data_audits_it_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["demo", "--audit-only", "--out", "d"]) == 0
        said = capsys.readouterr().out
        assert said.startswith("✗ VIOLATION: ")
        assert "Report: d/evidence/report.html" in said
        assert said.splitlines()[-1] == "exit 0: not gated"
    assert bundle.verify(Path("d/evidence")).ok
    assert main(["gate", "d/evidence", "--spec", "d/audit.yaml", "--model", "d/model.joblib"]) == 1
    assert main(["gate", "d/evidence"]) == 1


@pytest.mark.slow
def test_demo_mends_and_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy that is advised is verified, the sham is ineffective, and both are on the page."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--out", "d"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "exit 0: not gated"
    trials = json.loads(Path("d/trials.json").read_text())
    assert sum(one["status"] == "measured" for one in trials["trials"]) >= 8
    plan = json.loads(Path("d/plan/plan.json").read_text())
    done = {one["status"]: one for one in plan["actions"] if one["delta"] is not None}
    assert done.keys() == {"verified", "ineffective"}
    assert done["verified"]["key"].startswith(f"remedy:{trials['best']}:")
    assert done["verified"]["low"] > 0
    assert done["ineffective"]["low"] <= 0
    shown = (ROOT / "docs" / "mitigation.md").read_text("utf-8")
    ours = ("True positive", "  drop-prox", "* drop-prox", "  retrain", "Advised", "A-001", "  Black: nearer")
    lines = [line for line in shown.splitlines() if line.startswith(ours)]
    assert len(lines) >= 7
    assert [line for line in lines if line not in said.splitlines()] == []
    page = Path("d/report-with-plan.html").read_text()
    assert 'id="causes"' in page
    assert 'id="plan"' in page
    assert bundle.verify(Path("d/evidence")).ok
    assert main(["gate", "d/evidence"]) == 1


def test_demo_leaves_a_folder_of_somebody_else_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "something else" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare(1) to make a small disk with")
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
    (place / "disk").mkdir()
    inside = (
        "mount -t tmpfs -o size=16k tmpfs disk || exit 77; head -c 16000 /dev/zero > disk/full; "
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
    assert done.returncode == code, done.stderr
    assert "No space left" in done.stderr
    assert "Hint: " in done.stderr
    assert "[(" not in done.stderr
    assert done.stdout.split() == ["full"]
