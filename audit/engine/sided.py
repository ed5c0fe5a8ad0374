"""Evidence on an estimate whose standard error is another below it than above it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.engine.tails import Array, Normal, distance, quantile


class Sided(Normal):
    """An estimate whose lower limit stands on one standard error and whose upper limit on another.

    A skewed mean reaches farther to the side of its tail. NaN in the estimate or an error makes everything
    NaN; an error of 0 makes its side certain. Of a difference the lower limit's is
    √(below₁² + above₂²), the upper's √(above₁² + below₂²). Source: Zou and Donner, Statistics in Medicine
    27 (2008).

    >>> low, high = Sided(0.2, 0.02, 0.03).interval(0.05)
    >>> round(float(low), 3), round(float(high), 3)
    (0.161, 0.259)
    """

    def __init__(
        self, estimate: npt.ArrayLike, below: npt.ArrayLike, above: npt.ArrayLike, df: npt.ArrayLike = np.inf
    ) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (estimate, below, above, df)))
        value, self._below_se, self._above_se, self.df = given
        known = np.isfinite(self._below_se) & np.isfinite(self._above_se)
        self._estimate = np.where(known, value, np.nan)

    @property
    def estimate(self) -> Array:
        """The estimate as given."""
        return self._estimate

    def z(self, t: Array) -> Array:
        gap = self._estimate - t
        return distance(gap, np.where(gap > 0, self._below_se, self._above_se))

    def low_limit(self, level: Array) -> Array:
        return self._limit(quantile(level, self.df))

    def high_limit(self, level: Array) -> Array:
        return self._limit(-quantile(level, self.df))

    def _limit(self, q: Array) -> Array:
        """Where the statistic is q: below the estimate where q is positive."""
        return np.asarray(self._estimate - q * np.where(q > 0, self._below_se, self._above_se))
