"""EU AI Act, Annex IV: the technical documentation that an audit can fill, and what people must."""

from __future__ import annotations

from collections.abc import Callable

from audit.report.profiles import measured
from audit.report.profiles.frame import Case, Document, page

TITLE = "Technical documentation, EU AI Act, Annex IV"
CITES = (
    "EU-AI-ACT Art 11",
    "EU-AI-ACT Annex IV 1(a)",
    "EU-AI-ACT Annex IV 2(g)",
    "EU-AI-ACT Annex IV 3",
    "EU-AI-ACT Annex IV 4",
    "EU-AI-ACT Art 9(8)",
    "EU-AI-ACT Art 10(2)(f)",
    "EU-AI-ACT Art 13(3)(b)(v)",
    "EU-AI-ACT Art 14(4)",
    "EU-AI-ACT Art 72(3)",
)


def html(case: Case) -> Document:
    """The documentation as a page."""
    fields = (
        case.fact("provider", "Provider", "who makes the system available"),
        case.fact("intended_purpose", "Intended purpose", "what it is for"),
        case.fact("population_served", "Persons concerned", "whom it decides on"),
        case.system("version", "Version", "which version was audited"),
        case.system("output", "Output", "what it gives out"),
        case.statement("design_choices", "Design choices, 2(b)"),
        case.statement("data_sheet", "Training data, 2(d)"),
        case.statement("human_oversight", "Human oversight, 2(e)"),
        case.fact("data_source", "Test data, 2(g)", "where the test data come from, and why these"),
        case.statement("limitations", "Limits of capability, 3"),
        case.statement("metric_reasons", "Why these metrics, 4"),
        case.statement("risk_management", "Risk management system, 5"),
        case.statement("lifecycle_changes", "Changes over the life cycle, 6"),
        case.statement("standards_applied", "Standards applied, 7"),
        case.statement("post_market_plan", "Post-market monitoring plan, 9"),
    )
    return page(
        case,
        "eu_annex_iv.html",
        title=TITLE,
        fields=fields,
        cites=CITES,
        faults=_faults(case),
        rules=measured.rules(case),
        figures=measured.figures(case),
    )


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _faults(case: Case) -> tuple[str, ...]:
    faults = []
    if not case.result.policy.rules:
        faults.append("no metric with a limit was set before the test (Art 9(8)): the policy has no rules")
    if not case.result.policy.digest:
        faults.append("the policy came from no file, so that nobody can show it was there before the test")
    if not any(one.counts for one in case.situation.signed):
        faults.append("the test report is signed by nobody (Annex IV 2(g)): `harm-audit sign`")
    if case.situation.register is None:
        faults.append("there is no harm register, which the account of risks rests on: `harm-audit harms`")
    return tuple(faults)
