"""The search itself: every slice of enough rows, over cells, by bitmaps, depth-first.

Rows that share all feature values are one cell. A cell of n rows is written as units whose sizes
are powers of two, so that the rows of a slice are a weighted count of the bits of its bitmap, and
no step depends on the number of rows. For each item (a feature at one value), in order of rising
support, the cells that hold it are packed anew; most slices start with a rare item and then live
in very short bitmaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_BLOCK_WORDS = 1 << 18
"""How many words of candidate bitmaps are held at once: two megabytes stay in the cache."""


@dataclass(frozen=True)
class Cells:
    """Rows compressed to the distinct combinations of feature values."""

    features: tuple[str, ...]
    levels: tuple[tuple[str | None, ...], ...]
    """For each feature the text of each code; None is a missing value."""
    codes: npt.NDArray[np.int32]
    """(cells, features)"""
    n: Ints
    """(cells,) rows in the denominator of the rate."""
    k: Ints
    """(cells,) rows in its numerator; for a loss, its sum in units of `unit`."""
    unit: float = 1.0
    peak: int = 1
    """The largest contribution of one row to k."""
    additive: bool = False
    """True for a loss: k is a sum of sizes, not a count of rows."""

    @property
    def rows(self) -> int:
        """Rows of all cells."""
        return int(self.n.sum())

    @property
    def total(self) -> int:
        """Numerator of all cells."""
        return int(self.k.sum())

    def within(self, conditions: tuple[tuple[int, int], ...]) -> Mask:
        """(cells,) which cells meet all conditions, each a feature's number and a code."""
        mask = np.ones(len(self.n), dtype=bool)
        for feature, code in conditions:
            mask &= self.codes[:, feature] == code
        return mask


@dataclass(frozen=True)
class Items:
    """The single conditions that hold enough rows, rarest first."""

    feature: npt.NDArray[np.int32]
    code: npt.NDArray[np.int32]
    n: Ints
    k: Ints
    masks: Mask
    """(items, cells)"""


@dataclass(frozen=True)
class Batch:
    """Slices of one depth: `items` is (slices, depth) of item numbers, with rows and numerator."""

    items: npt.NDArray[np.int32]
    n: Ints
    k: Ints


Extend = Callable[[Ints, Ints], Mask]
"""Given rows and numerators of slices, which of them may still hold something worth finding."""


def frequent_items(cells: Cells, min_rows: int) -> Items:
    """Every feature value that at least `min_rows` rows hold, rarest first."""
    found: list[tuple[int, int, int, int]] = []
    for feature, levels in enumerate(cells.levels):
        column = cells.codes[:, feature]
        n = np.bincount(column, weights=cells.n, minlength=len(levels))
        k = np.bincount(column, weights=cells.k, minlength=len(levels))
        enough = np.flatnonzero(n >= max(min_rows, 1))
        found += [(int(n[code]), feature, int(code), int(k[code])) for code in enough]
    found.sort()
    table = np.array(found, dtype=np.int64).reshape(-1, 4)
    features, codes = table[:, 1].astype(np.int32), table[:, 2].astype(np.int32)
    masks = np.empty((len(table), len(cells.n)), dtype=bool)
    for row in range(len(table)):
        np.equal(cells.codes[:, features[row]], codes[row], out=masks[row])
    return Items(features, codes, table[:, 0], table[:, 3], masks)


class _Units:
    """Cells cut into units of 1, 2, 4 … rows, each wholly inside or outside the numerator."""

    def __init__(self, cells: Cells) -> None:
        parts = [(cells.n, False)] if cells.additive else [(cells.k, True), (cells.n - cells.k, False)]
        cell, weights = [], []
        for counts, counted in parts:
            for bit in range(int(counts.max(initial=0)).bit_length()):
                holders = np.flatnonzero(counts >> bit & 1)
                if len(holders):
                    cell.append(holders)
                    weights.append((1 << bit, (1 << bit) * counted))
        self.cell = np.concatenate(cell)
        self.segment = np.repeat(np.arange(len(cell)), [len(part) for part in cell])
        self.weights = np.array(weights, dtype=np.float64)
        self.additive = cells.additive
        self.k = cells.k

    def project(self, holds: Mask, masks: Mask) -> _Projection:
        """The bitmaps of `masks` over the cells for which `holds` is true."""
        chosen = np.flatnonzero(holds[self.cell])
        segment, cell = self.segment[chosen], self.cell[chosen]
        sizes = np.bincount(segment, minlength=len(self.weights))
        words = (sizes + 63) // 64
        shift = np.cumsum(words) * 64 - words * 64 - (np.cumsum(sizes) - sizes)
        place = np.arange(len(chosen)) + shift[segment]
        dense = np.zeros((len(masks), int(words.sum()) * 64), dtype=bool)
        dense[:, place] = masks[:, cell]
        bits = np.packbits(dense, axis=1, bitorder="little").view(np.uint64)
        values = None
        if self.additive:
            values = np.zeros(dense.shape[1])
            first = np.unique(cell, return_index=True)[1]
            values[place[first]] = self.k[cell[first]]
        return _Projection(bits, np.repeat(self.weights, words, axis=0), values)


