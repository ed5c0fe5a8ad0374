"""The difference of two odds, from the exact limits of the proportions that they are odds of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine.intervals import lower_limit, upper_limit
from audit.engine.recovered import Recovered
from audit.engine.tails import Array


class OddsDifference(Recovered):
    """Odds x1 / (n1 − x1) less odds x2 / (n2 − x2), of two independent proportions.

    Each odds has the Clopper–Pearson limits of its proportion; the limits of the difference are recovered
    from those, so that their long upper side is kept. `deff` divides the counts, a finite `df` refers to
    Student's t. NaN where a proportion has no rows or is 1. Source: Zou and Donner, Statistics in
    Medicine 27 (2008).

    >>> low, high = OddsDifference(10, 40, 1000, 4000).interval(0.1)
    >>> round(float(low), 3), round(float(high), 3)
    (-0.169, 0.299)
    """

    def __init__(
        self,
        x1: npt.ArrayLike,
        n1: npt.ArrayLike,
        x2: npt.ArrayLike,
        n2: npt.ArrayLike,
        deff: npt.ArrayLike = 1.0,
        df: npt.ArrayLike = np.inf,
    ) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x1, n1, x2, n2, deff, df)))
        a1, m1, a2, m2, spread, self.df = given
        sound = (m1 > a1) & (m2 > a2)
        self.x1, self.n1, self.x2, self.n2 = (np.where(sound, v, np.nan) / spread for v in (a1, m1, a2, m2))

    @property
    def estimate(self) -> Array:
        """The difference of the odds."""
        return np.asarray(self.x1 / (self.n1 - self.x1) - self.x2 / (self.n2 - self.x2))

    def _low_at(self, q: Array) -> Array:
        down, up = self._reach(self.x1, self.n1, -q), self._reach(self.x2, self.n2, q)
        return np.asarray(self.estimate - np.sign(q) * np.hypot(down, up))

    def _high_at(self, q: Array) -> Array:
        up, down = self._reach(self.x1, self.n1, q), self._reach(self.x2, self.n2, -q)
        return np.asarray(self.estimate + np.sign(q) * np.hypot(up, down))

    @staticmethod
    def _reach(x: Array, n: Array, q: Array) -> Array:
        """How far the odds' upper limit (negative q: the lower) at the quantile |q| lies from them."""
        tail = special.ndtr(-np.abs(q))
        limit = np.where(q > 0, upper_limit(x, n, tail), lower_limit(x, n, tail))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(limit / (1 - limit) - x / (n - x))
