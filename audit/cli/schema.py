"""`harm-audit schema`: the JSON Schema of what is read and of what is written."""

from __future__ import annotations

import importlib
from typing import Any

import click

from audit.cli import output


@click.command("schema", short_help="Print the JSON Schema of audit.yaml or of a result.")
@click.argument("what", type=click.Choice(("spec", "result")))
def command(what: str) -> int:
    """Print the JSON Schema of the spec (audit.yaml) or of the result (audit.json).

    \b
    Example:
      harm-audit schema spec > audit.schema.json
    """
    output.echo_json(document(what))
    return 0


def document(what: str) -> dict[str, Any]:
    """The schema; the spec's model is heavy and loaded only where it is asked for."""
    if what == "spec":
        spec: dict[str, Any] = importlib.import_module("audit.spec").spec_schema()
        return spec
    codec, result = (importlib.import_module(f"audit.{name}") for name in ("codec", "result"))
    found: dict[str, Any] = codec.json_schema(result.AuditResult, title="harm-audit result")
    return found
