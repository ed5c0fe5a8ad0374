"""Weights, clusters and rows still needed."""

from __future__ import annotations

import numpy as np
import pytest

from audit.engine.evidence import TwoRates
from audit.engine.sampling import (
    clustered_rate,
    clustered_rates,
    design_effect,
    detectable,
    effective,
    jackknife,
    rows_needed,
    rows_needed_alone,
    two_rates_needed,
)


def test_equal_weights_are_rows():
    p, n, thin = effective(3 * 40.0, 3 * 100.0, 9 * 40.0, 9 * 60.0, 100)
    assert (float(p), bool(thin)) == (0.4, False)
    assert float(n) == pytest.approx(99)


def test_effective_rows_have_the_linearised_variance():
    rng = np.random.default_rng(2)
    y, w = rng.random(500) < 0.3, rng.exponential(size=500)
    p = np.sum(w * y) / w.sum()
    v = np.sum(w**2 * (y - p) ** 2) / w.sum() ** 2 * 500 / 499
    expected = min(500, w.sum() ** 2 / np.sum(w**2), p * (1 - p) / v)
    rate, n, _ = effective(np.sum(w * y), w.sum(), np.sum(w[y] ** 2), np.sum(w[~y] ** 2), 500, y.sum())
    assert float(rate) == pytest.approx(p)
    assert float(n) == pytest.approx(expected)


def test_thin_numerators_do_not_pass_and_nothing_is_undefined():
    k_w, n_w = np.array([9.0, 91.0, 10.0, 0.0, 5.0]), np.array([100.0, 100.0, 100.0, 0.0, 5.0])
    p, n, thin = effective(k_w, n_w, k_w, n_w - k_w, n_w)
    assert thin.tolist() == [True, True, False, True, True]
    assert np.isnan(p[3])
    assert (n[3], n[4]) == (0.0, 5.0)
    assert effective(50.0, 100.0, 2500.0, 50.0, 51, k=1)[2]


def test_the_jackknife_of_a_mean_is_its_variance():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(3, 12))
    leave = (values.sum(axis=1, keepdims=True) - values) / 11
    assert jackknife(values.mean(axis=1), leave, np.ones(12, dtype=bool)) == pytest.approx(
        values.var(axis=1, ddof=1) / 12
    )
    padded = np.concatenate([leave, np.zeros((3, 88))], axis=1)
    occupied = np.arange(100) < 12
    assert jackknife(values.mean(axis=1), padded, occupied) == pytest.approx(values.var(axis=1, ddof=1) / 12)
    assert np.isnan(jackknife(1.0, [1.0, 1.0], [True, False]))


def test_a_design_effect_is_at_least_one():
    assert design_effect([3.0, 0.1, 0.0, np.nan], [1.0, 1.0, 0.0, 1.0], 4.0).tolist()[:3] == [3.0, 1.0, 4.0]
    assert np.isnan(design_effect(np.nan, 1.0))


def test_duplicated_rows_count_once():
    """Each person's row copied five times into one cluster: the design effect is near five."""
    rng = np.random.default_rng(6)
    where = rng.integers(0, 100, (2, 2000))
    y = rng.random((2, 2000)) < 0.4
    sums = []
    for group in range(2):
        sums += [
            5.0 * np.bincount(where[group], y[group], 100),
            5.0 * np.bincount(where[group], minlength=100),
        ]
    deff, df, occupied = clustered_rates(*sums, "difference")
    assert 3.5 < float(deff) < 7
    assert (float(df), float(occupied)) == (99, 100)
    assert 3.5 < float(clustered_rate(*sums[:2])[0]) < 7


def test_shared_clusters_move_both_groups_together():
    rng = np.random.default_rng(8)
    shock = rng.uniform(0.2, 0.8, 100)
    n = np.full(100, 40.0)
    x1, x2 = rng.binomial(40, shock).astype(float), rng.binomial(40, shock).astype(float)
    assert float(clustered_rate(x1, n)[0]) > 3
    assert float(clustered_rates(x1, n, x2, n, "difference")[0]) < 1.5


def test_a_rate_of_zero_in_clusters_counts_clusters():
    deff, _, occupied = clustered_rate(np.zeros(100), np.full(100, 7.0))
    assert (float(deff), float(occupied)) == (7.0, 100.0)


def test_rows_needed_as_defined():
    z = 1.6448536269514722 + 0.84
    assert float(rows_needed(0.02, 0.04, -0.1, 0.1, 1000, 0.05)) == np.ceil(
        ((z * 0.04 / 0.08) ** 2 - 1) * 1000
    )
    assert np.isnan(rows_needed(0.1, 0.04, -0.1, 0.1, 1000, 0.05))
    assert np.isnan(rows_needed(np.nan, 0.04, -0.1, 0.1, 1000, 0.05))
    assert float(rows_needed(0.9, 0.04, 0.8, np.inf, 500, 0.05)) == 0
    expected = np.ceil(0.25 / (0.05**2 / z**2 - 0.25 / 5000) - 100)
    assert float(rows_needed_alone(0.05, 0.25, 100, 0.25, 5000, 0.05)) == expected
    assert np.isinf(rows_needed_alone(0.01, 0.25, 100, 0.25, 5000, 0.05))
    assert np.isnan(rows_needed_alone(0.0, 0.25, 100, 0.25, 5000, 0.05))


@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_with_the_rows_needed_four_in_five_are_decided(kind):
    rng = np.random.default_rng(9)
    p1, p2, n1, n2 = 0.34, 0.36, 120, 360
    band = (-0.1, 0.1) if kind == "difference" else (0.8, 1.25)
    more, _ = two_rates_needed(TwoRates(p1 * n1, n1, p2 * n2, n2, kind), *band, 0.05)
    grow = 1 + float(more) / (n1 + n2)
    assert grow > 1
    m1, m2 = round(n1 * grow), round(n2 * grow)
    evidence = TwoRates(rng.binomial(m1, p1, 3000), m1, rng.binomial(m2, p2, 3000), m2, kind)
    assert np.mean(evidence.p_pass(*band) <= 0.05) == pytest.approx(0.8, abs=0.06)


def test_the_detectable_difference_is_detected_four_times_in_five():
    rng = np.random.default_rng(10)
    p2, n1, n2 = 0.2, 250, 2000
    for bound in (0.0, 0.05):
        d = float(detectable(p2, n1, n2, 0.025, bound))
        evidence = TwoRates(rng.binomial(n1, p2 + d, 4000), n1, rng.binomial(n2, p2, 4000), n2, "difference")
        assert np.mean(evidence.above(np.array(bound)) <= 0.025) == pytest.approx(0.8, abs=0.04)
    assert detectable(0.2, 1000, 2000, 0.025) < detectable(0.2, 250, 2000, 0.025)
    assert np.isnan(detectable(0.5, 2, 2, 0.0001))
    assert np.isnan(detectable(0.5, 0, 10, 0.05))


def test_a_bound_that_no_rate_reaches_is_no_bound_to_come_near_to() -> None:
    """Against everyone, a group of most rows has its bounds carried back beyond ±1."""
    evidence = TwoRates(50, 100, 21, 40, "difference")
    with np.errstate(invalid="raise", divide="raise"):
        beyond = two_rates_needed(evidence, -1.3, 0.1, 0.05)
        open_end = two_rates_needed(evidence, -np.inf, 0.1, 0.05)
        neither, _ = two_rates_needed(evidence, -1.3, 1.3, 0.05)
    assert beyond == open_end
    assert np.isfinite(beyond[0])
    assert np.isnan(neither)
