"""From the engine's raw cells to coded ones: text of values, labels as 0 and 1, reasons for exclusion."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.engine.cells import Array, Cells, integers, ordered
from audit.engine.exclusions import FILTERED, GAP, NO_PLACE, NO_PREDICTION, NO_SCORE
from audit.engine.spelling import check_negative, decision, guess_positive, is_fraction
from audit.errors import DataError, SpecError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

_MISSING = -1
SUMS = ("n", "w", "w2", "s", "ss", "ws", "wss", "w2s", "w2ss")
_CONTINUOUS = {
    "prediction": "A score, not a decision? Write `score: {column}` and give `threshold:`.",
    "label": "A label of two classes is needed here; `{column}` measures something.",
}


def text(value: Any) -> str | None:
    """A raw value as the text that it is compared by; None where it is missing.

    >>> [text(value) for value in (1.0, True, "b ", "", float("nan"), None)]
    ['1', 'true', 'b ', '', None, None]
    """
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, Decimal):
        return str(int(value)) if value == value.to_integral_value() else str(value.normalize())
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return str(value)


def bin_labels(bins: tuple[float, ...]) -> tuple[str, ...]:
    """The names of left-closed bins.

    >>> bin_labels((25, 40))
    ('under 25', '25 to under 40', '40 and over')
    """
    edges = [f"{edge:g}" for edge in bins]
    middle = [f"{low} to under {high}" for low, high in itertools.pairwise(edges)]
    return (f"under {edges[0]}", *middle, f"{edges[-1]} and over")


class Decoder:
    """Turns raw aggregates into Cells; learns first which labels there are."""

    def __init__(self, spec: AuditSpec, attributes: tuple[str, ...], control: tuple[str, ...]) -> None:
        self.spec = spec
        self.attributes = attributes
        self.control = control
        self.positive: dict[str, str] = {}
        self.notes: list[str] = []
        self._seen: dict[str, set[str]] = {"y": set(), "p": set()}

    def learn(self, table: pa.Table) -> None:
        """Note which labels and predictions there are, and which of them is positive."""
        chosen = kept(table)
        if len(table) and not chosen.any():
            raise self._nothing_left([(FILTERED, int(integers(table["n"]).sum()))])
        for key, role in (("y", "label"), ("p", "prediction")):
            if key in table.column_names:
                values, codes = _texts(table[key])
                present = [decision(values[code]) for code in np.unique(codes[chosen & (codes >= 0)])]
                self._seen[key] |= {value for value in present if value is not None}
                self._decide(role, self._seen[key])

    def _decide(self, role: str, seen: set[str]) -> None:
        if role == "prediction" and self.spec.data.columns.prediction is None:
            self.positive[role] = "true"
            self._check_threshold(seen)
            return
        data = self.spec.data
        named = decision(data.positive_label if role == "label" else data.positive_prediction)
        shown = ", ".join(repr(value) for value in sorted(seen)[:12])
        where = f"data.columns.{role}"
        if not seen:
            raise DataError(
                f"the {role} column is empty in every row", where=where, hint="Name another column."
            )
        if len(seen) > 2 and any(is_fraction(value) for value in seen):
            raise DataError(
                f"the {role} column holds {len(seen)} distinct numbers, so it is no decision: {shown}",
                where=where,
                hint=_CONTINUOUS[role].format(column=getattr(data.columns, role)),
            )
        if role == "label" and len(seen) == 1:
            raise DataError(
                f"every label is {shown}: with one value there is nothing to be right or wrong about",
                where=where,
                hint="Audit without a label (selection rates), or name the column that holds both outcomes.",
            )
        if named is None:
            named = guess_positive(seen)
        if named is None:
            raise SpecError(
                f"which {role} is positive cannot be told from its values: {shown}",
                where=where,
                hint=f"Write data.positive: {{{role}: VALUE}}.",
            )
        if named not in seen and not (role == "prediction" and guess_positive(seen | {named}) == named):
            raise SpecError(
                f"positive {role} {named!r} does not occur; there are: {shown}",
                where="data.positive",
                hint=f"Write data.positive: {{{role}: VALUE}} with one of them.",
            )
        others = sorted(seen - {named})
        for other in others:
            check_negative(role, named, other, where, alone=len(others) == 1)
        if len(others) > 1:
            note = (
                f"{role}: every value but {named!r} counts as negative ({', '.join(map(repr, others[:12]))})"
            )
            if note not in self.notes:
                self.notes.append(note)
        self.positive[role] = named

    def _check_threshold(self, seen: set[str]) -> None:
        if len(seen) == 1:
            side = "at or above" if seen == {"true"} else "below"
            raise DataError(
                f"every score is {side} the threshold {self.spec.data.threshold:g}: all are decided alike",
                where="data.threshold",
                hint="Write the threshold in the score's own scale: of a score in percent it is 50, not 0.5.",
            )

    def cells(
        self,
        table: pa.Table,
        grouping: tuple[str, ...],
        *,
        sums: Iterable[str] = SUMS,
        extremes: Iterable[str] = ("low", "high"),
    ) -> tuple[Cells, list[tuple[str, int]]]:
        """The rows to audit as Cells, and the excluded rows by reason."""
        rows = integers(table["n"])
        audited, excluded = self._exclusions(table, rows)
        names, levels, codes = (*grouping, *self.control), [], []
        for index, name in enumerate(grouping):
            key = f"a{self.attributes.index(name)}"
            found, place = self._levels(table[key], name)
            levels.append(found)
            codes.append(place)
            del index
        for index in range(len(self.control)):
            found, place = _coded(_texts(table[f"c{index}"]))
            levels.append(found)
            codes.append(place)
        stacked = np.column_stack(codes).astype(np.int32) if codes else np.zeros((len(rows), 0), np.int32)
        keys = {
            "label": self._binary(table, "y", "label"),
            "prediction": self._binary(table, "p", "prediction"),
        }
        for key in ("bucket", "bin", "tenth", "known"):
            if key in table.column_names:
                keys[key] = integers(table[key].fill_null(_MISSING))
        held: dict[str, Array] = {
            name: integers(table[name].fill_null(0)) for name in sums if name in table.column_names
        }
        for name in extremes:
            if name in table.column_names:
                held[name] = table[name].to_numpy().astype(np.float64) + 0.0  # −0.0 is 0.0
        whole = Cells(names, tuple(levels), stacked, keys, held)
        return whole.where(audited & (rows > 0)), excluded

    def _levels(
        self, column: pa.ChunkedArray, name: str
    ) -> tuple[tuple[str | None, ...], npt.NDArray[np.int32]]:
        item = self.spec.data.attributes[name]
        values, codes = _texts(column)
        if item.bins:
            labels = bin_labels(item.bins)
            places = np.array([0 if value is None else int(value) for value in values], dtype=np.int32)
            coded = places[codes] if len(values) else codes
            full: tuple[str | None, ...] = labels
            if np.any(codes < 0):
                full, coded = (*labels, None), np.where(codes < 0, len(labels), coded)
            return full, coded.astype(np.int32)
        if item.map:
            values = [None if value is None else item.map.get(value, value) for value in values]
        return _coded((values, codes))

    def _binary(self, table: pa.Table, key: str, role: str) -> npt.NDArray[np.int64]:
        if key not in table.column_names:
            return np.full(len(table), _MISSING, dtype=np.int64)
        values, _ = _texts(table[key])
        places = {
            value: int(value == self.positive[role]) for value in map(decision, values) if value is not None
        }
        return self._coded_decisions(table, key, places)

    @staticmethod
    def _coded_decisions(table: pa.Table, key: str, places: dict[str, int]) -> npt.NDArray[np.int64]:
        """Each entry's place by its value; -1 where it is missing."""
        values, codes = _texts(table[key])
        decided = [decision(value) for value in values]
        flags = [_MISSING if value is None else places.get(value, _MISSING) for value in decided]
        lookup = np.array([*flags, _MISSING], dtype=np.int64)
        return lookup[codes]

    def _exclusions(
        self, table: pa.Table, rows: Array
    ) -> tuple[npt.NDArray[np.bool_], list[tuple[str, int]]]:
        """Which cells are audited, and rows by the first reason that excludes them."""
        audited = np.ones(len(rows), dtype=bool)
        excluded: list[tuple[str, int]] = []

        def leave_out(reason: str, hit: npt.NDArray[np.bool_]) -> None:
            nonlocal audited
            number = int(rows[audited & hit].sum())
            audited = audited & ~hit
            if number:
                excluded.append((reason, number))

        if "keep" in table.column_names:
            leave_out(FILTERED, ~_flags(table["keep"]))
        if "gap" in table.column_names:
            leave_out(GAP, _flags(table["gap"]))
        columns = self.spec.data.columns
        if "absent" in table.column_names:
            ranked = self.spec.data.task_named == "ranking"
            leave_out(NO_PLACE if ranked else NO_PREDICTION, _flags(table["absent"]))
        elif columns.prediction:
            leave_out(NO_PREDICTION, self._binary(table, "p", "prediction") == _MISSING)
        elif columns.score:
            leave_out(NO_SCORE, integers(table["bin"].fill_null(_MISSING)) == _MISSING)
        if not audited.any() or not rows[audited].sum():
            raise self._nothing_left(excluded)
        return audited, excluded

    def _nothing_left(self, excluded: list[tuple[str, int]]) -> DataError:
        shown = "; ".join(f"{reason}: {number}" for reason, number in excluded) or "no rows"
        return DataError(
            f"no row is left to audit ({shown})",
            where=self.spec.data.source or "the frame",
            hint="Check data.filter and the columns named under data.columns.",
        )


