"""What a file's columns probably are, guessed from their names and values; a person has the last word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_GROUPS = 30
"""An attribute with more values than this is no attribute until it is binned or mapped."""
AGE_BINS = (25, 40, 60)

LABELS = [
    "label",
    "target",
    "truth",
    "y",
    "true",
    "actual",
    "outcome",
    "observed",
    "repaid",
    "reoffended",
    "recid",
    "recidivism",
    "readmitted",
]
PREDICTIONS = [
    "prediction",
    "predicted",
    "pred",
    "yhat",
    "decision",
    "decided",
    "approved",
    "hired",
    "admitted",
    "accepted",
    "granted",
    "selected",
    "shortlisted",
    "flagged",
    "invited",
    "detained",
]
SCORES = ["score", "scores", "prob", "probability", "proba", "p", "risk", "likelihood", "decile"]
WEIGHTS = ["weight", "weights", "w", "fnlwgt", "perwt", "pweight"]
COUNTS = ["count", "counts", "n", "freq", "frequency"]
MOST_COUNTED = 5_000
"""A table of counts has few rows: more are people, and a column called `priors_count` is of each one."""
CLUSTERS = ["person", "customer", "patient", "applicant", "household"]
ATTRIBUTES = {
    "sex": "sex",
    "gender": "sex",
    "race": "race_ethnicity",
    "ethnicity": "race_ethnicity",
    "ethnic": "race_ethnicity",
    "age": "age",
    "disability": None,
    "disabled": None,
    "religion": None,
    "nationality": None,
    "citizenship": None,
    "citizen": None,
    "marital": None,
    "pregnancy": None,
    "pregnant": None,
    "veteran": None,
    "language": None,
    "orientation": None,
}
POSITIVE = {
    "1",
    "1.0",
    "true",
    "yes",
    "y",
    "t",
    "positive",
    "approved",
    "good",
    "hired",
    "admitted",
    "accepted",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a sample of the file shows it."""

    name: str
    numeric: bool
    distinct: int
    rows: int
    """Rows in which it is not missing."""
    low: float | None
    high: float | None
    whole: bool
    """Whether all its numbers are whole."""
    values: tuple[str, ...]
    """Its most frequent values as text."""
    counts_rows: bool = False
    """Whether the other columns are a table of few rows, each a combination of its own, as of counts."""


@dataclass(slots=True)
class Guess:
    """Roles by column name, attributes with their `as`, and what could not be guessed, in words."""

    roles: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str | None] = field(default_factory=dict)
    positive: dict[str, str] = field(default_factory=dict)
    threshold: float | None = None
    bins: dict[str, tuple[int, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unit_score: bool = False
    """Whether the scores lie between 0 and 1."""


def words_of(name: str) -> list[str]:
    """A column's name in lower-case words.

    >>> words_of("yTrue_2-label"), words_of("RACE")
    (['y', 'true', '2', 'label'], ['race'])
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]


def guess(columns: Sequence[Column]) -> Guess:
    """The roles of the columns; a column has one role at most, and no role is made up."""
    found = Guess()
    taken: set[str] = set()

    def take(role: str, names: Sequence[str], suits: object) -> None:
        for column in sorted(columns, key=lambda c: _place(c, names)):
            if column.name in taken or _place(column, names) == len(names) or not suits(column):  # type: ignore[operator]
                continue
            found.roles[role] = column.name
            taken.add(column.name)
            return

    take("prediction", [*PREDICTIONS], lambda c: c.distinct == 2)
    take("score", SCORES, lambda c: c.numeric and c.distinct > 2)
    take("label", LABELS, lambda c: c.distinct == 2)
    take("weight", WEIGHTS, lambda c: c.numeric and (c.low or 0) >= 0)
    take("count", COUNTS, lambda c: c.counts_rows and c.numeric and c.whole and (c.low or 0) >= 0)
    take("cluster", CLUSTERS, lambda c: "id" in words_of(c.name) and c.distinct < c.rows)
    take("id", ["id"], lambda c: c.distinct == c.rows)
    for column in columns:
        kind = next((word for word in words_of(column.name) if word in ATTRIBUTES), None)
        if kind is not None and column.name not in taken:
            _attribute(found, column, ATTRIBUTES[kind])
    _positives(found, {column.name: column for column in columns})
    _gaps(found, columns, taken)
    return found


def _place(column: Column, names: Sequence[str]) -> int:
    """How early in `names` one of the column's words stands; their number where none does."""
    words = words_of(column.name)
    if words[:1] == ["y"] and len(words) == 2:
        words = {"pred": ["pred"], "true": ["true"], "hat": ["yhat"]}.get(words[1], words[1:])
    return min((names.index(word) for word in words if word in names), default=len(names))


def _attribute(found: Guess, column: Column, kind: str | None) -> None:
    if kind == "age" and column.numeric and column.distinct > 5:
        found.bins[column.name] = AGE_BINS
    elif column.distinct > MOST_GROUPS:
        found.notes.append(
            f"{column.name} has {column.distinct} values: bin or map it to use it as an attribute."
        )
        return
    found.attributes[column.name] = kind


def _positives(found: Guess, columns: dict[str, Column]) -> None:
    for role in ("label", "prediction"):
        name = found.roles.get(role)
        if name is None:
            continue
        values = columns[name].values
        if {value.lower() for value in values} <= {"0", "1"}:
            continue
        known = [value for value in values if value.lower() in POSITIVE]
        found.positive[role] = known[0] if len(known) == 1 else values[0]
        if len(known) != 1:
            found.notes.append(f"Which value of {name} is positive is a guess: {' or '.join(values)}.")


def _gaps(found: Guess, columns: Sequence[Column], taken: set[str]) -> None:
    score = next((c for c in columns if c.name == found.roles.get("score")), None)
    unit = score is not None and score.low is not None and score.high is not None
    unit = unit and score is not None and (score.low or 0.0) >= 0 and (score.high or 0.0) <= 1
    found.unit_score = unit
    if "prediction" not in found.roles and score is not None:
        found.threshold = 0.5 if unit else None
        found.notes.append(
            f"No column looks like a decision; scores of at least the threshold count as positive: "
            f"{'0.5 is a guess' if unit else 'write it'}."
        )
    if "prediction" not in found.roles and score is None:
        two = [c.name for c in columns if c.distinct == 2 and c.name not in taken]
        found.notes.append(
            f"No column looks like a prediction. With two values: {', '.join(two[:10]) or 'none'}."
        )
    if "label" not in found.roles:
        found.notes.append("No column looks like a label; error rates need one.")
    if not found.attributes:
        few = [c.name for c in columns if 2 <= c.distinct <= MOST_GROUPS and c.name not in taken]
        found.notes.append(f"No column looks like a sensitive attribute. Candidates: {', '.join(few[:10])}.")
