"""The paired change: right on a count by hand, and its interval covers what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from audit.mitigation.paired import Decisions, gap_change, rate_change
from audit.registry import metrics

TPR, SELECTED, PPV = (
    metrics()[name] for name in ("true_positive_rate", "selection_rate", "positive_predictive_value")
)


def by_hand(label: list[int], decision: list[int]) -> float:
    good = [d for y, d in zip(label, decision, strict=True) if y == 1]
    return sum(good) / len(good)


def test_the_change_is_the_gap_before_less_the_gap_after() -> None:
    rng = np.random.default_rng(1)
    label, before, after = (rng.integers(0, 2, 300) for _ in range(3))
    group = rng.random(300) < 0.4
    found = gap_change(TPR, Decisions(label, before, after), group, ~group, "difference", 0.95)
    gaps = [
        by_hand(label[group].tolist(), d[group].tolist())
        - by_hand(label[~group].tolist(), d[~group].tolist())
        for d in (before, after)
    ]
    assert (found.before, found.after) == (pytest.approx(gaps[0]), pytest.approx(gaps[1]))
    assert found.value == pytest.approx(abs(gaps[0]) - abs(gaps[1]))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_no_change_at_all_is_not_certain() -> None:
    label = np.ones(100, dtype=int)
    same = np.arange(100) % 2
    group = np.arange(100) < 50
    found = gap_change(TPR, Decisions(label, same, same), group, ~group, "difference", 0.95)
    assert found.value == 0
    assert found.low is not None
    assert found.low < 0


def test_a_gap_that_changes_sides_is_no_improvement() -> None:
    """From −0.3 to +0.3: the signed change is large, the distance to parity is as it was."""
    label, group = np.ones(2000, dtype=int), np.arange(2000) < 1000
    place = np.arange(2000) % 1000
    low, high = (place < 300).astype(int), (place < 600).astype(int)
    found = gap_change(
        TPR,
        Decisions(label, np.where(group, low, high), np.where(group, high, low)),
        group,
        ~group,
        "difference",
        0.95,
    )
    assert found.value == pytest.approx(0)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


@pytest.mark.parametrize(("metric", "label"), [(TPR, 0), (PPV, 1)])
def test_an_empty_denominator_says_why(metric: object, label: int) -> None:
    rows = Decisions(np.full(20, label), np.zeros(20, dtype=int), np.zeros(20, dtype=int))
    group = np.arange(20) < 10
    found = gap_change(metric, rows, group, ~group, "difference", 0.95)  # type: ignore[arg-type]
    assert found.value is None
    assert found.why


def test_a_ratio_of_a_rate_of_nothing_is_undefined() -> None:
    rows = Decisions(np.ones(20, dtype=int), np.zeros(20, dtype=int), np.ones(20, dtype=int))
    group = np.arange(20) < 10
    assert "undefined" in str(gap_change(SELECTED, rows, group, ~group, "ratio", 0.95).why)


def test_people_who_come_again_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    label = np.ones(600, dtype=int)
    group = np.arange(600) < 300
    chance = np.where(np.arange(200) < 100, 0.3, 0.8)
    before = (rng.random(200) < chance).astype(int).repeat(3)
    after = (rng.random(200) < np.where(np.arange(200) < 100, 0.5, 0.8)).astype(int).repeat(3)
    plain = gap_change(TPR, Decisions(label, before, after), group, ~group, "difference", 0.95)
    people = Decisions(label, before, after, np.arange(200).repeat(3))
    clustered = gap_change(TPR, people, group, ~group, "difference", 0.95)
    assert None not in (plain.low, plain.high, clustered.low, clustered.high)
    assert clustered.high - clustered.low > 1.5 * (plain.high - plain.low)  # type: ignore[operator]


def test_a_rate_where_high_is_bad_worsens_by_rising() -> None:
    rows = Decisions(np.zeros(100, dtype=int), np.zeros(100, dtype=int), (np.arange(100) < 10).astype(int))
    change = rate_change(metrics()["false_positive_rate"], rows, np.ones(100, bool), -1.0, 0.95)
    assert change.value == pytest.approx(-0.1)
    assert change.high is not None
    assert change.high < 0


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
@pytest.mark.parametrize("n", [60, 400])
def test_the_interval_covers(n: int, comparison: str) -> None:
    """800 draws of decisions whose change is known: at most 5 % miss, and the simulation's noise."""
    rng = np.random.default_rng(n)
    p = {True: (0.5, 0.62), False: (0.75, 0.72)}
    scale = (lambda v: v) if comparison == "difference" else np.log
    gaps = [abs(scale(p[True][at]) - scale(p[False][at])) for at in (0, 1)]
    truth = gaps[0] - gaps[1]
    label, group = np.ones(2 * n, dtype=int), np.arange(2 * n) < n
    missed_low = missed_high = 0
    for _ in range(800):
        draw, again = rng.random(2 * n), rng.random(2 * n)
        shared = np.where(rng.random(2 * n) < 0.8, draw, again)
        before = (draw < np.where(group, p[True][0], p[False][0])).astype(int)
        after = (shared < np.where(group, p[True][1], p[False][1])).astype(int)
        found = gap_change(SELECTED, Decisions(label, before, after), group, ~group, comparison, 0.95)
        assert found.low is not None
        assert found.high is not None
        missed_low += found.low > truth
        missed_high += found.high < truth
    assert missed_low / 800 < 0.025 + 0.018
    assert missed_high / 800 < 0.025 + 0.018
