"""Evidence on means of skewed values: Student's statistic, its skewness taken out by Hall's transformation.

Of errors and amounts the largest few carry the mean. Student's statistic then leans, and one of its
tails misses twice as often as it says. With T = (θ̂ − θ)/se, A the tilt and B the shift,

    x = ((1 + A·T)³ − 1) / (3A) + B  =  T + A·T² + A²·T³/3 + B

is referred to Student's t; it rises with T for every A, so that test and interval agree. For a mean,
A = γ/3 and B = γ/6, γ the third cumulant of the mean over se³. Source: Johnson 1978; Hall 1992,
'On the removal of skewness by transformation', section 2; degrees of freedom: Welch 1947, a side's own
2n/(κ − 1) by its kurtosis κ, since the variance of a heavy tail is known less well than n − 1 says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.engine.tails import Array, Normal, distance, quantile

_FAR = 4.0
_STEPS = 80
_FLAT = 1e-9


def straightened(statistic: Array, tilt: Array, shift: Array) -> Array:
    """Hall's transformation of Student's statistic.

    >>> round(float(straightened(np.array(-1.5), np.array(0.1), np.array(0.05))), 4)
    -1.2363
    """
    flat = np.abs(tilt) < _FLAT
    a = np.where(flat, 1.0, tilt)
    with np.errstate(invalid="ignore", over="ignore"):
        curved = np.where(np.isinf(statistic), statistic, ((1 + a * statistic) ** 3 - 1) / (3 * a))
    return np.asarray(np.where(flat, statistic, curved) + shift)


def _leaning(x: Array, tilt: Array, shift: Array) -> Array:
    """The statistic that `straightened` makes x of."""
    flat = np.abs(tilt) < _FLAT
    a = np.where(flat, 1.0, tilt)
    with np.errstate(invalid="ignore", over="ignore"):
        curved = (np.cbrt(1 + 3 * a * (x - shift)) - 1) / a
    return np.asarray(np.where(flat, x - shift, curved))


class Skewed(Normal):
    """An estimate with standard error, degrees of freedom, tilt and shift, an array entry each.

    NaN in estimate or error makes everything NaN; an error of 0 makes the estimate certain.

    >>> low, high = Skewed(1.0, 0.1, np.inf, 0.1, 0.05).interval(0.05)
    >>> round(float(low), 3), round(float(high), 3)
    (0.837, 1.265)
    """

    def __init__(
        self,
        estimate: npt.ArrayLike,
        se: npt.ArrayLike,
        df: npt.ArrayLike = np.inf,
        tilt: npt.ArrayLike = 0.0,
        shift: npt.ArrayLike = 0.0,
    ) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (estimate, se, df, tilt, shift)))
        self._estimate, self.se, self.df, self.tilt, self.shift = given

    @property
    def estimate(self) -> Array:
        """The estimate as given."""
        return self._estimate

    def z(self, t: Array) -> Array:
        return straightened(distance(self._estimate - t, self.se), self.tilt, self.shift)

    def low_limit(self, level: Array) -> Array:
        return self._limit(quantile(level, self.df))

    def high_limit(self, level: Array) -> Array:
        return self._limit(-quantile(level, self.df))

    def _limit(self, x: Array) -> Array:
        return np.asarray(self._estimate - _leaning(x, self.tilt, self.shift) * self.se)


class SkewedRatio(Normal):
    """The ratio of two means, to the power `power`, tested at t by the mean m₁ − t·m₂.

    Each side is (mean, variance of the mean, its third cumulant, degrees of freedom). NaN where the
    second mean is not above 0 by four standard errors, or the first lies below 0. Source: Fieller
    1954, with the transformation above.
    """

    domain = (0.0, np.inf)

    def __init__(
        self, mine: tuple[npt.ArrayLike, ...], theirs: tuple[npt.ArrayLike, ...], power: npt.ArrayLike = 1.0
    ) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (*mine, *theirs, power)))
        self.m1, self.v1, self.k1, self.n1, self.m2, self.v2, self.k2, self.n2, self.power = given
        sound = (self.m2 > _FAR * np.sqrt(self.v2)) & (self.m2 > 0) & (self.m1 >= 0)
        self.m1 = np.where(sound, self.m1, np.nan)

    @property
    def df(self) -> Array:  # type: ignore[override]
        """Welch's degrees of freedom at the estimate."""
        return self._df(np.nan_to_num(self.m1 / np.where(self.m2 > 0, self.m2, 1.0)))

    def _df(self, t: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            one, other = self.v1, t**2 * self.v2
            df = (one + other) ** 2 / (one**2 / self.n1 + other**2 / self.n2)
        return np.where(np.isfinite(df) & (df > 1), df, 1.0)

    @property
    def estimate(self) -> Array:
        """The ratio."""
        return np.asarray((self.m1 / np.where(self.m2 > 0, self.m2, np.nan)) ** self.power)

    def z(self, t: Array) -> Array:
        with np.errstate(over="ignore"):
            return self._z(np.asarray(t, dtype=float) ** (1 / self.power))

    def _z(self, t: Array) -> Array:
        """The statistic at the ratio t of the means themselves; its limit where t is infinite."""
        far = np.isinf(t)
        t = np.where(far, 1.0, t)
        se = np.sqrt(np.where(far, self.v2, self.v1 + t**2 * self.v2))
        gap = np.where(far, -self.m2, self.m1 - t * self.m2)
        k3 = np.where(far, -self.k2, self.k1 - t**3 * self.k2)
        with np.errstate(invalid="ignore", divide="ignore"):
            lean = np.where(se > 0, k3 / se**3, 0.0)
        return straightened(distance(gap, se), lean / 3, lean / 6)

    def low_limit(self, level: Array) -> Array:
        return self._limit(quantile(level, self.df))

    def high_limit(self, level: Array) -> Array:
        return self._limit(-quantile(level, self.df))

    def _limit(self, x: Array) -> Array:
        """Where the statistic, which falls as t rises, comes down to x: by halving, on u = t/(1 + t)."""
        scale = np.where(self.m1 > 0, self.m1 / np.where(self.m2 > 0, self.m2, 1.0), 1.0)
        shape = np.broadcast_shapes(np.shape(x), scale.shape)
        low, high = np.zeros(shape), np.ones(shape)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            above = self._z(scale * middle / (1 - middle)) > x
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        ends = np.where(
            self._z(np.full(shape, np.inf)) > x, np.inf, scale * high / np.maximum(1 - high, 1e-300)
        )
        ends = np.where(self._z(np.zeros(shape)) <= x, 0.0, ends)
        return np.asarray(np.where(np.isnan(self.m1), np.nan, ends**self.power))
