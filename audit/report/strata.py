"""A metric compared within strata of the control columns, beside all together, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from audit.report import numbers, words
from audit.report.charts import forest
from audit.report.facts import Case
from audit.report.forest_rows import Axis, Row
from audit.report.svg import Drawing, draw
from audit.result import Conditional, Stratum

SHOWN = 20
"""Comparisons within strata that the page holds, and strata in one plot."""

TABLE_ROWS = 200


@dataclass(frozen=True, slots=True)
class StratumRow:
    """One stratum's rates in both groups."""

    name: str
    value: str
    n: str
    reference_value: str
    reference_n: str
    difference: str


@dataclass(frozen=True, slots=True)
class ConditionalView:
    """A metric pooled and within strata."""

    anchor: str
    metric: str
    group: str
    reference: str
    control: str
    pooled: str
    pooled_interval: str
    difference: str
    difference_interval: str
    ratio: str
    ratio_interval: str
    simpson: str | None
    opposite: tuple[int, int]
    """Strata in which the group is lower, and in which it is higher."""
    strata: tuple[StratumRow, ...]
    folded: int
    drawing: Drawing | None
    why: str | None


def conditional_views(case: Case) -> tuple[ConditionalView, ...]:
    """Every comparison within strata, findings of a reversal first."""
    ordered = sorted(case.result.conditional, key=lambda c: ("reversal", "vanishes", None).index(c.simpson))
    return tuple(_conditional(case, number, c) for number, c in enumerate(ordered[:SHOWN], 1))


def _conditional(case: Case, number: int, c: Conditional) -> ConditionalView:
    anchor = f"strata-{number}"
    hidden = case.withheld.group(c.grouping, c.group) or (c.grouping, c.reference) in case.withheld.names
    strata = () if hidden else c.strata
    drawn = None if hidden or c.pooled is None else draw(_plot(case, c), figure=f"fig-{anchor}")
    pooled = _pair(hidden, c.pooled, c.pooled_low, c.pooled_high, 0.0)
    common = _pair(hidden, c.difference, c.difference_low, c.difference_high, 0.0)
    ratio = _pair(hidden, c.ratio, c.ratio_low, c.ratio_high, 1.0)
    return ConditionalView(
        anchor=anchor,
        metric=words.within_sentence(c.metric),
        group=numbers.name(c.group),
        reference=words.reference_words(c.reference),
        control=" × ".join(numbers.clean(part) for part in c.control),
        pooled=pooled[0],
        pooled_interval=pooled[1],
        difference=common[0],
        difference_interval=common[1],
        ratio=ratio[0],
        ratio_interval=ratio[1],
        simpson=c.simpson,
        opposite=(
            sum(s.difference is not None and s.difference < 0 for s in strata),
            sum(s.difference is not None and s.difference > 0 for s in strata),
        ),
        strata=tuple(_stratum(case, s) for s in strata[:TABLE_ROWS]),
        folded=max(0, len(strata) - TABLE_ROWS),
        drawing=drawn,
        why=None if c.why is None else numbers.clean(c.why),
    )


def _plot(case: Case, c: Conditional) -> dict[str, object]:
    said = words.words()["plot"]
    summaries = (
        (said["pooled"], c.pooled, c.pooled_low, c.pooled_high),
        (said["within"], c.difference, c.difference_low, c.difference_high),
    )
    rows = [
        Row(
            label,
            "described",
            figure=numbers.figure(value, numbers.decimals(low, high)),
            value=value,
            thin=(low, high),
        )
        for label, value, low, high in summaries
    ]
    rows += [
        Row(
            numbers.name(s.stratum),
            "stratum",
            figure=numbers.figure(s.difference, 2),
            n=numbers.rows(s.n + s.reference_n),
            value=s.difference,
        )
        for s in c.strata[:SHOWN]
        if not _small(case, s)
    ]
    title = words.words()["axis"]["difference"].format(metric=words.title(c.metric))
    return forest(rows, Axis(title, log=False, parity=0.0, columns=(said["difference"], said["n"], "")))


def _pair(
    hidden: bool, value: float | None, low: float | None, high: float | None, parity: float
) -> tuple[str, str]:
    """A value and its interval as text, with digits enough to see on which side of parity each lies."""
    if hidden:
        withheld = words.words()["plot"]["withheld"]
        return withheld, withheld
    places = numbers.decimals(low, high)
    bounds = (parity,)
    return numbers.figure(value, places, bounds=bounds), numbers.interval(low, high, places, bounds=bounds)


def _small(case: Case, s: Stratum) -> bool:
    return case.withheld.count(s.n) or case.withheld.count(s.reference_n)


def _stratum(case: Case, s: Stratum) -> StratumRow:
    if _small(case, s):
        return StratumRow(numbers.name(s.stratum), *(words.words()["plot"]["withheld"],) * 5)
    return StratumRow(
        numbers.name(s.stratum),
        numbers.percent(s.k / s.n if s.n else None),
        numbers.rows(s.n),
        numbers.percent(s.reference_k / s.reference_n if s.reference_n else None),
        numbers.rows(s.reference_n),
        numbers.figure(s.difference, 3),
    )
