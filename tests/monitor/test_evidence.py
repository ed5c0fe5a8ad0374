"""The e-processes against decimal arithmetic, and their one promise: few alarms where nothing is wrong."""

from __future__ import annotations

import json
from decimal import Decimal, getcontext
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom

from audit.monitor import evidence as ev
from audit.monitor.sequences import gap_sequence, rate_sequence

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
tables = arrays(np.int64, (10,), elements=st.integers(0, 200))


@pytest.mark.parametrize("case", VECTORS["concurrent"])
def test_block_evidence_equals_the_forty_digit_vectors(case):
    side, bound = ("above", case["eps"]) if case["kind"] == "difference" else ("below", case["tau"])
    bets = ev.block_bets(case["kind"], side, bound, 1, case["rho"])
    table = np.array(case["N"]).ravel()
    assert float(ev.mixture(ev.log_increments(table, bets))) == pytest.approx(case["ln_K"], abs=1e-11)


@pytest.mark.parametrize("case", VECTORS["baseline"])
def test_baseline_evidence_equals_the_forty_digit_vectors(case):
    table = [case["n"] - case["s"], case["s"]]
    log_e = ev.mixture(ev.log_increments(table, ev.rate_bets("above", case["p0"])))
    assert float(log_e) == pytest.approx(case["ln_E"], abs=1e-11)


def decimal_wealth(comparison, side, bound, a, b, table):
    getcontext().prec = 40
    bound_, total = Decimal(repr(bound)), Decimal(0)
    for lam in ev.stakes(comparison, side, bound):
        wealth = Decimal(1)
        for cell, count in enumerate(table):
            j, k = divmod(cell, b + 1)
            group, reference = Decimal(j) / a, Decimal(k) / b
            score = group - reference - bound_ if comparison == "difference" else group - bound_ * reference
            wealth *= (1 + Decimal(repr(float(lam))) * (score if side == "above" else -score)) ** int(count)
        total += wealth
    return float((total / len(ev.LAMBDAS)).ln())


@settings(max_examples=40, deadline=None)
@given(
    tables,
    st.sampled_from(
        [("difference", 0.05), ("difference", 0.8), ("ratio", 0.8), ("ratio", 1.25), ("ratio", 3.0)]
    ),
    st.sampled_from(ev.SIDES),
    st.sampled_from([(1, 4), (4, 1)]),
)
def test_any_table_bound_side_and_block_equals_decimal_arithmetic(table, rule, side, block):
    bets = ev.block_bets(*rule[:1], side, rule[1], *block)
    got = float(ev.mixture(ev.log_increments(table, bets)))
    assert got == pytest.approx(decimal_wealth(rule[0], side, rule[1], *block, table), rel=1e-9, abs=1e-9)


@given(
    st.sampled_from(["difference", "ratio"]),
    st.sampled_from(ev.SIDES),
    st.floats(0.01, 0.99) | st.floats(1, 20),
)
def test_no_block_can_take_the_whole_wealth(comparison, side, bound):
    if comparison == "difference":
        bound = min(bound, 0.99)
    stake = ev.stakes(comparison, side, bound)[:, None] * ev.scores(comparison, side, bound, 1, 4)
    assert stake.min() >= -0.9600001


@pytest.mark.parametrize("side", ev.SIDES)
@pytest.mark.parametrize(
    ("comparison", "bound", "p", "q"),
    [
        ("difference", 0.0, 0.3, 0.3),
        ("difference", 0.1, 0.5, 0.4),
        ("ratio", 0.8, 0.4, 0.5),
        ("ratio", 1.25, 0.5, 0.4),
    ],
)
def test_the_mean_of_an_e_value_is_at_most_one_at_the_null(comparison, bound, p, q, side):

    cells = np.outer(binom.pmf([0, 1], 1, p), binom.pmf(range(5), 4, q)).ravel()
    factor = np.exp(ev.block_bets(comparison, side, bound, 1, 4))
    assert (cells @ factor) == pytest.approx(np.ones(5), abs=1e-12)


