"""`harm-audit mlflow`: evidence into runs, and an alias that moves through the gate alone."""

from __future__ import annotations

import hashlib
import importlib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import gate
from audit.cli import bundles, output
from audit.cli import gate as gate_command
from audit.cli.day import Day
from audit.errors import UsageError
from audit.gate import Decision, Reason
from audit.governance.stages import STAGES
from audit.result import AuditResult, Verdict

if TYPE_CHECKING:
    from audit.integrations.mlflow import Evidence

_uri = click.option("--tracking-uri", metavar="URI", help="The server; MLFLOW_TRACKING_URI by default.")


@click.group("mlflow", short_help="Log evidence to MLflow, and move an alias through the gate.")
def command() -> None:
    """Log evidence to an MLflow run, and move a registered model's alias through the gate.

    \b
    Example:
      harm-audit mlflow log evidence --run 0123abcd
      harm-audit mlflow promote credit 7 --alias champion --spec audit.yaml
    """


@command.command("log")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--run", metavar="ID", help="The run that made the model; a new one by default.")
@click.option("--experiment", default="harm-audit", show_default=True, help="Where a new run is made.")
@_uri
def log(folder: Path, run: str | None, experiment: str, tracking_uri: str | None) -> int:
    """Put BUNDLE into a run: its files, its figures as metrics, its facts as tags.

    The bundle holds counts of small cells: who can read the run can read them.

    \b
    Example:
      harm-audit mlflow log evidence --run 0123abcd
    """
    with_mlflow = _integration()
    made = with_mlflow.log_bundle(folder, with_mlflow.client(tracking_uri), run=run, experiment=experiment)
    output.echo(f"logged to run {made}")
    return 0


@command.command("promote")
@click.argument("name", metavar="NAME")
@click.argument("version", metavar="VERSION")
@click.option("--alias", required=True, help="The alias to move, as champion.")
@click.option("--spec", type=click.Path(path_type=Path), help="The policy file that must have judged it.")
@click.option("--max-age", type=click.IntRange(min=0), metavar="DAYS", help="Refuse an older result.")
@click.option("--no-waivers", is_flag=True, help="Decide as if nothing were waived.")
@click.option(
    "--by-run",
    is_flag=True,
    help="Take the run's word that its bundle is of this version, where the bundle names no model file.",
)
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds governance/: the spec's, or this one, by default.",
)
@click.option("--stage", type=click.Choice(STAGES), default="launch", show_default=True)
@click.option("--as-of", type=Day(), help="The day on which it is judged; today by default.")
@click.option("--dry-run", is_flag=True, help="Decide, and leave the alias where it is.")
@_uri
def promote(
    name: str,
    version: str,
    alias: str,
    spec: Path | None,
    max_age: int | None,
    no_waivers: bool,
    by_run: bool,
    project: Path | None,
    stage: str,
    as_of: date | None,
    dry_run: bool,
    tracking_uri: str | None,
) -> int:
    """Move --alias of the model NAME to VERSION where the gate opens; else leave it and end as `gate` does.

    The evidence is the bundle in the version's own run. The bundle names the model file's SHA-256
    (`system: model:` in audit.yaml), and one of the version's files must have it.

    \b
    Example:
      harm-audit mlflow promote credit 7 --alias champion --spec audit.yaml
    """
    with_mlflow = _integration()
    server = with_mlflow.client(tracking_uri)
    with with_mlflow.evidence(server, name, version) as found:
        if found.bundle is None:
            raise UsageError(
                f"version {version} of {name} has no evidence: "
                + (f"its run {found.run} holds no bundle" if found.run else "it was made by no run"),
                hint=f"Type: harm-audit mlflow log evidence --run {found.run or 'ID'}",
            )
        held, result = bundles.open_result(found.bundle, as_found=True)
        today = as_of or bundles.today()
        home = gate_command.governed(project, spec)
        against = gate_command.held_reasons(home, held, result, stage, today, no_waivers) if home else ()
        decision = decide(
            result,
            found,
            today=today,
            by_run=by_run,
            spec_digest=bundles.digest_of(spec, "--spec") if spec else None,
            max_age_days=max_age,
            no_waivers=no_waivers,
            extra=(*gate_command.broken(found.bundle, found.expected), *against),
        )
        where = f"governance: {home / 'governance'}, {stage}" if home else "governance: no folder, not asked"
        gate_command.tell(result, decision, held.id, where, quiet=False)
        if decision.exit_code:
            output.echo(f"{output.one_line(alias)} was not moved")
            return decision.exit_code
        if dry_run:
            output.echo(f"{output.one_line(alias)} would be moved to version {version}")
            return 0
        tags = {"harm_audit.verdict": decision.verdict.value, "harm_audit.bundle_id": held.id}
        before = with_mlflow.move_alias(server, name, version, alias, tags)
    was = f", was version {before}" if before and before != version else ""
    output.echo(output.one_line(f"{alias} of {name} is version {version}{was}"))
    return 0


def decide(
    result: AuditResult, found: Evidence, *, today: date, by_run: bool, extra: tuple[Reason, ...], **held: Any
) -> Decision:
    """The gate's decision on a registered version: a pure function of the evidence and the day."""
    model = result.system.model
    if model is not None:
        own = model.sha256 if model.sha256 in found.files.values() else _digest_of_all(found.files)
    else:
        own = None
    if model is None and not by_run:
        text = "The bundle names no model file, so nothing says that it is of this version."
        step = "Name the file as `system: model:` in audit.yaml and audit again; or add --by-run."
        extra = (*extra, Reason("mismatch", "model", text, step, Verdict.INCONCLUSIVE))
    return gate.decide(result, today=today, model_sha256=own, extra=extra, **held)


def _digest_of_all(files: dict[str, str]) -> str:
    """What stands for a version of several files, none of which was audited."""
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()


def _integration() -> Any:
    return importlib.import_module("audit.integrations.mlflow")
