"""Features as a few levels each, by stated rules: what a slice's conditions are made of."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow.compute as pc

from audit.analysis.lattice import Cells
from audit.analysis.tables import as_text, require
from audit.engine.reading import reading
from audit.errors import DataError
from audit.result import NotMeasured

RANK_BINS = 10
"""A number with more distinct values than this is cut into this many bins of about equal rows."""
MAX_LEVELS = 100_000
"""Text of this many distinct values is an identifier or free text, and no feature."""
OTHER = "\x1fother"
"""The level of all values that are too rare for a slice; a control character keeps it apart."""
UNIT_BITS = 20
"""A loss is rounded to 2⁻²⁰ before it is summed, so that its sums are the same on every engine."""


@dataclass(frozen=True, slots=True)
class FeatureBins:
    """How one feature became levels."""

    feature: str
    kind: str
    """`levels`: its values as they are; `rank_bins`: bins of about equal rows."""
    edges: tuple[float, ...]
    """For rank bins the upper ends, included, of all bins but the last."""
    kept: tuple[str, ...]
    """For levels the values that are told apart; the others are one level. Empty: all of them are."""
    folded: int
    """How many rare values became one level."""

    def level(self, table: ir.Table) -> ir.StringValue:
        """The level of each row, as text; NULL where the feature is missing."""
        column = table[self.feature]
        if self.kind == "rank_bins":
            return _rank(column, self.edges)
        text = as_text(column)
        if not self.folded:
            return text
        return ibis.ifelse(text.isnull() | text.isin(self.kept), text, ibis.literal(OTHER))

    def words(self, level: str | None) -> str:
        """The condition that a row is at `level`, as a reader says it.

        >>> bins = FeatureBins("age", "rank_bins", (25.0, 40.5), (), 0)
        >>> [bins.words(level) for level in ("0", "1", "2", None)]
        ['age ≤ 25', '25 < age ≤ 40.5', 'age > 40.5', 'age is missing']
        """
        if level is None:
            return f"{self.feature} is missing"
        if level == OTHER:
            return f"{self.feature} is one of {self.folded} rare values"
        if self.kind == "levels":
            return f"{self.feature} = {level}"
        at = int(level)
        if at == 0:
            return f"{self.feature} ≤ {self.edges[0]:.6g}"
        if at == len(self.edges):
            return f"{self.feature} > {self.edges[-1]:.6g}"
        return f"{self.edges[at - 1]:.6g} < {self.feature} ≤ {self.edges[at]:.6g}"


def _rank(column: ir.Value, edges: tuple[float, ...]) -> ir.StringValue:
    number = _number(column)
    branches = [(number <= edge, str(at)) for at, edge in enumerate(edges)]
    result: ir.StringValue = ibis.cases(
        (number.isnull(), ibis.null("string")), *branches, else_=str(len(edges))
    )
    return result


def _number(column: ir.Value) -> ir.Value:
    number = column.cast("float64") if column.type().is_decimal() else column
    if number.type().is_floating():
        return ibis.ifelse(number.isnan(), ibis.null(number.type()), number)
    return number


def plan_bins(
    table: ir.Table,
    features: tuple[str, ...] | None,
    *,
    reserved: frozenset[str],
    min_rows: int,
    fold: bool,
    everyone: ir.Table | None = None,
) -> tuple[tuple[FeatureBins, ...], tuple[NotMeasured, ...]]:
    """The bins of each feature, from the rows of `table`, and which columns were left out, and why.

    `features` None takes every column that is not `reserved`, and leaves out what cannot be one; a
    feature that was named and cannot be one is an error. `fold` makes one level of all values that
    fewer than `min_rows` rows hold: alone they are in no slice. Where `table` is a part of the rows,
    distinct values are counted among `everyone`.
    Errors: UsageError for a name that is no column; DataError for a type or a number of values that
    cannot be told apart, and where no feature is left.
    """
    named = features is not None
    names = features if features is not None else tuple(c for c in table.columns if c not in reserved)
    require(table, *names, where="features")
    left_out: list[NotMeasured] = []
    bins: list[FeatureBins] = []
    usable = [name for name in names if _usable(table, name)]
    sizes = _distinct(table if everyone is None else everyone, usable)
    for name in names:
        why = _refusal(table, name, sizes)
        if why is not None and named and "one value" not in why:
            raise DataError(
                why, where=f"feature {name!r}", hint="Leave it out, or give it in coarser values."
            )
        if why is not None:
            left_out.append(NotMeasured(name, why))
        elif table[name].type().is_numeric() and sizes[name] > RANK_BINS:
            bins.append(_rank_bins(table, name))
        else:
            bins.append(_levels(table, name, min_rows if fold else 0))
    if not bins:
        raise DataError(
            "no column is left that slices can be made of",
            where="features",
            hint="Name columns of numbers or of text with repeated values.",
        )
    return tuple(bins), tuple(left_out)


def _usable(table: ir.Table, name: str) -> bool:
    kind = table[name].type()
    return bool(kind.is_numeric() or kind.is_string() or kind.is_boolean())


def _distinct(table: ir.Table, names: list[str]) -> dict[str, int]:
    if not names:
        return {}
    counts = {f"c{at}": table[name].nunique() for at, name in enumerate(names)}
    with reading("features"):
        row = table.aggregate(**counts).to_pyarrow().to_pylist()[0]
    return {name: int(row[f"c{at}"]) for at, name in enumerate(names)}


def _refusal(table: ir.Table, name: str, sizes: dict[str, int]) -> str | None:
    kind = table[name].type()
    if name not in sizes:
        return f"its type is {kind}: only numbers, text and true/false have a rule"
    if sizes[name] <= 1:
        return "it holds one value"
    if not kind.is_numeric() and sizes[name] >= MAX_LEVELS:
        return f"it holds {sizes[name]:,} distinct values: an identifier or free text, not a feature"
    return None


def _rank_bins(table: ir.Table, name: str) -> FeatureBins:
    number = _number(table[name])
    cuts = {f"q{at}": number.quantile(at / RANK_BINS) for at in range(1, RANK_BINS)}
    with reading(f"feature {name!r}"):
        row = table.aggregate(**cuts, top=number.max()).to_pyarrow().to_pylist()[0]
    present = [float(row[cut]) for cut in cuts if row[cut] is not None]
    edges = sorted({cut for cut in present if np.isfinite(cut) and cut < float(row["top"])})
    return FeatureBins(name, "rank_bins", tuple(edges), (), 0)


def _levels(table: ir.Table, name: str, min_rows: int) -> FeatureBins:
    if min_rows <= 0:
        return FeatureBins(name, "levels", (), (), 0)
    text = as_text(table[name])
    with reading(f"feature {name!r}"):
        counted = table.group_by(level=text).aggregate(rows=table.count()).to_pyarrow()
    pairs = [
        (level, rows)
        for level, rows in zip(counted["level"].to_pylist(), counted["rows"].to_pylist(), strict=True)
        if level is not None
    ]
    kept = sorted(level for level, rows in pairs if rows >= min_rows)
    folded = len(pairs) - len(kept)
    return FeatureBins(name, "levels", (), tuple(kept) if folded else (), folded)


def compress(table: ir.Table, bins: tuple[FeatureBins, ...], value: ir.Value) -> Cells:
    """The rows as cells, by one GROUP BY in the engine: rows do not travel.

    `value` is true for rows in the numerator, or a loss of 0 or more.
    Errors: DataError for a loss that is missing, negative or not finite.
    """
    additive = not value.type().is_boolean()
    amount = (value.cast("float64") * float(1 << UNIT_BITS)).round() if additive else value.cast("int64")
    levels = {f"f{at}": one.level(table) for at, one in enumerate(bins)}
    rows = table.select(**levels, amount=amount.cast("int64"))
    sums = {"n": rows.count(), "k": rows["amount"].sum(), "peak": rows["amount"].max()}
    with reading("features"):
        grouped = rows.group_by(list(levels)).aggregate(**sums).to_pyarrow()
    codes, texts = [], []
    for name in levels:
        column = grouped[name].combine_chunks()
        encoded = pc.dictionary_encode(column, null_encoding="encode")
        codes.append(np.asarray(encoded.indices, dtype=np.int32))
        texts.append(tuple(encoded.dictionary.to_pylist()))
    n = grouped["n"].to_numpy().astype(np.int64)
    k = grouped["k"].cast("int64").to_numpy().astype(np.int64)
    peak = int(grouped["peak"].to_numpy().max(initial=1)) if additive else 1
    matrix = np.column_stack(codes).astype(np.int32) if len(n) else np.empty((0, len(bins)), dtype=np.int32)
    return Cells(
        tuple(one.feature for one in bins),
        tuple(texts),
        matrix,
        n,
        k,
        unit=2.0**-UNIT_BITS if additive else 1.0,
        peak=max(peak, 1),
        additive=additive,
    )
