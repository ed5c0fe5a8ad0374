"""Formulas of the multiclass family, on rows by group, label and prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.engine.cells import FIXED, Cells
from audit.engine.groups import Floats, Index, place
from audit.engine.metrics import distributions
from audit.engine.metrics.decisions import SELECTIVE
from audit.engine.metrics.sample import Flags, Mean, Sample, no_buckets, reasons
from audit.engine.sums import BUCKETS
from audit.registry import Metric

if TYPE_CHECKING:
    from audit.engine.tables import Tables


def sample(metric: Metric, tables: Tables, grouping: tuple[str, ...], side: str) -> Sample:
    """The metric by group; with side `rest`, of everyone else for each group."""
    cells, classes = tables.cells(grouping), len(tables.counts.classes)
    if metric.name in distributions.DISTANCES:
        table = tables.cached(("predictions", grouping), lambda: _predictions(cells, grouping, classes))
        return distributions.distribution(table, distributions.DISTANCES[metric.name], side)
    made = _macro_f1(cells, grouping, classes, side)
    return made.undefined_where(tables.unlabelled_class(grouping, side), SELECTIVE)


def _predictions(cells: Cells, grouping: tuple[str, ...], classes: int) -> distributions.Table:
    index, groups = place(cells, grouping)
    shape = (len(groups), classes)
    return distributions.tabulated(cells, index, cells.keys["prediction"], shape, np.arange(float(classes)))


def _macro_f1(cells: Cells, grouping: tuple[str, ...], classes: int, side: str) -> Mean:
    """The mean of the classes' F1, linearised: ψ(i, j) = ([i = j]·2/D_i − F_i/D_i − F_j/D_j)/K."""
    index, groups = place(cells, grouping)
    known = cells.keys["label"] >= 0
    index, cells = index[known], cells.where(known)
    label, prediction = cells.keys["label"], cells.keys["prediction"]
    shape = (len(groups), classes, classes)
    flat = (index * classes + label) * classes + prediction

    def table(name: str) -> Floats:
        values = cells.sums[name].astype(np.float64) / (1 if name == "n" else FIXED)
        summed = (
            np.bincount(flat, weights=values, minlength=int(np.prod(shape))).astype(np.float64).reshape(shape)
        )
        return summed.sum(axis=0) - summed if side == "rest" else summed

    n = table("n")
    w, w2 = (table("w"), table("w2")) if "w" in cells.sums else (n, n)
    right, size = np.einsum("gkk->gk", w), w.sum(axis=1) + w.sum(axis=2)
    value, f1, kept = _mean_f1(right, size)
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = np.where(size > 0, f1 / size, 0.0)
        push = np.where(size > 0, 2 / size, 0.0)
    influence = -(pull[:, :, None] + pull[:, None, :])
    influence[:, np.arange(classes), np.arange(classes)] += push
    rows = n.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt((w2 * influence**2).sum(axis=(1, 2)) * rows / np.maximum(rows - 1, 1)) / kept
    leave: Floats = no_buckets(len(groups))
    occupied: Flags = np.zeros((len(groups), 0), dtype=bool)
    if "bucket" in cells.keys:
        leave, occupied = _leave_out(cells, index, len(groups), classes, side)
    why = reasons(np.isnan(value), "no row with label and prediction")
    return Mean(value, rows, why, np.where(rows > 1, se, np.nan), leave, occupied)


def _mean_f1(right: Floats, size: Floats) -> tuple[Floats, Floats, Floats]:
    """The mean over the classes that occur (size > 0), each class's F1, and how many occur."""
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(size > 0, 2 * right / size, 0.0)
        kept = (size > 0).sum(axis=-1).astype(np.float64)
        value = f1.sum(axis=-1) / np.where(kept > 0, kept, np.nan)
    return value, f1, kept


def _leave_out(cells: Cells, index: Index, size: int, classes: int, side: str) -> tuple[Floats, Flags]:
    """Macro F1 without each cluster bucket, and which buckets have rows."""
    name = "w" if "w" in cells.sums else "n"
    values = cells.sums[name].astype(np.float64)
    label, prediction = cells.keys["label"], cells.keys["prediction"]
    base = (index * BUCKETS + cells.keys["bucket"]) * classes
    shape = (size, BUCKETS, classes)

    def table(codes: Index, weights: Floats) -> Floats:
        summed = np.bincount(base + codes, weights=weights, minlength=int(np.prod(shape)))
        made = summed.astype(np.float64).reshape(shape)
        return made.sum(axis=0) - made if side == "rest" else made

    right = table(label, np.where(label == prediction, values, 0.0))
    both = table(label, values) + table(prediction, values)
    left = [part.sum(axis=1, keepdims=True) - part for part in (right, both)]
    return _mean_f1(*left)[0], both.sum(axis=2) > 0
