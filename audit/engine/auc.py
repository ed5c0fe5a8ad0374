"""Areas under ROC curves, one and two, from binned scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine.intervals import wilson_at
from audit.engine.recovered import Recovered
from audit.engine.tails import Array, Tails, distance, quantile, upper_tail

LEAST_CLASS = 30
"""Rows that each class needs for DeLong's variance to be trusted."""
INTERIOR = (0.05, 0.95)
"""The areas between which the logit of the area is near normal."""


class Auc(Tails):
    """One area under the ROC curve, P(score of a positive > score of a negative), ties half.

    `low_bound` and `high_bound` are the least and largest area that the binned scores allow (both
    the area itself where nothing is binned), `variance` is DeLong's, n1 and n0 the rows of the two
    classes. On the logit scale where both classes have 30 rows and .05 <= area <= .95, referred to
    Student's t with the smaller class's rows less one, since DeLong's variance is estimated; else
    Wilson's score interval with n = min(n1, n0). The lower limit starts from the lower bound, the
    upper from the upper. NaN where a class is empty.
    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988).

    >>> [round(float(limit), 3) for limit in Auc(0.8, 0.8, 0.8, 0.0004, 200, 200).interval(0.05)]
    [0.758, 0.837]
    """

    domain = (0.0, 1.0)

    def __init__(
        self,
        auc: npt.ArrayLike,
        low_bound: npt.ArrayLike,
        high_bound: npt.ArrayLike,
        variance: npt.ArrayLike,
        n1: npt.ArrayLike,
        n0: npt.ArrayLike,
        deff: npt.ArrayLike = 1.0,
        df: npt.ArrayLike = np.inf,
    ) -> None:
        given = (auc, low_bound, high_bound, variance, n1, n0, deff, df)
        area, low, high, var, m1, m0, spread, self.df = np.broadcast_arrays(
            *(np.asarray(v, dtype=float) for v in given)
        )
        least = np.minimum(m1, m0)
        self._auc = np.where(least > 0, area, np.nan)
        self.low_bound, self.high_bound = (np.where(least > 0, v, np.nan) for v in (low, high))
        self.n = np.where(least > 0, least, np.nan) / spread
        self._delong = (least >= LEAST_CLASS) & (area >= INTERIOR[0]) & (area <= INTERIOR[1]) & (var > 0)
        self.df = np.where(self._delong, np.minimum(self.df, least - 1), self.df)
        slope = np.where(self._delong, area * (1 - area), 1.0)
        self._se = np.where(self._delong, np.sqrt(np.maximum(var, 0.0) * spread) / slope, 1.0)

    @property
    def estimate(self) -> Array:
        """The area as given."""
        return self._auc

    def above(self, t: Array) -> Array:
        return upper_tail(self._z(self.low_bound, t), self.df)

    def below(self, t: Array) -> Array:
        return upper_tail(-self._z(self.high_bound, t), self.df)

    def low_limit(self, level: Array) -> Array:
        return self.low_at(quantile(level, self.df))

    def high_limit(self, level: Array) -> Array:
        return self.high_at(quantile(level, self.df))

    def low_at(self, q: Array) -> Array:
        """The lower limit at the quantile q; for negative q it lies above the lower bound."""
        with np.errstate(divide="ignore"):
            logit = special.expit(special.logit(self.low_bound) - q * self._se)
        return np.where(self._delong, logit, wilson_at(self.low_bound, self.n, q)[0])

    def high_at(self, q: Array) -> Array:
        """The upper limit at the quantile q; for negative q it lies below the upper bound."""
        with np.errstate(divide="ignore"):
            logit = special.expit(special.logit(self.high_bound) + q * self._se)
        return np.where(self._delong, logit, wilson_at(self.high_bound, self.n, q)[1])

    def _z(self, area: Array, t: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            logit = (special.logit(area) - special.logit(t)) / self._se
            wilson = distance(area - t, np.sqrt(t * (1 - t) / self.n))
        z = np.where(self._delong, logit, wilson)
        return np.where(np.isnan(area), np.nan, np.nan_to_num(z, nan=0.0, posinf=np.inf, neginf=-np.inf))


class AucDifference(Recovered):
    """The difference of two independent areas, `first` minus `second`.

    Its limits are recovered from those of the two areas, so that their asymmetry and their bins
    are kept: the bounds of the bins add, the sampling errors add in squares.
    Source: Zou and Donner, Statistics in Medicine 27 (2008), for limits of a difference.

    >>> area = Auc(0.8, 0.8, 0.8, 0.0004, 200, 200)
    >>> [round(float(limit), 3) for limit in AucDifference(area, area).interval(0.05)]
    [-0.056, 0.056]
    """

    domain = (-1.0, 1.0)

    def __init__(self, first: Auc, second: Auc) -> None:
        self.first, self.second = first, second
        self.df = np.minimum(first.df, second.df)

    @property
    def estimate(self) -> Array:
        """First area minus second."""
        return self.first.estimate - self.second.estimate

    def _low_at(self, q: Array) -> Array:
        down = self.first.low_bound - self.first.low_at(q)
        up = self.second.high_at(q) - self.second.high_bound
        return np.asarray(self.first.low_bound - self.second.high_bound - np.sign(q) * np.hypot(down, up))

    def _high_at(self, q: Array) -> Array:
        up = self.first.high_at(q) - self.first.high_bound
        down = self.second.low_bound - self.second.low_at(q)
        return np.asarray(self.first.high_bound - self.second.low_bound + np.sign(q) * np.hypot(up, down))
