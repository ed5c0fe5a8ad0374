"""Ranking: places in each query's list, and what groups got of them, summed by group and query's hash."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir

from audit.engine import aggregate, decode
from audit.engine.cells import Cells
from audit.engine.counts import Counts
from audit.engine.exclusions import UNREADABLE
from audit.engine.prepare import Plan, number, plan
from audit.engine.reading import missing_column, reading
from audit.engine.source import Source
from audit.engine.sums import bucket, exact, fetch, one_row
from audit.engine.tasks.orders import fixed, lists_of, pairs_of
from audit.errors import DataError, UsageError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

SUMS = ("n", "exposure", "top", "relevant", "relevance", "due")
"""Rows; exposure; rows in the top k; rows with relevance, their relevance, and their exposure."""
LONGEST = 500
"""Candidates of a query above which no pairs are made: they grow with the square of it."""
MOST_RELEVANCE = 2.0**20


def count(spec: AuditSpec, source: Source) -> Counts:
    """Read the source: places, the sums by group, pairs of groups, and how lists open.

    A `rank` is a whole number from 1, once in each query; gaps stay gaps. By `score` the highest is
    first, and rows of equal score share the places that they hold. Errors: DataError for ranks that
    are none or stand twice in a query, scores that are not finite, relevance below 0, and a row
    without a query; UsageError where weights or counts are named.
    """
    plan_ = _prepared(spec, source)
    where = spec.data.source or "the frame"
    decoder = decode.Decoder(_bare(spec), plan_.attributes, plan_.control)
    cells: list[Cells] = []
    excluded: dict[str, int] = {}
    placed = _placed(spec, plan_)
    notes = _checked(spec, plan_, placed)
    with reading(where):
        queries = aggregate.clusters(plan_)
        for grouping in plan_.groupings:
            fetched = fetch(_sums(plan_, placed, grouping), SUMS)
            found, left_out = decoder.cells(fetched, grouping, sums=SUMS)
            cells.append(found.merged(keys=("label", "prediction", "bucket")))
            excluded = dict(left_out)
        longest = _longest(placed)
        lists = [lists_of(placed, decoder, name, plan_) for name in plan_.attributes]
        pairs = []
        if spec.data.columns.relevance is not None and longest <= LONGEST:
            pairs = [pairs_of(placed, decoder, grouping, plan_) for grouping in _groupings(spec)]
    if spec.data.columns.relevance is not None and longest > LONGEST:
        notes += (f"a query has {longest:,} candidates: above {LONGEST} no pairs are compared",)
    if source.rejected:
        excluded = {UNREADABLE: source.rejected} | excluded
    source.check_unchanged()
    return Counts(
        attributes=plan_.attributes,
        control=plan_.control,
        cells=tuple(cells),
        histogram=(*lists, *pairs),
        excluded=tuple(excluded.items()),
        rejected_lines=source.rejected_lines,
        clusters=queries,
        notes=(*notes, *aggregate.doubled_ids(spec, source)),
        task="ranking",
        scales=(("top", spec.data.top),),
    )


def expressions(spec: AuditSpec, source: Source) -> dict[str, list[ir.Table]]:
    """The aggregates of the sums that `count` runs."""
    plan_ = _prepared(spec, source)
    placed = _placed(spec, plan_)
    return {"cells": [_sums(plan_, placed, grouping) for grouping in plan_.groupings]}


def aligned(mine: Counts, theirs: Counts) -> tuple[Counts, Counts]:
    """Sums of two sites add up as they are, where queries are not shared between them."""
    return mine, theirs


def _groupings(spec: AuditSpec) -> list[tuple[str, ...]]:
    names = tuple(spec.data.attributes)
    depth = min(spec.data.intersections, len(names))
    return [found for size in range(1, depth + 1) for found in itertools.combinations(names, size)]


def _bare(spec: AuditSpec) -> AuditSpec:
    """The spec with the query as cluster, and without the score, which only orders here."""
    columns = spec.data.columns
    changed = {"score": None, "cluster": columns.query}
    return replace(spec, data=spec.data.model_copy(update={"columns": columns.model_copy(update=changed)}))


def _prepared(spec: AuditSpec, source: Source) -> Plan:
    columns = spec.data.columns
    if spec.data.control:
        raise UsageError("a ranking has no strata", where="data.control", hint="Take `control:` out.")
    for role in ("weight", "count"):
        if getattr(columns, role) is not None:
            raise UsageError(
                f"a ranking has one row a candidate, and the column `{role}` has no meaning in it",
                where=f"data.columns.{role}",
                hint="Take it out.",
            )

    def values(table: ir.Table, kept: Any) -> dict[str, Any]:
        ordering = number(table, str(columns.rank or columns.score))
        gone = ordering.isnull() | ordering.isnan()
        usable = ~gone if kept is None else kept & ~gone
        found = {"order": ordering, "absent": gone, "usable": usable}
        if columns.relevance is not None:
            found["rel"] = number(table, columns.relevance)
        return found

    for role in ("query", "rank", "score", "relevance"):
        name = getattr(columns, role)
        if name is not None and name not in source.table.columns:
            raise missing_column(name, source.table.columns, where=f"data.columns.{role}")
    return plan(_bare(spec), source, values)


def _placed(spec: AuditSpec, plan_: Plan) -> ir.Table:
    """Each row with its place, exposure, share of a top place, and the query's bucket."""
    table, top = plan_.table, spec.data.top
    within = ibis.window(group_by=[table.cluster, table.usable])
    if spec.data.columns.rank is not None:
        placed = table.mutate(place=table.order)
    else:
        ordered = ibis.window(group_by=[table.cluster, table.usable], order_by=ibis.desc(table.order))
        placed = table.mutate(place=ibis.row_number().over(ordered).cast("float64") + 1)
    each = placed.mutate(seen=1 / (placed.place + 1).log2(), topped=(placed.place <= top).ifelse(1.0, 0.0))
    tied = ibis.window(group_by=[each.cluster, each.usable, each.order])
    made = each.mutate(
        place=each.place.mean().over(tied),
        exposure=each.seen.mean().over(tied),
        top=each.topped.mean().over(tied),
        twins=each.count().over(tied),
        length=each.count().over(within),
        bucket=bucket(each.cluster),
    )
    return made


