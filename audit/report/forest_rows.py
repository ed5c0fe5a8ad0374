"""The rows of a forest plot: how tall they are, in which parts they print, and on what scale they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from audit.report.numbers import wrap

NAME_COLUMNS = 30
FEW = 3
"""Rows that do not get a part, or stand under a heading at the foot of one, by themselves."""
TALLEST = 880
"""Height of the rows in one part of a plot: as much as a printed page holds in letters that can be read."""
LINE, ROW, HEAD, ABOVE_HEADING = 16, 28, 40, 8
_REACH = {"log": 2.0, "linear": 0.25}
"""How far beyond the outermost value or bound an axis follows an interval: a factor, or a distance."""

Limits = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a forest plot; a heading has a label alone."""

    label: str
    kind: str
    """violation, pass, inconclusive, reference, described, stratum, or heading."""
    word: str = ""
    figure: str = ""
    n: str = ""
    value: float | None = None
    thick: Limits = (None, None)
    thin: Limits = (None, None)
    note: str = ""
    """Stands in the panel where there is no value."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The scale of a forest plot and the band that the rule allows on it."""

    title: str
    log: bool
    lower: float | None = None
    upper: float | None = None
    parity: float | None = None
    columns: tuple[str, str, str] = ("", "", "")
    """Titles over the value, the rows and the verdict."""
    whole: bool = False
    """The scale follows every line to its ends, however long."""
    span: tuple[float, float] | None = None
    """What can be at all: the scale shows all of it, so that small values look small."""


def parts(rows: list[Row]) -> list[list[Row]]:
    """The rows in parts of about equal height, none taller than `TALLEST` by more than a few rows.

    A part does not end with a heading, and where a section goes on its heading is said again.
    """
    left = sum(_tall(row) for row in rows)
    wanted = left / max(1, math.ceil(left / TALLEST))
    found: list[list[Row]] = [[]]
    heading: Row | None = None
    full = 0
    for row in rows:
        tall = _tall(row)
        ends = full + (FEW * ROW if row.kind == "heading" else 0) >= wanted
        if ends and found[-1] and left > FEW * ROW:
            again = heading if row.kind != "heading" else None
            found.append([replace(again, label=f"{again.label}, continued")] if again else [])
            full = sum(_tall(one) for one in found[-1])
        heading = row if row.kind == "heading" else heading
        found[-1].append(row)
        full, left = full + tall, left - tall
    return found


def domain(rows: list[Row], axis: Axis) -> tuple[float, float]:
    """The ends of the axis: all values, the band and parity, and intervals as far as is useful."""
    given = (axis.lower, axis.upper, axis.parity, *(axis.span or ()), *(r.value for r in rows))
    fixed = [v for v in given if v is not None]
    if axis.log:
        fixed = [v for v in fixed if v > 0] or [1.0]
        floor, roof = min(fixed) / _REACH["log"], max(fixed) * _REACH["log"]
    else:
        fixed = fixed or [0.0]
        far = max(max(fixed) - min(fixed), _usual_width(rows)) if _beyond_shares(fixed) else 0.0
        reach = max(_REACH["linear"], far)
        floor, roof = min(fixed) - reach, max(fixed) + reach
    if axis.whole:
        floor, roof = -math.inf, math.inf
    ends = [min(roof, max(floor, v)) for r in rows for v in (*r.thin, *r.thick) if v is not None]
    low, high = min([*fixed, *ends], default=0.0), max([*fixed, *ends], default=1.0)
    if axis.log:
        room = max((high / low) ** 0.06, 1.03)
        return low / room, high * room
    room = max(0.06 * (high - low), 0.005)
    return low - room, high + room


def _usual_width(rows: list[Row]) -> float:
    """The width of the middle interval: of a unit unknown, what a plot should have room for."""
    widths = sorted(
        high - low for low, high in (r.thin for r in rows) if low is not None and high is not None
    )
    return widths[len(widths) // 2] if widths else 0.0


def _beyond_shares(values: list[float]) -> bool:
    """Whether some value could be no share and no difference of shares, so that the unit is another."""
    return any(abs(value) > 1 for value in values)


def lay(rows: list[Row]) -> tuple[list[dict[str, Any]], int]:
    """Each row with the height at which it stands, and the height of all."""
    laid, top = [], 0
    for row in rows:
        lines = _lines(row)
        tall = ROW + LINE * (len(lines) - 1)
        top += ABOVE_HEADING if row.kind == "heading" and top else 0
        laid.append({"row": row, "lines": lines, "y": top + tall / 2, "first": top + ROW / 2})
        top += tall
    return laid, top + 6


def _lines(row: Row) -> list[str]:
    return wrap(row.label, NAME_COLUMNS - 2 if row.kind == "heading" else NAME_COLUMNS)


def _tall(row: Row) -> int:
    return ROW + LINE * (len(_lines(row)) - 1) + (ABOVE_HEADING if row.kind == "heading" else 0)
