"""The aggregates over the rows: at most four, whatever the number of metrics and groupings."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from audit.engine import decode
from audit.engine.counts import FIXED, Counts, integers
from audit.engine.source import Source, missing_column, reading
from audit.errors import DataError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

MAX_CELLS = 1_000_000
"""Where the full cross of attributes could have more cells than this, each grouping is counted apart."""
MAX_SCORE_CELLS = 2_000_000
SCORE_BINS = 1000
FEW_SCORE_BINS = 100
"""Two sizes and none between, so that shards of one data set mostly agree on their bins."""
BUCKETS = 100
"""Clusters fall into this many groups by a hash, and are left out one group at a time."""
_LOGIT_SPAN = math.log(1e6)
"""Scores under 1e-6 and over 1 − 1e-6 have the two outermost bins."""
MAX_WEIGHT = 2.0**16
"""The square of a larger weight leaves 64 bits in units of 1/FIXED."""
LEAST_SQUARE = 100
"""Units of 1/FIXED that a squared weight needs on average, or rounding eats the variance."""
MAX_COUNT = 2.0**32
PROBE_ROWS = 20_000
MAX_DECISIONS = 100
"""A label or prediction of more distinct values than this is no decision."""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def md5(text: str) -> str:  # type: ignore[empty-body]
    """The engine's own md5, the same on every engine for the same text."""


@dataclass(frozen=True)
class Plan:
    """What will be asked of the engine: the prepared table and its key expressions."""

    table: ir.Table
    attributes: tuple[str, ...]
    control: tuple[str, ...]
    groupings: tuple[tuple[str, ...], ...]
    """One entry where the full cross is counted, else one a grouping."""
    bins: int
    score_range: tuple[float, float] | None
    """None where scores lie in [0, 1] and are binned by logit."""
    has: frozenset[str]
    """Roles present: label, prediction, score, weight, count, cluster."""

    def keys(self, grouping: tuple[str, ...]) -> list[str]:
        names = [f"a{self.attributes.index(name)}" for name in grouping]
        names += [f"c{index}" for index in range(len(self.control))]
        flags = [name for name in ("keep", "gap", "noscore") if name in self.table.columns]
        return [*names, *(key for key in ("y", "p") if key in self.table.columns), *flags]


def plan(spec: AuditSpec, source: Source) -> Plan:
    """Check the columns and prepare the expressions; reads a probe of rows, and the scores' range."""
    data, columns = spec.data, spec.data.columns
    table = source.table
    _check_columns(spec, table)
    if data.filter is not None:
        with reading("data.filter"):
            table = table.alias("audited").sql(f"SELECT *, ({data.filter}) AS audit_keep FROM audited")
    kept = table["audit_keep"].cast("boolean").fill_null(False) if data.filter is not None else None
    expressions: dict[str, Any] = {}
    for index, (name, item) in enumerate(data.attributes.items()):
        held = table[item.column or name]
        expressions[f"a{index}"] = _binned(held, item.bins, name) if item.bins else held
    for index, name in enumerate(data.control):
        expressions[f"c{index}"] = table[name]
    if columns.label:
        expressions["y"] = table[columns.label]
    if columns.prediction:
        expressions["p"] = table[columns.prediction]
    elif columns.score and data.threshold is not None:
        expressions["p"] = _number(table, columns.score) >= data.threshold
    if kept is not None:
        expressions["keep"] = kept
    if data.missing == "exclude":
        expressions["gap"] = ibis.or_(*(_absent(expressions[f"a{i}"]) for i in range(len(data.attributes))))
    if columns.score:
        score = _number(table, columns.score)
        expressions["s"] = score if kept is None else kept.ifelse(score, ibis.null("float64"))
        expressions["noscore"] = expressions["s"].isnull()
    if columns.weight:
        weight = _number(table, columns.weight)
        _checked(expressions, "w", weight, (weight >= 0) & (weight <= MAX_WEIGHT))
    if columns.count:
        rows = _number(table, columns.count)
        bounded = ((rows >= 0) & (rows <= MAX_COUNT)).ifelse(rows, 0.5)
        _checked(expressions, "k", rows, bounded == bounded.floor())
    if columns.cluster:
        expressions["cluster"] = _cluster_text(table, columns.cluster)
    prepared = table.select(**expressions)
    present = [
        role
        for role in ("label", "prediction", "score", "weight", "count", "cluster")
        if getattr(columns, role)
    ]
    if "p" in expressions:
        present.append("prediction")
    groupings, cells = _groupings(spec, prepared)
    score_range = _score_range(prepared, columns.score) if columns.score else None
    bins = SCORE_BINS if SCORE_BINS * cells <= MAX_SCORE_CELLS else FEW_SCORE_BINS
    return Plan(
        prepared, tuple(data.attributes), data.control, groupings, bins, score_range, frozenset(present)
    )


