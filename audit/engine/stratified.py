"""Two groups compared within strata: the common difference and ratio of Mantel and Haenszel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.engine import score
from audit.engine.sampling import design_effect, jackknife
from audit.engine.tails import Array, Normal, distance, quantile, upper_tail
from audit.engine.two_rates import SMALL_COUNT


class MantelHaenszel(Normal):
    """The common `difference` or `ratio` of two proportions over strata, from counts (comparisons, strata).

    Sato's variance for the difference, Greenland and Robins' for the logarithm of the ratio; both
    hold for few large and for many sparse strata. A stratum without rows of both groups counts
    for nothing. Where successes or failures of a group are under 5 over all strata, the verdict
    must also follow from the stratified score statistic, which alone decides where the ratio
    itself is undefined. NaN where no stratum has both groups.
    Source: Sato, Biometrics 45 (1989); Greenland and Robins, Biometrics 41 (1985); Laud (2017), section 2.

    >>> common = MantelHaenszel([[30, 40]], [[100, 80]], [[30, 40]], [[150, 100]], "difference")
    >>> round(float(common.estimate[0]), 4)
    0.1
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
    ) -> None:
        if kind not in ("difference", "ratio"):
            raise ValueError(f"kind is 'difference' or 'ratio', not {kind!r}")
        a1, m1, a2, m2 = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x1, n1, x2, n2)))
        spread, self.df = (np.broadcast_to(np.asarray(v, dtype=float), a1.shape[:-1]) for v in (deff, df))
        both = (m1 > 0) & (m2 > 0)
        self.counts = tuple(np.where(both, v, 0.0) / spread[..., None] for v in (a1, m1, a2, m2))
        self.ratio = kind == "ratio"
        self.domain = (0.0, np.inf) if self.ratio else (-1.0, 1.0)
        self._any = both.any(axis=-1)
        c1, s1, c2, s2 = self.counts
        totals = np.stack([v.sum(axis=-1) for v in (c1, s1 - c1, c2, s2 - c2)])
        self._few = (totals.min(axis=0) < SMALL_COUNT) & self._any
        with np.errstate(divide="ignore", invalid="ignore"):
            self._point, self.se = self._greenland_robins() if self.ratio else self._sato()

    @property
    def estimate(self) -> Array:
        """The common difference, or the common ratio."""
        if not self.ratio:
            return self._point
        over, under = self._sums()
        return over / np.where(under > 0, under, np.nan)

    def z(self, t: Array) -> Array:
        """The estimate's distance from t by its own standard error; NaN where the ratio is undefined."""
        with np.errstate(divide="ignore"):
            return distance(self._point - (np.log(t) if self.ratio else t), self.se)

    def score(self, t: Array) -> Array:
        """The stratified score statistic at t, strata weighted as by Mantel and Haenszel."""
        x1, n1, x2, n2 = self.counts
        at = np.where(np.isinf(t), 1e300, t)[..., None]
        used = (n1 > 0) & (n2 > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            w = np.where(used, n1 * n2 / (n1 + n2), 0.0)
            m = score.moments(x1, n1, x2, n2, at + 0 * x1, ratio=self.ratio)
            powers = ((1, m.contrast), (2, m.variance), (3, m.third))
            parts = [np.where(used, w**k * part, 0.0).sum(axis=-1) for k, part in powers]
        return np.where(self._any, score.standardise(*parts), np.nan)

    def beyond(self, t: Array) -> Array:
        """The weighted sum of p1 − p2 − t, or of p1 − t·p2: defined where the ratio is not."""
        if not self.ratio:
            return super().beyond(t)
        over, under = self._sums()
        return np.nan_to_num(over - t * under, nan=0.0)

    def above(self, t: Array) -> Array:
        return self._both(super().above(t), upper_tail(self.score(t), self.df))

    def below(self, t: Array) -> Array:
        return self._both(super().below(t), upper_tail(-self.score(t), self.df))

    def low_limit(self, level: Array) -> Array:
        q = quantile(level, self.df)
        plain = self._point - q * self.se
        return self._hull(np.exp(plain) if self.ratio else plain, q, np.fmin)

    def high_limit(self, level: Array) -> Array:
        q = quantile(level, self.df)
        plain = self._point + q * self.se
        return self._hull(np.exp(plain) if self.ratio else plain, -q, np.fmax)

    def _both(self, plain: Array, by_score: Array) -> Array:
        return np.where(self._few, np.fmax(plain, by_score), plain)

    def _hull(self, plain: Array, q: Array, widest: np.ufunc) -> Array:
        limit = np.array(np.clip(plain, *self.domain))
        if not self._few.any():
            return limit
        ends = np.zeros_like(limit) + (0.0 if self.ratio else -1.0), np.ones_like(limit)
        with np.errstate(divide="ignore"):
            if self.ratio:
                share = score.falling_root(lambda s: self.score(s / (1 - s)) - q, *ends)
                by_score = share / (1 - share)
            else:
                by_score = score.falling_root(lambda t: self.score(t) - q, *ends)
        return np.where(self._few, widest(limit, by_score), limit)

    def _sums(self) -> tuple[Array, Array]:
        x1, n1, x2, n2 = self.counts
        total = np.where(n1 + n2 > 0, n1 + n2, 1.0)
        return (x1 * n2 / total).sum(axis=-1), (x2 * n1 / total).sum(axis=-1)

    def _sato(self) -> tuple[Array, Array]:
        x1, n1, x2, n2 = self.counts
        total = np.where(n1 + n2 > 0, n1 + n2, 1.0)
        over, under = self._sums()
        weight = np.where(self._any, (n1 * n2 / total).sum(axis=-1), np.nan)
        d = (over - under) / weight
        p = ((n1**2 * x2 - n2**2 * x1 + n1 * n2 * (n2 - n1) / 2) / total**2).sum(axis=-1)
        q = ((x1 * (n2 - x2) + x2 * (n1 - x1)) / (2 * total)).sum(axis=-1)
        return d, np.sqrt(np.maximum(d * p + q, 0.0)) / weight

    def _greenland_robins(self) -> tuple[Array, Array]:
        x1, n1, x2, n2 = self.counts
        total = np.where(n1 + n2 > 0, n1 + n2, 1.0)
        over, under = self._sums()
        defined = (over > 0) & (under > 0)
        spread = ((x1 + x2) * n1 * n2 / total**2 - x1 * x2 / total).sum(axis=-1)
        log = np.where(defined, np.log(over) - np.log(under), np.nan)
        return log, np.where(defined, np.sqrt(np.maximum(spread, 0.0) / (over * under)), np.nan)


def clustered_strata(x1: Array, n1: Array, x2: Array, n2: Array, kind: str) -> tuple[Array, Array]:
    """Design effect and degrees of freedom of a common difference or ratio, from counts by cluster group.

    The counts have the shape (comparisons, strata, cluster groups). The common estimate itself is
    jackknifed, the ratio's on the log scale, since a cluster may lie in several strata and on both sides.

    >>> size = np.full((1, 2, 4), 5.0)
    >>> x = np.array([[[5, 0, 5, 0], [0, 5, 5, 0]]])
    >>> [round(float(v[0]), 2) for v in clustered_strata(x, size, 5 - x, size, "difference")]
    [13.33, 3.0]
    """
    counts = [np.asarray(v, dtype=float) for v in (x1, n1, x2, n2)]
    totals = [v.sum(axis=-1) for v in counts]
    occupied = (counts[1] + counts[3]).sum(axis=1) > 0
    whole = MantelHaenszel(totals[0], totals[1], totals[2], totals[3], kind)
    a1, m1, a2, m2 = (
        np.moveaxis(total[..., None] - part, -1, 0) for total, part in zip(totals, counts, strict=True)
    )
    without = MantelHaenszel(a1, m1, a2, m2, kind)
    variance = jackknife(whole._point, np.moveaxis(without._point, 0, -1), occupied)
    groups = occupied.sum(axis=-1)
    mean_rows = (totals[1] + totals[3]).sum(axis=-1) / np.maximum(groups, 1)
    deff = design_effect(variance, whole.se**2, otherwise=mean_rows)
    return np.where(np.isnan(deff), np.maximum(mean_rows, 1.0), deff), np.maximum(groups - 1, 1).astype(float)
