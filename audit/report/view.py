"""The whole page as values: what the templates print, in the order in which they print it."""

from __future__ import annotations

from dataclasses import dataclass

from audit.gate import Decision, Reason
from audit.report import numbers, words
from audit.report.facts import Case, Fact, distinct, fact
from audit.report.governed import GovernedView
from audit.report.groups import (
    AttributeView,
    HeatView,
    attribute_views,
    heat_views,
    intersections,
)
from audit.report.rules import RuleView, rule_views
from audit.report.score_views import ScoreFigure, score_figures
from audit.report.strata import ConditionalView, conditional_views
from audit.report.task_views import TaskFigure, task_figures
from audit.result import AuditResult, Coverage, Estimate, Verdict

FURTHER, UNDECIDED, SMALL, CLOSEST = 5, 5, 12, 3


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The first screen: the decision, its reasons, what could not be decided."""

    verdict: str
    exit_code: int
    headline: Fact | None
    further: tuple[Fact, ...]
    more: int
    undecided: tuple[Fact, ...]
    undecided_more: int
    closest: tuple[Fact, ...]
    """For a pass, the comparisons that came nearest to their bound."""
    reasons: tuple[Reason, ...]
    """Reasons that are not a rule's: stale evidence, another model, governance."""
    waived: tuple[str, ...]
    rests_on_waivers: bool
    comparisons: int
    rules: int


