"""Score bins: one a score where there are few, else of equal width in logits, or over the scores' range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from audit.engine.cells import Cells

LOGIT_SPAN = math.log(1e6)
"""Scores under 1e-6 and over 1 − 1e-6 have the two outermost bins."""
OUTERMOST = 1e-6
Edges = tuple[float, ...]
Floats = npt.NDArray[np.float64]


def logit_edges(bins: int) -> Edges:
    """Lower edges of the bins over [0, 1], and 1."""
    inner = bins - 2
    logits = -LOGIT_SPAN + np.arange(inner + 1) * (2 * LOGIT_SPAN / inner)
    return (0.0, *(float(x) for x in 1 / (1 + np.exp(-logits))), 1.0)


def range_edges(low: float, high: float, bins: int) -> Edges:
    """Lower edges of bins of equal width, and the last upper edge."""
    return tuple(float(x) for x in np.linspace(low, high, bins + 1))


def value_edges(values: Floats) -> Edges:
    """Edges halfway between distinct ascending scores; the ends are 0 and 1 where all lie there.

    >>> value_edges(np.array([0.25, 0.75]))
    (0.0, 0.5, 1.0)
    >>> value_edges(np.array([1.0, 2.0, 4.0]))
    (1.0, 1.5, 3.0, 4.0)
    """
    before, after = values[:-1], values[1:]
    half = before / 2 + after / 2
    inner = np.where((half > before) & (half <= after), half, after)
    ends = (0.0, 1.0) if within_unit(values) else (values[0], values[-1])
    return (float(ends[0]), *(float(x) for x in inner), float(ends[1]))


def within_unit(values: Floats) -> bool:
    return bool(np.all(values >= 0) and np.all(values <= 1))


def by_value(tables: Sequence[Cells]) -> tuple[Edges, list[Cells]]:
    """Cells of one score each, with the score's place among all as their bin, and the bins' edges."""
    values = np.unique(np.concatenate([_scores(cells) for cells in tables]))
    numbered = [_rebinned(cells, np.searchsorted(values, _scores(cells))) for cells in tables]
    return value_edges(values), numbered


@dataclass(frozen=True)
class Binned:
    """What a read holds of its scores; the fields are those of Counts."""

    edges: Edges
    bins: int
    scores: tuple[Cells, ...]
    cells: tuple[Cells, ...]


def aligned(parts: Sequence[Binned]) -> list[Binned]:
    """All with one set of bins, as if their rows had been read together; as they are where none can be.

    All at once: a sum of two in bins over their range could not take up a third's scores beyond it.
    """
    found = [one_score_each(part.scores) for part in parts]
    apart = [values for values in found if values is not None]
    if len(apart) == len(parts):
        return _united(parts, np.unique(np.concatenate(apart)))
    shared = {part.edges for part, values in zip(parts, found, strict=True) if values is None}
    if len(shared) > 1:
        return list(parts)
    (edges,) = shared
    return [_joining(part, values, edges) for part, values in zip(parts, found, strict=True)]


def one_score_each(tables: Sequence[Cells]) -> Floats | None:
    """The distinct scores, where every bin holds rows of one score alone; else None."""
    has_score = [cells.keys["bin"] >= 0 for cells in tables]
    bins, low, high = (
        np.concatenate([np.asarray(of[held], np.float64) for of, held in zip(parts, has_score, strict=True)])
        for parts in (
            [cells.keys["bin"] for cells in tables],
            [cells.sums["low"] for cells in tables],
            [cells.sums["high"] for cells in tables],
        )
    )
    pairs = np.unique(np.stack([bins, low]), axis=1)
    alone = len(np.unique(pairs[0])) == pairs.shape[1] and np.array_equal(low, high)
    return np.unique(low) if alone else None


def _united(parts: Sequence[Binned], values: Floats) -> list[Binned]:
    bins = min(part.bins or len(part.edges) - 1 for part in parts)
    unit = within_unit(values)
    if len(values) <= bins:
        edges = value_edges(values)
    else:
        edges = logit_edges(bins) if unit else range_edges(float(values[0]), float(values[-1]), bins)
    return [_moved(part, edges, values, bins, unit=unit) for part in parts]


def _joining(part: Binned, values: Floats | None, edges: Edges) -> Binned:
    """Counts of one score a bin in the bins of others; as they are where a score lies outside of them."""
    bins = len(edges) - 1
    if values is None or part.edges == edges:
        return replace(part, bins=bins) if part.edges == edges else part
    ranged = _is_range(edges)
    fits = bool(np.all((edges[0] <= values) & (values <= edges[-1]))) if ranged else within_unit(values)
    return _moved(part, edges, values, bins, unit=not ranged) if fits else part


def _moved(counts: Binned, edges: Edges, values: Floats, bins: int, *, unit: bool) -> Binned:
    """The counts in other bins; beyond [0, 1] no score is summed, for no metric reads it as a probability."""
    places = _places(values, edges)
    scores = [_rebinned(cells, places[np.searchsorted(values, _scores(cells))]) for cells in counts.scores]
    cells = list(counts.cells)
    if not unit:
        scores, cells = ([_unsummed(table) for table in tables] for tables in (scores, cells))
    return Binned(edges, bins, *(tuple(table.merged() for table in tables) for tables in (scores, cells)))


def _places(values: Floats, edges: Edges) -> npt.NDArray[np.int64]:
    """The bin of each score, by the formula with which the engine bins."""
    bins = len(edges) - 1
    if edges == value_edges(values):
        return np.arange(len(values))
    if _is_range(edges):
        scale = bins / (edges[-1] - edges[0])
        number = np.where(values >= edges[-1], bins - 1.0, (values - edges[0]) * scale)
        return np.floor(number).astype(np.int64)
    return np.array([_logit_place(float(value), bins) for value in values], np.int64)


def _logit_place(score: float, bins: int) -> int:
    inner = bins - 2
    if score <= OUTERMOST:
        return 0
    if score >= 1 - OUTERMOST:
        return bins - 1
    return math.floor((math.log(score / (1 - score)) + LOGIT_SPAN) * (inner / (2 * LOGIT_SPAN))) + 1


def _is_range(edges: Edges) -> bool:
    """Whether these are bins of equal width."""
    bins = len(edges) - 1
    return edges[0] < edges[-1] and edges == range_edges(edges[0], edges[-1], bins)


def _scores(cells: Cells) -> Floats:
    """The least score of each cell that has any."""
    return np.asarray(cells.sums["low"][cells.keys["bin"] >= 0], np.float64)


def _rebinned(cells: Cells, places: npt.NDArray[np.int64]) -> Cells:
    bins = cells.keys["bin"].copy()
    bins[bins >= 0] = places
    return replace(cells, keys={**cells.keys, "bin": bins})


def _unsummed(cells: Cells) -> Cells:
    keys = {**cells.keys}
    if "tenth" in keys:
        keys["tenth"] = np.full_like(keys["tenth"], -1)
    gone = {name: np.zeros_like(values) for name, values in cells.sums.items() if name.endswith("s")}
    return replace(cells, keys=keys, sums={**cells.sums, **gone})
