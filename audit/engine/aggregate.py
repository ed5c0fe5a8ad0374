"""The aggregates over the rows: at most four, whatever the number of metrics and groupings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.engine import decode, edges
from audit.engine.counts import Counts
from audit.engine.exclusions import UNREADABLE
from audit.engine.medians import with_median
from audit.engine.prepare import (
    MAX_SCORE_CELLS,
    PROBE_ROWS,
    Plan,
    audited,
    bears_out,
    full_range,
    plan,
    unprobed,
)
from audit.engine.reading import reading
from audit.engine.source import Source
from audit.engine.sums import FEW_ROWS, bucket, check_sums, fetch, one_row, row_sums, score_sums
from audit.errors import DataError

if TYPE_CHECKING:
    from audit.spec import AuditSpec


def _scored(plan_: Plan) -> ir.Table:
    """The rows with their score bin, the tenth of [0, 1] that the score falls in, and the score as summed.

    What a plan for [0, 1] finds outside goes to the ends, so that nothing overflows before it is seen.
    """
    table, score = plan_.table, plan_.table.s
    if plan_.score_range is None:
        unit = ibis.cases((score >= 1, 1.0), (score <= 0, 0.0), else_=score)
        inner, edge = plan_.bins - 2, edges.OUTERMOST
        logit = ((score / (1 - score)).ln() + edges.LOGIT_SPAN) * (inner / (2 * edges.LOGIT_SPAN))
        number = ibis.cases((score <= edge, -1.0), (score >= 1 - edge, float(inner)), else_=logit)
        tenth = ibis.cases((score >= 1, 9.0), (score <= 0, 0.0), else_=score * 10)
        bin_ = score if plan_.by_value else (number.floor() + 1).cast("int64")
        return table.mutate(bin=bin_, tenth=tenth.floor().cast("int64"), unit=unit)
    low, high = plan_.score_range
    scale = plan_.bins / (high - low) if high > low else 0.0
    number = ibis.cases((score >= high, float(plan_.bins - 1)), else_=(score - low) * scale)
    bin_ = score if plan_.by_value else number.floor().cast("int64")
    return table.mutate(bin=bin_, tenth=ibis.literal(-1, type="int64"), unit=score * 0.0)


def score_edges(plan_: Plan) -> edges.Edges:
    """The bins' lower edges and the last upper edge, ascending."""
    if plan_.score_range is not None:
        return edges.range_edges(*plan_.score_range, plan_.bins)
    return edges.logit_edges(plan_.bins)


def expressions(plan_: Plan) -> dict[str, list[ir.Table]]:
    """The aggregates to run, by the part of the counts that each fills."""
    made: dict[str, list[ir.Table]] = {"cells": [], "scores": []}
    scored = "score" in plan_.has
    for grouping in plan_.groupings:
        keys = plan_.keys(grouping)
        table = _scored(plan_) if scored else plan_.table
        if scored:
            summed = score_sums(plan_, table, few=plan_.few_rows)
            made["scores"].append(table.group_by([*keys, "bin", "tenth"]).aggregate(**summed))
        if not scored or "cluster" in plan_.has:
            if "cluster" in plan_.has:
                table = table.mutate(bucket=bucket(table.cluster))
                keys = [*keys, "bucket"]
            if scored:
                table = table.mutate(bin=table.s.isnull().ifelse(-1, 0).cast("int64"))
                keys = [*keys, "bin"]
            summed = score_sums(plan_, table) if scored else row_sums(plan_, table)
            made["cells"].append(table.group_by(keys).aggregate(**summed))
    return made


def count(spec: AuditSpec, source: Source, *, scoring_rate: bool = False) -> Counts:
    """Read the source once for each aggregate that is needed, and account for every row.

    Errors: DataError for what the data holds (no rows, NaN scores, weights that are no weights,
    labels that cannot be told apart); SpecError where the spec must say which value is positive.
    """
    where = spec.data.source or "the frame"
    plan_, fetched = _at_once(spec, source) or (plan(spec, source), None)
    with reading(where):
        plan_, fetched = _borne_out(spec, plan_, fetched or _fetched(plan_))
        found_clusters = clusters(plan_)
    decoder = decode.Decoder(spec, plan_.attributes, plan_.control)
    for table in fetched["cells"] or fetched["scores"]:
        check_sums(table)
        decoder.learn(table)
    cells = [
        decoder.cells(table, grouping)
        for table, grouping in zip(fetched["cells"], plan_.groupings, strict=False)
    ]
    scores = [
        decoder.cells(table, grouping)
        for table, grouping in zip(fetched["scores"], plan_.groupings, strict=False)
    ]
    excluded = dict((cells or scores)[0][1])
    binned, bins = [table for table, _ in scores], score_edges(plan_) if scores else ()
    if binned and not any((table.keys["bin"] >= 0).any() for table in binned):
        name = spec.data.columns.score
        raise DataError(
            f"column {name!r} holds no score", where="data.columns.score", hint="Name another column."
        )
    if plan_.by_value and scores:
        bins, binned = edges.by_value(binned)
    if source.rejected:
        excluded = {UNREADABLE: source.rejected} | excluded
    tables = [table.merged() for table, _ in cells] or [
        table.merged(keys=[key for key in table.keys if key not in ("bin", "tenth")]) for table in binned
    ]
    counts = Counts(
        attributes=plan_.attributes,
        control=plan_.control,
        cells=tuple(tables),
        scores=tuple(table.merged() for table in binned),
        edges=bins,
        bins=plan_.bins if scores else 0,
        excluded=tuple(excluded.items()),
        rejected_lines=source.rejected_lines,
        clusters=found_clusters,
        positive=tuple(decoder.positive.items()),
        weights=spec.data.weights if "weight" in plan_.has else None,
        notes=(*decoder.notes, *doubled_ids(spec, source)),
    )
    source.check_unchanged()
    return with_median(counts, plan_, decoder, where) if scoring_rate and "score" in plan_.has else counts


