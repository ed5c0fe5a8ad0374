"""The score section of the page: what each plot shows, and the table of its numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import islice

from audit.report import numbers, words
from audit.report.facts import Case
from audit.report.score_charts import MOST_LINES, PANELS, Point, panels, sweeps
from audit.report.scores import Swept, calibration, roc, sweep
from audit.report.svg import Drawing, draw
from audit.result import ScoreBins, group_name

SWEEP_ROWS = 10
"""Thresholds in the table of a sweep."""


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """A plot's numbers: the columns' titles and rows of text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ScoreFigure:
    """One score plot."""

    anchor: str
    kind: str
    """calibration, roc or sweep."""
    attribute: str
    groups: int
    shown: int
    drawing: Drawing
    table: ScoreTable
    reference: str = ""
    steps: bool = False
    """Of a sweep: its points are all the scores there are."""


def score_figures(case: Case) -> tuple[ScoreFigure, ...]:
    """Every score plot, kind by kind and attribute by attribute; none where no scores were read."""
    by_grouping: dict[tuple[str, ...], list[ScoreBins]] = defaultdict(list)
    for bins in case.result.score_bins:
        if len(bins.grouping) == 1 and not case.withheld.group(bins.grouping, bins.group):
            by_grouping[bins.grouping].append(bins)
    edges, found = case.result.score_edges, []
    probabilities = bool(edges) and edges[0] >= 0 and edges[-1] <= 1
    for number, (grouping, groups) in enumerate(by_grouping.items(), 1):
        ordered = sorted(groups, key=lambda b: (-_rows(b), numbers.name(b.group)))
        attribute = case.attribute(grouping)
        found += [
            replace(figure, groups=figure.groups + _without_curves(case, grouping))
            for figure in (
                _calibration(case, f"calibration-{number}", attribute, ordered) if probabilities else None,
                _sweep(case, f"sweep-{number}", attribute, ordered),
                _roc(f"roc-{number}", attribute, ordered),
            )
            if figure is not None
        ]
    kinds = ("calibration", "sweep", "roc")
    return tuple(sorted(found, key=lambda figure: kinds.index(figure.kind)))


def _without_curves(case: Case, grouping: tuple[str, ...]) -> int:
    """Groups of an attribute for which the result holds no curve: it keeps those of the largest."""
    known = sum(len(a.values) for a in case.result.data.attributes if (a.name,) == grouping)
    return max(0, known - sum(bins.grouping == grouping for bins in case.result.score_bins))


def _rows(bins: ScoreBins) -> float:
    return sum(bins.positives) + sum(bins.negatives) + sum(bins.unlabelled)


def _calibration(case: Case, anchor: str, attribute: str, groups: list[ScoreBins]) -> ScoreFigure | None:
    labelled = [b for b in groups if any(b.positives) or any(b.negatives)]
    curves = ((b, [c for c in calibration(b) if not case.withheld.count(c.n)]) for b in labelled)
    shown = list(islice(((b, curve) for b, curve in curves if curve), PANELS))
    if not shown:
        return None
    spec = panels(
        [
            (
                numbers.name(b.group),
                [(c.score, c.share) for c in curve],
                [(c.score, c.low, c.high) for c in curve],
            )
            for b, curve in shown
        ],
        x_title=words.words()["axis"]["calibration_x"],
        y_title=words.words()["axis"]["calibration_y"],
        marks=True,
    )
    rows = tuple(
        (
            numbers.name(b.group),
            numbers.figure(c.score, 3),
            numbers.percent(c.share),
            numbers.interval(100 * c.low, 100 * c.high, 1),
            numbers.rows(c.n),
        )
        for b, curve in shown
        for c in curve
    )
    table = ScoreTable(("group", "mean_score", "share", "interval", "n"), rows)
    return ScoreFigure(
        anchor, "calibration", attribute, len(labelled), len(shown), draw(spec, figure=anchor), table
    )


