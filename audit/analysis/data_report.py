"""What an audit of a table before training hands on: frozen values that a page and a file can hold."""

from __future__ import annotations

from dataclasses import dataclass

from audit.analysis.dataset import Column
from audit.result import Exclusion, NotMeasured

SCHEMA_VERSION = "1.0"
PROXIES = ("cramers_v", "correlation_ratio")


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a table; `why` is set exactly where `value` is None."""

    metric: str
    attribute: str | None
    """None for what is said of the whole table."""
    group: str | None
    """The group it is of, in words; None where it is of all groups of the attribute."""
    against: str | None
    """Whom the group is held against."""
    column: str | None
    """The feature or label it is of."""
    value: float | None
    low: float | None
    high: float | None
    """The interval; None where there is none."""
    n: float
    """Rows (or counted people) of the group."""
    why: str | None


@dataclass(frozen=True, slots=True)
class Groups:
    """An attribute's groups."""

    attribute: str
    reference: str
    """A group, or rest."""
    groups: tuple[str, ...]
    rows: tuple[int, ...]
    restated_by: tuple[str, ...]
    """Columns each of whose values goes with one group only: they give the attribute itself."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """An audit of a table before training, whole."""

    schema_version: str
    tool_version: str
    source: str
    digest: str | None
    rows_read: int
    rows: int
    excluded: tuple[Exclusion, ...]
    confidence: float
    seed: int
    sample: int
    """Rows on which the attributes were guessed at most."""
    sampled: int
    """Rows on which they were."""
    label: str | None
    positive: str | None
    attributes: tuple[Groups, ...]
    columns: tuple[Column, ...]
    measures: tuple[Measure, ...]
    not_measured: tuple[NotMeasured, ...]
    notes: tuple[str, ...]

    def of(self, *metrics: str, attribute: str | None = None) -> tuple[Measure, ...]:
        """The measures of these metrics, in one attribute or in all."""
        return tuple(
            one
            for one in self.measures
            if one.metric in metrics and (attribute is None or one.attribute == attribute)
        )

    def proxies(self, attribute: str) -> tuple[Measure, ...]:
        """Each feature's association with the attribute, by what it is at least; the undefined last.

        A column of many levels has a wide interval, and is not put first for its noise.
        """
        restated = {name for one in self.attributes if one.attribute == attribute for name in one.restated_by}
        found = [one for one in self.of(*PROXIES, attribute=attribute) if one.column not in restated]
        return tuple(sorted(found, key=_strength))


def _strength(one: Measure) -> tuple[float, float, str]:
    if one.value is None:
        return 1.0, 0.0, one.column or ""
    return -(one.low or 0.0), -one.value, one.column or ""
