"""Confidence sequences: intervals that hold at all times together, for the plots.

Each is the set of values that the e-process of `evidence` has not refuted, so a plot cannot
contradict an alarm: at probability 1 − α the truth lies inside at every look.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, xlog1py, xlogy

from audit.monitor.evidence import Array, block_bets, log_increments, mixture

STEPS = 50
LARGEST_RATIO = 100.0


def rate_sequence(successes: ArrayLike, rows: ArrayLike, alpha: float) -> tuple[Array, Array]:
    """Limits for one rate from s of n rows, by the beta-binomial mixture (Robbins 1970).

    >>> low, high = rate_sequence(30, 100, 0.05)
    >>> round(float(low), 3), round(float(high), 3)
    (0.166, 0.463)
    """
    s, n = np.broadcast_arrays(np.asarray(successes, float), np.asarray(rows, float))
    wealth = betaln(s + 0.5, n - s + 0.5) - betaln(0.5, 0.5)

    def kept(p: Array) -> Array:
        return np.asarray(wealth - xlogy(s, p) - xlog1py(n - s, -p) < -np.log(alpha))

    centre = s / np.maximum(n, 1)
    low = _edge(kept, np.zeros_like(centre), centre)
    high = _edge(kept, np.ones_like(centre), centre)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def gap_sequence(comparison: str, tables: ArrayLike, a: int, b: int, alpha: float) -> tuple[Array, Array]:
    """Limits for a difference or ratio of two rates from a table of blocks, shape (…, cells).

    Each side is refuted at α/2. A difference lies in [−1, 1]; a ratio's limit that is not found
    below 100 is infinite, so that a reader can say "no upper limit".
    """
    counts = np.asarray(tables)
    line = np.log(2 / alpha)

    def kept(side: str) -> Callable[[Array], Array]:
        return lambda x: np.asarray(
            mixture(log_increments(counts, block_bets(comparison, side, x, a, b))) < line
        )

    shape = counts.shape[:-1]
    least, most = (-1.0, 1.0) if comparison == "difference" else (0.0, LARGEST_RATIO)
    low = _edge(kept("above"), np.full(shape, least), np.full(shape, most))
    high = _edge(kept("below"), np.full(shape, most), np.full(shape, least))
    if comparison == "ratio":
        high = np.where(high >= LARGEST_RATIO, np.inf, high)
    return low, high


def _edge(kept: Callable[[Array], Array], outer: Array, inner: Array) -> Array:
    """The point nearest `outer` that is kept, by bisection; `inner` is taken as kept."""
    free = kept(outer)
    out, inn = outer.copy(), inner.copy()
    for _ in range(STEPS):
        middle = (out + inn) / 2
        inside = kept(middle)
        inn = np.where(inside, middle, inn)
        out = np.where(inside, out, middle)
    return np.where(free, outer, out)
