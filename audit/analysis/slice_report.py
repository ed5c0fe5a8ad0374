"""What a search for slices hands on: frozen values that a report, a plan and a file can hold."""

from __future__ import annotations

from dataclasses import dataclass

from audit.analysis.binning import FeatureBins
from audit.result import NotMeasured

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a slice: a feature at a level of its bins."""

    feature: str
    level: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Share:
    """What one half says of a slice; `why` is set exactly where `rate` is None."""

    rows: int
    bad: int
    """Rows in the numerator; for a loss, rows whose loss is above the discovery half's mean."""
    rate: float | None
    """bad / rows; for a loss, the mean loss."""
    rest_rate: float | None
    """The same among the rows outside the slice."""
    why: str | None


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice that was found, and whether people it was not found on bear it out."""

    name: str
    conditions: tuple[Condition, ...]
    score: float
    """On the discovery half, by the report's `weight`; above 0 is worse than everyone together."""
    discovery: Share
    """Chosen by looking, so it exaggerates."""
    confirmation: Share
    low: float | None
    high: float | None
    """Exact interval of the share of bad rows on the confirmation half; describes."""
    difference_low: float | None
    difference_high: float | None
    """Interval of that share less the share in the rest, at the same confidence."""
    p: float
    """P(as many bad rows or more) if the slice were a random draw of the confirmation half."""
    p_adjusted: float
    """Holm's, over the slices of the report."""
    confirmed: bool
    also: tuple[str, ...]
    """Other slices of almost the same rows, folded into this one."""
    examples: tuple[dict[str, str | None], ...] = ()
    """Bad rows of the slice, for reading; only where they were asked for."""


@dataclass(frozen=True, slots=True)
class SliceReport:
    """The worst slices of one rate, with all that was decided on the way."""

    schema_version: str
    metric: str
    title: str
    person: str | None
    """The column by which the halves were split; None is by row."""
    confidence: float
    min_support: float
    min_rows: int
    """The rows that a slice needed on the discovery half."""
    max_depth: int | None
    weight: float | None
    """None ranked by the standard score; a number by SliceLine's score of that weight."""
    discovery_rows: int
    discovery_rate: float | None
    confirmation_rows: int
    confirmation_rate: float | None
    features: tuple[FeatureBins, ...]
    left_out: tuple[NotMeasured, ...]
    slices: tuple[Slice, ...]
    notes: tuple[str, ...]
    test: str = "split"
    """`split`: tested on people they were not found on. `max-t`: on all people, by permutation; both halves
    are then everyone, and rates exaggerate."""
    permutations: int | None = None
    """Draws behind the p values of `max-t`."""

    @property
    def confirmed(self) -> tuple[Slice, ...]:
        """The slices that the other half bears out."""
        return tuple(one for one in self.slices if one.confirmed)
