"""GDPR, Article 35: the data protection impact assessment of decisions about people."""

from __future__ import annotations

from collections.abc import Callable

from audit.governance.harms import OPEN
from audit.report.profiles.frame import Case, Document, Field
from audit.report.profiles.sections import Section, document, register_faults

TITLE = "Data protection impact assessment, GDPR, Article 35"
CITES = (
    "EU-GDPR Art 35(1)",
    "EU-GDPR Art 35(2)",
    "EU-GDPR Art 35(7)(a)",
    "EU-GDPR Art 35(7)(b)",
    "EU-GDPR Art 35(7)(c)",
    "EU-GDPR Art 35(7)(d)",
    "EU-GDPR Art 35(9)",
    "EU-GDPR Art 36(1)",
    "EU-GDPR Art 9",
    "EU-GDPR Art 22",
    "UK-GDPR Art 35",
    "UK-GDPR ICO AI guidance",
)
THEMES = ("allocative", "representational")
"""What people get, and how they are shown: the guidance asks for both kinds of harm."""
HIGH = ("high", "critical")


def html(case: Case) -> Document:
    """The assessment as a page, after the four letters of Article 35(7)."""
    return document(case, TITLE, CITES, _sections(case), register_faults(case, themes=THEMES))


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _sections(case: Case) -> tuple[Section, ...]:
    return (
        Section(
            "(a) The processing and its purposes",
            fields=(
                case.system("owner", "Controller or owner", "who answers for the processing"),
                case.fact("intended_purpose", "Purpose", "what it is for"),
                case.statement("process", "Process"),
                case.fact("population_served", "Data subjects", "whom it decides on"),
                case.fact("data_source", "Data audited", "where the data come from, and why these"),
                case.statement("data_sheet", "Training data"),
                case.statement("retention", "Storage"),
            ),
        ),
        Section(
            "(b) Necessity and proportionality",
            fields=(
                case.statement("legal_basis", "Legal basis"),
                case.statement("human_oversight", "Safeguards of the decision, Art 22"),
            ),
        ),
        Section(
            "(c) Risks to rights and freedoms",
            "Unequal outcomes are risks of their own, beside those to secrecy and safety of the data. The "
            "audit reads protected traits to measure them; on which ground it may is for (b).",
            shows=("harms", "rules", "groups", "not_measured"),
        ),
        Section(
            "(d) Measures",
            fields=(case.statement("mitigation", "Measures taken"), *_consultation(case)),
            shows=("actions",),
        ),
        Section(
            "Advice and views",
            fields=(
                case.statement("officer_advice", "Data protection officer, 35(2)"),
                case.statement("views_sought", "Data subjects, 35(9)"),
            ),
            shows=("consulted",),
        ),
    )


def _consultation(case: Case) -> tuple[Field, ...]:
    """The authority is asked beforehand only where the remaining risk is high."""
    register, day = case.situation.register, case.situation.as_of
    for harm in register.harms if register else ():
        rating = harm.residual or harm.inherent
        if harm.status_on(day) in (*OPEN, "accepted") and rating is not None and rating.level in HIGH:
            return (case.statement("prior_consultation", "The risk stays high: prior consultation, Art 36"),)
    return ()
