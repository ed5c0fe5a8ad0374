"""The forest plot: groups against an allowed band, as a Vega-Lite specification in plain dicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from audit.engine.wording import number
from audit.report.axes import position, tick_labels, tick_values
from audit.report.numbers import MINUS, wrap
from audit.report.svg import BAND, FONT_SIZE, GROUND, INK, MUTED

MOST_ROWS = 50
"""Groups in one plot; the rest stand in its table."""

LEFT, PANEL, RIGHT = 230, 370, 260
NAME_COLUMNS = 30
LINE, ROW, HEAD = 16, 28, 40
VALUE_AT, N_AT, WORD_AT = 62, 128, 142
_REACH = {"log": 2.0, "linear": 0.25}
"""How far beyond the outermost value or bound an axis follows an interval: a factor, or a distance."""

VERDICT_MARKS = {
    "violation": ("triangle-up", "var(--violation)", "var(--violation)"),
    "pass": ("circle", "var(--pass)", "var(--pass)"),
    "inconclusive": ("diamond", GROUND, "var(--inconclusive)"),
    "reference": ("stroke", MUTED, MUTED),
    "described": ("circle", INK, INK),
    "stratum": ("circle", GROUND, MUTED),
}
"""Shape, fill and stroke: each verdict differs in shape, and in filled against hollow."""

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


def forest(rows: list[Row], axis: Axis) -> dict[str, Any]:
    """The specification of a forest plot, its rows in the order given.

    A thick bar is the interval of a pass, a thin line that of a violation; where one runs off the
    scale it ends in an arrow. Ratios stand on a log scale, on which 0.8 and 1.25 are equally far
    from 1.
    """
    low, high = domain(rows, axis)
    laid, height = _lay(rows)
    scale = {"type": "log" if axis.log else "linear", "domain": [low, high], "nice": False, "zero": False}
    ticks = tick_values(low, high, log=axis.log, span=PANEL)
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": scale,
        "axis": {"values": ticks, "title": axis.title, "labelExpr": tick_labels(ticks), "grid": False},
    }
    layers = [
        *_band(axis, x, low, high, height),
        _text(laid, "label", -LEFT, weight="field"),
        _bars(laid, x, low, high, "thin", 1.5),
        _bars(laid, x, low, high, "thick", 5),
        _arrows(laid, low, high),
        _points(laid, x, low, high),
        _text(laid, "figure", PANEL + VALUE_AT, align="right"),
        _text(laid, "n", PANEL + N_AT, align="right", colour=MUTED),
        _text(laid, "word", PANEL + WORD_AT),
        _text(laid, "note", 6, colour=MUTED),
        *_headings(axis, low, high),
    ]
    return {
        "width": PANEL,
        "height": height,
        "autosize": "none",
        "padding": {"left": LEFT, "right": RIGHT, "top": HEAD, "bottom": 50},
        "layer": [layer for layer in layers if layer is not None],
    }


def runs_off(spec: dict[str, Any]) -> bool:
    """Whether some interval of a forest plot runs off its scale."""
    marks = (value.get("s") for layer in spec["layer"] for value in layer.get("data", {}).get("values", ()))
    return any(mark in ("triangle-left", "triangle-right") for mark in marks)


def domain(rows: list[Row], axis: Axis) -> tuple[float, float]:
    """The ends of the axis: all values, the band and parity, and intervals as far as is useful."""
    fixed = [v for v in (axis.lower, axis.upper, axis.parity, *(r.value for r in rows)) if v is not None]
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


def _lay(rows: list[Row]) -> tuple[list[dict[str, Any]], int]:
    """Each row with the height at which it stands, and the height of all."""
    laid, top = [], 0
    for row in rows:
        heading = row.kind == "heading"
        lines = wrap(row.label, NAME_COLUMNS - 2 if heading else NAME_COLUMNS)
        tall = ROW + LINE * (len(lines) - 1)
        top += 8 if heading and top else 0
        laid.append({"row": row, "lines": lines, "y": top + tall / 2, "first": top + ROW / 2})
        top += tall
    return laid, top + 6


def _y(field: str = "y") -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "scale": None, "axis": None}


def _text(
    laid: list[dict[str, Any]],
    what: str,
    at: float,
    *,
    align: str = "left",
    colour: str = INK,
    weight: str = "",
) -> dict[str, Any] | None:
    values = []
    for place in laid:
        row: Row = place["row"]
        text = place["lines"] if what == "label" else getattr(row, what)
        if text:
            bold = "600" if weight and row.kind == "heading" else "400"
            values.append({"y": place["first"] if what == "label" else place["y"], "t": text, "b": bold})
    if not values:
        return None
    layers = [
        {
            "mark": {
                "type": "text",
                "align": align,
                "fill": colour,
                "lineHeight": LINE,
                "fontWeight": int(bold),
            },
            "data": {"values": [v for v in values if v["b"] == bold]},
            "encoding": {"x": {"value": at}, "y": _y(), "text": {"field": "t", "type": "nominal"}},
        }
        for bold in ("600", "400")
        if any(v["b"] == bold for v in values)
    ]
    return {"layer": layers}


def _within(limits: Limits, low: float, high: float) -> tuple[float, float] | None:
    """The drawable part of an interval whose open ends are None."""
    if limits == (None, None):
        return None
    left = low if limits[0] is None else min(high, max(low, limits[0]))
    right = high if limits[1] is None else min(high, max(low, limits[1]))
    return left, right


def _bars(
    laid: list[dict[str, Any]], x: dict[str, Any], low: float, high: float, which: str, width: float
) -> dict[str, Any] | None:
    values = []
    for place in laid:
        row: Row = place["row"]
        ends = _within(row.thick if which == "thick" else row.thin, low, high)
        if ends is not None and row.kind in VERDICT_MARKS:
            stroke = VERDICT_MARKS[row.kind][2]
            values.append({"x": ends[0], "x2": ends[1], "y": place["y"], "c": stroke})
    if not values:
        return None
    colour = {"field": "c", "type": "nominal", "scale": None}
    return {
        "mark": {"type": "rule", "strokeWidth": width},
        "data": {"values": values},
        "encoding": {"x": x, "x2": {"field": "x2"}, "y": _y(), "stroke": colour},
    }


def _arrows(laid: list[dict[str, Any]], low: float, high: float) -> dict[str, Any] | None:
    values = []
    for place in laid:
        row: Row = place["row"]
        for limits in (row.thin, row.thick):
            if limits == (None, None) or row.kind not in VERDICT_MARKS:
                continue
            stroke = VERDICT_MARKS[row.kind][2]
            if limits[0] is None or limits[0] < low:
                values.append({"at": 0, "y": place["y"], "s": "triangle-left", "c": stroke})
            if limits[1] is None or limits[1] > high:
                values.append({"at": PANEL, "y": place["y"], "s": "triangle-right", "c": stroke})
    distinct = [value for i, value in enumerate(values) if value not in values[:i]]
    if not distinct:
        return None
    return {
        "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
        "data": {"values": distinct},
        "encoding": {
            "x": {"field": "at", "type": "quantitative", "scale": None, "axis": None},
            "y": _y(),
            "shape": {"field": "s", "type": "nominal", "scale": None},
            "fill": {"field": "c", "type": "nominal", "scale": None},
        },
    }


def _points(laid: list[dict[str, Any]], x: dict[str, Any], low: float, high: float) -> dict[str, Any]:
    values = []
    for place in laid:
        row: Row = place["row"]
        if row.value is not None and row.kind in VERDICT_MARKS and low <= row.value <= high:
            shape, fill, stroke = VERDICT_MARKS[row.kind]
            shape = "M0,-1.5L0,1.5" if shape == "stroke" else shape
            values.append({"x": row.value, "y": place["y"], "s": shape, "f": fill, "c": stroke})
    return {
        "mark": {"type": "point", "size": 90, "opacity": 1, "strokeWidth": 2},
        "data": {"values": values},
        "encoding": {
            "x": x,
            "y": _y(),
            "shape": {"field": "s", "type": "nominal", "scale": None},
            "fill": {"field": "f", "type": "nominal", "scale": None},
            "stroke": {"field": "c", "type": "nominal", "scale": None},
        },
    }


def _band(axis: Axis, x: dict[str, Any], low: float, high: float, height: int) -> list[dict[str, Any]]:
    """The allowed band shaded, its ends as lines, parity as a fine dashed line."""
    layers: list[dict[str, Any]] = []
    if axis.lower is not None or axis.upper is not None:
        ends = {
            "x": low if axis.lower is None else axis.lower,
            "x2": high if axis.upper is None else axis.upper,
        }
        layers.append(
            {
                "mark": {"type": "rect", "fill": BAND},
                "data": {"values": [ends]},
                "encoding": {"x": x, "x2": {"field": "x2"}, "y": {"value": 0}, "y2": {"value": height}},
            }
        )
    lines = [(v, INK, [1, 0]) for v in (axis.lower, axis.upper) if v is not None]
    lines += [(axis.parity, MUTED, [2, 3])] if axis.parity is not None else []
    layers += [
        {
            "mark": {"type": "rule", "stroke": colour, "strokeWidth": 1, "strokeDash": dash},
            "data": {"values": [{"x": value}]},
            "encoding": {"x": x, "y": {"value": 0}, "y2": {"value": height}},
        }
        for value, colour, dash in lines
    ]
    return layers


def _headings(axis: Axis, low: float, high: float) -> list[dict[str, Any]]:
    """The bounds' labels above the band, and the titles of the columns at the right."""
    spots: list[tuple[float, str, str, str]] = [
        (PANEL + at, title, align, MUTED)
        for at, title, align in zip(
            (VALUE_AT, N_AT, WORD_AT), axis.columns, ("right", "right", "left"), strict=True
        )
    ]
    ends = [(bound, sign) for bound, sign in ((axis.lower, "≥"), (axis.upper, "≤")) if bound is not None]
    at = [position(bound, low, high, log=axis.log, span=PANEL) for bound, _ in ends]
    narrow = len(at) == 2 and at[1] - at[0] < 84
    for index, ((bound, sign), place) in enumerate(zip(ends, at, strict=True)):
        align = ("right", "left")[index] if narrow else "center"
        shift = (4, -4)[index] if narrow else 0
        spots.append((place + shift, f"{sign} {number(bound).replace('-', MINUS)}", align, INK))
    return [
        {
            "mark": {"type": "text", "align": align, "fill": colour, "text": text, "fontSize": FONT_SIZE},
            "data": {"values": [{}]},
            "encoding": {"x": {"value": place}, "y": {"value": -16}},
        }
        for place, text, align, colour in spots
        if text
    ]