@pytest.mark.parametrize(("side", "p"), [("above", 0.2), ("above", 0.3), ("below", 0.3), ("below", 0.45)])
def test_the_mean_of_a_rate_e_value_is_at_most_one_under_its_null(side, p):
    mean = np.array([1 - p, p]) @ np.exp(ev.rate_bets(side, 0.3))
    assert (mean <= 1 + 1e-12).all()


def test_a_rate_that_cannot_be_exceeded_brings_no_evidence_and_no_nan():
    assert not ev.rate_bets("above", [1.0]).any()
    assert not ev.rate_bets("below", [0.0]).any()
    assert np.isfinite(ev.rate_bets("above", [0.0, 1 - 1e-15])).all()


@given(tables, tables)
def test_tables_of_shards_add_up(one, other):
    bets = ev.block_bets("difference", "above", 0.02, 1, 4)
    apart = ev.log_increments(one, bets) + ev.log_increments(other, bets)
    assert ev.log_increments(one + other, bets) == pytest.approx(apart, abs=1e-8)


def test_a_table_gives_the_same_bytes_alone_and_among_ten_thousand():
    rng = np.random.default_rng(1)
    many, bounds = rng.integers(0, 500, (10_000, 10)), rng.uniform(0, 0.2, 10_000)
    together = ev.mixture(ev.log_increments(many, ev.block_bets("difference", "above", bounds, 1, 4)))
    for i in (0, 17, 9_999):
        alone = ev.mixture(ev.log_increments(many[i], ev.block_bets("difference", "above", bounds[i], 1, 4)))
        assert alone.tobytes() == together[i].tobytes()


def test_ten_thousand_tables_take_a_fraction_of_a_second():
    rng = np.random.default_rng(1)
    many, bounds = rng.integers(0, 500, (10_000, 10)), rng.uniform(0, 0.2, 10_000)
    best = 9.0
    for _ in range(3):
        begun = perf_counter()
        for side in ev.SIDES:
            ev.mixture(ev.log_increments(many, ev.block_bets("difference", side, bounds, 1, 4)))
        best = min(best, perf_counter() - begun)
    assert best < 0.2


def test_betting_raises_no_more_alarms_than_its_level_at_the_null():
    rng = np.random.default_rng(7)
    runs, blocks, p = 1_000, 1_500, 0.3
    bets = {s: ev.block_bets("difference", s, 0.0, 1, 4) for s in ev.SIDES}
    cells = (rng.random((runs, blocks)) < p) * 5 + rng.binomial(4, p, (runs, blocks))
    wealth = [ev.mixture(np.cumsum(bets[s][cells], axis=1)) for s in ev.SIDES]
    alarms = (ev.both(*wealth).max(axis=1) >= np.log(20)).mean()
    assert 0 < alarms <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_a_gap_is_found_and_its_absence_is_evidence_too():
    rng = np.random.default_rng(3)

    def table(p, q):
        cells = (rng.random(20_000) < p) * 5 + rng.binomial(4, q, 20_000)
        return np.bincount(cells, minlength=10)

    gap = ev.mixture(ev.log_increments(table(0.2, 0.4), ev.block_bets("difference", "below", -0.1, 1, 4)))
    fine = ev.mixture(ev.log_increments(table(0.3, 0.3), ev.block_bets("difference", "below", 0.05, 1, 4)))
    assert gap > np.log(1000)
    assert fine > np.log(20)


def test_the_detector_is_the_plain_recursion():
    rng = np.random.default_rng(5)
    logs, seen = rng.normal(0, 0.3, (30, 2, 5)), rng.random((30, 2)) < 0.8
    for form in ("sr", "cusum"):
        state, expected = np.zeros((2, 5)), []
        for t in range(30):
            grown = state + 1 if form == "sr" else np.maximum(state, 1)
            state = np.where(seen[t][:, None], grown * np.exp(logs[t]), state)
            expected.append(state.mean(axis=1))
        with np.errstate(divide="ignore"):
            assert ev.detector(logs, seen, form=form)[0] == pytest.approx(np.log(expected), abs=1e-9)


