"""How far a group's scores, or its ROC curve, lie from everyone else's: described, never judged."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy import special

from audit.engine.groups import MISSING, Floats
from audit.engine.metrics.sample import Distance, Flags, reasons
from audit.engine.scored import Scored
from audit.registry import Metric

NAMES = ("score_ks", "score_wasserstein", "abroca")
NEGATIVE, POSITIVE = 0, 1
DRAWS = 256
"""Draws of what chance alone makes of a distance."""
COARSE = 48
"""Parts of the score's range on which they are drawn."""
_GROUPS_AT_ONCE = 64
_ALONE = "there is no other group to hold it against"


def measure(metric: Metric, mine: Scored, others: Scored) -> Distance:
    """The distance of each group from everyone else, what the bins allow, and chance's share in it."""
    return {"score_ks": _ks, "score_wasserstein": _wasserstein, "abroca": _abroca}[metric.name](mine, others)


def _ks(mine: Scored, others: Scored) -> Distance:
    """The largest gap of the two distribution functions; within a bin it may be larger than at its ends."""
    p1, p0 = _shares(mine), _shares(others)
    gap = np.cumsum(p1 - p0, axis=1)
    before = gap - (p1 - p0)
    inside = np.where(
        _width(*_ends(mine, others)) > 0, np.maximum(np.abs(before + p1), np.abs(before - p0)), 0.0
    )
    value = np.abs(gap).max(axis=1)
    most = np.minimum(np.maximum(value, inside.max(axis=1)), 1.0)
    n1, n0 = _effective(mine), _effective(others)
    with np.errstate(divide="ignore"):
        scale = np.sqrt(1 / n1 + 1 / n0)
    levels = (np.arange(DRAWS) + 0.5) / DRAWS
    noise = special.kolmogi(levels)[None, :] * scale[:, None]
    return _distance(mine, value, value, most, noise, (n1 > 0) & (n0 > 0), _ALONE)


def _wasserstein(mine: Scored, others: Scored) -> Distance:
    """The area between the two distribution functions, exact between bins and bounded within them."""
    p1, p0 = _shares(mine), _shares(others)
    gap = np.cumsum(p1 - p0, axis=1)
    before = gap - (p1 - p0)
    low, high = _ends(mine, others)
    width = _width(low, high)
    reach = np.maximum.accumulate(np.where(np.isfinite(high), high, -np.inf), axis=1)
    following = np.minimum.accumulate(np.where(np.isfinite(low), low, np.inf)[:, ::-1], axis=1)[:, ::-1]
    between = np.zeros_like(gap)
    step = following[:, 1:] - reach[:, :-1]
    held = np.isfinite(step) & (low <= high)[:, :-1]
    between[:, :-1] = np.where(held, np.maximum(step, 0.0), 0.0)
    outer = (np.abs(gap) * between).sum(axis=1)
    crossed = np.sign(before) != np.sign(gap)
    with np.errstate(invalid="ignore", divide="ignore"):
        straight = (before**2 + gap**2) / (2 * (np.abs(before) + np.abs(gap)))
    inner = np.where(crossed, np.nan_to_num(straight), (np.abs(before) + np.abs(gap)) / 2)
    most = np.maximum(np.abs(before + p1), np.abs(before - p0))
    least = np.maximum(np.maximum(before - p0, -(before + p1)), 0.0)
    value, lower, upper = (outer + (part * width).sum(axis=1) for part in (inner, least, most))
    n1, n0 = _effective(mine), _effective(others)
    weights = between + width
    noise = _noise_of_area(p1, n1, p0, n0, weights)
    return _distance(mine, value, lower, upper, noise, (n1 > 0) & (n0 > 0), _ALONE)


