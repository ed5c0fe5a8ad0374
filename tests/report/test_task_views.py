"""The first figures of a regression and of a multiclass report: what they say, withhold and survive."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit import codec
from audit.engine.run import audit
from audit.errors import UsageError
from audit.gate import decide
from audit.integrations.cells import cells_of
from audit.report.facts import Case
from audit.report.html import render
from audit.report.numbers import clean
from audit.report.profiles.counting import selected
from audit.report.task_views import task_figures
from audit.result import AuditResult
from audit.spec import from_dict

HOSTILE = ["<script>alert(1)</script>", '=cmd("x")', "two\nlines", "🥇"]


def result_of(task: str, frame: pd.DataFrame, rules: list | None = None, **policy: Any) -> AuditResult:
    spec = from_dict(
        {
            "system": {"name": "s"},
            "data": {"task": task, "columns": {"label": "y", "prediction": "p"}, "attributes": {"g": {}}},
            "policy": {"rules": rules or [], **policy},
        }
    )
    return audit(spec, frame=frame, created_at="2026-01-01T00:00:00Z")[0]


def numbers_frame(rows: int = 900) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    y = draw.gamma(2.0, 50.0, rows)
    return pd.DataFrame({"g": draw.choice(HOSTILE, rows), "y": y, "p": (y * 0.9).round()})


def classes_frame(rows: int = 900) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    y = draw.choice(HOSTILE, rows)
    p = np.where(draw.random(rows) < 0.8, y, draw.choice(HOSTILE, rows))
    return pd.DataFrame({"g": draw.choice(["a", "b"], rows), "y": y, "p": p})


def html_of(result: AuditResult) -> str:
    return render(result, decide(result, today=date(2026, 1, 2)), bundle_id="0" * 64)


def test_a_regression_shows_errors_and_the_spread_of_predictions() -> None:
    frame = numbers_frame()
    rules = [
        {"metric": "mae", "comparison": "ratio", "at_most": 2},
        {"metric": "prediction_ks", "comparison": "distance", "at_most": 0.3},
    ]
    result = result_of("regression", frame, rules)
    figures = task_figures(Case(result))
    assert [(f.kind, f.title) for f in figures] == [
        ("error", "Mean residual"),
        ("error", "Mean absolute error"),
        ("spread", "Predictions"),
    ]
    for spread in result.predictions:
        mine = frame.p[frame.g == spread.group[0]] if spread.group else frame.p
        wanted = np.quantile(mine, [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf")
        assert spread.quantiles == pytest.approx(wanted)
        shown = next(
            r for r in figures[2].rows if (r.group == clean(spread.group[0]) if spread.group else r.whole)
        )
        low, quarter, median, upper, high = (f"{value:.0f}" for value in spread.quantiles)
        assert [cell.value for cell in shown.cells] == [median, f"{quarter} to {upper}", f"{low} to {high}"]
    page = html_of(result)
    assert page.count("<summary>Numbers of this plot</summary>") == len(rules) + len(figures)
    assert "<script>alert" not in page
    assert 'id="first"' in page
    assert codec.loads(AuditResult, codec.dumps(result), where="audit.json") == result


def test_a_difference_in_other_units_is_said_with_its_direction() -> None:
    frame = numbers_frame()
    frame["p"] = frame.p.where(frame.g != HOSTILE[3], frame.p - 40)
    page = html_of(result_of("regression", frame, [{"metric": "mean_residual", "at_most": 5,
                                                    "comparison": "difference"}]))  # fmt: skip
    assert re.search(r"is \d\d\.\d+ above that of", page)
    assert "differs by" not in page
    assert "A positive prediction is" not in page


def test_a_multiclass_report_shows_recall_by_class_and_what_was_confused() -> None:
    frame = classes_frame()
    result = result_of("multiclass", frame, [{"metric": "f1", "comparison": "difference", "at_most": 0.3}])
    figures = task_figures(Case(result))
    assert [f.kind for f in figures] == ["recall", "confusion", "confusion"]
    assert len(figures[0].rows) == 4
    for figure in figures[1:]:
        assert all(
            99 <= sum(float(re.sub(r"[^\d.]", "", cell.value)) for cell in row.cells) <= 101
            for row in figure.rows
        )
    page = html_of(result)
    assert "<script>alert" not in page
    assert "What was predicted in place of what" in page


def test_a_ranking_says_how_many_places_are_the_top() -> None:
    frame = pd.DataFrame({"g": ["a", "b"] * 60, "q": np.repeat(np.arange(12), 10), "s": np.arange(120.0)})
    data = {"task": "ranking", "top": 3, "columns": {"query": "q", "score": "s"}, "attributes": {"g": {}}}
    spec = from_dict({"system": {"name": "s"}, "data": data, "policy": {"rules": []}})
    result = audit(spec, frame=frame, created_at="2026-01-01T00:00:00Z")[0]
    assert result.data.top == 3
    assert "the first 3 places" in html_of(result)
    assert codec.loads(AuditResult, codec.dumps(result), where="audit.json") == result


def test_a_ranking_shows_top_places_and_exposure_by_group() -> None:
    draw = np.random.default_rng(3)
    ranks = np.concatenate([draw.permutation(20) + 1 for _ in range(40)])
    frame = pd.DataFrame({"g": draw.choice(HOSTILE, 800), "q": np.repeat(np.arange(40), 20), "r": ranks})
    data = {"task": "ranking", "top": 5, "columns": {"query": "q", "rank": "r"}, "attributes": {"g": {}}}
    spec = from_dict({"system": {"name": "s"}, "data": data, "policy": {"rules": []}})
    result = audit(spec, frame=frame, created_at="2026-01-01T00:00:00Z")[0]
    top, exposure = task_figures(Case(result))
    assert [(f.kind, f.title) for f in (top, exposure)] == [
        ("place", "Rate of top places"),
        ("place", "Exposure"),
    ]
    for group, part in frame.groupby("g"):
        for figure, value in ((top, (part.r <= 5).mean()), (exposure, (1 / np.log2(1 + part.r)).mean())):
            (row,) = (row for row in figure.rows if row.group == clean(str(group)))
            assert float(row.cells[0].value) == pytest.approx(value, abs=0.006)
    page = html_of(result)
    assert page.count("<summary>Numbers of this plot</summary>") == 2
    assert "Top places and exposure by group" in page
    assert "<script>alert" not in page


def test_small_groups_are_withheld_from_the_first_figures() -> None:
    frame = numbers_frame(400)
    frame.loc[:2, "g"] = "few"
    figures = task_figures(Case(result_of("regression", frame, suppress_below=5)))
    assert not [row for figure in figures for row in figure.rows if row.group == "few"]
    assert {figure.groups for figure in figures} == {5}


def test_decisions_have_no_such_section() -> None:
    frame = classes_frame().assign(
        p=lambda f: (f.p == "🥇").astype(int), y=lambda f: (f.y == "🥇").astype(int)
    )
    result = result_of("binary", frame)
    assert task_figures(Case(result)) == ()
    assert 'id="first"' not in html_of(result)


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_what_reads_decisions_refuses_other_tasks(task: str) -> None:
    result = result_of(task, numbers_frame() if task == "regression" else classes_frame())
    with pytest.raises(UsageError, match=f"the task is {task}"):
        selected(result, ["g"])
    with pytest.raises(UsageError, match=f"the task is {task}"):
        cells_of(result)
