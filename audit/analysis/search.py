"""What the search is asked for: the k worst slices by score, or every slice with its divergence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.analysis.lattice import Cells, Floats, Ints, Items, Mask, frequent_items, walk
from audit.errors import UsageError

_ROUNDING = 1e-12
"""Room for the rounding of a bound, so that a slice that ties with the last is never passed over."""


@dataclass(frozen=True)
class Found:
    """A slice as the search sees it: feature numbers and codes, with its sums over the cells."""

    conditions: tuple[tuple[int, int], ...]
    n: int
    k: int
    score: float | None = None


@dataclass(frozen=True)
class Listing:
    """Every slice of enough rows, as arrays; `items` is (slices, depth), -1 where a slice is shorter."""

    cells: Cells
    items: Items
    members: npt.NDArray[np.int32]
    n: Ints
    k: Ints

    def __len__(self) -> int:
        return len(self.n)

    @property
    def rate(self) -> Floats:
        """(slices,) numerator over rows; for a loss, its mean."""
        return self.k / self.n * self.cells.unit

    @property
    def divergence(self) -> Floats:
        """(slices,) the slice's rate less the rate of all rows (Pastor, de Alfaro and Baralis 2021)."""
        return self.rate - self.cells.total / self.cells.rows * self.cells.unit

    def found(self, row: int) -> Found:
        """One slice of the listing."""
        members = [item for item in self.members[row] if item >= 0]
        pairs = sorted((int(self.items.feature[item]), int(self.items.code[item])) for item in members)
        return Found(tuple(pairs), int(self.n[row]), int(self.k[row]))


def listing(cells: Cells, min_rows: int, *, max_depth: int | None = None) -> Listing:
    """Every slice of at least `min_rows` rows, at every depth up to `max_depth` (None: all)."""
    items = frequent_items(cells, min_rows)
    batches = list(walk(cells, items, min_rows, max_depth=max_depth))
    members = np.full((sum(len(batch.n) for batch in batches), len(cells.features)), -1, dtype=np.int32)
    at = 0
    for batch in batches:
        members[at : at + len(batch.n), : batch.items.shape[1]] = batch.items
        at += len(batch.n)
    n = np.concatenate([batch.n for batch in batches]) if batches else np.empty(0, dtype=np.int64)
    k = np.concatenate([batch.k for batch in batches]) if batches else np.empty(0, dtype=np.int64)
    return Listing(cells, items, members, n, k)


@dataclass(frozen=True)
class Criterion:
    """By what slices are ranked: 0 is all rows together, positive is worse than they are.

    Without a weight the standard score (k − n·m) / √(n·m·(peak − m)), m the mean over all rows: how
    far beyond chance the slice is, so that those come first that other people will bear out. With a
    weight in (0, 1], weight·(mean in the slice / m − 1) − (1 − weight)·(rows / slice rows − 1), which
    trades error against size (Sagadeeva and Boehm, SIGMOD 2021, section 2).

    >>> Criterion(100, 20, weight=0.5).score(np.array([50]), np.array([20])).tolist()
    [0.0]
    >>> Criterion(100, 20).score(np.array([25]), np.array([13])).tolist()
    [4.0]
    """

    rows: int
    total: int
    peak: int = 1
    weight: float | None = None

    def score(self, n: Ints | Floats, k: Ints | Floats) -> Floats:
        """(slices,) the score of slices of n rows and error sum k."""
        mean = self.total / self.rows
        if self.weight is None:
            spread = np.sqrt(n * (mean * (self.peak - mean)))
            return np.divide(k - n * mean, spread, out=np.zeros(len(n)), where=spread > 0)
        result: Floats = self.weight * (k / n / mean - 1) - (1 - self.weight) * (self.rows / n - 1)
        return result

    def bound(self, n: Ints, k: Ints, min_rows: int) -> Floats:
        """(slices,) the highest score that any slice inside these can have.

        A slice inside of s rows has an error sum of at most min(s·peak, k). Either score of that is
        monotone between s = min_rows, k/peak and n, so that one of the three is the highest.
        """
        full = np.clip(k / self.peak, min_rows, n)
        best = np.full(len(n), -np.inf)
        for size in (np.full(len(n), float(min_rows)), full, n.astype(np.float64)):
            best = np.maximum(best, self.score(size, np.minimum(size * self.peak, k)))
        return best


class _Best:
    """The k highest scores so far, with all that tie with the last."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.threshold = 0.0
        self.scores = np.empty(0)
        self.slices: list[tuple[tuple[int, ...], int, int]] = []

    def add(self, members: npt.NDArray[np.int32], n: Ints, k: Ints, scores: Floats) -> None:
        good = np.flatnonzero((scores > 0) & (scores >= self.threshold))
        if not len(good):
            return
        rows = [(tuple(members[row].tolist()), int(n[row]), int(k[row])) for row in good]
        all_scores = np.concatenate([self.scores, scores[good]])
        pool = self.slices + rows
        if len(all_scores) > self.k:
            self.threshold = float(np.partition(all_scores, -self.k)[-self.k])
        kept = np.flatnonzero(all_scores >= self.threshold)
        self.scores = all_scores[kept]
        self.slices = [pool[row] for row in kept]


def worst(
    cells: Cells, min_rows: int, *, k: int = 10, max_depth: int | None = None, weight: float | None = None
) -> tuple[Found, ...]:
    """The k slices of the highest positive score, worst first; more where they tie with the last.

    Exact: a slice is passed over only where no slice inside it can reach the k-th score. Equal
    scores stand with fewer conditions first, then in the order of the features.
    Errors: UsageError where k, the weight or the depth make no sense.
    """
    if k < 1:
        raise UsageError(f"{k} slices cannot be listed", where="top", hint="Ask for 1 or more.")
    if weight is not None and not 0 < weight <= 1:
        raise UsageError(f"the weight {weight} is outside (0, 1]", where="weight")
    if max_depth is not None and max_depth < 1:
        raise UsageError(
            f"a depth of {max_depth} holds no slice", where="max depth", hint="Ask for 1 or more."
        )
    min_rows = max(min_rows, 1)
    rows, total = cells.rows, cells.total
    if rows == 0 or total == 0:
        return ()
    items = frequent_items(cells, min_rows)
    criterion = Criterion(rows, total, cells.peak, weight)
    best = _Best(k)

    def extend(n: Ints, errors: Ints) -> Mask:
        return criterion.bound(n, errors, min_rows) >= best.threshold - _ROUNDING

    for batch in walk(cells, items, min_rows, max_depth=max_depth, extend=extend):
        best.add(batch.items, batch.n, batch.k, criterion.score(batch.n, batch.k))
    found = [
        Found(
            tuple(sorted((int(items.feature[item]), int(items.code[item])) for item in members)),
            n,
            errors,
            float(value),
        )
        for (members, n, errors), value in zip(best.slices, best.scores, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-(one.score or 0.0), len(one.conditions), one.conditions)))
