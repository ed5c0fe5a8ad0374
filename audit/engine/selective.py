"""Whether labels of predicted numbers are there for some predictions far more often than for others."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.engine.cells import Cells
from audit.engine.groups import Floats, exact_sum, place
from audit.engine.metrics.sample import LEAST_ROWS
from audit.result import group_name

BANDS = 10
"""Bands of like many rows into which a group's predictions are cut, from the lowest up."""
CHANCE = 0.001
"""Coverage that differs as far as chance alone would make it more often than this is let be."""
CROWDED = 0.8
"""A share of a group's rows in one bin over which its bins say nothing of where the labels are."""
HIDDEN = (
    "some rows have no label, and the farthest predictions stretch the bins so that {share:.0%} of the "
    "rows{of} lie in one: whether labels are there for all predictions alike cannot be told"
)
UNKNOWN = (
    "some rows have no label, and the counts, which an earlier version took, do not say at which predictions"
)


def over_predictions(
    histograms: Iterable[tuple[tuple[str, ...], Cells]], has_label: npt.NDArray[np.bool_], least_gap: float
) -> str | None:
    """Why labels are too unevenly present over the predicted numbers for a pass, or None.

    The label coverage of each group, and of everyone, is compared between bands of its predictions that
    hold 30 rows or more: by the widest gap, which must exceed `least_gap`, and by a χ² test of equal
    coverage, Bonferroni over the groups, so that a gap of few rows is not taken for a choice. Each histogram
    comes with its grouping. Where one bin holds
    nearly all of a group, nothing can be told; `has_label` tells of each kind of row whether it has one.
    """
    tested = []
    for grouping, cells in histograms:
        if "label" not in cells.keys:
            return UNKNOWN if len(np.unique(has_label)) > 1 else None
        rows, known, groups, varied = _by_bin(cells, grouping)
        for index, group in enumerate(groups):
            named = f" of {grouping[0]} {group_name(group)}" if grouping else ""
            crowd = _crowded(rows[index], known[index], varied, least_gap)
            if crowd is not None:
                return HIDDEN.format(share=crowd, of=named)
            bands = _bands(rows[index], known[index])
            if bands is not None:
                tested.append((*_uneven(*bands), named))
    found = [(gap, words, named) for p, gap, words, named in tested if p <= CHANCE / len(tested)]
    gap, words, named = max(found, default=(0.0, "", ""))
    return f"label coverage runs from {words} over the predictions{named}" if gap > least_gap else None


def _by_bin(
    cells: Cells, grouping: tuple[str, ...]
) -> tuple[Floats, Floats, tuple[tuple[str | None, ...], ...], npt.NDArray[np.bool_]]:
    """Rows and labelled rows by group and bin, the groups, and which bins hold unlike predictions."""
    index, groups = place(cells, grouping)
    bins, column = np.unique(cells.keys["bin"], return_inverse=True)
    flat, shape = index * len(bins) + column, (len(groups), len(bins))
    n, labelled = cells.sums["n"], cells.keys["label"] >= 0
    rows = exact_sum(n, flat, len(groups) * len(bins))
    known = exact_sum(n[labelled], flat[labelled], len(groups) * len(bins))
    low, high = np.full(len(bins), np.inf), np.full(len(bins), -np.inf)
    np.minimum.at(low, column, cells.sums["low"].astype(np.float64))
    np.maximum.at(high, column, cells.sums["high"].astype(np.float64))
    rows, known = (part.astype(np.float64).reshape(shape) for part in (rows, known))
    return rows, known, groups, low < high


def _crowded(rows: Floats, known: Floats, varied: npt.NDArray[np.bool_], least_gap: float) -> float | None:
    """The share of a group in its fullest bin, where that bin hides unlike predictions of unlike coverage."""
    bin_ = int(rows.argmax())
    share, coverage = rows[bin_] / rows.sum(), known[bin_] / max(rows[bin_], 1.0)
    hides = varied[bin_] and rows[bin_] >= 2 * LEAST_ROWS and least_gap < coverage < 1 - least_gap
    return float(share) if hides and share > CROWDED else None


def _bands(rows: Floats, known: Floats) -> tuple[Floats, Floats] | None:
    """Rows and labelled rows of the bands that hold LEAST_ROWS or more; None where fewer than two do."""
    total = rows.sum()
    bands = int(min(BANDS, total // LEAST_ROWS))
    if bands < 2:
        return None
    middle = (np.cumsum(rows) - rows / 2) / total
    band = np.minimum((middle * bands).astype(np.int64), bands - 1)
    held, labelled = (
        np.bincount(band, weights=part, minlength=bands).astype(np.float64) for part in (rows, known)
    )
    enough = held >= LEAST_ROWS
    return (held[enough], labelled[enough]) if enough.sum() > 1 else None


def _uneven(rows: Floats, known: Floats) -> tuple[float, float, str]:
    """The p value of equal coverage, the widest gap of coverage, and its two ends in words."""
    share, overall = known / rows, known.sum() / rows.sum()
    low, high = float(share.min()), float(share.max())
    if low == high:
        return 1.0, 0.0, ""
    spread = (rows * (share - overall) ** 2).sum() / (overall * (1 - overall))
    return float(stats.chi2.sf(spread, len(rows) - 1)), high - low, f"{low:.0%} to {high:.0%}"
