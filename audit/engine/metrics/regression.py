"""Formulas of the regression family on sums of labels, predictions and residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.engine.groups import Floats
from audit.engine.metrics import distributions
from audit.engine.metrics.sample import Flags, Mean, Odds, Sample, no_buckets, reasons
from audit.engine.metrics.skewed import LEAST_FREEDOM, LEAST_FREEDOM_OF_SQUARES, SkewedMean
from audit.engine.moments import Moments, tabulate_moments
from audit.engine.tasks.products import ONE
from audit.registry import Metric

if TYPE_CHECKING:
    from audit.engine.tables import Tables

_NO_LABEL = "no row with label and prediction"
_CONSTANT = "the labels do not vary"
_ALL_BUT_CONSTANT = "the labels vary too little beside the largest label of all to be told from its rounding"
_TOO_FINE = 1000
"""A variance of labels under so many times what rounding makes of it is none."""
_MEANS = {
    "mean_outcome": ("y1", "y2", "y3", "y4"),
    "mean_prediction": ("p1", "p2", "p3", "p4"),
    "mean_residual": ("r1", "r2", "r3", "r4"),
    "mae": ("abs1", "r2", "abs3", "r4"),
    "rmse": ("r2", "r4", "r6", "r8"),
}
"""The sums of x, x², x³ and x⁴ of each mean; rmse is the root of a mean of squares."""


def sample(metric: Metric, tables: Tables, grouping: tuple[str, ...], side: str) -> Sample:
    """The metric by group; with side `rest`, of everyone else for each group."""
    if metric.name in distributions.DISTANCES:
        return distributions.of_predictions(metric.name, tables, grouping, side)
    moments: Moments = tables.cached(
        ("moments", grouping),
        lambda: tabulate_moments(tables.cells(grouping), grouping, dict(tables.counts.scales)),
    )
    moments = moments.rest() if side == "rest" else moments
    if metric.name in _MEANS:
        return _mean(moments, metric.name)
    if metric.name == "r2":
        return _r2(moments)
    return _actual_expected(moments)


def _mean(moments: Moments, name: str) -> SkewedMean:
    names = _MEANS[name]
    of_all, root = name == "mean_prediction", name == "rmse"
    n = moments.rows(of_all=of_all)
    mean, variance, cumulant, freedom = _cumulants(moments, names, of_all=of_all)
    slope, bend = np.ones(len(n)), np.zeros(len(n))
    value = mean
    if root:
        value = np.sqrt(np.maximum(mean, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.where(value > 0, 0.5 / value, 0.0)
            bend = np.where(value > 0, -0.25 / value**3, 0.0)
    why = reasons(np.isnan(mean), "no row with a prediction" if of_all else _NO_LABEL)
    leave, occupied = _leave_out(moments, names[0], of_all=of_all)
    return SkewedMean(
        value,
        n,
        why,
        slope * np.sqrt(variance),
        np.sqrt(np.maximum(leave, 0.0)) if root else leave,
        occupied,
        mean,
        variance,
        cumulant,
        freedom,
        slope,
        bend,
        0.5 if root else 1.0,
        _signed(moments, name),
        mass=None if root else moments.sum(ONE, of_all=of_all),
        least_freedom=LEAST_FREEDOM_OF_SQUARES if root else LEAST_FREEDOM,
    )


def _signed(moments: Moments, name: str) -> Flags:
    """Where a value that the mean is taken of lies under 0."""
    low = {"mean_outcome": "y_low", "mean_prediction": "p_low"}.get(name)
    if name == "mean_residual":
        return np.ones(len(moments), dtype=bool)
    if low is None:
        return np.zeros(len(moments), dtype=bool)
    found: Flags = moments.extremes[low] < 0
    return found


def _cumulants(moments: Moments, names: tuple[str, ...], *, of_all: bool) -> tuple[Floats, ...]:
    """Mean, its variance and third cumulant, and the degrees of freedom of the variance.

    v = Σw²(x − m)²/(Σw)² · n/(n − 1); the third cumulant is the third central moment over n_eff²; the
    degrees of freedom are 2·n_eff/(κ − 1), κ the kurtosis, and n − 1 at most.
    """
    n = moments.rows(of_all=of_all)
    s1, s2, s3, s4, total = (moments.sum(name, of_all=of_all) for name in (*names, ONE))
    q1, q2, q0 = (moments.squares(name, of_all=of_all) for name in (names[0], names[1], ONE))
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(total > 0, total, np.nan)
        mean = s1 / inside
        spread = np.maximum(q2 - 2 * mean * q1 + mean**2 * q0, 0.0)
        variance = np.where(n > 1, spread / inside**2 * n / (n - 1), np.nan)
        second = s2 / inside - mean**2
        third = s3 / inside - 3 * mean * s2 / inside + 2 * mean**3
        fourth = s4 / inside - 4 * mean * s3 / inside + 6 * mean**2 * s2 / inside - 3 * mean**4
        effective = np.minimum(n, inside**2 / q0)
        cumulant = np.where(n > 2, third / effective**2 * n**2 / ((n - 1) * (n - 2)), 0.0)
        heavy = 2 * effective / np.maximum(fourth / second**2 - 1, 1e-9)
    freedom = np.minimum(np.where(np.isfinite(heavy), heavy, np.inf), np.maximum(n - 1, 1.0))
    return mean, variance, np.nan_to_num(cumulant), freedom


def _leave_out(moments: Moments, name: str, *, of_all: bool) -> tuple[Floats, Flags]:
    """The mean without each cluster bucket, and which buckets have rows."""
    if moments.buckets is None:
        return no_buckets(len(moments)), np.zeros((len(moments), 0), dtype=bool)
    suffix = "+" if of_all else ""
    sums, rows = moments.buckets[name + suffix], moments.buckets[ONE + suffix]
    with np.errstate(invalid="ignore", divide="ignore"):
        leave = (sums.sum(axis=1, keepdims=True) - sums) / (rows.sum(axis=1, keepdims=True) - rows)
    return leave, rows > 0


def _r2(moments: Moments) -> Mean:
    """1 − mean r² / variance of y, linearised: ψ = [r² − (A/B)(y − ȳ)²]/B."""
    n = moments.rows()
    total = moments.sum(ONE)
    noise = _rounding(moments)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(total > 0, total, np.nan)
        residual, mean = moments.sum("r2") / inside, moments.sum("y1") / inside
        around = moments.sum("y2") / inside - mean**2
        flat = (n < 2) | ~(around > _TOO_FINE * noise)
        around = np.where(flat, np.nan, around)
        ratio = residual / around
        fourth = _around(moments, ("y4", "y3", "y2", "y1", ONE), mean)
        cross = moments.squares("y2r2") - 2 * mean * moments.squares("y1r2") + mean**2 * moments.squares("r2")
        spread = moments.squares("r4") - 2 * ratio * cross + ratio**2 * fourth
        se = np.sqrt(np.maximum(spread, 0.0) / (around * inside) ** 2 * n / np.maximum(n - 1, 1))
    why = tuple(
        _NO_LABEL if not rows else None if not lost else _CONSTANT if same else _ALL_BUT_CONSTANT
        for rows, lost, same in zip(n, flat, _same_label(moments), strict=True)
    )
    leave, occupied = no_buckets(len(n)), np.zeros((len(n), 0), dtype=bool)
    if moments.buckets is not None:
        parts = {
            k: v.sum(axis=1, keepdims=True) - v for k, v in moments.buckets.items() if not k.endswith("+")
        }
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = parts[ONE]
            leave = 1 - parts["r2"] / (parts["y2"] - parts["y1"] ** 2 / rows)
        occupied = moments.buckets[ONE] > 0
    return Mean(1 - ratio, n, why, np.where(n > 1, se, np.nan), leave, occupied)


def _rounding(moments: Moments) -> Floats:
    """The most by which the mean of the squared labels is off: half a unit a row, and the last bits."""
    total = moments.sum(ONE)
    unit = moments.units[("w_" if moments.weighted else "") + "y2"]
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(total > 0, total, np.nan)
        found: Floats = moments.rows() * unit / 2 / inside + 1e-15 * moments.sum("y2") / inside
    return found


def _same_label(moments: Moments) -> Flags:
    found: Flags = (moments.rows() < 2) | (moments.extremes["y_low"] == moments.extremes["y_high"])
    return found


def _around(moments: Moments, names: tuple[str, ...], mean: Floats) -> Floats:
    """Σw²(y − ȳ)⁴ from the sums of y⁴ … y⁰ under squared weights."""
    fourth, third, second, first, zeroth = (moments.squares(name) for name in names)
    total: Floats = fourth - 4 * mean * third + 6 * mean**2 * second - 4 * mean**3 * first + mean**4 * zeroth
    return np.maximum(total, 0.0)


def _actual_expected(moments: Moments) -> Odds:
    """Σe·y / Σe·ŷ over labelled rows, e = 1 without exposures; the error is that of its logarithm."""
    n, exposed = moments.rows(), "e1y1" in moments.units or "w_e1y1" in moments.units
    actual, expected = (moments.sum(name) for name in (("e1y1", "e1p1") if exposed else ("y1", "p1")))
    if exposed:
        yy, yp, pp = (moments.squares(name) for name in ("e2y2", "e2y1p1", "e2p2"))
    else:
        yy, pp = moments.squares("y2"), moments.squares("p2")
        yp = (yy + pp - moments.squares("r2")) / 2
    negative = (moments.extremes["y_low"] < 0) | (moments.extremes["p_low"] < 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(negative, np.nan, actual / np.where(expected > 0, expected, np.nan))
        spread = np.maximum(yy - 2 * value * yp + value**2 * pp, 0.0)
        se = np.sqrt(spread / np.where(actual > 0, actual, np.nan) ** 2 * n / np.maximum(n - 1, 1))
    conditions: tuple[tuple[Flags, str], ...] = (
        (n == 0, _NO_LABEL),
        (negative, "an outcome or a prediction is under 0, so that their ratio says nothing"),
        (~(expected > 0), "nothing was expected: the predictions sum to 0"),
    )
    why = tuple(next((words for flags, words in conditions if flags[i]), None) for i in range(len(n)))
    leave, occupied = no_buckets(len(n)), np.zeros((len(n), 0), dtype=bool)
    if moments.buckets is not None:
        names = ("e1y1", "e1p1") if exposed else ("y1", "p1")
        above, below = (v.sum(axis=1, keepdims=True) - v for v in (moments.buckets[name] for name in names))
        with np.errstate(invalid="ignore", divide="ignore"):
            leave = above / below
        occupied = moments.buckets[ONE] > 0
    return Odds(value, n, why, np.where(n > 1, se, np.nan), leave, occupied, mass=expected)