def _check_columns(spec: AuditSpec, table: ir.Table) -> None:
    columns = spec.data.columns
    for role in ("label", "prediction", "score", "weight", "count", "id", "cluster", "time"):
        name = getattr(columns, role)
        if name and name not in table.columns:
            raise missing_column(name, table.columns, where=f"data.columns.{role}")
    for name, item in spec.data.attributes.items():
        if (item.column or name) not in table.columns:
            raise missing_column(item.column or name, table.columns, where=f"data.attributes.{name}")
    for name in spec.data.control:
        if name not in table.columns:
            raise missing_column(name, table.columns, where="data.control")
    attributes = [item.column or name for name, item in spec.data.attributes.items()]
    for name in (*attributes, *spec.data.control, columns.label, columns.prediction):
        kind = table[name].type() if name else None
        if kind is not None and (kind.is_nested() or kind.is_binary()):
            raise DataError(
                f"column {name!r} holds {kind}, where one value a row is needed",
                where="data.columns",
                hint="Name a column of text, numbers, dates, or true and false.",
            )


def _absent(column: Any) -> Any:
    return column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()


def _checked(expressions: dict[str, Any], role: str, value: Any, valid: Any) -> None:
    """The value, 0 where it is not valid, and a flag for that: no sum then fails before it is told."""
    sound = valid.fill_null(False)
    expressions[role] = sound.ifelse(value, 0.0)
    expressions[f"bad_{role}"] = ~sound


def _number(table: ir.Table, name: str) -> Any:
    column = table[name]
    if not column.type().is_numeric() or column.type().is_boolean():
        raise DataError(
            f"column {name!r} holds {column.type()}, where numbers are needed",
            where="data.columns",
            hint="Name a numeric column.",
        )
    return column.cast("float64")


def _binned(column: Any, bins: tuple[float, ...], name: str) -> Any:
    if not column.type().is_numeric():
        raise DataError(
            f"attribute {name!r} has bins, and its column holds {column.type()}",
            where=f"data.attributes.{name}",
            hint="Bins need a numeric column; leave them out for text.",
        )
    number = column.cast("float64")
    valid = number.notnull() & ~number.isnan()
    steps = [(valid & (number < edge), index) for index, edge in enumerate(bins)]
    return ibis.cases(*steps, (valid, len(bins)), else_=ibis.null("int64"))


def _cluster_text(table: ir.Table, name: str) -> Any:
    column = table[name]
    if column.type().is_floating() or column.type().is_decimal():
        raise DataError(
            f"cluster column {name!r} holds {column.type()}: its text differs by engine",
            where="data.columns.cluster",
            hint="Use an integer or text id.",
        )
    return column.cast("string")


def _bucket(text: Any) -> Any:
    """0 … 99 from the first three hex digits of the id's md5."""
    digits = ibis.literal("0123456789abcdef")
    digest = md5(text)
    places = [digits.find(digest.substr(index, 1)) for index in range(3)]
    number = places[0] * 256 + places[1] * 16 + places[2]
    return (number % BUCKETS).fill_null(-1)


