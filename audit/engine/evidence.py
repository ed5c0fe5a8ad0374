"""What the counts say about a rate, a difference or a ratio: one statistic for test, verdict and interval.

Every class holds arrays, one entry per comparison, and answers the same questions: `estimate`,
`p_pass`, `p_violation`, `interval`. Nothing here loops over comparisons.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine.auc import Auc, AucDifference
from audit.engine.intervals import lower_limit, upper_limit
from audit.engine.odds import OddsDifference
from audit.engine.stratified import MantelHaenszel
from audit.engine.tails import Array, Bound, Normal, Tails, distance, quantile, upper_tail
from audit.engine.two_rates import TwoRates

__all__ = [
    "Auc",
    "AucDifference",
    "Evidence",
    "FromZero",
    "Linearised",
    "LogLinearised",
    "LogitLinearised",
    "MantelHaenszel",
    "OddsDifference",
    "OneRate",
    "Overall",
    "TwoRates",
]


class Evidence(Protocol):
    """What every kind of evidence answers, an array entry per comparison; see `Tails` for the meaning."""

    @property
    def estimate(self) -> Array: ...

    def p_pass(self, lower: Bound, upper: Bound) -> Array: ...

    def p_violation(self, lower: Bound, upper: Bound) -> Array: ...

    def interval(self, alpha: npt.ArrayLike) -> tuple[Array, Array]: ...


class OneRate(Tails):
    """One proportion, x of n, judged by exact binomial tails (Clopper–Pearson).

    `deff` divides the counts; a finite `df` widens the tails as Student's t widens the normal's.
    NaN where n is 0.

    >>> [round(float(limit), 4) for limit in OneRate(0, 30, deff=1).interval(0.05)]
    [0.0, 0.1157]
    """

    domain = (0.0, 1.0)

    def __init__(
        self, x: npt.ArrayLike, n: npt.ArrayLike, deff: npt.ArrayLike = 1.0, df: npt.ArrayLike = np.inf
    ) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x, n, deff, df)))
        rows, size, spread, self.df = given
        self.n = np.where(size > 0, size, np.nan) / spread
        self.x = np.clip(rows / spread, 0.0, self.n)

    @property
    def estimate(self) -> Array:
        """x / n."""
        return np.asarray(self.x / self.n)

    def above(self, t: Array) -> Array:
        exact = special.betainc(np.where(self.x > 0, self.x, 1.0), self.n - self.x + 1, t)
        return self._widened(np.where(self.x > 0, exact, self.n * 0 + 1))

    def below(self, t: Array) -> Array:
        rest = self.n - self.x
        exact = special.betaincc(self.x + 1, np.where(rest > 0, rest, 1.0), t)
        return self._widened(np.where(rest > 0, exact, self.n * 0 + 1))

    def low_limit(self, level: Array) -> Array:
        return lower_limit(self.x, self.n, self._narrowed(level))

    def high_limit(self, level: Array) -> Array:
        return upper_limit(self.x, self.n, self._narrowed(level))

    def _widened(self, p: Array) -> Array:
        return p if np.all(np.isinf(self.df)) else upper_tail(-special.ndtri(p), self.df)

    def _narrowed(self, level: Array) -> Array:
        return level if np.all(np.isinf(self.df)) else special.ndtr(-quantile(level, self.df))


class Linearised(Normal):
    """An estimate with a standard error, referred to the normal or to Student's t.

    For metrics that are no proportion (balanced accuracy, Matthews correlation, means). A standard
    error of 0 makes the estimate certain; NaN in either makes everything NaN.

    >>> [round(float(limit), 2) for limit in Linearised(0.1, 0.05).interval(0.05)]
    [0.0, 0.2]
    """

    def __init__(self, estimate: npt.ArrayLike, se: npt.ArrayLike, df: npt.ArrayLike = np.inf) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (estimate, se, df)))
        self._estimate, self.se, self.df = given

    @property
    def estimate(self) -> Array:
        """The estimate as given."""
        return self._estimate

    def z(self, t: Array) -> Array:
        return distance(self._estimate - t, self.se)

    def low_limit(self, level: Array) -> Array:
        return np.asarray(self._estimate - quantile(level, self.df) * self.se)

    def high_limit(self, level: Array) -> Array:
        return np.asarray(self._estimate + quantile(level, self.df) * self.se)


class LogitLinearised(Normal):
    """A value in (0, 1) with its standard error, judged on the logit scale.

    `least` and `most` are what is known of the value itself: the lower limit starts from the one, the
    upper from the other. NaN where the value is 0 or 1.

    >>> [round(float(limit), 3) for limit in LogitLinearised(0.8, 0.8, 0.8, 0.02).interval(0.05)]
    [0.758, 0.836]
    """

    domain = (0.0, 1.0)

    def __init__(
        self, estimate: npt.ArrayLike, least: npt.ArrayLike, most: npt.ArrayLike, se: npt.ArrayLike
    ) -> None:
        value, low, high, error = (np.asarray(v, dtype=float) for v in (estimate, least, most, se))
        inside = (value > 0) & (value < 1)
        self._estimate = value
        self._error = error / np.where(inside, value * (1 - value), np.nan)
        with np.errstate(divide="ignore"):
            self._low, self._high = special.logit(low), special.logit(high)
        self.df = np.asarray(np.inf)

    @property
    def estimate(self) -> Array:
        """The value as given."""
        return self._estimate

    def z(self, t: Array) -> Array:
        return distance(special.logit(self._estimate) - special.logit(t), self._error)

    def above(self, t: Array) -> Array:
        with np.errstate(divide="ignore"):
            return upper_tail(distance(self._low - special.logit(t), self._error), self.df)

    def below(self, t: Array) -> Array:
        with np.errstate(divide="ignore"):
            return upper_tail(distance(special.logit(t) - self._high, self._error), self.df)

    def low_limit(self, level: Array) -> Array:
        return np.asarray(special.expit(self._low - quantile(level, self.df) * self._error))

    def high_limit(self, level: Array) -> Array:
        return np.asarray(special.expit(self._high + quantile(level, self.df) * self._error))


class FromZero:
    """A distance, which chance alone keeps above 0: [max(0, T − q), T + q].

    q is the quantile of ‖e* − ê‖, the distance between what was measured and what might have been,
    whose logarithm has the mean `centre` and the standard deviation `spread`. The lower limit errs at
    most as often as its level says, by the triangle inequality; it is 0 where chance can explain the
    whole. A norm of normal noise is so near log-normal that a few hundred draws give its quantiles.

    >>> low, high = FromZero([0.3], [0.3], [0.3], np.log([0.1]), [0.3]).interval(0.05)
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.136, 0.464)
    """

    def __init__(
        self,
        estimate: npt.ArrayLike,
        least: npt.ArrayLike,
        most: npt.ArrayLike,
        centre: npt.ArrayLike,
        spread: npt.ArrayLike,
    ) -> None:
        given = (np.asarray(v, dtype=float) for v in (estimate, least, most, centre, spread))
        self.estimate, self._least, self._most, self._centre, self._spread = given

    def interval(self, alpha: float) -> tuple[Array, Array]:
        """Limits at 1 − alpha."""
        q = np.exp(self._centre - special.ndtri(alpha) * self._spread)
        return np.where(np.isnan(self._least), np.nan, np.maximum(self._least - q, 0.0)), self._most + q


class LogLinearised(Normal):
    """A positive ratio with the standard error of its logarithm; NaN where the estimate is not above 0.

    >>> [round(float(limit), 3) for limit in LogLinearised(1.0, 0.1).interval(0.05)]
    [0.822, 1.217]
    """

    domain = (0.0, np.inf)

    def __init__(self, estimate: npt.ArrayLike, se_log: npt.ArrayLike, df: npt.ArrayLike = np.inf) -> None:
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (estimate, se_log, df)))
        value, self.se_log, self.df = given
        self._log = np.log(np.where(value > 0, value, np.nan))

    @property
    def estimate(self) -> Array:
        """The ratio."""
        return np.exp(self._log)

    def z(self, t: Array) -> Array:
        with np.errstate(divide="ignore"):
            return distance(self._log - np.log(t), self.se_log)

    def low_limit(self, level: Array) -> Array:
        return np.asarray(np.exp(self._log - quantile(level, self.df) * self.se_log))

    def high_limit(self, level: Array) -> Array:
        return np.asarray(np.exp(self._log + quantile(level, self.df) * self.se_log))


class Overall:
    """A group against everyone, itself included, from the evidence against the rest.

    With w the group's share of the denominator, d_overall = (1 − w)·d_rest and
    r_overall = r / (1 − w + w·r): both rise with the comparison against the rest, so bounds are
    carried back and limits forward, and no test changes. Where the rest's rate is 0 the ratio
    against everyone is 1/w, defined although r is not.

    >>> rest = TwoRates(30, 100, 180, 900, "difference")
    >>> round(float(Overall(rest, 0.1, "difference").estimate), 3)
    0.09
    """

    def __init__(self, rest: Evidence, share: npt.ArrayLike, kind: str) -> None:
        if kind not in ("difference", "ratio"):
            raise ValueError(f"kind is 'difference' or 'ratio', not {kind!r}")
        self.rest = rest
        self.share = np.asarray(share, dtype=float)
        self.ratio = kind == "ratio"

    @property
    def estimate(self) -> Array:
        """The difference from, or ratio to, the rate of everyone."""
        against_rest = self.rest.estimate
        if isinstance(self.rest, TwoRates) and self.ratio:
            against_rest = np.where((self.rest.x2 == 0) & (self.rest.x1 > 0), np.inf, against_rest)
        return self._forward(against_rest)

    def p_pass(self, lower: Bound, upper: Bound) -> Array:
        """As `Tails.p_pass`, of the comparison with everyone."""
        return self.rest.p_pass(self._back(lower), self._back(upper))

    def p_violation(self, lower: Bound, upper: Bound) -> Array:
        """As `Tails.p_violation`, of the comparison with everyone."""
        return self.rest.p_violation(self._back(lower), self._back(upper))

    def interval(self, alpha: npt.ArrayLike) -> tuple[Array, Array]:
        """As `Tails.interval`, of the comparison with everyone."""
        low, high = self.rest.interval(alpha)
        return self._forward(low), self._forward(high)

    def _forward(self, value: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            if not self.ratio:
                return (1 - self.share) * value
            finite = value / (1 - self.share + self.share * value)
            return np.where(np.isposinf(value), 1 / self.share, finite)

    def _back(self, bound: Bound) -> Bound:
        if bound is None:
            return None
        value = np.asarray(bound, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            if not self.ratio:
                return np.asarray(value / (1 - self.share))
            room = 1 - self.share * value
            return np.where(room > 0, value * (1 - self.share) / room, np.where(value > 0, np.inf, -np.inf))
