"""The Python API: the same verdict as the command line, tables, a bundle, and looks that are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import audit
from audit import api, bundle
from audit.cli.main import main
from audit.errors import SpecError, UsageError
from tests.cli.conftest import rows

RULES = [
    {"id": "approval", "metric": "selection_rate", "comparison": "ratio", "at_least": 0.8},
    {"id": "opportunity", "metric": "true_positive_rate", "comparison": "difference", "at_most": 0.1},
]
NOW = "2026-11-22T10:00:00Z"


def frame(n: int = 1200, gap: float = 0.2) -> pd.DataFrame:
    return pd.DataFrame(rows(n, gap), columns=["sex", "repaid", "approved", "p_repay"])


def audited(n: int = 1200, gap: float = 0.2, **options: object) -> api.Audit:
    given = {"label": "repaid", "prediction": "approved", "sensitive": ["sex"], "rules": RULES, **options}
    return audit.audit(frame(n, gap), created_at=NOW, **given)  # type: ignore[arg-type]


def test_the_public_names() -> None:
    assert set(dir(audit)) == {"Audit", "__version__", "audit", "run"}
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = audit.nope


@pytest.mark.parametrize(
    ("n", "gap", "verdict"),
    [(1200, 0.2, "violation"), (4000, 0.0, "pass"), (80, 0.08, "inconclusive")],
)
def test_verdicts(n: int, gap: float, verdict: str) -> None:
    done = audited(n, gap)
    assert done.verdict == verdict
    assert repr(done).startswith(f"Audit({verdict}; approval: ")


def test_python_and_the_command_line_agree(place: Path) -> None:
    assert main(["run", "--out", "cli"]) == 0
    done = audit.run("audit.yaml", out="python")
    by_cli = json.loads((place / "cli/audit.json").read_bytes())
    by_python = json.loads((place / "python/audit.json").read_bytes())
    by_cli.pop("created_at")
    by_python.pop("created_at")
    assert by_cli == by_python
    assert done.verdict == "violation"
    for comparison in (audited().result.comparisons, done.result.comparisons):
        assert [c.value for c in comparison] == [c.value for c in done.result.comparisons]


def test_equal_input_gives_equal_bytes(place: Path) -> None:
    made = [audit.run("audit.yaml", created_at=NOW).files() for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("what", api.FRAMES)
def test_frames(what: str) -> None:
    done = audited()
    table = done.to_frame(what)
    assert len(table) == len(getattr(done.result, what))
    if what == "findings":
        assert set(table["group"]) <= {"Female", "Male"}
        assert set(table["grouping"]) == {"sex"}


def test_a_frame_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="'finding'"):
        audited().to_frame("finding")


def test_save_writes_a_bundle_that_the_gate_takes(tmp_path: Path) -> None:
    folder = audited().save(tmp_path / "out")
    assert bundle.verify(folder).ok
    assert main(["gate", str(folder)]) == 1


def test_a_notebook_shows_the_verdict() -> None:
    shown = audited()._repr_html_()
    assert "iolation" in shown
    assert "<script" not in shown


def test_sensitive_as_a_name_a_list_or_options() -> None:
    for sensitive in ("sex", ["sex"], {"sex": {"reference": "Female"}}):
        assert audited(sensitive=sensitive).verdict == "violation"
    (first, *_) = audited(sensitive={"sex": {"reference": "Female"}}).result.comparisons
    assert (first.group, first.reference) == (("Male",), "Female")


def test_policy_keywords_and_rules_by_name() -> None:
    done = audited(rules=["four_fifths"], confidence=0.9, min_group=50)
    assert (done.result.policy.alpha, done.result.policy.min_group) == (pytest.approx(0.1), 50)
    assert done.result.rules[0].rule == "four_fifths"


def test_no_rules_never_pass() -> None:
    assert audited(4000, 0.0, rules=()).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prediction": "aproved"}, "aproved"),
        ({"sensitive": "gender"}, "gender"),
        ({"rules": [{"metric": "selecton_rate", "at_least": 0.8}]}, "selection_rate"),
        ({"rules": ["selection_rate"]}, "selection_rate"),
        ({"min_grup": 3}, "min_group"),
        ({"outcome": "good"}, "good"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, object], words: str) -> None:
    with pytest.raises((SpecError, UsageError)) as caught:
        audited(**options)
    assert words in str(caught.value)


class TestLooks:
    def test_a_frame_is_known_by_its_cells(self, tmp_path: Path) -> None:
        history = tmp_path / "looks.jsonl"
        looks = [audited(history=history).result.policy.look for _ in range(2)]
        assert looks == [1, 2]
        assert audited(1100, history=history).result.policy.look == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"created_at": "yesterday"}, "created_at is 'yesterday'"),
        ({"created_at": 20260101}, "created_at is"),
        ({"sensitive": None}, "sensitive is None"),
        ({"rules": None}, "rules is None"),
        ({"rules": [3]}, "allowed: a mapping"),
    ],
)
def test_arguments_of_another_kind_are_told(given: dict[str, Any], words: str) -> None:
    asked = {"prediction": "p", "sensitive": "g", "rules": ["four_fifths"], **given}
    with pytest.raises(UsageError, match=words):
        audit.audit(pd.DataFrame({"g": ["a", "b"] * 50, "p": [0, 1] * 50}), **asked)


def test_a_policy_file_is_a_path() -> None:
    with pytest.raises(UsageError, match="a path, not a dict"):
        audit.run({"system": {"name": "x"}})  # type: ignore[arg-type]


def test_one_name_and_one_rule_need_no_list() -> None:
    rows = pd.DataFrame({"g": ["a", "b"] * 50, "c": ["k"] * 100, "p": [0, 1, 1, 0] * 25})
    one = audit.audit(rows, prediction="p", sensitive="g", control="c", rules={"metric": "four_fifths"})
    many = audit.audit(rows, prediction="p", sensitive=["g"], control=["c"], rules=["four_fifths"])
    assert one.result.comparisons == many.result.comparisons


def test_bands_cut_by_pandas_are_groups() -> None:
    rows = pd.DataFrame({"age": [20.0, 30.0, 50.0, None] * 50, "p": [0, 1, 1, 0] * 50})
    rows["band"] = pd.cut(rows.age, [0, 25, 40, 60])
    rows["month"] = pd.period_range("2026-01", "2026-02", freq="M").take([0, 1] * 100)
    found = audit.audit(rows, prediction="p", sensitive=["band", "month"], rules=["four_fifths"])
    assert [attribute.values for attribute in found.result.data.attributes] == [
        ("(0, 25]", "(25, 40]", "(40, 60]", None),
        ("2026-01", "2026-02"),
    ]
    assert [sum(attribute.rows) for attribute in found.result.data.attributes] == [200, 200]
