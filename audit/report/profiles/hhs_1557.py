"""Section 1557, 45 CFR 92.210: what is known of a patient care decision support tool, trait by trait."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from audit.report import numbers
from audit.report.profiles import measured
from audit.report.profiles.frame import Case, Document, page
from audit.report.profiles.sections import Section

TITLE = "Patient care decision support tool, 45 CFR 92.210"
CITES = (
    "US-HHS-1557 92.210(a)",
    "US-HHS-1557 92.210(b)",
    "US-HHS-1557 92.210(c)",
    "GMLP FDA-2025-draft",
    "US-ONC-HTI-1 170.315(b)(11)",
)
TRAITS = (
    ("race or colour", "race_ethnicity", r"race|colou?r|ethnic"),
    ("national origin", None, r"origin|national|birth.?country|country.?of.?birth|language"),
    ("sex", "sex", r"sex|gender"),
    ("age", "age", r"\bage\b|birth.?(year|date)"),
    ("disability", None, r"disab|impair"),
)
"""Each trait of the rule, the kind that a spec may give to an attribute, and what its name may hold."""
CLINICAL = ("true_positive_rate", "false_negative_rate", "expected_calibration_error")


@dataclass(frozen=True, slots=True)
class Trait:
    """One trait, and the audited attributes that stand for it."""

    name: str
    attributes: tuple[str, ...]


def html(case: Case) -> Document:
    """The account as a page."""
    sections = _sections(case)
    return page(
        case,
        "sections.html",
        title=TITLE,
        fields=tuple(field for section in sections for field in section.fields),
        cites=CITES,
        faults=_faults(case),
        sections=sections,
        rules=measured.rules(case),
        figures=measured.figures(case),
        groups=(),
        traits=traits(case),
    )


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def traits(case: Case) -> tuple[Trait, ...]:
    """The traits that the rule names, each with the attributes by which the audit told people apart."""
    return tuple(
        Trait(
            name,
            tuple(
                numbers.clean(a.name)
                for a in case.result.data.attributes
                if (kind is not None and a.kind == kind)
                or (a.kind is None and re.search(pattern, a.name.replace("_", " "), re.IGNORECASE))
            ),
        )
        for name, kind, pattern in TRAITS
    )


def _sections(case: Case) -> tuple[Section, ...]:
    return (
        Section(
            "The tool",
            fields=(
                case.system("owner", "Covered entity or owner", "who answers for its use"),
                case.fact("intended_purpose", "Use in care", "which decision about patients it supports"),
                case.fact("population_served", "Patients", "whom it decides on"),
                case.system("output", "Output", "what it gives out"),
                case.fact("provider", "Developer", "who makes the tool"),
            ),
        ),
        Section(
            "(b) Inputs that measure a protected trait",
            "An audit of decisions does not see which inputs a tool reads: that is for people to find and "
            "say. The table says by which traits the outcomes were told apart.",
            (case.statement("input_variables", "Inputs"),),
            ("traits",),
        ),
        Section(
            "What was measured, by group",
            fields=(case.fact("data_source", "Data", "where the data come from, and why these"),),
            shows=("rules", "figures", "not_measured"),
        ),
        Section(
            "(c) Reasonable efforts to mitigate",
            fields=(
                case.statement("mitigation", "Efforts"),
                case.statement("human_oversight", "Oversight by clinicians"),
                case.statement("limitations", "Limits of the tool"),
            ),
            shows=("harms", "actions"),
        ),
    )


def _faults(case: Case) -> tuple[str, ...]:
    faults = []
    if not any(trait.attributes for trait in traits(case)):
        faults.append("outcomes were told apart by none of the traits that the rule names")
    if not any(e.metric in CLINICAL and e.grouping and e.value is not None for e in case.result.estimates):
        faults.append(
            "missed cases and calibration were measured for no group: are there labels of what was so?"
        )
    return tuple(faults)
