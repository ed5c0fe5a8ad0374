"""The figures of causes: slices, bias and variance, learning curves, data needs."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, pstdev

from audit.analysis.curves import Curves
from audit.analysis.slice_report import Slice, SliceReport
from audit.analysis.why import Why
from audit.report import charts, numbers, remedy_charts
from audit.report.figures import WORDS, Figure, Table, cleaned
from audit.report.forest_rows import Axis, Row
from audit.report.svg import draw, draw_parts


def cause_figures(
    slices: SliceReport | None, why: Why | None, suppress_below: int | None = None
) -> tuple[Figure, ...]:
    """What is known of where errors sit and why, a figure each; nothing for what was not looked at.

    Slices whose rows, bad rows or good rows are fewer than `suppress_below` are withheld, and counted.
    """
    found = [] if slices is None else [_slices(_shared(slices, suppress_below or 0))]
    if why is not None:
        found.append(_diagnosis(why))
        found += [_curves(why.curves)] if why.curves is not None else []
        found += [_needs(why)] if why.needs else []
    return tuple(found)


def _shared(report: SliceReport, least: int) -> SliceReport:
    def small(one: Slice) -> bool:
        share = one.confirmation
        return min(share.rows, share.bad or least, (share.rows - share.bad) or least) < least

    kept = tuple(one for one in report.slices if not small(one))
    if len(kept) == len(report.slices):
        return report
    note = f"{len(report.slices) - len(kept)} slices that rest on fewer than {least} rows are withheld."
    return replace(report, slices=kept, notes=(*report.notes, note))


def _slices(report: SliceReport) -> Figure:
    plotted = [
        one for one in report.slices if one.difference_low is not None and _difference(one) is not None
    ]
    rows = [
        Row(
            label=numbers.clean(one.name),
            kind="violation" if one.confirmed else "inconclusive",
            word="confirmed" if one.confirmed else "not confirmed",
            figure=numbers.figure(_difference(one), 3),
            n=numbers.rows(one.confirmation.rows),
            value=_difference(one),
            thin=(one.difference_low, one.difference_high),
        )
        for one in plotted[: charts.MOST_ROWS]
    ]
    axis = Axis(
        f"{report.title}: in the slice less elsewhere", False, parity=0.0, columns=("more by", "n", "")
    )
    table = Table(
        ("Slice", "Rows", "Rate there", "Elsewhere", "Difference", "p, adjusted", "Says"),
        tuple(
            (
                numbers.clean(one.name, 300),
                numbers.rows(one.confirmation.rows),
                numbers.figure(one.confirmation.rate, 3),
                numbers.figure(one.confirmation.rest_rate, 3),
                numbers.interval(one.difference_low, one.difference_high, 3),
                numbers.p_words(one.p_adjusted),
                "confirmed" if one.confirmed else "not confirmed",
            )
            for one in report.slices
        ),
        (1, 2, 3, 4, 5),
    )
    confirmed = len(report.confirmed)
    words = WORDS["slices"].format(
        title=report.title.lower(),
        searched=numbers.rows(report.discovery_rows),
        tested=numbers.rows(report.confirmation_rows),
        confirmed=confirmed,
        all=len(report.slices),
    )
    alt = f"Difference of each slice from everyone else, with intervals; {confirmed} are confirmed."
    drawings = draw_parts(charts.forests(rows, axis), figure="slices") if rows else ()
    return Figure("slices", "Where the errors sit", words, alt, drawings, table, cleaned(report.notes))


def _difference(one: Slice) -> float | None:
    rate, rest = one.confirmation.rate, one.confirmation.rest_rate
    return None if rate is None or rest is None else rate - rest


def _diagnosis(why: Why) -> Figure:
    rows = []
    for one in why.diagnosis.groups:
        errors = "; ".join(f"{e.split} {e.value:.3f}" for e in one.errors if e.value is not None)
        parts = "; ".join(
            f"{p.name} {numbers.figure(p.value, 3)} ({numbers.interval(p.low, p.high, 3)}), {p.verdict}"
            if p.value is not None
            else f"{p.name}: {p.why}"
            for p in one.parts
        )
        named = ", ".join(one.named) or "nothing high"
        rows.append((numbers.clean(one.group), named, f"{one.target:g}", errors, numbers.clean(parts, 400)))
    table = Table(("Group", "High", "Can be reached", "Errors", "Parts"), tuple(rows), (2,))
    words = WORDS["diagnosis"]
    notes = tuple(f"{one.group}: {text}" for one in why.diagnosis.groups for text in one.advice)
    return Figure("diagnosis", "Why", words, "", (), table, cleaned(notes))


def _curves(curves: Curves) -> Figure:
    lines = []
    for group in curves.groups[: remedy_charts.MOST_CURVES]:
        sizes: dict[float, list[tuple[int, float]]] = {}
        points = curves.of(group, varied=group) or curves.of(group)
        for point in points:
            if point.test_rows:
                found = (point.group_rows, point.test_errors / point.test_rows)
                sizes.setdefault(point.fraction, []).append(found)
        line = [
            (fmean(n for n, _ in found), fmean(e for _, e in found), pstdev([e for _, e in found]))
            for _, found in sorted(sizes.items())
        ]
        if line:
            lines.append((numbers.clean(group), line))
    rows = tuple(
        (label, numbers.rows(round(n)), numbers.figure(mean, 3), numbers.figure(spread, 3))
        for label, line in lines
        for n, mean, spread in line
    )
    table = Table(("Group", "Training rows", "Error", "Spread over repeats"), rows, (1, 2, 3))
    words = WORDS["curves"].format(repeats=curves.repeats)
    notes = tuple(
        f"A fit failed: {one.varied}, {one.fraction:g} of its rows: {one.why}" for one in curves.failures[:5]
    )
    drawings = (draw(remedy_charts.learning(lines), figure="curves"),) if lines else ()
    return Figure(
        "curves",
        "Learning curves",
        words,
        "Error against training rows, a line a group.",
        drawings,
        table,
        cleaned(notes),
    )


def _needs(why: Why) -> Figure:
    rows = tuple(
        (
            numbers.clean(one.group),
            numbers.figure(one.gap, 3),
            f"{one.bound:g}",
            one.verdict,
            "–" if not one.rows_more else numbers.rows(one.rows_more),
            "–" if one.rows_more_sure is None else numbers.rows(one.rows_more_sure),
            numbers.clean(one.why, 300),
        )
        for one in why.needs
    )
    columns = ("Group", "Gap", "Bound", "More rows", "About", "With confidence", "Why")
    return Figure("needs", "Data needs", WORDS["needs"], "", (), Table(columns, rows, (1, 2, 4, 5)))
