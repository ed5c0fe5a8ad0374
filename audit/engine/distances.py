"""How far two groups' distributions lie apart, and how sure that is: a size, never under 0.

A distance T = ‖ê‖ of observed distributions is biased upwards, and resampling around it never covers 0.
By the triangle inequality the true one lies in [T − q, T + q] wherever ‖ê − e‖ ≤ q, whatever e is; q is
taken from the normal limit of ê − e. Beyond the levels that simulation reaches, q grows by σ for each
unit of the normal quantile, σ the largest standard deviation of any one functional that makes up the
norm: Borell 1975; Ledoux, The Concentration of Measure Phenomenon (2001), section 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine.tails import Array, Tails, quantile

KINDS = ("ks", "wasserstein", "total_variation")
DRAWS = 2000
LEVELS = (0.2, 0.05)
"""Levels whose quantiles are simulated: at the smaller one, 100 of DRAWS lie beyond."""
MOST_STEPS = 400
_SEED = 20_010_917


@dataclass(frozen=True)
class Spread:
    """A distance, the quantiles of its error at LEVELS, and the σ by which they grow beyond."""

    value: float
    wide: float
    narrow: float
    sigma: float


def between(mine: Array, theirs: Array, n1: float, n2: float, kind: str, at: Array | None = None) -> Spread:
    """The distance of two distributions, given as shares (K,) in the order of their values.

    `n1` and `n2` are (effective) rows; `at` the K values, for wasserstein. ks: the largest gap of the
    cumulative shares; wasserstein: the area between them; total_variation: half the sum of the gaps.

    >>> between(np.array([.5, .5]), np.array([.2, .8]), 100, 100, "ks").value
    0.3
    """
    steps = np.diff(at) if kind == "wasserstein" and at is not None else None
    value = float(_norm(mine - theirs, kind, steps))
    if not (n1 > 1 and n2 > 1):
        return Spread(value, np.nan, np.nan, np.nan)
    draws = np.random.default_rng(_SEED)
    parts, widths = _coarse(np.stack([mine, theirs]), kind, steps)
    error = _bridge(parts[0], n1, draws) - _bridge(parts[1], n2, draws)
    sizes = _norm(error, kind, widths)
    wide, narrow = (float(np.quantile(sizes, 1 - level)) for level in LEVELS)
    if kind == "wasserstein" and at is not None:
        spreads = [float((p * at**2).sum() - (p * at).sum() ** 2) for p in (mine, theirs)]
    else:
        spreads = [0.25, 0.25]
    return Spread(value, wide, narrow, float(np.sqrt(spreads[0] / n1 + spreads[1] / n2)))


def _norm(gap: Array, kind: str, steps: Array | None) -> Array:
    if kind == "total_variation":
        return np.asarray(np.abs(gap).sum(axis=-1) / 2)
    below = np.abs(np.cumsum(gap, axis=-1)[..., :-1])
    if kind == "ks":
        return np.asarray(below.max(axis=-1, initial=0.0))
    assert steps is not None
    return np.asarray((below * steps).sum(axis=-1))


def _coarse(shares: Array, kind: str, steps: Array | None) -> tuple[Array, Array | None]:
    """At most MOST_STEPS values for the simulation, neighbours put together, of about equal share."""
    if shares.shape[1] <= MOST_STEPS or kind == "total_variation":
        return shares, steps
    level = np.floor(np.cumsum(shares.mean(axis=0)) * MOST_STEPS * (1 - 1e-9)).astype(int)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(level) > 0) + 1])
    merged = np.add.reduceat(shares, starts, axis=1)
    if steps is None:
        return merged, None
    places = np.concatenate([[0.0], np.cumsum(steps)])
    middles = np.add.reduceat(shares.mean(axis=0) * places, starts) / np.maximum(
        np.add.reduceat(shares.mean(axis=0), starts), 1e-300
    )
    return merged, np.diff(middles)


def _bridge(shares: Array, n: float, draws: np.random.Generator) -> Array:
    """The normal limit of observed minus true shares, DRAWS of it."""
    free = draws.standard_normal((DRAWS, len(shares))) * np.sqrt(shares / n)
    return np.asarray(free - free.sum(axis=1, keepdims=True) * shares)


class Distance(Tails):
    """A distance with the quantiles of its error, as `Spread`; an array entry per comparison."""

    domain = (0.0, np.inf)

    def __init__(
        self, value: npt.ArrayLike, wide: npt.ArrayLike, narrow: npt.ArrayLike, sigma: npt.ArrayLike
    ) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (value, wide, narrow, sigma)))
        self.value, self.wide, self.narrow, self.sigma = given

    @property
    def estimate(self) -> Array:
        """The observed distance."""
        return self.value

    def above(self, t: Array) -> Array:
        return self._chance(self.value - t)

    def below(self, t: Array) -> Array:
        return self._chance(t - self.value)

    def low_limit(self, level: Array) -> Array:
        return np.asarray(np.maximum(0.0, self.value - self._reach(level)))

    def high_limit(self, level: Array) -> Array:
        return np.asarray(self.value + self._reach(level))

    def _reach(self, level: Array) -> Array:
        """What the error exceeds with a chance of at most `level`; above LEVELS, their first."""
        z, (first, second) = quantile(level, np.asarray(np.inf)), self._anchors()
        slope = (self.narrow - self.wide) / (second - first)
        near = self.wide + np.clip(z - first, 0.0, second - first) * slope
        return np.asarray(near + np.maximum(z - second, 0.0) * self.sigma)

    def _chance(self, gap: Array) -> Array:
        """The level at which `_reach` is the gap; 1 where it is less than at the largest of LEVELS."""
        first, second = self._anchors()
        slope = (self.narrow - self.wide) / (second - first)
        with np.errstate(invalid="ignore", divide="ignore"):
            near = first + np.where(
                slope > 0, (gap - self.wide) / slope, np.where(gap >= self.wide, np.inf, 0.0)
            )
            far = second + np.where(self.sigma > 0, (gap - self.narrow) / self.sigma, np.inf)
        p = np.where(gap <= self.narrow, special.ndtr(-np.minimum(near, second)), special.ndtr(-far))
        p = np.where(gap < self.wide, 1.0, p)
        return np.where(np.isnan(self.value + self.sigma), np.nan, p)

    @staticmethod
    def _anchors() -> tuple[float, float]:
        first, second = (float(-special.ndtri(level)) for level in LEVELS)
        return first, second