def _roc(anchor: str, attribute: str, groups: list[ScoreBins]) -> ScoreFigure | None:
    both = [b for b in groups if any(b.positives) and any(b.negatives)]
    if not both:
        return None
    shown = [(b, list(roc(b))) for b in both[:PANELS]]
    spec = panels(
        [(numbers.name(b.group), curve, []) for b, curve in shown],
        x_title=words.words()["axis"]["roc_x"],
        y_title=words.words()["axis"]["roc_y"],
        marks=False,
    )
    rows = tuple(
        (numbers.name(b.group), *(numbers.percent(_at(curve, fpr)) for fpr in (0.05, 0.1, 0.2, 0.5)))
        for b, curve in shown
    )
    table = ScoreTable(("group", "at_5", "at_10", "at_20", "at_50"), rows)
    return ScoreFigure(anchor, "roc", attribute, len(both), len(shown), draw(spec, figure=anchor), table)


def _at(curve: list[Point], fpr: float) -> float:
    """The curve's true positive rate at `fpr`, linear between its points."""
    left = curve[0]
    for right in curve[1:]:
        if right[0] >= fpr:
            run = right[0] - left[0]
            return right[1] if run == 0 else left[1] + (right[1] - left[1]) * (fpr - left[0]) / run
        left = right
    return left[1]


def _sweep(case: Case, anchor: str, attribute: str, groups: list[ScoreBins]) -> ScoreFigure | None:
    if len(groups) < 2 or not case.result.score_edges:
        return None
    named = {j.row.reference for j in case.judged if j.row.grouping == groups[0].grouping}
    reference = next((b for b in groups if group_name(b.group) in named), groups[0])
    others = [b for b in groups if b is not reference][:MOST_LINES]
    edges, spans = case.result.score_edges, case.result.score_spans
    steps = bool(spans) and all(low == high for low, high in spans)
    base = sweep(reference, edges, spans)
    swept = [(numbers.name(b.group), sweep(b, edges, spans)) for b in others]
    said = words.words()["axis"]
    quantities = (
        ("sweep_selection", "selected", True),
        ("sweep_tpr", "tpr", False),
        ("sweep_fpr", "fpr", False),
    )
    charts = []
    for title, what, ratio in quantities:
        lines = [(label, _against(curve, base, what, ratio=ratio)) for label, curve in swept]
        if any(points for _, points in lines):
            charts.append((said[title], ratio, lines))
    if not charts:
        return None
    spec = sweeps(
        charts,
        span=(edges[0], edges[-1]),
        steps=steps,
        threshold=case.result.data.threshold,
        x_title=said["threshold"],
        in_use=said["in_use"],
    )
    step = max(1, math.ceil(len(base) / SWEEP_ROWS))
    rows = tuple(
        (
            numbers.figure(base[i].threshold, 2),
            label,
            *(_cell(curve[i], base[i], w, ratio=r) for _, w, r in quantities),
        )
        for i in range(0, len(base), step)
        for label, curve in swept
    )
    table = ScoreTable(("threshold", "group", "selection_ratio", "tpr_difference", "fpr_difference"), rows)
    drawing = draw(spec, figure=anchor)
    name = numbers.name(reference.group)
    return ScoreFigure(anchor, "sweep", attribute, len(groups) - 1, len(others), drawing, table, name, steps)


def _value(a: Swept, b: Swept, what: str, *, ratio: bool) -> float | None:
    x, y = getattr(a, what), getattr(b, what)
    if x is None or y is None:
        return None
    if ratio:
        return x / y if y > 0 else None
    return float(x - y)


def _against(curve: tuple[Swept, ...], base: tuple[Swept, ...], what: str, *, ratio: bool) -> list[Point]:
    pairs = ((a.threshold, _value(a, b, what, ratio=ratio)) for a, b in zip(curve, base, strict=True))
    return [(threshold, value) for threshold, value in pairs if value is not None]


def _cell(a: Swept, b: Swept, what: str, *, ratio: bool) -> str:
    return numbers.figure(_value(a, b, what, ratio=ratio), 2)
