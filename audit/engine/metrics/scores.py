"""Formulas of the score family on binned counts and score sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.engine.groups import MISSING, Floats
from audit.engine.metrics import bounded, score_bins
from audit.engine.metrics.sample import Area, Distance, Mean, Sample, no_buckets, reasons
from audit.engine.metrics.score_distances import normals
from audit.engine.sampling import scarcity
from audit.engine.scored import Scored
from audit.registry import Metric

NEGATIVE, POSITIVE = 0, 1
_LABELLED = slice(0, 2)
_WITHIN_TENTH = 0.1**2 / 4
"""The most that scores of one tenth can vary."""


def measure(metric: Metric, scored: Scored) -> Sample:
    """The metric in each group; undefined where it has no labelled row, or scores are no probabilities."""
    formulas: dict[str, Callable[[Scored], Sample]] = {
        "auc": _auc,
        "average_precision": score_bins.average_precision,
        "balance_for_negative_class": lambda rows: _mean_score(rows, [NEGATIVE]),
        "balance_for_positive_class": lambda rows: _mean_score(rows, [POSITIVE]),
        "calibration_slope": score_bins.calibration_slope,
        "log_loss": score_bins.log_loss,
        "mean_score": lambda rows: _mean_score(rows, [NEGATIVE, POSITIVE, MISSING]),
        "calibration_in_the_large": _calibration,
        "brier": _brier,
        "expected_calibration_error": _ece,
    }
    return formulas[metric.name](scored)


def _rows(scored: Scored) -> Floats:
    rows: Floats = scored.n[:, :, _LABELLED].sum(axis=(1, 2))
    return rows


def _mean_score(scored: Scored, labels: list[int]) -> Mean:
    which = {
        NEGATIVE: "no row with negative label and score",
        POSITIVE: "no row with positive label and score",
    }
    reason = "no row with a score" if len(labels) > 1 else which[labels[0]]
    return bounded.mean_score(scored, labels, reason)


def _calibration(scored: Scored) -> Mean:
    """Mean of s − y, and its linearised variance Σw²(r − mean)²/(Σw)²."""
    w = scored.w[:, :, _LABELLED].sum(axis=1)
    w2 = scored.w2[:, :, _LABELLED].sum(axis=1)
    total = w.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (scored.s[:, _LABELLED].sum(axis=1) - w[:, POSITIVE]) / np.where(total > 0, total, np.nan)
        squares = scored.ss2[:, _LABELLED].sum(axis=1) - 2 * scored.s2[:, POSITIVE] + w2[:, POSITIVE]
        sums = scored.s2[:, _LABELLED].sum(axis=1) - w2[:, POSITIVE]
        variance = (squares - 2 * mean * sums + mean**2 * w2.sum(axis=1) + _unseen(scored)) / total**2
    return _mean(mean, variance, _rows(scored), total)


def _unseen(scored: Scored) -> Floats:
    """What the rarer label's count hides of the variance of a sum over rows, in squared weights."""
    rows = scored.n[:, :, _LABELLED].sum(axis=1)
    drawn, heavy = rows.sum(axis=1), scored.w2[:, :, _LABELLED].sum(axis=(1, 2))
    mean = heavy / np.where(drawn > 0, drawn, np.nan)
    return np.asarray(mean * scarcity(rows.min(axis=1), drawn))


def _brier(scored: Scored) -> Mean:
    """Mean of (s − y)²; the value from exact sums, its variance from the bins' extremes.

    Scores outside [0, 1], of which it is undefined, are held within.
    """
    total = scored.w[:, :, _LABELLED].sum(axis=(1, 2))
    positive = scored.w[:, :, POSITIVE].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (scored.ss[:, _LABELLED].sum(axis=1) - 2 * scored.s[:, POSITIVE] + positive) / np.where(
            total > 0, total, np.nan
        )
        middle = np.clip(scored.middle, 0.0, 1.0)
        loss = np.stack([middle[..., NEGATIVE] ** 2, (1 - middle[..., POSITIVE]) ** 2], axis=-1)
        spread = scored.w2[:, :, _LABELLED] * (loss - mean[:, None, None]) ** 2
        variance = (spread.sum(axis=(1, 2)) + _unseen(scored)) / total**2
    return _mean(mean, variance, _rows(scored), total)


