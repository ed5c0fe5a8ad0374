"""How far two groups' distributions lie apart, from counts of levels or of ordered values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.analysis.association import REPLICATES, Strength

Floats = npt.NDArray[np.float64]
Distance = Callable[[Floats, Floats, Floats], Floats]
"""Of shares p and q (…, levels) and the levels' values (levels,) the distance, shape (…)."""
LEAST_ROWS = 10
"""Rows of either side below which no interval is given."""
ROWS_A_LEVEL = 5
"""Rows of either side for each level, below which a distance of levels has no interval."""


def total_variation(p: Floats, q: Floats, values: Floats) -> Floats:
    """½ Σ |p − q|: the share of one side that would have to change place; 0 alike, 1 nothing in common."""
    found: Floats = np.abs(p - q).sum(axis=-1) / 2
    return found


def hellinger(p: Floats, q: Floats, values: Floats) -> Floats:
    """√(½ Σ (√p − √q)²), 0 to 1."""
    found: Floats = np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1) / 2)
    return found


def js_divergence(p: Floats, q: Floats, values: Floats) -> Floats:
    """½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2, in natural units: 0 alike, ln 2 = 0.693 nothing in common."""
    m = (p + q) / 2
    found: Floats = np.maximum(0.0, (_relative(p, m) + _relative(q, m)) / 2)
    return found


def kl_divergence(p: Floats, q: Floats, values: Floats) -> Floats:
    """Σ p ln(p/q), in natural units; NaN where p has rows at a level that q has none at."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(((p > 0) & (q == 0)).any(axis=-1), np.nan, _relative(p, q))
    return found


def ks(p: Floats, q: Floats, values: Floats) -> Floats:
    """The largest gap between the two distribution functions; levels stand in the order of their values."""
    found: Floats = np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1)
    return np.minimum(found, 1.0)


def wasserstein(p: Floats, q: Floats, values: Floats) -> Floats:
    """The area between the two distribution functions, in the unit of the values."""
    gaps = np.abs(np.cumsum(p - q, axis=-1))[..., :-1]
    found: Floats = (gaps * np.diff(values)).sum(axis=-1)
    return found


def _relative(p: Floats, q: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(p > 0, p * np.log(p / np.where(q > 0, q, np.nan)), 0.0).sum(axis=-1)
    return found


@dataclass(frozen=True, slots=True)
class _Kind:
    distance: Distance
    root: bool = False
    """Whether the root of it, not it, obeys the triangle inequality."""
    interval: bool = True


LEVELS = ("total_variation", "js_divergence", "kl_divergence", "hellinger")
ORDERED = ("ks", "wasserstein")
KINDS = {
    "total_variation": _Kind(total_variation),
    "js_divergence": _Kind(js_divergence, root=True),
    "kl_divergence": _Kind(kl_divergence, interval=False),
    "hellinger": _Kind(hellinger),
    "ks": _Kind(ks),
    "wasserstein": _Kind(wasserstein),
}


def compare(
    names: tuple[str, ...],
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    *,
    values: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Strength]:
    """The distances called `names` between two samples' counts by level, shape (levels,).

    `values` are the levels' numbers in rising order, needed by ks and wasserstein. Interval: T ± q, not
    below 0, with q the quantile of d(p*, p̂) + d(q*, q̂) over resamples of both sides (of √JS for JS):
    by the triangle inequality the true distance lies within it at least as often as stated. None for
    kl_divergence, which obeys none, nor with too few rows for the number of levels. Undefined where a
    side has no rows; kl_divergence also where the first has rows at a level where the second has none.

    >>> round(compare(("total_variation",), [30, 70], [50, 50])["total_variation"].value, 3)
    0.2
    """
    a, b = (np.asarray(side, dtype=np.float64) for side in (one, other))
    n, m = float(a.sum()), float(b.sum())
    if n == 0 or m == 0:
        return {name: Strength.undefined("one of the two sides has no rows", n) for name in names}
    at = np.arange(len(a), dtype=np.float64) if values is None else np.asarray(values, dtype=np.float64)
    p, q = a / n, b / m
    drawn = _resampled(p, n, seed), _resampled(q, m, seed + 1)
    found = {}
    for name in names:
        kind = KINDS[name]
        value = float(kind.distance(p, q, at))
        if np.isnan(value):
            found[name] = Strength.undefined("it has rows at a value at which the other side has none", n)
        elif not kind.interval or min(n, m) < _least(name, a + b):
            found[name] = Strength(value, None, None, n)
        else:
            found[name] = _with_interval(kind, value, (p, q), drawn, at, confidence, n)
    return found


def _least(name: str, rows: Floats) -> float:
    """Resampling a level of one or two rows tells nothing of its noise; ordered values are summed up."""
    levels = 0 if name in ORDERED else ROWS_A_LEVEL * int((rows > 0).sum())
    return max(LEAST_ROWS, levels)


def _resampled(p: Floats, n: float, seed: int) -> Floats:
    drawn: Floats = np.random.default_rng(seed).multinomial(int(n), p, size=REPLICATES) / n
    return drawn


def _with_interval(
    kind: _Kind,
    value: float,
    shares: tuple[Floats, Floats],
    drawn: tuple[Floats, Floats],
    values: Floats,
    confidence: float,
    n: float,
) -> Strength:
    parts = [kind.distance(many, one, values) for many, one in zip(drawn, shares, strict=True)]
    if kind.root:
        parts = [np.sqrt(part) for part in parts]
    q = float(np.quantile(parts[0] + parts[1], confidence, method="higher"))
    size = float(np.sqrt(value)) if kind.root else value
    low, high = max(0.0, size - q), size + q
    return Strength(value, low**2 if kind.root else low, _top(kind, high, values), n)


def _top(kind: _Kind, high: float, values: Floats) -> float:
    if kind.distance is wasserstein:
        return min(high, float(values[-1] - values[0]))
    if kind.root:
        return min(high**2, float(np.log(2)))
    return min(high, 1.0)
