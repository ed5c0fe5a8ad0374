"""Evidence that looks at all pairs of groups: against the best, and differential fairness."""

from __future__ import annotations

import numpy as np

from audit.engine.evidence import TwoRates
from audit.engine.metrics.sample import Sample
from audit.engine.tails import Array, Bound

MOST_GROUPS = 300
"""Pairs grow with the square: beyond this many groups all pairs are not tested."""


def _pairs(sample: Sample, kind: str, deff: Array, df: Array) -> TwoRates:
    """Every ordered pair, shape (G, G): row group against column group."""
    assert sample.x is not None and sample.size is not None
    x, n = sample.x, sample.size
    size = len(x)
    shape = (size, size)
    return TwoRates(
        np.broadcast_to(x[:, None], shape),
        np.broadcast_to(n[:, None], shape),
        np.broadcast_to(x[None, :], shape),
        np.broadcast_to(n[None, :], shape),
        kind,
        np.maximum(deff[:, None], deff[None, :]),
        np.minimum(df[:, None], df[None, :]),
    )


class AgainstBest:
    """Each group against the highest rate, judged through every other group, since the best is chosen by looking.

    A group passes where it is shown inside the bound against each other group; it violates where
    Bonferroni over the others shows it outside against one of them. Source: Hsu, Multiple
    Comparisons (1996), chapter 4, for comparisons with the best.
    """

    def __init__(self, sample: Sample, kind: str, deff: Array, df: Array) -> None:
        self.pairs = _pairs(sample, kind, deff, df)
        self.others = max(1, len(sample) - 1)
        self._self = np.eye(len(sample), dtype=bool)

    def p_pass(self, lower: Bound, upper: Bound) -> Array:
        """The weakest pass over the other groups."""
        p = self.pairs.p_pass(_column(lower), None)
        return np.where(self._self, -np.inf, np.where(np.isnan(p), 1.0, p)).max(axis=1, initial=0.0)

    def p_violation(self, lower: Bound, upper: Bound) -> Array:
        """The strongest violation over the other groups, times their number."""
        p = self.pairs.p_violation(_column(lower), None)
        least = np.where(self._self, np.inf, np.where(np.isnan(p), 1.0, p)).min(axis=1, initial=1.0)
        return np.minimum(1.0, least * self.others)

    def interval(self, alpha: object) -> tuple[Array, Array]:
        """The least lower limit, and the least upper limit at the shared level."""
        level = _column(alpha)  # type: ignore[arg-type]
        low, _ = self.pairs.interval(level)
        _, high = self.pairs.interval(level / self.others)  # type: ignore[operator]
        lows = np.where(self._self | np.isnan(low), np.inf, low).min(axis=1)
        highs = np.where(self._self | np.isnan(high), np.inf, high).min(axis=1)
        return lows, highs


class EveryPair:
    """The largest |ln ratio| of a group's rates, of either outcome, to any other group's: differential fairness.

    Source: Foulds, Islam, Keya and Pan, ICDE 2020, definition 3.1; judged pair by pair, unsmoothed.
    """

    def __init__(self, sample: Sample, deff: Array, df: Array) -> None:
        from dataclasses import replace

        assert sample.x is not None and sample.size is not None
        flipped = replace(sample, x=sample.size - sample.x)
        self.both = [_pairs(part, "ratio", deff, df) for part in (sample, flipped)]
        self.tests = max(1, 2 * (len(sample) - 1))
        self._self = np.eye(len(sample), dtype=bool)

    def p_pass(self, lower: Bound, upper: Bound) -> Array:
        """The weakest pass over pairs and outcomes."""
        band = np.exp(_column(upper))
        parts = [pairs.p_pass(1 / band, band) for pairs in self.both]
        p = np.maximum(*(np.where(np.isnan(part), 1.0, part) for part in parts))
        return np.where(self._self, 0.0, p).max(axis=1, initial=0.0)

    def p_violation(self, lower: Bound, upper: Bound) -> Array:
        """The strongest violation over pairs and outcomes, times their number."""
        band = np.exp(_column(upper))
        parts = [pairs.p_violation(1 / band, band) for pairs in self.both]
        p = np.minimum(*(np.where(np.isnan(part), 1.0, part) for part in parts))
        least = np.where(self._self, 1.0, p).min(axis=1, initial=1.0)
        return np.minimum(1.0, least * self.tests)

    def interval(self, alpha: object) -> tuple[Array, Array]:
        """Limits of the largest |ln ratio|: the lower at the shared level, the upper at the level itself."""
        level = _column(alpha)  # type: ignore[arg-type]
        lows, highs = [], []
        with np.errstate(divide="ignore", invalid="ignore"):
            for pairs in self.both:
                low, high = (np.log(limit) for limit in pairs.interval(level / self.tests))  # type: ignore[operator]
                lows.append(np.maximum(0.0, np.maximum(low, -high)))
                low, high = (np.log(limit) for limit in pairs.interval(level))
                highs.append(np.maximum(np.abs(low), np.abs(high)))
        low, high = np.fmax(*lows), np.maximum(*highs)
        return (
            np.where(self._self | np.isnan(low), 0.0, low).max(axis=1),
            np.where(self._self, 0.0, np.where(np.isnan(high), np.inf, high)).max(axis=1),
        )


def _column(bound: Bound) -> Array:
    if bound is None:
        return np.array(np.inf)
    array = np.asarray(bound, dtype=float)
    return array[:, None] if array.ndim == 1 else array


def largest_log_ratio(sample: Sample) -> tuple[Array, tuple[int, ...]]:
    """Per group the largest |ln ratio| over pairs and outcomes, and the other group that attains it."""
    rate = sample.value
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [np.abs(np.log(part[:, None]) - np.log(part[None, :])) for part in (rate, 1 - rate)]
    both = np.fmax(*found)
    np.fill_diagonal(both, 0.0)
    safe = np.where(np.isnan(both), -1.0, both)
    partner = safe.argmax(axis=1) if len(rate) else np.zeros(0, dtype=int)
    value = safe.max(axis=1, initial=0.0)
    return np.where(np.isinf(value), np.nan, value), tuple(int(i) for i in partner)


def smoothed_epsilon(k: Array, n: Array) -> float:
    """Foulds' ε with one added row of each outcome per group (Dirichlet smoothing): described, never judged."""
    rate = (k + 1) / (n + 2)
    spread = [float(np.ptp(np.log(part))) for part in (rate, 1 - rate)]
    return max(spread) if len(rate) else 0.0
