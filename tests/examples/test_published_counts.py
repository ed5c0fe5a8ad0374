"""The published tables, audited as counts: what their sources printed is what the audit must find."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.engine.run import audit
from audit.result import AuditResult, Finding, Verdict
from audit.spec import load

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def berkeley() -> AuditResult:
    return audit(load(EXAMPLES / "berkeley" / "audit.yaml"), created_at="2026-11-22T00:00:00Z")[0]


@pytest.fixture(scope="module")
def compas() -> AuditResult:
    return audit(load(EXAMPLES / "compas" / "audit.yaml"), created_at="2026-11-22T00:00:00Z")[0]


def rate(result: AuditResult, metric: str, group: str) -> tuple[float | None, float]:
    (found,) = (e for e in result.estimates if e.metric == metric and e.group == (group,))
    return found.value, found.n


def findings(result: AuditResult, rule: str) -> list[Finding]:
    return [finding for finding in result.findings if finding.rule == rule]


def verdict(result: AuditResult, rule: str) -> Verdict:
    return next(item.verdict for item in result.rules if item.rule == rule)


def test_berkeley_counts_people_not_lines(berkeley: AuditResult) -> None:
    assert berkeley.data.rows_read == berkeley.data.rows_audited == 4526


def test_berkeley_pooled_rates(berkeley: AuditResult) -> None:
    assert rate(berkeley, "selection_rate", "Men") == (pytest.approx(1198 / 2691), 2691)
    assert rate(berkeley, "selection_rate", "Women") == (pytest.approx(557 / 1835), 1835)
    (pooled,) = findings(berkeley, "pooled")
    assert pooled.verdict is Verdict.VIOLATION
    assert pooled.value == pytest.approx(-0.142, abs=5e-4)
    assert (pooled.low, pooled.high) == (pytest.approx(-0.170, abs=5e-4), pytest.approx(-0.113, abs=5e-4))


def test_berkeley_common_difference_passes(berkeley: AuditResult) -> None:
    (common,) = (f for f in findings(berkeley, "within-departments") if f.stratum is None)
    assert common.verdict is Verdict.PASS
    assert common.value == pytest.approx(0.018, abs=5e-4)
    assert (common.low, common.high) == (pytest.approx(-0.011, abs=5e-4), pytest.approx(0.047, abs=6e-4))


def test_berkeley_department_a_favours_women(berkeley: AuditResult) -> None:
    by_department = {
        f.stratum[0]: f for f in findings(berkeley, "within-departments") if f.stratum is not None
    }
    assert by_department["A"].verdict is Verdict.VIOLATION
    assert by_department["A"].value == pytest.approx(89 / 108 - 512 / 825)
    others = {name: finding.verdict for name, finding in by_department.items() if name != "A"}
    assert set(others) == set("BCDEF")
    assert Verdict.VIOLATION not in others.values()
    assert [name for name in "BCDE" if others[name] is not Verdict.INCONCLUSIVE] == []


def test_berkeley_simpson(berkeley: AuditResult) -> None:
    (found,) = berkeley.conditional
    assert found.simpson == "vanishes"
    assert found.pooled is not None
    assert found.difference is not None
    assert found.pooled < -0.1 < 0 < found.difference


@pytest.mark.parametrize(
    ("metric", "group", "published"),
    [
        ("false_positive_rate", "African-American", 44.85),
        ("false_positive_rate", "Caucasian", 23.45),
        ("false_negative_rate", "African-American", 27.99),
        ("false_negative_rate", "Caucasian", 47.72),
        ("positive_predictive_value", "African-American", 62.97),
        ("positive_predictive_value", "Caucasian", 59.13),
        ("base_rate", "African-American", 51.4),
        ("base_rate", "Caucasian", 39.4),
    ],
)
def test_compas_rates(compas: AuditResult, metric: str, group: str, published: float) -> None:
    digits = len(str(published).split(".")[1])
    value, _ = rate(compas, metric, group)
    assert value is not None
    assert round(100 * value, digits) == published


def test_compas_violates_equalized_odds_in_both_rates(compas: AuditResult) -> None:
    assert verdict(compas, "errors") is Verdict.VIOLATION
    limits = {f.metric: (f.verdict, f.low, f.high) for f in findings(compas, "errors")}
    assert limits == {
        "false_positive_rate": (
            Verdict.VIOLATION,
            pytest.approx(0.182, abs=5e-4),
            pytest.approx(0.245, abs=5e-4),
        ),
        "true_positive_rate": (
            Verdict.VIOLATION,
            pytest.approx(0.160, abs=5e-4),
            pytest.approx(0.235, abs=5e-4),
        ),
    }


def test_compas_high_risk_means_about_the_same(compas: AuditResult) -> None:
    (found,) = findings(compas, "high-risk-means-the-same")
    assert found.verdict is Verdict.PASS
    assert found.value == pytest.approx(0.038, abs=5e-4)
    assert (found.low, found.high) == (pytest.approx(0.0, abs=5e-4), pytest.approx(0.077, abs=5e-4))