def _abroca(mine: Scored, others: Scored) -> Distance:
    """The area between the two ROC curves, each drawn straight through the rows of one bin."""
    curves = [(_descending(part, POSITIVE), _descending(part, NEGATIVE)) for part in (mine, others)]
    value = np.full(len(mine), np.nan)
    defined = np.ones(len(mine), dtype=bool)
    for part in (mine, others):
        for label in (POSITIVE, NEGATIVE):
            defined &= part.w[:, :, label].sum(axis=1) > 0
    for index in np.flatnonzero(defined):
        (tpr1, fpr1), (tpr0, fpr0) = (
            [np.concatenate([[0.0], np.cumsum(share[index])]) for share in pair] for pair in curves
        )
        value[index] = area_between(fpr1, tpr1, fpr0, tpr0)
    slack = np.zeros(len(mine))
    for part, pair in zip((mine, others), curves, strict=True):
        slack += 0.5 * np.where(_spread(part)[:, ::-1], pair[0] * pair[1], 0.0).sum(axis=1)
    noise = _noise_of_curve(mine, curves[0], 0) + _noise_of_curve(others, curves[1], 2)
    lower, upper = np.maximum(value - slack, 0.0), np.minimum(value + slack, 1.0)
    reason = "needs rows of both labels, here and elsewhere"
    made = _distance(mine, value, lower, upper, noise, defined, reason)
    return replace(made, n=mine.n[:, :, :MISSING].sum(axis=(1, 2)))


def area_between(x1: Floats, y1: Floats, x0: Floats, y0: Floats) -> float:
    """∫|f − g| over [0, 1] of two rising curves drawn straight between their points, steps allowed.

    >>> round(area_between(*(np.array(v) for v in ([0, 1], [0, 1], [0, 0, 1], [0, 0.5, 1]))), 4)
    0.25
    """
    at = np.union1d(x1, x0)
    right = _sides(x1, y1, at, "right") - _sides(x0, y0, at, "right")
    left = _sides(x1, y1, at, "left") - _sides(x0, y0, at, "left")
    begin, end, width = right[:-1], left[1:], np.diff(at)
    same = begin * end >= 0
    total = np.abs(begin) + np.abs(end)
    crossing = np.divide(begin**2 + end**2, 2 * total, out=np.zeros_like(total), where=total > 0)
    return float((np.where(same, total / 2, crossing) * width).sum())


def _sides(x: Floats, y: Floats, at: Floats, side: str) -> Floats:
    """The curve at each point, just after it or, on a step, just before."""
    if side == "left":
        first = np.searchsorted(x, at, side="left")
        exact = x[np.minimum(first, len(x) - 1)] == at
        return np.where(exact, y[np.minimum(first, len(x) - 1)], np.interp(at, x, y))
    last = np.searchsorted(x, at, side="right") - 1
    exact = x[last] == at
    return np.where(exact, y[last], np.interp(at, x, y))


def _shares(scored: Scored) -> Floats:
    """Each bin's share of the group's weight, shape (G, bins)."""
    rows = _over_labels(np.add, scored.w)
    total = rows.sum(axis=1, keepdims=True)
    return np.asarray(rows / np.where(total > 0, total, 1.0))


def _descending(scored: Scored, label: int) -> Floats:
    rows = scored.w[:, ::-1, label]
    total = rows.sum(axis=1, keepdims=True)
    return np.asarray(rows / np.where(total > 0, total, 1.0))


def _effective(scored: Scored, label: int | None = None) -> Floats:
    """Kish's effective rows; the rows themselves without weights."""
    parts = (scored.w, scored.w2) if label is None else (scored.w[:, :, label], scored.w2[:, :, label])
    w, w2 = (part.reshape(len(scored), -1).sum(axis=1) for part in parts)
    return np.asarray(np.divide(w**2, w2, out=np.zeros_like(w), where=w2 > 0))


def _over_labels(take: np.ufunc, values: Floats) -> Floats:
    """Over the last axis, which is short: much faster than a reduction of it."""
    return np.asarray(take(take(values[..., 0], values[..., 1]), values[..., 2]))


