"""Two proportions compared: the score statistic, and exact limits where counts are small."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine import score
from audit.engine.intervals import lower_limit, upper_limit
from audit.engine.tails import Array, Normal, quantile, upper_tail

SMALL_COUNT = 5
"""Below this, successes or failures of either group are too few for the score statistic alone."""
_ROUNDING = 1e-13
_FARTHEST = 38.0
"""The largest normal quantile that a double can hold as a tail."""


_NEAR = 0.3
"""Half the width, in parts of the distance from the estimate, of where a limit is sought first."""


class TwoRates(Normal):
    """Two independent proportions, x1 of n1 against x2 of n2, as their `difference` or their `ratio`.

    The skewness-corrected score statistic; where any of x1, n1 − x1, x2, n2 − x2 is under 5 the
    verdict must also follow from the Clopper–Pearson limits of the two rates, each at half the
    level. `deff` divides the information (counts of x/deff of n/deff rows), a finite `df` refers
    the statistic to Student's t. The ratio is tested as p1 − t·p2, so that 300 of 1,000 against
    0 of 1,000 is evidence although its estimate is NaN. Everything is NaN where n1 or n2 is 0.
    Source: Laud, Pharmaceutical Statistics 16 (2017); Clopper and Pearson (1934).

    >>> few = TwoRates(5, 56, 0, 29, "difference")
    >>> [round(float(limit), 3) for limit in few.interval(0.05)]
    [-0.115, 0.213]
    >>> bool(TwoRates(300, 1000, 0, 1000, "ratio").p_violation(0.8, 1.25) < 1e-9)
    True
    """

    def __init__(
        self,
        x1: npt.ArrayLike,
        n1: npt.ArrayLike,
        x2: npt.ArrayLike,
        n2: npt.ArrayLike,
        kind: str,
        deff: npt.ArrayLike = 1.0,
        df: npt.ArrayLike = np.inf,
        *,
        skewness: bool = True,
        guard: bool = True,
        lattice: bool = True,
    ) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x1, n1, x2, n2, deff, df)))
        a1, m1, a2, m2, self.deff, self.df = given
        self.kind = kind
        self.ratio = _is_ratio(kind)
        self.domain = (0.0, np.inf) if self.ratio else (-1.0, 1.0)
        self.skewness, self.lattice = skewness, lattice
        self.n1, self.n2 = (np.where(m > 0, m, np.nan) / self.deff for m in (m1, m2))
        self.x1 = np.clip(a1 / self.deff, 0.0, self.n1)
        self.x2 = np.clip(a2 / self.deff, 0.0, self.n2)
        least = np.minimum.reduce([self.x1, self.n1 - self.x1, self.x2, self.n2 - self.x2])
        self._guarded = (least < SMALL_COUNT) & guard

    @property
    def estimate(self) -> Array:
        """p1 − p2, or p1 / p2; NaN where a denominator is 0, the reference's rate included."""
        p1, p2 = self.x1 / self.n1, self.x2 / self.n2
        return np.asarray(p1 / np.where(p2 > 0, p2, np.nan) if self.ratio else p1 - p2)

    def beyond(self, t: Array) -> Array:
        """The contrast p1 − p2 − t, or p1 − t·p2: 0 where rounding alone parts them."""
        p1, p2 = self.x1 / self.n1, self.x2 / self.n2
        gap = np.nan_to_num(p1 - t * p2 if self.ratio else (p1 - p2) - t, nan=0.0)
        return np.where(np.abs(gap) <= _ROUNDING, 0.0, gap)

    def z(self, t: Array, side: float | Array = 0.0) -> Array:
        """The score statistic at t; falls as t rises. `side` as in `score`."""
        finite = np.where(np.isinf(t), 1.0, t)
        counts = (self.x1, self.n1, self.x2, self.n2)
        side = side if self.lattice else 0.0
        z = score.score(*counts, finite, ratio=self.ratio, skewness=self.skewness, side=side)
        at_infinity = np.where(self.x2 > 0, -np.inf, 0.0)
        return np.where(np.isinf(t) & ~np.isnan(z), at_infinity, z)

    def standard_error(self, t: npt.ArrayLike) -> Array:
        """The contrast's standard error under the hypothesis t."""
        at = np.asarray(t, dtype=float)
        return np.sqrt(score.moments(self.x1, self.n1, self.x2, self.n2, at, ratio=self.ratio).variance)

    def above(self, t: Array) -> Array:
        return np.maximum(upper_tail(self.z(t, 1.0), self.df), self._guard_p(t, upward=True))

    def below(self, t: Array) -> Array:
        return np.maximum(upper_tail(-self.z(t, -1.0), self.df), self._guard_p(t, upward=False))

    def low_limit(self, level: Array) -> Array:
        limit = self._score_limit(quantile(level, self.df), 1.0)
        return np.fmin(limit, self._guard_limit(level, upward=True))

    def high_limit(self, level: Array) -> Array:
        limit = self._score_limit(-quantile(level, self.df), -1.0)
        return np.fmax(limit, self._guard_limit(level, upward=False))

    def interval(self, alpha: npt.ArrayLike) -> tuple[Array, Array]:
        """As `Tails.interval`, both limits sought at once."""
        half = np.asarray(alpha, dtype=float) / 2
        q = np.broadcast_to(quantile(half, self.df), np.broadcast(half, self.x1).shape)
        low, high = self._score_limit(np.stack([q, -q]), np.reshape([1.0, -1.0], (2, *[1] * q.ndim)))
        return (
            np.fmin(low, self._guard_limit(half, upward=True)),
            np.fmax(high, self._guard_limit(half, upward=False)),
        )

    def _score_limit(self, q: Array, side: float | Array) -> Array:
        """The t at which z(t) = q; a ratio is sought on t/(1+t), which has both ends in reach."""
        ends = np.zeros_like(self.x1 + q) + (0.0 if self.ratio else -1.0), np.ones_like(self.x1 + q)
        near = self._near(q)
        if not self.ratio:
            return score.falling_root(lambda t: self.z(t, side) - q, *ends, near)
        with np.errstate(divide="ignore"):
            share = score.falling_root(lambda s: self.z(s / (1 - s), side) - q, *ends, near)
            return share / (1 - share)

    def _near(self, q: Array) -> tuple[Array, Array]:
        """About where z(t) = q, by the plain standard error (a ratio's on the log scale); for speed alone."""
        p1, p2 = (self.x1 + 0.5) / (self.n1 + 1), (self.x2 + 0.5) / (self.n2 + 1)
        if self.ratio:
            middle = np.log(p1 / p2)
            se = np.sqrt((1 - p1) / (p1 * self.n1) + (1 - p2) / (p2 * self.n2))
        else:
            middle = p1 - p2
            se = np.sqrt(p1 * (1 - p1) / self.n1 + p2 * (1 - p2) / self.n2)
        reach = _NEAR * (np.abs(q) + 0.5) * se
        low, high = middle - q * se - reach, middle - q * se + reach
        return (special.expit(low), special.expit(high)) if self.ratio else (low, high)

    def _guard_p(self, t: Array, *, upward: bool) -> Array:
        """Twice the level at which the two exact limits just exclude t; 0 where no guard is needed."""
        x1, n1, x2, n2, df, at, needed = np.broadcast_arrays(
            self.x1, self.n1, self.x2, self.n2, self.df, t, self._guarded
        )
        p = np.zeros(at.shape)
        if not needed.any():
            return p
        # Small groups are much alike: each distinct comparison is worked out once.
        alike = np.stack([v[needed] for v in (x1, n1, x2, n2, at, df)])
        distinct, place = np.unique(alike, axis=1, return_inverse=True)
        *few, goal, degrees = distinct
        with np.errstate(invalid="ignore"):
            reach = np.where(np.isinf(goal), 0.0, goal)
            sign = 1.0 if upward else -1.0
            q = score.falling_root(
                lambda q: sign * _gap(*_exact_rates(few, q, upward=upward), reach, ratio=self.ratio),
                np.zeros(goal.shape),
                np.full(goal.shape, _FARTHEST),
            )
        certain = 1.0 if upward else 0.0
        exact = np.where(np.isinf(goal), certain, np.minimum(2 * upper_tail(q, degrees), 1.0))
        p[needed] = exact[place.reshape(-1)]
        return p

    def _guard_limit(self, level: Array, *, upward: bool) -> Array:
        """The limit that the two exact limits give, each at half the level; NaN where no guard is needed."""
        x1, n1, x2, n2, df, a, needed = np.broadcast_arrays(
            self.x1, self.n1, self.x2, self.n2, self.df, np.asarray(level, dtype=float), self._guarded
        )
        limit = np.full(a.shape, np.nan)
        if not needed.any():
            return limit
        q = quantile(a[needed] / 2, df[needed])
        p1, p2 = _exact_rates([v[needed] for v in (x1, n1, x2, n2)], q, upward=upward)
        with np.errstate(divide="ignore", over="ignore"):
            limit[needed] = p1 / p2 if self.ratio else p1 - p2
        return limit


def _is_ratio(kind: str) -> bool:
    if kind not in ("difference", "ratio"):
        raise ValueError(f"kind is 'difference' or 'ratio', not {kind!r}")
    return kind == "ratio"


def _exact_rates(counts: list[Array], q: Array, *, upward: bool) -> tuple[Array, Array]:
    """The two rates' exact limits at the tail of q: those least favourable to `p1 is larger` (or smaller)."""
    x1, n1, x2, n2 = counts
    tail = special.ndtr(-q)
    if upward:
        return lower_limit(x1, n1, tail), upper_limit(x2, n2, tail)
    return upper_limit(x1, n1, tail), lower_limit(x2, n2, tail)


def _gap(p1: Array, p2: Array, t: Array, *, ratio: bool) -> Array:
    return p1 - t * p2 if ratio else (p1 - p2) - t