def kept(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Which of the engine's cells the filter lets through."""
    return _flags(table["keep"]) if "keep" in table.column_names else np.ones(len(table), dtype=bool)


def _flags(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.fill_null(False).to_numpy()).astype(bool)


def _texts(column: pa.ChunkedArray) -> tuple[list[str | None], npt.NDArray[np.int32]]:
    """Distinct values as text, and each entry's index among them; -1 is missing."""
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = combined.chunk(0) if combined.num_chunks else pa.array([], type=column.type)
    if not isinstance(combined, pa.DictionaryArray):
        combined = combined.dictionary_encode()
    raw = [text(value) for value in combined.dictionary.to_pylist()]
    codes = combined.indices.fill_null(_MISSING).to_numpy(zero_copy_only=False).astype(np.int32)
    lookup = np.array(
        [*(index if value is not None else _MISSING for index, value in enumerate(raw)), _MISSING]
    )
    return raw, lookup[codes].astype(np.int32)


def _coded(
    pair: tuple[list[str | None], npt.NDArray[np.int32]],
) -> tuple[tuple[str | None, ...], npt.NDArray[np.int32]]:
    """Levels sorted, the missing one last and only where it occurs; codes into them."""
    values, codes = pair
    present: set[str | None] = {value for value in values if value is not None}
    if np.any(codes < 0):
        present.add(None)
    levels = ordered(present)
    places = {value: index for index, value in enumerate(levels)}
    lookup = np.array([*(places.get(value, 0) for value in values), places.get(None, 0)], dtype=np.int32)
    return levels, lookup[codes]


def finite(value: float) -> float | None:
    """The value, or None where it is NaN or infinite."""
    return float(value) if math.isfinite(value) else None
