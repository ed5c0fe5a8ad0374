"""Intervals of a single proportion, over arrays of counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]


def clopper_pearson(x: npt.ArrayLike, n: npt.ArrayLike, alpha: npt.ArrayLike) -> tuple[Array, Array]:
    """The exact two-sided 1 − alpha interval of a proportion: never covers less than it says.

    `x` of `n` rows, any shapes that broadcast; both may be effective (fractional) counts. Where
    n is 0 both limits are NaN, for the caller to turn into an undefined estimate.
    Source: Clopper and Pearson, Biometrika 26 (1934).

    >>> low, high = clopper_pearson(0, 30, 0.05)
    >>> float(low), round(float(high), 4)
    (0.0, 0.1157)
    """
    half = np.asarray(alpha, dtype=float) / 2
    return lower_limit(x, n, half), upper_limit(x, n, half)


def lower_limit(x: npt.ArrayLike, n: npt.ArrayLike, level: npt.ArrayLike) -> Array:
    """The exact lower limit that fails with probability at most `level`; 0 where x is 0.

    >>> round(float(lower_limit(5, 5, 0.025)), 4)
    0.4782
    """
    k, size, a = _counts(x, n, level)
    with np.errstate(invalid="ignore"):
        low = special.betaincinv(np.maximum(k, _TINY), size - k + 1, a)
    return np.where(size > 0, np.where(k > 0, low, 0.0), np.nan)


def upper_limit(x: npt.ArrayLike, n: npt.ArrayLike, level: npt.ArrayLike) -> Array:
    """The exact upper limit that fails with probability at most `level`; 1 where x is n.

    >>> round(float(upper_limit(0, 5, 0.025)), 4)
    0.5218
    """
    k, size, a = _counts(x, n, level)
    with np.errstate(invalid="ignore"):
        high = special.betainccinv(k + 1, np.maximum(size - k, _TINY), a)
    return np.where(size > 0, np.where(k < size, high, 1.0), np.nan)


def wilson(x: npt.ArrayLike, n: npt.ArrayLike, alpha: npt.ArrayLike) -> tuple[Array, Array]:
    """The two-sided 1 − alpha score interval of a proportion: it describes and judges nothing.

    Its coverage is near 1 − alpha on average, but one side alone may fail up to four times as
    often as alpha / 2 promises. NaN where n is 0.
    Source: Wilson, JASA 22 (1927).

    >>> [round(float(limit), 4) for limit in wilson(3, 30, 0.05)]
    [0.0346, 0.2562]
    """
    k, size, a = _counts(x, n, alpha)
    return wilson_at(k / np.where(size > 0, size, np.nan), size, -special.ndtri(a / 2))


def wilson_at(p: npt.ArrayLike, n: npt.ArrayLike, z: npt.ArrayLike) -> tuple[Array, Array]:
    """The score limits of a proportion `p` on `n` rows at the normal quantile `z`.

    A negative z gives the limits in exchanged order, so that each runs over (0, 1) as z does.

    >>> [round(float(limit), 4) for limit in wilson_at(0.5, 100, 1.96)]
    [0.4038, 0.5962]
    """
    rate, size, q = (np.asarray(v, dtype=float) for v in (p, n, z))
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = q * q / size
        middle = (rate + weight / 2) / (1 + weight)
        reach = q / (1 + weight) * np.sqrt(rate * (1 - rate) / size + weight / (4 * size))
    return np.clip(middle - reach, 0.0, 1.0), np.clip(middle + reach, 0.0, 1.0)


_TINY = 1e-300


def _counts(x: npt.ArrayLike, n: npt.ArrayLike, level: npt.ArrayLike) -> tuple[Array, Array, Array]:
    size = np.asarray(n, dtype=float)
    k = np.clip(np.asarray(x, dtype=float), 0.0, np.maximum(size, 0.0))
    k, size, a = np.broadcast_arrays(k, size, np.asarray(level, dtype=float))
    return k, size, a
