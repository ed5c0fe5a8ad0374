"""Events to numbers: prediction and label events, whatever they came in, checked and hashed in one place.

Every reader makes a table of text columns, one row per event received; `Normaliser` turns it into a
`Batch` of integers and counts what it refuses by reason, so that received = kept + refused. The
work is one DuckDB query over the whole table, the same for a file of millions and for one request.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from audit.monitor import chances, scores
from audit.monitor.batch import Batch, Ints, Labels, Predictions
from audit.monitor.decode import MISSING, SEPARATOR, TEXT_LIMIT, normalise_sql
from audit.monitor.mapping import Mapping
from audit.result import Group

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
    "too_many_groups": "a group that the audit did not have, beyond the limit: a flood of names",
}
"""Every reason to refuse an event; `rejected` counts under these names."""


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
