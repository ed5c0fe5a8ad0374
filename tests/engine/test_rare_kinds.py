"""Where a kind of row is rare or was not drawn at all, an estimate of its variance as 0 decides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit.engine.entries import BUILDERS
from audit.engine.groups import Groups
from audit.engine.metrics import decisions, scores
from audit.engine.metrics.sample import Sample
from audit.engine.odds import OddsDifference
from audit.engine.scored import Scored
from audit.engine.sided import Sided
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


CELLS = 101
"""Points of the support of simulated scores: 0, .01 … 1."""


def shares(**at: float) -> Any:
    """Shares over the support; `p90=0.02` is .02 at .90."""
    made = np.zeros(CELLS)
    for name, share in at.items():
        made[int(name[1:])] = share
    return made


def spread(a: float, b: float) -> Any:
    return np.diff(stats.beta(a, b).cdf(np.linspace(0, 1, CELLS + 1)))


def scores_drawn(*sides: tuple[int, Any], draws: int, seed: int) -> list[Any]:
    """The mean score of each side, a group a draw; everyone's tail is that of the draw."""
    rng, at = np.random.default_rng(seed), np.linspace(0, 1, CELLS)
    counts = np.stack([rng.multinomial(n, share, draws) for n, share in sides], axis=1).astype(float)
    found = []
    for pair in counts:
        n = np.zeros((len(sides), CELLS, 3))
        n[:, :, 1] = pair
        first, second = np.zeros((len(sides), 3)), np.zeros((len(sides), 3))
        first[:, 1], second[:, 1] = pair @ at, pair @ at**2
        low, high = (np.where(n > 0, at[None, :, None], end) for end in (np.inf, -np.inf))
        names = tuple((str(i),) for i in range(len(sides)))
        tenths = np.zeros((len(sides), 10, 3))
        table = Scored(names, n, n, n, first, second, first, second, low, high, tenths, True)
        found.append(scores.measure(metric_named("balance_for_positive_class"), table))
    return found


RARE = shares(p10=0.98, p90=0.02)
TWO = shares(p10=0.49, p20=0.49, p90=0.02)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (RARE, RARE),
        (RARE, shares(p10=1.0)),
        (RARE, spread(2, 5)),
        (TWO, shares(p10=0.5, p20=0.5)),
        (shares(p90=0.98, p10=0.02), spread(2, 5)),
        (shares(p0=0.97) + 0.03 * spread(5, 2), spread(1, 20)),
        (spread(2, 5), spread(2, 5)),
    ],
    ids=["two values", "one value in others", "others spread", "three", "low", "many zeros", "ordinary"],
)
@pytest.mark.parametrize("n", [100, 200, 500])
def test_a_mean_score_errs_no_more_often_than_it_says(n: int, mine: Any, theirs: Any) -> None:
    """Two rows of a hundred at .9, the others at .1: of 100 rows 13 draws in 100 hold none of them."""
    draws, at = 1200, np.linspace(0, 1, CELLS)
    wrong = {
        (part, level, side): 0 for part in ("own", "gap") for level in (0.05, 0.05 / 19) for side in (0, 1)
    }
    truth = {"own": mine @ at, "gap": mine @ at - theirs @ at}
    one, other = np.array([0]), np.array([1])
    for sample in scores_drawn((n, mine), (20_000, theirs), draws=draws, seed=17):
        parts = {
            "own": sample.take(one).alone(),
            "gap": sample.take(one).versus(sample.take(other), np.zeros(1), "difference"),
        }
        for (part, level, side), _ in wrong.items():
            key, args = parts[part]
            low, high = BUILDERS[key](*args).interval(2 * level)
            off = (low[0] - truth[part], truth[part] - high[0])[side]
            wrong[part, level, side] += off > 1e-9
    for (_, level, _), count in wrong.items():
        assert count <= stats.binom.isf(0.001, draws, 1.25 * level)


def test_an_ordinary_mean_score_keeps_its_interval() -> None:
    """At most a twentieth wider than by the standard error alone, on average over draws."""
    at = np.linspace(0, 1, CELLS)
    for shape in (spread(2, 5), spread(1, 1), spread(20, 30), spread(0.5, 0.5)):
        for n in (100, 500):
            widths = []
            for sample in scores_drawn((n, shape), (2000, shape), draws=60, seed=3):
                key, args = sample.take(np.array([0])).alone()
                low, high = BUILDERS[key](*args).interval(0.1)
                widths.append(high[0] - low[0])
            plain = 2 * 1.645 * np.sqrt(shape @ (at - shape @ at) ** 2 / n)
            assert np.mean(widths) < 1.05 * plain


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
@pytest.mark.parametrize("metric", ["mean_score", "balance_for_positive_class", "balance_for_negative_class"])
def test_a_group_of_one_score_does_not_pass_as_if_it_could_have_no_other(
    metric: str, comparison: str
) -> None:
    """A hundred rows at .1 may hide three at .9, which others have."""
    far = [0.9] * 400 + [0.1] * 19_600
    frame = pd.DataFrame({"g": ["a"] * 100 + ["b"] * 20_000, "y": 1, "s": [0.1] * 100 + far})
    frame = pd.concat([frame, frame[frame.g == "b"].assign(y=0)], ignore_index=True)
    if "negative" in metric:
        frame["y"] = 1 - frame.y
    rule = {"metric": metric, "comparison": comparison}
    close = {"at_most": 0.0161} if comparison == "difference" else {"at_least": 0.861}
    wide = {"at_most": 0.1} if comparison == "difference" else {"at_least": 0.4}
    assert run(frame, {"label": "y", "score": "s"}, rule | close).verdict is Verdict.INCONCLUSIVE
    assert run(frame, {"label": "y", "score": "s"}, rule | wide).verdict is Verdict.PASS


def test_limits_on_two_errors_agree_with_the_test() -> None:
    evidence = Sided([0.1, 0.1, 0.0], [0.02, 0.0, 0.05], [0.05, 0.03, 0.01], [np.inf, 20.0, 40.0])
    for level in (0.9, 0.5, 0.05, 0.01):
        low, high = evidence.low_limit(np.array(level)), evidence.high_limit(np.array(level))
        for t in (-0.1, 0.05, 0.12, 0.15, 0.3):
            assert ((evidence.above(np.asarray(t)) <= level) == (low >= t)).all()
            assert ((evidence.below(np.asarray(t)) <= level) == (high <= t)).all()