def _at_once(spec: AuditSpec, source: Source) -> tuple[Plan, dict[str, list[pa.Table]]] | None:
    """The cells without a probe before them, where they bear out that none was needed; else None."""
    plan_ = unprobed(spec, source)
    if plan_ is None:
        return None
    with reading(spec.data.source or "the frame"):
        (asked,) = expressions(plan_)["cells"]
        cells = fetch(asked.limit(PROBE_ROWS))
    return (plan_, {"cells": [cells], "scores": []}) if bears_out(plan_, cells) else None


def _fetched(plan_: Plan) -> dict[str, list[pa.Table]]:
    asked = expressions(plan_)
    if plan_.by_value:
        asked["scores"] = [table.limit(MAX_SCORE_CELLS) for table in asked["scores"]]
    return {kind: [fetch(table) for table in tables] for kind, tables in asked.items()}


def _borne_out(
    spec: AuditSpec, plan_: Plan, fetched: dict[str, list[pa.Table]]
) -> tuple[Plan, dict[str, list[pa.Table]]]:
    """The plan that fits all scores, not the probe's alone, and what it fetched."""
    while (fits := _fitting(spec, plan_, fetched["scores"])) is not plan_:
        plan_, fetched = fits, _fetched(fits)
    if plan_.by_value:
        fetched = {**fetched, "scores": [_one_bin(table) for table in fetched["scores"]]}
    return plan_, fetched


def _fitting(spec: AuditSpec, plan_: Plan, tables: list[pa.Table]) -> Plan:
    """The plan itself where the scores that it fetched bear it out; each change is made once at most."""
    fits = plan_
    if plan_.by_value and not _few(tables, plan_.bins):
        fits = replace(fits, by_value=False)
    if plan_.few_rows and any(pc.max(table["n"]).as_py() > FEW_ROWS for table in tables):
        fits = replace(fits, few_rows=False)
    if plan_.score_range is None and not all(_within_unit(table) for table in tables):
        found = full_range(plan_.table, str(spec.data.columns.score))
        fits = fits if found is None else replace(fits, score_range=found)
    return fits


def _few(tables: list[pa.Table], bins: int) -> bool:
    """Whether all distinct scores were fetched, and are no more than the bins."""
    if any(len(table) >= MAX_SCORE_CELLS for table in tables):
        return False
    return len(np.unique(np.concatenate([table["bin"].drop_null().to_numpy() for table in tables]))) <= bins


def _one_bin(table: pa.Table) -> pa.Table:
    """The cells of one score each, before their bins are numbered."""
    place = table.column_names.index("bin")
    return table.set_column(place, "bin", pc.if_else(pc.is_valid(table["bin"]), 0, None))


def _within_unit(table: pa.Table) -> bool:
    """Whether all scores lie in [0, 1]; a NaN does not."""
    low, high = (table[name].drop_null().to_numpy() for name in ("low", "high"))
    return bool(np.all(low >= 0) and np.all(high <= 1))


def clusters(plan_: Plan) -> int | None:
    """How many distinct clusters there are; None where none are declared."""
    if "cluster" not in plan_.has:
        return None
    table = audited(plan_.table)
    row = table.aggregate(n=table.cluster.nunique(), gaps=table.cluster.isnull().cast("int32").sum())
    found = one_row(row)
    if found["gaps"]:
        raise DataError(
            f"{found['gaps']} rows have no cluster id",
            where="data.columns.cluster",
            hint="Give each row its cluster, or filter those rows.",
        )
    return int(found["n"])


def doubled_ids(spec: AuditSpec, source: Source) -> tuple[str, ...]:
    """A note where an id names more than one row: a person counted twice, or rows that depend."""
    name = spec.data.columns.id
    if name is None or spec.data.columns.count is not None:
        return ()
    ids = source.table[name]
    with reading(f"column {name}"):
        row = one_row(source.table.aggregate(rows=ids.count(), ids=ids.nunique()))
    if row["rows"] == row["ids"]:
        return ()
    return (
        f"{row['rows']:,} rows carry {row['ids']:,} ids in {name!r}: doubled rows count twice; where "
        "a person rightly has several, name the column as `cluster:` so that intervals allow for it",
    )


def describe(spec: AuditSpec, source: Source) -> str:
    """The SQL that a run would send, in words and statements; sends only the probe."""
    plan_ = plan(spec, source)
    statements = [
        f"-- {kind}\n{ibis.to_sql(table)};" for kind, tables in expressions(plan_).items() for table in tables
    ]
    return "\n\n".join(statements)
