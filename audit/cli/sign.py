"""`harm-audit sign`: a named person's word under one exact bundle."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from audit import bundle
from audit.cli import output
from audit.cli import project as shared
from audit.errors import UsageError
from audit.governance import signoff
from audit.governance.tier import ROLES


@click.command("sign", short_help="Sign this exact bundle in a role, with a key or by name.")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--role", type=click.Choice(ROLES), help="In which role you sign.")
@click.option("--name", help="Your name.")
@click.option("--saw", help="What you looked at before signing, in a sentence.")
@click.option(
    "--key", type=click.Path(path_type=Path), help="An SSH key; without it your name is an attestation."
)
@click.option("--identity", help="The name of your key in governance/allowed_signers.")
@click.option("--check", is_flag=True, help="Sign nothing; say who signed this bundle, and how sure that is.")
@shared.options("project")
def command(
    folder: Path,
    role: str | None,
    name: str | None,
    saw: str | None,
    key: Path | None,
    identity: str | None,
    check: bool,
    project: Path,
) -> int:
    """Sign BUNDLE, that is its id: change one byte of the result and nobody has signed.

    With --key the statement carries an SSH signature that `--check` and the gate verify against
    governance/allowed_signers; without, it is an attestation by typed name and is shown as one.

    \b
    Example:
      harm-audit sign evidence --role owner --name "Ada Lovelace" --saw "the report" --key id_ed25519
      harm-audit sign evidence --check
    """
    found = bundle.read(folder)
    if check:
        return _check(found, project)
    if role is None or name is None or saw is None:
        raise UsageError("signing needs --role, --name and --saw", hint="Or `--check` to see who signed.")
    said = bundle.verify(folder)
    if not said.ok:
        raise UsageError(
            f"this bundle is not what it was: {said.message}",
            where=str(folder),
            hint="Make it anew with `harm-audit run`; nobody should sign this one.",
        )
    statement = signoff.Statement(
        bundle_id=found.id,
        name=name,
        role=role,
        signed_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        saw=saw,
        identity=(identity or name) if key else None,
    )
    path = signoff.sign(found.path / bundle.SIGNATURES, statement, key)
    kind = "signed with a key" if key else "attested by typed name, which is no signature"
    output.echo(f"{name} ({role}) {kind}: bundle {found.id[:12]}")
    output.echo(f"  {path}")
    return 0


def _check(found: bundle.Bundle, folder: Path) -> int:
    allowed = folder / "governance" / signoff.ALLOWED_SIGNERS
    signed = signoff.read(found.path / bundle.SIGNATURES, found.id, allowed)
    output.echo(f"bundle {found.id}")
    for one in signed:
        mark = {"signature": "✓", "attestation": "–", "broken": "✗"}.get(one.kind, "?")
        output.echo(f"  {mark} {output.one_line(one.words)}")
    if not signed:
        output.echo("  nobody has signed")
    return 1 if any(one.kind == "broken" for one in signed) else 0
