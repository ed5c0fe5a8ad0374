"""`harm-audit gate`: the decision from a bundle, as an exit code."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from audit import bundle, gate
from audit.cli import bundles, github, output
from audit.cli.day import Day
from audit.errors import UsageError
from audit.gate import Decision, Reason
from audit.governance.stages import FOLDER, STAGES
from audit.result import AuditResult, Verdict


@click.command("gate", short_help="Decide from a bundle whether to ship, by exit code.")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--spec", type=click.Path(path_type=Path), help="The policy file that must have judged it.")
@click.option("--model", type=click.Path(path_type=Path), help="The model file that is to ship.")
@click.option("--max-age", type=click.IntRange(min=0), metavar="DAYS", help="Refuse an older result.")
@click.option("--expect", metavar="ID", help="The bundle id that it must have.")
@click.option(
    "--on-inconclusive", type=click.Choice(gate.ON_INCONCLUSIVE), help="In place of the policy's word."
)
@click.option("--no-waivers", is_flag=True, help="Decide as if nothing were waived.")
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds governance/: the spec's, or this one, by default.",
)
@click.option(
    "--stage",
    type=click.Choice(STAGES),
    default="launch",
    show_default=True,
    help="The stage that governance is to let pass.",
)
@click.option("--as-of", type=Day(), help="The day on which it is judged; today by default.")
@click.option("--github", "in_github", is_flag=True, help="Write the job summary, outputs and annotations.")
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@click.option("--quiet", is_flag=True, help="Print the verdict alone.")
def command(
    folder: Path,
    spec: Path | None,
    model: Path | None,
    max_age: int | None,
    expect: str | None,
    on_inconclusive: str | None,
    no_waivers: bool,
    project: Path | None,
    stage: str,
    as_of: date | None,
    in_github: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Decide from the evidence in BUNDLE: 0 pass, 1 violation, 3 inconclusive.

    The files are verified and the verdict is computed anew from the numbers. A bundle of another
    policy, another model or another day is inconclusive, whatever it says of itself. Where the
    project has a governance folder, its open questions, unowned harms and missing sign-offs count.

    \b
    Example:
      harm-audit gate evidence --spec audit.yaml --model model.pkl --max-age 30
    """
    found, result = bundles.open_result(folder, as_found=True)
    today = as_of or bundles.today()
    home = governed(project, spec)
    held = held_reasons(home, found, result, stage, today, no_waivers) if home else ()
    decision = gate.decide(
        result,
        on_inconclusive=on_inconclusive,
        no_waivers=no_waivers,
        today=today,
        spec_digest=bundles.digest_of(spec, "--spec") if spec else None,
        model_sha256=bundles.digest_of(model, "--model") if model else None,
        max_age_days=max_age,
        extra=(*broken(folder, expect), *held),
    )
    if as_json:
        said = bundles.as_json(result, decision, found.id)
        asked = {"project": str(home), "stage": stage, "as_of": today.isoformat()} if home else None
        output.echo_json({**said, "governance": asked})
    else:
        where = f"governance: {home / FOLDER}, {stage}" if home else "governance: no folder, not asked"
        tell(result, decision, found.id, where, quiet=quiet)
    if in_github:
        github.write(result, decision)
    return decision.exit_code


def broken(folder: Path, expect: str | None) -> tuple[Reason, ...]:
    """A reason where the bundle's files are not what they should be."""
    said = bundle.verify(folder, expect)
    if said.ok:
        return ()
    step = "Find out who changed it, or make it anew with `harm-audit run`."
    return (Reason("mismatch", "bundle", said.message, step, Verdict.INCONCLUSIVE),)


def governed(project: Path | None, spec: Path | None) -> Path | None:
    """The folder whose governance counts; None where it has none and none was asked for."""
    home = project or (spec.parent if spec else Path())
    if (home / FOLDER).is_dir():
        return home
    if project is not None:
        raise UsageError(
            "there is no governance folder here",
            where=str(home / FOLDER),
            hint="Make one: `harm-audit checklist new`.",
        )
    return None


def held_reasons(
    home: Path, found: bundle.Bundle, result: AuditResult, stage: str, today: date, no_waivers: bool
) -> tuple[Reason, ...]:
    """What governance in `home` holds against the bundle at that stage."""
    # Reading the questions takes a parser and a moment, which a gate without them does not wait for.
    from audit.cli import ready

    return ready.reasons(home, found, result, stage, today, no_waivers=no_waivers)


def tell(result: AuditResult, decision: Decision, bundle_id: str, governance: str, *, quiet: bool) -> None:
    """Print the decision."""
    output.echo(bundles.headline(result, decision))
    if quiet:
        return
    bundles.echo_reasons(decision)
    passed = sum(rule.verdict is Verdict.PASS for rule in result.rules)
    output.echo(
        f"  {passed} of {len(result.rules)} rules pass; bundle {bundle_id[:12]} of {result.created_at[:10]}"
    )
    output.echo(f"  {output.one_line(governance)}")
    words = bundles.open_words(decision)
    output.echo(f"exit {decision.exit_code}" + (f": {words}" if words else ""))
