"""Score metrics that need the whole distribution: log loss, calibration slope, average precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine.groups import Floats
from audit.engine.metrics.sample import Mean, Portion, no_buckets, reasons
from audit.engine.scored import Scored

NEGATIVE, POSITIVE = 0, 1
_LABELLED = slice(0, 2)
_STEPS = 50
_CONVERGED = 1e-10
_HALVINGS = 40
_STEEPEST = 100.0
"""A slope beyond this is that of labels which the score tells apart without error."""


def log_loss(scored: Scored) -> Mean:
    """Mean of −log s over positives and −log(1 − s) over negatives.

    A bin's rows count the middle of the losses at its least and greatest score: exact where they are
    one score, off by at most half a bin's width in logits (0.014 of 1,000 bins) otherwise.
    """
    low, high, seen = _extremes(scored)
    with np.errstate(divide="ignore"):
        ends = np.stack([-np.log1p(-low[..., NEGATIVE]), -np.log1p(-high[..., NEGATIVE])])
        positive = np.stack([-np.log(low[..., POSITIVE]), -np.log(high[..., POSITIVE])])
    loss = np.stack([ends, positive], axis=-1).mean(axis=0)
    loss = np.where(seen[..., _LABELLED], loss, 0.0)
    w, w2 = scored.w[..., _LABELLED], scored.w2[..., _LABELLED]
    total = w.sum(axis=(1, 2))
    infinite = np.any(np.isinf(loss) & (w > 0), axis=(1, 2))
    loss = np.where(np.isinf(loss), 0.0, loss)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (w * loss).sum(axis=(1, 2)) / np.where(total > 0, total, np.nan)
        variance = (w2 * (loss - mean[:, None, None]) ** 2).sum(axis=(1, 2)) / total**2
    made = replace(_mean(scored, mean, variance, total == 0, "no row with label and score"), mass=total)
    return made.undefined_where(infinite, "a score of 0 or 1 was wrong, and its loss has no bound")


def calibration_slope(scored: Scored) -> Mean:
    """The slope b of logit P(y = 1) = a + b·logit(s), by maximum likelihood on the bins' middles.

    1 is calibrated spread; below 1 scores are too extreme. Undefined where a score is 0 or 1, labels
    do not vary, or the score tells them apart without error. The variance is the sandwich's.
    """
    low, high, seen = _extremes(scored)
    w, w2 = scored.w[..., _LABELLED], scored.w2[..., _LABELLED]
    held = seen[..., _LABELLED] & (w > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (special.logit(low[..., _LABELLED]) + special.logit(high[..., _LABELLED])) / 2
    certain = np.any(held & ~np.isfinite(x), axis=(1, 2))
    x = np.where(held & np.isfinite(x), x, 0.0)
    beta, information, settled = _logistic(x, w)
    residual = np.array([0.0, 1.0]) - special.expit(beta[:, 0, None, None] + beta[:, 1, None, None] * x)
    middle = _moments(w2 * residual**2, x)
    with np.errstate(invalid="ignore", divide="ignore"):
        inverse = np.linalg.pinv(information)
        variance = (inverse @ middle @ inverse)[:, 1, 1]
    both = np.all(w.sum(axis=1) > 0, axis=1)
    scores = np.where(held, x, -np.inf).max(axis=(1, 2)) > np.where(held, x, np.inf).min(axis=(1, 2))
    found = both & scores & ~_apart(x, held) & (np.abs(beta[:, 1]) < _STEEPEST)
    made = _mean(scored, np.where(found, beta[:, 1], np.nan), variance, ~both, "needs rows of both labels")
    made = made.undefined_where(both & ~scores, "the score does not vary")
    made = made.undefined_where(found & ~settled, "no slope was found that makes the labels most likely")
    made = made.undefined_where(both & scores & ~found, "the score tells the labels apart without error")
    return made.undefined_where(certain, "a score of 0 or 1 has no logit")


def _apart(x: Floats, held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Groups whose negatives all lie on one side of their positives, or on the edge of it."""
    with np.errstate(invalid="ignore"):
        low, high = np.where(held, x, np.inf).min(axis=1), np.where(held, x, -np.inf).max(axis=1)
    return np.asarray(np.any(high <= low[:, ::-1], axis=1))


def _moments(weight: Floats, x: Floats) -> Floats:
    """Σ weight·(1, x)(1, x)ᵀ over bins and labels, shape (G, 2, 2)."""
    once = weight * x
    zero, one, two = (part.sum(axis=(1, 2)) for part in (weight, once, once * x))
    return np.stack([np.stack([zero, one], axis=-1), np.stack([one, two], axis=-1)], axis=-1)


