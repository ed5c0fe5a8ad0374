"""Single rates, linearised metrics, areas, strata and the comparison with everyone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.engine.evidence import (
    Auc,
    AucDifference,
    Linearised,
    LogLinearised,
    MantelHaenszel,
    OneRate,
    Overall,
    TwoRates,
)
from audit.engine.intervals import clopper_pearson, wilson


@pytest.mark.parametrize(("method", "ours"), [("exact", clopper_pearson), ("wilson", wilson)])
def test_intervals_as_scipy_has_them(method, ours):
    for x, n in ((0, 7), (3, 7), (7, 7), (1, 300), (150, 300), (299, 300)):
        for alpha in (0.1, 0.05, 0.001):
            theirs = stats.binomtest(x, n).proportion_ci(1 - alpha, method=method)
            assert [float(v) for v in ours(x, n, alpha)] == pytest.approx([theirs.low, theirs.high], abs=1e-9)


@pytest.mark.parametrize("ours", [clopper_pearson, wilson])
def test_no_rows_no_interval(ours):
    assert np.isnan(ours(0, 0, 0.05)).all()
    low, high = ours([0, 1.5], [0, 7.5], 0.05)
    assert np.isnan(low[0])
    assert low[1] < 0.2 < high[1]


def test_one_rate_is_the_exact_binomial_test():
    for x, n in ((0, 20), (5, 20), (20, 20), (73, 100)):
        evidence = OneRate(x, n)
        for t in (0.05, 0.3, 0.8):
            assert float(evidence.above(np.array(t))) == pytest.approx(
                stats.binomtest(x, n, t, alternative="greater").pvalue
            )
            assert float(evidence.below(np.array(t))) == pytest.approx(
                stats.binomtest(x, n, t, alternative="less").pvalue
            )


def kinds_of_evidence(rng, size):
    """One of each kind, on random input."""
    n1, n2 = rng.integers(20, 400, (2, size))
    x1, x2 = rng.binomial(n1, 0.4), rng.binomial(n2, 0.5)
    strata = rng.integers(1, 60, (2, size, 4))
    hits = rng.binomial(strata, 0.4)
    area = rng.uniform(0.03, 0.97, size)
    first = Auc(area, area - 0.01, area + 0.01, 0.1 / n1, n1, n2)
    second = Auc(0.7, 0.69, 0.71, 0.001, 100, 100)
    return {
        "one": OneRate(x1, n1, 1.5),
        "one, t": OneRate(x1, n1, 1.5, 30),
        "linear": Linearised(x1 / n1, 0.05, 20),
        "log": LogLinearised(x1 / n1 + 0.5, 0.1),
        "auc": first,
        "auc difference": AucDifference(first, second),
        "mh difference": MantelHaenszel(hits[0], strata[0], hits[1], strata[1], "difference"),
        "mh ratio": MantelHaenszel(hits[0], strata[0], hits[1], strata[1], "ratio"),
        "overall difference": Overall(TwoRates(x1, n1, x2, n2, "difference"), n1 / (n1 + n2), "difference"),
        "overall ratio": Overall(TwoRates(x1, n1, x2, n2, "ratio"), n1 / (n1 + n2), "ratio"),
    }


@given(st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_test_and_interval_agree(seed):
    rng = np.random.default_rng(seed)
    for name, evidence in kinds_of_evidence(rng, 40).items():
        lower, upper = {"d": (-0.1, 0.12), "e": (-0.1, 0.12)}.get(name[-1], (0.8, 1.3))
        if name in ("one", "auc", "one, t"):
            lower, upper = 0.3, 0.6
        if name == "linear":
            lower, upper = 0.35, 0.6
        for level in (0.05, 0.005):
            low, high = evidence.interval(2 * level)
            p_pass, p_violation = evidence.p_pass(lower, upper), evidence.p_violation(lower, upper)
            inside = (low >= lower) & (high <= upper)
            clear = (np.abs(low - lower) > 1e-7) & (np.abs(high - upper) > 1e-7)
            assert np.array_equal((p_pass <= level)[clear], inside[clear]), name
            assert np.all((low > upper - 1e-7) | (high < lower + 1e-7) | ~(p_violation <= level * 0.999)), (
                name
            )
            assert not np.any((p_pass < 0.5) & (p_violation < 0.5)), name
            point = evidence.estimate
            defined = ~np.isnan(point)
            assert np.all((low - 1e-9 <= point) & (point <= high + 1e-9) | ~defined), name


def test_the_linearised_are_wald():
    low, high = Linearised(0.2, 0.1, df=12).interval(0.05)
    assert (float(low), float(high)) == pytest.approx(stats.t.interval(0.95, 12, 0.2, 0.1))
    assert float(Linearised(0.2, 0.1).p_pass(0.0, None)) == pytest.approx(stats.norm.sf(2))
    assert np.isnan(LogLinearised(0.0, 0.1).p_pass(0.8, 1.25))
    assert np.isnan(Linearised(np.nan, 0.1).p_violation(0.8, 1.25))


def test_a_known_violation_adds_its_far_side():
    near, far = stats.norm.sf((0.3 - 0.1) / 0.1), stats.norm.sf((0.3 + 0.1) / 0.1)
    assert float(Linearised(0.3, 0.1).p_violation(-0.1, 0.1)) == pytest.approx(near + far)
    assert float(Linearised(-0.3, 0.1).p_violation(-0.1, 0.1)) == pytest.approx(near + far)
    assert float(Linearised(0.3, 0.1).p_violation(None, 0.1)) == pytest.approx(near)


def test_areas_near_the_end_or_on_few_rows_take_wilson():
    few = Auc([0.8, 0.99, 0.8], [0.8, 0.99, 0.8], [0.8, 0.99, 0.8], 1e-4, [29, 500, 500], [500, 500, 500])
    low, high = few.interval(0.05)
    for i, (x, n) in enumerate(((0.8 * 29, 29), (0.99 * 500, 500))):
        assert (low[i], high[i]) == pytest.approx([float(v) for v in wilson(x, n, 0.05)])
    assert high[2] - low[2] < 0.05


def test_bins_widen_an_area_on_their_own_side():
    exact = Auc(0.8, 0.8, 0.8, 4e-4, 200, 200).interval(0.05)
    binned = Auc(0.8, 0.77, 0.81, 4e-4, 200, 200).interval(0.05)
    assert exact[0] - binned[0] > 0.02
    assert 0 < binned[1] - exact[1] < 0.02


def test_an_areas_error_by_simulation():
    rng = np.random.default_rng(5)
    wrong = []
    for _ in range(400):
        ones, zeros = rng.normal(1, 1, 60), rng.normal(0, 1, 80)
        above = (ones[:, None] > zeros).astype(float)
        area = above.mean()
        variance = above.mean(axis=1).var(ddof=1) / 60 + above.mean(axis=0).var(ddof=1) / 80
        low, high = Auc(area, area, area, variance, 60, 80).interval(0.1)
        truth = stats.norm.cdf(1 / np.sqrt(2))
        wrong.append(not low <= truth <= high)
    assert 0.06 <= np.mean(wrong) <= 0.145


def test_one_stratum_is_the_two_rates():
    common = MantelHaenszel([[40]], [[100]], [[60]], [[200]], "difference")
    assert float(common.estimate[0]) == pytest.approx(0.1)
    ratio = MantelHaenszel([[40]], [[100]], [[60]], [[200]], "ratio")
    assert float(ratio.estimate[0]) == pytest.approx(0.4 / 0.3)
    low, high = ratio.interval(0.05)
    se = (0.6 / 40 + 0.7 / 60) ** 0.5
    assert float(low[0]) == pytest.approx(0.4 / 0.3 * np.exp(-1.959964 * se), rel=1e-6)
    assert float(high[0]) == pytest.approx(0.4 / 0.3 * np.exp(1.959964 * se), rel=1e-6)


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize("size", [(400, 4), (4, 60)])
def test_the_common_estimate_covers_what_it_says(kind, size):
    """Few large and many sparse strata whose rates differ while the difference, or ratio, is common."""
    rng = np.random.default_rng(11)
    rows, strata = size
    n1, n2 = (np.maximum(1, rng.poisson(rows, strata)) for _ in range(2))
    p2 = rng.uniform(0.2, 0.6, strata)
    p1 = p2 + 0.1 if kind == "difference" else p2 * 1.3
    x1, x2 = rng.binomial(n1, p1, (4000, strata)), rng.binomial(n2, p2, (4000, strata))
    low, high = MantelHaenszel(x1, n1, x2, n2, kind).interval(0.1)
    truth = 0.1 if kind == "difference" else 1.3
    assert np.mean(low > truth) == pytest.approx(0.05, abs=0.014)
    assert np.mean(high < truth) == pytest.approx(0.05, abs=0.014)


def test_strata_without_both_groups_count_for_nothing_and_none_is_undefined():
    with_empty = MantelHaenszel([[40, 5, 0]], [[100, 9, 0]], [[60, 0, 3]], [[200, 0, 4]], "difference")
    alone = MantelHaenszel([[40]], [[100]], [[60]], [[200]], "difference")
    assert with_empty.interval(0.05)[0] == pytest.approx(alone.interval(0.05)[0])
    nothing = MantelHaenszel([[3, 0]], [[9, 0]], [[0, 2]], [[0, 5]], "ratio")
    for value in (
        nothing.estimate,
        nothing.p_pass(0.8, 1.25),
        nothing.p_violation(0.8, 1.25),
        *nothing.interval(0.1),
    ):
        assert np.isnan(value).all()


def test_no_events_in_any_stratum_is_no_certainty():
    none = MantelHaenszel([[0, 0]], [[9, 8]], [[0, 0]], [[9, 9]], "difference")
    assert none.p_pass(-0.05, 0.05)[0] > 0.05
    reference_zero = MantelHaenszel([[100, 80]], [[300, 300]], [[0, 0]], [[300, 300]], "ratio")
    assert reference_zero.p_violation(0.8, 1.25)[0] < 1e-6
    assert reference_zero.p_pass(0.8, 1.25)[0] > 0.05


def test_overall_is_the_group_against_everyone():
    x1, n1, x2, n2 = 30, 100, 180, 900
    everyone = (x1 + x2) / (n1 + n2)
    for kind, direct in (("difference", 0.3 - everyone), ("ratio", 0.3 / everyone)):
        overall = Overall(TwoRates(x1, n1, x2, n2, kind), n1 / (n1 + n2), kind)
        assert float(overall.estimate) == pytest.approx(direct)
    zero = Overall(TwoRates(30, 100, 0, 900, "ratio"), 0.1, "ratio")
    assert float(zero.estimate) == pytest.approx(0.3 / 0.03)
    assert float(zero.interval(0.1)[1]) == pytest.approx(10)
    assert zero.p_violation(0.8, 1.25) < 1e-3
    assert zero.p_pass(0.5, 10.0) < 0.05
