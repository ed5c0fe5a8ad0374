"""Rows that are not simple, and rows that are still missing: weights, clusters, sample sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine.score import falling_root
from audit.engine.tails import Array
from audit.engine.two_rates import TwoRates

LEAST_WEIGHTED_ROWS = 10
"""Rows that numerator and complement of a weighted rate each need before it may pass."""
LEAST_CLUSTERS = 30
"""Clusters below which nothing passes."""
POWER_QUANTILE = 0.84
"""The normal quantile of 80 % power."""


def effective(
    k_w: npt.ArrayLike,
    n_w: npt.ArrayLike,
    w2_num: npt.ArrayLike,
    w2_comp: npt.ArrayLike,
    n: npt.ArrayLike,
    k: npt.ArrayLike | None = None,
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """A weighted rate, the simple rows that say as much, and whether it is too thin to pass.

    `k_w` and `n_w` are sums of weights in numerator and denominator, `w2_num` and `w2_comp` sums
    of squared weights in the numerator and in its complement, `n` the denominator's rows, `k` the
    numerator's. The effective rows are the least of n, Kish's (Σw)²/Σw², and p(1−p)/v with v the
    linearised variance: weights that depend on the outcome cost more than Kish allows for. Too thin
    is under 10 rows in numerator or complement; without `k`, under 10 rows by Kish's count, which
    is never more. The rate is NaN, and the effective rows 0, where no weight falls in the denominator.
    Source: Särndal, Swensson and Wretman, Model Assisted Survey Sampling (1992), section 5.7.

    >>> p, rows, thin = effective(50.0, 100.0, 50.0, 50.0, 100)
    >>> float(p), round(float(rows), 2), bool(thin)
    (0.5, 99.0, False)
    """
    kw, nw, s1, s0, rows = np.broadcast_arrays(
        *(np.asarray(v, dtype=float) for v in (k_w, n_w, w2_num, w2_comp, n))
    )
    total = np.where(nw > 0, nw, np.nan)
    p = np.clip(kw / total, 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        v = (s1 * (1 - p) ** 2 + s0 * p**2) / total**2 * rows / np.maximum(rows - 1, 1)
        linearised = np.where(v > 0, p * (1 - p) / v, np.inf)
        kish = total**2 / (s1 + s0)
        if k is None:
            numerator, complement = (
                kw**2 / np.where(s1 > 0, s1, np.inf),
                (nw - kw) ** 2 / np.where(s0 > 0, s0, np.inf),
            )
        else:
            numerator, complement = np.asarray(k, dtype=float), rows - np.asarray(k, dtype=float)
    n_eff = np.fmin(np.fmin(rows, kish), linearised)
    thin = ~(np.minimum(numerator, complement) >= LEAST_WEIGHTED_ROWS)
    return p, np.where(nw > 0, n_eff, 0.0), thin


def scarcity(count: npt.ArrayLike, rows: npt.ArrayLike) -> Array:
    """What the variance of a count lacks, in rows squared, to reach as far as its exact limit does.

    Of a rare kind of row none may have been drawn, and its variance is then estimated as 0. A Poisson
    count c reaches from c to about c + z·√(c + 2√c + 4) for z from 1.6 to 3; the two terms that
    c lacks fade as the kind's share nears one half, where a count has no skewness.

    >>> scarcity([0, 9, 50], 100).round(2).tolist()
    [4.0, 8.2, 0.0]
    """
    c, n = np.broadcast_arrays(np.asarray(count, dtype=float), np.asarray(rows, dtype=float))
    share = c / np.where(n > 0, n, 1.0)
    return np.asarray(np.maximum(0.0, 1 - 2 * share) * (2 * np.sqrt(np.maximum(c, 0.0)) + 4))


def jackknife(
    theta_full: npt.ArrayLike, theta_leave_one_out: npt.ArrayLike, occupied: npt.ArrayLike
) -> Array:
    """The delete-a-group variance of an estimate: (G − 1)/G · Σ (θ without g − θ)² over occupied groups.

    `theta_leave_one_out` has the groups on its last axis; `occupied`, of that shape or the groups'
    alone, is true where a group holds rows of the comparison, and G is their number. NaN where
    fewer than two are occupied, or where the estimate is undefined without one of them.
    Source: Kott, Journal of Official Statistics 17 (2001).

    >>> float(jackknife(2.0, [1.5, 2.0, 2.5], [True, True, True]))  # the mean of 1, 2 and 3
    0.3333333333333333
    """
    leave = np.asarray(theta_leave_one_out, dtype=float)
    used = np.broadcast_to(np.asarray(occupied, dtype=bool), leave.shape)
    full = np.asarray(theta_full, dtype=float)[..., None]
    groups = used.sum(axis=-1)
    squares = np.where(used, (leave - full) ** 2, 0.0).sum(axis=-1)
    return np.where(groups >= 2, (groups - 1) / np.maximum(groups, 1) * squares, np.nan)


def design_effect(variance: npt.ArrayLike, simple: npt.ArrayLike, otherwise: npt.ArrayLike = 1.0) -> Array:
    """How many times less the rows say than as many independent ones: variance / simple, at least 1.

    `otherwise` stands where the simple variance is 0 and the ratio says nothing (a rate of 0 or
    1): give the mean rows per cluster there, since all of a cluster may be alike. NaN stays NaN.

    >>> design_effect([0.002, 0.0005], 0.001).tolist()
    [2.0, 1.0]
    """
    v, s, other = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (variance, simple, otherwise)))
    return np.maximum(1.0, np.where(s > 0, v / np.where(s > 0, s, 1.0), other + 0 * v))


def clustered_rates(
    x1: npt.ArrayLike, n1: npt.ArrayLike, x2: npt.ArrayLike, n2: npt.ArrayLike, kind: str
) -> tuple[Array, Array, Array]:
    """Design effect, degrees of freedom and occupied groups of a comparison of two rates.

    The counts have the cluster groups on their last axis. The comparison itself is jackknifed,
    p1 − p2 or p1 − r·p2 with r the estimated ratio, since clusters may lie in both groups of people
    and their parts then move together. Hand `deff` and `df` to `TwoRates` with the counts' sums.

    >>> size = [[5, 5, 5, 5]]
    >>> found = clustered_rates([[5, 0, 5, 0]], size, [[0, 5, 5, 0]], size, "difference")
    >>> [round(float(v[0]), 2) for v in found]
    [6.67, 3.0, 4.0]
    """
    counts = [np.asarray(v, dtype=float) for v in (x1, n1, x2, n2)]
    a1, m1, a2, m2 = (v.sum(axis=-1) for v in counts)
    occupied = (counts[1] + counts[3]) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p2 = a1 / m1, a2 / m2
        k = np.where(p2 > 0, p1 / p2, 1.0) if kind == "ratio" else np.ones_like(p1)
        left = [total[..., None] - part for total, part in zip((a1, m1, a2, m2), counts, strict=True)]
        leave = left[0] / left[1] - k[..., None] * left[2] / left[3]
        simple = p1 * (1 - p1) / m1 + k * k * p2 * (1 - p2) / m2
        groups = occupied.sum(axis=-1)
        variance = jackknife(p1 - k * p2, leave, occupied)
        deff = design_effect(variance, simple, otherwise=(m1 + m2) / groups)
    return deff, np.maximum(groups - 1, 1).astype(float), groups.astype(float)


def clustered_rate(x: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Design effect, degrees of freedom and occupied groups of one rate; cluster groups on the last axis.

    >>> [round(float(v[0]), 2) for v in clustered_rate([[5, 0, 5, 0]], [[5, 5, 5, 5]])]
    [6.67, 3.0, 4.0]
    """
    rows, size = np.asarray(x, dtype=float), np.asarray(n, dtype=float)
    a, m = rows.sum(axis=-1), size.sum(axis=-1)
    occupied = size > 0
    groups = occupied.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = a / m
        leave = (a[..., None] - rows) / (m[..., None] - size)
        deff = design_effect(jackknife(p, leave, occupied), p * (1 - p) / m, otherwise=m / groups)
    return deff, np.maximum(groups - 1, 1).astype(float), groups.astype(float)


