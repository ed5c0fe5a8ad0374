"""Plots of causes and remedies: learning curves, and gap against accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.report.axes import tick_labels, tick_values
from audit.report.numbers import clean, wrap
from audit.report.score_charts import LINES
from audit.report.svg import BAND, FONT_SIZE, GROUND, HALO, INK, MUTED

WIDTH, HEIGHT = 560, 320
NAME_LINE, LETTER, NEAR = 15.0, 7.2, 7.0
"""Height of a line, width of a letter at the most, and reach of a point's mark, in pixels."""
MOST_CURVES = len(LINES)
_CROSS = "M-1.1,-1.1L1.1,1.1M-1.1,1.1L1.1,-1.1"
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a name stands; `middle` is half way down."""

    left: float
    right: float
    middle: float
    tall: float

    def meets(self, other: Box) -> bool:
        """Whether the two overlap."""
        level = abs(self.middle - other.middle) < (self.tall + other.tall) / 2
        return level and self.left < other.right and other.left < self.right


def learning(curves: list[tuple[str, list[tuple[float, float, float]]]]) -> dict[str, Any]:
    """Error against training rows, a line a group: each point (rows, mean error, spread over repeats)."""
    points = [p for _, line in curves for p in line]
    top = max((mean + spread for _, mean, spread in points), default=1.0) * 1.1 or 1.0
    most = max((rows for rows, _, _ in points), default=1.0)
    x = _axis("rows", 0.0, most * 1.02, "Training rows of the group")
    y = _axis("error", 0.0, top, "Error on test rows", span=HEIGHT)
    layers: list[dict[str, Any]] = []
    for (_, line), (colour, dash), shape in zip(curves, LINES, _SHAPES, strict=False):
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
    ends_of = [(label, line[-1]) for label, line in curves[: len(LINES)] if line]
    layers += _names(
        [(wrap(clean(label), 30), _spot(rows, mean, x, y)) for label, (rows, mean, _) in ends_of]
    )
    return {"width": WIDTH, "height": HEIGHT, "padding": {"left": 8, "right": 210, "top": 8, "bottom": 8},
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
    named = [("as it is", *now)] if now else []
    named += [(label, gap, right) for label, gap, right, _ in remedies]
    layers += _names([(wrap(clean(label), 30), _spot(gap, right, x, y)) for label, gap, right in named])
    return {"width": WIDTH, "height": HEIGHT, "padding": {"left": 8, "right": 210, "top": 24, "bottom": 8},
            "layer": layers}  # fmt: skip


def _spot(gap: float, right: float, x: dict[str, Any], y: dict[str, Any]) -> Spot:
    """Where a point stands, in pixels from the plot's upper left corner."""
    (left, end), (low, high) = x["scale"]["domain"], y["scale"]["domain"]
    return WIDTH * (gap - left) / (end - left), HEIGHT * (high - right) / (high - low)


def _names(named: list[tuple[list[str], Spot]]) -> list[dict[str, Any]]:
    """Names beside their points; one that had to move away is tied to its point by a fine line."""
    boxes = beside(named)
    tied = [
        {"x": at[0], "y": at[1], "x2": box.left - 3, "y2": box.middle}
        for (_, at), box in zip(named, boxes, strict=True)
        if abs(box.middle - at[1]) > NEAR or box.left - at[0] > 3 * NEAR
    ]
    flat = {"type": "quantitative", "scale": None, "axis": None}
    layers: list[dict[str, Any]] = []
    if tied:
        layers.append(
            {
                "mark": {"type": "rule", "stroke": MUTED, "strokeWidth": 1},
                "data": {"values": tied},
                "encoding": {"x": {"field": "x", **flat}, "y": {"field": "y", **flat},
                             "x2": {"field": "x2"}, "y2": {"field": "y2"}},
            }
        )  # fmt: skip
    layers += [
        {
            "mark": {"type": "text", "align": "left", "fill": INK, "fontSize": FONT_SIZE, "text": lines,
                     "lineHeight": NAME_LINE, "baseline": "middle", **HALO,
                     "dy": -NAME_LINE * (len(lines) - 1) / 2},
            "data": {"values": [{"x": box.left, "y": box.middle}]},
            "encoding": {"x": {"field": "x", **flat}, "y": {"field": "y", **flat}},
        }
        for (lines, _), box in zip(named, boxes, strict=True)
    ]  # fmt: skip
    return layers


def beside(named: list[tuple[list[str], Spot]]) -> list[Box]:
    """For each name a box at the right of its point that meets no other box and no point.

    The nearest free place is taken: level with the point, then above and below, then farther right.
    """
    marks = [Box(x - NEAR, x + NEAR, y, 2 * NEAR) for _, (x, y) in named]
    boxes: dict[int, Box] = {}
    for place in sorted(range(len(named)), key=lambda at: (named[at][1][1], named[at][1][0])):
        lines, (x, y) = named[place]
        wide, tall = LETTER * max(len(line) for line in lines), NAME_LINE * len(lines)
        tries = [
            Box(x + 10 + right, x + 10 + right + wide, min(max(y + down, 8), HEIGHT - 8), tall)
            for right, down in sorted(
                ((right, sign * down) for right in (0, 14, 40, 70) for down in range(0, 120, 4)
                 for sign in (-1, 1)),
                key=lambda move: (move[0] + abs(move[1]), move[0], move[1]),
            )
        ]  # fmt: skip
        taken = [*boxes.values(), *(mark for at, mark in enumerate(marks) if at != place)]
        boxes[place] = next((box for box in tries if not any(box.meets(o) for o in taken)), tries[0])
    return [boxes[place] for place in range(len(named))]


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
