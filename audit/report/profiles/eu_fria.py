"""EU AI Act, Article 27: the deployer's assessment of the impact on fundamental rights."""

from __future__ import annotations

from collections.abc import Callable

from audit.governance.themes import load_kinds
from audit.report.profiles.frame import Case, Document
from audit.report.profiles.sections import Section, document, register_faults

TITLE = "Fundamental-rights impact assessment, EU AI Act, Article 27"
CITES = (
    "EU-AI-ACT Annex III",
    "EU-AI-ACT Art 27(1)(a)",
    "EU-AI-ACT Art 27(1)(b)",
    "EU-AI-ACT Art 27(1)(c)",
    "EU-AI-ACT Art 27(1)(d)",
    "EU-AI-ACT Art 27(1)(e)",
    "EU-AI-ACT Art 27(1)(f)",
    "EU-AI-ACT Art 27(3)",
    "EU-AI-ACT Art 27(4)",
    "EU-AI-ACT Art 26(2)",
)


def html(case: Case) -> Document:
    """The assessment as a page, (a) to (f) as the article has them; (c) and (d) come from the evidence."""
    themes = tuple(dict.fromkeys(kind.theme for kind in load_kinds()))
    return document(case, TITLE, CITES, _sections(case), register_faults(case, themes=themes))


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _sections(case: Case) -> tuple[Section, ...]:
    return (
        Section(
            "(a) The process in which it is used",
            fields=(
                case.system("owner", "Deployer or owner", "who answers for its use"),
                case.fact("intended_purpose", "Purpose", "what it is for"),
                case.statement("process", "Process"),
                case.system("output", "Output", "what it gives out"),
            ),
        ),
        Section(
            "(b) How long and how often",
            fields=(
                case.statement("period_and_frequency", "Period and frequency"),
                case.fact("distribution_date", "First use", "the day on which it was or will be first used"),
            ),
        ),
        Section(
            "(c) The persons and groups concerned",
            "The groups below are those that the audit could tell apart. Whom it could not tell apart, it "
            "could not look at.",
            (case.fact("population_served", "Persons concerned", "whom it decides on"),),
            ("groups",),
        ),
        Section(
            "(d) The risks of harm to them",
            "From the harm register, and from what was measured.",
            shows=("harms", "rules", "not_measured"),
        ),
        Section("(e) Human oversight", fields=(case.statement("human_oversight", "Oversight"),)),
        Section(
            "(f) If the risks come true",
            fields=(case.statement("mitigation", "Measures"), case.statement("complaints", "Complaints")),
            shows=("actions",),
        ),
        Section(
            "Notification, and the data protection impact assessment",
            fields=(
                case.statement("notification", "Notification, 27(3)"),
                case.statement("dpia_reference", "Data protection, 27(4)"),
            ),
        ),
    )
