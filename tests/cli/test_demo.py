"""The demo ends with a verdict and a report, and is run again over itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit import bundle
from audit.cli.main import main
from tests.architecture.modules import ROOT


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
