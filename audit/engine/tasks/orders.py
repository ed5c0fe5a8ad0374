"""What is compared within one list: pairs of rows by the groups of both, and how a list opens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from audit.engine import decode
from audit.engine.cells import FIXED, Cells
from audit.engine.prepare import Plan
from audit.engine.reading import reading
from audit.engine.sums import fetch

PAIRS = ("pairs", "right")
LISTS = ("lists", "divergence")
OTHER = "\x1fother"
"""Marks the attributes of a pair's less relevant row."""


def fixed(value: Any) -> Any:
    """The number in fixed point, to be summed exactly."""
    return (value * float(FIXED) + 0.5).floor().cast("int64")


def _members(placed: ir.Table, plan_: Plan) -> ir.Table:
    """The audited rows alone."""
    used = placed.filter(placed.usable)
    return used.filter(~used.gap) if "gap" in used.columns else used


def pairs_of(placed: ir.Table, decoder: decode.Decoder, grouping: tuple[str, ...], plan_: Plan) -> Cells:
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
    table = fetch(summed, ("n", "pairs", "right"))
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


def lists_of(placed: ir.Table, decoder: decode.Decoder, name: str, plan_: Plan) -> Cells:
    """By group, how each query's list without ties opens: Σ NDKL of the group against the rest."""
    key = f"a{plan_.attributes.index(name)}"
    rows = _members(placed, plan_)
    rows = rows.mutate(most=rows.twins.max().over(ibis.window(group_by=rows.cluster)))
    rows = rows.filter(rows.most == 1).select(key, "cluster", "bucket", "place")
    levels = rows.select(key).distinct()
    with reading(name):
        values = levels.to_pyarrow()[key].to_pylist()
    tables = []
    for value in values:
        found = fetch(_openings(rows, key, value), ("n", "lists", "divergence"))
        same = pa.array([value] * len(found), type=levels.to_pyarrow()[key].type)
        tables.append(found.append_column(key, same))
    table = pa.concat_tables(tables) if tables else None
    if table is None or not len(table):
        return _nothing((name,), LISTS)
    cells, _ = decoder.cells(table, (name,), sums=LISTS)
    columns = [cells.names.index(name)]
    return replace(
        cells, names=(name,), levels=(cells.levels[columns[0]],), codes=cells.codes[:, columns]
    ).merged(keys=("bucket",))


def _openings(rows: ir.Table, key: str, value: Any) -> ir.Table:
    """Over the lists that hold both one group and others: Σ NDKL of the group, by bucket."""
    inside = rows[key].isnull() if value is None else (rows[key] == value).fill_null(False)
    marked = rows.mutate(mine=inside.ifelse(1.0, 0.0))
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
    return lists.group_by("bucket").aggregate(
        n=lists.count(), lists=lists.count(), divergence=fixed(lists.d).sum()
    )


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
