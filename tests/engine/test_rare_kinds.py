"""Where a kind of row is rare or was not drawn at all, an estimate of its variance as 0 decides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.engine.entries import BUILDERS
from audit.engine.groups import Groups
from audit.engine.metrics import decisions
from audit.engine.metrics.sample import Sample
from audit.engine.odds import OddsDifference
from audit.registry import metric_named
from audit.result import Verdict
from tests.engine.make import BOTH, run, table

ALPHA = 0.05
DRAWS = 2000


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1", "matthews_corrcoef"])
def test_thirty_faultless_rows_do_not_show_that_faults_are_rare(metric: str) -> None:
    rows = table(a=(30, 0, 0, 300), b=(3000, 0, 0, 3000))
    result = run(rows, BOTH, {"metric": metric, "comparison": "difference", "at_most": 0.02})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert run(rows, BOTH, {"metric": metric, "comparison": "difference", "at_most": 0.2}).verdict == "pass"


def test_no_miss_among_thirty_errors_is_not_known_to_be_none() -> None:
    rows = table(a=(300, 0, 30, 300), b=(3000, 50, 2000, 3000))
    rule = {"metric": "treatment_equality", "comparison": "difference"}
    assert run(rows, BOTH, {**rule, "at_most": 0.05}).verdict is Verdict.INCONCLUSIVE
    assert run(rows, BOTH, {**rule, "at_most": 0.3}).verdict is Verdict.PASS


@pytest.mark.parametrize("metric", ["calibration_in_the_large", "brier"])
def test_a_group_without_a_positive_is_neither_calibrated_nor_not(metric: str) -> None:
    """With a base rate of .01 sixty rows hold no positive in 55 draws of 100."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"g": ["a"] * 60 + ["b"] * 4000, "y": 0, "s": rng.uniform(0.05, 0.07, 4060)})
    frame.loc[60:, "y"] = (rng.random(4000) < 0.06).astype(int)
    rule = {"metric": metric, "comparison": "difference", "at_most": 0.05}
    assert run(frame, {"label": "y", "score": "s"}, rule).verdict is Verdict.INCONCLUSIVE


def drawn(n: int, shares: tuple[float, ...], rng: np.random.Generator) -> Groups:
    """Draws of TN, FP, FN, TP as groups."""
    counts = rng.multinomial(n, shares, DRAWS).astype(float)
    cells = np.zeros((DRAWS, 3, 3))
    cells[:, 0, 0], cells[:, 0, 1], cells[:, 1, 0], cells[:, 1, 1] = counts.T
    return Groups(("g",), tuple((str(i),) for i in range(DRAWS)), cells)


def measured(metric: str, n: int, shares: tuple[float, ...], rng: np.random.Generator) -> Sample:
    return decisions.measure(metric_named(metric), drawn(n, shares, rng))


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1", "matthews_corrcoef"])
@pytest.mark.parametrize(
    "shares", [(0.69, 0.01, 0.003, 0.297), (0.45, 0.05, 0.005, 0.495), (0.4, 0.2, 0.1, 0.3)]
)
def test_a_verdict_errs_no_more_often_than_it_says(metric: str, shares: tuple[float, ...], kind: str) -> None:
    rng = np.random.default_rng(11)
    mine, theirs = measured(metric, 130, shares, rng), measured(metric, 100_000, shares, rng)
    key, args = mine.versus(theirs, np.zeros(DRAWS), kind)
    evidence: Any = BUILDERS[key](*args)
    parity = 0.0 if kind == "difference" else 1.0
    for p in (evidence.p_pass(parity, None), evidence.p_pass(None, parity)):
        assert np.mean(np.nan_to_num(p, nan=1.0) <= ALPHA) <= 1.25 * ALPHA


def test_the_difference_of_odds_errs_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(12)
    for share, wrong in ((0.05, 40), (0.5, 40), (0.9, 40)):
        missed = rng.binomial(wrong, share, 400)
        counts, back = np.unique(missed, return_inverse=True)
        known = 100_000 * share
        evidence = OddsDifference(counts, wrong, known, 100_000)
        for p in (evidence.p_pass(0.0, None), evidence.p_pass(None, 0.0)):
            assert np.mean(np.nan_to_num(p, nan=1.0)[back] <= ALPHA) <= 1.5 * ALPHA


def test_odds_give_a_test_that_agrees_with_its_interval() -> None:
    evidence = OddsDifference([0, 3, 10, 25], [30, 40, 40, 30], [50, 300, 900, 10], [2000, 2400, 4000, 90])
    for level in (0.05, 0.01):
        low, high = evidence.interval(2 * level)
        for t in (-0.3, -0.05, 0.0, 0.1, 0.5, 2.0):
            assert ((evidence.above(np.asarray(t)) <= level) == (low >= t)).all()
            assert ((evidence.below(np.asarray(t)) <= level) == (high <= t)).all()


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_what_takes_rows_as_independent_is_not_tested_where_they_are_clustered(metric: str) -> None:
    """Forty people of ten rows each are forty people: a difference by chance is no violation."""
    rng = np.random.default_rng(8)
    people = pd.DataFrame({"g": ["a", "b"] * 40, "y": rng.integers(0, 2, 80), "c": range(80)})
    people["s"] = np.clip(rng.normal(0.4 + 0.2 * people.y, 0.25), 0.01, 0.99)
    rows = people.loc[people.index.repeat(40)].reset_index(drop=True)
    columns = {"label": "y", "score": "s", "cluster": "c"}
    result = run(rows, columns, {"metric": metric, "comparison": "difference", "at_most": 0.001})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert all("clustered" in (c.blocked or "") for c in result.comparisons)
    assert all(c.p_violation is None for c in result.comparisons)