def _score_range(table: ir.Table, name: str) -> tuple[float, float] | None:
    with reading(f"column {name}"):
        nans = table.s.isnan().cast("int64").sum()
        asked = table.aggregate(low=table.s.min(), high=table.s.max(), nans=nans)
        row = asked.to_pyarrow().to_pylist()[0]
    low, high = row["low"], row["high"]
    if low is None:
        raise DataError(
            f"column {name!r} holds no score", where="data.columns.score", hint="Name another column."
        )
    if row["nans"] or not math.isfinite(high - low):
        raise DataError(
            f"column {name!r} holds scores that are NaN or infinite ({row['nans']} NaN)",
            where="data.columns.score",
            hint="Leave a missing score empty (NULL), or filter those rows.",
        )
    return None if low >= 0 and high <= 1 else (low, high)


def _groupings(spec: AuditSpec, table: ir.Table) -> tuple[tuple[tuple[str, ...], ...], int]:
    """The full cross, or each grouping apart where the cross could be too large; and cells to expect."""
    names = tuple(spec.data.attributes)
    probe = table.limit(PROBE_ROWS)
    asked = {f"a{index}": probe[f"a{index}"].nunique() for index in range(len(names))}
    asked |= {f"c{index}": probe[f"c{index}"].nunique() for index in range(len(spec.data.control))}
    asked |= {key: probe[key].nunique() for key in ("y", "p") if key in table.columns}
    with reading(spec.data.source or "the frame"):
        found = probe.aggregate(rows=probe.count(), **asked).to_pyarrow().to_pylist()[0]
    _check_decisions(spec, found)
    strata = math.prod(found[f"c{index}"] + 1 for index in range(len(spec.data.control)))
    width = {name: found[f"a{index}"] + 1 for index, name in enumerate(names)}
    depth = min(spec.data.intersections, len(names))
    if 4 * strata * math.prod(width.values()) <= MAX_CELLS:
        return (names,), 4 * strata * math.prod(width.values())
    apart = [grouping for size in range(1, depth + 1) for grouping in itertools.combinations(names, size)]
    return tuple(apart), 4 * strata * max(math.prod(width[name] for name in grouping) for grouping in apart)


def _check_decisions(spec: AuditSpec, found: dict[str, int]) -> None:
    if found["rows"] == 0:
        raise DataError(
            "has no rows",
            where=spec.data.source or "the frame",
            hint="Write one row a decision under the header.",
        )
    columns = spec.data.columns
    if columns.prediction and found["p"] > MAX_DECISIONS:
        raise DataError(
            f"prediction {columns.prediction!r} has {found['p']} distinct values in {found['rows']} rows",
            where="data.columns.prediction",
            hint="A score, not a decision? Write `score: " + columns.prediction + "` and give `threshold:`.",
        )
    if columns.label and found["y"] > MAX_DECISIONS:
        raise DataError(
            f"label column {columns.label!r} has {found['y']} distinct values in {found['rows']} rows",
            where="data.columns.label",
            hint="A label of two classes is needed here.",
        )


def _sums(plan_: Plan, table: ir.Table, *, scored: bool) -> dict[str, Any]:
    """The sum expressions; products are rounded to fixed point row by row.

    Scores outside [0, 1] are binned and not summed: no metric reads them as probabilities.
    """
    times = table.k if "count" in plan_.has else None

    def total(value: Any) -> Any:
        whole = (value * FIXED).round().cast("int64")
        return (whole * times.cast("int64") if times is not None else whole).sum()

    sums = {"n": table.count() if times is None else times.cast("int64").sum()}
    weights = {"": None}
    if "weight" in plan_.has:
        weights = {"": None, "w": table.w, "w2": table.w * table.w}
        sums |= {"w": total(table.w), "w2": total(table.w * table.w)}
    if scored:
        for prefix, weight in weights.items():
            for suffix, value in (("s", table.s), ("ss", table.s * table.s)):
                summed = value if plan_.score_range is None else table.s * 0.0
                sums[prefix + suffix] = total(summed if weight is None else summed * weight)
        sums |= {"low": table.s.min(), "high": table.s.max()}
    for name in ("bad_w", "bad_k"):
        if name in table.columns:
            sums[name] = table[name].cast("int64").sum()
    return sums


