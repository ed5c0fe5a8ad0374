"""Adverse impact of an employment selection: four fifths with its significance, and the one-person change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.governance import adverse_impact
from audit.governance.adverse_impact import Impact
from audit.report.profiles.counting import selected
from audit.report.profiles.frame import Case, Document, page

TITLE = "Adverse impact in employment selection, United States"
CITES = (
    "US-UGESP 1607.4D",
    "US-UGESP Q&A 20-22",
    "US-UGESP 1607.3B",
    "US-UGESP 1607.4C",
    "US-TITLE-VII 2000e-2(k)",
    "US-EO-14281 whole",
    "US-CA-ADS testing",
    "US-CA-ADS records",
)
VERDICTS = {
    "flag": "below four fifths, and significant",
    "watch-ratio": "below four fifths, not significant",
    "watch-stat": "significant, not below four fifths",
    "clear": "neither, and a ratio of four fifths would probably have been seen",
    "inconclusive": "neither, or too few people to say",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One group against the one with the highest rate; `impact` is None for that group itself."""

    group: str
    n: int
    chosen: int
    rate: float | None
    impact: Impact | None
    adjusted: float | None
    """Fisher's p, Holm-adjusted over the table."""
    verdict: str | None
    withheld: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Every group of one attribute."""

    attribute: str
    highest: str
    lines: tuple[Line, ...]
    unknown: str
    verdict: str


def html(case: Case) -> Document:
    """The analysis as a page."""
    fields = (
        case.system("owner", "Employer or owner", "who answers for the selection"),
        case.fact("intended_purpose", "Decision examined", "which step of the selection, for which job"),
        case.fact("data_source", "Data", "where the data come from, and why these"),
        case.statement("job_relatedness", "Job relatedness"),
        case.statement("alternatives", "Less adverse alternatives"),
        case.statement("retention", "Records"),
    )
    tables = [_table(case, (a.name,)) for a in case.result.data.attributes]
    kinds = [a.name for a in case.result.data.attributes if a.kind in ("sex", "race_ethnicity")]
    if len(kinds) > 1:
        tables.append(_table(case, kinds))
    found = tuple(table for table in tables if table is not None)
    faults = () if found else ("nobody was selected or passed over, or no attribute has two groups",)
    return page(
        case,
        "us_employment.html",
        title=TITLE,
        fields=fields,
        cites=CITES,
        faults=faults,
        tables=found,
        verdicts=VERDICTS,
        alpha=adverse_impact.ALPHA,
        min_n=_min_n(case),
    )


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _min_n(case: Case) -> int:
    return max(adverse_impact.MIN_N, case.result.policy.min_group)


def _table(case: Case, names: Sequence[str]) -> Table | None:
    counted = selected(case.result, names)
    people = {key: value for key, value in counted.by_group.items() if value[0] > 0}
    if len(people) < 2:
        return None
    best = next(iter(people))
    for key, (n, chosen) in people.items():
        if chosen * people[best][0] > people[best][1] * n:
            best = key
    n2, c = people[best]
    others = {key: adverse_impact.impact(k, n, c, n2) for key, (n, k) in people.items() if key != best}
    tested = [key for key, impact in others.items() if impact.fisher is not None]
    adjusted = dict(zip(tested, adverse_impact.holm([others[k].fisher or 0.0 for k in tested]), strict=True))
    lines = []
    for key, (n, chosen) in people.items():
        impact = others.get(key)
        verdict = adverse_impact.verdict(impact, p=adjusted.get(key), min_n=_min_n(case)) if impact else None
        hidden = any(case.withheld.group(tuple(names), one) for one in (key, best)) or case.withheld.count(n)
        lines.append(Line(" × ".join(key), n, chosen, chosen / n, impact, adjusted.get(key), verdict, hidden))
    worst = min((line.verdict for line in lines if line.verdict), key=_gravity)
    unknown = case.unknown(tuple(names), counted.unknown)
    return Table(" and ".join(names), " × ".join(best), tuple(lines), unknown, worst)


def _gravity(verdict: str) -> int:
    """Flags first, clear last: a group nobody can judge is not clear."""
    return ("flag", "watch-ratio", "watch-stat", "inconclusive", "clear").index(verdict)
