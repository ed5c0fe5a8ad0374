"""Rows into micro-blocks: who is compared with whom, settled by a hash before any outcome is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from audit.monitor.evidence import Array

Ints = NDArray[np.int64]

DIGITS = 16
LARGEST_BLOCK = 5
"""Rows of the larger side in one block: beyond five, more of them sharpen the comparison little."""
WINDOWS_TO_CHECK = 20
DISPERSION_LEVEL = 0.2
"""The check errs to the safe side: missing day effects costs the guarantee, supposing them costs delay."""


def first_digit(hashes: ArrayLike) -> NDArray[np.int64]:
    """The first hex digit of each 64-bit hash: a shard owns whole digits, so no block spans two shards."""
    return np.asarray(np.asarray(hashes, np.uint64) >> np.uint64(60)).astype(np.int64)


def block_shape(group_rows: float, reference_rows: float) -> tuple[int, int]:
    """How many rows of the group and of the reference make a block, from the traffic of the baseline.

    >>> block_shape(100, 420), block_shape(900, 300), block_shape(0, 50)
    ((1, 4), (3, 1), (1, 5))
    """
    if group_rows <= reference_rows:
        ratio = reference_rows / group_rows if group_rows else float(LARGEST_BLOCK)
        return 1, max(1, min(LARGEST_BLOCK, round(ratio)))
    ratio = group_rows / reference_rows if reference_rows else float(LARGEST_BLOCK)
    return max(1, min(LARGEST_BLOCK, round(ratio))), 1


def pair(hashes: ArrayLike, in_group: ArrayLike, outcome: ArrayLike, a: int, b: int) -> Ints:
    """The table of blocks of one closed window: counts of (j, k) at index j·(b + 1) + k.

    `hashes` (n,) are the 64-bit hashes of the persons (or events), each once; `in_group` (n,) is
    False for the reference; `outcome` (n,) is 0 or 1. Within each first hex digit, both sides in
    the order of the hash, the next `a` rows of the group meet the next `b` of the reference; what
    is left over is used neither now nor later.

    >>> pair([1, 2, 3, 4], [True, True, False, False], [1, 0, 1, 1], 1, 1).tolist()
    [0, 1, 0, 1]
    """
    return pair_all(hashes, in_group, [np.asarray(outcome, np.int64)], a, b)[0]


def pair_all(hashes: ArrayLike, in_group: ArrayLike, outcomes: Sequence[Ints], a: int, b: int) -> list[Ints]:
    """A table for each outcome of the same rows: the blocks are settled once, for all of them."""
    key = np.asarray(hashes, np.uint64)
    side = np.asarray(in_group, bool)
    order = np.argsort(key, kind="stable")
    key, side = key[order], side[order]
    group = _blocks(key[side], a)
    reference = _blocks(key[~side], b)
    full = np.minimum(group.full, reference.full)
    starts = np.concatenate([[0], np.cumsum(full)])
    made = []
    for outcome in outcomes:
        good = outcome[order]
        j = group.sums(good[side], full, starts)
        k = reference.sums(good[~side], full, starts)
        made.append(np.bincount(j * (b + 1) + k, minlength=(a + 1) * (b + 1)).astype(np.int64))
    return made


@dataclass(frozen=True)
class _Blocks:
    digit: Ints
    number: Ints
    """Which block of its digit each row would fall into."""
    full: Ints
    """Whole blocks per digit."""

    def sums(self, outcome: Ints, full: Ints, starts: Ints) -> Ints:
        used = self.number < full[self.digit]
        block = starts[self.digit[used]] + self.number[used]
        return np.bincount(block, weights=outcome[used], minlength=int(starts[-1])).astype(np.int64)


def _blocks(key: NDArray[np.uint64], size: int) -> _Blocks:
    digit = first_digit(key)
    counts = np.bincount(digit, minlength=DIGITS)
    rank = np.arange(key.size) - (np.cumsum(counts) - counts)[digit]
    return _Blocks(digit, rank // size, counts // size)


def window_counts(in_group: ArrayLike, outcome: ArrayLike) -> Ints:
    """A whole window as one block: favourable and all rows of the group, then of the reference.

    >>> window_counts([True, True, False], [1, 0, 1]).tolist()
    [1, 2, 1, 1]
    """
    side, good = np.asarray(in_group, bool), np.asarray(outcome, np.int64)
    return np.array([good[side].sum(), side.sum(), good[~side].sum(), (~side).sum()], np.int64)


@dataclass(frozen=True)
class Choice:
    """What one block is: `rows` or a whole `window`, and why, in words that are printed."""

    unit: str
    ratio: float | None
    """Variance between windows over what chance alone gives; None where it could not be checked."""
    words: str


def choose_unit(counts: ArrayLike) -> Choice:
    """Whether rows of a window are independent enough to be counted one by one, from the baseline's windows.

    `counts` (windows, 4) or (windows, 2) as `window_counts`. Cochran's Q of the windows' differences
    (or rates); above its 80 % quantile a window becomes one block, which is slower and stays valid
    under effects that a whole day of a group shares.
    """
    table = np.asarray(counts, float)
    table = table[(table[:, 1::2] > 0).all(axis=1)]
    if len(table) < WINDOWS_TO_CHECK:
        return Choice(
            "rows",
            None,
            f"rows are counted one by one; variance between windows not checked: the baseline has "
            f"{len(table)} windows, {WINDOWS_TO_CHECK} are needed",
        )
    value, variance = _window_effects(table)
    weight = 1 / variance
    spread = float((weight * (value - (weight * value).sum() / weight.sum()) ** 2).sum())
    ratio = spread / (len(table) - 1)
    if chi2.sf(spread, len(table) - 1) < DISPERSION_LEVEL:
        return Choice(
            "window", ratio, f"one block a window: variance between windows is {ratio:.2f} × chance"
        )
    return Choice(
        "rows", ratio, f"rows are counted one by one: variance between windows is {ratio:.2f} × chance"
    )


def _window_effects(table: Array) -> tuple[Array, Array]:
    """Each window's rate or difference, and the variance that chance alone gives it."""
    value, variance = np.zeros(len(table)), np.zeros(len(table))
    for column, sign in zip(range(0, table.shape[1], 2), (1, -1), strict=False):
        good, rows = table[:, column], table[:, column + 1]
        rate = (good.sum() + 0.5) / (rows.sum() + 1)
        value = value + sign * good / rows
        variance = variance + rate * (1 - rate) / rows
    return value, variance
