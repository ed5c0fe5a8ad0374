"""Count tables to findings: for each stream the evidence, the detector, the dates and the estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from audit.monitor import evidence as ev
from audit.monitor.evidence import Array
from audit.monitor.streams import Stream
from audit.monitor.tables import Tables
from audit.monitor.values import Values, values

CHUNK = 500
"""Streams worked on at once: memory stays flat however many there are."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the tables say of one stream."""

    stream: Stream
    windows: int
    """Windows that held a block."""
    rows: int
    reference_rows: int
    log_e: float
    """ln of the evidence that the bounds were ever broken; 0 is none."""
    log_detector: float | None
    """ln of the detector after the last window; None where no window held a block."""
    line: float
    """ln(A / w): the detector's alarm line."""
    alarm: int | None
    """The first window in which the detector reached its line, since the restart."""
    since: int | None
    """The window from which the evidence is greatest."""
    log_fine: float
    """ln of the evidence that the value lies inside the bounds."""
    state: str
    """alarm, fine, open (neither is shown), or no data."""
    value: float | None
    low: float | None
    high: float | None
    """Confidence sequence, valid at all times; None is no limit, or not given for window blocks."""
    why: str | None
    """Set exactly where value is None."""
    at: float | None = None
    """Of a distance: the score of the cut at which it is largest."""
    path: tuple[float, ...] = field(default=(), repr=False)
    """ln of the detector after each window."""