def _logistic(x: Floats, weight: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Coefficients and information of one weighted logistic regression a group, and whether they settled.

    Newton's method; a step that makes the labels less likely is halved until it does not, for a whole
    one can overshoot and swing for ever where scores say little of the labels.
    """
    beta = np.zeros((len(x), 2))
    likely = _likelihood(beta, x, weight)
    settled = np.zeros(len(x), dtype=bool)
    for _ in range(_STEPS):
        p = special.expit(beta[:, 0, None, None] + beta[:, 1, None, None] * x)
        miss = weight * (np.array([0.0, 1.0]) - p)
        gradient = np.stack([miss.sum(axis=(1, 2)), (miss * x).sum(axis=(1, 2))], axis=-1)
        information = _moments(weight * p * (1 - p), x)
        step = (np.linalg.pinv(information) @ gradient[..., None])[..., 0]
        settled = np.all(np.abs(step) <= _CONVERGED * np.maximum(1.0, np.abs(beta)), axis=1)
        if settled.all():
            return beta + step, information, settled
        for _ in range(_HALVINGS):
            tried = np.clip(beta + step, -10 * _STEEPEST, 10 * _STEEPEST)
            found = _likelihood(tried, x, weight)
            worse = found < likely - 1e-12 * np.abs(likely)
            if not worse.any():
                break
            step = np.where(worse[:, None], step / 2, step)
        beta, likely = tried, found
    return beta, information, settled


def _likelihood(beta: Floats, x: Floats, weight: Floats) -> Floats:
    """Σ weight·(y·η − log(1 + exp η)), η = β₀ + β₁x."""
    eta = beta[:, 0, None, None] + beta[:, 1, None, None] * x
    found: Floats = (weight * (np.array([0.0, 1.0]) * eta - np.logaddexp(0.0, eta))).sum(axis=(1, 2))
    return found


def average_precision(scored: Scored) -> Portion:
    """Σ over thresholds of (gain in recall) × precision, equal scores taken together.

    A bin of several scores counts its rows as equal; the least and largest value are those with its
    negatives, or its positives, first. The variance is that of the influence of one row more.
    """
    w1, w0 = (scored.w[:, ::-1, label] for label in (POSITIVE, NEGATIVE))
    above1, above0 = np.cumsum(w1, axis=1), np.cumsum(w0, axis=1)
    total = above1[:, -1]
    alone = _one_score(scored)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, total, np.nan)
        precision = np.where(w1 > 0, above1 / (above1 + above0), 0.0)
        best = np.where(alone, precision, above1 / (above1 + above0 - w0))
        worst = np.where(alone, precision, (above1 - w1) / (above1 - w1 + above0))
        value, most, least = (
            np.where(w1 > 0, w1 * np.nan_to_num(part), 0.0).sum(axis=1) / share
            for part in (precision, best, worst)
        )
        slope = w1 / (above1 + above0) ** 2
        up, down = (_from_below(np.nan_to_num(slope * part)) for part in (above0, above1))
        influence1 = (precision + up - value[:, None]) / share[:, None]
        influence0 = -down / share[:, None]
        squares1, squares0 = (scored.w2[:, ::-1, label] for label in (POSITIVE, NEGATIVE))
        variance = (squares1 * influence1**2 + squares0 * influence0**2).sum(axis=1)
    n = scored.n[:, :, POSITIVE].sum(axis=1)
    value = np.where(scored.w[:, :, NEGATIVE].sum(axis=1) > 0, value, np.nan)
    why = reasons(np.isnan(value), "needs rows of both labels")
    se = np.where(n > 1, np.sqrt(np.maximum(np.nan_to_num(variance), 0.0)), np.nan)
    return Portion(value, n, why, se, least, most)


def _from_below(values: Floats) -> Floats:
    """Sums from each bin on to the lowest scores; bins run from the highest score down."""
    sums: Floats = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
    return sums


def _one_score(scored: Scored) -> npt.NDArray[np.bool_]:
    """Bins in which all labelled rows have one score."""
    low = np.minimum(scored.low[..., NEGATIVE], scored.low[..., POSITIVE])
    return np.asarray(low >= np.maximum(scored.high[..., NEGATIVE], scored.high[..., POSITIVE]))


def _extremes(scored: Scored) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Least and greatest score by (G, bin, label), and where there is any; 0.5 stands where there is none.

    Scores outside [0, 1], of which these metrics are undefined, are held within.
    """
    seen = scored.low <= scored.high
    low, high = (np.clip(np.where(seen, end, 0.5), 0.0, 1.0) for end in (scored.low, scored.high))
    return low, high, seen


def _mean(
    scored: Scored, value: Floats, variance: Floats, lacking: npt.NDArray[np.bool_], reason: str
) -> Mean:
    n = scored.n[..., _LABELLED].sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt(np.maximum(variance, 0.0) * n / np.maximum(n - 1, 1))
    se = np.where((n > 1) & np.isfinite(value), se, np.nan)
    return Mean(
        np.where(lacking, np.nan, value),
        n,
        reasons(lacking, reason),
        se,
        no_buckets(len(n)),
        np.zeros((len(n), 0), dtype=bool),
    )
