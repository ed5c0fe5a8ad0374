"""Associations and distances: known values, independent oracles, and intervals that hold what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from audit.analysis.association import GroupSums, correlation_ratio, cramers_v
from audit.analysis.distances import KINDS, LEVELS, ORDERED, compare

Floats = npt.NDArray[np.float64]


def bergsma(counts: Floats) -> float:
    """Written out anew from the paper, on scipy's chi-squared."""
    n, (r, k) = counts.sum(), counts.shape
    phi2 = stats.chi2_contingency(counts, correction=False).statistic / n
    corrected = max(0.0, phi2 - (r - 1) * (k - 1) / (n - 1))
    return float(math.sqrt(corrected / min(r - (r - 1) ** 2 / (n - 1) - 1, k - (k - 1) ** 2 / (n - 1) - 1)))


@pytest.mark.parametrize("seed", range(5))
def test_cramers_v_is_bergsmas(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.integers(40, 900, size=(random.integers(2, 7), random.integers(2, 5))).astype(float)
    found = cramers_v(counts)
    assert found.value == pytest.approx(bergsma(counts), abs=1e-10)
    assert found.n == counts.sum()
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_cramers_v_knows_the_ends() -> None:
    whole = cramers_v([[500, 0], [0, 500]])
    assert whole.value == pytest.approx(1.0, abs=1e-3)
    assert whole.high == 1.0
    none = cramers_v([[300, 300], [200, 200]])
    assert (none.value, none.low) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[50, 0], [60, 0]], "fewer than two groups"),
        ([[50, 29], [60, 0]], "fewer than two groups"),
        ([[50, 60]], "fewer than two of its values"),
        ([[50, 60], [0, 0]], "fewer than two of its values"),
    ],
)
def test_cramers_v_is_undefined_where_there_is_nothing_to_compare(counts: Any, words: str) -> None:
    found = cramers_v(counts)
    assert found.value is None
    assert words in (found.why or "")


def test_rare_levels_are_joined_and_small_groups_left_out() -> None:
    assert cramers_v([[80, 40, 1], [30, 90, 0], [5, 2, 0], [1, 3, 0]]).value == pytest.approx(
        bergsma(np.array([[80.0, 40], [30, 90], [6, 5]])), abs=1e-10
    )


def sums(groups: list[Floats]) -> GroupSums:
    whole = np.concatenate(groups)
    kurtosis = float(((whole - whole.mean()) ** 4).mean() / whole.var() ** 2) if whole.var() else 3.0
    parts: tuple[list[float], ...] = ([], [], [])
    for one in groups:
        for part, value in zip(parts, (len(one), one.mean(), one.var()), strict=True):
            part.append(float(value))
    return GroupSums(*(np.array(part) for part in parts), kurtosis)


@pytest.mark.parametrize("seed", range(5))
def test_the_correlation_ratio_is_the_root_of_explained_variance(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = [random.normal(at, 1 + at, size=random.integers(30, 200)) for at in range(3)]
    f = stats.f_oneway(*groups).statistic
    k, n = len(groups), sum(map(len, groups))
    eta = math.sqrt(f * (k - 1) / (f * (k - 1) + n - k))
    found = correlation_ratio(sums(groups))
    assert found.value == pytest.approx(eta, abs=1e-10)


def test_the_correlation_ratio_is_undefined_without_variance_or_groups() -> None:
    same = correlation_ratio(sums([np.full(50, 2.0), np.full(60, 2.0)]))
    assert (same.value, same.why) == (None, "the number does not vary")
    alone = correlation_ratio(sums([np.arange(50.0), np.arange(3.0)]))
    assert alone.value is None
    apart = correlation_ratio(sums([np.full(50, 2.0), np.full(60, 3.0)]))
    assert apart.value == pytest.approx(1.0)


def test_distances_of_levels_are_scipys() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        a, b = (random.integers(1, 200, size=6).astype(float) for _ in range(2))
        p, q = a / a.sum(), b / b.sum()
        found = compare(LEVELS, a, b)
        expected = {
            "total_variation": np.abs(p - q).sum() / 2,
            "js_divergence": jensenshannon(p, q) ** 2,
            "kl_divergence": stats.entropy(p, q),
            "hellinger": np.sqrt(1 - np.sqrt(p * q).sum()),
        }
        for name, value in expected.items():
            assert found[name].value == pytest.approx(value, abs=1e-10), name


def test_the_examples_of_the_registry() -> None:
    found = compare(LEVELS, [200, 300, 500], [400, 300, 300])
    values = {name: round(found[name].value or 0.0, 4) for name in LEVELS}
    assert values == {
        "total_variation": 0.2,
        "js_divergence": 0.0296,
        "kl_divergence": 0.1168,
        "hellinger": 0.1728,
    }


def test_distances_of_numbers_are_scipys() -> None:
    random = np.random.default_rng(4)
    for _ in range(20):
        x = random.integers(0, 12, size=80).astype(float) ** 1.5
        y = random.integers(2, 15, size=50).astype(float) ** 1.5
        values = np.unique(np.concatenate([x, y]))
        counts = [[(side == value).sum() for value in values] for side in (x, y)]
        found = compare(ORDERED, *counts, values=values)
        assert found["ks"].value == pytest.approx(stats.ks_2samp(x, y).statistic, abs=1e-10)
        assert found["wasserstein"].value == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-10)


