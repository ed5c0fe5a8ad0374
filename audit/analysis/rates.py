"""What makes a row bad: the rate, or the loss, by which slices are compared."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir

from audit.analysis.tables import as_text, require
from audit.engine.reading import reading
from audit.errors import DataError, UsageError

TITLES = {
    "error_rate": "Error rate",
    "false_positive_rate": "False positive rate",
    "false_negative_rate": "False negative rate",
    "loss": "Mean loss",
    "share": "Share",
}
"""The rates that slices can be searched by; `share` is any numerator over any denominator."""
_NEEDS = {
    "error_rate": ("label", "prediction"),
    "false_positive_rate": ("label", "prediction", "positive"),
    "false_negative_rate": ("label", "prediction", "positive"),
    "loss": ("loss",),
    "share": ("numerator",),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate by its columns: which rows count, and which of them are bad."""

    metric: str
    """A key of `TITLES`."""
    label: str | None = None
    prediction: str | None = None
    positive: str | None = None
    """The text that means positive, in the label and in the prediction."""
    positive_prediction: str | None = None
    """Where the prediction says positive in another text than the label."""
    numerator: str | None = None
    """For `share`: a true/false or 0/1 column."""
    denominator: str | None = None
    """For `share`: a true/false or 0/1 column; None is every row."""
    loss: str | None = None
    """For `loss`: a column of numbers of 0 or more."""

    @property
    def columns(self) -> frozenset[str]:
        """The columns it reads, which are no features."""
        named = (self.label, self.prediction, self.numerator, self.denominator, self.loss)
        return frozenset(name for name in named if name is not None)

    def apply(self, table: ir.Table, *, name: str) -> ir.Table:
        """The rows that count, with column `name`: true where the row is bad, or its loss.

        Rows with a missing label, prediction, numerator or loss do not count.
        Errors: UsageError for an unknown metric, a missing column or argument; DataError where no
        row counts, or the columns hold what the metric cannot use.
        """
        self._check(table)
        if self.metric == "loss":
            return self._with_loss(table, name)
        if self.metric == "share":
            counted = table[self.numerator].notnull()
            if self.denominator is not None:
                counted &= _flag(table, self.denominator).fill_null(False)
            bad = _flag(table, self.numerator)
        else:
            counted = table[self.label].notnull() & table[self.prediction].notnull()
            bad = self._wrong(table)
            if self.metric != "error_rate":
                is_positive = as_text(table[self.label]) == self.positive
                counted &= ~is_positive if self.metric == "false_positive_rate" else is_positive
        return table.filter(counted).mutate(**{name: bad})

    def _check(self, table: ir.Table) -> None:
        if self.metric not in TITLES:
            raise UsageError(
                f"no rate is called {self.metric!r}",
                where="metric",
                hint=f"Write one of {', '.join(TITLES)}.",
            )
        for need in _NEEDS[self.metric]:
            if getattr(self, need) is None:
                raise UsageError(f"{self.metric} needs {need}", where="metric", hint=f"Give {need}.")
        require(table, *sorted(self.columns), where=self.metric)

    def _wrong(self, table: ir.Table) -> ir.BooleanValue:
        label, prediction = table[self.label], table[self.prediction]
        if self.positive is not None:
            said = self.positive if self.positive_prediction is None else self.positive_prediction
            _check_positive(table, self.label, self.positive)
            _check_positive(table, self.prediction, said)
            return (as_text(label) == self.positive) != (as_text(prediction) == said)
        if label.type().is_numeric() and prediction.type().is_numeric():
            return label != prediction
        if label.type().is_string() == prediction.type().is_string():
            return as_text(label) != as_text(prediction)
        raise DataError(
            f"{self.label!r} is {label.type()} and {self.prediction!r} is {prediction.type()}",
            where=self.metric,
            hint="Say which value is positive in each.",
        )

    def _with_loss(self, table: ir.Table, name: str) -> ir.Table:
        loss = table[self.loss]
        if not loss.type().is_numeric():
            raise DataError(f"{self.loss!r} is {loss.type()}, not a number", where="loss")
        number = loss.cast("float64")
        counted = table.filter(number.notnull() & ~number.isnan()).mutate(**{name: number})
        with reading("loss"):
            ends = counted.aggregate(low=counted[name].min(), high=counted[name].max()).to_pyarrow()
        low, high = ends["low"][0].as_py(), ends["high"][0].as_py()
        if low is not None and (low < 0 or high > 2.0**30):
            raise DataError(
                f"losses run from {low:g} to {high:g}", where="loss", hint="Give finite losses of 0 or more."
            )
        return counted


def _flag(table: ir.Table, name: str | None) -> ir.BooleanValue:
    column = table[name]
    kind = column.type()
    if kind.is_boolean():
        return column
    if kind.is_integer():
        with reading(f"column {name!r}"):
            values = set(table.select(flag=column).distinct().limit(4).to_pyarrow()["flag"].to_pylist())
        if values <= {0, 1, None}:
            return column == 1
    raise DataError(
        f"{name!r} is not a column of true and false", where="share", hint="Give true/false, or 0 and 1."
    )


def _check_positive(table: ir.Table, name: str | None, positive: str) -> None:
    """A positive value that is nowhere is a slip of the pen far more often than a fact."""
    text = as_text(table[name])
    with reading(f"column {name!r}"):
        found = table.group_by(value=text).aggregate(rows=table.count()).limit(21).to_pyarrow()
    values = sorted(str(value) for value in found["value"].to_pylist() if value is not None)
    if positive not in values and len(values) <= 20:
        raise DataError(
            f"{name!r} never holds {positive!r}; it holds {', '.join(map(repr, values)) or 'nothing'}",
            where="positive",
            hint="Write the positive value as the data has it.",
        )
