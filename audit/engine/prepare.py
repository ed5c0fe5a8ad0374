"""Before anything is summed: the columns checked, and every key and value as an expression."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir

from audit.engine.reading import missing_column, reading
from audit.engine.source import Source
from audit.errors import DataError, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

    from audit.spec import AuditSpec

MAX_CELLS = 1_000_000
"""Where the full cross of attributes could have more cells than this, each grouping is counted apart."""
MAX_SCORE_CELLS = 2_000_000
SCORE_BINS = 1000
FEW_SCORE_BINS = 100
"""Two sizes and none between, so that shards of one data set mostly agree on their bins."""
MAX_WEIGHT = 2.0**16
"""The square of a larger weight leaves 64 bits in fixed point."""
MAX_COUNT = 2.0**32
PROBE_ROWS = 20_000
MAX_DECISIONS = 100
"""A label or prediction of more distinct values than this is no decision."""
FEW_KEYS = 4
"""Attributes and control columns whose cross is counted without a probe before it."""


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
    few_rows: bool = False
    """Scores are added up as doubles, unless a bin of a group turns out to hold too many rows for that."""
    by_value: bool = False
    """Each distinct score has a bin of its own, unless there turn out to be more of them than bins."""

    def keys(self, grouping: tuple[str, ...]) -> list[str]:
        names = [f"a{self.attributes.index(name)}" for name in grouping]
        names += [f"c{index}" for index in range(len(self.control))]
        flags = [name for name in ("keep", "gap") if name in self.table.columns]
        return [*names, *(key for key in ("y", "p") if key in self.table.columns), *flags]


@dataclass(frozen=True, slots=True)
class _Probed:
    """What a probe's scores are."""

    distinct: int
    unit: bool
    """They lie in [0, 1], or there is none."""


Values = Callable[[ir.Table, Any], dict[str, Any]]
"""Further expressions of a family, from the table and the filter's flag (None without a filter)."""


def plan(spec: AuditSpec, source: Source, values: Values | None = None) -> Plan:
    """Check the columns and prepare the expressions; reads a probe of rows.

    Scores are taken to lie in [0, 1] where the probe's do; who reads them all must see to the others.
    `values` adds a family's own columns to the prepared table.
    """
    prepared, has = _prepared(spec, source, values)
    groupings, cells, probed = _groupings(spec, prepared)
    score_range = None if probed.unit else full_range(prepared, str(spec.data.columns.score))
    bins = SCORE_BINS if SCORE_BINS * cells <= MAX_SCORE_CELLS else FEW_SCORE_BINS
    scored = "score" in has
    return Plan(
        prepared,
        tuple(spec.data.attributes),
        spec.data.control,
        groupings,
        bins,
        score_range,
        has,
        few_rows=scored and not has & {"weight", "count"},
        by_value=scored and probed.distinct <= bins,
    )


def unprobed(spec: AuditSpec, source: Source) -> Plan | None:
    """The plan of the full cross, for an engine where a query by itself costs time or money.

    None where a probe must come first: the embedded engine has it for nothing, scores and clusters need
    what it tells, many keys may have too many cells, and a continuous label or prediction would bring a
    cell for each row.
    """
    data, columns = spec.data, spec.data.columns
    names = tuple(data.attributes)
    if columns.score or columns.cluster or len(names) + len(data.control) > FEW_KEYS:
        return None
    if source.table.get_backend().name == "duckdb":
        return None
    prepared, has = _prepared(spec, source, None)
    for key in ("y", "p"):
        kind = prepared[key].type() if key in prepared.columns else None
        if kind is not None and not (kind.is_boolean() or kind.is_integer() or kind.is_string()):
            return None
    return Plan(prepared, names, data.control, (names,), SCORE_BINS, None, has)


def bears_out(plan_: Plan, cells: pa.Table) -> bool:
    """Whether the cells of all rows show that a probe would have asked for this plan and found no fault.

    A probe's rows have no value that all rows lack. One value is added for the missing and one for NaN,
    which some drivers give out as missing.
    """
    if not 0 < len(cells) < PROBE_ROWS:
        return False
    (grouping,) = plan_.groupings
    wide = {key: len(cells[key].unique()) for key in plan_.keys(grouping)}
    decisions = [wide.pop(key) for key in ("y", "p") if key in wide]
    cross = math.prod(found + 2 for key, found in wide.items() if key[0] in "ac")
    return 4 * cross <= MAX_CELLS and all(found <= MAX_DECISIONS for found in decisions)


