"""The groups as the page shows them: tables of estimates and intersections."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from audit.report import numbers, words
from audit.report.facts import Case, Fact, fact
from audit.result import Estimate, Group, Verdict

COLUMNS = 4
"""Metrics in one table: as many as a printed page holds."""

TABLE_ROWS = 200
"""Groups in one table of estimates."""

HEAT_COLUMNS, HEAT_ROWS = 8, 40
LISTED = 20
"""Intersections that are listed, by evidence."""

SHADES = 4
"""Steps of shade on either side of the population's value."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One estimate as text."""

    value: str
    interval: str
    n: str
    why: str
    shade: str = ""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group and its estimates under the columns of its table."""

    group: str
    rows: str
    cells: tuple[Cell, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Estimates of up to four metrics."""

    columns: tuple[str, ...]
    notes: tuple[str, ...]
    """What each metric's n counts."""
    rows: tuple[GroupRow, ...]


@dataclass(frozen=True, slots=True)
class AttributeView:
    """All estimates over one attribute."""

    anchor: str
    name: str
    reference: str
    groups: int
    shown: int
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class HeatView:
    """One metric over the cross of two attributes."""

    anchor: str
    down: str
    across: str
    metric: str
    whole: str
    columns: tuple[str, ...]
    rows: tuple[GroupRow, ...]


def attribute_views(case: Case) -> tuple[AttributeView, ...]:
    """Every single attribute with all its estimates."""
    return tuple(
        _attribute(case, number, a.name, a.reference)
        for number, a in enumerate(case.result.data.attributes, 1)
    )


def _attribute(case: Case, number: int, attribute: str, reference: str) -> AttributeView:
    grouping = (attribute,)
    size = _sizes(case, grouping)
    order = sorted(size, key=lambda group: (group == (None,), -size[group], numbers.name(group)))
    shown = order[:TABLE_ROWS]
    metrics = [m for m in _metrics(case) if any((m, grouping, group) in case.estimates for group in order)]
    apiece = math.ceil(len(metrics) / max(1, math.ceil(len(metrics) / COLUMNS)))
    return AttributeView(
        anchor=f"attribute-{number}",
        name=numbers.clean(attribute),
        reference=words.reference_words(reference),
        groups=len(order),
        shown=len(shown),
        tables=tuple(
            _table(case, metrics[i : i + apiece], grouping, shown, size)
            for i in range(0, len(metrics), apiece or 1)
        ),
    )


def _metrics(case: Case) -> list[str]:
    """Measured metrics in the result's order, without the plain count, which is a column of its own."""
    return [m for m in dict.fromkeys(e.metric for e in case.result.estimates) if m != "count"]


def _sizes(case: Case, grouping: tuple[str, ...]) -> dict[Group, float]:
    """Rows of each group of a grouping; where they are not told, its largest denominator."""
    for attribute in case.result.data.attributes:
        if grouping == (attribute.name,):
            return {(v,): float(n) for v, n in zip(attribute.values, attribute.rows, strict=True)}
    size: dict[Group, float] = defaultdict(float)
    for e in case.result.estimates:
        if e.grouping == grouping:
            size[e.group] = max(size[e.group], e.n)
    return dict(size)


def _table(
    case: Case, metrics: list[str], grouping: tuple[str, ...], groups: list[Group], size: dict[Group, float]
) -> Table:
    rows = [
        GroupRow(
            numbers.name(group),
            words.words()["plot"]["withheld"]
            if case.withheld.group(grouping, group)
            else numbers.rows(size[group]),
            tuple(cell(case, case.estimates.get((m, grouping, group)), m) for m in metrics),
        )
        for group in groups
    ]
    if any((m, (), ()) in case.estimates for m in metrics):
        whole = tuple(cell(case, case.estimates.get((m, (), ())), m) for m in metrics)
        rows.append(GroupRow("", numbers.rows(case.result.data.rows_audited), whole, whole=True))
    return Table(
        columns=tuple(words.title(m) for m in metrics),
        notes=tuple(getattr(words.entry(m), "denominator_words", "") for m in metrics),
        rows=tuple(rows),
    )


