"""What the score plots draw, computed from binned scores: calibration, ROC, and a sweep of thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from audit.result import ScoreBins

CALIBRATION_BINS = 10
POINTS = 60


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Rows of similar score: their mean score, the share that is positive, and its interval."""

    score: float
    share: float
    low: float
    high: float
    n: float


@dataclass(frozen=True, slots=True)
class Swept:
    """The decisions that a threshold would give: share selected, and the two rates where labels are known."""

    threshold: float
    selected: float | None
    tpr: float | None
    fpr: float | None


def wilson(k: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a share k/n at the quantile z (Wilson 1927): it describes, and judges nothing.

    >>> low, high = wilson(5, 10)
    >>> round(low, 3), round(high, 3)
    (0.237, 0.763)
    """
    p, extra = k / n, z * z / n
    centre = (p + extra / 2) / (1 + extra)
    half = z * math.sqrt(p * (1 - p) / n + extra / (4 * n)) / (1 + extra)
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration(bins: ScoreBins, parts: int = CALIBRATION_BINS) -> tuple[Calibrated, ...]:
    """Labelled rows in about `parts` groups of equal size along the score."""
    labelled = [p + n for p, n in zip(bins.positives, bins.negatives, strict=True)]
    total = sum(labelled)
    found, gathered, part = [], [0.0, 0.0, 0.0], 1
    passed = 0.0
    for n, positive, mean in zip(labelled, bins.positives, bins.mean_score, strict=True):
        if n > 0 and mean is not None:
            gathered = [gathered[0] + n, gathered[1] + positive, gathered[2] + n * mean]
            passed += n
        if gathered[0] > 0 and passed >= total * part / parts - 1e-9:
            found.append(_calibrated(*gathered))
            gathered = [0.0, 0.0, 0.0]
            part = math.floor(parts * passed / total + 1e-9) + 1
    if gathered[0] > 0:
        found.append(_calibrated(*gathered))
    return tuple(found)


def _calibrated(n: float, positive: float, scores: float) -> Calibrated:
    return Calibrated(scores / n, positive / n, *wilson(positive, n), n)


def roc(bins: ScoreBins) -> tuple[tuple[float, float], ...]:
    """(false, true positive rate) at the bins' edges from the highest down; empty where a class is."""
    positives, negatives = sum(bins.positives), sum(bins.negatives)
    if positives == 0 or negatives == 0:
        return ()
    points = [
        (fp / negatives, tp / positives)
        for fp, tp in zip(_from_above(bins.negatives), _from_above(bins.positives), strict=True)
    ]
    return tuple(_thinned([(0.0, 0.0), *points]))


def _from_above(counts: Sequence[float]) -> list[float]:
    return list(accumulate(reversed(counts)))


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points at least 1/POINTS apart along the curve, and its end."""
    kept = [points[0]]
    for point in points[1:-1]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= 2 / POINTS:
            kept.append(point)
    return [*kept, points[-1]]


def thresholds(edges: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Positions of inner edges whose scores are about evenly spaced."""
    chosen: list[int] = []
    apart = 0.9 * (edges[-1] - edges[0]) / POINTS
    for i in range(1, len(edges) - 1):
        if not chosen or scores[i] - scores[chosen[-1]] >= apart:
            chosen.append(i)
    return chosen


def sweep(
    bins: ScoreBins, edges: Sequence[float], spans: Sequence[tuple[float, float]] = ()
) -> tuple[Swept, ...]:
    """What each threshold would give this group; a rate with nothing underneath is None.

    Thresholds are the least scores of the bins where `spans` says them, else the bins' edges.
    """
    scores = [low for low, _ in spans] or edges
    positives, negatives = sum(bins.positives), sum(bins.negatives)
    rows = [p + n + u for p, n, u in zip(bins.positives, bins.negatives, bins.unlabelled, strict=True)]
    total = sum(rows)
    above = [list(reversed(_from_above(c))) for c in (rows, bins.positives, bins.negatives)]
    return tuple(
        Swept(
            scores[i],
            above[0][i] / total if total else None,
            above[1][i] / positives if positives else None,
            above[2][i] / negatives if negatives else None,
        )
        for i in thresholds(edges, scores)
    )
