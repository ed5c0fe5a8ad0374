"""Which field of an event means what, and which group a value is of."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any

from audit.engine.decode import bin_labels

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
