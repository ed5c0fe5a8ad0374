"""From bounds to bands: the table of meanings, and what no accepted band may be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.spec.bands import NoBand, band

COMPARISONS = ["difference", "ratio", "worst_group", "conditional_difference", "conditional_ratio", "pairs"]


@pytest.mark.parametrize(
    ("comparison", "at_least", "at_most", "one_sided", "expected"),
    [
        ("difference", None, 0.05, False, (-0.05, 0.05)),
        ("difference", None, 0.05, True, (None, 0.05)),
        ("difference", None, 0.0, True, (None, 0.0)),
        ("difference", -0.05, None, True, (-0.05, None)),
        ("difference", -0.1, 0.05, False, (-0.1, 0.05)),
        ("conditional_difference", None, 0.2, False, (-0.2, 0.2)),
        ("ratio", 0.8, None, False, (0.8, 1.25)),
        ("ratio", 0.8, None, True, (0.8, None)),
        ("ratio", None, 1.25, False, (0.8, 1.25)),
        ("ratio", None, 1.25, True, (None, 1.25)),
        ("ratio", 0.9, 1.3, False, (0.9, 1.3)),
        ("conditional_ratio", 0.5, None, False, (0.5, 2.0)),
        ("worst_group", 0.7, None, False, (0.7, None)),
        ("worst_group", None, 0.3, False, (None, 0.3)),
        ("worst_group", 0.2, 0.4, False, (0.2, 0.4)),
        ("pairs", None, 0.2, False, (None, 0.2)),
    ],
)
def test_the_table_of_meanings(comparison, at_least, at_most, one_sided, expected):
    assert band(at_least, at_most, comparison, one_sided=one_sided, proportion=True) == expected


bounds = st.none() | st.floats(-3, 3) | st.sampled_from([0.0, 1.0, -1.0, 0.8, 1.25])


@given(bounds, bounds, st.sampled_from(COMPARISONS), st.booleans())
def test_every_accepted_band_can_be_missed_and_can_be_met(at_least, at_most, comparison, one_sided):
    found = band(at_least, at_most, comparison, one_sided=one_sided, proportion=True)
    if isinstance(found, NoBand):
        assert found.what
        return
    low = -math.inf if found[0] is None else found[0]
    high = math.inf if found[1] is None else found[1]
    assert low < high
    if comparison == "worst_group":
        reachable, parity = (0.0, 1.0), None
    elif comparison.endswith("difference"):
        reachable, parity = (-1.0, 1.0), 0.0
    else:
        reachable, parity = (0.0, math.inf), 0.0 if comparison == "pairs" else 1.0
    assert low > reachable[0] or high < reachable[1]
    assert parity is None or low <= parity <= high
    assert low < reachable[1]
    assert high > reachable[0]


@given(st.floats(0.01, 0.99))
def test_a_ratio_means_the_same_whichever_group_is_named_first(t):
    low, high = band(t, None, "ratio", one_sided=False, proportion=True)
    assert low * high == pytest.approx(1.0)


def test_a_metric_that_is_no_share_may_be_bounded_beyond_one():
    assert band(None, 2.0, "difference", one_sided=False, proportion=False) == (-2.0, 2.0)
    assert band(3.0, None, "worst_group", one_sided=False, proportion=False) == (3.0, None)
