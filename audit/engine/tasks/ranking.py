"""Ranking: places in each query's list, and what groups got of them, summed by group and query's hash."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from audit.engine import aggregate, decode
from audit.engine.counts import FIXED, Cells, Counts
from audit.engine.prepare import Plan, number, plan
from audit.engine.reading import missing_column, reading
from audit.engine.source import Source
from audit.errors import DataError, UsageError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

SUMS = ("n", "exposure", "top", "relevant", "relevance", "due")
"""Rows; exposure; rows in the top k; rows with relevance, their relevance, and their exposure."""
PAIRS = ("pairs", "right")
LISTS = ("lists", "divergence")
LONGEST = 500
"""Candidates of a query above which no pairs are made: they grow with the square of it."""
MOST_RELEVANCE = 2.0**20
OTHER = "\x1fother"
"""Marks the attributes of a pair's less relevant row."""


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
            fetched = aggregate.fetch(_sums(plan_, placed, grouping), SUMS)
            found, left_out = decoder.cells(fetched, grouping, sums=SUMS)
            cells.append(found.merged(keys=("label", "prediction", "bucket")))
            excluded = dict(left_out)
        longest = _longest(placed)
        lists = [_lists(placed, decoder, name, plan_) for name in plan_.attributes]
        pairs = []
        if spec.data.columns.relevance is not None and longest <= LONGEST:
            pairs = [_pairs(placed, decoder, grouping, plan_) for grouping in _groupings(spec)]
    if spec.data.columns.relevance is not None and longest > LONGEST:
        notes += (f"a query has {longest:,} candidates: above {LONGEST} no pairs are compared",)
    if source.rejected:
        excluded = {decode.UNREADABLE: source.rejected} | excluded
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
        bucket=aggregate.bucket(each.cluster),
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
        row = aggregate.one_row(used.aggregate(**asked))
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
        row = aggregate.one_row(by.aggregate(gaps=(by["last"] > by.rows).cast("int32").sum()))
    gaps = int(row["gaps"] or 0)
    return (f"the ranks of {gaps:,} queries have gaps: places are taken as they are given",) if gaps else ()


def _longest(placed: ir.Table) -> int:
    used = placed.filter(placed.usable)
    return int(aggregate.one_row(used.aggregate(most=used.length.max()))["most"] or 0)


def _fixed(value: Any) -> Any:
    return (value * float(FIXED) + 0.5).floor().cast("int64")


def _sums(plan_: Plan, placed: ir.Table, grouping: tuple[str, ...]) -> ir.Table:
    keys = [key for key in plan_.keys(grouping) if key in placed.columns]
    keys += [key for key in ("absent",) if key not in keys]
    known = placed.rel.notnull() if "rel" in placed.columns else ibis.literal(value=False)
    relevance = placed.rel.fill_null(0.0) if "rel" in placed.columns else placed.exposure * 0.0

    def total(value: Any, where: Any = None) -> Any:
        whole = _fixed(value)
        return aggregate.exact(placed, whole if where is None else where.ifelse(whole, 0))

    usable = placed.usable
    return placed.group_by([*keys, "bucket"]).aggregate(
        n=placed.count(),
        exposure=total(placed.exposure.fill_null(0.0), usable),
        top=total(placed.top.fill_null(0.0), usable),
        relevant=(usable & known).cast("int32").sum(),
        relevance=total(relevance, usable & known),
        due=total(placed.exposure.fill_null(0.0), usable & known),
    )


def _members(placed: ir.Table, plan_: Plan) -> ir.Table:
    """The audited rows alone."""
    used = placed.filter(placed.usable)
    return used.filter(~used.gap) if "gap" in used.columns else used


