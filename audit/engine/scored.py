"""Score sums per group: bins in order, their rows by label, and what the ties in them allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from audit.engine.cells import FIXED, Array, Cells
from audit.engine.groups import (
    MISSING,
    Floats,
    Groups,
    Index,
    exact_sum,
    place,
    scaled_sum,
)
from audit.engine.sums import BUCKETS
from audit.result import Group

TENTHS = 10


@dataclass(frozen=True)
class Scored:
    """Scores by group. Label axis: negative, positive, missing.

    `n`, `w`, `w2` rows, weights, squared weights by (G, bin, label), without weights all the same
    array; `s`, `ss` sums of scores and squared scores by (G, label), weighted; `s2`, `ss2` the same
    under squared weights; `low`, `high` the least and greatest score by (G, bin, label); `tenths`
    rows (weighted), positives and score sums of labelled rows by (G, 10, 3).
    """

    groups: tuple[Group, ...]
    n: Floats
    w: Floats
    w2: Floats
    s: Floats
    ss: Floats
    s2: Floats
    ss2: Floats
    low: Floats
    high: Floats
    tenths: Floats
    unit: bool
    """Scores lie in [0, 1], so that they can be read as probabilities."""

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def middle(self) -> Floats:
        """The middle of each bin's scores, by (G, bin, label); 0 where it is empty."""
        seen = self.low <= self.high
        return np.where(seen, np.where(seen, self.low, 0.0) + np.where(seen, self.high, 0.0), 0.0) / 2

    def take(self, index: Index) -> Scored:
        """The groups at these places."""
        chosen = {name: getattr(self, name)[index] for name in (*_ADDED, "low", "high")}
        return replace(self, groups=tuple(self.groups[i] for i in index), **chosen)

    def rest(self) -> Scored:
        """For each group all the others together; extremes are those of everyone."""
        others = {name: (v := getattr(self, name)).sum(axis=0, keepdims=True) - v for name in _ADDED}
        low = np.broadcast_to(self.low.min(axis=0, keepdims=True), self.low.shape)
        high = np.broadcast_to(self.high.max(axis=0, keepdims=True), self.high.shape)
        return replace(self, low=low, high=high, **others)


_ADDED = ("n", "w", "w2", "s", "ss", "s2", "ss2", "tenths")


def by_tenth(cells: Cells) -> Cells:
    """The score cells without their bins: far fewer, and all that sums of scores need."""
    keys = {
        "label": cells.keys["label"],
        "tenth": cells.keys["tenth"],
        "scored": (cells.keys["bin"] >= 0).astype(np.int64),
    }
    sums = {name: values for name, values in cells.sums.items() if name not in ("low", "high")}
    return replace(cells, keys=keys, sums=sums).merged()


def tabulate_scores(cells: Cells, tenths: Cells, grouping: tuple[str, ...], bins: int) -> Scored:
    """Sum the score cells by group, bin and label, and those by tenth; no group without a score is lost."""
    index, groups = place(cells, grouping)
    size = len(groups)
    has_score = cells.keys["bin"] >= 0
    if not has_score.all():
        index, cells = index[has_score], cells.where(has_score)
    flat = (index * bins + cells.keys["bin"]) * 3 + _label(cells)
    shape = (size, bins, 3)
    n = exact_sum(cells.sums["n"], flat, size * bins * 3).astype(np.float64).reshape(shape)
    weighted = "w" in cells.sums
    w = scaled_sum(cells.sums["w"], flat, size * bins * 3).reshape(shape) if weighted else n
    w2 = scaled_sum(cells.sums["w2"], flat, size * bins * 3).reshape(shape) if weighted else n
    low, high = np.full(size * bins * 3, np.inf), np.full(size * bins * 3, -np.inf)
    np.minimum.at(low, flat, cells.sums["low"].astype(np.float64))
    np.maximum.at(high, flat, cells.sums["high"].astype(np.float64))
    index = place(tenths, grouping)[0]
    has_score = tenths.keys["scored"] == 1
    index, tenths = index[has_score], tenths.where(has_score)
    by_label = index * 3 + _label(tenths)

    def summed(name: str) -> Floats:
        return scaled_sum(tenths.sums[name], by_label, size * 3).reshape(size, 3)

    first, second = ("w", "w2") if weighted else ("", "")
    return Scored(
        groups,
        n,
        w,
        w2,
        summed(first + "s"),
        summed(first + "ss"),
        summed(second + "s"),
        summed(second + "ss"),
        low.reshape(shape),
        high.reshape(shape),
        _tenths(tenths, index, size, weighted),
        bool((tenths.keys["tenth"] >= 0).all()),
    )


def _label(cells: Cells) -> Index:
    return np.where(cells.keys["label"] < 0, MISSING, cells.keys["label"])


def _tenths(cells: Cells, index: Index, size: int, weighted: bool) -> Floats:
    label = _label(cells)
    labelled = label != MISSING
    tenth = np.clip(cells.keys["tenth"], 0, TENTHS - 1)
    flat = (index * TENTHS + tenth)[labelled]
    rows = cells.sums["w" if weighted else "n"][labelled]
    scores = cells.sums["ws" if weighted else "s"][labelled]
    positive = label[labelled] == 1

    def total(values: Array, places: Index) -> Floats:
        size_ = size * TENTHS
        return (
            scaled_sum(values, places, size_) if weighted else exact_sum(values, places, size_).astype(float)
        )

    parts = (
        total(rows, flat),
        total(rows[positive], flat[positive]),
        scaled_sum(scores, flat, size * TENTHS),
    )
    return np.stack(parts, axis=-1).reshape(size, TENTHS, 3)


SUMMED = {
    "mean_score": (-1, 0, 1),
    "balance_for_negative_class": (0,),
    "balance_for_positive_class": (1,),
    "calibration_in_the_large": (0, 1),
    "brier": (0, 1),
}
"""Metrics that are means of what the cells sum, and the labels of their rows; -1 is none."""


def bucket_means(cells: Cells, groups: Groups, metric: str) -> tuple[Floats, Floats]:
    """By group and cluster bucket the sum of what the metric is a mean of, and its rows."""
    index, _ = place(cells, groups.grouping)
    chosen = np.isin(cells.keys["label"], SUMMED[metric]) & (cells.keys["bin"] >= 0)
    prefix = "w" if "w" in cells.sums else ""
    flat = (index * BUCKETS + cells.keys["bucket"])[chosen]
    y = cells.keys["label"][chosen].astype(np.float64)
    rows, s, ss = (
        cells.sums[name][chosen].astype(np.float64) / (1 if name == "n" else FIXED)
        for name in (prefix or "n", prefix + "s", prefix + "ss")
    )
    values = {"calibration_in_the_large": s - y * rows, "brier": ss - 2 * y * s + y * rows}
    value = values.get(metric, s)
    shape = (len(groups), BUCKETS)
    sums, counts = (
        np.bincount(flat, weights=part, minlength=len(groups) * BUCKETS).astype(float).reshape(shape)
        for part in (value, rows)
    )
    return sums, counts
