"""What `init` takes for a column of counts, and which rules it proposes where nobody decided yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit import spec
from audit.cli.main import main
from tests.architecture.modules import ROOT


def people(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "sex": random.choice(["F", "M"], rows),
            "juv_fel_count": random.poisson(0.2, rows),
            "decile_score": random.integers(1, 11, rows),
            "two_year_recid": random.integers(0, 2, rows),
        }
    )


def written(frame: pd.DataFrame, folder: Path) -> tuple[spec.AuditSpec, str]:
    frame.to_csv(folder / "rows.csv", index=False)
    out = folder / "audit.yaml"
    assert main(["init", str(folder / "rows.csv"), "--out", str(out), "--force"]) == 0
    return spec.load(out), out.read_text()


@pytest.mark.parametrize("rows", [60, 7_000])
def test_a_count_of_each_person_is_no_count_of_rows(rows: int, tmp_path: Path) -> None:
    found, _ = written(people(rows), tmp_path)
    assert found.data.columns.count is None


def test_a_table_of_counts_is_still_told(tmp_path: Path) -> None:
    whole = people(500)[["sex", "two_year_recid"]].assign(approved=lambda t: (t.index % 3 == 0) * 1)
    counted = whole.value_counts().rename("n").reset_index()
    assert written(counted, tmp_path)[0].data.columns.count == "n"
    example = pd.read_csv(ROOT / "examples" / "berkeley" / "admissions.csv")
    assert written(example, tmp_path)[0].data.columns.count == "count"


def test_rows_without_repeats_that_name_people_are_no_table_of_counts(tmp_path: Path) -> None:
    named = people(40).assign(person=[f"p{at}" for at in range(40)])
    assert written(named, tmp_path)[0].data.columns.count is None


def test_a_score_without_a_threshold_gets_rules_of_scores(tmp_path: Path) -> None:
    found, text = written(people(300), tmp_path)
    assert [rule.metric for rule in found.policy.rules] == ["auc"]
    assert "`threshold:` under data makes decisions of the score" in text
    unlabelled, _ = written(people(300).drop(columns="two_year_recid"), tmp_path)
    assert [rule.metric for rule in unlabelled.policy.rules] == ["scoring_rate"]


def test_words_for_yes_are_taken_as_they_are_written(tmp_path: Path) -> None:
    frame = people(300).assign(approved=lambda t: np.where(t.index % 2, "yes", "no"))
    found, _ = written(frame, tmp_path)
    assert found.data.positive_prediction == "yes"


def test_what_was_written_can_be_run(tmp_path: Path) -> None:
    written(people(3_000), tmp_path)
    assert main(["run", str(tmp_path / "audit.yaml"), "--out", str(tmp_path / "evidence"), "--quiet"]) == 0