def test_the_detector_goes_on_from_its_state():
    logs, seen = np.random.default_rng(6).normal(0, 0.2, (20, 3, 5)), np.ones((20, 3), bool)
    whole, end = ev.detector(logs, seen)
    first, state = ev.detector(logs[:8], seen[:8])
    second, end_again = ev.detector(logs[8:], seen[8:], start=state)
    assert np.concatenate([first, second]).tobytes() == whole.tobytes()
    assert end.tobytes() == end_again.tobytes()


def test_windows_without_blocks_never_bring_an_alarm():
    path, _ = ev.detector(np.zeros((10_000, 1, 5)), np.zeros((10_000, 1), bool))
    assert np.isneginf(path).all()


def test_the_change_is_dated():
    logs = np.full((100, 5), -0.1)
    logs[60:] = 0.2
    assert ev.since(logs) == 60


def test_window_blocks_bet_on_the_windows_difference():
    counts = np.array([[30, 100, 90, 200], [0, 0, 5, 10]])
    got = ev.window_increments("difference", "above", 0.02, counts)
    assert got[0] == pytest.approx(np.log1p(np.array(ev.LAMBDAS) * 1.5 / 1.02 * (0.3 - 0.45 - 0.02)))
    assert not got[1].any()
    rate = ev.window_increments("rate", "below", 0.4, counts[:1, :2])
    assert rate[0] == pytest.approx(np.log1p(np.array(ev.LAMBDAS) * 1.5 / 0.96 * (0.4 - 0.3)))


@pytest.mark.parametrize("log_e", [[5.0, 3.0, 1.0, -2.0], [2.0, 4.4, 4.4, 3.9], [0.0], []])
def test_e_bh_is_its_definition(log_e):
    e, m = np.exp(log_e), len(log_e)
    ks = [k for k in range(1, m + 1) if k * np.sort(e)[::-1][k - 1] / m >= 1 / 0.05]
    expected = np.zeros(m, bool)
    if ks:
        expected = e >= np.sort(e)[::-1][max(ks) - 1]
    assert ev.e_bh(log_e, 0.05).tolist() == expected.tolist()


def test_rate_limits_are_the_binomial_tails():

    low, high = ev.rate_limits([7, 0, 20], [20, 20, 20], 0.025)
    assert binom.sf(6, 20, low[0]) == pytest.approx(0.025)
    assert binom.cdf(7, 20, high[0]) == pytest.approx(0.025)
    assert (low[1], high[2]) == (0.0, 1.0)


def test_confidence_sequences_hold_what_the_test_has_not_refuted():
    rng = np.random.default_rng(8)
    cells = (rng.random((50, 3_000)) < 0.35) * 5 + rng.binomial(4, 0.3, (50, 3_000))
    many = np.stack([np.bincount(c, minlength=10) for c in cells])
    low, high = gap_sequence("difference", many, 1, 4, 0.05)
    for x in (-0.02, 0.0, 0.05, 0.1):
        above = ev.mixture(ev.log_increments(many, ev.block_bets("difference", "above", x, 1, 4)))
        assert ((low >= x) == (above >= np.log(40))).all()
    ratio_low, ratio_high = gap_sequence("ratio", many, 1, 4, 0.05)
    assert (low < 0.05).mean() > 0.95
    assert (high > 0.05).mean() > 0.95
    assert ((ratio_low < 0.35 / 0.3) & (ratio_high > 0.35 / 0.3)).mean() > 0.9


def test_a_rate_stays_in_its_sequence_at_all_times():
    rng = np.random.default_rng(9)
    n = np.arange(1, 1_001)
    s = np.cumsum(rng.random((400, 1_000)) < 0.2, axis=1)
    low, high = rate_sequence(s, n, 0.05)
    missed = ((low > 0.2) | (high < 0.2)).any(axis=1).mean()
    assert missed <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_sequences_without_rows_say_nothing():
    assert [float(x) for x in rate_sequence(0, 0, 0.05)] == [0.0, 1.0]
    assert [float(x) for x in gap_sequence("difference", np.zeros(10, int), 1, 4, 0.05)] == [-1.0, 1.0]
    assert [float(x) for x in gap_sequence("ratio", np.zeros(10, int), 1, 4, 0.05)] == [0.0, np.inf]
