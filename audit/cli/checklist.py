"""`harm-audit checklist`: the questions of a release, their answers, and what these are worth."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from audit.cli import asking, bundles, output, writing
from audit.cli import project as shared
from audit.cli.day import Day
from audit.errors import UsageError
from audit.governance import applicability, export, facts, giving, readiness, team, tier
from audit.governance.answers import ANSWERS, AnswerFile, document_of
from audit.governance.catalogue import load_catalogue
from audit.governance.checklist import Catalogue, Checklist, Item
from audit.governance.references import load_registry
from audit.governance.register import TEMPLATE as HARMS
from audit.governance.situation import Situation
from audit.governance.stages import STAGES
from audit.governance.status import STATUSES, Assessed
from audit.result import Verdict

MARKS = {
    "satisfied": "✓",
    "satisfied_with_waiver": "–",
    "not_applicable": "–",
    "not_satisfied": "✗",
    "inconclusive": "?",
}


@click.group("checklist", short_help="Answer the questions of a release, and see what is open.")
def command() -> None:
    """The questions of a release: make the files, answer, see what is open, verify, export.

    \b
    Example:
      harm-audit checklist new
      harm-audit checklist answer SCOPE
      harm-audit checklist status --bundle evidence
    """


@command.command("list", short_help="List the checklists, or one list's questions.")
@click.argument("name", required=False)
def list_(name: str | None) -> int:
    """List the checklists, or the questions of the list NAME."""
    catalogue = load_catalogue()
    if name is None:
        for each in catalogue.lists:
            optional = ", optional" if each.optional else ""
            when = f"  if {each.applies_if}" if each.applies_if else ""
            output.echo(f"{each.id:<8} {len(each.items):>2} questions  {each.title}{optional}{when}")
        return 0
    for item in catalogue.list(name).items:
        output.echo(output.style(f"{item.id}  {item.question}", bold=True))
        output.echo(f"  {item.why}")
        output.echo(f"  {item.severity}, at {item.stage}, for {item.owner_role}: {', '.join(item.evidence)}")
        output.echo(f"  {'; '.join(item.references)}")
        if item.case:
            output.echo(f"  It happened: {item.case.title} ({item.case.source})")
    return 0


@command.command("new", short_help="Make the files of a project's governance folder.")
@click.argument("names", nargs=-1)
@shared.options("project", "bundle")
def new(names: tuple[str, ...], project: Path, bundle: Path | None) -> int:
    """Make governance/ with the lists that apply here, or the lists NAMES; what is there stays as it is.

    The name ISO42001 makes the file of a statement of applicability.
    """
    catalogue = load_catalogue()
    place = shared.folder(project)
    files = [
        (place / "facts.yaml", facts.TEMPLATE),
        (place / "team.yaml", team.TEMPLATE),
        (place / "tier.yaml", tier.template(tier.load_questionnaire())),
        (place / "harms.yaml", HARMS),
    ]
    lists = [name for name in names if name.upper() != applicability.NAME]
    if len(lists) < len(names):
        files.append((project / applicability.FILE, applicability.template(load_registry())))
    chosen = [catalogue.list(name) for name in lists]
    made = [path.name for path, text in files if _write_new(path, text)]
    situation = shared.situation(project, bundle, None)
    wanted = chosen if names else list(readiness.applicable(catalogue, situation, project))
    for each in wanted:
        file = AnswerFile.open(place / "answers", each)
        if file.fill() and file.save():
            made.append(f"answers/{each.id}.yaml")
    output.echo(f"{place}: " + (f"made {', '.join(made)}" if made else "nothing to add"))
    return 0


def _write_new(path: Path, text: str) -> bool:
    if path.exists():
        return False
    with writing.folder(path.parent):
        writing.whole(path, text.encode())
    return True


@command.command("answer", short_help="Answer one question, or walk through a list.")
@click.argument("target", metavar="ITEM|LIST")
@click.option("--answer", "said", type=click.Choice(ANSWERS), help="The answer; asked for if left out.")
@click.option("--by", metavar="NAME", help="Who answers.")
@click.option("--owner", metavar="NAME", help="Who is answerable for it, where that is another person.")
@click.option("--note", help="The answer in words.")
@click.option("--document", "documents", multiple=True, help="A file in the project, or a URL, it rests on.")
@click.option("--reviewer", metavar="NAME", help="Who reviewed it and had no part in it.")
@click.option("--na", metavar="REASON", help="It does not apply, and why; needs --approved-by.")
@click.option(
    "--waive", metavar="REASON", help="Go on without a yes, and why; needs --approved-by and --until."
)
@click.option("--approved-by", metavar="NAME", help="Who approves that; not the one who answers.")
@click.option("--until", type=Day(), help="To which day the waiver runs.")
@shared.options("project", "bundle", "as_of")
def answer(target: str, project: Path, bundle: Path | None, as_of: date | None, **given: Any) -> int:
    """Answer the question ITEM, or walk through the open questions of LIST.

    Without --answer, --na or --waive it asks, one question after the other; each answer is saved at
    once, so that you can stop and go on later.

    \b
    Example:
      harm-audit checklist answer SCOPE
      harm-audit checklist answer EVAL-02 --answer yes --by "Ada Lovelace" --document docs/metrics.md
    """
    place = shared.need(project)
    catalogue = load_catalogue()
    situation = shared.situation(project, bundle, as_of)
    checklist, items = _targets(catalogue, target)
    file = AnswerFile.open(place / "answers", checklist)
    if given["said"] or given["na"] or given["waive"]:
        if len(items) > 1:
            raise UsageError("an answer is to one question", hint=f"Name one, as {items[0].id}.")
        _give(file, items[0], situation, project, given)
        return 0
    return asking.walk(
        file,
        {item.id for item in items},
        lambda: _assessed(project, situation, catalogue, checklist),
        lambda item, fields: _give(file, item, situation, project, fields),
        by=given["by"],
    )


def _targets(catalogue: Catalogue, target: str) -> tuple[Checklist, tuple[Item, ...]]:
    if "-" not in target:
        found = catalogue.list(target)
        return found, found.items
    item = catalogue.item(target)
    return catalogue.list(item.list), (item,)


def _assessed(
    project: Path, situation: Situation, catalogue: Catalogue, checklist: Checklist
) -> tuple[Assessed, ...]:
    for each, assessed in readiness.assess_all(project, situation, catalogue):
        if each.id == checklist.id:
            return assessed
    return ()


def _give(file: AnswerFile, item: Item, situation: Situation, project: Path, given: dict[str, Any]) -> None:
    giving.give(file, item, situation, project, given)
    output.echo(f"{item.id}: kept")


@command.command("aia", short_help="Take over a score of Canada's impact assessment.")
@click.option("--raw", type=int, required=True, help="The raw impact score, out of 167.")
@click.option("--mitigation", type=int, required=True, help="The mitigation score, out of 77.")
@click.option("--file", "source", metavar="PATH", help="The saved assessment, a file in the project.")
@shared.options("project", "as_of", "by")
def aia(raw: int, mitigation: int, source: str | None, project: Path, as_of: date | None, by: str) -> int:
    """Take a score of the Algorithmic Impact Assessment (v1.0.1) into governance/tier.yaml.

    Its level is the tier where the project's own questions are not answered, and raises it otherwise.

    \b
    Example:
      harm-audit checklist aia --raw 84 --mitigation 62 --file aia.json --by "Ada Lovelace"
    """
    place = shared.need(project)
    digest = document_of(source, project).get("sha256") if source else None
    day = as_of or bundles.today()
    taken = tier.imported(raw, mitigation, by=by, on=day, file=source, sha256=digest)
    tier.keep(place / "tier.yaml", taken)
    known = tier.load_tier(place / "tier.yaml")
    output.echo(taken.words)
    output.echo(f"{known.words}" if known else "")
    asked = ", ".join(tier.load_questionnaire().duties.get(known.tier if known and known.tier else 0, {}))
    output.echo(f"has to sign: {asked}")
    return 0


@command.command("serve", short_help="Answer in a browser on this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one, by default.")
@shared.options("project", "bundle", "as_of")
def serve(port: int, project: Path, bundle: Path | None, as_of: date | None) -> int:
    """Serve the checklists as a page on this machine alone, until Ctrl-C.

    The address holds a secret: who has it can answer. Answers go into the same files as those of
    `checklist answer`, at once; where somebody else changed an answer meanwhile, you are told.

    \b
    Example:
      harm-audit checklist serve --bundle evidence
    """
    from audit.cli.page import loopback
    from audit.cli.page.app import App

    shared.need(project)
    app = App(project, lambda: shared.situation(project, bundle, as_of))
    return loopback.serve(app.respond, port)


@command.command("status", short_help="What each answer is worth today, and what is open.")
@click.option("--stage", type=click.Choice(STAGES), help="Only what is due by that stage.")
@click.option("--open", "only_open", is_flag=True, help="Only what is open.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@shared.options("project", "bundle", "as_of")
def status(
    stage: str | None,
    only_open: bool,
    as_json: bool,
    project: Path,
    bundle: Path | None,
    as_of: date | None,
) -> int:
    """Say what each answer is worth on the day, where that comes from, and what to do next."""
    shared.need(project)
    situation = shared.situation(project, bundle, as_of)
    lists = readiness.assess_all(project, situation)
    chosen = [
        (
            each,
            [
                a
                for a in assessed
                if (stage is None or readiness.due(a.item, stage)) and (a.open or not only_open)
            ],
        )
        for each, assessed in lists
    ]
    if as_json:
        output.echo_json([_plain(one) for _, assessed in chosen for one in assessed])
        return 0
    counts = dict.fromkeys(STATUSES, 0)
    for (each, assessed), (_, whole) in zip(chosen, lists, strict=True):
        if assessed:
            output.echo(output.style(f"{each.id}  {each.title}", bold=True))
        for one in assessed:
            _line(one)
            counts[one.status] += 1
        for warning in readiness.warnings(each, whole, situation):
            output.echo(f"  ! {warning}")
    output.echo(
        ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "nothing"
    )
    return 0


def _line(one: Assessed) -> None:
    mark = MARKS.get(one.status, "·")
    blocks = output.style(" blocks", fg="red") if one.blocker and one.open else ""
    output.echo(f"  {mark} {one.item.id}  {one.words}{blocks}")
    output.echo(f"      {output.one_line(one.why)}")
    if one.open and one.next_step:
        output.echo(f"      → {output.one_line(one.next_step)}")


def _plain(one: Assessed) -> dict[str, Any]:
    evidence = one.evidence
    return {
        "item": one.item.id,
        "question": one.item.question,
        "status": one.status,
        "source": one.source,
        "why": one.why,
        "next_step": one.next_step,
        "blocker": one.blocker,
        "evidence": None
        if evidence is None
        else {
            "id": evidence.id,
            "says": evidence.says,
            "metric": evidence.metric,
            "subject": evidence.subject,
            "value": evidence.value,
            "low": evidence.low,
            "high": evidence.high,
            "n": evidence.n,
            "limit": evidence.limit,
            "bundle": evidence.bundle,
        },
    }


@command.command("verify", short_help="Exit 0 only if nothing in governance blocks the stage.")
@click.option(
    "--stage", type=click.Choice(STAGES), default="launch", show_default=True, help="The stage to pass."
)
@click.option("--no-waivers", is_flag=True, help="Decide as if nothing were waived.")
@shared.options("project", "bundle", "as_of")
def verify(stage: str, no_waivers: bool, project: Path, bundle: Path | None, as_of: date | None) -> int:
    """Decide from the governance files: 0 nothing blocks, 1 something is wrong, 3 missing or old."""
    shared.need(project)
    known = shared.situation(project, bundle, as_of)
    found = readiness.reasons(
        project, known.result, known.bundle_id, stage, known.as_of, bundle=bundle, no_waivers=no_waivers
    )
    for reason in found:
        output.echo(
            f"{reason.verdict.value} ({output.one_line(reason.id, 60)}): {output.one_line(reason.text)}"
        )
        output.echo(f"  → {output.one_line(reason.next_step)}")
    if not found:
        output.echo(f"nothing blocks {stage}")
        return 0
    worst = Verdict.worst([reason.verdict for reason in found])
    return {Verdict.VIOLATION: 1, Verdict.INCONCLUSIVE: 3}[worst]


@command.command("export", short_help="Write the lists as Markdown, a page or a spreadsheet.")
@click.option("--format", "kind", type=click.Choice(export.FORMATS), default="md", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write here; printed otherwise.")
@shared.options("project", "bundle", "as_of")
def export_(kind: str, out: Path | None, project: Path, bundle: Path | None, as_of: date | None) -> int:
    """Write every list in use with the status and the ground of each answer."""
    shared.need(project)
    situation = shared.situation(project, bundle, as_of)
    text = export.render(kind, readiness.assess_all(project, situation), situation)
    if out is None:
        output.echo(text.rstrip("\n"))
    else:
        writing.whole(out, text.encode())
        output.echo(f"wrote {out}")
    return 0
