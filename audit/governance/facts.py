"""Facts that no data can say, typed once in `governance/facts.yaml` and read by every check and report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from audit.governance import yamlfile

MODALITIES = ("tabular", "text", "image", "audio", "ranking", "agent")
ROLES = ("provider", "deployer", "both")
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


def load_facts(path: Path) -> Facts:
    """The facts in the file, all unknown where there is none."""
    if not path.exists():
        return Facts()
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="facts.yaml")
    auditor, reaudit = root.entry("auditor"), root.entry("reaudit")
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
    )
    for entry in (root, auditor, reaudit):
        if entry is not None:
            entry.done()
    return facts


def _optional(entry: yamlfile.Entry, key: str, allowed: tuple[str, ...]) -> str | None:
    return None if entry.get(key) is None else entry.choice(key, allowed)