def _prepared(spec: AuditSpec, source: Source, values: Values | None) -> tuple[ir.Table, frozenset[str]]:
    """The columns checked and every expression in place, and the roles present; nothing is read."""
    data, columns = spec.data, spec.data.columns
    table = source.table
    _check_columns(spec, table)
    if data.filter is not None:
        table = _filtered(spec, source)
    kept = table["audit_keep"].cast("boolean").fill_null(False) if data.filter is not None else None
    expressions: dict[str, Any] = {}
    for index, (name, item) in enumerate(data.attributes.items()):
        held = table[item.column or name]
        expressions[f"a{index}"] = binned(held, item.bins, name) if item.bins else held
    for index, name in enumerate(data.control):
        expressions[f"c{index}"] = table[name]
    if columns.label:
        expressions["y"] = table[columns.label]
    if columns.prediction:
        expressions["p"] = table[columns.prediction]
    elif columns.score and data.threshold is not None:
        expressions["p"] = number(table, columns.score) >= data.threshold
    if kept is not None:
        expressions["keep"] = kept
    if data.missing == "exclude":
        expressions["gap"] = ibis.or_(*(_absent(expressions[f"a{i}"]) for i in range(len(data.attributes))))
    frequencies = data.weights == "frequency"
    counted = columns.weight if frequencies else columns.count
    if columns.weight and not frequencies:
        weight = number(table, columns.weight)
        _checked(expressions, "w", weight, (weight >= 0) & (weight <= MAX_WEIGHT))
    if counted:
        rows = number(table, counted)
        bounded = ((rows >= 0) & (rows <= MAX_COUNT)).ifelse(rows, 0.5)
        _checked(expressions, "k", rows, bounded == bounded.floor())
    if columns.score:
        decided = expressions["p"] if columns.prediction else None
        expressions["s"] = _audited_score(number(table, columns.score), expressions, decided)
    if columns.cluster:
        expressions["cluster"] = _cluster_text(table, columns.cluster)
    if values is not None:
        expressions |= values(table, kept)
    prepared = table.select(**expressions)
    keys = (("label", "y"), ("prediction", "p"), ("score", "s"), ("weight", "w"), ("count", "k"))
    present = [role for role, key in (*keys, ("cluster", "cluster")) if key in expressions]
    return prepared, frozenset(present)


def _audited_score(score: Any, expressions: dict[str, Any], decided: Any) -> Any:
    """The score of an audited row; that of a row left out must bear on no bin and no range."""
    conditions = [expressions["keep"]] if "keep" in expressions else []
    if "gap" in expressions:
        conditions.append(~expressions["gap"])
    if decided is not None:
        conditions.append(_decided(decided))
    if "k" in expressions:
        conditions.append(expressions["k"] > 0)
    return ibis.and_(*conditions).ifelse(score, ibis.null("float64")) if conditions else score


def _filtered(spec: AuditSpec, source: Source) -> ir.Table:
    """The table with the filter's answer as a column; a SpecError where it cannot be asked."""
    where = spec.where("data", "filter")
    columns = ", ".join(source.table.columns[:30])
    as_text = source.kind == "csv"
    hint = "A text file's columns are text here: write CAST(age AS DOUBLE) > 30." if as_text else None
    try:
        with reading(where):
            asked = f"SELECT *, ({spec.data.filter}) AS audit_keep FROM audited"
            table: ir.Table = source.table.alias("audited").sql(asked)
    except DataError as error:
        said = error.what.removeprefix("could not be read: ")
        raise SpecError(
            f"`filter` cannot be asked: {said}", where=where, hint=hint or f"Columns: {columns}."
        ) from error
    if not table["audit_keep"].type().is_boolean():
        raise SpecError(
            f"`filter` gives {table['audit_keep'].type()}, where true or false is needed",
            where=where,
            hint="Write a condition, as age >= 18.",
        )
    return table


def _check_columns(spec: AuditSpec, table: ir.Table) -> None:
    columns = spec.data.columns
    for role, name in columns:
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


def audited(table: ir.Table) -> ir.Table:
    """The rows that are neither filtered out nor excluded for a missing attribute or prediction."""
    if "keep" in table.columns:
        table = table.filter(table.keep)
    if "gap" in table.columns:
        table = table.filter(~table.gap)
    return table.filter(_decided(table.p)) if "p" in table.columns else table


def _absent(column: Any) -> Any:
    return column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()


def _decided(prediction: Any) -> Any:
    """Whether there is a prediction, as `spelling.decision` sees it: blank text is none."""
    if prediction.type().is_string():
        return (prediction.strip() != "").fill_null(False)
    return ~_absent(prediction)


