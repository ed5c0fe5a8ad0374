"""Each rule of the policy as the page shows it: its verdict, one forest plot, one table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from audit.engine.wording import bound_words
from audit.report import numbers, words
from audit.report.charts import MOST_ROWS, forests, runs_off
from audit.report.facts import Case, Fact, Judged, fact, is_ratio
from audit.report.forest_rows import Axis, Row
from audit.report.svg import Drawing, draw_parts
from audit.result import Comparison, Rule, Verdict

TABLE_ROWS = 500
"""Comparisons in one table of the page; all are in audit.json."""

PAGE_ROWS = 2500
"""Comparisons in all tables of the page together."""


@dataclass(frozen=True, slots=True)
class Part:
    """The comparisons of one metric over one grouping."""

    heading: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule of the policy."""

    anchor: str
    id: str
    title: str
    metric: str
    comparison: str
    bound: str
    severity: str
    owner: str | None
    line: int | None
    verdict: str
    comparisons: int
    violations: int
    undecided: int
    small: int
    by_point: bool
    ratio: bool
    figure: str
    drawings: tuple[Drawing, ...]
    arrows: bool
    drawn: int
    parts: tuple[Part, ...]
    """The table, in parts; violations first where it does not hold all."""
    tabled: int
    outside: tuple[str, ...]
    """Names of the groups that the plot shows outside the band."""
    withheld: int
    waivers: tuple[str, ...]
    definition: str | None
    blind_spot: str | None
    source: str | None


