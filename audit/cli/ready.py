"""What the gate asks of a project's governance folder; loaded only where there is one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path

from audit.bundle import Bundle
from audit.gate import Reason
from audit.governance import readiness
from audit.governance.checklist import Checklist
from audit.governance.situation import Situation
from audit.governance.status import Assessed
from audit.result import AuditResult


def state(
    project: Path, found: Bundle, result: AuditResult, as_of: date
) -> tuple[Situation, tuple[tuple[Checklist, tuple[Assessed, ...]], ...]]:
    """What is known of the project on a day, and what every answer is worth."""
    situation = readiness.situation_of(
        project, as_of=as_of, result=result, bundle_id=found.id, bundle=found.path
    )
    return situation, readiness.assess_all(project, situation)


def reasons(
    project: Path, found: Bundle, result: AuditResult, stage: str, as_of: date, *, no_waivers: bool
) -> tuple[Reason, ...]:
    """What governance holds against the bundle at that stage, as the gate's own reasons."""
    held = readiness.reasons(
        project, result, found.id, stage, as_of, bundle=found.path, no_waivers=no_waivers
    )
    return tuple(Reason(**asdict(reason)) for reason in held)
