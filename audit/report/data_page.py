"""The page on a table before training: one self-contained HTML file, in the report's style."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import jinja2

from audit.analysis.data_report import DataReport, Groups, Measure
from audit.registry import lookup
from audit.report import numbers
from audit.report.charts import forest
from audit.report.forest_rows import Axis, Row
from audit.report.html import environment_of, style
from audit.report.svg import Drawing, draw

DRAWN = 20
"""Proxies in one plot; the table has them all."""
TABLE_ROWS = 200
MEASURES = {"cramers_v": "Cramér's V", "correlation_ratio": "correlation ratio"}
DISTANCES = ("total_variation", "ks", "js_divergence", "hellinger", "kl_divergence", "wasserstein")
PLACES = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a table."""

    name: str
    group: str | None
    metric: str
    value: str
    interval: str
    n: str
    why: str | None


@dataclass(frozen=True, slots=True)
class AttributeView:
    """What the page says of one attribute."""

    anchor: str
    name: str
    against: str
    groups: tuple[tuple[str, int, str], ...]
    """Name, rows, share."""
    strongest: Measure | None
    strongest_words: str
    plot: Drawing | None
    proxies: tuple[Line, ...]
    restated_by: tuple[str, ...]
    guesses: tuple[Line, ...]
    labels: tuple[Line, ...]
    shares: tuple[Line, ...]
    missing: tuple[Line, ...]
    distances: tuple[Line, ...]
    distances_all: int


def render(report: DataReport) -> str:
    """The page of `report`; equal reports give equal text. It needs no script and asks for nothing."""
    attributes = tuple(_attribute(report, one, at) for at, one in enumerate(report.attributes, start=1))
    used = {one.metric for one in report.measures}
    return (
        _environment()
        .get_template("data.html")
        .render(
            report=report,
            attributes=attributes,
            overlap=tuple(_line(one) for one in report.of("test_overlap")),
            definitions=tuple(lookup(name) for name in sorted(used)),
        )
    )


def _attribute(report: DataReport, of: Groups, at: int) -> AttributeView:
    name = of.attribute
    proxies = report.proxies(name)
    defined = [one for one in proxies if one.value is not None]
    total = max(1, sum(of.rows))
    gaps = sorted(report.of("missingness_gap", attribute=name), key=lambda one: -abs(one.value or 0.0))
    apart = [one for one in report.of(*DISTANCES, attribute=name) if one.column != report.label]
    first = [one for one in apart if one.metric in ("total_variation", "ks")]
    first.sort(key=lambda one: (-(one.value or 0.0), one.column or "", one.group or ""))
    label = report.of("label_rate_gap", *DISTANCES, attribute=name)
    return AttributeView(
        anchor=f"attribute-{at}",
        name=name,
        against=of.reference,
        groups=tuple(
            (group, rows, numbers.percent(rows / total))
            for group, rows in zip(of.groups, of.rows, strict=True)
        ),
        strongest=defined[0] if defined else None,
        strongest_words=_said(defined[0]) if defined else "",
        plot=_plot(defined[:DRAWN], f"fig-{at}") if defined else None,
        proxies=tuple(_line(one) for one in proxies[:TABLE_ROWS]),
        restated_by=of.restated_by,
        guesses=tuple(_line(one) for one in report.of("proxy_auc", attribute=name)),
        labels=tuple(_line(one) for one in label if one.column == report.label),
        shares=tuple(
            _line(one) for one in report.of("representation_gap", "class_imbalance", attribute=name)
        ),
        missing=tuple(_line(one) for one in gaps[:TABLE_ROWS]),
        distances=tuple(_line(one) for one in first[:TABLE_ROWS]),
        distances_all=len(apart),
    )


def _plot(proxies: list[Measure], figure: str) -> Drawing:
    rows = [
        Row(
            label=numbers.clean(one.column or ""),
            kind="described",
            word=MEASURES[one.metric],
            figure=numbers.figure(one.value, 2),
            n=numbers.rows(int(one.n)),
            value=one.value,
            thin=(one.low, one.high),
        )
        for one in proxies
    ]
    axis = Axis(
        "association with the attribute, 0 none to 1 gives it away",
        False,
        parity=0.0,
        columns=("value", "rows", "measure"),
        span=(0.0, 1.0),
    )
    return draw(forest(rows, axis), figure=figure)


def _line(one: Measure) -> Line:
    bounded = one.low is not None and one.high is not None
    return Line(
        numbers.clean(one.column or one.group or ""),
        None if one.group is None else numbers.clean(one.group),
        MEASURES.get(one.metric, lookup(one.metric).title),
        numbers.figure(one.value, PLACES),
        numbers.interval(one.low, one.high, PLACES) if bounded else "",
        numbers.rows(int(one.n)),
        one.why,
    )


def _said(one: Measure) -> str:
    words = f"{MEASURES[one.metric]} {numbers.figure(one.value, 2)}"
    return words if one.low is None else f"{words}, interval {numbers.interval(one.low, one.high, 2)}"


@cache
def _environment() -> jinja2.Environment:
    environment = environment_of("report")
    environment.globals.update(style=style)
    return environment
