"""Slices that were found, tested: on the other half of the people, or on everyone by permutation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from audit.analysis import permutation, search
from audit.analysis.binning import FeatureBins
from audit.analysis.lattice import Cells, Floats
from audit.analysis.slice_report import Condition, Share, Slice
from audit.engine.findings import holm_adjusted
from audit.engine.intervals import clopper_pearson
from audit.engine.two_rates import TwoRates

Chosen = tuple[search.Found, list[search.Found]]
"""A slice, and those that hold almost the same rows."""
Limits = tuple[float | None, float | None, float | None, float | None]
_NO_LIMITS: Limits = (None, None, None, None)
MOST_ALSO = 5
"""How many slices of almost the same rows are named beside one."""


@dataclass(frozen=True)
class Halves:
    bins: tuple[FeatureBins, ...]
    discovery: Cells
    confirmation: Cells
    """Counted: for a loss, the rows above the discovery half's mean."""
    confirmation_loss: Cells | None
    discovery_bad: Cells


def tested(halves: Halves, chosen: Sequence[Chosen], confidence: float) -> tuple[Slice, ...]:
    """Each by the hypergeometric probability of as many bad rows on the half it was not found on."""
    rows, bad = halves.confirmation.rows, halves.confirmation.total
    loss = halves.discovery if halves.discovery.additive else None
    found = []
    for leader, folded in chosen:
        at = _conditions(halves, leader)
        share = _share(halves.confirmation, halves.confirmation_loss, at)
        limits = _limits(share, rows, bad, 1 - confidence)
        found.append(_slice(halves, leader, folded, _share(halves.discovery_bad, loss, at), share, limits))
    p = [_chance(one.confirmation, rows, bad) for one in found]
    return _judged(found, p, holm_adjusted(p), confidence)


def permuted(
    halves: Halves, chosen: Sequence[Chosen], confidence: float, largest: Floats
) -> tuple[Slice, ...]:
    """Each by the largest scores with everyone's bad rows dealt anew."""
    rows, bad = halves.discovery.rows, halves.discovery.total
    found = []
    for leader, folded in chosen:
        share = _share(halves.discovery, None, _conditions(halves, leader))
        found.append(_slice(halves, leader, folded, share, share, _NO_LIMITS))
    adjusted = permutation.adjusted(np.array([one.score for one in found]), largest)
    p = [_chance(one.confirmation, rows, bad) for one in found]
    return _judged(found, p, [float(value) for value in adjusted], confidence)


def _chance(share: Share, rows: int, bad: int) -> float:
    return float(stats.hypergeom.sf(share.bad - 1, rows, bad, share.rows)) if share.rows else 1.0


def _slice(
    halves: Halves,
    leader: search.Found,
    folded: Sequence[search.Found],
    discovery: Share,
    confirmation: Share,
    limits: Limits,
) -> Slice:
    """A slice before it is judged."""
    conditions = _conditions(halves, leader)
    return Slice(
        _name(conditions),
        conditions,
        float(leader.score or 0.0),
        discovery,
        confirmation,
        *limits,
        p=1.0,
        p_adjusted=1.0,
        confirmed=False,
        also=tuple(_name(_conditions(halves, other)) for other in folded[:MOST_ALSO]),
    )


def _judged(
    found: Sequence[Slice], p: Sequence[float], adjusted: Sequence[float], confidence: float
) -> tuple[Slice, ...]:
    return tuple(
        replace(one, p=own, p_adjusted=shared, confirmed=shared <= 1 - confidence)
        for one, own, shared in zip(found, p, adjusted, strict=True)
    )


def _name(conditions: Sequence[Condition]) -> str:
    return " and ".join(one.words for one in conditions)


def _conditions(halves: Halves, found: search.Found) -> tuple[Condition, ...]:
    result = []
    for feature, code in found.conditions:
        bins, level = halves.bins[feature], halves.discovery.levels[feature][code]
        result.append(Condition(bins.feature, level, bins.words(level)))
    return tuple(result)


def _members(cells: Cells, conditions: tuple[Condition, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    pairs = []
    for one in conditions:
        feature = cells.features.index(one.feature)
        if one.level not in cells.levels[feature]:
            return np.zeros(len(cells.n), dtype=bool)
        pairs.append((feature, cells.levels[feature].index(one.level)))
    return cells.within(tuple(pairs))


def _share(cells: Cells, loss: Cells | None, conditions: tuple[Condition, ...]) -> Share:
    mask = _members(cells, conditions)
    rows, bad = int(cells.n[mask].sum()), int(cells.k[mask].sum())
    shown = cells if loss is None else loss
    inside = mask if loss is None else _members(loss, conditions)
    size, amount = int(shown.n[inside].sum()), int(shown.k[inside].sum())
    rest, rest_amount = shown.rows - size, shown.total - amount
    return Share(
        rows,
        bad,
        amount / size * shown.unit if size else None,
        rest_amount / rest * shown.unit if rest else None,
        None if size else "no row of this half is in the slice",
    )


def _limits(share: Share, rows: int, bad: int, alpha: float) -> Limits:
    """The interval of the share of bad rows, and of its difference from the rest; None where undefined."""
    if share.rows == 0:
        return _NO_LIMITS
    low, high = (float(limit) for limit in clopper_pearson(share.bad, share.rows, alpha))
    if share.rows == rows:
        return low, high, None, None
    rest = TwoRates(share.bad, share.rows, bad - share.bad, rows - share.rows, "difference")
    below, above = (float(limit) for limit in rest.interval(alpha))
    if not math.isfinite(below) or not math.isfinite(above):
        return low, high, None, None
    return low, high, below, above
