"""The lending example: its generator, and the verdicts that its README states."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audit.api import run
from audit.engine.run import audit
from audit.result import AuditResult, Finding, Verdict
from audit.spec import load

LENDING = Path(__file__).resolve().parents[2] / "examples" / "lending"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lending")
    shutil.copy(LENDING / "audit.yaml", made)
    runpy.run_path(str(LENDING / "make_data.py"))["main"](made)
    return made


@pytest.fixture(scope="module")
def result(folder: Path) -> AuditResult:
    return audit(load(folder / "audit.yaml"), created_at="2026-11-22T00:00:00Z")[0]


def finding(result: AuditResult, rule: str, group: str) -> Finding:
    (found,) = (f for f in result.findings if f.rule == rule and f.group == (group,))
    return found


def test_same_bytes_each_time(folder: Path, tmp_path: Path) -> None:
    runpy.run_path(str(LENDING / "make_data.py"))["main"](tmp_path)
    for name in ("predictions.csv", "model.joblib"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_every_row_is_audited(result: AuditResult) -> None:
    assert result.data.rows_read == result.data.rows_audited == 7000


def test_rules_are_decided_as_the_readme_says(result: AuditResult) -> None:
    assert {item.rule: item.verdict.value for item in result.rules} == {
        "opportunity": "violation",
        "approvals": "inconclusive",
        "approved-repay": "pass",
        "discrimination": "pass",
        "calibration": "inconclusive",
    }
    assert result.verdict is Verdict.VIOLATION


def test_black_applicants_who_would_repay_are_refused(result: AuditResult) -> None:
    found = finding(result, "opportunity", "Black")
    assert found.verdict is Verdict.VIOLATION
    assert found.value == pytest.approx(-0.194, abs=5e-4)
    assert (found.low, found.high) == (pytest.approx(-0.232, abs=5e-4), pytest.approx(-0.157, abs=5e-4))


def test_the_unrecorded_income_does_not_show(result: AuditResult) -> None:
    assert finding(result, "opportunity", "Female").verdict is Verdict.PASS


@pytest.mark.parametrize("group", ["Asian", "Hispanic", "Other"])
def test_undecided_groups_say_how_many_rows(result: AuditResult, group: str) -> None:
    found = finding(result, "opportunity", group)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.rows_needed is not None
    assert found.rows_needed > 0


def test_a_plain_interval_outside_the_bound_is_no_verdict(result: AuditResult) -> None:
    found = finding(result, "approvals", "Black")
    assert (found.value, found.low, found.high) == (
        pytest.approx(0.745, abs=5e-4),
        pytest.approx(0.702, abs=5e-4),
        pytest.approx(0.787, abs=5e-4),
    )
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.rows_needed is not None


def test_the_model_is_named_by_its_digest(result: AuditResult) -> None:
    assert result.system.model is not None
    assert len(result.system.model.sha256) == 64


def test_the_readme_shows_a_real_session(folder: Path) -> None:
    """Each number of the README's session, but the bundle's id and date, is what the gate prints today."""
    run(folder / "audit.yaml", out=folder / "evidence", created_at="2026-11-22T00:00:00Z")
    asked = ["gate", str(folder / "evidence"), "--model", str(folder / "model.joblib")]
    done = subprocess.run(
        [sys.executable, "-m", "audit", *asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    readme = (LENDING.parents[1] / "README.md").read_text("utf-8")
    session = readme.split("$ harm-audit gate evidence --model model.joblib\n")[1].split("bundle ")[0]
    shown = re.findall(r"\d[\d,]*(?:\.\d+)?", session)
    assert len(shown) > 10
    assert [number for number in shown if number not in re.findall(r"\d[\d,]*(?:\.\d+)?", done.stdout)] == []
