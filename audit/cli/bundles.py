"""What the commands that read a bundle share: opening it, deciding from it, and telling the decision."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from audit import bundle, codec
from audit.cli import output
from audit.errors import BundleError, UsageError
from audit.gate import Decision, Reason
from audit.result import SCHEMA_VERSION, AuditResult, Verdict

SHOWN = 6
"""Reasons that are printed; the rest is in the report."""
HEADLINES = {Verdict.PASS: "PASS", Verdict.VIOLATION: "VIOLATION", Verdict.INCONCLUSIVE: "INCONCLUSIVE"}


def today() -> date:
    """Today in UTC, as the dates of results are."""
    return datetime.now(UTC).date()


def open_result(folder: Path, *, as_found: bool = False) -> tuple[bundle.Bundle, AuditResult]:
    """The bundle in `folder` and the result that it holds.

    A BundleError where the result was changed since it was written, or is of another schema: nothing is
    read off it then. `as_found` leaves that to the caller, as the gate does, which has a verdict for it.
    """
    found = bundle.read(folder)
    result = codec.loads(AuditResult, found.audit_json, where=str(found.path / bundle.AUDIT))
    if as_found:
        return found, result
    theirs, ours = result.schema_version, SCHEMA_VERSION
    if theirs.split(".")[0] != ours.split(".")[0]:
        raise BundleError(
            f"the result is of schema version {theirs}; this program reads {ours}",
            where=str(found.path / bundle.AUDIT),
            hint="Read it with the version that wrote it, or make it anew with `harm-audit run`.",
        )
    said = bundle.verify(folder)
    broken = {bundle.AUDIT, bundle.MANIFEST} & {*said.changed, *said.missing}
    if broken:
        raise BundleError(
            f"{' and '.join(sorted(broken))} was changed or lost since the bundle was written",
            where=str(found.path),
            hint="`harm-audit verify` says more; make it anew with `harm-audit run`.",
        )
    return found, result


def digest_of(path: Path, option: str) -> str:
    """SHA-256 of a file that an option names."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror or error}", where=str(path), hint=f"Give {option} a file."
        ) from error


def headline(result: AuditResult, decision: Decision) -> str:
    """The verdict and what it is about, coloured."""
    word = HEADLINES[decision.verdict]
    system = output.one_line(
        " ".join(part for part in (result.system.name, result.system.version) if part), 60
    )
    colour = output.COLOURS[decision.verdict.value]
    return (
        output.style(f"{output.MARKS[decision.verdict.value]} {word}", fg=colour, bold=True) + f": {system}"
    )


def echo_reasons(decision: Decision) -> None:
    """The reasons, worst first, each with the next step; then what is waived."""
    for reason in decision.reasons[:SHOWN]:
        words = f"{reason.verdict.value} ({output.one_line(reason.id, 60)}): {reason.text}"
        output.echo(output.paragraph(words, indent="    ", first="  "))
        output.echo(output.paragraph(reason.next_step, indent="      ", first="    → "))
    if len(decision.reasons) > SHOWN:
        output.echo(f"  And {len(decision.reasons) - SHOWN} more.")
    for words in decision.waived[:SHOWN]:
        output.echo(output.paragraph(f"waived ({words})", indent="    ", first="  "))
    if decision.rests_on_waivers:
        output.echo("  This verdict rests on waivers.")


def open_words(decision: Decision) -> str | None:
    """The words with which a gate opens though the evidence decides nothing."""
    if decision.verdict is Verdict.INCONCLUSIVE and decision.exit_code == 0:
        return "inconclusive, and the policy lets the gate open all the same (on_inconclusive)"
    return None


def as_json(result: AuditResult, decision: Decision, bundle_id: str | None) -> dict[str, Any]:
    """The decision for machines."""
    return {
        "verdict": decision.verdict.value,
        "exit_code": decision.exit_code,
        "bundle_id": bundle_id,
        "system": {"name": result.system.name, "version": result.system.version},
        "rests_on_waivers": decision.rests_on_waivers,
        "waived": list(decision.waived),
        "reasons": [_reason(reason) for reason in decision.reasons],
        "rules": [codec.to_plain(rule) for rule in result.rules],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    plain: dict[str, Any] = codec.to_plain(reason)
    return plain
