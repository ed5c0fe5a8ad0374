"""Evidence that looks at all pairs of groups: against the best, and differential fairness."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.engine.evidence import TwoRates
from audit.engine.groups import Floats, Index
from audit.engine.metrics.sample import Rate, Sample
from audit.engine.tails import Array, Bound

MOST_GROUPS = 300
"""Pairs grow with the square: beyond this many groups all pairs are not tested."""


def pair_arguments(sample: Rate, chosen: Index) -> tuple[Floats, ...]:
    """For each chosen group its comparison with every other, flat; and how many others each has."""
    size = len(sample)
    deff, df = sample.clusters()
    first = np.repeat(chosen, size - 1)
    second = np.concatenate([np.delete(np.arange(size), i) for i in chosen]) if len(chosen) else first
    return (
        sample.x[first],
        sample.size[first],
        sample.x[second],
        sample.size[second],
        np.maximum(deff[first], deff[second]),
        np.minimum(df[first], df[second]),
        np.full(len(chosen), size - 1.0),
    )


class _Pairs:
    """Comparisons that are each a run of pairs."""

    def __init__(self, others: Array) -> None:
        self.others = others
        self._runs = others.astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self._runs)[:-1]]).astype(np.int64)

    def spread(self, bound: Bound) -> Array:
        """A bound or level per comparison, repeated for its pairs; a leading axis stays."""
        array = np.asarray(np.inf if bound is None else bound, dtype=float)
        whole = np.broadcast_to(array, np.broadcast_shapes(array.shape, self.others.shape))
        return np.repeat(whole, self._runs, axis=-1)

    def over(self, function: np.ufunc, values: Array) -> Array:
        """The largest or least over each comparison's pairs."""
        reduced: Array = function.reduceat(values, self._starts, axis=-1)
        return reduced


class AgainstBest(_Pairs):
    """Each group against the best rate, judged through every other group, since the best is chosen by
    looking.

    The best is the highest rate, so that only the lower bound can be missed; with `lowest` the lowest, and
    the upper bound. A group passes where it is shown inside that bound against each other group; it
    violates where Bonferroni over the others shows it outside against one of them. Source: Hsu,
    Multiple Comparisons (1996), chapter 4, for comparisons with the best.
    """

    def __init__(
        self,
        x1: Array,
        n1: Array,
        x2: Array,
        n2: Array,
        deff: Array,
        df: Array,
        others: Array,
        *,
        kind: str,
        lowest: bool = False,
    ) -> None:
        super().__init__(others)
        self.pairs = TwoRates(x1, n1, x2, n2, kind, deff, df)
        self.lowest = lowest

    def _bounds(self, lower: Bound, upper: Bound) -> tuple[Bound, Bound]:
        return (None, self.spread(upper)) if self.lowest else (self.spread(_open(lower)), None)

    def p_pass(self, lower: Bound, upper: Bound) -> Array:
        """The weakest pass over the other groups."""
        p = self.pairs.p_pass(*self._bounds(lower, upper))
        return self.over(np.maximum, np.where(np.isnan(p), 1.0, p))

    def p_violation(self, lower: Bound, upper: Bound) -> Array:
        """The strongest violation over the other groups, times their number."""
        p = self.pairs.p_violation(*self._bounds(lower, upper))
        return np.minimum(1.0, self.over(np.minimum, np.where(np.isnan(p), 1.0, p)) * self.others)

    def interval(self, alpha: npt.ArrayLike) -> tuple[Array, Array]:
        """The least lower limit, and the least upper at the shared level; with `lowest` the greatest.

        No group lies beyond the best of all, so neither limit does.
        """
        parity = 1.0 if self.pairs.ratio else 0.0
        own = self.spread(alpha)
        shared = self.spread(np.asarray(alpha, dtype=float) / self.others)
        lows, highs = self.pairs.interval(np.stack([own, shared]))
        if self.lowest:
            low, high = lows[1], highs[0]
            ends = (np.where(np.isnan(v), end, v) for v, end in ((low, -np.inf), (high, np.inf)))
            least, most = (np.maximum(self.over(np.maximum, v), parity) for v in ends)
            return least, most
        low, high = lows[0], highs[1]
        ends = (np.where(np.isnan(v), end, v) for v, end in ((low, -np.inf), (high, np.inf)))
        least, most = (np.minimum(self.over(np.minimum, v), parity) for v in ends)
        return least, most


