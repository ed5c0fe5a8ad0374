"""A stream over time, for the plots: the estimate, its confidence sequence and the detector, by window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.monitor.judge import Assessment
from audit.monitor.tables import Tables
from audit.monitor.values import values

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
    total = total.reshape(len(picked), stream.parts, -1)
    centres = np.array(stream.centres) if stream.centres else None
    found = values(stream.comparison, stream.unit, stream.a, stream.b, total, alpha, centres)
    path = one.path if len(one.path) == len(windows) else (None,) * len(windows)
    return tuple(
        Point(
            windows[w],
            _finite(found.value[i]),
            _finite(found.low[i]),
            _finite(found.high[i]),
            _finite(path[w]),
        )
        for i, w in enumerate(picked.tolist())
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
