"""What stands between a bundle and its release: the reasons that the gate adds to the rules' own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from audit.errors import UsageError
from audit.governance import signoff
from audit.governance.answers import load_answers
from audit.governance.applicability import load_applicability
from audit.governance.catalogue import load_catalogue
from audit.governance.checklist import Catalogue, Checklist, Item
from audit.governance.facts import load_facts
from audit.governance.harms import OPEN
from audit.governance.harms_file import load_register
from audit.governance.situation import Situation
from audit.governance.stages import FOLDER, STAGES
from audit.governance.status import Assessed, assess, in_scope
from audit.governance.team import load_team
from audit.governance.tier import load_questionnaire, load_tier
from audit.result import AuditResult, System, Verdict

BLANKET_SHARE = 0.5
"""More of a list than this called not applicable by hand is said; the whole of it is refused."""
_BLANKET_LEAST = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that governance holds against a release, and what to do about it."""

    kind: str
    """governance, or stale for evidence that ran out or belongs to something else."""
    id: str
    text: str
    next_step: str
    verdict: Verdict


def situation_of(
    project: Path,
    *,
    as_of: date,
    result: AuditResult | None = None,
    bundle_id: str | None = None,
    bundle: Path | None = None,
    system: System | None = None,
) -> Situation:
    """Read the project's `governance/` folder, and the signatures beside the bundle."""
    folder = project / FOLDER
    register = folder / "harms.yaml"
    signed: tuple[signoff.Signed, ...] = ()
    if bundle is not None and bundle_id is not None:
        signed = signoff.read(bundle / "signatures", bundle_id, folder / signoff.ALLOWED_SIGNERS)
    return Situation(
        as_of=as_of,
        result=result,
        bundle_id=bundle_id,
        system=system,
        facts=load_facts(folder / "facts.yaml"),
        team=load_team(folder / "team.yaml"),
        tier=load_tier(folder / "tier.yaml"),
        register=load_register(register) if register.exists() else None,
        signed=signed,
        applicability=load_applicability(folder / "iso42001.yaml"),
    )


def applicable(catalogue: Catalogue, situation: Situation, project: Path) -> tuple[Checklist, ...]:
    """The lists in use: those whose condition may hold; an optional one only where it was begun."""
    begun = project / FOLDER / "answers"
    return tuple(
        each
        for each in catalogue.lists
        if (begun / f"{each.id}.yaml").exists()
        or (not each.optional and in_scope(each.applies_if, situation) is not False)
    )


def assess_all(
    project: Path, situation: Situation, catalogue: Catalogue | None = None
) -> tuple[tuple[Checklist, tuple[Assessed, ...]], ...]:
    """Every item of every list in use, assessed."""
    known = catalogue or load_catalogue()
    answers = load_answers(project / FOLDER / "answers", known)
    return tuple(
        (each, tuple(assess(item, each, answers.get(item.id), situation, project) for item in each.items))
        for each in applicable(known, situation, project)
    )


def due(item: Item, stage: str) -> bool:
    """Whether an item is to be answered by that stage."""
    return STAGES.index(item.stage) <= STAGES.index(stage)


def reasons(
    project: Path,
    result: AuditResult | None,
    bundle_id: str | None,
    stage: str,
    as_of: date,
    *,
    bundle: Path | None = None,
    no_waivers: bool = False,
    catalogue: Catalogue | None = None,
) -> tuple[Reason, ...]:
    """Everything in governance that keeps a release at `stage` from passing on that day.

    Open blockers, refused N/As, waivers past their date, unowned harms and expired acceptances at launch
    and after, sign-offs that the tier asks for and nobody gave. `bundle` is the folder whose
    `signatures/` are read; without it nobody has signed. With `no_waivers` none counts.
    """
    if stage not in STAGES:
        raise UsageError(f"no stage is called {stage!r}", hint=f"There are: {', '.join(STAGES)}.")
    situation = situation_of(project, as_of=as_of, result=result, bundle_id=bundle_id, bundle=bundle)
    found: list[Reason] = []
    for checklist, assessed in assess_all(project, situation, catalogue):
        found += _of_items((a for a in assessed if due(a.item, stage)), no_waivers)
        found += _blanket(checklist, assessed)
    if STAGES.index(stage) >= STAGES.index("launch"):
        found += _of_harms(situation)
        found += _of_signatures(situation)
    return tuple(found)


def rests_on_waivers(assessed: Iterable[Assessed]) -> tuple[str, ...]:
    """The items that only a waiver makes fine."""
    return tuple(a.item.id for a in assessed if a.status == "satisfied_with_waiver")


_VERDICTS = {"not_satisfied": Verdict.VIOLATION}


