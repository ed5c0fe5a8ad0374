"""`harm-audit verify`: whether a bundle is as it was written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit import bundle
from audit.cli import output
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.governance.signoff import Signed

DIFFERS = 4
MARKS = {"signature": "✓", "attestation": "–"}


@click.command("verify", short_help="Say what was changed in a bundle.")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--expect", metavar="ID", help="The id that the bundle must have.")
@click.option(
    "--allowed-signers",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The keys that count, as ssh-keygen reads them; a signature by another key is then a fault.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(folder: Path, expect: str | None, allowed_signers: Path | None, as_json: bool) -> int:
    """Compare each file of BUNDLE with its manifest, and each signature with it: 0 as written, 4 not.

    \b
    Example:
      harm-audit verify evidence --expect 3f5a…
    """
    if allowed_signers is not None and not allowed_signers.is_file():
        raise UsageError("there is no such file", where=str(allowed_signers), hint="Give the list of keys.")
    said = bundle.verify(folder, expect)
    found = bundle.read(folder)
    signed = _signed(found, allowed_signers) if found.signatures else ()
    faulty = ("broken",) if allowed_signers is None else ("broken", "unknown_key")
    ok = said.ok and not any(one.kind in faulty for one in signed)
    if as_json:
        output.echo_json({**asdict(said), "ok": ok, "signed": [asdict(one) for one in signed]})
    else:
        colour = "green" if ok else "red"
        word = "✓ as written" if ok else "✗ a signature does not hold" if said.ok else "✗ not as written"
        output.echo(output.style(word, fg=colour, bold=True))
        output.echo(f"  id {said.id}")
        output.echo(f"  {output.safe(said.message)}")
        for one in signed:
            mark = "✗" if one.kind in faulty else MARKS.get(one.kind, "?")
            output.echo(f"  {mark} {output.one_line(one.words)}")
    return 0 if ok else DIFFERS


def _signed(found: bundle.Bundle, allowed: Path | None) -> tuple[Signed, ...]:
    # Most bundles carry no signatures, and then nothing of governance is loaded.
    from audit.governance import signoff

    return signoff.read(found.path / bundle.SIGNATURES, found.id, allowed)
