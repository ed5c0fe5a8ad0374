"""How strongly a column tells groups apart: Cramér's V of levels, correlation ratio of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_LEVEL = 10
"""Rows below which a level is joined with the other rare ones: its noise cannot be resampled."""
LEAST_GROUP = 30
"""Rows below which a group is left out of an association."""
REPLICATES = 400


@dataclass(frozen=True, slots=True)
class Strength:
    """A measure with its interval, if it has one; `why` is set exactly where value is None."""

    value: float | None
    low: float | None
    high: float | None
    n: float
    why: str | None = None

    @staticmethod
    def undefined(why: str, n: float = 0.0) -> Strength:
        """No value, and the reason."""
        return Strength(None, None, None, n, why)


def merged_levels(table: npt.ArrayLike) -> Floats:
    """A levels × groups table of counts with its rare levels as one row, and without small groups.

    >>> merged_levels([[50, 50], [40, 60], [3, 4], [2, 5]])
    array([[50., 50.],
           [40., 60.],
           [ 5.,  9.]])
    """
    counts = np.asarray(table, dtype=np.float64)
    counts = counts[:, counts.sum(axis=0) >= LEAST_GROUP]
    rows = counts.sum(axis=1)
    rare = rows < LEAST_LEVEL
    joined = counts[rare].sum(axis=0, keepdims=True)
    kept = counts[~rare]
    return np.vstack([kept, joined]) if joined.sum() > 0 else kept


def cramers_v(table: npt.ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Strength:
    """Bias-corrected Cramér's V of a levels × groups table of counts: 0 independent, 1 one tells the other.

    φ² = Σ (p_ij − p_i·p_j)² / (p_i·p_j); less (r−1)(k−1)/(n−1), and not below 0; divided by the
    smaller of r̃−1 and k̃−1, where k̃ = k − (k−1)²/(n−1); the root of it. The interval is φ ± q, not
    below 0, with q the quantile of ‖e* − ê‖ over multinomial resamples, e the vector whose length
    is φ: at no association its lower limit is above 0 with the stated error only. Undefined where
    fewer than two levels or groups have enough rows.
    Source: Bergsma 2013, Journal of the Korean Statistical Society 42.

    >>> found = cramers_v([[90, 10], [20, 80]])
    >>> round(found.value, 3), found.low < found.value < found.high
    (0.702, True)
    """
    counts = merged_levels(table)
    n = float(counts.sum())
    r, k = counts.shape
    if k < 2:
        return Strength.undefined(f"fewer than two groups have {LEAST_GROUP} rows", n)
    if r < 2:
        return Strength.undefined(f"fewer than two of its values have {LEAST_LEVEL} rows", n)
    scale = _scale(r, n), _scale(k, n)
    p = counts / n
    e = _departures(p[None])[0]
    phi = float(np.sqrt((e**2).sum()))
    value = np.sqrt(max(0.0, phi**2 - (r - 1) * (k - 1) / (n - 1)) / min(scale))
    q = _quantile(_resampled_departures(p, n, e, seed), confidence)
    low, high = (max(0.0, phi - q) / np.sqrt(min(scale)), (phi + q) / np.sqrt(min(scale)))
    value = min(1.0, float(value))
    return Strength(value, min(float(low), value), min(1.0, max(float(high), value)), n)


def _scale(size: int, n: float) -> float:
    """One less than the bias-corrected number of levels."""
    return size - (size - 1) ** 2 / (n - 1) - 1


def _departures(p: Floats) -> Floats:
    """Of shares (…, levels, groups) the departures from independence, each in its own standard unit."""
    expected = p.sum(axis=-1, keepdims=True) * p.sum(axis=-2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, (p - expected) / np.sqrt(expected), 0.0)


def _resampled_departures(p: Floats, n: float, e: Floats, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    block = max(1, min(REPLICATES, 4_000_000 // p.size))
    found = []
    for start in range(0, REPLICATES, block):
        size = min(block, REPLICATES - start)
        drawn = random.multinomial(int(n), p.ravel(), size=size).reshape(size, *p.shape) / n
        found.append(np.sqrt(((_departures(drawn) - e) ** 2).sum(axis=(1, 2))))
    return np.concatenate(found)


def _quantile(lengths: Floats, confidence: float) -> float:
    return float(np.quantile(lengths, confidence, method="higher"))


@dataclass(frozen=True, slots=True)
class GroupSums:
    """Rows, mean and variance (divisor n) of a number in each of k groups, shape (k,)."""

    n: Floats
    mean: Floats
    variance: Floats
    kurtosis: float = 3.0
    """The number's fourth central moment over its squared variance, all groups together."""


def correlation_ratio(sums: GroupSums, *, confidence: float = 0.95, seed: int = 0) -> Strength:
    """η, the root of the share of a number's variance that lies between groups: 0 none, 1 all of it.

    η² = Σ n_g (x̄_g − x̄)² / Σ (x − x̄)². The interval is η ± q, not below 0, with q the quantile of
    ‖e* − ê‖, e the vector √p_g (x̄_g − x̄)/σ, over resampled group sizes, group means and σ.
    Undefined where the number does not vary, or fewer than two groups have enough rows.
    Source: Pearson 1905; Fisher 1925.

    >>> sums = GroupSums(np.array([50.0, 50.0]), np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    >>> round(correlation_ratio(sums).value ** 2, 3)
    0.5
    """
    enough = sums.n >= LEAST_GROUP
    n, mean, variance = sums.n[enough], sums.mean[enough], sums.variance[enough]
    total = float(n.sum())
    if len(n) < 2:
        return Strength.undefined(f"fewer than two groups have {LEAST_GROUP} rows with a number", total)
    p = n / total
    between, spread = _between(p, mean), float((p * variance).sum())
    whole = float((between**2).sum()) + spread
    if whole <= 1e-12 * max(1.0, float((mean**2).max())):
        return Strength.undefined("the number does not vary", total)
    e = between / np.sqrt(whole)
    eta = min(1.0, float(np.sqrt((e**2).sum())))
    random = np.random.default_rng(seed)
    shares = random.multinomial(int(total), p, size=REPLICATES) / total
    means = mean + random.normal(size=shares.shape) * np.sqrt(variance / n)
    sigma = 1 + random.normal(size=(REPLICATES, 1)) * np.sqrt(max(sums.kurtosis - 1, 0.0) / (4 * total))
    drawn = _between(shares, means) / np.sqrt(whole) / np.maximum(sigma, 0.5)
    q = _quantile(np.sqrt(((drawn - e) ** 2).sum(axis=1)), confidence)
    return Strength(eta, max(0.0, eta - q), min(1.0, eta + q), total)


def _between(p: Floats, mean: Floats) -> Floats:
    """√p_g (x̄_g − x̄) on the last axis."""
    middle = (p * mean).sum(axis=-1, keepdims=True)
    found: Floats = np.sqrt(p) * (mean - middle)
    return found