def _checked(expressions: dict[str, Any], role: str, value: Any, valid: Any) -> None:
    """The value, 0 where it is not valid, and a flag for that: no sum then fails before it is told."""
    # NaN by name: DuckDB takes a file's least and greatest for all of a column, and NaN is neither.
    sound = (valid & ~value.isnan()).fill_null(False)
    expressions[role] = sound.ifelse(value, 0.0)
    expressions[f"bad_{role}"] = ~sound


def number(table: ir.Table, name: str) -> Any:
    """The column as doubles; a DataError where it holds no numbers."""
    column = table[name]
    if not column.type().is_numeric() or column.type().is_boolean():
        raise DataError(
            f"column {name!r} holds {column.type()}, where numbers are needed",
            where="data.columns",
            hint="Name a numeric column.",
        )
    return column.cast("float64")


def binned(column: Any, bins: tuple[float, ...], name: str) -> Any:
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


def full_range(table: ir.Table, name: str) -> tuple[float, float] | None:
    """The least and greatest of all scores; None where they lie in [0, 1]."""
    with reading(f"column {name}"):
        nans = table.s.isnan().cast("int32").sum()
        asked = table.aggregate(low=table.s.min(), high=table.s.max(), nans=nans)
        row = asked.to_pyarrow().to_pylist()[0]
    low, high = row["low"], row["high"]
    if row["nans"] or not math.isfinite(high - low):
        raise DataError(
            f"column {name!r} holds scores that are NaN or infinite ({row['nans']} NaN)",
            where="data.columns.score",
            hint="Leave a missing score empty (NULL), or filter those rows.",
        )
    return None if low >= 0 and high <= 1 else (low, high)


@ibis.udf.agg.builtin(name="collect_set")  # type: ignore[untyped-decorator]
def _collected(value: str) -> list[str]:  # type: ignore[empty-body]
    """Spark's set of the distinct values."""


def _distinct(table: ir.Table, key: str) -> Any:
    """How many distinct values there are. Spark would shuffle all rows once for each counted column."""
    if table.get_backend().name == "pyspark":
        return _collected(table[key].cast("string")).length()
    return table[key].nunique()


def _groupings(spec: AuditSpec, table: ir.Table) -> tuple[tuple[tuple[str, ...], ...], int, _Probed]:
    """The full cross, or each grouping apart where the cross could be too large; cells to expect; and
    what the probe's scores are."""
    names = tuple(spec.data.attributes)
    probe = table.limit(PROBE_ROWS)
    keys = [f"a{index}" for index in range(len(names))]
    keys += [f"c{index}" for index in range(len(spec.data.control))]
    keys += [key for key in ("y", "p") if key in table.columns]
    asked = {key: _distinct(probe, key) for key in keys}
    if "s" in table.columns:
        asked |= {"low": probe.s.min(), "high": probe.s.max(), "scores": _distinct(probe, "s")}
    with reading(spec.data.source or "the frame"):
        found = probe.aggregate(rows=probe.count(), **asked).to_pyarrow().to_pylist()[0]
    _check_decisions(spec, found)
    unit = found.get("low") is None or (found["low"] >= 0 and found["high"] <= 1)
    probed = _Probed(int(found.get("scores", 0)), unit)
    strata = math.prod(found[f"c{index}"] + 1 for index in range(len(spec.data.control)))
    width = {name: found[f"a{index}"] + 1 for index, name in enumerate(names)}
    depth = min(spec.data.intersections, len(names))
    if 4 * strata * math.prod(width.values()) <= MAX_CELLS:
        return (names,), 4 * strata * math.prod(width.values()), probed
    apart = [grouping for size in range(1, depth + 1) for grouping in itertools.combinations(names, size)]
    most = max(math.prod(width[name] for name in grouping) for grouping in apart)
    return tuple(apart), 4 * strata * most, probed


def _check_decisions(spec: AuditSpec, found: dict[str, int]) -> None:
    if found["rows"] == 0:
        raise DataError(
            "has no rows",
            where=spec.data.source or "the frame",
            hint="Write one row a decision under the header.",
        )
    columns = spec.data.columns
    if spec.data.task_named == "multiclass" and max(found.get("p", 0), found.get("y", 0)) > MAX_DECISIONS:
        key, role = ("p", "prediction") if found.get("p", 0) > MAX_DECISIONS else ("y", "label")
        raise DataError(
            f"{role} {getattr(columns, role)!r} has {found[key]} classes; at most {MAX_DECISIONS} do",
            where=f"data.columns.{role}",
            hint="Put rare classes together in the data, or write task: regression for numbers.",
        )
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