def cell(case: Case, e: Estimate | None, metric: str, shade: str = "") -> Cell:
    """An estimate's text: shares in per cent, everything else as it is."""
    if e is None:
        return Cell("–", "", "", "")
    if case.withheld.group(e.grouping, e.group):
        return Cell(words.words()["plot"]["withheld"], "", "", "")
    n = numbers.rows(e.n)
    if e.value is None:
        return Cell("", "", n, numbers.clean(e.why or ""))
    places = numbers.decimals(e.low, e.high)
    if words.is_proportion(metric):
        both = "" if e.low is None or e.high is None else numbers.interval(100 * e.low, 100 * e.high, 1)
        return Cell(numbers.percent(e.value), both, n, "", shade)
    both = "" if e.low is None or e.high is None else numbers.interval(e.low, e.high, places)
    return Cell(numbers.figure(e.value, places), both, n, "", shade)


def heat_views(case: Case) -> tuple[HeatView, ...]:
    """Each cross of two attributes that fits, for the first metric that a rule judges."""
    judged = [j.row.metric for j in case.judged] + ["selection_rate"]
    metric = next((m for m in judged if (m, (), ()) in case.estimates), None)
    if metric is None:
        return ()
    pairs = dict.fromkeys(e.grouping for e in case.result.estimates if len(e.grouping) == 2)
    found = (_heat(case, number, grouping, metric) for number, grouping in enumerate(pairs, 1))
    return tuple(view for view in found if view is not None)


def _heat(case: Case, number: int, grouping: tuple[str, ...], metric: str) -> HeatView | None:
    size = _sizes(case, grouping)
    values: list[list[str | None]] = [[], []]
    for group in sorted(size, key=lambda g: (-size[g], numbers.name(g))):
        for side in (0, 1):
            if group[side] not in values[side]:
                values[side].append(group[side])
    down, across = (0, 1) if len(values[0]) >= len(values[1]) else (1, 0)
    if len(values[across]) > HEAT_COLUMNS or len(values[down]) > HEAT_ROWS:
        return None
    whole = case.estimates[metric, (), ()]
    reach = max((abs(_gap(case, metric, grouping, g)) for g in size), default=0.0) or 1.0

    def group_of(d: str | None, a: str | None) -> Group:
        return (d, a) if down == 0 else (a, d)

    def shaded(group: Group) -> Cell:
        gap = _gap(case, metric, grouping, group) / reach
        step = round(SHADES * abs(gap))
        shade = "" if step == 0 else f"{'lo' if gap < 0 else 'hi'}{step}"
        return cell(case, case.estimates.get((metric, grouping, group)), metric, shade)

    rows = tuple(
        GroupRow(numbers.name((d,)), "", tuple(shaded(group_of(d, a)) for a in values[across]))
        for d in values[down]
    )
    return HeatView(
        anchor=f"cross-{number}",
        down=numbers.clean(grouping[down]),
        across=numbers.clean(grouping[across]),
        metric=words.within_sentence(metric),
        whole=cell(case, whole, metric).value,
        columns=tuple(numbers.name((a,)) for a in values[across]),
        rows=rows,
    )


def _gap(case: Case, metric: str, grouping: tuple[str, ...], group: Group) -> float:
    """How far a group lies from the population; 0 where either is undefined or withheld."""
    e, whole = case.estimates.get((metric, grouping, group)), case.estimates[metric, (), ()]
    if e is None or e.value is None or whole.value is None or case.withheld.group(grouping, group):
        return 0.0
    return e.value - whole.value


def intersections(case: Case) -> tuple[tuple[Fact, ...], int, int]:
    """Comparisons of intersections by evidence: the first of them, how many violate, how many there are."""
    crossed = [j for j in case.judged if len(j.row.grouping) > 1]
    ranked = sorted(crossed, key=lambda item: item.strength)
    violations = sum(item.finding.verdict is Verdict.VIOLATION for item in crossed)
    return tuple(fact(case, item) for item in ranked[:LISTED]), violations, len(crossed)
