"""Events to numbers: prediction and label events, whatever they came in, checked and hashed in one place.

Every reader makes a table of text columns, one row per event received; `Normaliser` turns it into a
`Batch` of integers and counts what it refuses by reason, so that received = kept + refused. The
work is one DuckDB query over the whole table, the same for a file of millions and for one request.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.engine.decode import bin_labels
from audit.monitor import chances, scores
from audit.monitor.decode import MISSING, SEPARATOR, TEXT_LIMIT, normalise_sql
from audit.result import Group

Ints = NDArray[np.int64]

FUTURE_SECONDS = 3_600
"""How far a clock may run ahead."""
REASONS = {
    "malformed": "not an event: broken JSON, a ragged line, bytes that are not UTF-8",
    "too_large": "one event longer than the limit",
    "no_id": "no id",
    "wrong_type": "a list or an object where a text or number belongs, or a control character",
    "too_long": f"an id or a group name of more than {TEXT_LIMIT} characters",
    "bad_time": "no time, one that is not ISO 8601 or seconds since 1970, or one before 1970",
    "future": f"a time more than {FUTURE_SECONDS} s ahead of the clock",
    "too_old": "a time before the retention horizon, where a duplicate can no longer be told",
    "bad_prediction": "no prediction, or neither of the two values",
    "bad_label": "a label that is neither of the two values",
    "bad_revision": "a revision that is not a whole number",
    "hash_collision": "another event has the same 64-bit hash",
    "too_many_groups": "more groups than the limit: a flood of names",
}
"""Every reason to refuse an event; `rejected` counts under these names."""

FIELDS = ("kind", "id", "source", "at", "person", "prediction", "score", "label", "revision", "version")
"""What a raw table has a column for, beside the score that is watched, label_at and the attributes."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """Where a sensitive attribute stands in an event, and how its values become groups."""

    column: str
    bins: tuple[float, ...] = ()
    """Edges, as the audit cut them: each belongs to the group above it."""
    map: tuple[tuple[str, str], ...] = ()
    """Value to group; a value that is not named is kept."""

    def group(self, value: str | None) -> str | None:
        """The group of one value as it was received, under the name that the audit gave it.

        >>> Attribute("age", bins=(18, 40)).group("39"), Attribute("sex", map=(("f", "F"),)).group("f")
        ('18 to under 40', 'F')
        >>> Attribute("code").group("3.0")
        '3'
        """
        if value is None:
            return None
        if self.bins:
            try:
                number = float(value)
            except ValueError:
                return None
            return None if number != number else bin_labels(self.bins)[bisect_right(self.bins, number)]
        plain = value[:-2] if value.endswith(".0") and value[:-2].lstrip("-").isdigit() else value
        return dict(self.map).get(plain, plain)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which field of an event means what; a dotted name reaches into nested JSON."""

    attributes: MappingOf[str, Attribute]
    id: str = "event_id"
    at: str = "event_time"
    person: str | None = None
    """Whose row it is: one row per person and stream enters the evidence."""
    prediction: str | None = "prediction"
    score: str | None = None
    threshold: float = 0.5
    label: str | None = "label"
    revision: str | None = "revision"
    label_at: str | None = "label_time"
    """The time of a label event, where it has a name of its own."""
    version: str | None = "model_version"
    kind: str | None = None
    """A field that says `label` or `prediction`; without it, what has no prediction or score is a label."""
    source: str | None = None
    """A field that names the log of the prediction; ids are unique within it."""
    source_name: str = "default"
    positive_prediction: str | None = None
    positive_label: str | None = None
    watched: str | None = None
    """The score whose distribution is watched; without `cuts` it is not read."""
    cuts: tuple[float, ...] = ()
    unit_scores: bool = False
    chance: str | None = None
    """The field with a row's chance of a label; then labels are thinned to `floor`."""
    floor: float = 0.0
    form: str = "events"
    """What a line of a JSON lines file is: an event, or a record of SageMaker's."""
    inputs: tuple[str, ...] = ()
    """Names of a model's input values where a log has none: CSV of SageMaker, KServe's lists."""

    def columns(self) -> dict[str, str | None]:
        """Field or attribute (as `a0`, `a1`, …) to the event's field."""
        plain = {name: getattr(self, name) for name in FIELDS}
        plain["label_at"] = self.label_at
        plain["chance"] = self.chance
        plain["watched"] = self.watched if self.cuts else None
        return plain | {f"a{i}": a.column for i, a in enumerate(self.attributes.values())}

    def named(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event of another system under the names that this mapping reads, where it lacks them.

        >>> Mapping({}, id="loan", prediction=None, score="p").named({"event_id": "a", "prediction": 0.3})
        {'event_id': 'a', 'prediction': 0.3, 'loan': 'a', 'p': 0.3}
        """
        wanted = {
            "event_id": self.id,
            "event_time": self.at,
            "prediction": self.prediction or self.score,
            "label": self.label,
            "model_version": self.version,
        }
        more = {
            name: event[known]
            for known, name in wanted.items()
            if name and name not in event and known in event
        }
        return event | more

    def names(self) -> tuple[str, ...]:
        """The columns of a raw table."""
        return tuple(self.columns())


@dataclass(frozen=True)
class Predictions:
    """Prediction events, one entry each: all arrays (n,)."""

    key: Ints
    """The first 64 bits of md5(source, id), signed."""
    rest: Ints
    """The other 64 bits: they tell a collision from a duplicate."""
    unit: Ints
    """The first 64 bits of md5(person); the key where there is no person."""
    at: Ints
    """Seconds since 1970, UTC."""
    cell: Ints
    """Index into `Batch.cells`."""
    yhat: Ints
    score: Ints
    """As `scores.packed` writes it; −1 where there is none, or none is watched."""
    chance: Ints
    """As `chances.thinned` says; 1 where no chances are logged."""


@dataclass(frozen=True)
class Labels:
    """Label events, one entry each: all arrays (n,)."""

    target: Ints
    """The key of the prediction."""
    rest: Ints
    revision: Ints
    at: Ints
    value: Ints
    embedded: NDArray[np.bool_]
    """It came within a prediction event, which is counted; the label is not counted again."""


@dataclass(frozen=True)
class Batch:
    """What was received at once: received = predictions + labels of their own + rejected."""

    received: int
    predictions: Predictions
    labels: Labels
    cells: tuple[tuple[str | None, Group], ...]
    """(model version, groups in the order of the mapping's attributes)."""
    rejected: dict[str, int] = field(default_factory=dict)


def join(batches: Sequence[Batch]) -> Batch:
    """Several batches, in their order, as one."""
    if len(batches) == 1:
        return batches[0]
    cells: dict[tuple[str | None, Group], int] = {}
    places, rejected = [], Counter[str]()
    for batch in batches:
        to = [cells.setdefault(cell, len(cells)) for cell in batch.cells]
        places.append(np.array(to, np.int64)[batch.predictions.cell] if to else batch.predictions.cell)
        rejected.update(batch.rejected)
    columns = {
        name: np.concatenate([getattr(batch.predictions, name) for batch in batches])
        for name in Predictions.__dataclass_fields__
    }
    labels = (
        np.concatenate([getattr(batch.labels, name) for batch in batches])
        for name in Labels.__dataclass_fields__
    )
    predictions = Predictions(**{**columns, "cell": np.concatenate(places)})
    received = sum(batch.received for batch in batches)
    return Batch(received, predictions, Labels(*labels), tuple(cells), dict(rejected))


class Normaliser:
    """Raw tables to batches, under one mapping; holds a DuckDB connection that reads no file."""

    def __init__(self, mapping: Mapping, *, threads: int = 2) -> None:
        self.mapping = mapping
        self.connection = connect(threads)
        self._sql = normalise_sql(
            attributes=len(mapping.attributes),
            positive_prediction=mapping.positive_prediction,
            positive_label=mapping.positive_label,
            threshold=mapping.threshold,
            source_name=mapping.source_name,
        )

    def batch(self, raw: pa.Table, *, now: datetime) -> Batch:
        """A raw table's batch.

        `raw` has the text columns of `Mapping.names` and `fault` (a reason, or null). Events after
        `now` are refused.
        """
        if not raw.num_rows:
            return self.batch_of_none()
        self.connection.register("raw", raw)
        try:
            latest = int(now.astimezone(UTC).timestamp()) + FUTURE_SECONDS
            rows = self.connection.execute(self._sql, {"latest": latest}).to_arrow_table()
        finally:
            self.connection.unregister("raw")
        return self._batch(rows)

    def batch_of_none(self) -> Batch:
        nothing = np.zeros(0, np.int64)
        labels = Labels(nothing, nothing, nothing, nothing, nothing, np.zeros(0, bool))
        return Batch(0, Predictions(*(nothing,) * 8), labels, ())

    def _batch(self, rows: pa.Table) -> Batch:
        reasons = rows.column("reason").combine_chunks().dictionary_encode()
        bad = np.asarray(reasons.is_valid())
        names = reasons.dictionary.to_pylist()
        counts = np.bincount(np.asarray(reasons.indices.drop_null(), np.int64), minlength=len(names))
        good = rows.filter(pa.array(~bad))
        columns = {
            name: _int64(good.column(name)) for name in ("at", "yhat", "value", "revision", "label_at")
        }
        halves = _hash(good.column("hash"))
        key, rest = halves[:, 0], halves[:, 1]
        unit = key.copy()
        persons = good.column("person_hash").combine_chunks()
        named = np.asarray(persons.is_valid())
        unit[named] = _hash(persons.drop_null())[:, 0]
        is_label = np.asarray(good.column("is_label").combine_chunks()).astype(bool)
        p, has = ~is_label, columns["value"] >= 0
        cells, place = self._cells(good.filter(pa.array(p)))
        score, chance = self._scores(good.filter(pa.array(p)), rest[p], key[p])
        predictions = Predictions(
            key[p], rest[p], unit[p], columns["at"][p], place, columns["yhat"][p], score, chance
        )
        labels = Labels(
            key[has],
            rest[has],
            columns["revision"][has],
            columns["label_at"][has],
            columns["value"][has],
            p[has],
        )
        rejected = {name: int(n) for name, n in zip(names, counts, strict=True)}
        return Batch(rows.num_rows, predictions, labels, cells, rejected)

    def _scores(self, good: pa.Table, rest: Ints, key: Ints) -> tuple[Ints, Ints]:
        """The score and the chance of a label of each prediction, as the ledger keeps them."""
        mapping = self.mapping
        score = np.full(len(rest), scores.NO_SCORE, np.int64)
        chance = np.full(len(rest), chances.COUNTS, np.int64)
        if mapping.cuts:
            value = good.column("watched").combine_chunks().to_numpy(zero_copy_only=False)
            score = scores.packed(value, rest, mapping.cuts, unit=mapping.unit_scores)
        if mapping.chance is not None:
            value = good.column("chance").combine_chunks().to_numpy(zero_copy_only=False)
            chance = chances.thinned(value, key, mapping.floor)
        return score, chance

    def _cells(self, good: pa.Table) -> tuple[tuple[tuple[str | None, Group], ...], Ints]:
        encoded = good.column("cell").combine_chunks().dictionary_encode()
        attributes = tuple(self.mapping.attributes.values())
        distinct: dict[tuple[str | None, Group], int] = {}
        to = []
        for text in encoded.dictionary.to_pylist():
            version, *values = (None if part == MISSING else part for part in text.split(SEPARATOR))
            group = tuple(a.group(value) for a, value in zip(attributes, values, strict=True))
            to.append(distinct.setdefault((version, group), len(distinct)))
        index = np.asarray(encoded.indices, np.int64)
        return tuple(distinct), np.asarray(to, np.int64)[index] if to else index


def connect(threads: int = 2) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that takes no extension from the network and reads time as UTC."""
    config: dict[str, Any] = {
        "threads": threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _hash(column: pa.ChunkedArray | pa.Array) -> Ints:
    """The two halves of each 16-byte md5 as the numbers that the hex text spells, signed: (n, 2)."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    fixed = whole.cast(pa.binary(16))
    data = np.frombuffer(fixed.buffers()[1], ">u8", count=2 * len(fixed), offset=16 * fixed.offset)
    return data.astype(np.uint64).view(np.int64).reshape(-1, 2)


def _int64(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.combine_chunks(), np.int64)