def _mean(
    mean: Floats, variance: Floats, n: Floats, mass: Floats, reason: str = "no row with label and score"
) -> Mean:
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt(np.maximum(variance, 0.0) * n / np.maximum(n - 1, 1))
    se = np.where(n > 1, se, np.nan)
    why = reasons(np.isnan(mean), reason)
    return Mean(mean, n, why, se, no_buckets(len(n)), np.zeros((len(n), 0), dtype=bool), mass=mass)


def _ece(scored: Scored) -> Distance:
    """Σ_b n_b/n·|mean score − share of positives| over ten equal bins; chance moves each bin off the line."""
    rows, positives, scores = np.moveaxis(scored.tenths, -1, 0)
    total = rows.sum(axis=1)
    kish = scored.w2[:, :, _LABELLED].sum(axis=(1, 2)) / np.where(total > 0, total, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.abs(scores - positives).sum(axis=1) / np.where(total > 0, total, np.nan)
    share = (positives + 0.5) / (rows + 1)
    spread = np.sqrt(rows * kish[:, None] * (share * (1 - share) + _WITHIN_TENTH))
    draws = np.abs(normals(0))[:, : rows.shape[1]] @ spread.T
    return Distance(
        value,
        _rows(scored),
        reasons(total == 0, "no row with label and score"),
        value,
        value,
        draws.T / np.where(total > 0, total, 1.0)[:, None],
    )


def _auc(scored: Scored) -> Area:
    """Area from bins; pairs in one bin count half unless their scores are known to be in order."""
    n1, n0 = scored.w[:, :, POSITIVE], scored.w[:, :, NEGATIVE]
    total1, total0 = n1.sum(axis=1), n0.sum(axis=1)
    least, most = _tie_credit(scored)
    credit = (least + most) / 2
    below = np.cumsum(n0, axis=1) - n0
    above = total1[:, None] - np.cumsum(n1, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = np.where((total1 > 0) & (total0 > 0), total1 * total0, np.nan)
        area = (n1 * (below + credit * n0)).sum(axis=1) / pairs
        low = (n1 * (below + least * n0)).sum(axis=1) / pairs
        high = (n1 * (below + most * n0)).sum(axis=1) / pairs
        v10 = (below + credit * n0) / total0[:, None]
        v01 = (above + credit * n1) / total1[:, None]
        variance = _placement(scored.w2[:, :, POSITIVE], v10, area, total1) + _placement(
            scored.w2[:, :, NEGATIVE], v01, area, total0
        )
        kish1 = total1**2 / scored.w2[:, :, POSITIVE].sum(axis=1)
        kish0 = total0**2 / scored.w2[:, :, NEGATIVE].sum(axis=1)
    kish1, kish0 = np.nan_to_num(kish1), np.nan_to_num(kish0)
    n = np.minimum(scored.n[:, :, POSITIVE].sum(axis=1), scored.n[:, :, NEGATIVE].sum(axis=1))
    why = reasons(np.isnan(area), "needs rows of both labels")
    return Area(area, n, why, (area, low, high, np.nan_to_num(variance), kish1, kish0))


def _placement(w2: Floats, placed: Floats, area: Floats, total: Floats) -> Floats:
    """DeLong's variance of the mean placement, weighted; (n − 1) as for a sample variance."""
    squares = (w2 * (placed - area[:, None]) ** 2).sum(axis=1)
    rows = total**2 / w2.sum(axis=1)
    variance: Floats = squares / total**2 * rows / np.maximum(rows - 1, 1)
    return variance


def _tie_credit(scored: Scored) -> tuple[Floats, Floats]:
    """The least and the largest credit that pairs within a bin can have had, by what their extremes show."""
    low1, high1 = scored.low[:, :, POSITIVE], scored.high[:, :, POSITIVE]
    low0, high0 = scored.low[:, :, NEGATIVE], scored.high[:, :, NEGATIVE]
    tied = (low1 == high1) & (low0 == high0) & (low1 == low0)
    least = np.where(low1 > high0, 1.0, np.where(tied, 0.5, 0.0))
    most = np.where(high1 < low0, 0.0, np.where(tied, 0.5, 1.0))
    return least, most