def test_distributions_with_nothing_in_common() -> None:
    found = compare((*LEVELS, "ks"), [50, 0], [0, 70])
    assert found["total_variation"].value == found["hellinger"].value == found["ks"].value == 1.0
    assert found["js_divergence"].value == pytest.approx(math.log(2))
    assert found["kl_divergence"].value is None
    assert found["kl_divergence"].why == "it has rows at a value at which the other side has none"
    half = compare(LEVELS, [50, 50, 0], [0, 50, 50])
    assert half["total_variation"].value == 0.5
    assert half["kl_divergence"].value is None
    assert half["js_divergence"].value is not None


def test_equal_distributions_are_at_nought_and_an_empty_side_is_undefined() -> None:
    for name, found in compare((*LEVELS, *ORDERED), [30, 60], [50, 100]).items():
        assert found.value == pytest.approx(0.0, abs=1e-12), name
        assert found.low in (0.0, None)
    for found in compare(LEVELS, [0, 0], [5, 5]).values():
        assert (found.value, found.why) == (None, "one of the two sides has no rows")


def test_too_few_rows_for_the_levels_have_no_interval() -> None:
    found = compare((*LEVELS, *ORDERED), np.ones(40), np.ones(40) * 9)
    assert found["total_variation"].low is None
    assert found["total_variation"].value == pytest.approx(0.0, abs=1e-12)
    assert found["ks"].low == 0.0
    assert compare(("ks",), [4, 5], [500, 500])["ks"].low is None


CASES = [
    np.outer([0.2, 0.3, 0.5], [0.3, 0.7]),
    np.array([[0.3, 0.1], [0.1, 0.5]]),
    np.outer([0.1] * 10, [0.1, 0.2, 0.7]),
]


@pytest.mark.parametrize("shares", CASES, ids=["independent", "strong", "independent, ten levels"])
def test_intervals_of_associations_miss_no_more_than_they_say(shares: Floats) -> None:
    """At 95 % over 200 tables at most 1.25 × 5 % and three standard errors of the count."""
    random = np.random.default_rng(11)
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    true = math.sqrt(((shares - expected) ** 2 / expected).sum() / (min(shares.shape) - 1))
    missed = 0
    for seed in range(200):
        found = cramers_v(random.multinomial(500, shares.ravel()).reshape(shares.shape), seed=seed)
        assert found.low is not None
        assert found.high is not None
        missed += not found.low - 1e-12 <= true <= found.high + 1e-12
    assert missed <= 12.5 + 3 * math.sqrt(12.5)


@pytest.mark.parametrize("same", [True, False])
def test_intervals_of_distances_miss_no_more_than_they_say(same: bool) -> None:
    random = np.random.default_rng(12)
    q = np.array([0.4, 0.3, 0.2, 0.1])
    p = q if same else q[::-1].copy()
    values, names = np.array([0.0, 1, 3, 10]), ("total_variation", "js_divergence", "hellinger", *ORDERED)
    missed = dict.fromkeys(names, 0)
    for seed in range(200):
        found = compare(
            names, random.multinomial(150, p), random.multinomial(600, q), values=values, seed=2 * seed
        )
        for name in names:
            true = float(KINDS[name].distance(p, q, values))
            low, high = found[name].low, found[name].high
            assert low is not None
            assert high is not None
            missed[name] += not low - 1e-12 <= true <= high + 1e-12
    assert max(missed.values()) <= 12.5 + 3 * math.sqrt(12.5), missed
