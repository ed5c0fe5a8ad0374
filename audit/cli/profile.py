"""What `report --profile` loads: the profile's module, the case, and what people must still fill."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from audit.bundle import Bundle
from audit.cli import output
from audit.gate import Decision
from audit.governance import readiness
from audit.report.profiles.frame import Case, Document
from audit.result import AuditResult


def formats(name: str) -> dict[str, Callable[[Case], Document]]:
    """The formats of a profile, the usual one first."""
    module: Any = importlib.import_module(f"audit.report.profiles.{name.replace('-', '_')}")
    found: dict[str, Callable[[Case], Document]] = module.FORMATS
    return found


def case(found: Bundle, result: AuditResult, project: Path, as_of: date, decision: Decision) -> Case:
    """The result with what the project's people typed, as of a day."""
    situation = readiness.situation_of(
        project, as_of=as_of, result=result, bundle_id=found.id, bundle=found.path
    )
    return Case(result, found.id, decision, situation, readiness.assess_all(project, situation))


def tell(document: Document, out: Path | None) -> None:
    """Say on standard error what was written and what it lacks: standard output may hold the file."""
    if out is not None and str(out) != "-":
        output.echo(f"wrote {out}", err=True)
    if document.complete:
        return
    output.echo("a draft, not complete:", err=True)
    for fault in document.faults:
        output.echo(f"  the audit: {output.one_line(fault, 200)}", err=True)
    for field in document.missing:
        output.echo(f"  to be filled: {field.label} ({field.where}): {field.ask}", err=True)
