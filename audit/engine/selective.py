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
    comes with its grouping; `has_label` tells of each kind of row whether it has one.
    """
    tested = []
    for grouping, cells in histograms:
        if "label" not in cells.keys:
            return UNKNOWN if len(np.unique(has_label)) > 1 else None
        rows, known, groups = _by_bin(cells, grouping)
        for index, group in enumerate(groups):
            bands = _bands(rows[index], known[index])
            if bands is not None:
                named = f" of {grouping[0]} {group_name(group)}" if grouping else ""
                tested.append((*_uneven(*bands), named))
    found = [(gap, words, named) for p, gap, words, named in tested if p <= CHANCE / len(tested)]
    gap, words, named = max(found, default=(0.0, "", ""))
    return f"label coverage runs from {words} over the predictions{named}" if gap > least_gap else None


def _by_bin(
    cells: Cells, grouping: tuple[str, ...]
) -> tuple[Floats, Floats, tuple[tuple[str | None, ...], ...]]:
    """Rows, and rows with a label, by group and bin of the prediction."""
    index, groups = place(cells, grouping)
    bins, column = np.unique(cells.keys["bin"], return_inverse=True)
    flat, shape = index * len(bins) + column, (len(groups), len(bins))
    n, labelled = cells.sums["n"], cells.keys["label"] >= 0
    rows = exact_sum(n, flat, len(groups) * len(bins))
    known = exact_sum(n[labelled], flat[labelled], len(groups) * len(bins))
    return rows.astype(np.float64).reshape(shape), known.astype(np.float64).reshape(shape), groups


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
