"""Sections that come from documents beside the bundle: causes of errors, remedies tried, the plan."""

from __future__ import annotations

from dataclasses import dataclass

from audit.analysis.slice_report import SliceReport
from audit.analysis.why import Why
from audit.mitigation.paired import Change
from audit.mitigation.plan import Plan, PlanAction
from audit.mitigation.plan_files import fields
from audit.mitigation.trial_report import Trial, Trials
from audit.report import charts, numbers, remedy_charts
from audit.report.causes import cause_figures
from audit.report.figures import WORDS, Figure, Table, cleaned
from audit.report.forest_rows import Axis, Row
from audit.report.svg import draw, draw_parts


@dataclass(frozen=True, slots=True)
class Additions:
    """What was found beside an audit; each part may be missing."""

    slices: SliceReport | None = None
    why: Why | None = None
    trials: Trials | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class ActionView:
    """One action of the plan."""

    anchor: str
    id: str
    description: str
    status: str
    mark: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    """Name and texts; of several each stands on a line of its own."""


@dataclass(frozen=True, slots=True)
class Added:
    """The views of both sections."""

    causes: tuple[Figure, ...]
    remedies: tuple[Figure, ...]
    actions: tuple[ActionView, ...]
    plan_words: str | None
    open: tuple[str, ...]
    legal: tuple[tuple[str, str], ...]


def added(given: Additions, *, suppress_below: int | None = None) -> Added:
    """The documents as what the templates print; what rests on fewer rows than that is withheld."""
    remedies = [] if given.trials is None or _few(given.trials, suppress_below) else [_trials(given.trials)]
    plan = given.plan
    if plan is not None and any(one.delta is not None for one in plan.actions):
        remedies.append(_measured(plan))
    return Added(
        cause_figures(given.slices, given.why, suppress_below),
        tuple(remedies),
        () if plan is None else tuple(_action(one) for one in plan.actions),
        None if plan is None else _plan_words(plan),
        () if plan is None else tuple(numbers.clean(one, 300) for one in plan.without_action),
        () if given.trials is None else _legal(given.trials),
    )


def _trials(trials: Trials) -> Figure:
    known = [(one, s) for one in trials.trials if (s := _standing(one)) is not None]
    now = None
    first = next((one for one, _ in known), None)
    before = None if first is None or first.effect is None else first.effect.before
    if before is not None and trials.accuracy_before is not None:
        now = (abs(before), trials.accuracy_before)
    remedies = [(numbers.clean(one.name), gap, right, one.on_front) for one, (gap, right) in known]
    drawings = (
        (draw(remedy_charts.pareto(remedies, now, _bound(trials)), figure="pareto"),) if remedies else ()
    )
    target = trials.target
    words = WORDS["trials"].format(
        all=len(trials.trials),
        metric=target.metric.replace("_", " "),
        group=numbers.clean(target.group),
        reference=numbers.clean(target.reference),
        folds=trials.folds,
        advised=f"Advised: {trials.best}." if trials.best else "None is advised.",
    )
    columns = (
        "Remedy",
        "Gap left",
        "Nearer to parity by",
        "Against training again",
        "Accuracy gained",
        "Verdict",
        "Says",
    )
    rows = tuple(_trial_row(one) for one in sorted(trials.trials, key=_by_effect))
    key = "Filled: no other has a smaller gap and a higher accuracy. Cross: the decisions as they are. "
    key += "Shaded: inside the bound. §: a legal note."
    notes = (key, *(f"{one.what}: {one.why}" for one in trials.not_measured), *trials.notes)
    table = Table(columns, rows, (1, 2, 3, 4))
    return Figure(
        "remedies-tried", "Remedies tried", words, WORDS["trials-alt"], drawings, table, cleaned(notes)
    )


def _few(trials: Trials, least: int | None) -> bool:
    """Whether the group that the trials are about is too small for its figures to be shown."""
    rows = [one.effect.n for one in trials.trials if one.effect is not None]
    return least is not None and bool(rows) and min(rows) < least