def rows_needed(
    estimate: npt.ArrayLike,
    se: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    n: npt.ArrayLike,
    level: npt.ArrayLike,
) -> Array:
    """Rows still missing, in the present mix, to decide a comparison with 80 % power if its estimate is true.

    (f − 1)·n with f = (z′·SE / |estimate − c|)², z′ the one-sided quantile of `level` plus .84 and
    c the nearest bound. `n` is the rows behind `se`, of both groups. NaN where it cannot be said:
    the estimate lies on the bound or is undefined; 0 where the rows there are suffice.

    >>> float(rows_needed(0.0, 0.05, -0.1, 0.1, 400, 0.05))
    218.0
    """
    distance, _ = _to_bound(estimate, lower, upper)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        f = (_reach(level) * np.asarray(se, dtype=float) / distance) ** 2
        more = np.ceil((f - 1) * np.asarray(n, dtype=float))
    return np.where(np.isfinite(distance) & (distance > 0), np.maximum(more, 0.0), np.nan)


def rows_needed_alone(
    distance: npt.ArrayLike,
    v1: npt.ArrayLike,
    n1: npt.ArrayLike,
    v2: npt.ArrayLike,
    n2: npt.ArrayLike,
    level: npt.ArrayLike,
) -> Array:
    """How many more rows of the first group alone would decide it; inf where no number of them would.

    v1/(distance²/z′² − v2/n2) − n1, with v1 and v2 the variances of one row in each group. NaN
    where the distance to the nearest bound is 0 or undefined.

    >>> float(rows_needed_alone(0.1, 0.25, 50, 0.25, 1000, 0.05))
    133.0
    >>> float(rows_needed_alone(0.02, 0.25, 50, 0.25, 1000, 0.05))
    inf
    """
    gap = np.abs(np.asarray(distance, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        room = gap**2 / _reach(level) ** 2 - np.asarray(v2, dtype=float) / np.asarray(n2, dtype=float)
        more = np.ceil(np.asarray(v1, dtype=float) / room - np.asarray(n1, dtype=float))
    more = np.where(room > 0, np.maximum(more, 0.0), np.inf)
    return np.where(gap > 0, more, np.nan)


def two_rates_needed(
    evidence: TwoRates, lower: npt.ArrayLike, upper: npt.ArrayLike, level: npt.ArrayLike
) -> tuple[Array, Array]:
    """Rows needed in the present mix, and by the first group alone, for a comparison of two rates.

    The contrast p1 − p2 − c or p1 − c·p2 is held against its standard error under c, so that rates
    of 0 have one too. NaN and inf as in `rows_needed` and `rows_needed_alone`; rows are effective
    rows times the design effect, that is, rows of the kind that there are.

    >>> [float(v) for v in two_rates_needed(TwoRates(50, 100, 210, 400, "difference"), -0.1, 0.1, 0.05)]
    [1197.0, 770.0]
    """
    p1, p2 = evidence.x1 / evidence.n1, evidence.x2 / evidence.n2
    least, most = evidence.domain
    lower = np.where(np.asarray(lower) <= least, -np.inf, lower)
    upper = np.where(np.asarray(upper) >= most, np.inf, upper)
    with np.errstate(divide="ignore", invalid="ignore"):
        point = p1 / p2 if evidence.ratio else p1 - p2
    _, bound = _to_bound(point, lower, upper)
    known = np.isfinite(bound)
    at = np.where(known, bound, 1.0 if evidence.ratio else 0.0)
    k = at if evidence.ratio else np.ones_like(at)
    gap = np.where(known, np.abs(evidence.beyond(at)), np.nan)
    n1, n2 = evidence.n1 * evidence.deff, evidence.n2 * evidence.deff
    se = evidence.standard_error(at)
    total = rows_needed(gap, se, 0.0, np.inf, n1 + n2, level)
    q1, q2 = (np.clip(r, 1 / (n + 2), 1 - 1 / (n + 2)) for r, n in ((p1, n1), (p2, n2)))
    unit1, unit2 = q1 * (1 - q1) * evidence.deff, k * k * q2 * (1 - q2) * evidence.deff
    return total, rows_needed_alone(gap, unit1, n1, unit2, n2, level)


def detectable(
    p_reference: npt.ArrayLike,
    n: npt.ArrayLike,
    n_reference: npt.ArrayLike,
    level: npt.ArrayLike,
    bound: npt.ArrayLike = 0.0,
) -> Array:
    """The smallest difference from a reference's rate that would be called with 80 % power.

    Called means: shown at the one-sided `level` to exceed `bound`. n and n_reference are
    (effective) rows. The group's rate is taken toward 1/2, where it varies most. NaN where even a
    rate at the far end would not be called, or there are no rows.

    >>> round(float(detectable(0.5, 200, 2000, 0.025)), 3)
    0.103
    """
    given = (p_reference, n, n_reference, level, bound)
    p2, n1, n2, a, b = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in given))
    p2 = np.where(p2 <= 0.5, p2, 1 - p2)
    z = -special.ndtri(a)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = b, 1 - p2

        def short(distance: Array) -> Array:
            p1 = np.clip(p2 + distance, 0.0, 1.0)
            pooled = np.clip((n1 * (p1 - b) + n2 * p2) / (n1 + n2), 0.0, 1.0)
            shifted = np.clip(pooled + b, 0.0, 1.0)
            null = np.sqrt(shifted * (1 - shifted) / n1 + pooled * (1 - pooled) / n2)
            true = np.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
            return np.asarray(z * null + POWER_QUANTILE * true - (distance - b))

        reachable = (short(high) <= 0) & (n1 > 0) & (n2 > 0)
        d = falling_root(short, low, high)
    return np.where(reachable, d, np.nan)


def _reach(level: npt.ArrayLike) -> Array:
    return np.asarray(-special.ndtri(np.asarray(level, dtype=float)) + POWER_QUANTILE)


def _to_bound(estimate: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> tuple[Array, Array]:
    """Distance to the nearest bound, and that bound; NaN where there is none."""
    point, low, high = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (estimate, lower, upper)))
    with np.errstate(invalid="ignore"):
        below, above = np.abs(point - low), np.abs(high - point)
        nearest = np.where(np.isinf(low) | (~np.isinf(high) & (above < below)), high, low)
        distance = np.abs(point - nearest)
    known = np.isfinite(nearest) & np.isfinite(point)
    return np.where(known, distance, np.nan), np.where(known, nearest, np.nan)
