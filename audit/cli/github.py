"""What a step of a GitHub job leaves behind: its summary, its outputs, annotations at the policy's lines."""

from __future__ import annotations

import os
from pathlib import Path

from audit.cli import output
from audit.errors import OutputError
from audit.gate import Decision
from audit.report import markdown
from audit.result import AuditResult, Verdict

ANNOTATIONS = 10
"""Of one kind per step; GitHub drops more."""


def write(result: AuditResult, decision: Decision, previous: AuditResult | None = None) -> None:
    """Append to $GITHUB_STEP_SUMMARY and $GITHUB_OUTPUT where they are set, and print annotations."""
    _append("GITHUB_STEP_SUMMARY", markdown.summary(result, decision, previous=previous))
    of = {verdict: sum(r.verdict is verdict for r in decision.reasons) for verdict in Verdict}
    _append(
        "GITHUB_OUTPUT",
        f"verdict={decision.verdict.value}\nexit-code={decision.exit_code}\n"
        f"violations={of[Verdict.VIOLATION]}\ninconclusive={of[Verdict.INCONCLUSIVE]}\n",
    )
    lines = {rule.id: rule.line for rule in result.policy.rules}
    for verdict, kind in ((Verdict.VIOLATION, "error"), (Verdict.INCONCLUSIVE, "warning")):
        reasons = [reason for reason in decision.reasons if reason.verdict is verdict]
        for reason in reasons[:ANNOTATIONS]:
            place = _properties(result.policy.path or "audit.yaml", lines.get(reason.id), reason.id)
            output.echo(f"::{kind} {place}::{_data(reason.text)}")


def _properties(path: str, line: int | None, title: str) -> str:
    shown = {"file": path, "line": str(line) if line else "", "title": title[:200]}
    return ",".join(f"{key}={_property(value)}" for key, value in shown.items() if value)


def _data(text: str) -> str:
    """Text of a workflow command: an unescaped line break would start another command."""
    return text[:1000].replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="replace") as handle:
            handle.write(text)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", where=f"${variable}") from error