def _bound(trials: Trials) -> float | None:
    text = trials.target.bound.lstrip("±")
    try:
        return float(text) if trials.target.comparison == "difference" else None
    except ValueError:
        return None


def _standing(one: Trial) -> tuple[float, float] | None:
    if one.effect is None or one.effect.after is None or one.accuracy is None or one.accuracy.after is None:
        return None
    return abs(one.effect.after), one.accuracy.after


def _by_effect(one: Trial) -> tuple[bool, float]:
    value = None if one.effect is None else one.effect.value
    return (value is None, -(value or 0.0))


def _trial_row(one: Trial) -> tuple[str, ...]:
    name = one.name + (" §" if one.legal_note else "")
    if one.effect is None or one.effect.value is None:
        why = one.why or (one.effect.why if one.effect else None) or one.status
        return (name, "–", "–", "–", "–", "–", numbers.clean(f"{one.status}: {why}", 300))
    credit = _change(one.credit[0].change) if one.credit else "–"
    accuracy = "–" if one.accuracy is None else numbers.figure(one.accuracy.value, 3)
    says = "advised" if one.advised else "; ".join(one.not_advised)
    after = None if one.effect.after is None else abs(one.effect.after)
    return (
        name,
        numbers.figure(after, 3),
        _change(one.effect),
        credit,
        accuracy,
        one.verdict or "–",
        numbers.clean(says, 300),
    )


def _change(change: Change) -> str:
    if change.value is None:
        return change.why or "–"
    return f"{numbers.figure(change.value, 3)} ({numbers.interval(change.low, change.high, 3)})"


def _legal(trials: Trials) -> tuple[tuple[str, str], ...]:
    found: dict[str, list[str]] = {}
    for one in trials.trials:
        if one.legal_note and one.effect is not None:
            found.setdefault(one.legal_note, []).append(one.name)
    return tuple((", ".join(names), note) for note, names in found.items())


def _measured(plan: Plan) -> Figure:
    done = [one for one in plan.actions if one.delta is not None]
    rows = [
        Row(
            label=numbers.clean(f"{one.id} {one.description}", 90),
            kind=_mark(one),
            word=one.status,
            figure=numbers.figure(one.delta, 3),
            value=one.delta,
            thin=(one.low, one.high),
        )
        for one in done
    ]
    axis = Axis("Nearer to parity by", False, parity=0.0, columns=("effect", "", ""))
    table = Table(
        ("Action", "Effect", "Interval", "Status", "On"),
        tuple(
            (
                one.id,
                numbers.figure(one.delta, 3),
                numbers.interval(one.low, one.high, 3),
                one.status,
                numbers.clean(one.result or "", 300),
            )
            for one in done
        ),
        (1, 2),
    )
    words = WORDS["effects"]
    return Figure(
        "effects",
        "Before and after",
        words,
        "The effect of each action with its interval.",
        draw_parts(charts.forests(rows, axis), figure="effects"),
        table,
    )


def _mark(one: PlanAction) -> str:
    return {"verified": "pass", "ineffective": "violation"}.get(one.status, "inconclusive")


def _action(one: PlanAction) -> ActionView:
    several = {
        "Evidence": one.evidence,
        "Side effects": one.side_effects,
        "Not chosen": one.alternatives_rejected,
    }
    listed = tuple((name, cleaned(several.get(name, (text,)))) for name, text in fields(one) if text)
    status = one.status + (", overdue" if one.overdue else "")
    return ActionView(
        f"action-{one.id.lower()}",
        numbers.clean(one.id),
        numbers.clean(one.description, 400),
        status,
        _mark(one),
        listed,
    )


def _plan_words(plan: Plan) -> str:
    by: dict[str, int] = {}
    for one in plan.actions:
        by[one.status] = by.get(one.status, 0) + 1
    counts = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in by.items()) or "none"
    late = sum(one.overdue for one in plan.actions)
    return (
        f"{len(plan.actions)} actions on {plan.as_of}: {counts}" + (f"; {late} overdue" if late else "") + "."
    )