def _scored(plan_: Plan) -> ir.Table:
    """The rows with their score bin, and the tenth of [0, 1] that the score falls in."""
    table, score = plan_.table, plan_.table.s
    if plan_.score_range is None:
        inner = plan_.bins - 2
        edge = 1e-6
        logit = ((score / (1 - score)).ln() + _LOGIT_SPAN) * (inner / (2 * _LOGIT_SPAN))
        number = ibis.cases((score <= edge, -1.0), (score >= 1 - edge, float(inner)), else_=logit)
        tenth = ibis.cases((score >= 1, 9.0), else_=score * 10)
        return table.mutate(bin=(number.floor() + 1).cast("int64"), tenth=tenth.floor().cast("int64"))
    low, high = plan_.score_range
    scale = plan_.bins / (high - low) if high > low else 0.0
    number = ibis.cases((score >= high, float(plan_.bins - 1)), else_=(score - low) * scale)
    return table.mutate(bin=number.floor().cast("int64"), tenth=ibis.literal(-1, type="int64"))


def score_edges(plan_: Plan) -> tuple[float, ...]:
    """The bins' lower edges and the last upper edge, ascending."""
    if plan_.score_range is not None:
        return tuple(float(x) for x in np.linspace(*plan_.score_range, plan_.bins + 1))
    inner = plan_.bins - 2
    logits = -_LOGIT_SPAN + np.arange(inner + 1) * (2 * _LOGIT_SPAN / inner)
    return (0.0, *(float(x) for x in 1 / (1 + np.exp(-logits))), 1.0)


def expressions(plan_: Plan) -> dict[str, list[ir.Table]]:
    """The aggregates to run, by the part of the counts that each fills."""
    made: dict[str, list[ir.Table]] = {"cells": [], "scores": []}
    scored = "score" in plan_.has
    for grouping in plan_.groupings:
        keys = plan_.keys(grouping)
        if scored:
            table = _scored(plan_)
            made["scores"].append(
                table.group_by([*keys, "bin", "tenth"]).aggregate(**_sums(plan_, table, scored=True))
            )
        if not scored or "cluster" in plan_.has:
            table = plan_.table
            if "cluster" in plan_.has:
                table = table.mutate(bucket=_bucket(table.cluster))
                keys = [*keys, "bucket"]
            if scored:
                table = table.mutate(bin=table.noscore.ifelse(-1, 0).cast("int64"))
                keys = [*keys, "bin"]
            made["cells"].append(table.group_by(keys).aggregate(**_sums(plan_, table, scored=scored)))
    return made


def count(spec: AuditSpec, source: Source, *, scoring_rate: bool = False) -> Counts:
    """Read the source once for each aggregate that is needed, and account for every row.

    Errors: DataError for what the data holds (no rows, NaN scores, weights that are no weights,
    labels that cannot be told apart); SpecError where the spec must say which value is positive.
    """
    plan_ = plan(spec, source)
    made = expressions(plan_)
    where = spec.data.source or "the frame"
    with reading(where):
        fetched = {kind: [table.to_pyarrow() for table in tables] for kind, tables in made.items()}
        clusters = _clusters(plan_)
    decoder = decode.Decoder(spec, plan_.attributes, plan_.control)
    for table in fetched["cells"] or fetched["scores"]:
        _check_sums(table)
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
    if source.rejected:
        excluded = {decode.UNREADABLE: source.rejected} | excluded
    tables = [table.merged() for table, _ in cells] or [
        table.merged(keys=[key for key in table.keys if key not in ("bin", "tenth")]) for table, _ in scores
    ]
    counts = Counts(
        attributes=plan_.attributes,
        control=plan_.control,
        cells=tuple(tables),
        scores=tuple(table.where(table.keys["bin"] >= 0).merged() for table, _ in scores),
        edges=score_edges(plan_) if "score" in plan_.has else (),
        excluded=tuple(excluded.items()),
        rejected_lines=source.rejected_lines,
        clusters=clusters,
        positive=tuple(decoder.positive.items()),
        weights=spec.data.weights if "weight" in plan_.has else None,
        notes=tuple(decoder.notes),
    )
    source.check_unchanged()
    return _with_median(counts, plan_, decoder, where) if scoring_rate and "score" in plan_.has else counts


