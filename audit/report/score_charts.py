"""Score plots by group, as small panels that share their axes: calibration, ROC, threshold sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.report.axes import tick_labels, tick_values
from audit.report.numbers import wrap
from audit.report.svg import FONT_SIZE, HALO, INK, MUTED

PANELS, ACROSS = 12, 4
"""Groups that get a panel, and panels in one row."""

SIDE, GAP = 172, 30
SWEEP_WIDTH, SWEEP_HEIGHT = 236, 200
MOST_LINES = 6

LINES = (
    ("var(--c1)", [1, 0]),
    ("var(--c2)", [7, 3]),
    ("var(--c3)", [2, 2]),
    ("var(--c4)", [9, 3, 2, 3]),
    ("var(--c5)", [4, 4]),
    ("var(--c6)", [12, 3]),
)
"""Colour and dash: lines differ in both, so that they can be told apart without colour."""

Point = tuple[float, float]


def panels(
    named: list[tuple[str, list[Point], list[tuple[float, float, float]]]],
    *,
    x_title: str,
    y_title: str,
    marks: bool,
) -> dict[str, Any]:
    """One square panel a group: its line dark, everyone else's faint behind, the diagonal dashed.

    `named` holds (name, points, intervals), an interval being (x, low, high). All panels run from
    0 to 1 on both axes.
    """
    everyone = [points for _, points, _ in named]
    columns = min(ACROSS, len(named))
    found = []
    for index, (label, points, intervals) in enumerate(named):
        last_row = index + columns >= len(named)
        others = [p for j, p in enumerate(everyone) if j != index]
        found.append(
            _panel(
                label,
                points,
                intervals,
                others,
                x=_axis("x", [0.0, 1.0], [0, 0.5, 1], x_title if last_row else None),
                y=_axis("y", [0.0, 1.0], [0, 0.5, 1], y_title if index % columns == 0 else None),
                marks=marks,
            )
        )
    rows = [{"hconcat": found[i : i + columns], "spacing": GAP} for i in range(0, len(found), columns)]
    return {"vconcat": rows, "spacing": 22, "padding": 4}


def _panel(
    label: str,
    points: list[Point],
    intervals: list[tuple[float, float, float]],
    others: list[list[Point]],
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    marks: bool,
) -> dict[str, Any]:
    layers: list[dict[str, Any]] = [_line([(0.0, 0.0), (1.0, 1.0)], x, y, MUTED, 1, [3, 3])]
    layers += [_line(other, x, y, "var(--faint)", 1, [1, 0]) for other in others[:PANELS]]
    if intervals:
        layers.append(
            {
                "mark": {"type": "rule", "stroke": "var(--accent)", "strokeWidth": 1.5},
                "data": {"values": [{"x": at, "y": low, "y2": high} for at, low, high in intervals]},
                "encoding": {"x": x, "y": y, "y2": {"field": "y2"}},
            }
        )
    layers.append(_line(points, x, y, "var(--accent)", 2, [1, 0]))
    if marks:
        layers.append(
            {
                "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1, "fill": "var(--accent)"},
                "data": {"values": [{"x": a, "y": b} for a, b in points]},
                "encoding": {"x": x, "y": y},
            }
        )
    lines = wrap(label, 24)
    shown = [lines[0], lines[1] if len(lines) == 2 else f"{lines[1][:22]}…"] if len(lines) > 1 else lines
    layers.append(
        {
            "mark": {"type": "text", "align": "left", "baseline": "bottom", "fontWeight": 600, "fill": INK,
                     "lineHeight": 15},
            "data": {"values": [{"t": shown}]},
            "encoding": {"x": {"value": 0}, "y": {"value": -9 - 15 * (len(shown) - 1)},
                         "text": {"field": "t", "type": "nominal"}},
        }
    )  # fmt: skip
    return {"width": SIDE, "height": SIDE, "layer": layers}


def _line(
    points: list[Point], x: dict[str, Any], y: dict[str, Any], colour: str, width: float, dash: list[int]
) -> dict[str, Any]:
    return {
        "mark": {
            "type": "line",
            "stroke": colour,
            "strokeWidth": width,
            "strokeDash": dash,
            "interpolate": "linear",
        },
        "data": {"values": [{"x": a, "y": b} for a, b in points]},
        "encoding": {"x": x, "y": y},
    }


def sweeps(
    charts: list[tuple[str, bool, list[tuple[str, list[Point]]]]],
    *,
    span: tuple[float, float],
    steps: bool,
    threshold: float | None,
    x_title: str,
    in_use: str,
) -> dict[str, Any]:
    """One chart a quantity along thresholds, a line a group; the threshold in use is marked.

    `charts` holds (title, is a ratio, lines); every chart has the same groups in the same order.
    `span` is the least and the largest score. `steps` says that the points are all scores there are:
    a threshold between two of them decides as the upper one does.
    """
    names = list(dict.fromkeys(label for _, _, lines in charts for label, _ in lines))
    ticks = [0, 0.5, 1] if span == (0.0, 1.0) else tick_values(*span, log=False, span=SWEEP_WIDTH, apart=48)
    x = _axis("x", list(span), ticks, x_title)
    found = [
        _sweep(title, ratio, lines, names, threshold, x, in_use, steps) for title, ratio, lines in charts
    ]
    return {"hconcat": found, "spacing": 38, "padding": 4, "resolve": {"legend": {"stroke": "shared"}}}


def _sweep(
    title: str,
    ratio: bool,
    lines: list[tuple[str, list[Point]]],
    names: list[str],
    threshold: float | None,
    x: dict[str, Any],
    in_use: str,
    steps: bool,
) -> dict[str, Any]:
    parity = 1.0 if ratio else 0.0
    low, high = _reach([y for _, points in lines for _, y in points] + [parity], ratio=ratio)
    ticks = tick_values(low, high, log=ratio, span=SWEEP_HEIGHT, apart=24)
    y = _axis("y", [low, high], ticks, None, log=ratio)
    values = [
        {"g": label, "x": at, "y": value}
        for label, points in lines
        for at, value in points
        if low <= value <= high
    ]
    layers: list[dict[str, Any]] = [
        _line([(end, parity) for end in x["scale"]["domain"]], x, y, MUTED, 1, [3, 3])
    ]
    marked = [] if threshold is None else _marked(threshold, in_use, x)
    told, data = _told_apart(names), {"values": values}
    line = {"type": "line", "strokeWidth": 2, "interpolate": "step-before" if steps else "linear"}
    lines_of_groups = [{"mark": line, "data": data, "encoding": {"x": x, "y": y, **told}}]
    if steps:
        dot = {"type": "circle", "size": 26, "opacity": 1}
        fill = {"field": "g", "type": "nominal", "scale": told["stroke"]["scale"], "legend": None}
        lines_of_groups.append({"mark": dot, "data": data, "encoding": {"x": x, "y": y, "fill": fill}})
    layers += [*marked[:1], *lines_of_groups, *marked[1:]]
    layers.append(
        {
            "mark": {"type": "text", "align": "left", "fontWeight": 600, "fill": INK, "text": title},
            "data": {"values": [{}]},
            "encoding": {"x": {"value": 0}, "y": {"value": -18}},
        }
    )
    return {"width": SWEEP_WIDTH, "height": SWEEP_HEIGHT, "layer": layers}


def _reach(found: list[float], *, ratio: bool) -> tuple[float, float]:
    """The ends of an axis: all values with some room, a ratio within 1/20 and 20."""
    if ratio:
        positive = [value for value in found if value > 0]
        return max(min(positive) / 1.05, 0.05), min(max(positive) * 1.05, 20.0)
    return min(found) - 0.02, max(found) + 0.02


def _axis(
    field: str, domain: list[float], ticks: Sequence[float], title: str | None, *, log: bool = False
) -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log" if log else "linear", "domain": domain, "nice": False, "zero": False},
        "axis": {"values": list(ticks), "title": title, "labelExpr": tick_labels(ticks), "grid": False},
    }


def _told_apart(names: list[str]) -> dict[str, Any]:
    """Colour and dash by group, with one key for both."""
    key = {
        "orient": "bottom",
        "direction": "vertical",
        "title": None,
        "labelLimit": 400,
        "symbolType": "stroke",
        "symbolSize": 700,
        "symbolStrokeWidth": 2,
        "labelFontSize": FONT_SIZE,
        "labelColor": INK,
    }
    ranges: dict[str, list[Any]] = {"stroke": [c for c, _ in LINES], "strokeDash": [d for _, d in LINES]}
    return {
        channel: {
            "field": "g",
            "type": "nominal",
            "scale": {"domain": names, "range": options[: len(names)]},
            "legend": key,
        }
        for channel, options in ranges.items()
    }


def _marked(threshold: float, words: str, x: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "mark": {"type": "rule", "stroke": INK, "strokeWidth": 1},
            "data": {"values": [{"x": threshold}]},
            "encoding": {"x": x},
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 5, "dy": -10, "fill": INK, "text": words, **HALO},
            "data": {"values": [{"x": threshold}]},
            "encoding": {"x": x, "y": {"value": SWEEP_HEIGHT}},
        },
    ]
