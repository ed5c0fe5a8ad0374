"""`harm-audit report`: a bundle's result rendered again, from its evidence alone."""

from __future__ import annotations

import importlib
from datetime import date
from pathlib import Path
from typing import Any

import click

from audit import bundle, gate
from audit.cli import bundles, output, writing
from audit.gate import Decision
from audit.result import AuditResult

FORMATS = ("html", "markdown", "junit", "sarif")


@click.command("report", short_help="Render a bundle again: page, summary or test format.")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), default="html", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="The file; - is standard output.")
@click.option(
    "--baseline-bundle", type=click.Path(path_type=Path), help="An earlier bundle, for what changed."
)
def command(folder: Path, form: str, out: Path | None, baseline_bundle: Path | None) -> int:
    """Render BUNDLE's result anew; no data is needed.

    The page goes beside the bundle, as BUNDLE-report.html, for the bundle itself is not touched;
    the other formats go to standard output.

    \b
    Example:
      harm-audit report evidence --format markdown
    """
    found, result = bundles.open_result(folder)
    previous = bundles.open_result(baseline_bundle)[1] if baseline_bundle else None
    text = render(form, result, found, previous)
    if out is None and form == "html":
        out = found.path.parent / f"{found.path.name}-report.html"
    if out is None or str(out) == "-":
        output.echo(text.rstrip("\n"))
        return 0
    writing.whole(out, text.encode("utf-8", "replace"))
    output.echo(f"wrote {out}")
    return 0


def render(form: str, result: AuditResult, found: bundle.Bundle, previous: AuditResult | None) -> str:
    """The text of one format, decided as on the day of the result."""
    module: Any = importlib.import_module(f"audit.report.{form}")
    decision = decide_then(result)
    if form == "html":
        page: str = module.render(result, decision, bundle_id=found.id, signatures=found.signatures)
        return page
    text: str = (
        module.summary(result, decision, previous=previous)
        if form == "markdown"
        else module.render(result, decision)
    )
    return text


def decide_then(result: AuditResult) -> Decision:
    """The decision on the day the result was made, of the model that it names."""
    model = result.system.model
    return gate.decide(
        result, today=date.fromisoformat(result.created_at[:10]), model_sha256=model.sha256 if model else None
    )
