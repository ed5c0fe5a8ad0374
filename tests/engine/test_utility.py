"""Utility: against plain arithmetic on rows; silent without values; undefined where labels are missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.engine.run import audit
from audit.spec import from_dict

WORTH = {"tp": 1.0, "fp": -2.0, "fn": -1.0, "tn": 0.25}


def _run(
    frame: pd.DataFrame, outcome: str = "favourable", utility: dict | None = WORTH, rules: list | None = None
):
    system = {"name": "s", "outcome": outcome} | ({"utility": utility} if utility else {})
    data = {"columns": {"label": "y", "prediction": "p"}, "attributes": {"g": {}}}
    spec = from_dict({"system": system, "data": data, "policy": {"rules": rules or []}})
    return audit(spec, frame=frame, created_at="2026-01-01T00:00:00Z")[0]


def _value(result, metric: str, group: tuple):
    return next(e for e in result.estimates if e.metric == metric and e.group == group)


@pytest.fixture
def frame() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    n = 3000
    group = draw.choice(["a", "b"], n, p=[0.3, 0.7])
    y = draw.random(n) < np.where(group == "a", 0.4, 0.6)
    p = draw.random(n) < np.where(y, 0.8, 0.3) - 0.1 * (group == "a")
    return pd.DataFrame({"g": group, "y": y.astype(int), "p": p.astype(int)})


def test_expected_utility_is_the_mean_worth_of_the_outcomes(frame: pd.DataFrame) -> None:
    worth = np.select(
        [(frame.y == 1) & (frame.p == 1), (frame.y == 0) & (frame.p == 1), (frame.y == 1) & (frame.p == 0)],
        [WORTH["tp"], WORTH["fp"], WORTH["fn"]],
        WORTH["tn"],
    )
    result = _run(frame)
    for group in ("a", "b"):
        here = worth[frame.g == group]
        found = _value(result, "expected_utility", (group,))
        assert found.value == pytest.approx(here.mean(), abs=1e-12)
        half = 1.96 * here.std(ddof=1) / len(here) ** 0.5
        assert half < (found.high - found.low) / 2 < 1.1 * half
        assert found.n == len(here)


@pytest.mark.parametrize(("outcome", "rejected"), [("favourable", 0), ("adverse", 1)])
def test_harm_is_what_the_other_decision_would_have_been_worth_more(frame, outcome, rejected) -> None:
    chosen = frame[frame.p == rejected]
    if outcome == "favourable":
        regret = np.where(chosen.y == 1, WORTH["tp"] - WORTH["fn"], WORTH["fp"] - WORTH["tn"])
    else:
        regret = np.where(chosen.y == 1, WORTH["fn"] - WORTH["tp"], WORTH["tn"] - WORTH["fp"])
    result = _run(frame, outcome)
    for group in ("a", "b"):
        found = _value(result, "harm_from_rejection", (group,))
        assert found.value == pytest.approx(regret[chosen.g == group].mean(), abs=1e-12)
        assert found.n == (chosen.g == group).sum()


def test_a_difference_in_utility_is_judged(frame: pd.DataFrame) -> None:
    rule = {"metric": "expected_utility", "comparison": "difference"}
    assert _run(frame, rules=[{**rule, "at_most": 0.01}]).verdict == "violation"
    assert _run(frame, rules=[{**rule, "at_most": 0.9}]).verdict == "pass"


def test_without_values_it_is_not_measured_and_says_why(frame: pd.DataFrame) -> None:
    result = _run(frame, utility=None)
    assert not [e for e in result.estimates if e.metric == "expected_utility"]
    assert [n.why for n in result.not_measured if n.what == "Expected utility"] == [
        "system.utility does not say what outcomes are worth"
    ]
    assert result.system.utility is None
    assert _run(frame).system.utility == WORTH


def test_labels_only_where_selected_leave_both_undefined(frame: pd.DataFrame) -> None:
    held = frame.assign(y=frame.y.where(frame.p == 1))
    result = _run(held)
    for metric in ("expected_utility", "harm_from_rejection"):
        found = _value(result, metric, ("a",))
        assert found.value is None
        assert found.why == "labels only where selected"


def test_no_one_rejected_is_undefined(frame: pd.DataFrame) -> None:
    found = _value(_run(frame[frame.p == 1]), "harm_from_rejection", ("a",))
    assert found.value is None
    assert "unfavourable" in found.why
