"""From two tail probabilities to pass, violation and interval: the same for every kind of evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Array = npt.NDArray[np.float64]
Bound = npt.ArrayLike | None

_LEAST_LEVEL = 5e-324


class Tails(ABC):
    """Evidence on one quantity per comparison; a subclass gives its tails and limits.

    The subclass promises that `above(t) <= level` exactly where `low_limit(level) >= t`, and
    `below(t) <= level` exactly where `high_limit(level) <= t`. So test and interval never part.
    """

    domain: tuple[float, float] = (-np.inf, np.inf)

    @property
    @abstractmethod
    def estimate(self) -> Array:
        """The point estimate; NaN where it is undefined."""

    @abstractmethod
    def above(self, t: Array) -> Array:
        """The p value of 'not above t': small where the quantity surely exceeds t."""

    @abstractmethod
    def below(self, t: Array) -> Array:
        """The p value of 'not below t': small where the quantity surely falls short of t."""

    @abstractmethod
    def low_limit(self, level: Array) -> Array:
        """The one-sided lower limit at `level`."""

    @abstractmethod
    def high_limit(self, level: Array) -> Array:
        """The one-sided upper limit at `level`."""

    def beyond(self, t: Array) -> Array:
        """Positive where the estimate lies above t, negative below; 0 where it is on t or undefined."""
        return np.nan_to_num(self.estimate - t, nan=0.0)

    def p_pass(self, lower: Bound, upper: Bound) -> Array:
        """The p value of 'outside the band': at most alpha where all the evidence lies inside [lower, upper].

        None or an infinite bound is an open end, and so is a bound that the quantity cannot pass.
        NaN where nothing can be tested.
        """
        low, high = _band(lower, upper)
        if np.all(low <= self.domain[0]) and np.all(high >= self.domain[1]):
            return np.where(np.isnan(self.above(np.asarray(0.5))), np.nan, 0.0)
        return np.maximum(self._above(low), self._below(high))

    def p_violation(self, lower: Bound, upper: Bound) -> Array:
        """The p value of 'inside the band': 1 where the estimate lies in the band; NaN if untestable."""
        low, high = _band(lower, upper)
        over, under = self._beyond(high) > 0, self._beyond(low) < 0
        p_over = self._above(high) + self._above(low)
        p_under = self._below(low) + self._below(high)
        p = np.where(over, p_over, np.where(under, p_under, 1.0))
        return np.where(np.isnan(p_over + p_under), np.nan, np.minimum(p, 1.0))

    def interval(self, alpha: npt.ArrayLike) -> tuple[Array, Array]:
        """The two-sided 1 − alpha interval that agrees with the tests.

        `p_pass <= a` exactly where `interval(2 * a)` lies inside the band, and `p_violation <= a`
        only where it lies outside. An infinite limit means no limit; NaN, nothing to say.
        """
        half = np.asarray(alpha, dtype=float) / 2
        return self.low_limit(half), self.high_limit(half)

    def _above(self, t: Array) -> Array:
        if np.all(t <= self.domain[0]):
            return np.zeros(t.shape)
        p = self.above(np.clip(t, *self.domain))
        return np.where(
            np.isnan(p), np.nan, np.where(t <= self.domain[0], 0.0, np.where(t >= self.domain[1], 1.0, p))
        )

    def _below(self, t: Array) -> Array:
        if np.all(t >= self.domain[1]):
            return np.zeros(t.shape)
        p = self.below(np.clip(t, *self.domain))
        return np.where(
            np.isnan(p), np.nan, np.where(t >= self.domain[1], 0.0, np.where(t <= self.domain[0], 1.0, p))
        )

    def _beyond(self, t: Array) -> Array:
        side = self.beyond(np.where(np.isfinite(t), t, 0.0))
        return np.where(np.isinf(t), -np.sign(t), side)


class Normal(Tails):
    """Evidence by one statistic z(t) that falls in t, referred to the normal or to Student's t."""

    df: Array

    @abstractmethod
    def z(self, t: Array) -> Array:
        """The estimate's distance from t in standard errors."""

    def above(self, t: Array) -> Array:
        return upper_tail(self.z(t), self.df)

    def below(self, t: Array) -> Array:
        return upper_tail(-self.z(t), self.df)


def _band(lower: Bound, upper: Bound) -> tuple[Array, Array]:
    low = np.asarray(-np.inf if lower is None else lower, dtype=float)
    high = np.asarray(np.inf if upper is None else upper, dtype=float)
    return low, high


def upper_tail(z: Array, df: Array) -> Array:
    """P(Z > z): normal where df is infinite, else Student's t.

    >>> round(float(upper_tail(np.array(1.96), np.array(np.inf))), 3)
    0.025
    """
    if np.all(np.isinf(df)):
        return special.ndtr(-z)
    return np.where(np.isinf(df), special.ndtr(-z), stats.t.sf(z, np.where(np.isinf(df), 1.0, df)))


def quantile(level: npt.ArrayLike, df: Array) -> Array:
    """The z whose upper tail is `level`.

    >>> round(float(quantile(0.025, np.array(10.0))), 3)
    2.228
    """
    a = np.maximum(np.asarray(level, dtype=float), _LEAST_LEVEL)
    if np.all(np.isinf(df)):
        return np.asarray(-special.ndtri(a))
    return np.where(np.isinf(df), -special.ndtri(a), stats.t.isf(a, np.where(np.isinf(df), 1.0, df)))


def distance(gap: Array, se: Array) -> Array:
    """gap / se, and ±inf or 0 by the gap's sign where se is 0.

    >>> distance(np.array([0.1, -0.1, 0.0]), np.array([0.05, 0.0, 0.0])).tolist()
    [2.0, -inf, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        certain = np.where(np.isnan(gap), np.nan, np.where(gap == 0, 0.0, np.copysign(np.inf, gap)))
        return np.where(se == 0, certain, gap / se)