def _of_items(assessed: Iterable[Assessed], no_waivers: bool) -> list[Reason]:
    found = []
    for one in assessed:
        if no_waivers and one.status == "satisfied_with_waiver" and one.blocker:
            one = replace(
                one, status="not_evidenced", why=f"{one.why}; waivers do not count here", next_step="Mend it."
            )
        signing = one.item.auto is not None and one.item.auto.check == "signed_for_tier"
        if one.fault is not None:
            found.append(Reason("governance", one.item.id, _words(one), one.next_step, Verdict.VIOLATION))
        elif one.open and one.blocker and not signing:
            kind = "stale" if one.status == "stale" else "governance"
            verdict = _VERDICTS.get(one.status, Verdict.INCONCLUSIVE)
            found.append(Reason(kind, one.item.id, _words(one), one.next_step, verdict))
    return found


def _words(one: Assessed) -> str:
    return f"{one.item.question} {one.words.capitalize()}: {one.why}."


def _blanket(checklist: Checklist, assessed: tuple[Assessed, ...]) -> list[Reason]:
    """A list waved away as a whole is refused, however well each N/A was approved."""
    count = by_hand_na(assessed)
    in_question = [a for a in assessed if not (a.status == "not_applicable" and a.source == "derived")]
    if len(in_question) < _BLANKET_LEAST or count < len(in_question):
        return []
    return [
        Reason(
            "governance",
            checklist.id,
            f"Every question of {checklist.id} is called not applicable; a list is not answered that way.",
            "Answer what applies; where nothing does, the list's own condition takes it out.",
            Verdict.VIOLATION,
        )
    ]


def by_hand_na(assessed: Iterable[Assessed]) -> int:
    """How many items were called not applicable by a person."""
    return sum(a.answer is not None and a.answer.na is not None for a in assessed)


def warnings(checklist: Checklist, assessed: tuple[Assessed, ...], situation: Situation) -> tuple[str, ...]:
    """What is worth a word without blocking: a list that is mostly N/A, or that is in for want of facts."""
    said = []
    count = by_hand_na(assessed)
    if count > BLANKET_SHARE * len(assessed):
        said.append(f"{count} of {len(assessed)} questions of {checklist.id} are called not applicable")
    loose = sum(_unbound(one) for one in assessed) if situation.result is not None else 0
    if loose:
        said.append(
            f"{loose} yes in {checklist.id} given without a bundle: no change of the model, the data "
            "or the policy makes them stale"
        )
    if in_scope(checklist.applies_if, situation) is None:
        said.append(f"{checklist.id} is in until it is known whether {checklist.applies_if}")
    return tuple(said)


def _unbound(one: Assessed) -> bool:
    """Whether a yes that a change should make stale was bound to nothing that could change."""
    answer, watched = one.answer, {"model", "data", "policy"} & set(one.item.on_change)
    return answer is not None and answer.answer == "yes" and bool(watched) and not watched & set(answer.bound)


def _of_harms(situation: Situation) -> list[Reason]:
    register = situation.register
    found = []
    for harm in register.harms if register else ():
        status = harm.status_on(situation.as_of)
        if status in OPEN and harm.owner is None:
            text = f"{harm.id}, {harm.title}: nobody owns it."
            step = f"`harm-audit harms show {harm.id}`, then name an owner."
            found.append(Reason("governance", harm.id, text, step, Verdict.VIOLATION))
        if harm.status == "accepted" and status == "reopened":
            until = harm.acceptance.until if harm.acceptance else "an unknown day"
            text = f"{harm.id}, {harm.title}: its acceptance ran out on {until}."
            step = f"Treat it, or have it accepted anew: `harm-audit harms accept {harm.id}`."
            found.append(Reason("stale", harm.id, text, step, Verdict.INCONCLUSIVE))
    for action in register.actions if register else ():
        overdue = action.due is not None and action.due < situation.as_of
        if action.critical and overdue and action.status in ("proposed", "approved", "in_progress"):
            text = f"{action.id}, {action.description}: was due on {action.due}."
            found.append(
                Reason("governance", action.id, text, "Do it, or set a new date.", Verdict.VIOLATION)
            )
    return found


def _of_signatures(situation: Situation) -> list[Reason]:
    found = [
        Reason(
            "governance",
            f"signature:{signed.file}",
            f"{signed.words}.",
            "Find out who changed it; have the statement signed anew.",
            Verdict.VIOLATION,
        )
        for signed in situation.signed
        if signed.kind == "broken"
    ]
    level = situation.level
    if level is None:
        text = "The impact tier is not known, so nobody can say who has to sign."
        step = "Answer `governance/tier.yaml`, or set `system: tier:` in the spec."
        return [*found, Reason("governance", "sign-off", text, step, Verdict.INCONCLUSIVE)]
    for role in signoff.missing(situation.signed, load_questionnaire().duties.get(level, {})):
        text = f"Tier {level} asks for the sign-off of: {role}."
        step = f"`harm-audit sign BUNDLE --role {role.split()[0]} --name … --saw …`"
        found.append(Reason("governance", f"sign-off:{role.split()[0]}", text, step, Verdict.INCONCLUSIVE))
    return found
