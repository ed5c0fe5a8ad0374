"""What the governance commands share: the project's folder, the bundle they look at, and the day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from audit.cli import bundles
from audit.cli.day import Day
from audit.errors import UsageError
from audit.governance import readiness, stages
from audit.governance.situation import Situation
from audit.result import AuditResult, System

SPEC = "audit.yaml"


def options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The shared options that a command takes: project, bundle, as_of, by."""
    made = {
        "project": click.option(
            "--project",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path(),
            help="The folder that holds governance/ (here, by default).",
        ),
        "bundle": click.option(
            "--bundle", type=click.Path(path_type=Path), help="The evidence bundle to answer from."
        ),
        "as_of": click.option(
            "--as-of", type=Day(), help="The day on which laws and evidence are judged; today by default."
        ),
        "by": click.option("--by", required=True, metavar="NAME", help="Who says so."),
    }

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            function = made[name](function)
        return function

    return add


def folder(project: Path) -> Path:
    """The project's governance folder."""
    return project / stages.FOLDER


def situation(project: Path, bundle: Path | None, as_of: date | None) -> Situation:
    """The project on that day, with the result of the bundle, or the system of its audit.yaml."""
    result: AuditResult | None = None
    bundle_id: str | None = None
    if bundle is not None:
        found, result = bundles.open_result(bundle)
        bundle, bundle_id = found.path, found.id
    return readiness.situation_of(
        project,
        as_of=as_of or bundles.today(),
        result=result,
        bundle_id=bundle_id,
        bundle=bundle,
        system=None if result else _system(project / SPEC),
    )


def _system(path: Path) -> System | None:
    if not path.exists():
        return None
    from audit import spec

    found = spec.load(path).system
    return System(
        found.name,
        found.version,
        found.owner,
        found.use,
        found.output,
        tuple(found.jurisdictions),
        found.tier,
        found.outcome,
        None,
    )


def need(project: Path) -> Path:
    """The governance folder, a UsageError where there is none."""
    found = folder(project)
    if not found.is_dir():
        raise UsageError(
            "there is no governance folder here",
            where=str(found),
            hint="Make one: `harm-audit checklist new`.",
        )
    return found
