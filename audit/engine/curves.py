"""The score bins that the plots draw: few enough to print, fine enough to read."""

from __future__ import annotations

import numpy as np

from audit.engine.groups import MISSING, Floats
from audit.engine.scored import Scored
from audit.engine.tables import Tables
from audit.result import ScoreBins

PLOT_BINS = 100
MOST_GROUPS = 50
"""Groups per attribute that get curves: the largest."""


Spans = tuple[tuple[float, float], ...]


def curves(tables: Tables) -> tuple[tuple[float, ...], Spans, tuple[ScoreBins, ...]]:
    """Edges, the least and greatest score between them, and bins for everyone and each attribute's groups."""
    if not tables.counts.scores:
        return (), (), ()
    everyone = tables.scored(())
    starts = _starts(everyone.n.sum(axis=(0, 2)))
    edges = tables.counts.edges
    kept = (*(edges[start] for start in starts), edges[-1])
    made: list[ScoreBins] = []
    for grouping in ((), *(grouping for grouping in tables.groupings if len(grouping) == 1)):
        made += _bins(tables.scored(grouping), grouping, starts)
    return kept, _spans(everyone, starts, kept[1:]), tuple(made)


def _starts(rows: Floats) -> list[int]:
    """First fine bins of plot bins that each hold about an equal share of rows."""
    share = np.cumsum(rows) / rows.sum()
    level = np.floor(np.concatenate([[0.0], share[:-1]]) * PLOT_BINS).astype(int)
    return [0, *(int(i) for i in np.flatnonzero(np.diff(level) > 0) + 1)]


def _spans(everyone: Scored, starts: list[int], ends: tuple[float, ...]) -> Spans:
    least = np.minimum.reduceat(everyone.low.min(axis=(0, 2)), starts)
    greatest = np.maximum.reduceat(everyone.high.max(axis=(0, 2)), starts)
    return tuple(
        (float(low), float(high)) if low <= high else (end, end)
        for low, high, end in zip(least, greatest, ends, strict=True)
    )


def _bins(scored: Scored, grouping: tuple[str, ...], starts: list[int]) -> list[ScoreBins]:
    rows = np.add.reduceat(scored.w, starts, axis=1)
    middle = scored.middle
    labelled = slice(0, MISSING)
    sums = np.add.reduceat(scored.w[:, :, labelled] * middle[:, :, labelled], starts, axis=1).sum(axis=2)
    both = rows[:, :, labelled].sum(axis=2)
    largest = sorted(range(len(scored)), key=lambda i: -scored.n[i].sum())[:MOST_GROUPS]
    return [
        ScoreBins(
            grouping,
            scored.groups[index],
            tuple(float(v) for v in rows[index, :, 1]),
            tuple(float(v) for v in rows[index, :, 0]),
            tuple(float(v) for v in rows[index, :, MISSING]),
            tuple(
                float(total / count) if count else None
                for total, count in zip(sums[index], both[index], strict=True)
            ),
        )
        for index in sorted(largest)
    ]
