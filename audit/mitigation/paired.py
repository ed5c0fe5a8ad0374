"""The change between two decisions on the same rows, with an interval that knows they are the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.registry import Metric

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_PSEUDO = 0.5
"""Rows added to each before × after pair where the interval is made: without them, no change at all
would be certain (Agresti and Min, Statistics in Medicine 23, 2004)."""
NO_LABEL = 2


@dataclass(frozen=True, slots=True)
class Change:
    """A change with its interval; above 0 is better. `why` is set exactly where `value` is None."""

    before: float | None
    after: float | None
    value: float | None
    low: float | None
    high: float | None
    scale: str
    """`points`: a difference of proportions; `log ratio`: of logarithms of a ratio."""
    n: int
    """Rows in the group's denominator before."""
    why: str | None


@dataclass(frozen=True)
class Decisions:
    """Labels (0, 1, 2 for none), decisions before and after (0, 1), and the cluster of each row."""

    label: Ints
    before: Ints
    after: Ints
    cluster: Ints | None = None

    def where(self, rows: Flags) -> Decisions:
        """The rows that are marked."""
        cluster = None if self.cluster is None else self.cluster[rows]
        return Decisions(self.label[rows], self.before[rows], self.after[rows], cluster)


def gap_change(
    metric: Metric, rows: Decisions, group: Flags, reference: Flags, comparison: str, confidence: float
) -> Change:
    """How much nearer to parity a group is after than before: |gap before| − |gap after|.

    For a ratio the gap is its logarithm. `group` and `reference` mark rows and share none. The
    interval is the union of those of the signed changes, each linearised on the joint counts of
    label, before and after, so that it holds whether or not the gap changes sides.

    >>> import numpy as np
    >>> from audit.registry import metrics
    >>> label = np.ones(400, int); group = np.arange(400) < 200
    >>> before = np.where(group, np.arange(400) % 2, 1); after = np.ones(400, int)
    >>> found = gap_change(metrics()["true_positive_rate"], Decisions(label, before, after),
    ...                    group, ~group, "difference", 0.95)
    >>> found.value, found.low > 0.4
    (0.5, True)
    """
    scale = "log ratio" if comparison.endswith("ratio") else "points"
    sides = [_Side.of(metric, rows.where(mask), scale) for mask in (group, reference)]
    n = int(sides[0].rows)
    why = next((side.why for side in sides if side.why), None)
    if why is not None:
        return Change(None, None, None, None, None, scale, n, why)
    mine, other = sides
    before, after = mine.before - other.before, mine.after - other.after
    soft_before = mine.soft_before - other.soft_before
    soft_after = mine.soft_after - other.soft_after
    was, now = _sign(soft_before), _sign(soft_after)

    quantile = _quantile(rows, confidence)

    def reach(of_before: float, of_after: float) -> float:
        spread = sum(side.variance(of_before, of_after) for side in sides)
        effect = _design_effect(sides, rows, (group, reference), of_before, of_after)
        return quantile * math.sqrt(spread * effect)

    def middle(of_before: float, of_after: float) -> float:
        return of_before * soft_before + of_after * soft_after

    value = abs(before) - abs(after)
    low = min(middle(was, sign) - reach(was, sign) for sign in (-1.0, 1.0))
    # Where the gap that is left may be on either side, its distance is overstated by its own noise.
    sides_left = (-1.0, 1.0) if abs(soft_after) <= reach(0.0, 1.0) else (-now,)
    high = max(middle(sign, left) + reach(sign, left) for sign in (-1.0, 1.0) for left in sides_left)
    if len(sides_left) == 2:
        high = min(high, abs(soft_before) + reach(1.0, 0.0))
    return Change(before, after, value, min(low, value), max(high, value), scale, n, None)


def rate_change(metric: Metric, rows: Decisions, group: Flags, sign: float, confidence: float) -> Change:
    """How much a group's own rate changes, after less before; `sign` −1 where a high rate is bad."""
    side = _Side.of(metric, rows.where(group), "points")
    if side.why is not None:
        return Change(None, None, None, None, None, "points", int(side.rows), side.why)
    spread = math.sqrt(side.variance(-1.0, 1.0))
    spread *= math.sqrt(_design_effect([side], rows, (group,), -1.0, 1.0))
    reach = _quantile(rows, confidence) * spread
    value, soft = side.after - side.before, side.soft_after - side.soft_before
    low, high = sorted((sign * (soft - reach), sign * (soft + reach)))
    value *= sign
    return Change(
        side.before, side.after, value, min(low, value), max(high, value), "points", int(side.rows), None
    )


