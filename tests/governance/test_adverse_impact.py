"""Adverse-impact statistics against published and computed values, and against scipy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.governance.adverse_impact import (
    below_four_fifths,
    difference_interval,
    exact_tests,
    flips,
    holm,
    impact,
    ratio_interval,
    verdict,
)

TABLE = [
    # a, n1, c, n2, ratio, z pooled, z hypergeometric, Fisher, mid-p, shortfall, low, high
    (12, 40, 48, 80, 0.5000, -3.0984, -3.0854, 0.0034, 0.0021, 8.00, 0.301, 0.829),
    (1, 10, 3, 20, 0.6667, -0.3798, -0.3734, 1.0000, 0.7920, 0.33, 0.079, 5.622),
    (8, 20, 12, 20, 0.6667, -1.2649, -1.2490, 0.3431, 0.2280, 2.00, 0.350, 1.271),
    (6, 24, 15, 31, 0.5167, -1.7705, -1.7543, 0.0980, 0.0739, 3.16, 0.236, 1.130),
    (21, 55, 30, 65, 0.8273, -0.8802, -0.8765, 0.4593, 0.4090, 2.38, 0.540, 1.267),
    (9300, 10000, 9500, 10000, 0.9789, -5.9549, -5.9548, 0.0000, 0.0000, 100.0, 0.972, 0.986),
    (170, 390, 412, 797, 0.8432, -2.623, -2.622, 0.0094, 0.0086, 21.22, 0.739, 0.962),
    (7, 17, 215, 412, 0.7891, -0.890, -0.889, 0.4605, 0.3941, 1.80, 0.444, 1.403),
    (95, 226, 215, 412, 0.8055, -2.453, -2.451, 0.0163, 0.0147, 14.81, 0.674, 0.963),
    (555, 1181, 667, 1390, 0.9793, -0.502, -0.502, 0.6345, 0.6205, 6.33, 0.903, 1.063),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}/{row[1]} v {row[2]}/{row[3]}")
def test_every_number_of_the_table(row: tuple[float, ...]) -> None:
    a, n1, c, n2 = (int(value) for value in row[:4])
    found = impact(a, n1, c, n2)
    assert found.ratio == pytest.approx(row[4], abs=5e-5)
    for value, printed in (
        (found.z_pooled, row[5]),
        (found.z_hypergeometric, row[6]),
        (found.fisher, row[7]),
        (found.mid_p, row[8]),
        (found.shortfall, row[9]),
        (found.ratio_low, row[10]),
        (found.ratio_high, row[11]),
    ):
        places = len(str(printed).split(".")[1]) if printed not in (0.0, 100.0) else 4
        assert value == pytest.approx(printed, abs=0.51 * 10 ** -min(places, 4) if places > 2 else 0.0051)


@pytest.mark.parametrize(
    ("a", "n1", "c", "n2", "below"),
    [
        (45, 100, 60, 100, True),
        (48, 100, 60, 100, False),
        (51, 100, 60, 100, False),
        (3, 5, 15, 20, False),  # .6 against .75 is .8 exactly, and floating point disagrees
        (6, 10, 15, 20, False),
        (3, 10, 15, 40, False),
        (0, 5, 3, 5, True),
    ],
)
def test_four_fifths_is_exact(a: int, n1: int, c: int, n2: int, below: bool) -> None:
    assert below_four_fifths(a, n1, c, n2) is below


@pytest.mark.parametrize("row", [(0, 0, 3, 5), (1, 5, 0, 0), (1, 5, 0, 5)])
def test_no_four_fifths_of_nothing(row: tuple[int, int, int, int]) -> None:
    assert below_four_fifths(*row) is None
    assert impact(*row).ratio is None


def test_one_person_turns_the_picture_round() -> None:
    assert flips(1, 10, 3, 20) is True
    assert flips(3, 20, 1, 10) is True
    assert flips(12, 40, 48, 80) is False
    assert flips(5, 10, 5, 10) is False
    assert flips(1, 0, 1, 5) is None


def test_z_squared_is_the_uncorrected_chi_square() -> None:
    found = impact(12, 40, 48, 80)
    chi = stats.chi2_contingency([[12, 28], [48, 32]], correction=False).statistic
    assert found.z_pooled is not None
    assert found.z_pooled**2 == pytest.approx(9.6)
    assert chi == pytest.approx(9.6)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fisher_is_scipys(n1: int, n2: int, data: st.DataObject) -> None:
    a, c = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    fisher, mid = exact_tests(a, n1, c, n2)
    assert fisher == pytest.approx(stats.fisher_exact([[a, n1 - a], [c, n2 - c]]).pvalue, rel=1e-6)
    assert 0 < mid < fisher


def test_fisher_holds_where_the_weights_leave_floating_point() -> None:
    for row in ((100, 5000, 3000, 5000), (0, 2000, 2000, 2000), (480_000, 1_000_000, 500_000, 1_000_000)):
        fisher, mid = exact_tests(*row)
        assert 0 <= mid <= fisher < 1e-100


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_measures_are_finite_or_none(n1: int, n2: int, data: st.DataObject) -> None:
    a, c = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    found = impact(a, n1, c, n2)
    numbers = [
        getattr(found, name)
        for name in (
            "ratio",
            "z_pooled",
            "z_hypergeometric",
            "fisher",
            "mid_p",
            "shortfall",
            "cohen_h",
            "power",
        )
    ]
    assert all(value is None or math.isfinite(value) for value in numbers)
    low, high = ratio_interval(a, n1, c, n2)
    if a and c:
        assert low is not None
        assert high is not None
        assert low <= a / n1 / (c / n2) * (1 + 1e-12)
        assert a / n1 / (c / n2) <= high * (1 + 1e-12)


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_the_interval_of_a_difference_is_newcombes(n1: int, n2: int, data: st.DataObject) -> None:
    a, c = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    low, high = difference_interval(a, n1, c, n2)
    oracle = confint_proportions_2indep(a, n1, c, n2, method="newcomb", compare="diff", correction=False)
    assert (low, high) == pytest.approx(oracle, abs=1e-9)
    assert -1 <= low <= a / n1 - c / n2 <= high <= 1


def test_verdicts() -> None:
    assert verdict(impact(12, 40, 48, 80)) == "flag"
    assert verdict(impact(9300, 10000, 9500, 10000)) == "watch-stat"
    assert verdict(impact(30, 60, 40, 60)) == "watch-ratio"
    assert verdict(impact(555, 1181, 667, 1390)) == "clear"
    assert verdict(impact(21, 55, 30, 65)) == "inconclusive"  # too few to have seen four fifths
    assert verdict(impact(1, 10, 3, 20)) == "inconclusive"  # under the least size
    assert verdict(impact(5, 50, 0, 50)) == "inconclusive"  # no ratio


def test_holm_changes_the_verdict_of_the_printed_race_table() -> None:
    """.0094 is significant alone and not as the smallest of six."""
    black = impact(170, 390, 412, 797)
    others = [impact(a, n, 412, 797) for a, n in ((204, 408), (52, 119), (302, 616), (18, 41), (96, 213))]
    adjusted = holm([black.fisher or 1.0, *(other.fisher or 1.0 for other in others)])
    assert adjusted[0] == pytest.approx(0.0566, abs=5e-5)
    assert verdict(black) == "watch-stat"
    assert verdict(black, p=adjusted[0]) != "watch-stat"


@pytest.mark.parametrize("row", [(-1, 5, 1, 5), (6, 5, 1, 5), (1, 5, 9, 5)])
def test_impossible_counts_are_refused(row: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="between 0"):
        impact(*row)
