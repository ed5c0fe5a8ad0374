"""The exact median of all scores, and the rows above it."""

from __future__ import annotations

from dataclasses import replace

import ibis.expr.types as ir

from audit.engine import decode
from audit.engine.counts import Counts
from audit.engine.prepare import Plan, audited
from audit.engine.reading import reading
from audit.engine.sums import fetch, one_row, row_sums


def with_median(counts: Counts, plan_: Plan, decoder: decode.Decoder, where: str) -> Counts:
    """The exact median of all scored rows, and the rows strictly above it."""
    table = audited(plan_.table)
    with reading(where):
        median = _counted_median(table) if "count" in plan_.has else _median(table)
        parts = []
        for grouping in plan_.groupings:
            rows = plan_.table.mutate(bin=(plan_.table.s > median).cast("int32"))
            sums = row_sums(plan_, rows)
            made = fetch(rows.group_by([*plan_.keys(grouping), "bin"]).aggregate(**sums))
            parts.append(decoder.cells(made, grouping)[0].merged())
    return replace(counts, median=median, above=tuple(parts))


def _median(table: ir.Table) -> float:
    """The middle score, or the mean of the two middle ones, which the engines take each in its way."""
    near = one_row(table.aggregate(m=table.s.median()))["m"]
    lower, upper = table.s.max(where=table.s <= near), table.s.min(where=table.s >= near)
    row = one_row(table.aggregate(lower=lower, upper=upper))
    return (float(row["lower"]) + float(row["upper"])) / 2


def _counted_median(table: ir.Table) -> float:
    """The middle score where a row stands for k people."""
    scored = table.filter(table.s.notnull())
    steps = scored.group_by("s").aggregate(k=scored.k.sum())
    steps = steps.mutate(up_to=steps.k.cumsum(order_by=steps.s), whole=steps.k.sum())
    lower = steps.s.min(where=2 * steps.up_to >= steps.whole)
    upper = steps.s.min(where=2 * steps.up_to > steps.whole)
    row = one_row(steps.aggregate(lower=lower, upper=upper))
    return (float(row["lower"]) + float(row["upper"])) / 2
