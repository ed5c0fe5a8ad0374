"""Plots of causes and remedies: learning curves, and gap against accuracy."""

from __future__ import annotations

from typing import Any

from audit.report.axes import tick_labels, tick_values
from audit.report.numbers import clean, wrap
from audit.report.score_charts import LINES
from audit.report.svg import BAND, FONT_SIZE, GROUND, INK, MUTED

WIDTH, HEIGHT = 560, 320
NAME_LINE, NAME_WIDTH = 15.0, 150.0
MOST_CURVES = len(LINES)
_CROSS = "M-1.1,-1.1L1.1,1.1M-1.1,1.1L1.1,-1.1"
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def learning(curves: list[tuple[str, list[tuple[float, float, float]]]]) -> dict[str, Any]:
    """Error against training rows, a line a group: each point (rows, mean error, spread over repeats)."""
    points = [p for _, line in curves for p in line]
    top = max((mean + spread for _, mean, spread in points), default=1.0) * 1.1 or 1.0
    most = max((rows for rows, _, _ in points), default=1.0)
    x = _axis("rows", 0.0, most * 1.02, "Training rows of the group")
    y = _axis("error", 0.0, top, "Error on test rows", span=HEIGHT)
    layers: list[dict[str, Any]] = []
    for (label, line), (colour, dash), shape in zip(curves, LINES, _SHAPES, strict=False):
        values = [
            {"rows": rows, "error": mean, "low": max(0.0, mean - spread), "high": mean + spread}
            for rows, mean, spread in line
        ]
        ends = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        layers += [
            {
                "mark": {"type": "rule", "stroke": colour, "strokeWidth": 1},
                "data": {"values": values},
                "encoding": ends,
            },
            {
                "mark": {"type": "line", "stroke": colour, "strokeWidth": 2, "strokeDash": dash},
                "data": {"values": values},
                "encoding": {"x": x, "y": y},
            },
            {
                "mark": {
                    "type": "point", "shape": shape, "filled": True, "fill": colour, "size": 60, "opacity": 1,
                },
                "data": {"values": values},
                "encoding": {"x": x, "y": y},
            },
        ]  # fmt: skip
        if values:
            layers.append(_label(values[-1]["rows"], values[-1]["error"], label, x, y, "rows", "error"))
    return {"width": WIDTH, "height": HEIGHT, "padding": {"left": 8, "right": 150, "top": 8, "bottom": 8},
            "layer": layers}  # fmt: skip


def pareto(
    remedies: list[tuple[str, float, float, bool]], now: tuple[float, float] | None, bound: float | None
) -> dict[str, Any]:
    """Accuracy against the gap that is left: each remedy (name, gap, accuracy, on the front).

    Those on the front are filled; the decisions as they are stand as a cross; up to the
    bound the gap is shaded.
    """
    gaps = [gap for _, gap, _, _ in remedies] + ([now[0]] if now else []) + ([bound] if bound else [])
    rights = [right for _, _, right, _ in remedies] + ([now[1]] if now else [])
    room = max(0.02, 0.08 * (max(rights) - min(rights)))
    x = _axis("gap", 0.0, max(max(gaps) * 1.08, 0.02), "Gap that is left (distance from parity)")
    y = _axis("right", min(rights) - room, max(rights) + room, "Accuracy", span=HEIGHT)
    layers: list[dict[str, Any]] = []
    if bound:
        layers += _allowed(bound, x)
    for front, size in ((False, 60), (True, 110)):
        values = [{"gap": gap, "right": right} for _, gap, right, on_front in remedies if on_front is front]
        if values:
            fill = "var(--accent)" if front else GROUND
            layers.append(
                {
                    "mark": {"type": "point", "shape": "circle", "size": size, "opacity": 1, "fill": fill,
                             "stroke": "var(--accent)" if front else MUTED, "strokeWidth": 1.5},
                    "data": {"values": values},
                    "encoding": {"x": x, "y": y},
                }
            )  # fmt: skip
    if now:
        layers.append(
            {
                "mark": {"type": "point", "shape": _CROSS, "size": 90, "stroke": INK,
                         "strokeWidth": 2, "opacity": 1},
                "data": {"values": [{"gap": now[0], "right": now[1]}]},
                "encoding": {"x": x, "y": y},
            }
        )  # fmt: skip
        layers.append(_label(now[0], now[1], "as it is", x, y, "gap", "right", -14.0))
    named = [(label, gap, right) for label, gap, right, _ in remedies]
    shifts = _apart([right for _, _, right in named], [gap for _, gap, _ in named], x, y)
    layers += [
        _label(gap, right, label, x, y, "gap", "right", shift)
        for (label, gap, right), shift in zip(named, shifts, strict=True)
    ]
    return {"width": WIDTH, "height": HEIGHT, "padding": {"left": 8, "right": 150, "top": 24, "bottom": 8},
            "layer": layers}  # fmt: skip


def _apart(rights: list[float], gaps: list[float], x: dict[str, Any], y: dict[str, Any]) -> list[float]:
    """How many pixels each name moves down or up so that none stands on another near it."""
    low, high = y["scale"]["domain"]
    left, end = x["scale"]["domain"]
    spots = [
        (HEIGHT * (high - r) / (high - low), WIDTH * (g - left) / (end - left))
        for r, g in zip(rights, gaps, strict=True)
    ]
    shifts = [0.0] * len(spots)
    placed: list[tuple[float, float]] = []
    for place in sorted(range(len(spots)), key=lambda at: spots[at]):
        down, across = spots[place]
        at = down
        while any(
            abs(at - other) < NAME_LINE and abs(across - there) < NAME_WIDTH for other, there in placed
        ):
            at += 2.0
        placed.append((at, across))
        shifts[place] = at - down
    return shifts


def _allowed(bound: float, x: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "mark": {"type": "rect", "fill": BAND},
            "data": {"values": [{"gap": 0.0, "to": bound}]},
            "encoding": {"x": x, "x2": {"field": "to"}, "y": {"value": 0}, "y2": {"value": HEIGHT}},
        },
        {
            "mark": {"type": "rule", "stroke": INK, "strokeWidth": 1},
            "data": {"values": [{"gap": bound}]},
            "encoding": {"x": x, "y": {"value": 0}, "y2": {"value": HEIGHT}},
        },
        {
            "mark": {"type": "text", "fontSize": FONT_SIZE, "fill": INK, "text": f"bound {bound:g}"},
            "data": {"values": [{"gap": bound}]},
            "encoding": {"x": x, "y": {"value": -12}},
        },
    ]


def _axis(field: str, low: float, high: float, title: str, *, span: float = WIDTH) -> dict[str, Any]:
    ticks = tick_values(low, high, log=False, span=span, apart=44 if span == WIDTH else 30)
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [low, high], "nice": False, "zero": False},
        "axis": {"values": ticks, "labelExpr": tick_labels(ticks), "title": title, "grid": False},
    }


def _label(
    at: float,
    height: float,
    text: str,
    x: dict[str, Any],
    y: dict[str, Any],
    across: str,
    up: str,
    shift: float = 0.0,
) -> dict[str, Any]:
    return {
        "mark": {"type": "text", "align": "left", "dx": 10, "dy": shift, "fill": INK, "fontSize": FONT_SIZE,
                 "text": wrap(clean(text), 30)},
        "data": {"values": [{across: at, up: height}]},
        "encoding": {"x": x, "y": y},
    }  # fmt: skip
