"""A figure of the added sections: its words, its plot, the table of its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from audit.report import numbers
from audit.report.svg import Drawing

WORDS = {
    "slices": "Slices of any features with the worst {title}, found on {searched} people and tested on "
    "{tested} others: {confirmed} of {all} confirmed.",
    "diagnosis": "Each group's error against what can be reached, and the part that bias, variance and "
    "mismatch have in it.",
    "curves": "The model fitted again on parts of each group's rows, {repeats} times. A line that has "
    "flattened gains nothing from more rows of the same kind.",
    "needs": "How many more training rows of which group would bring its gap under the bound, and where "
    "more rows will not.",
    "trials": "{all} remedies for {metric} of {group} against {reference}, tried on the same {folds} folds. "
    "{advised} Chosen by looking at all of them, so the figures of the best flatter it.",
    "trials-alt": "Accuracy against the gap that is left, a point a remedy; filled are those that no "
    "other beats in both, the cross is the model as it is.",
    "effects": "What a second audit measured of each action. An interval that holds 0 does not exclude that "
    "it did nothing.",
}
"""What each figure's paragraph says."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first column names the row, `right` are the columns of figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot with the table of its numbers, its words, and a text alternative."""

    anchor: str
    title: str
    words: str
    alt: str
    drawings: tuple[Drawing, ...]
    table: Table
    notes: tuple[str, ...] = ()


def cleaned(notes: tuple[str, ...]) -> tuple[str, ...]:
    """The texts, each fit for a page."""
    return tuple(numbers.clean(one, 400) for one in notes)