def rule_views(case: Case) -> tuple[RuleView, ...]:
    """Every rule of the policy, in its order."""
    of_rule: dict[str, list[Judged]] = defaultdict(list)
    for judged in case.judged:
        of_rule[judged.rule.id].append(judged)
    count = max(1, len(case.result.policy.rules))
    room = max(MOST_ROWS, min(TABLE_ROWS, PAGE_ROWS // count))
    return tuple(_view(case, rule, of_rule[rule.id], room) for rule in case.result.policy.rules)


def _view(case: Case, rule: Rule, judged: list[Judged], room: int) -> RuleView:
    verdict = next((v for v in case.result.rules if v.rule == rule.id), None)
    known = words.entry(rule.metric)
    figure = f"fig-{case.anchors[rule.id]}"
    drawn, tabled = foremost(judged, MOST_ROWS), foremost(judged, room)
    specs = forests(_rows(case, rule, drawn), axis_of(rule)) if drawn else []
    outside = [j for j in drawn if j.finding.verdict is Verdict.VIOLATION]
    return RuleView(
        anchor=case.anchors[rule.id],
        id=numbers.clean(rule.id),
        title=words.title(rule.metric),
        metric=words.within_sentence(rule.metric),
        comparison=words.words()["comparison"].get(rule.comparison, rule.comparison),
        bound=bound_words(rule.lower, rule.upper),
        severity=rule.severity,
        owner=None if rule.owner is None else numbers.clean(rule.owner),
        line=rule.line,
        verdict=verdict.verdict.value if verdict else Verdict.INCONCLUSIVE.value,
        comparisons=len(judged),
        violations=sum(j.finding.verdict is Verdict.VIOLATION for j in judged),
        undecided=sum(j.finding.verdict is Verdict.INCONCLUSIVE and not j.row.reported_only for j in judged),
        small=sum(j.row.reported_only and j.finding.verdict is not Verdict.VIOLATION for j in judged),
        by_point=rule.judge == "estimate",
        ratio=is_ratio(rule.comparison),
        figure=figure,
        drawings=draw_parts(specs, figure=figure),
        arrows=any(runs_off(spec) for spec in specs),
        drawn=len(drawn),
        parts=tuple(
            Part(heading(case, part[0].row, several=_several(judged)), tuple(fact(case, j) for j in part))
            for part in partitions(case, tabled)
        ),
        tabled=len(tabled),
        outside=tuple(numbers.name(j.row.group) for j in outside[:5]),
        withheld=sum(case.withheld.comparison(j.row) for j in judged),
        waivers=tuple(
            f"{numbers.clean(w.reason)} ({numbers.clean(w.approver)}, {numbers.clean(w.expires)})"
            for w in rule.waivers
        ),
        definition=known.definition if known else None,
        blind_spot=known.blind_spot if known else None,
        source=known.source if known else None,
    )


def foremost(judged: list[Judged], most: int) -> list[Judged]:
    """The `most` that matter, in the result's order: violations, then the undecided, by evidence.

    Among the undecided, those that could be judged come before those with too few rows.
    """
    if len(judged) <= most:
        return judged
    order = {Verdict.VIOLATION: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}

    def rank(index: int) -> tuple[bool, int, bool, float, float, float]:
        item = judged[index]
        small = item.row.reported_only and item.finding.verdict is not Verdict.VIOLATION
        p, raw, _ = item.strength
        return (small, order[item.finding.verdict], item.row.blocked is not None, p, raw, -item.row.n)

    return [judged[i] for i in sorted(sorted(range(len(judged)), key=rank)[:most])]


def partitions(case: Case, judged: list[Judged]) -> list[list[Judged]]:
    """Comparisons of one metric and grouping together, sorted by effect, the lowest first.

    Those withheld come last, by name, since their place would tell their value.
    """

    def effect(item: Judged) -> tuple[bool, bool, bool, float, str]:
        row = item.row
        hidden = case.withheld.comparison(row)
        value = None if hidden else row.value
        order = 0.0 if value is None else value
        return (row.stratum is not None, hidden, value is None, order, numbers.name(row.group))

    parts: dict[tuple[str, tuple[str, ...], object], list[Judged]] = defaultdict(list)
    for item in judged:
        reference = "" if item.row.comparison == "pairs" else item.row.reference
        parts[item.row.metric, item.row.grouping, reference].append(item)
    ordered = sorted(parts.items(), key=lambda part: len(part[0][1]))
    return [sorted(items, key=effect) for _, items in ordered]


def _several(judged: list[Judged]) -> bool:
    return len({item.row.metric for item in judged}) > 1


def heading(case: Case, row: Comparison, *, several: bool) -> str:
    """What a part of a plot or table holds: attribute, reference, and metric where there are several."""
    form = "heading_metric" if several else "heading"
    if row.comparison == "worst_group" or row.reference == "parity":
        form += "_alone"
    elif row.comparison == "pairs":
        form += "_pairs"
    text: str = words.words()["plot"][form]
    return text.format(
        metric=words.title(row.metric),
        attribute=case.attribute(row.grouping),
        reference=words.reference_words(row.reference),
    )


def axis_of(rule: Rule) -> Axis:
    """The scale on which a rule's comparisons are drawn."""
    said = words.words()
    known = words.entry(rule.metric)
    metrics = getattr(known, "metrics", (rule.metric,))
    metric = words.title(rule.metric if len(metrics) > 1 else metrics[0])
    parity = {"worst_group": None}.get(rule.comparison, 1.0 if is_ratio(rule.comparison) else 0.0)
    return Axis(
        title=said["axis"].get(rule.comparison, "{metric}").format(metric=metric),
        log=is_ratio(rule.comparison),
        lower=rule.lower,
        upper=rule.upper,
        parity=parity,
        columns=(said["plot"]["value"], said["plot"]["n"], said["plot"]["verdict"]),
    )


def _rows(case: Case, rule: Rule, judged: list[Judged]) -> list[Row]:
    rows: list[Row] = []
    for part in partitions(case, judged):
        first = part[0].row
        rows.append(Row(heading(case, first, several=_several(judged)), "heading"))
        if first.comparison not in ("worst_group", "pairs") and first.reference != "parity":
            rows.append(_reference(case, rule, first))
        rows += [_row(case, rule, item) for item in part]
    return rows


def _reference(case: Case, rule: Rule, row: Comparison) -> Row:
    said = words.words()["plot"]
    hidden = case.withheld.comparison(row) and (
        (row.grouping, row.reference) in case.withheld.names or case.withheld.count(row.reference_n)
    )
    n = said["withheld"] if hidden else "" if row.stratum is not None else numbers.rows(row.reference_n)
    parity = 1.0 if is_ratio(rule.comparison) else 0.0
    return Row(words.reference_words(row.reference), "reference", said["reference"], n=n, value=parity)


def _row(case: Case, rule: Rule, item: Judged) -> Row:
    row, said = item.row, words.words()
    label = numbers.name(row.group)
    if row.comparison == "pairs":
        label = said["plot"]["pair"].format(group=label, reference=words.reference_words(row.reference))
    if row.comparison.startswith("conditional") and row.stratum is None:
        label = said["plot"]["stratum"].format(group=label, stratum=said["plot"]["strata"])
    if row.stratum is not None:
        label = said["plot"]["stratum"].format(group=label, stratum=numbers.name(row.stratum))
    verdict = item.finding.verdict
    word = said["verdict"][verdict.value]
    if verdict is Verdict.VIOLATION and item.finding.waived is not None:
        word = said["plot"]["waived"]
    if row.reported_only and verdict is not Verdict.VIOLATION:
        word = said["plot"]["small"]
    if case.withheld.comparison(row):
        return Row(label, verdict.value, word, note=said["plot"]["withheld"])
    if row.value is None:
        return Row(label, verdict.value, word, n=numbers.rows(row.n), note=numbers.clean(row.why or "", 46))
    places = numbers.decimals(row.low, row.high)
    plain = rule.judge == "estimate" or (row.pass_low, row.pass_high) == (None, None)
    violation = (row.violation_low, row.violation_high)
    return Row(
        label,
        verdict.value,
        word,
        numbers.figure(row.value, places, bounds=(rule.lower, rule.upper)),
        numbers.rows(row.n),
        row.value,
        (None, None) if plain else (row.pass_low, row.pass_high),
        (row.low, row.high) if plain or violation == (None, None) else violation,
    )