def _ends(mine: Scored, others: Scored) -> tuple[Floats, Floats]:
    """Least and greatest score of each bin, of both sides."""
    low = np.minimum(_over_labels(np.minimum, mine.low), _over_labels(np.minimum, others.low))
    high = np.maximum(_over_labels(np.maximum, mine.high), _over_labels(np.maximum, others.high))
    return low, high


def _width(low: Floats, high: Floats) -> Floats:
    """How far each bin's scores reach; 0 where it is empty."""
    seen = low <= high
    return np.where(seen, np.where(seen, high, 0.0) - np.where(seen, low, 0.0), 0.0)


def _spread(scored: Scored) -> Floats:
    """Bins whose labelled rows hold more than one score."""
    low = np.minimum(scored.low[..., NEGATIVE], scored.low[..., POSITIVE])
    return np.asarray(low < np.maximum(scored.high[..., NEGATIVE], scored.high[..., POSITIVE]))


@cache
def normals(stream: int) -> Floats:
    """The same draws in every audit and for every group: equal input gives equal bytes."""
    draws: Floats = np.random.default_rng(20 + stream).standard_normal((DRAWS, COARSE))
    return draws


def _coarse(values: Floats) -> Floats:
    """Sums over runs of neighbouring bins."""
    bins = values.shape[1]
    starts = np.unique(np.linspace(0, bins, COARSE + 1).astype(int)[:-1])
    sums = np.add.reduceat(values, starts, axis=1)
    padded = np.zeros((len(values), COARSE))
    padded[:, : sums.shape[1]] = sums
    return padded


def _bridges(share: Floats, rows: Floats, scale: Floats) -> Floats:
    """What makes of independent normals the draws of F̂ − F at the parts' ends, scaled, shape (G, K, K).

    Their covariance is a Brownian bridge's at the distribution function: multinomial noise in the limit.
    """
    reached = np.cumsum(share, axis=1)
    matrix = np.tri(COARSE).T[None] - reached[:, None, :]
    matrix *= (np.sqrt(share) / np.sqrt(np.maximum(rows, 1.0))[:, None])[:, :, None]
    matrix *= scale[:, None, :]
    return matrix


def _areas(first: Floats, second: Floats, stream: int) -> Floats:
    """Draws of ∫|noise| over the parts, shape (G, draws): one normal for each part of either source."""
    both = np.concatenate([first, second], axis=1)
    drawn = np.concatenate([normals(stream), normals(stream + 1)], axis=1)
    made = np.zeros((len(first), DRAWS))
    for start in range(0, len(first), _GROUPS_AT_ONCE):
        chosen = both[start : start + _GROUPS_AT_ONCE]
        flat = chosen.transpose(1, 0, 2).reshape(2 * COARSE, -1)
        noise = np.abs(drawn @ flat).reshape(DRAWS, len(chosen), COARSE)
        made[start : start + len(chosen)] = noise.sum(axis=2).T
    return made


def _noise_of_area(p1: Floats, n1: Floats, p0: Floats, n0: Floats, width: Floats) -> Floats:
    one, other, across = (_coarse(np.broadcast_to(part, p1.shape)) for part in (p1, p0, width))
    return _areas(_bridges(one, n1, across), _bridges(other, n0, across), 0)


def _noise_of_curve(scored: Scored, curve: tuple[Floats, Floats], stream: int) -> Floats:
    """Draws of the area between a ROC curve and its estimate, ∫|b₁ dFPR − b₀ dTPR|."""
    n1, n0 = _effective(scored, POSITIVE), _effective(scored, NEGATIVE)
    up, along = (_coarse(steps) for steps in curve)
    return _areas(_bridges(up, n1, along), _bridges(along, n0, up), stream)


def _distance(
    mine: Scored, value: Floats, least: Floats, most: Floats, noise: Floats, defined: Flags, reason: str
) -> Distance:
    n = mine.n.sum(axis=(1, 2))
    value, least, most = (np.where(defined, part, np.nan) for part in (value, least, most))
    return Distance(value, n, reasons(~defined, reason), least, most, noise)