def _pairs(placed: ir.Table, decoder: decode.Decoder, grouping: tuple[str, ...], plan_: Plan) -> Cells:
    """Pairs of a query in which one row is more relevant, by the groups of both; right: it stands higher."""
    keys = [f"a{plan_.attributes.index(name)}" for name in grouping]
    rows = _members(placed, plan_)
    rows = rows.filter(rows.rel.notnull()).select(*keys, "cluster", "bucket", "rel", "place")
    other = rows.rename({f"other_{name}": name for name in rows.columns})
    both = rows.join(other, [rows.cluster == other.other_cluster, rows.rel > other.other_rel])
    right = (both.place < both.other_place).ifelse(1.0, (both.place == both.other_place).ifelse(0.5, 0.0))
    found = both.mutate(right=right).group_by([*keys, *(f"other_{key}" for key in keys), "bucket"])
    summed = found.aggregate(
        n=lambda t: t.count(),
        pairs=lambda t: t.count(),
        right=lambda t: (t.right * FIXED).cast("int64").sum(),
    )
    table = aggregate.fetch(summed, ("n", "pairs", "right"))
    if not len(table):
        return _nothing((*grouping, *(name + OTHER for name in grouping)), PAIRS)
    mine, _ = decoder.cells(table, grouping, sums=PAIRS)
    renamed = table.select(["n", *(f"other_{key}" for key in keys)]).rename_columns(["n", *keys])
    theirs, _ = decoder.cells(renamed, grouping, sums=())
    return replace(
        mine,
        names=(*mine.names, *(name + OTHER for name in grouping)),
        levels=(*mine.levels, *theirs.levels),
        codes=np.column_stack([mine.codes, theirs.codes]),
    ).merged(keys=("bucket",))


def _lists(placed: ir.Table, decoder: decode.Decoder, name: str, plan_: Plan) -> Cells:
    """By group, how each query's list without ties opens: Σ NDKL of the group against the rest."""
    key = f"a{plan_.attributes.index(name)}"
    rows = _members(placed, plan_)
    rows = rows.mutate(most=rows.twins.max().over(ibis.window(group_by=rows.cluster)))
    rows = rows.filter(rows.most == 1).select(key, "cluster", "bucket", "place")
    levels = rows.select(key).distinct()
    with reading(name):
        values = levels.to_pyarrow()[key].to_pylist()
    tables = []
    for at, value in enumerate(values):
        inside = rows[key].isnull() if value is None else (rows[key] == value).fill_null(False)
        marked = rows.mutate(mine=inside.ifelse(1.0, 0.0), number=ibis.literal(at))
        order = ibis.cumulative_window(group_by=marked.cluster, order_by=marked.place)
        whole = ibis.window(group_by=marked.cluster)
        opened = marked.mutate(
            at=marked.count().over(order).cast("float64"),
            seen=marked.mine.sum().over(order),
            share=marked.mine.mean().over(whole),
        )
        p, q = opened.seen / opened.at, opened.share
        kl = _part(p, q) + _part(1 - p, 1 - q)
        discount = 1 / (opened.at + 1).log2()
        each = opened.mutate(lost=kl * discount, discount=discount).group_by(["cluster", "bucket"])
        lists = each.aggregate(d=lambda t: t.lost.sum() / t.discount.sum(), share=lambda t: t.share.max())
        lists = lists.filter((lists.share > 0) & (lists.share < 1))
        summed = lists.group_by("bucket").aggregate(
            n=lists.count(), lists=lists.count(), divergence=_fixed(lists.d).sum()
        )
        got = aggregate.fetch(summed, ("n", "lists", "divergence"))
        tables.append(
            got.append_column(key, pa.array([value] * len(got), type=levels.to_pyarrow()[key].type))
        )
    table = pa.concat_tables(tables) if tables else None
    if table is None or not len(table):
        return _nothing((name,), LISTS)
    found, _ = decoder.cells(table, (name,), sums=LISTS)
    columns = [found.names.index(name)]
    return replace(
        found, names=(name,), levels=(found.levels[columns[0]],), codes=found.codes[:, columns]
    ).merged(keys=("bucket",))


def _part(p: Any, q: Any) -> Any:
    """p·ln(p/q), 0 where p is 0."""
    safe = (p > 1e-12).ifelse(p, 1.0)
    return (p > 1e-12).ifelse(safe * (safe / (q > 1e-12).ifelse(q, 1.0)).ln(), 0.0)


def _nothing(names: tuple[str, ...], sums: tuple[str, ...]) -> Cells:
    none = np.zeros(0, dtype=np.int64)
    return Cells(
        names,
        tuple(() for _ in names),
        np.zeros((0, len(names)), dtype=np.int32),
        {"bucket": none},
        dict.fromkeys(sums, none),
    )
