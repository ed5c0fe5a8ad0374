"""Actions that the evidence asks for: from findings, slices, diagnoses, data needs and trials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.analysis.slice_report import SliceReport
from audit.analysis.why import Why
from audit.engine.wording import p_words
from audit.mitigation.paired import Change
from audit.mitigation.trial_report import Side, Trial, Trials
from audit.result import AuditResult, Finding, NotMeasured, Verdict, group_name

MOST_SLICES = 5
MOST_SIDES = 5
CADENCE = "each release, and monthly once it is in use"


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is to move."""

    rule: str
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    group: str
    reference: str
    value: float | None
    bound: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a trial measured of it; above 0 is better."""

    delta: float
    low: float
    high: float
    scale: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An action that somebody may take up."""

    key: str
    """What makes two drafts the same action; never shown to change by another run."""
    type: str
    description: str
    rationale: str
    evidence: tuple[str, ...]
    target: Target | None = None
    expected: Expected | None = None
    side_effects: tuple[str, ...] = ()
    cost: str | None = None
    legal_note: str | None = None
    monitor: str | None = None
    alternatives_rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to draft from; parts may be missing."""

    bundle: str
    result: AuditResult
    slices: SliceReport | None = None
    why: Why | None = None
    trials: Trials | None = None


def drafts(evidence: Evidence) -> tuple[Draft, ...]:
    """Every action that the evidence asks for, remedies first; the same evidence gives the same drafts."""
    made = [*_remedies(evidence), *_needs(evidence), *_diagnosed(evidence), *_slices(evidence)]
    return (*made, *_unanswered(evidence, made), *_undecided(evidence), *_watched(evidence))


def violations(result: AuditResult) -> list[Finding]:
    """The violations that no waiver covers, one a rule and group."""
    return [
        one
        for one in result.findings
        if one.verdict is Verdict.VIOLATION and one.waived is None and one.stratum is None
    ]


def _remedies(evidence: Evidence) -> Iterator[Draft]:
    trials = evidence.trials
    best = None if trials is None or trials.best is None else trials.trial(trials.best)
    if trials is None or best is None or best.effect is None:
        return
    target = trials.target
    effect = best.effect
    expected = None
    if effect.value is not None and effect.low is not None and effect.high is not None:
        expected = Expected(effect.value, effect.low, effect.high, effect.scale)
    chosen = f" ({'; '.join(best.chosen)})" if best.chosen else ""
    credit = "".join(f" Against {one.against} alone: {change_words(one.change)}." for one in best.credit)
    yield Draft(
        key=f"remedy:{best.name}:{target.rule}:{' × '.join(target.grouping)}:{target.group}",
        type=best.action,
        description=f"{best.title}{chosen}: {best.does[0].lower()}{best.does[1:]}",
        rationale=(
            f"Of {len(trials.trials)} remedies tried on the same {trials.folds} folds it is the one that the "
            f"evidence advises: {change_words(effect)}.{credit}"
        ),
        evidence=(
            f"trials {trials.data_digest}: {best.name}",
            f"bundle {evidence.bundle[:12]}: {target.rule}, {target.group} against {target.reference}",
        ),
        target=Target(
            target.rule, target.metric, target.comparison, target.grouping, target.group, target.reference,
            target.value, target.bound,
        ),
        expected=expected,
        side_effects=_sides(best, trials),
        cost=_cost(best),
        legal_note=best.legal_note,
        monitor=_monitor(target.metric, target.grouping, target.bound),
        alternatives_rejected=tuple(_rejected(one) for one in trials.trials if one.name != best.name),
    )  # fmt: skip


def change_words(change: Change) -> str:
    """A change in words, as `nearer to parity by 0.17 (0.14 to 0.20)`."""
    if change.value is None or change.low is None or change.high is None:
        return f"undefined: {change.why}"
    unit = "" if change.scale == "points" else " on the log scale"
    return f"nearer to parity by {change.value:.3f} ({change.low:.3f} to {change.high:.3f}){unit}"


def _sides(best: Trial, trials: Trials) -> tuple[str, ...]:
    told = [one for one in best.sides if one.verdict in ("worse", "not ruled out")]
    told.sort(key=lambda one: 0.0 if one.change.low is None else one.change.low)
    words = [_side_words(one, trials.limit) for one in told[:MOST_SIDES]]
    few = sum(one.verdict == "too few" for one in best.sides)
    if few:
        words.append(f"{few} comparisons have too few rows to say")
    return tuple(words) or (f"no group is worse by more than {trials.limit:g}, so far as rows tell",)


def _side_words(one: Side, limit: float) -> str:
    if one.change.value is None or one.change.low is None or one.change.high is None:
        return f"{one.what} of {one.group}: {one.change.why}"
    how = "worse" if one.verdict == "worse" else f"a worsening beyond {limit:g} is not ruled out"
    return (
        f"{one.what} of {one.group} in {one.metric.replace('_', ' ')}: {one.change.value:+.3f} "
        f"({one.change.low:+.3f} to {one.change.high:+.3f}), {how}"
    )


def _cost(best: Trial) -> str | None:
    parts = []
    for words, change in (("accuracy", best.accuracy), ("share of positive decisions", best.positives)):
        if change is not None and change.value is not None:
            parts.append(f"{words} {change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})")
    return "; ".join(parts) or None


def _rejected(one: Trial) -> str:
    if one.not_advised:
        return f"{one.name}: {one.not_advised[0]}"
    return f"{one.name}: advised too" + (
        ", with a legal note" if one.legal_note else ", with a smaller effect"
    )


def _monitor(metric: str, grouping: tuple[str, ...], bound: str) -> str:
    return f"{metric} by {' × '.join(grouping)}, {bound}, {CADENCE}"


def _needs(evidence: Evidence) -> Iterator[Draft]:
    for need in evidence.why.needs if evidence.why is not None else ():
        if need.rows_more:
            sure = (
                f"{need.rows_more_sure:,} at {need.confidence:.0%} confidence"
                if need.rows_more_sure is not None
                else "out of reach with confidence"
            )
            yield Draft(
                key=f"rows:{need.group}",
                type="data",
                description=f"Collect about {need.rows_more:,} more training rows of {need.group}",
                rationale=f"{need.why[0].upper()}{need.why[1:]}; {sure}.",
                evidence=(f"learning curves of {need.group}: gap {need.gap:+.3f}, bound {need.bound:g}",),
            )


def _diagnosed(evidence: Evidence) -> Iterator[Draft]:
    for one in evidence.why.diagnosis.groups if evidence.why is not None else ():
        for name, advice in zip(one.named, one.advice, strict=False):
            yield Draft(
                key=f"cause:{one.group}:{name}",
                type="data" if name in ("mismatch", "noise") else "model",
                description=advice,
                rationale=f"The errors of {one.group} show {name}.",
                evidence=(f"diagnosis of {one.group}, target error {one.target:g}",),
            )


def _slices(evidence: Evidence) -> Iterator[Draft]:
    report = evidence.slices
    for one in report.confirmed[:MOST_SLICES] if report is not None else ():
        rate, rest = one.confirmation.rate, one.confirmation.rest_rate
        figures = "" if rate is None or rest is None else f": {rate:.3f} there, {rest:.3f} elsewhere"
        assert report is not None
        rows, p = one.confirmation.rows, p_words(one.p_adjusted)
        yield Draft(
            key=f"slice:{report.metric}:{one.name}",
            type="data",
            description=f"Read the errors of the slice {one.name}, and collect rows or features for it",
            rationale=f"{report.title}{figures}; confirmed on people that it was not found on.",
            evidence=(f"slice, {rows:,} rows confirmed, adjusted p {p}",),
        )


def _unanswered(evidence: Evidence, made: list[Draft]) -> Iterator[Draft]:
    """A violation for which no remedy is drafted still has somebody to look at it."""
    answered = {one.target.rule for one in made if one.target is not None}
    told: set[tuple[str, tuple[str, ...]]] = set()
    for one in violations(evidence.result):
        place = (one.rule, one.grouping)
        if one.rule in answered or place in told or len(one.grouping) > 1:
            continue
        told.add(place)
        group = group_name(one.group)
        yield Draft(
            key=f"find:{one.rule}:{' × '.join(one.grouping)}",
            type="process",
            description=f"Find a remedy for {one.rule} by {' × '.join(one.grouping)}; try `mitigate`",
            rationale=f"{group} is outside the rule's bound, and no remedy is advised yet.",
            evidence=(f"bundle {evidence.bundle[:12]}: {one.rule}, {group}",),
            target=_target(one),
        )


def _target(one: Finding) -> Target:
    return Target(
        one.rule, one.metric, one.comparison, one.grouping, group_name(one.group), one.reference, one.value,
        one.bound,
    )  # fmt: skip


def _undecided(evidence: Evidence) -> Iterator[Draft]:
    """One action a rule: the rows that would decide the comparison that needs the fewest."""
    best: dict[str, Finding] = {}
    for one in evidence.result.findings:
        open_ = one.verdict is Verdict.INCONCLUSIVE and one.rows_needed and one.severity != "minor"
        if open_ and (one.rule not in best or (one.rows_needed or 0) < (best[one.rule].rows_needed or 0)):
            best[one.rule] = one
    for rule, one in best.items():
        yield Draft(
            key=f"audit-rows:{rule}",
            type="data",
            description=f"Audit about {one.rows_needed:,} more rows to decide {rule}",
            rationale=f"{group_name(one.group)} is neither shown inside nor outside {one.bound}.",
            evidence=(f"bundle {evidence.bundle[:12]}: {rule}, {group_name(one.group)}",),
        )


def _watched(evidence: Evidence) -> Iterator[Draft]:
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for one in violations(evidence.result):
        place = (one.metric, one.grouping)
        if place in seen or len(one.grouping) > 1:
            continue
        seen.add(place)
        yield Draft(
            key=f"watch:{one.metric}:{' × '.join(one.grouping)}",
            type="monitor",
            description=f"Watch {one.metric.replace('_', ' ')} by {' × '.join(one.grouping)} after release",
            rationale="A remedy that holds on audited rows may not hold on next year's.",
            evidence=(f"bundle {evidence.bundle[:12]}: {one.rule}",),
            monitor=_monitor(one.metric, one.grouping, one.bound),
        )


def unheard(evidence: Evidence) -> tuple[NotMeasured, ...]:
    """What the plan could not draw on."""
    parts = (
        ("trials", evidence.trials, "no remedy was tried: `harm-audit mitigate`"),
        ("slices", evidence.slices, "nobody looked where the errors sit: `harm-audit slices`"),
        ("diagnosis", evidence.why, "bias, variance and data needs are not known: `harm-audit diagnose`"),
    )
    return tuple(NotMeasured(what, why) for what, part, why in parts if part is None)
