"""A stream over time, for the plots: the estimate, its confidence sequence and the detector, by window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.monitor.judge import Assessment
from audit.monitor.sequences import gap_sequence, rate_sequence
from audit.monitor.tables import Tables

POINTS = 40
"""Windows that are drawn; of more, as many evenly spaced ones, the last among them."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was known at the end of one window, from all windows up to it."""

    window: int
    value: float | None
    low: float | None
    high: float | None
    detector: float | None
    """ln of the detector; None before its first block."""


def series(one: Assessment, tables: Tables, alpha: float) -> tuple[Point, ...]:
    """The points of one stream, in the order of time; none where no window held a block."""
    stream = one.stream
    windows = tables.windows()
    counts = tables.dense([stream.id], windows, stream.cells)[:, 0]
    seen = counts.any(axis=1)
    if not seen.any():
        return ()
    first = int(np.argmax(seen))
    picked = np.unique(
        np.linspace(first, len(windows) - 1, min(POINTS, len(windows) - first)).round().astype(int)
    )
    total = np.cumsum(counts, axis=0)[picked]
    good, rows, other_good, others = _sums(one, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate, other = good / rows, other_good / others
        value = {"rate": rate, "difference": rate - other, "ratio": rate / other}[stream.comparison]
    low, high = _limits(one, total, good, rows, alpha)
    path = one.path if len(one.path) == len(windows) else (None,) * len(windows)
    return tuple(
        Point(windows[w], _finite(value[i]), _finite(low[i]), _finite(high[i]), _finite(path[w]))
        for i, w in enumerate(picked.tolist())
    )


def _sums(one: Assessment, total: np.ndarray) -> tuple[np.ndarray, ...]:
    """Favourable and all rows of the group and of the reference."""
    stream = one.stream
    nothing = np.zeros(len(total), np.int64)
    if stream.unit == "window":
        pair = (total[:, 2], total[:, 3]) if stream.comparison != "rate" else (nothing, nothing)
        return total[:, 0], total[:, 1], *pair
    if stream.comparison == "rate":
        return total[:, 1], total.sum(axis=1), nothing, nothing
    j = np.repeat(np.arange(stream.a + 1), stream.b + 1)
    k = np.tile(np.arange(stream.b + 1), stream.a + 1)
    blocks = total.sum(axis=1)
    return total @ j, blocks * stream.a, total @ k, blocks * stream.b


def _limits(
    one: Assessment, total: np.ndarray, good: np.ndarray, rows: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    stream = one.stream
    if stream.unit == "window":
        nothing = np.full(len(total), np.nan)
        return nothing, nothing
    if stream.comparison == "rate":
        return rate_sequence(good, rows, alpha)
    return gap_sequence(stream.comparison, total, stream.a, stream.b, alpha)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
