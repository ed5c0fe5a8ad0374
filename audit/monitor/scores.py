"""The distribution of scores, watched before labels come: cuts through the scale, settled with the baseline.

At a cut c the outcome of a row is "its score is c or more": a binary outcome, so the count tables and bets
of `evidence` hold for each cut, and the mean of the bets over cuts and sides is a bet against "at no cut is
the gap over its bound". A mean score is watched through each score rounded to 0 or 1 by the hash of its
event's id, at 1 with the probability of the score itself: its mean is the score's, and the same log gives
the same rows.

What was audited enters with its sampling error: for the shares above all cuts together the bound of
Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990), for a mean Hoeffding's (1963), which is the
same number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.result import AuditResult, ScoreBins

Ints = NDArray[np.int64]

METRICS = ("score_ks", "mean_score", "scoring_rate")
MEAN = -1
"""What a stream reads that asks for the mean score; others name cuts by their place."""
NO_SCORE = -1
STEPS = 64
"""Doubles that are tried around an edge."""


@dataclass(frozen=True, slots=True)
class ScoreWatch:
    """How scores are watched; settled with the baseline and printed."""

    cuts: tuple[float, ...]
    """Ascending; a score lies above a cut where it is that or more."""
    middle: int
    """The place of the cut nearest the audited median."""
    unit: bool
    """Audited scores lie in [0, 1]: a live one outside is no score, and means can be watched."""
    at_most: float | None
    """The largest gap to the reference's shares above the cuts; None: groups are not compared."""
    severity: str

    def document(self) -> dict[str, Any]:
        """For the ledger, as JSON takes it."""
        return {**asdict(self), "cuts": list(self.cuts)}

    @staticmethod
    def of(document: dict[str, Any]) -> ScoreWatch:
        """What `document` gave."""
        return ScoreWatch(**{**document, "cuts": tuple(document["cuts"])})


def score_watch(
    result: AuditResult, *, cuts: int, at_most: float | None = None, severity: str = "minor"
) -> tuple[ScoreWatch | None, str]:
    """How an audit's scores are watched, at about so many cuts of equal shares; None with the reason.

    Cuts are edges of the audit's bins, so that the audited rows above each are counted exactly.
    """
    pooled = next((bins for bins in result.score_bins if not bins.grouping), None)
    if pooled is None:
        return None, "the audit has no scores"
    edges = np.asarray(result.score_edges, float)
    above = _above(pooled)[1:]
    share = np.asarray(above) / max(sum(_rows(pooled)), 1e-300)
    inner = np.flatnonzero((share > 0) & (share < 1))
    if not inner.size:
        return None, "the audited scores are all alike"
    wanted = np.arange(1, cuts + 1) / (cuts + 1)
    places = {int(inner[np.argmin(np.abs(share[inner] - level))]) for level in wanted}
    middle = int(inner[np.argmin(np.abs(share[inner] - 0.5))])
    chosen = sorted({*places, middle})
    unit = bool(edges[0] == 0.0 and edges[-1] == 1.0)
    exact = tuple(_cut(edges, place + 1, unit) for place in chosen)
    return ScoreWatch(exact, chosen.index(middle), unit, at_most, severity), ""


def audited_rows(
    result: AuditResult, watch: ScoreWatch, attribute: str
) -> dict[str | None, tuple[int, tuple[int, ...]]]:
    """Each group's audited rows, and those of them above each cut; a group without bins is left out."""
    edges = np.asarray(result.score_edges, float)
    exact = [_cut(edges, place, watch.unit) for place in range(1, len(edges) - 1)]
    places = [exact.index(cut) + 1 for cut in watch.cuts]
    found = {}
    for bins in result.score_bins:
        if bins.grouping == (attribute,) and (rows := round(sum(_rows(bins)))):
            above = _above(bins)
            found[bins.group[0]] = rows, tuple(round(above[place]) for place in places)
    return found


def sampling_limit(rows: int, level: float) -> float:
    """How far a sample's mean of values in [0, 1], or its shares above all cuts, may lie from the truth.

    Wrong with probability at most `level`.

    >>> round(sampling_limit(1_000, 0.05), 4)
    0.0429
    """
    return float(np.sqrt(np.log(2 / level) / (2 * rows)))


def packed(score: ArrayLike, rest: Ints, cuts: Sequence[float], *, unit: bool) -> Ints:
    """Twice the number of cuts that a score reaches, plus 1 where it is rounded up; −1 where it is none.

    >>> packed([0.2, 0.7, float("nan"), 7.0], np.array([-1, 0, 0, 0]), (0.5, 0.6), unit=True).tolist()
    [0, 5, -1, -1]
    """
    value = np.asarray(score, float)
    known = np.isfinite(value)
    if unit:
        known &= (value >= 0) & (value <= 1)
    reached = np.searchsorted(np.asarray(cuts, float), np.where(known, value, 0.0), side="right")
    chance = (np.asarray(rest, np.int64).view(np.uint64) >> np.uint64(11)) * 2.0**-53
    up = (chance < value) if unit else np.zeros(value.shape, bool)
    return np.where(known, 2 * reached + up, NO_SCORE).astype(np.int64)


def reached(score: ArrayLike, read: int) -> NDArray[np.bool_]:
    """Which packed scores have the outcome that a stream reads: above a cut, or rounded up."""
    value = np.asarray(score, np.int64)
    return (value >= 0) & ((value % 2 == 1) if read == MEAN else (value // 2 > read))


def _rows(bins: ScoreBins) -> list[float]:
    return [sum(parts) for parts in zip(bins.positives, bins.negatives, bins.unlabelled, strict=True)]


def _above(bins: ScoreBins) -> list[float]:
    """Rows in each bin or a later one."""
    return list(accumulate(reversed(_rows(bins))))[::-1]


def _cut(edges: NDArray[np.float64], place: int, unit: bool) -> float:
    """The least score that the audit counted into the bin at `place`.

    On a scale of its own the audit binned by (s − low)·bins/(high − low), whose rounding can put a score
    that equals an edge below it; many whole-numbered scores would then lie on the other side here.
    """
    edge = float(edges[place])
    bins = None if unit else _fine_bins(edges)
    if bins is None:
        return edge
    low, high = float(edges[0]), float(edges[-1])
    scale, number = bins / (high - low), round((edge - low) * bins / (high - low))
    for _ in range(STEPS):
        if (edge - low) * scale >= number:
            break
        edge = float(np.nextafter(edge, np.inf))
    for _ in range(STEPS):
        before = float(np.nextafter(edge, -np.inf))
        if (before - low) * scale < number:
            break
        edge = before
    return edge


def _fine_bins(edges: NDArray[np.float64]) -> int | None:
    """How many bins of equal width the plot's edges are some of; None where each score had its own."""
    for bins in (100, 1_000):
        if np.isin(edges, np.linspace(edges[0], edges[-1], bins + 1)).all():
            return bins
    return None