@dataclass(frozen=True, slots=True)
class SmallGroup:
    """A group with too few rows to be judged."""

    attribute: str
    group: str
    n: str


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How many rows of a group carry a label, by prediction."""

    attribute: str
    group: str
    prediction: str
    rows: str
    share: str


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """What a metric that was used cannot see."""

    metric: str
    text: str


@dataclass(frozen=True, slots=True)
class SilentView:
    """What the audit does not say."""

    small: tuple[SmallGroup, ...]
    small_count: int
    undecided: int
    not_measured: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]
    """Attributes with missing values: (attribute, rows)."""
    coverage: tuple[CoverageRow, ...]
    coverage_more: int
    blind_spots: tuple[BlindSpot, ...]
    withheld_small: int
    withheld_second: int
    intersections: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric's entry in the registry."""

    title: str
    name: str
    definition: str
    formula: str
    source: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the templates print."""

    result: AuditResult
    bundle_id: str
    signatures: tuple[str, ...]
    verdict: VerdictView
    rules: tuple[RuleView, ...]
    first: tuple[TaskFigure, ...]
    attributes: tuple[AttributeView, ...]
    heats: tuple[HeatView, ...]
    crossed: tuple[Fact, ...]
    crossed_violations: int
    crossed_count: int
    conditionals: tuple[ConditionalView, ...]
    scores: tuple[ScoreFigure, ...]
    silent: SilentView
    definitions: tuple[Definition, ...]
    governance: GovernedView | None
    """None where the project has no governance folder, or none was asked."""


def page(
    result: AuditResult,
    decision: Decision,
    bundle_id: str,
    signatures: tuple[str, ...],
    governance: GovernedView | None = None,
) -> Page:
    """The page of `result` as `decision` judged it."""
    case = Case(result)
    crossed, violations, count = intersections(case)
    return Page(
        result=result,
        bundle_id=numbers.clean(bundle_id),
        signatures=tuple(numbers.clean(s) for s in signatures),
        verdict=verdict_view(case, decision),
        rules=rule_views(case),
        first=task_figures(case),
        attributes=attribute_views(case),
        heats=heat_views(case),
        crossed=crossed,
        crossed_violations=violations,
        crossed_count=count,
        conditionals=conditional_views(case),
        scores=score_figures(case),
        silent=_silent(case),
        definitions=_definitions(case),
        governance=governance,
    )


def verdict_view(case: Case, decision: Decision) -> VerdictView:
    """The decision with its findings, the strongest evidence first."""
    outside = [j for j in case.judged if j.finding.verdict is Verdict.VIOLATION]
    ranked = distinct(
        sorted(outside, key=lambda j: (not j.decides, j.finding.waived is not None, j.strength))
    )
    findings = [fact(case, item, also=also) for item, also in ranked]
    first = findings[0] if findings and decision.verdict is Verdict.VIOLATION else None
    further = findings[1:] if first else findings
    open_ = [j for j in case.judged if j.finding.verdict is Verdict.INCONCLUSIVE and j.decides]
    undecided = distinct(sorted(open_, key=lambda j: (case.withheld.comparison(j.row), j.strength)))
    inside = [j for j in case.judged if j.finding.verdict is Verdict.PASS and j.decides]
    near = sorted(inside, key=lambda j: -(j.row.p_pass or 0.0))[:CLOSEST]
    return VerdictView(
        verdict=decision.verdict.value,
        exit_code=decision.exit_code,
        headline=first,
        further=tuple(further[:FURTHER]),
        more=max(0, len(further) - FURTHER),
        undecided=tuple(fact(case, item, also=also) for item, also in undecided[:UNDECIDED]),
        undecided_more=max(0, len(undecided) - UNDECIDED),
        closest=tuple(fact(case, item) for item in near) if decision.verdict is Verdict.PASS else (),
        reasons=tuple(_clean_reason(r) for r in decision.reasons if r.kind != "rule" or r.id == "policy"),
        waived=tuple(numbers.clean(text, 400) for text in decision.waived),
        rests_on_waivers=decision.rests_on_waivers,
        comparisons=len(case.judged),
        rules=len(case.result.policy.rules),
    )


def _clean_reason(reason: Reason) -> Reason:
    return Reason(
        reason.kind,
        numbers.clean(reason.id),
        numbers.clean(reason.text, 600),
        numbers.clean(reason.next_step, 400),
        reason.verdict,
    )


def _silent(case: Case) -> SilentView:
    result = case.result
    too_few: dict[tuple[tuple[str, ...], str], SmallGroup] = {}
    for e in sorted(result.estimates, key=_by_size):
        if 0 <= e.n < result.policy.min_group and len(e.grouping) >= 1:
            n = (
                words.words()["plot"]["withheld"]
                if case.withheld.group(e.grouping, e.group)
                else numbers.rows(e.n)
            )
            shown = SmallGroup(case.attribute(e.grouping), numbers.name(e.group), n)
            too_few.setdefault((e.grouping, shown.group), shown)
    missing = tuple(
        (numbers.clean(a.name), numbers.rows(n))
        for a in result.data.attributes
        for value, n in zip(a.values, a.rows, strict=True)
        if value is None and n and not case.withheld.group((a.name,), (value,))
    )
    partial = [c for c in result.data.label_coverage if c.labelled < c.rows and len(c.grouping) == 1]
    return SilentView(
        small=tuple(too_few.values())[:SMALL],
        small_count=len(too_few),
        undecided=sum(j.finding.verdict is Verdict.INCONCLUSIVE for j in case.judged),
        not_measured=tuple((numbers.clean(n.what), numbers.clean(n.why, 400)) for n in result.not_measured),
        missing=missing,
        coverage=tuple(_coverage(case, c) for c in partial[:SMALL]),
        coverage_more=max(0, len(partial) - SMALL),
        blind_spots=_blind_spots(case),
        withheld_small=len(case.withheld.small),
        withheld_second=len(case.withheld.second),
        intersections=any(len(e.grouping) > 1 for e in result.estimates),
        warnings=tuple(numbers.clean(w, 400) for w in result.data.warnings),
    )


def _by_size(e: Estimate) -> tuple[int, float, str]:
    return (len(e.grouping), e.n, numbers.name(e.group))


def _coverage(case: Case, c: Coverage) -> CoverageRow:
    hidden = case.withheld.group(c.grouping, c.group) or case.withheld.count(c.rows)
    withheld = words.words()["plot"]["withheld"]
    return CoverageRow(
        attribute=case.attribute(c.grouping),
        group=numbers.name(c.group),
        prediction=_prediction(case, c.prediction),
        rows=withheld if hidden else numbers.rows(c.rows),
        share=withheld if hidden else numbers.percent(c.labelled / c.rows if c.rows else None),
    )


def _prediction(case: Case, prediction: int | None) -> str:
    """As it is written: of several classes the class's name, else 0 or 1; nothing where there is none."""
    if prediction is None:
        return ""
    classes = case.result.data.classes
    return numbers.clean(classes[prediction]) if classes else str(prediction)


def _blind_spots(case: Case) -> tuple[BlindSpot, ...]:
    used = dict.fromkeys(
        [rule.metric for rule in case.result.policy.rules] + [j.row.metric for j in case.judged]
    )
    known = ((metric, words.entry(metric)) for metric in used)
    texts: dict[str, str] = {}
    for metric, entry in known:
        if entry is not None and entry.blind_spot:
            texts.setdefault(entry.blind_spot, words.title(metric))
    return tuple(BlindSpot(title, text) for text, title in texts.items())


def _definitions(case: Case) -> tuple[Definition, ...]:
    used = [rule.metric for rule in case.result.policy.rules] + [e.metric for e in case.result.estimates]
    found = []
    for metric in dict.fromkeys(used):
        entry = words.entry(metric)
        if entry is not None:
            formula = getattr(entry, "formula", "")
            found.append(Definition(entry.title, entry.name, entry.definition, formula, entry.source))
    return tuple(found)
