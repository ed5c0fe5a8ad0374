"""Harms and checklists in the report: by list, what the program worked out and what people attest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from audit.gate import Reason
from audit.governance import readiness
from audit.governance.checklist import Checklist
from audit.governance.harms import OPEN, Action, Harm
from audit.governance.situation import Situation
from audit.governance.status import Assessed
from audit.report import numbers
from audit.report.suppress import withheld

COUNTING = ("group_sizes", "missing_counted", "unknown_counted")
"""Checks whose words hold the number of people of a group."""
SOURCES = ("derived", "attested", "mixed")
WITHHELD = "the figures are withheld, for a group is small"


@dataclass(frozen=True, slots=True)
class ItemView:
    """One question: its status, where that comes from, and why."""

    id: str
    question: str
    status: str
    source: str | None
    """None where nothing was said yet."""
    why: str
    evidence: str | None
    open: bool
    blocks: bool
    owner: str | None


@dataclass(frozen=True, slots=True)
class ListView:
    """One list: how many questions are settled by what, how many are open."""

    id: str
    title: str
    questions: int
    settled: dict[str, int]
    """Satisfied questions by source; those that rest on a waiver count under `waived`."""
    not_applicable: int
    open: int
    blocking: int
    items: tuple[ItemView, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HarmView:
    """One row of the register."""

    id: str
    title: str
    affected: str
    before: str
    after: str
    status: str
    owner: str
    due: str


@dataclass(frozen=True, slots=True)
class ActionView:
    """One action, with its measured effect where there is one."""

    id: str
    description: str
    harms: str
    status: str
    owner: str
    due: str
    effect: str
    interval: str


@dataclass(frozen=True, slots=True)
class GovernedView:
    """Everything that the section prints."""

    as_of: str
    stage: str
    tier: str
    lists: tuple[ListView, ...]
    harms: tuple[HarmView, ...]
    actions: tuple[ActionView, ...]
    nothing: tuple[tuple[str, str, str], ...]
    register: bool
    tolerance: str
    reviewers: tuple[str, ...]
    consulted: tuple[tuple[str, str], ...]
    signed: tuple[str, ...]


def governed_view(
    situation: Situation, lists: tuple[tuple[Checklist, tuple[Assessed, ...]], ...], stage: str
) -> GovernedView:
    """The state of a project's governance on the situation's day."""
    register, team, day = situation.register, situation.team, situation.as_of
    hidden = situation.result is not None and withheld(situation.result).limit is not None
    harms, actions = (register.harms, register.actions) if register else ((), ())
    return GovernedView(
        as_of=day.isoformat(),
        stage=stage,
        tier=situation.tier.words if situation.tier else "no tier: governance/tier.yaml is not there",
        lists=tuple(_list(each, assessed, situation, hidden) for each, assessed in lists),
        harms=tuple(_harm(harm, day, hidden) for harm in sorted(harms, key=lambda h: _order(h, day))),
        actions=tuple(_action(action) for action in actions),
        nothing=tuple(
            (n.theme.replace("_", " "), numbers.clean(n.because, 400), numbers.clean(n.by))
            for n in (register.nothing if register else ())
        ),
        register=register is not None,
        tolerance=register.tolerance if register else "",
        reviewers=tuple(f"{numbers.clean(r.name)}, {numbers.clean(r.role)}" for r in team.reviewers),
        consulted=tuple(
            (numbers.clean(c.who), numbers.clean(c.changed or "what changed is not said", 400))
            for c in team.consulted
        ),
        signed=tuple(numbers.clean(one.words, 300) for one in situation.signed),
    )


def shown_reasons(
    reasons: tuple[Reason, ...],
    situation: Situation,
    lists: tuple[tuple[Checklist, tuple[Assessed, ...]], ...],
) -> tuple[Reason, ...]:
    """The gate's reasons as the page may print them: without figures where the policy withholds groups."""
    if situation.result is None or withheld(situation.result).limit is None:
        return reasons
    items = {one.item.id: one for _, assessed in lists for one in assessed if has_figures(one)}
    harms = {h.id: h for h in (situation.register.harms if situation.register else ()) if h.trigger}
    return tuple(_bare(reason, items, harms) for reason in reasons)


def _bare(reason: Reason, items: dict[str, Assessed], harms: dict[str, Harm]) -> Reason:
    if reason.id in items:
        one = items[reason.id]
        return replace(reason, text=f"{one.item.question} {one.words.capitalize()}: {WITHHELD}.")
    if reason.id in harms:
        return replace(reason, text=reason.text.replace(harms[reason.id].title, "raised by a rule"))
    return reason


def has_figures(one: Assessed) -> bool:
    """Whether the reason for a status holds figures of single groups, which a policy may withhold."""
    auto = one.item.auto
    counted = auto is not None and auto.check in COUNTING
    return one.evidence is not None and (counted or one.evidence.subject is not None)


def _list(
    checklist: Checklist, assessed: tuple[Assessed, ...], situation: Situation, hidden: bool
) -> ListView:
    settled = dict.fromkeys((*SOURCES, "waived"), 0)
    for one in assessed:
        if one.status == "satisfied":
            settled[one.source] += 1
        elif one.status == "satisfied_with_waiver":
            settled["waived"] += 1
    return ListView(
        checklist.id,
        checklist.title,
        len(assessed),
        settled,
        sum(one.status == "not_applicable" for one in assessed),
        sum(one.open for one in assessed),
        sum(one.open and one.blocker for one in assessed),
        tuple(_item(one, hidden) for one in assessed),
        readiness.warnings(checklist, assessed, situation),
    )


def _item(one: Assessed, hidden: bool) -> ItemView:
    figures = hidden and has_figures(one)
    return ItemView(
        one.item.id,
        one.item.question,
        one.status.replace("_", " "),
        None if one.status == "not_started" else one.source,
        WITHHELD if figures else numbers.clean(one.why, 400),
        one.evidence.id if one.evidence else None,
        one.open,
        one.open and one.blocker,
        numbers.clean(one.answer.owner or one.answer.answered_by or "") if one.answer else None,
    )


def _order(harm: Harm, day: date) -> tuple[bool, str]:
    return (harm.status_on(day) not in OPEN, harm.id)


def _harm(harm: Harm, day: date, hidden: bool) -> HarmView:
    title = f"rule {harm.trigger.rule}" if hidden and harm.trigger is not None else harm.title
    return HarmView(
        harm.id,
        numbers.clean(title, 300),
        numbers.clean(", ".join(harm.affected), 300) or "nobody named",
        harm.inherent.level if harm.inherent else "not rated",
        harm.residual.level if harm.residual else "not rated",
        harm.status_on(day).replace("_", " "),
        numbers.clean(harm.owner) if harm.owner else "nobody",
        harm.due.isoformat() if harm.due else "–",
    )


def _action(action: Action) -> ActionView:
    effect = action.effect
    return ActionView(
        action.id,
        numbers.clean(action.description, 300),
        ", ".join(action.harms),
        action.status.replace("_", " "),
        numbers.clean(action.owner) if action.owner else "nobody",
        action.due.isoformat() if action.due else "–",
        numbers.figure(effect.delta, numbers.decimals(effect.low, effect.high)) if effect else "not measured",
        numbers.interval(effect.low, effect.high, numbers.decimals(effect.low, effect.high))
        if effect
        else "",
    )
