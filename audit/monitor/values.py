"""What the counts of blocks say of a stream's value, with limits that hold at all times together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.monitor.evidence import Array
from audit.monitor.sequences import gap_sequence, rate_sequence


@dataclass(frozen=True)
class Values:
    """The figures of many tables at once: all arrays (tables,)."""

    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    """Rows of the reference."""
    value: Array
    """NaN where it is undefined."""
    low: Array
    high: Array
    at: NDArray[np.intp]
    """The part whose distance is largest; 0 where there is one part."""


def values(
    comparison: str,
    unit: str,
    a: int,
    b: int,
    counts: NDArray[np.int64],
    alpha: float,
    centres: Array | None = None,
) -> Values:
    """The figures of tables of one shape, (tables, parts, cells).

    With `centres`, (tables, parts) or (parts,), the value is the largest distance from them at any part, and
    its limits share `alpha` among the parts.
    """
    good, rows, other_good, others = _sums(comparison, unit, a, b, counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate, other = good / rows, other_good / others
        value = {"rate": rate, "difference": rate - other, "ratio": rate / other}[comparison]
    low, high = _limits(comparison, unit, a, b, counts, good, rows, alpha / counts.shape[1])
    if centres is None:
        return Values(
            rows[:, 0], others[:, 0], value[:, 0], low[:, 0], high[:, 0], np.zeros(len(rows), np.intp)
        )
    apart = np.abs(value - centres)
    at = np.argmax(np.where(np.isnan(apart), -1.0, apart), axis=1)
    least = np.maximum(0.0, np.maximum(low - centres, centres - high)).max(axis=1)
    most = np.maximum(np.abs(low - centres), np.abs(high - centres)).max(axis=1)
    return Values(rows[:, 0], others[:, 0], apart.max(axis=1), least, most, at)


def _sums(
    comparison: str, unit: str, a: int, b: int, counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    """Favourable and all rows of the group and of the reference, (tables, parts)."""
    nothing = np.zeros(counts.shape[:-1], np.int64)
    if unit == "window":
        pair = (counts[..., 2], counts[..., 3]) if comparison != "rate" else (nothing, nothing)
        return counts[..., 0], counts[..., 1], *pair
    if comparison == "rate":
        return counts[..., 1], counts.sum(axis=-1), nothing, nothing
    j = np.repeat(np.arange(a + 1), b + 1)
    k = np.tile(np.arange(b + 1), a + 1)
    blocks = counts.sum(axis=-1)
    return counts @ j, blocks * a, counts @ k, blocks * b


def _limits(
    comparison: str,
    unit: str,
    a: int,
    b: int,
    counts: NDArray[np.int64],
    good: NDArray[np.int64],
    rows: NDArray[np.int64],
    alpha: float,
) -> tuple[Array, Array]:
    if unit == "window":
        nothing = np.full(rows.shape, np.nan)
        return nothing, nothing
    if comparison == "rate":
        return rate_sequence(good, rows, alpha)
    return gap_sequence(comparison, counts, a, b, alpha)