def _open(lower: Bound) -> Bound:
    return -np.inf if lower is None else lower


class EveryPair(_Pairs):
    """The largest |ln ratio| of a group's rates, of either outcome, to any other group's.

    Source: Foulds, Islam, Keya and Pan, ICDE 2020, definition 3.1; judged pair by pair, unsmoothed.
    """

    def __init__(
        self, x1: Array, n1: Array, x2: Array, n2: Array, deff: Array, df: Array, others: Array
    ) -> None:
        super().__init__(others)
        self.both = (
            TwoRates(x1, n1, x2, n2, "ratio", deff, df),
            TwoRates(n1 - x1, n1, n2 - x2, n2, "ratio", deff, df),
        )

    def p_pass(self, lower: Bound, upper: Bound) -> Array:
        """The weakest pass over pairs and outcomes."""
        band = np.exp(self.spread(upper))
        parts = [pairs.p_pass(1 / band, band) for pairs in self.both]
        return self.over(np.maximum, np.maximum(*(np.where(np.isnan(p), 1.0, p) for p in parts)))

    def p_violation(self, lower: Bound, upper: Bound) -> Array:
        """The strongest violation over pairs and outcomes, times their number."""
        band = np.exp(self.spread(upper))
        parts = [pairs.p_violation(1 / band, band) for pairs in self.both]
        least = self.over(np.minimum, np.minimum(*(np.where(np.isnan(p), 1.0, p) for p in parts)))
        return np.minimum(1.0, least * 2 * self.others)

    def interval(self, alpha: npt.ArrayLike) -> tuple[Array, Array]:
        """Limits of the largest |ln ratio|: the lower at the shared level, the upper at the level itself."""
        own = self.spread(alpha)
        shared = self.spread(np.asarray(alpha, dtype=float) / (2 * self.others))
        lows, highs = [], []
        for pairs in self.both:
            with np.errstate(divide="ignore", invalid="ignore"):
                low, high = (np.log(limit) for limit in pairs.interval(np.stack([own, shared])))
                lows.append(np.maximum(0.0, np.maximum(low[1], -high[1])))
                highs.append(np.maximum(np.abs(low[0]), np.abs(high[0])))
        least, most = np.fmax(*lows), np.maximum(*highs)
        return (
            self.over(np.maximum, np.where(np.isnan(least), 0.0, least)),
            self.over(np.maximum, np.where(np.isnan(most), np.inf, most)),
        )


def largest_log_ratio(sample: Sample) -> tuple[Floats, tuple[int, ...]]:
    """Per group the largest |ln ratio| to any other group's rate, of either outcome, and that other group.

    The other is the group of the highest or of the lowest rate. NaN where a rate of 0 or 1 makes
    the ratio infinite, and where the group's own rate is undefined.
    """
    value = np.zeros(len(sample))
    partner = np.zeros(len(sample), dtype=np.int64)
    defined = ~np.isnan(sample.value)
    for rate in (sample.value, 1 - sample.value):
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(rate)
            for other in (
                int(np.where(defined, log, -np.inf).argmax()),
                int(np.where(defined, log, np.inf).argmin()),
            ):
                distance = np.where(log == log[other], 0.0, np.abs(log - log[other]))
                partner = np.where(distance > value, other, partner)
                value = np.where(distance > value, distance, value)
    partner = np.where(partner == np.arange(len(sample)), (partner + 1) % len(sample), partner)
    return np.where(np.isinf(value) | ~defined, np.nan, value), tuple(int(i) for i in partner)
