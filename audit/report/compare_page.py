"""Two audits side by side as a page, in the report's look."""

from __future__ import annotations

from audit.mitigation.compare import BundleComparison, Compared
from audit.report import charts, numbers
from audit.report.figures import Figure, Table
from audit.report.forest_rows import Axis, Row
from audit.report.html import document
from audit.report.svg import draw_parts

_KIND = {"better": "pass", "worse": "violation", "noise": "inconclusive"}
MOST = 40


def render(found: BundleComparison) -> str:
    """The comparison as one HTML document; equal arguments give equal text."""
    by = {says: sum(one.says == says for one in found.compared) for says in ("better", "worse", "noise")}
    return document(
        "compared.html",
        heading=f"{found.systems[0]} and {found.systems[1]}",
        eyebrow=f"Bundles {found.before[:12]} and {found.after[:12]}",
        statement=(
            f"{by['better']} better, {by['worse']} worse, {by['noise']} no more than noise; "
            f"{found.verdicts[0]}, then {found.verdicts[1]}"
        ),
        how=f"{found.how[0].upper()}{found.how[1:]}. Better and worse hold for all comparisons together.",
        figures=[
            figure
            for scale in ("points", "log ratio")
            if (figure := _figure(found, scale)) is not None
        ],
        differs=list(found.differences),
        only=[*(f"before: {numbers.clean(one, 200)}" for one in found.only_before[:MOST]),
              *(f"after: {numbers.clean(one, 200)}" for one in found.only_after[:MOST])],
    )  # fmt: skip


def _figure(found: BundleComparison, scale: str) -> Figure | None:
    chosen = [one for one in found.compared if one.change.scale == scale]
    if not chosen:
        return None
    plotted = [one for one in chosen if one.change.value is not None][:MOST]
    name = "differences" if scale == "points" else "ratios"
    axis = Axis(
        "Nearer to parity by" + ("" if scale == "points" else ", logarithm of the ratio"), False, parity=0.0,
        columns=("change", "n", ""),
    )  # fmt: skip
    rows = [_row(one) for one in plotted]
    table = Table(
        ("Comparison", "Before", "After", "Nearer to parity by", "p, adjusted", "Verdict", "Says"),
        tuple(_cells(one) for one in chosen),
        (1, 2, 3, 4),
    )
    drawings = draw_parts(charts.forests(rows, axis), figure=f"change-{name}") if rows else ()
    shown = (
        "" if len(plotted) == len(chosen) else f" The {len(plotted)} with the strongest evidence are drawn."
    )
    words = f"{len(chosen)} comparisons of {name}.{shown}"
    return Figure(
        f"change-{name}", name.capitalize(), words, f"Change of {name} with intervals.", drawings, table
    )


def _words(one: Compared) -> str:
    return numbers.clean(f"{one.rule}: {one.group} against {one.reference}")


def _row(one: Compared) -> Row:
    change = one.change
    return Row(
        label=_words(one),
        kind=_KIND.get(one.says, "inconclusive"),
        word=one.says,
        figure=numbers.figure(change.value, 3),
        n=numbers.rows(change.n),
        value=change.value,
        thin=(change.low, change.high),
    )


def _cells(one: Compared) -> tuple[str, ...]:
    change = one.change
    same = one.verdict_before == one.verdict_after
    moved = one.verdict_after if same else f"{one.verdict_before} → {one.verdict_after}"
    said = (
        change.why or "–"
        if change.value is None
        else f"{numbers.figure(change.value, 3)} ({numbers.interval(change.low, change.high, 3)})"
    )
    return (
        f"{_words(one)} ({one.metric.replace('_', ' ')} {one.comparison})", numbers.figure(one.before, 3),
        numbers.figure(one.after, 3), said, numbers.p_words(one.p_adjusted), moved, one.says,
    )  # fmt: skip
