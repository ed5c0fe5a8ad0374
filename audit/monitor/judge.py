"""Count tables to findings: for each stream the evidence, the detector, the dates and the estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from audit.monitor import evidence as ev
from audit.monitor.evidence import Array
from audit.monitor.sequences import gap_sequence, rate_sequence
from audit.monitor.streams import Stream
from audit.monitor.tables import Tables

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
        for first in range(0, len(part), CHUNK):
            batch = _Batch(part[first : first + CHUNK], tables, windows, restarts or {})
            for found in batch.assess(mean_run, alpha, paths):
                made[found.stream.id] = found
    return tuple(made[stream.id] for stream in streams)


def _shape(stream: Stream) -> tuple[str, str, int, int]:
    return stream.comparison, stream.unit, stream.a, stream.b


class _Batch:
    """Streams whose tables have one shape."""

    def __init__(
        self, streams: Sequence[Stream], tables: Tables, windows: Sequence[int], restarts: Mapping[str, int]
    ) -> None:
        self.streams, self.windows = streams, windows
        self.comparison, self.unit, self.a, self.b = _shape(streams[0])
        self.counts = tables.dense([s.id for s in streams], windows, streams[0].cells)
        self.seen: NDArray[np.bool_] = np.asarray(self.counts.any(axis=-1), bool)
        starts = np.array([restarts.get(s.id, -(2**62)) for s in streams])
        self.live = self.seen & (np.asarray(windows, np.int64)[:, None] >= starts)

    def increments(self, side: str, bounds: Array) -> Array:
        """Each window's ln e-values per bet, (windows, streams, bets); 0 where there is no bound."""
        known = np.isfinite(bounds)
        safe = np.where(known, bounds, 0.5)
        if self.unit == "window":
            out = ev.window_increments(self.comparison, side, safe, self.counts)
        elif self.comparison == "rate":
            out = ev.log_increments(self.counts, ev.rate_bets(side, safe))
        else:
            out = ev.log_increments(self.counts, ev.block_bets(self.comparison, side, safe, self.a, self.b))
        return np.where(known[:, None], out, 0.0)

    def assess(self, mean_run: float, alpha: float, paths: bool) -> list[Assessment]:
        upper = _bounds([s.upper for s in self.streams])
        lower = _bounds([s.lower for s in self.streams])
        above, below = self.increments("above", upper), self.increments("below", lower)
        log_e = _two_sided(ev.mixture(above.sum(0)), ev.mixture(below.sum(0)), upper, lower)
        up, _ = ev.detector(above, self.live)
        down, _ = ev.detector(below, self.live)
        path = _two_sided(up, down, upper, lower)
        line = ev.alarm_line(mean_run, [s.weight for s in self.streams])
        fine = self._fine()
        reached: NDArray[np.bool_] = np.asarray((path >= line) & self.live, bool)
        values = _Values(self)
        low, high = values.limits(alpha)
        higher = ev.mixture(above.sum(0)) >= ev.mixture(below.sum(0))
        dated: NDArray[np.intp] = np.where(higher, _since(above), _since(below))
        out = []
        for k, stream in enumerate(self.streams):
            hit = np.flatnonzero(reached[:, k])
            rows, other = int(values.rows[k]), int(values.others[k])
            any_seen = bool(self.seen[:, k].any())
            live = bool(self.live[:, k].any())
            ok = float(fine[k]) >= float(np.log(1 / alpha))
            state = "alarm" if hit.size else "no data" if not live else "fine" if ok else "open"
            value = float(values.value[k]) if np.isfinite(values.value[k]) else None
            out.append(
                Assessment(
                    stream=stream,
                    windows=int(self.seen[:, k].sum()),
                    rows=rows,
                    reference_rows=other,
                    log_e=float(log_e[k]) if any_seen else 0.0,
                    log_detector=float(path[-1, k]) if live else None,
                    line=float(line[k]),
                    alarm=self.windows[int(hit[0])] if hit.size else None,
                    since=self.windows[int(dated[k])] if any_seen and (log_e[k] > 0 or hit.size) else None,
                    log_fine=float(fine[k]) if any_seen else 0.0,
                    state=state,
                    value=value,
                    low=_finite(low[k]),
                    high=_finite(high[k]),
                    why=None if value is not None else values.why(k),
                    path=tuple(path[:, k].tolist()) if paths else (),
                )
            )
        return out

    def _fine(self) -> Array:
        """ln of the lesser of the evidence for "under the upper" and "over the lower" bound."""
        upper = _bounds([s.fine_upper for s in self.streams])
        lower = _bounds([s.fine_lower for s in self.streams])
        live = self.live[..., None]
        below = np.where(live, self.increments("below", upper), 0.0).sum(axis=0)
        above = np.where(live, self.increments("above", lower), 0.0).sum(axis=0)
        under = np.where(np.isfinite(upper), ev.mixture(below), np.inf)
        over = np.where(np.isfinite(lower), ev.mixture(above), np.inf)
        least = np.minimum(under, over)
        return np.where(np.isfinite(least), least, 0.0)


class _Values:
    """The estimates over all windows, from the rows that entered blocks."""

    def __init__(self, batch: _Batch) -> None:
        self.batch = batch
        self.total = batch.counts.sum(axis=0)
        if batch.unit == "window":
            self.good, self.rows = self.total[:, 0], self.total[:, 1]
            pair = (
                (self.total[:, 2], self.total[:, 3]) if batch.comparison != "rate" else (self.rows * 0,) * 2
            )
            self.other_good, self.others = pair
        elif batch.comparison == "rate":
            self.good, self.rows = self.total[:, 1], self.total.sum(axis=1)
            self.other_good = self.others = self.rows * 0
        else:
            j = np.repeat(np.arange(batch.a + 1), batch.b + 1)
            k = np.tile(np.arange(batch.b + 1), batch.a + 1)
            blocks = self.total.sum(axis=1)
            self.good, self.rows = self.total @ j, blocks * batch.a
            self.other_good, self.others = self.total @ k, blocks * batch.b
        with np.errstate(divide="ignore", invalid="ignore"):
            rate, other = self.good / self.rows, self.other_good / self.others
            self.value = {"rate": rate, "difference": rate - other, "ratio": rate / other}[batch.comparison]

    def why(self, k: int) -> str:
        if not self.rows[k]:
            return "no blocks"
        return "the reference has no favourable outcome" if self.others[k] else "no reference rows"

    def limits(self, alpha: float) -> tuple[Array, Array]:
        batch = self.batch
        if batch.unit == "window":
            nothing = np.full(len(batch.streams), np.nan)
            return nothing, nothing
        if batch.comparison == "rate":
            return rate_sequence(self.good, self.rows, alpha)
        return gap_sequence(batch.comparison, self.total, batch.a, batch.b, alpha)


def _two_sided(above: Array, below: Array, upper: Array, lower: Array) -> Array:
    """The evidence of the sides that have a bound: the mean of two, or the one there is."""
    single = np.where(np.isfinite(lower), below, above)
    return np.where(np.isfinite(upper) & np.isfinite(lower), ev.both(above, below), single)


def _bounds(values: Sequence[float | None]) -> Array:
    return np.array([np.nan if value is None else value for value in values], float)


def _since(increments: Array) -> NDArray[np.intp]:
    if not increments.shape[0]:
        return np.zeros(increments.shape[1], np.intp)
    return ev.since(increments)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
