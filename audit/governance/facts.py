"""Facts that no data can say, typed once in `governance/facts.yaml` and read by every check and report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from audit.governance import yamlfile

MODALITIES = ("tabular", "text", "image", "audio", "ranking", "agent")
ROLES = ("provider", "deployer", "both")
STATEMENTS = {
    "alternatives": "which less adverse ways of selecting were looked for, and what was found",
    "attestation": "which officer attests the governance and testing, when, and where that is kept",
    "complaints": "how a person concerned complains, and who answers",
    "data_sheet": "how the training data were obtained, labelled and cleaned, and where that is written",
    "design_choices": "the main design choices and trade-offs, and who made them",
    "dpia_reference": "where the data protection impact assessment is, which this one complements",
    "human_oversight": "who watches the system, what they can see, and how they stop or override it",
    "inference": "how race or ethnicity was inferred where it was not asked for, and with what error",
    "input_variables": "which inputs measure, or stand for, a protected trait, and how they were looked for",
    "inventory": "where the inventory of models and outside data is, with their versions and changes",
    "job_relatedness": "what shows that the procedure measures what the job needs",
    "legal_basis": "on which legal basis, and why the processing is necessary and in proportion",
    "lifecycle_changes": "changes made and foreseen over the system's life, and how each is tested again",
    "limitations": "where the system should not be used, and what it cannot do",
    "metric_reasons": "why these metrics and limits suit this system and these people",
    "mitigation": "what was done to lower the risks found, and with what effect",
    "notification": "when the market surveillance authority was told of the result, and how",
    "officer_advice": "the data protection officer's advice, and what became of it",
    "period_and_frequency": "for how long and how often the system is to be used",
    "post_market_plan": "how the system is watched in use, and where the plan is",
    "prior_consultation": "what the supervisory authority said, where the risk that remains is high",
    "process": "the process in which the system is used, step by step",
    "retention": "which records are kept, where, and for how long",
    "risk_management": "the risk management system, and where its file is",
    "score_meaning": "what the audited score is: a premium, a rate for a unit of cover, or something else",
    "search_log": "which alternative models were tried, with their accuracy and disparity",
    "standards_applied": "which standards were applied, in whole or in part",
    "views_sought": "whose views were sought, how, and what changed because of them",
}
"""Sentences that only people can say, asked for by the profiles of reports, and what each is to hold."""
TEMPLATE = """\
# Facts that no data can say. Type each once; every check and report reads it here.
# What is left empty counts as unknown, and an unknown never lets a question go unasked.

provider:                 # who makes the system available
intended_purpose:         # what it is for, in a sentence
population_served:        # whom it decides on, in a sentence
modality:                 # tabular, text, image, audio, ranking or agent
role:                     # provider, deployer or both
simplified_output:        # yes or no: does it give a score, class or recommendation?
distribution_date:        # the day on which it was first used, as 2026-11-30
data_source:              # where the audited data come from, and why these
auditor:
  name:
  independent:            # yes or no
  basis:                  # why: no part in building, using or selling it
retention_years:          # how long the records are kept
reaudit:
  every_days:             # at the latest after so many days
  on: []                  # and on a change of: model, data, population, law
left_out: {}              # categories under two per cent that an auditor leaves out of ratios, each with why
statements: {}            # sentences that reports ask for, by name; a report lists those it lacks
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the project's people have typed; None is not known."""

    provider: str | None = None
    intended_purpose: str | None = None
    population_served: str | None = None
    modality: str | None = None
    role: str | None = None
    simplified_output: str | None = None
    distribution_date: date | None = None
    data_source: str | None = None
    auditor: str | None = None
    auditor_independent: str | None = None
    auditor_basis: str | None = None
    retention_years: float | None = None
    reaudit_every_days: int | None = None
    reaudit_on: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    """Category → why an auditor leaves it out of impact ratios."""
    statements: dict[str, str] = field(default_factory=dict)


def load_facts(path: Path) -> Facts:
    """The facts in the file, all unknown where there is none."""
    if not path.exists():
        return Facts()
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="facts.yaml")
    auditor, reaudit = root.entry("auditor"), root.entry("reaudit")
    left_out, statements = root.entry("left_out"), root.entry("statements")
    facts = Facts(
        provider=root.text("provider"),
        intended_purpose=root.text("intended_purpose"),
        population_served=root.text("population_served"),
        modality=_optional(root, "modality", MODALITIES),
        role=_optional(root, "role", ROLES),
        simplified_output=_optional(root, "simplified_output", ("yes", "no")),
        distribution_date=root.day("distribution_date"),
        data_source=root.text("data_source"),
        auditor=auditor.text("name") if auditor else None,
        auditor_independent=_optional(auditor, "independent", ("yes", "no")) if auditor else None,
        auditor_basis=auditor.text("basis") if auditor else None,
        retention_years=root.number("retention_years"),
        reaudit_every_days=reaudit.integer("every_days", 1, 3650) if reaudit else None,
        reaudit_on=reaudit.strings("on") if reaudit else (),
        left_out=_sentences(left_out, tuple(left_out.data)) if left_out else {},
        statements=_sentences(statements, tuple(STATEMENTS)) if statements else {},
    )
    for entry in (root, auditor, reaudit, left_out, statements):
        if entry is not None:
            entry.done()
    return facts


def _optional(entry: yamlfile.Entry, key: str, allowed: tuple[str, ...]) -> str | None:
    return None if entry.get(key) is None else entry.choice(key, allowed)


def _sentences(entry: yamlfile.Entry, names: Iterable[str]) -> dict[str, str]:
    found = ((str(name), entry.text(name)) for name in names)
    return {name: text for name, text in found if text}
