"""Selective labels whose chance was logged: labels are thinned until each row had the same chance of one.

Where labels come by choice (of refused loans one in ten is granted as a trial), rates over a label are those
of the chosen. If the chance π of a label was logged with each row, and is at least a floor, keeping each
label with probability floor/π leaves every row the chance `floor` of a label that counts, whoever it is: what
is kept is a simple random sample of all rows. It is importance weighting by rejection (von Neumann 1951) in
place of the weights of Chugg et al. (2023, section 3): the state stays counts of rows, which add up over
shards and replay to the same bytes, at the price of the labels that are left out. The hash of the event's id
decides, before any label is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.monitor.streams import Stream

Ints = NDArray[np.int64]

COUNTS, LEFT_OUT, UNKNOWN = 1, 0, -1
"""What a row's label is: it counts; it is left out; its chance is not known, or below the floor."""
MOST_UNKNOWN = 0.01
"""The share of a group's rows with unknown chances up to which its rates are given: they move by no more."""


def thinned(chance: ArrayLike, key: Ints, floor: float) -> Ints:
    """What each row's label will be, from its logged chance of one.

    >>> thinned([0.1, 0.05, float("nan"), 2.0], np.zeros(4, np.int64), 0.1).tolist()
    [1, -1, -1, -1]
    """
    value = np.asarray(chance, float)
    known = np.isfinite(value) & (value >= floor) & (value <= 1)
    # The low half of the key: blocks are made in the order of its high digits.
    coin = (np.asarray(key, np.int64) & 0xFFFFFFFF) * 2.0**-32
    kept = coin < floor / np.where(known, value, 1.0)
    return np.where(known, np.where(kept, COUNTS, LEFT_OUT), UNKNOWN).astype(np.int64)


Unknown = Mapping[tuple[str, str | None], tuple[int, int]]
"""Rows of a group whose chance of a label is not known, and all its rows past the label lag."""


def not_identifiable(stream: Stream, unknown: Unknown) -> str | None:
    """Why a stream's metric cannot be told where chances are logged for too few rows; None where it can."""
    if not stream.needs_label:
        return None
    for (attribute, value), (lacking, rows) in sorted(unknown.items(), key=str):
        if attribute != stream.attribute or lacking <= MOST_UNKNOWN * rows:
            continue
        if value == stream.group or (stream.comparison != "rate" and stream.other(value)):
            return (
                f"not identifiable: {lacking:,} of {rows:,} rows of {attribute}={value} have no logged "
                "chance of a label, or one below the floor"
            )
    return None