def _clusters(plan_: Plan) -> int | None:
    if "cluster" not in plan_.has:
        return None
    table = _audited(plan_.table)
    row = table.aggregate(n=table.cluster.nunique(), gaps=table.cluster.isnull().cast("int64").sum())
    found = row.to_pyarrow().to_pylist()[0]
    if found["gaps"]:
        raise DataError(
            f"{found['gaps']} rows have no cluster id",
            where="data.columns.cluster",
            hint="Give each row its cluster, or filter those rows.",
        )
    return int(found["n"])


def _audited(table: ir.Table) -> ir.Table:
    """The rows that are neither filtered out nor excluded for a missing attribute or prediction."""
    if "keep" in table.columns:
        table = table.filter(table.keep)
    if "gap" in table.columns:
        table = table.filter(~table.gap)
    return table.filter(table.p.notnull()) if "p" in table.columns else table


def _check_sums(table: pa.Table) -> None:
    kept = decode.kept(table)
    for name, what, hint in (
        (
            "bad_w",
            f"weights that are missing, negative, not finite or over {MAX_WEIGHT:,.0f}",
            "Divide the weights by a constant, or filter those rows.",
        ),
        (
            "bad_k",
            f"counts that are missing, negative, no whole numbers or over {MAX_COUNT:,.0f}",
            "A count column holds whole numbers of rows.",
        ),
    ):
        if name in table.column_names:
            bad = int(integers(table[name])[kept].sum())
            if bad:
                raise DataError(f"{bad} rows hold {what}", where="data.columns", hint=hint)
    if "w2" not in table.column_names:
        return
    rows, squares = (int(integers(table[name].fill_null(0))[kept].sum()) for name in ("n", "w2"))
    if squares < LEAST_SQUARE * rows:
        raise DataError(
            "the weights are all 0, or so small that their squares are lost to rounding",
            where="data.columns.weight",
            hint="Multiply them by a constant, so that they are near 1 on average.",
        )


def _with_median(counts: Counts, plan_: Plan, decoder: decode.Decoder, where: str) -> Counts:
    """The exact median of all scored rows, and the rows strictly above it."""
    table = _audited(plan_.table)
    with reading(where):
        median = _counted_median(table) if "count" in plan_.has else _median(table)
        parts = []
        for grouping in plan_.groupings:
            rows = plan_.table.mutate(bin=(plan_.table.s > median).cast("int64"))
            sums = _sums(plan_, rows, scored=False)
            made = rows.group_by([*plan_.keys(grouping), "bin"]).aggregate(**sums).to_pyarrow()
            parts.append(decoder.cells(made, grouping)[0].merged())
    return replace(counts, median=median, above=tuple(parts))


def _median(table: ir.Table) -> float:
    return float(table.aggregate(m=table.s.median()).to_pyarrow().to_pylist()[0]["m"])


def _counted_median(table: ir.Table) -> float:
    """The middle score where a row stands for k people."""
    scored = table.filter(table.s.notnull())
    steps = scored.group_by("s").aggregate(k=scored.k.sum())
    steps = steps.mutate(up_to=steps.k.cumsum(order_by=steps.s), whole=steps.k.sum())
    lower = steps.s.min(where=2 * steps.up_to >= steps.whole)
    upper = steps.s.min(where=2 * steps.up_to > steps.whole)
    row = steps.aggregate(lower=lower, upper=upper).to_pyarrow().to_pylist()[0]
    return (float(row["lower"]) + float(row["upper"])) / 2


def describe(spec: AuditSpec, source: Source) -> str:
    """The SQL that a run would send, in words and statements; sends only the probe."""
    plan_ = plan(spec, source)
    statements = [
        f"-- {kind}\n{ibis.to_sql(table)};" for kind, tables in expressions(plan_).items() for table in tables
    ]
    return "\n\n".join(statements)