def assess(
    streams: Sequence[Stream],
    tables: Tables,
    *,
    mean_run: float,
    alpha: float = 0.05,
    restarts: Mapping[str, int] | None = None,
    paths: bool = False,
) -> tuple[Assessment, ...]:
    """Every stream judged, in the order given.

    `mean_run` is A, in windows: on average at most one false alarm of all streams together in A
    windows. `restarts` gives for a stream the first window of its present epoch (after an alarm
    was closed): the detector begins there anew, and its promise holds for each epoch; a restart
    does not renew the baseline's sampling error. `alpha` is the level of "fine" and of the limits.
    """
    windows = tables.windows()
    made: dict[str, Assessment] = {}
    ordered = sorted(streams, key=_shape)
    for _, same in groupby(ordered, key=_shape):
        part = list(same)
        size = max(1, CHUNK // part[0].parts)
        for first in range(0, len(part), size):
            batch = _Batch(part[first : first + size], tables, windows, restarts or {})
            for found in batch.assess(mean_run, alpha, paths):
                made[found.stream.id] = found
    return tuple(made[stream.id] for stream in streams)


def _shape(stream: Stream) -> tuple[str, str, int, int, int, bool]:
    return stream.comparison, stream.unit, stream.a, stream.b, stream.parts, bool(stream.centres)


class _Batch:
    """Streams whose tables have one shape."""

    def __init__(
        self, streams: Sequence[Stream], tables: Tables, windows: Sequence[int], restarts: Mapping[str, int]
    ) -> None:
        self.streams, self.windows = streams, windows
        one = streams[0]
        self.comparison, self.unit, self.a, self.b = one.comparison, one.unit, one.a, one.b
        flat = tables.dense([s.id for s in streams], windows, one.cells)
        self.seen: NDArray[np.bool_] = np.asarray(flat.any(axis=-1), bool)
        self.counts = flat.reshape(*flat.shape[:2], one.parts, one.cells // one.parts)
        starts = np.array([restarts.get(s.id, -(2**62)) for s in streams])
        self.live = self.seen & (np.asarray(windows, np.int64)[:, None] >= starts)

    def increments(self, side: str, bounds: Array) -> Array:
        """Each window's ln e-values per part and bet, (windows, streams, parts, bets); 0 without a bound."""
        known = np.isfinite(bounds)
        safe = np.where(known, bounds, 0.5)
        if self.unit == "window":
            out = ev.window_increments(self.comparison, side, safe, self.counts)
        elif self.comparison == "rate":
            out = ev.log_increments(self.counts, ev.rate_bets(side, safe))
        else:
            out = ev.log_increments(self.counts, ev.block_bets(self.comparison, side, safe, self.a, self.b))
        return np.where(known[..., None], out, 0.0)

    def assess(self, mean_run: float, alpha: float, paths: bool) -> list[Assessment]:
        lower, upper = _bounds(self.streams)
        above, below = (_flat(self.increments(s, b)) for s, b in (("above", upper), ("below", lower)))
        lower, upper = lower[:, 0], upper[:, 0]
        log_e = _two_sided(ev.mixture(above.sum(0)), ev.mixture(below.sum(0)), upper, lower)
        up, _ = ev.detector(above, self.live)
        down, _ = ev.detector(below, self.live)
        path = _two_sided(up, down, upper, lower)
        line = ev.alarm_line(mean_run, [s.weight for s in self.streams])
        fine = self._fine()
        reached: NDArray[np.bool_] = np.asarray((path >= line) & self.live, bool)
        found = self.values(alpha)
        higher = ev.mixture(above.sum(0)) >= ev.mixture(below.sum(0))
        dated: NDArray[np.intp] = np.where(higher, _since(above), _since(below))
        out = []
        for k, stream in enumerate(self.streams):
            hit = np.flatnonzero(reached[:, k])
            any_seen = bool(self.seen[:, k].any())
            live = bool(self.live[:, k].any())
            ok = float(fine[k]) >= float(np.log(1 / alpha))
            state = "alarm" if hit.size else "no data" if not live else "fine" if ok else "open"
            value = _finite(found.value[k])
            out.append(
                Assessment(
                    stream=stream,
                    windows=int(self.seen[:, k].sum()),
                    rows=int(found.rows[k]),
                    reference_rows=int(found.others[k]),
                    log_e=float(log_e[k]) if any_seen else 0.0,
                    log_detector=float(path[-1, k]) if live else None,
                    line=float(line[k]),
                    alarm=self.windows[int(hit[0])] if hit.size else None,
                    since=self.windows[int(dated[k])] if any_seen and (log_e[k] > 0 or hit.size) else None,
                    log_fine=float(fine[k]) if any_seen else 0.0,
                    state=state,
                    value=value,
                    low=_finite(found.low[k]),
                    high=_finite(found.high[k]),
                    why=None if value is not None else self.why(found, k),
                    at=None if value is None or not stream.centres else stream.cuts[int(found.at[k])],
                    path=tuple(path[:, k].tolist()) if paths else (),
                )
            )
        return out

    def values(self, alpha: float) -> Values:
        """The estimates over all windows, from the rows that entered blocks."""
        centres = np.array([s.centres for s in self.streams]) if self.streams[0].centres else None
        return values(self.comparison, self.unit, self.a, self.b, self.counts.sum(axis=0), alpha, centres)

    def why(self, found: Values, k: int) -> str:
        """Why a stream has no value."""
        if not found.rows[k]:
            return "no row with a score in a block" if self.streams[k].reads else "no blocks"
        return "the reference has no favourable outcome" if found.others[k] else "no reference rows"

    def _fine(self) -> Array:
        """ln of the least of the evidence for "under the upper" and "over the lower" bound, at any part."""
        lower, upper = _bounds(self.streams, fine=True)
        live = self.live[..., None, None]
        below = np.where(live, self.increments("below", upper), 0.0).sum(axis=0)
        above = np.where(live, self.increments("above", lower), 0.0).sum(axis=0)
        under = np.where(np.isfinite(upper), ev.mixture(below), np.inf).min(axis=-1)
        over = np.where(np.isfinite(lower), ev.mixture(above), np.inf).min(axis=-1)
        least = np.minimum(under, over)
        return np.where(np.isfinite(least), least, 0.0)


def _flat(increments: Array) -> Array:
    """Parts and bets as one axis: a mean over it is the mean over all bets at all cuts."""
    windows, streams, parts, bets = increments.shape
    return increments.reshape(windows, streams, parts * bets)


def _two_sided(above: Array, below: Array, upper: Array, lower: Array) -> Array:
    """The evidence of the sides that have a bound: the mean of two, or the one there is."""
    single = np.where(np.isfinite(lower), below, above)
    return np.where(np.isfinite(upper) & np.isfinite(lower), ev.both(above, below), single)


def _bounds(streams: Sequence[Stream], *, fine: bool = False) -> tuple[Array, Array]:
    """Lower and upper bounds, (streams, parts); NaN where there is none."""
    low, high = zip(*(stream.limits(fine=fine) for stream in streams), strict=True)
    return np.array(low, float), np.array(high, float)


def _since(increments: Array) -> NDArray[np.intp]:
    if not increments.shape[0]:
        return np.zeros(increments.shape[1], np.intp)
    return ev.since(increments)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
