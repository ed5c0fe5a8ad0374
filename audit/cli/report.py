"""`harm-audit report`: a bundle's result rendered again, from its evidence alone."""

from __future__ import annotations

import importlib
from datetime import date
from pathlib import Path
from typing import Any

import click

from audit import bundle, gate
from audit.cli import bundles, output, writing
from audit.cli.day import Day
from audit.errors import UsageError
from audit.gate import Decision
from audit.governance.stages import FOLDER
from audit.report.profiles import PROFILES
from audit.result import AuditResult

FORMATS = ("html", "markdown", "junit", "sarif")
INCOMPLETE = 3
STAGE = "launch"
SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".md": "yaml"}


@click.command("report", short_help="Render a bundle again: page, summary or test format.")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice((*FORMATS, "json", "yaml")),
    help="html by default; json and yaml are for some profiles.",
)
@click.option(
    "--profile", type=click.Choice(tuple(PROFILES)), help="In the shape that a law or a program asks for."
)
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder that holds governance/ (here, by default), for profiles and the page.",
)
@click.option("--as-of", type=Day(), help="The day on which laws and answers are read; today by default.")
@click.option(
    "--with",
    "documents",
    multiple=True,
    type=click.Path(path_type=Path),
    help="For the page: what slices, diagnose, mitigate or plan wrote as JSON; repeat it.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The file; - is standard output.")
@click.option(
    "--baseline-bundle", type=click.Path(path_type=Path), help="An earlier bundle, for what changed."
)
def command(
    folder: Path,
    form: str | None,
    profile: str | None,
    project: Path,
    as_of: date | None,
    documents: tuple[Path, ...],
    out: Path | None,
    baseline_bundle: Path | None,
) -> int:
    """Render BUNDLE's result anew; no data is needed.

    The page goes beside the bundle, as BUNDLE-report.html, for the bundle itself is not touched;
    the other formats go to standard output. Where the project has a governance folder, the page
    shows its harms and checklists, and the verdict is the gate's for a launch. A profile reads
    what people typed in governance/ and ends with 3, its page marked as a draft, while something
    is still to be filled.

    \b
    Example:
      harm-audit report evidence --format markdown
      harm-audit report evidence --profile ll144 --out summary.html
    """
    found, result = bundles.open_result(folder)
    if profile is not None:
        if baseline_bundle is not None:
            raise UsageError("a profile takes no --baseline-bundle")
        return _profile(profile, found, result, project, as_of or bundles.today(), form, out)
    form = form or "html"
    if form not in FORMATS:
        raise UsageError(f"{form} is a format of profiles", hint="Add --profile.")
    if documents and form != "html":
        raise UsageError("--with is for the page", where="--with", hint="Leave --format out.")
    previous = bundles.open_result(baseline_bundle)[1] if baseline_bundle else None
    if form == "html" and (project / FOLDER).is_dir():
        text = _governed(result, found, project, as_of or bundles.today(), documents)
    else:
        text = render(form, result, found, previous, documents)
    if out is None and form == "html":
        out = found.path.parent / f"{found.path.name}-report.html"
    if out is None or str(out) == "-":
        output.echo(text.rstrip("\n"))
        return 0
    writing.whole(out, text.encode("utf-8", "replace"))
    output.echo(f"wrote {out}")
    return 0


def _governed(
    result: AuditResult, found: bundle.Bundle, project: Path, as_of: date, documents: tuple[Path, ...]
) -> str:
    """The page with the project's governance in it, decided as the gate would for a launch on that day."""
    from audit.cli import ready
    from audit.report import html
    from audit.report.governed import governed_view, shown_reasons

    situation, lists = ready.state(project, found, result, as_of)
    held = ready.reasons(project, found, result, STAGE, as_of, no_waivers=False)
    held = shown_reasons(held, situation, lists)
    model = result.system.model
    decision = gate.decide(result, today=as_of, model_sha256=model.sha256 if model else None, extra=held)
    view = governed_view(situation, lists, STAGE)
    return html.render(
        result,
        decision,
        bundle_id=found.id,
        signatures=view.signed,
        governance=view,
        additions=_additions(documents, result),
    )


def _additions(documents: tuple[Path, ...], result: AuditResult) -> Any:
    """The sections from documents beside the bundle; None without any."""
    if not documents:
        return None
    from audit.cli import additions

    return additions.read(documents, suppress_below=result.policy.suppress_below)


def _profile(
    name: str,
    found: bundle.Bundle,
    result: AuditResult,
    project: Path,
    as_of: date,
    form: str | None,
    out: Path | None,
) -> int:
    from audit.cli import profile

    formats = profile.formats(name)
    form = form or (SUFFIXES.get(out.suffix.lower()) if out else None) or next(iter(formats))
    if form not in formats:
        raise UsageError(f"{name} has no format {form}", hint=f"It has: {', '.join(formats)}.")
    document = formats[form](profile.case(found, result, project, as_of, decide_then(result)))
    if out is None and form == "html":
        out = found.path.parent / f"{found.path.name}-{name}.html"
    if out is None or str(out) == "-":
        output.echo(document.text.rstrip("\n"))
    else:
        writing.whole(out, document.text.encode("utf-8", "replace"))
    profile.tell(document, out)
    return 0 if document.complete else INCOMPLETE


def render(
    form: str,
    result: AuditResult,
    found: bundle.Bundle,
    previous: AuditResult | None,
    documents: tuple[Path, ...] = (),
) -> str:
    """The text of one format, decided as on the day of the result."""
    module: Any = importlib.import_module(f"audit.report.{form}")
    decision = decide_then(result)
    if form == "html":
        more = _additions(documents, result)
        page: str = module.render(
            result, decision, bundle_id=found.id, signatures=found.signatures, additions=more
        )
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