@dataclass
class _Projection:
    bits: Words
    weights: Floats
    values: Floats | None

    def count(self, bits: Words, min_rows: int) -> tuple[npt.NDArray[np.intp], Ints, Ints]:
        """Which bitmaps hold at least `min_rows` rows, their rows and their numerators."""
        ones = np.bitwise_count(bits).astype(np.float64)
        if self.values is None:
            sums = ones @ self.weights
            kept = np.flatnonzero(sums[:, 0] >= min_rows)
            return kept, sums[kept, 0].astype(np.int64), sums[kept, 1].astype(np.int64)
        n = ones @ self.weights[:, 0]
        kept = np.flatnonzero(n >= min_rows)
        k = np.empty(len(kept))
        step = max(1, _BLOCK_WORDS // (8 * bits.shape[1]))
        for at in range(0, len(kept), step):
            chosen = np.ascontiguousarray(bits[kept[at : at + step]]).view(np.uint8)
            k[at : at + step] = np.unpackbits(chosen, axis=1, bitorder="little") @ self.values
        return kept, n[kept].astype(np.int64), k.astype(np.int64)


@dataclass
class _Frame:
    """Slices of one depth that share a projection; those of one group differ in the last item only."""

    items: npt.NDArray[np.int32]
    bits: Words
    group: npt.NDArray[np.intp]


def walk(
    cells: Cells, items: Items, min_rows: int, *, max_depth: int | None = None, extend: Extend | None = None
) -> Iterator[Batch]:
    """Every slice of at least `min_rows` rows, in batches, each slice once.

    `extend` may cut the search: where it says False, no slice inside that one is visited.
    """
    min_rows = max(min_rows, 1)
    depth = len(cells.features) if max_depth is None else max_depth
    everything = np.arange(len(items.n), dtype=np.int32)
    if depth < 1 or not len(everything):
        return
    yield Batch(everything[:, None], items.n, items.k)
    if depth == 1:
        return
    units = _Units(cells)
    for first in everything:
        alive = np.ones(len(everything), bool) if extend is None else extend(items.n, items.k)
        if not alive[first]:
            continue
        tail = everything[first + 1 :]
        tail = tail[(items.feature[tail] != items.feature[first]) & alive[tail]]
        if len(tail):
            projection = units.project(items.masks[first], items.masks[tail])
            yield from _inside(projection, first, tail, items, min_rows, depth, extend)


def _inside(
    projection: _Projection,
    first: np.int32,
    tail: npt.NDArray[np.int32],
    items: Items,
    min_rows: int,
    depth: int,
    extend: Extend | None,
) -> Iterator[Batch]:
    """Every slice that holds item `first` and further items of `tail`."""
    kept, n, k = projection.count(projection.bits, min_rows)
    names = np.column_stack([np.full(len(kept), first), tail[kept]]).astype(np.int32)
    if not len(kept):
        return
    yield Batch(names, n, k)
    stack = [_Frame(names, projection.bits[kept], np.zeros(len(kept), dtype=np.intp))]
    if extend is not None:
        stack = [_narrow(stack[0], extend(n, k))]
    while stack:
        frame = stack.pop()
        if frame.items.shape[1] >= depth:
            continue
        for left, right in _pairs(frame, items.feature):
            bits = frame.bits[left]
            bits &= frame.bits[right]
            kept, n, k = projection.count(bits, min_rows)
            if not len(kept):
                continue
            left, right = left[kept], right[kept]
            names = np.column_stack([frame.items[left], frame.items[right, -1]])
            yield Batch(names, n, k)
            child = _Frame(names, bits[kept], left)
            if extend is not None:
                child = _narrow(child, extend(n, k))
            if len(child.items) > 1:
                stack.append(child)


def _narrow(frame: _Frame, alive: Mask) -> _Frame:
    return _Frame(frame.items[alive], frame.bits[alive], frame.group[alive])


def _pairs(
    frame: _Frame, feature: npt.NDArray[np.int32]
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Pairs of slices of one group, in blocks that keep all pairs of a left slice together."""
    size = len(frame.items)
    end = np.searchsorted(frame.group, frame.group, side="right")
    partners = end - np.arange(size) - 1
    bounds = np.concatenate([[0], np.cumsum(partners)])
    budget = max(1, _BLOCK_WORDS // max(1, frame.bits.shape[1]))
    last = feature[frame.items[:, -1]]
    start = 0
    while start < size:
        stop = max(start + 1, int(np.searchsorted(bounds, bounds[start] + budget, side="right")) - 1)
        counts = partners[start:stop]
        left = np.repeat(np.arange(start, stop), counts)
        right = left + 1 + np.arange(len(left)) - np.repeat(bounds[start:stop] - bounds[start], counts)
        differ = last[left] != last[right]
        if differ.any():
            yield left[differ], right[differ]
        start = stop
