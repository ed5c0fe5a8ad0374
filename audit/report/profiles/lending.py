"""Fair-lending figures: approval ratios against a control group, score differences in standard deviations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audit.governance import adverse_impact
from audit.governance.adverse_impact import Impact
from audit.report.profiles.counting import control_group, moments, selected, width
from audit.report.profiles.frame import Case, Document, page
from audit.result import Attribute

TITLE = "Fair-lending figures"
CITES = (
    "LENDING-PRACTICE AIR",
    "LENDING-PRACTICE SMD",
    "LENDING-PRACTICE LDA",
    "LENDING-PRACTICE BISG",
    "US-ECOA 1002.6",
    "US-ECOA 1002.4(b)",
    "US-FHA 3604-3605",
    "US-STATE-LENDING whole",
    "US-SR-11-7 whole",
)
COMFORT, CONCERN = 0.9, 0.8
"""Bands that vendors use; no regulator wrote them down."""


@dataclass(frozen=True, slots=True)
class Line:
    """One group against the control group, which has neither impact nor difference."""

    group: str
    n: int
    approved: int
    rate: float
    impact: Impact | None
    band: str | None
    difference: float | None
    withheld: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Every group of one attribute."""

    attribute: str
    control: str
    chosen_as: str
    lines: tuple[Line, ...]
    unknown: str
    scored: bool


def html(case: Case) -> Document:
    """The figures as a page."""
    fields = (
        case.system("owner", "Lender or owner", "who answers for the model"),
        case.fact("intended_purpose", "Product and decision", "which product, which step, which decision"),
        case.fact("data_source", "Data", "where the data come from, and why these"),
        case.statement("inference", "How race or ethnicity is known"),
        case.statement("input_variables", "Search for proxies"),
        case.statement("search_log", "Search for alternatives"),
    )
    tables = tuple(table for a in case.result.data.attributes if (table := _table(case, a)) is not None)
    faults = () if tables else ("no attribute has two groups with decisions",)
    return page(
        case,
        "lending.html",
        title=TITLE,
        fields=fields,
        cites=CITES,
        faults=faults,
        tables=tables,
        width=width(case.result),
        deviation=moments(case.result, (), ())[1],
        comfort=COMFORT,
        concern=CONCERN,
    )


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _table(case: Case, attribute: Attribute) -> Table | None:
    counted = selected(case.result, (attribute.name,))
    people = {key[0]: value for key, value in counted.by_group.items() if value[0] > 0}
    if len(people) < 2:
        return None
    control, chosen_as = control_group(attribute, people)
    n2, c = people[control]
    mean, deviation = moments(case.result, (attribute.name,), (control,))[0], moments(case.result, (), ())[1]
    lines = []
    for group, (n, approved) in people.items():
        impact = adverse_impact.impact(approved, n, c, n2) if group != control else None
        own = moments(case.result, (attribute.name,), (group,))[0]
        difference = None
        if impact is not None and own is not None and mean is not None and deviation:
            difference = (own - mean) / deviation
        hidden = any(case.withheld.group((attribute.name,), (one,)) for one in (group, control))
        hidden = hidden or case.withheld.count(n)
        lines.append(Line(group, n, approved, approved / n, impact, _band(impact), difference, hidden))
    scored = any(line.difference is not None for line in lines)
    return Table(
        attribute.name,
        control,
        chosen_as,
        tuple(lines),
        case.unknown((attribute.name,), counted.unknown),
        scored,
    )


def _band(impact: Impact | None) -> str | None:
    if impact is None or impact.ratio is None:
        return None
    if impact.ratio < CONCERN:
        return "practically significant"
    return "concern" if impact.ratio <= COMFORT else "comfortable"