def _sign(value: float) -> float:
    return 1.0 if value >= 0 else -1.0


def _quantile(rows: Decisions, confidence: float) -> float:
    tail = 1 - (1 - confidence) / 2
    if rows.cluster is None:
        return float(stats.norm.ppf(tail))
    return float(stats.t.ppf(tail, max(1, len(np.unique(rows.cluster)) - 1)))


@dataclass(frozen=True)
class _Side:
    """One group's rate before and after, and what each kind of row adds to it."""

    rows: float
    before: float
    after: float
    soft_before: float
    soft_after: float
    """The same from the counts with pseudo rows."""
    cells: Floats
    """Softened counts, label × before × after."""
    of_before: Floats
    of_after: Floats
    """What a row of each cell adds to the softened value before, and after."""
    why: str | None

    @classmethod
    def of(cls, metric: Metric, rows: Decisions, scale: str) -> _Side:
        counts = np.zeros((3, 2, 2))
        np.add.at(counts, (rows.label, rows.before, rows.after), 1.0)
        inside = [(_mask(metric.numerator, at), _mask(metric.denominator, at)) for at in ("before", "after")]
        soft = counts + _pseudo(counts, [denominator for _, denominator in inside])
        plain, smooth, added = [], [], []
        for numerator, denominator in inside:
            n = float((counts * denominator).sum())
            plain.append(float((counts * numerator).sum()) / n if n else math.nan)
            total = float((soft * denominator).sum())
            rate = float((soft * numerator).sum()) / total if total else math.nan
            influence = (numerator - (rate if total else 0.0) * denominator) / (total or 1.0)
            smooth.append(rate)
            added.append(influence)
        why = None
        if any(math.isnan(rate) for rate in plain):
            why = f"no rows: {metric.denominator_words or metric.title.lower()}"
        elif scale == "log ratio":
            if min(plain) <= 0:
                why = "the ratio is undefined: a rate is 0"
            else:
                added = [part / rate for part, rate in zip(added, smooth, strict=True)]
                plain = [math.log(rate) for rate in plain]
                smooth = [math.log(rate) for rate in smooth]
        rows_before = float((counts * inside[0][1]).sum())
        return cls(rows_before, plain[0], plain[1], smooth[0], smooth[1], soft, added[0], added[1], why)

    def variance(self, of_before: float, of_after: float) -> float:
        """Of the sum of both values, each times its factor."""
        psi = of_before * self.of_before + of_after * self.of_after
        return float((self.cells * psi**2).sum())


def _pseudo(counts: Floats, denominators: list[Floats]) -> Floats:
    """Half a row for each before × after pair that can be in a denominator, spread over the labels there."""
    reached = ((denominators[0] + denominators[1]) > 0) & (counts.sum(axis=(1, 2), keepdims=True) > 0)
    labels = np.maximum(reached.sum(axis=0, keepdims=True), 1)
    spread: Floats = np.where(reached, _PSEUDO / labels, 0.0)
    return spread


def _mask(cells: frozenset[tuple[int | None, int | None]] | None, at: str) -> Floats:
    """1 for each label × before × after whose (label, decision) is in the set."""
    found = np.zeros((3, 2, 2))
    for label, decision in cells or ():
        if decision is not None:
            row = NO_LABEL if label is None else label
            if at == "before":
                found[row, decision, :] = 1.0
            else:
                found[row, :, decision] = 1.0
    return found


def _design_effect(
    sides: list[_Side], rows: Decisions, masks: tuple[Flags, ...], of_before: float, of_after: float
) -> float:
    """How much more the clusters' sums vary than the rows' would alone; at least 1."""
    if rows.cluster is None:
        return 1.0
    psi = np.zeros(len(rows.label))
    for number, (side, mask) in enumerate(zip(sides, masks, strict=True)):
        weights = of_before * side.of_before + of_after * side.of_after
        part = weights[rows.label[mask], rows.before[mask], rows.after[mask]]
        psi[mask] += part if number == 0 else -part
    alone = float((psi**2).sum())
    _, place = np.unique(rows.cluster, return_inverse=True)
    together = np.bincount(place.reshape(-1), weights=psi)
    clusters = len(together)
    if alone == 0 or clusters < 2:
        return 1.0
    return max(1.0, float((together**2).sum()) / alone * clusters / (clusters - 1))
