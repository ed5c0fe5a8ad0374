"""The score statistic against brute force and published values, and test against interval."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar

from audit.engine import score
from audit.engine.evidence import TwoRates

SEEDS = st.integers(0, 10**6)
KINDS = st.sampled_from(["difference", "ratio"])
LEVELS = (0.1, 0.05, 0.025, 0.005, 0.05 / 19, 1e-6)


def tables(seed, size=60):
    """Tables of all sizes, a third of them with counts at or next to an end."""
    rng = np.random.default_rng(seed)
    n1, n2 = (np.maximum(1, np.exp(rng.uniform(0, 7, size)).astype(int)) for _ in range(2))
    x1, x2 = (rng.integers(0, n + 1) for n in (n1, n2))
    ends = rng.integers(0, 3, size) == 0
    x1 = np.where(ends, np.clip(rng.choice([0, 1, 2], size), 0, n1), x1)
    x2 = np.where(ends & (rng.random(size) < 0.5), n2 - np.minimum(rng.choice([0, 1], size), n2), x2)
    return x1, n1, x2, n2, rng


def restricted_likelihood(x1, n1, x2, n2, t, kind):
    """The restricted maximum without any formula: a grid, then a bounded search around its best."""

    def loss(p2):
        p1 = p2 + t if kind == "difference" else t * p2
        return -(stats.binom.logpmf(x1, n1, p1) + stats.binom.logpmf(x2, n2, p2))

    low, high = (max(0, -t), min(1, 1 - t)) if kind == "difference" else (0, min(1, 1 / t))
    grid = np.linspace(low, high, 2001)
    best = grid[np.nanargmin(loss(grid))]
    step = (high - low) / 2000
    found = minimize_scalar(
        loss,
        bounds=(max(low, best - step), min(high, best + step)),
        method="bounded",
        options={"xatol": 1e-12},
    )
    p2 = found.x
    return (p2 + t if kind == "difference" else t * p2), p2


def statistic(x1, n1, x2, n2, t, kind):
    """The statistic written from its definition, on the brute-force estimate, for one table."""
    p1, p2 = restricted_likelihood(x1, n1, x2, n2, t, kind)
    k = 1 if kind == "difference" else t
    s = x1 / n1 - x2 / n2 - t if kind == "difference" else x1 / n1 - t * x2 / n2
    v1, v2 = p1 * (1 - p1), p2 * (1 - p2)
    v = (v1 / n1 + k**2 * v2 / n2) * (n1 + n2) / (n1 + n2 - 1)
    mu = v1 * (1 - 2 * p1) / n1**2 - k**3 * v2 * (1 - 2 * p2) / n2**2
    g, z0 = mu / (6 * v**1.5), s / v**0.5
    return z0 if abs(g) < 1e-9 else (-1 + max(0, 1 + 4 * g * (z0 + g)) ** 0.5) / (2 * g)


@pytest.mark.parametrize("third", [0.0, 1e-12, -1e-9, 6e-9, 1e-7, -1e-5, 1e-3, 0.3])
@pytest.mark.parametrize("contrast", [-2.3, -0.004, 0.0, 1.6448])
def test_skewness_is_taken_out_without_losing_digits(contrast, third):
    """Against the textbook formula in 60 digits: in doubles it cancels where the skewness is small."""
    getcontext().prec = 60
    z0, g = Decimal(contrast), Decimal(third) / 6
    exact = (-1 + (1 + 4 * g * (z0 + g)).sqrt()) / (2 * g) if third else z0
    found = float(score.standardise(np.array(contrast), np.array(1.0), np.array(third)))
    assert found == pytest.approx(float(exact), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize(
    "table", [(12, 40, 30, 60), (7, 30, 400, 1000), (25, 30, 10, 35), (3, 200, 9, 150), (90, 100, 99, 100)]
)
def test_the_statistic_is_that_of_brute_force(table, kind):
    for t in (-0.3, -0.05, 0.02, 0.2) if kind == "difference" else (0.3, 0.8, 1.25, 3.0):
        ours = TwoRates(*table, kind).z(np.array(t))
        assert float(ours) == pytest.approx(statistic(*table, t, kind), rel=1e-5, abs=1e-6)


def test_published_limits():
    table = (5, 56, 0, 29)
    plain = TwoRates(*table, "difference", skewness=False, guard=False, lattice=False).interval(0.05)
    assert [round(float(v), 4) for v in plain] == [-0.0326, 0.1933]
    low, high = TwoRates(*table, "difference", guard=False, lattice=False).interval(0.05)
    assert (round(float(low), 5), round(float(high), 4)) == (-0.01862, 0.1867)


def test_interior_ratio_as_statsmodels_has_it():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for table in ((40, 100, 60, 120), (150, 400, 100, 300)):
        theirs = proportion.confint_proportions_2indep(
            *table, compare="ratio", method="score", correction=True
        )
        plain = TwoRates(*table, "ratio", skewness=False, guard=False, lattice=False).interval(0.05)
        assert [float(v) for v in plain] == pytest.approx(theirs, rel=2e-5)


@given(SEEDS, KINDS)
@settings(max_examples=5, deadline=None)
def test_z_falls_and_is_never_undefined(seed, kind):
    x1, n1, x2, n2, _ = tables(seed, 12)
    t = np.linspace(-1, 1, 61) if kind == "difference" else np.array([0.0, *np.logspace(-4, 4, 60), np.inf])
    evidence = TwoRates(*(v[:, None] for v in (x1, n1, x2, n2)), kind)
    z = evidence.z(t)
    assert not np.isnan(z).any()
    many = np.minimum.reduce([x1, n1 - x1, x2, n2 - x2]) >= 5
    assert np.all(np.diff(score.squash(z[many])) <= 1e-9)
    for p, way in ((evidence.above(t), 1), (evidence.below(t), -1)):
        rises = np.diff(np.minimum(p, 0.15)) * way
        assert rises.min() >= -1e-9, "a p value that decides must not fall and rise again"


@given(SEEDS, KINDS, st.floats(0.02, 0.6), st.floats(1.0, 4.0), st.sampled_from([np.inf, 40.0]))
@settings(max_examples=6, deadline=None)
def test_test_and_interval_agree(seed, kind, width, deff, df):
    x1, n1, x2, n2, rng = tables(seed)
    level = rng.choice(LEVELS, len(x1))
    evidence = TwoRates(x1, n1, x2, n2, kind, deff, df)
    lower, upper = (-width, width) if kind == "difference" else (1 - width, 1 / (1 - width))
    low, high = evidence.interval(2 * level)
    p_pass, p_violation = evidence.p_pass(lower, upper), evidence.p_violation(lower, upper)
    slack = 1e-7
    clear = (
        (np.abs(low - lower) > slack) & (np.abs(high - upper) > slack) & (np.abs(p_pass / level - 1) > slack)
    )
    inside = (low >= lower) & (high <= upper)
    assert np.array_equal((p_pass <= level)[clear], inside[clear])
    called = p_violation <= level * (1 - slack)
    assert np.all((low > upper - slack) | (high < lower + slack) | ~called)
    assert not np.any((p_pass < 0.5) & (p_violation < 0.5))


@given(SEEDS, st.floats(-0.9, 0.9), st.floats(0.1, 9.0))
@settings(max_examples=6, deadline=None)
def test_exchanging_the_groups_mirrors_everything(seed, d, r):
    x1, n1, x2, n2, _ = tables(seed)
    d, r = np.array(d), np.array(r)
    forth = TwoRates(x1, n1, x2, n2, "difference").above(d)
    assert TwoRates(x2, n2, x1, n1, "difference").below(-d) == pytest.approx(forth, rel=1e-6, abs=1e-9)
    assert TwoRates(n1 - x1, n1, n2 - x2, n2, "difference").below(-d) == pytest.approx(
        forth, rel=1e-6, abs=1e-9
    )
    forth = TwoRates(x1, n1, x2, n2, "ratio").above(r)
    assert TwoRates(x2, n2, x1, n1, "ratio").below(1 / r) == pytest.approx(forth, rel=1e-6, abs=1e-9)


@given(SEEDS, KINDS)
@settings(max_examples=5, deadline=None)
def test_a_design_effect_is_that_many_rows_fewer(seed, kind):
    x1, n1, x2, n2, _ = tables(seed)
    low, high = TwoRates(x1, n1, x2, n2, kind).interval(0.05)
    wide = TwoRates(x1, n1, x2, n2, kind, deff=2.0).interval(0.05)
    same = TwoRates(2 * x1, 2 * n1, 2 * x2, 2 * n2, kind, deff=2.0).interval(0.05)
    assert same[0] == pytest.approx(low, abs=1e-9)
    assert same[1] == pytest.approx(high, rel=1e-9)
    assert np.all(wide[0] <= low + 1e-9)
    assert np.all(wide[1] >= high - 1e-9)


def test_a_reference_rate_of_zero_is_still_evidence():
    evidence = TwoRates(300, 1000, 0, 1000, "ratio")
    assert np.isnan(evidence.estimate)
    assert evidence.p_violation(0.8, 1.25) < 1e-9
    assert evidence.p_pass(0.8, 1.25) > 0.5
    low, high = evidence.interval(0.1)
    assert low > 1.25
    assert np.isinf(high)
    assert TwoRates(0, 25, 600, 1000, "ratio").p_violation(0.8, 1.25) < 1e-5


def test_nobody_selected_says_nothing_of_the_ratio():
    evidence = TwoRates(0, 500, 0, 800, "ratio")
    assert evidence.p_violation(0.8, 1.25) == 1
    assert evidence.p_pass(0.8, 1.25) == 1
    assert evidence.interval(0.1)[0] == 0


def test_an_empty_denominator_is_undefined_not_zero():
    evidence = TwoRates([0, 3], [0, 10], 5, 10, "difference")
    for value in (
        evidence.estimate,
        evidence.p_pass(-0.1, 0.1),
        evidence.p_violation(-0.1, 0.1),
        *evidence.interval(0.1),
    ):
        assert np.isnan(value[0])
        assert np.isfinite(value[1])


def test_few_rows_do_not_pass_by_having_no_failures():
    for n in (5, 30, 60):
        assert TwoRates(0, n, 0, n, "difference").p_pass(-0.05, 0.05) > 0.05
    assert TwoRates(0, 500, 0, 500, "difference").p_pass(-0.05, 0.05) < 0.05


def test_open_ends_contribute_nothing():
    evidence = TwoRates(40, 100, 50, 100, "ratio")
    assert float(evidence.p_pass(0.5, None)) == float(evidence.p_pass(0.5, np.inf))
    assert float(evidence.p_pass(0.5, None)) < float(evidence.p_pass(0.5, 0.9))
    assert evidence.p_pass(None, None) == 0
    assert TwoRates(10, 10, 0, 10, "difference").p_pass(-1, 1) == 0


def test_a_known_reference_leaves_a_single_rate():
    n, huge = 30, 10_000_000
    for x in range(6, 25):
        p = float(TwoRates(x, n, huge // 2, huge, "difference").above(np.array(-0.1)))
        exact = float(stats.binom.sf(x - 1, n, 0.4))
        if 1e-3 < exact < 0.3:
            assert exact * 0.97 <= p <= exact * 1.2


@pytest.mark.slow
@pytest.mark.parametrize(("n1", "n2"), [(30, 30), (30, 60), (60, 1000)])
@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_one_sided_error_at_the_bound(n1, n2, kind):
    alpha = 0.05
    for p2 in (0.05, 0.3, 0.5, 0.8):
        for bound in (-0.1, 0.1) if kind == "difference" else (0.8, 1.2):
            p1 = p2 + bound if kind == "difference" else p2 * bound
            if not 0 <= p1 <= 1:
                continue
            x1 = np.arange(n1 + 1)
            x2 = np.arange(stats.binom.ppf(1e-6, n2, p2), stats.binom.isf(1e-6, n2, p2) + 1)
            chance = stats.binom.pmf(x1, n1, p1)[:, None] * stats.binom.pmf(x2, n2, p2)
            evidence = TwoRates(x1[:, None], n1, x2, n2, kind)
            for p in (evidence.p_pass(bound, None), evidence.p_pass(None, bound)):
                assert chance[p <= alpha].sum() <= 1.25 * alpha


@pytest.mark.parametrize("table", [(3, 10**9, 5, 10**9), (10**9 - 2, 10**9, 999, 1000), (1, 10**6, 0, 30)])
def test_huge_and_rare_counts_keep_their_digits(table):
    for kind in ("difference", "ratio"):
        evidence = TwoRates(*table, kind)
        low, high = evidence.interval(0.05)
        assert low < high
        assert float(evidence.above(low)) == pytest.approx(0.025, rel=1e-5)


def test_thousands_at_once_are_as_one_by_one():
    rng = np.random.default_rng(3)
    n1, n2 = rng.integers(1, 500, (2, 3000))
    x1, x2 = rng.binomial(n1, 0.1), rng.binomial(n2, 0.12)
    together = TwoRates(x1, n1, x2, n2, "ratio")
    limits = together.interval(0.05)
    for i in range(0, 3000, 600):
        alone = TwoRates(x1[i], n1[i], x2[i], n2[i], "ratio")
        assert float(alone.p_pass(0.8, 1.25)) == pytest.approx(float(together.p_pass(0.8, 1.25)[i]), rel=1e-9)
        assert float(alone.interval(0.05)[0]) == pytest.approx(float(limits[0][i]), rel=1e-9, abs=1e-12)


def test_an_estimate_on_the_bound_lies_inside() -> None:
    """.5 − .55 is −0.050000000000000044 in floating point."""
    assert float(TwoRates(9, 18, 22, 40, "difference").p_violation(-0.05, 0.02)) == 1.0
    assert float(TwoRates(5, 15, 36, 90, "ratio").p_violation(1 / 1.2, 1.2)) == 1.0
    assert float(TwoRates(9, 18, 22, 40, "difference").p_violation(-0.0499, 0.02)) < 1.0