def _checked(spec: AuditSpec, plan_: Plan, placed: ir.Table) -> tuple[str, ...]:
    """Notes on gaps and ties; a DataError for what is no ranking."""
    columns = spec.data.columns
    used = placed.filter(placed.usable)
    whole = used.order.isinf().ifelse(0.0, used.order)
    asked: dict[str, Any] = {
        "queries": used.cluster.nunique(),
        "lost": used.cluster.isnull().cast("int32").sum(),
        "infinite": used.order.isinf().cast("int32").sum(),
        "twins": (used.twins > 1).cast("int32").sum(),
        "fraction": (whole != whole.floor()).cast("int32").sum(),
        "least": used.order.min(),
    }
    if columns.relevance is not None:
        bad = used.rel.isnan() | (used.rel < 0) | (used.rel > MOST_RELEVANCE)
        asked |= {"bad": bad.fill_null(False).cast("int32").sum()}
    with reading("data.columns"):
        row = one_row(used.aggregate(**asked))
    ordering = columns.rank or columns.score
    if row["lost"]:
        raise DataError(
            f"{row['lost']:,} rows have no query",
            where="data.columns.query",
            hint="Give each row the id of its list, or filter those rows.",
        )
    if row["infinite"]:
        raise DataError(
            f"column {ordering!r} holds infinite numbers", where="data.columns", hint="Mend or filter them."
        )
    if row.get("bad"):
        raise DataError(
            f"{row['bad']} rows have a relevance that is negative, NaN or over {MOST_RELEVANCE:,.0f}",
            where="data.columns.relevance",
            hint="Give how much a row deserves a high place, 0 for not at all.",
        )
    if columns.rank is None:
        tied = int(row["twins"] or 0)
        return (f"{tied:,} rows share their score within a query, and the places they hold",) if tied else ()
    if row["fraction"] or (row["least"] is not None and row["least"] < 1):
        raise DataError(
            f"column {columns.rank!r} holds ranks that are no whole number from 1",
            where="data.columns.rank",
            hint="Give places, 1 the first; of scores write `score:` in place of `rank:`.",
        )
    if row["twins"]:
        raise DataError(
            f"{row['twins']:,} rows share their rank with another of the same query",
            where="data.columns.rank",
            hint="Break the ties, or name the score that ordered them as `score:` in place of `rank:`.",
        )
    return _gaps(used)


def _gaps(used: ir.Table) -> tuple[str, ...]:
    by = used.group_by("cluster").aggregate(last=used.order.max(), rows=used.count())
    with reading("data.columns.rank"):
        row = one_row(by.aggregate(gaps=(by["last"] > by.rows).cast("int32").sum()))
    gaps = int(row["gaps"] or 0)
    return (f"the ranks of {gaps:,} queries have gaps: places are taken as they are given",) if gaps else ()


def _longest(placed: ir.Table) -> int:
    used = placed.filter(placed.usable)
    return int(one_row(used.aggregate(most=used.length.max()))["most"] or 0)


def _sums(plan_: Plan, placed: ir.Table, grouping: tuple[str, ...]) -> ir.Table:
    keys = [key for key in plan_.keys(grouping) if key in placed.columns]
    keys += [key for key in ("absent",) if key not in keys]
    known = placed.rel.notnull() if "rel" in placed.columns else ibis.literal(value=False)
    relevance = placed.rel.fill_null(0.0) if "rel" in placed.columns else placed.exposure * 0.0

    def total(value: Any, where: Any = None) -> Any:
        whole = fixed(value)
        return exact(placed, whole if where is None else where.ifelse(whole, 0))

    usable = placed.usable
    return placed.group_by([*keys, "bucket"]).aggregate(
        n=placed.count(),
        exposure=total(placed.exposure.fill_null(0.0), usable),
        top=total(placed.top.fill_null(0.0), usable),
        relevant=(usable & known).cast("int32").sum(),
        relevance=total(relevance, usable & known),
        due=total(placed.exposure.fill_null(0.0), usable & known),
    )
