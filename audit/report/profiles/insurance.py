"""Insurance: approvals and premiums by race, held against the limits of Colorado's draft of 2023.

The draft (preset co-draft-2023) never became law. It asked for regressions with the insurer's own
covariates; here the groups are compared as they are, and the page says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from audit.governance import adverse_impact
from audit.report.profiles.counting import attribute_of, control_group, moments, selected, width
from audit.report.profiles.frame import Case, Document, Field, page
from audit.result import Attribute

TITLE = "Quantitative testing in insurance, after Colorado's draft of 2023"
PRESET = "co-draft-2023"
CITES = ("US-CO-INS sec.5", "US-CO-INS 5.A.11", "US-CO-INS co-draft-2023", "LENDING-PRACTICE BISG")
ALPHA, POINTS, PREMIUM = 0.05, 0.05, 0.05
"""The draft's: significant at 5 %, and at least 5 percentage points of approvals, or 5 % of premium."""
VERDICTS = {
    "flag": "significant, and beyond the draft's limit",
    "below": "the whole interval lies within the draft's limit",
    "undecided": "neither can be said",
    "too few": "fewer people than the policy's least group",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One group's gap to the control group: `gap` in approvals, or as a share of the control's mean score."""

    group: str
    n: int
    figure: float
    """Approval rate, or mean score."""
    gap: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str | None
    """None for the control group itself."""
    withheld: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Every group of race or ethnicity under one test."""

    anchor: str
    title: str
    control: str
    chosen_as: str
    lines: tuple[Line, ...]
    unknown: str
    scores: bool


def html(case: Case) -> Document:
    """The tests as a page."""
    name = attribute_of(case.result, "race_ethnicity")
    attribute = next((a for a in case.result.data.attributes if a.name == name), None)
    made = (_approvals(case, attribute), _scores(case, attribute)) if attribute else ()
    tables = tuple(table for table in made if table is not None)
    faults = []
    if attribute is None:
        faults.append("no attribute is read `as: race_ethnicity`, which the draft tests by")
    elif not tables:
        faults.append(f"{attribute.name} has no two groups with decisions or scores")
    return page(
        case,
        "insurance.html",
        title=TITLE,
        fields=_fields(case, scored=any(table.scores for table in tables)),
        cites=CITES,
        faults=tuple(faults),
        tables=tables,
        verdicts=VERDICTS,
        preset=PRESET,
        width=width(case.result),
    )


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _fields(case: Case, *, scored: bool) -> tuple[Field, ...]:
    fields = (
        case.system("owner", "Insurer or owner", "who answers for the model"),
        case.fact("intended_purpose", "Line and decision", "which line of insurance, which decision"),
        case.fact("data_source", "Data", "where the data come from, and why these"),
        case.statement("inference", "How race or ethnicity is known"),
        case.statement("input_variables", "Outside data and proxies"),
        case.statement("mitigation", "What was done"),
        case.statement("inventory", "Inventory and versions"),
        case.statement("attestation", "Attestation"),
    )
    return (*fields, case.statement("score_meaning", "What the score is")) if scored else fields


def _approvals(case: Case, attribute: Attribute) -> Table | None:
    counted = selected(case.result, (attribute.name,))
    people = {key[0]: value for key, value in counted.by_group.items() if value[0] > 0}
    if len(people) < 2:
        return None
    control, chosen_as = control_group(attribute, people)
    n2, c = people[control]
    lines = []
    for group, (n, k) in people.items():
        hidden = _hidden(case, attribute, group, control, n)
        if group == control:
            lines.append(Line(group, n, k / n, None, None, None, None, None, hidden))
            continue
        low, high = adverse_impact.difference_interval(k, n, c, n2)
        p = adverse_impact.exact_tests(k, n, c, n2)[0]
        gap = k / n - c / n2
        beyond = 100 * (c * n - k * n2) >= 100 * POINTS * n * n2
        verdict = _verdict(case, min(n, n2), p, beyond, within=low > -POINTS)
        lines.append(Line(group, n, k / n, gap, low, high, p, verdict, hidden))
    unknown = case.unknown((attribute.name,), counted.unknown)
    return Table("approvals", "Approvals", control, chosen_as, tuple(lines), unknown, False)


def _scores(case: Case, attribute: Attribute) -> Table | None:
    """Mean scores; the spread within a bin is taken at its greatest, so that no p is too small for it."""
    sizes: dict[str, tuple[int, float, float]] = {}
    reach = (width(case.result) or 0.0) / 2
    unknown = 0
    for bins in case.result.score_bins:
        if bins.grouping != (attribute.name,):
            continue
        n = round(math.fsum((*bins.positives, *bins.negatives, *bins.unlabelled)))
        (group,) = bins.group
        if group is None:
            unknown = n
            continue
        mean, deviation = moments(case.result, bins.grouping, (group,))
        if mean is not None and deviation is not None and n:
            sizes[group] = (n, mean, (deviation**2 + reach**2) / n)
    if len(sizes) < 2:
        return None
    control, chosen_as = control_group(attribute, {group: (n, 0) for group, (n, _, _) in sizes.items()})
    if attribute.reference == "best":
        control, chosen_as = max(sizes, key=lambda g: sizes[g][0]), "the largest group"
    base = sizes[control]
    if base[1] <= 0:
        return None
    lines = [_score_line(case, attribute, group, control, sizes[group], base) for group in sorted(sizes)]
    held = case.unknown((attribute.name,), unknown)
    return Table("scores", "Scores", control, chosen_as, tuple(lines), held, True)


def _score_line(
    case: Case,
    attribute: Attribute,
    group: str,
    control: str,
    mine: tuple[int, float, float],
    base: tuple[int, float, float],
) -> Line:
    n, mean, variance = mine
    hidden = _hidden(case, attribute, group, control, n)
    if group == control:
        return Line(group, n, mean, None, None, None, None, None, hidden)
    gap = mean / base[1] - 1
    error = math.sqrt(variance + (mean / base[1]) ** 2 * base[2]) / base[1]
    z = NormalDist().inv_cdf(1 - ALPHA / 2) * error
    p = 2 * NormalDist().cdf(-abs(gap) / error) if error else None
    verdict = _verdict(case, min(n, base[0]), p, abs(gap) >= PREMIUM, abs(gap) + z < PREMIUM)
    return Line(group, n, mean, gap, gap - z, gap + z, p, verdict, hidden)


def _verdict(case: Case, least: int, p: float | None, beyond: bool, within: bool) -> str:
    if least < max(adverse_impact.MIN_N, case.result.policy.min_group):
        return "too few"
    if beyond and p is not None and p < ALPHA:
        return "flag"
    return "below" if within else "undecided"


def _hidden(case: Case, attribute: Attribute, group: str, control: str, n: int) -> bool:
    held = (case.withheld.group((attribute.name,), (one,)) for one in (group, control))
    return any(held) or case.withheld.count(n)
