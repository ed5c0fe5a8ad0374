"""A table before training: its columns told apart into levels and numbers, its rows accounted for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import ibis
import ibis.expr.types as ir

from audit.analysis.tables import as_text, require
from audit.engine.decode import bin_labels, text
from audit.engine.exclusions import FILTERED, UNREADABLE
from audit.engine.prepare import binned
from audit.engine.reading import reading
from audit.engine.source import Source, open_source
from audit.errors import DataError, UsageError
from audit.spec import AuditSpec

FEW_NUMBERS = 10
"""A number with no more distinct values than this is taken as levels."""
MOST_LEVELS = 1_000
"""Text of more distinct values than this is an identifier or free text, and no feature."""
IDENTIFYING = 0.9
"""Text that is different in this share of the rows names rows."""
_ROLES = ("prediction", "score", "weight", "count", "id", "cluster", "time", "query", "rank", "relevance")


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it was read."""

    name: str
    kind: str
    """levels, number, or left out."""
    distinct: int
    missing: int
    """Rows (or counted people) in which it is missing."""
    why: str | None = None
    """Why it was left out."""


@dataclass(frozen=True)
class Dataset:
    """An open table; `close` ends its connection."""

    spec: AuditSpec
    table: ir.Table
    """The kept rows; text that holds numbers alone is numbers, NaN is missing."""
    source: Source
    rows_read: int
    rows: int
    """Rows kept; people, where a column counts them."""
    excluded: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    """The features and the label; not the attributes and not what serves another role."""
    close: Callable[[], None] = field(repr=False, compare=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def label(self) -> Column | None:
        """The label's column."""
        return next((one for one in self.columns if one.name == self.spec.data.columns.label), None)

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that are neither the label nor left out."""
        label = self.spec.data.columns.label
        return tuple(one for one in self.columns if one.kind != "left out" and one.name != label)

    def attribute(self, name: str) -> ir.Value:
        """The attribute's value as text, or the number of its bin."""
        item = self.spec.data.attributes[name]
        column = self.table[item.column or name]
        return binned(column, item.bins, name) if item.bins else as_text(column)

    def group(self, name: str, raw: Any) -> str | None:
        """The group of a raw value of `attribute`."""
        item = self.spec.data.attributes[name]
        if raw is None:
            return None
        if item.bins:
            return bin_labels(item.bins)[int(raw)]
        column = self.table[item.column or name]
        named = str(text(float(raw))) if column.type().is_floating() else str(raw)
        return dict(item.map or {}).get(named, named)

    def times(self) -> ir.Value | None:
        """How many people a row stands for; None where each is one."""
        name = self.spec.data.columns.count
        return None if name is None else self.table[name].cast("int64")

    def count(self, where: ir.Value | None = None) -> ir.Value:
        """The aggregate that counts rows, or people, of those `where` is true."""
        times = self.times()
        if times is None:
            return self.table.count() if where is None else where.fill_null(False).cast("int32").sum()
        counted = times if where is None else where.fill_null(False).ifelse(times, 0)
        return counted.sum()


def open_dataset(spec: AuditSpec, *, frame: Any = None, features: tuple[str, ...] | None = None) -> Dataset:
    """The spec's rows, its filter applied; of `features` None, every column without a role is one.

    Errors: as `open_source`; UsageError for a column that is not there; DataError where no row is left.
    """
    source = open_source(spec, frame=frame, every_column=True)
    try:
        return _dataset(spec, source, features)
    except BaseException:
        source.close()
        raise


def _dataset(spec: AuditSpec, source: Source, features: tuple[str, ...] | None) -> Dataset:
    data, where = spec.data, source.name
    attributes = [item.column or name for name, item in data.attributes.items()]
    require(source.table, *attributes, where="attribute")
    require(source.table, data.columns.label, *(features or ()), where="columns")
    require(source.table, *(getattr(data.columns, role, None) for role in _ROLES), where="columns")
    with reading(where):
        everything = int(source.table.count().to_pyarrow().as_py())
        table = _filtered(source.table, data.filter)
        groups = {item.column or name for name, item in data.attributes.items() if not item.bins}
        table = _typed(table, groups, text_numbers=source.kind == "csv")
        kept = int(table.count().to_pyarrow().as_py())
    if kept == 0:
        raise DataError("no row is left", where=where, hint="Write one row a person under the header line.")
    excluded = [(UNREADABLE, source.rejected), (FILTERED, everything - kept)]
    taken = {*attributes, *(getattr(data.columns, role, None) for role in _ROLES)} - {data.columns.label}
    names = [name for name in (features or table.columns) if name not in taken]
    if data.columns.label is not None and data.columns.label not in names:
        names.append(data.columns.label)
    opened = Dataset(
        spec,
        table,
        source,
        everything + source.rejected,
        kept,
        tuple((reason, rows) for reason, rows in excluded if rows),
        (),
        source.close,
    )
    return _described(opened, names)


def _filtered(table: ir.Table, condition: str | None) -> ir.Table:
    if condition is None:
        return table
    marked = table.alias("audited").sql(f"SELECT *, ({condition}) AS audit_keep FROM audited")
    return marked.filter(marked["audit_keep"].cast("boolean").fill_null(False)).drop("audit_keep")


def _typed(table: ir.Table, groups: set[str], *, text_numbers: bool) -> ir.Table:
    """Text of a CSV file that holds numbers alone as numbers, but for groups; and NaN as missing."""
    made: dict[str, ir.Value] = {}
    candidates = [name for name in table.columns if name not in groups] if text_numbers else []
    texts = [name for name in candidates if table[name].type().is_string()]
    if texts:
        tried = {f"c{at}": table[name].try_cast("float64").count() for at, name in enumerate(texts)}
        held = {f"h{at}": table[name].count() for at, name in enumerate(texts)}
        row = table.aggregate(**tried, **held).to_pyarrow().to_pylist()[0]
        for at, name in enumerate(texts):
            if row[f"h{at}"] and row[f"c{at}"] == row[f"h{at}"]:
                made[name] = _number(table[name].try_cast("float64"))
    for name in table.columns:
        kind = table[name].type()
        if kind.is_floating() or kind.is_decimal():
            made[name] = _number(table[name].cast("float64"))
    return table.mutate(**made) if made else table


def _number(column: ir.Value) -> ir.Value:
    return ibis.ifelse(column.isnan(), ibis.null("float64"), column)


def _described(opened: Dataset, names: list[str]) -> Dataset:
    table = opened.table
    plain = [name for name in names if not _nested(table[name])]
    asked: dict[str, Any] = {"people": opened.count()}
    for at, name in enumerate(plain):
        asked |= {f"d{at}": table[name].nunique(), f"m{at}": opened.count(table[name].isnull())}
        if table[name].type().is_numeric():
            asked |= {f"l{at}": table[name].min(), f"h{at}": table[name].max()}
    with reading(opened.source.name):
        row = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    people = int(row["people"] or 0)
    found = {}
    for at, name in enumerate(plain):
        ends = row.get(f"l{at}"), row.get(f"h{at}")
        distinct, missing = int(row[f"d{at}"]), int(row[f"m{at}"])
        found[name] = _column(name, table[name], distinct, missing, opened.rows, ends)
    columns = tuple(
        found.get(name) or Column(name, "left out", 0, 0, f"it holds {table[name].type()}") for name in names
    )
    if people == 0:
        raise DataError("the rows stand for nobody: the count column sums to 0", where=opened.source.name)
    return Dataset(
        opened.spec,
        table,
        opened.source,
        opened.rows_read,
        people if opened.times() is not None else opened.rows,
        opened.excluded,
        columns,
        opened.close,
    )


def _nested(column: ir.Value) -> bool:
    kind = column.type()
    return bool(kind.is_nested() or kind.is_binary())


def _column(
    name: str, column: ir.Value, distinct: int, missing: int, rows: int, ends: tuple[Any, Any]
) -> Column:
    number = column.type().is_numeric() and not column.type().is_boolean()
    if distinct <= 1:
        return Column(
            name, "left out", distinct, missing, "it holds one value" if distinct else "it is empty"
        )
    if number and not all(math.isfinite(end) for end in ends):
        return Column(name, "left out", distinct, missing, "it holds infinite numbers")
    if number and distinct > FEW_NUMBERS:
        if distinct == rows and name.lower().rpartition("_")[2] in ("id", "index", "key"):
            return Column(name, "left out", distinct, missing, "it names rows")
        return Column(name, "number", distinct, missing)
    if distinct > MOST_LEVELS or (rows > MOST_LEVELS / 10 and distinct >= IDENTIFYING * (rows - missing)):
        why = f"it holds {distinct:,} distinct values: an identifier or free text"
        return Column(name, "left out", distinct, missing, why)
    return Column(name, "levels", distinct, missing)


def check_groups(dataset: Dataset, name: str, groups: int) -> None:
    """A UsageError where an attribute has so many values that they are no groups."""
    if groups > MOST_GROUPS:
        raise UsageError(
            f"attribute {name!r} has {groups:,} values, so they are no groups",
            where=f"attribute {name}",
            hint="Name a column of few values, or give it bins in audit.yaml.",
        )


MOST_GROUPS = 100
