"""The audit's result: frozen values that every report, gate and monitor reads, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audit.shown import Shown
from audit.shown import group_name as group_name
from audit.subject import Attribute as Attribute
from audit.subject import Coverage as Coverage
from audit.subject import Data as Data
from audit.subject import Exclusion as Exclusion
from audit.subject import Group as Group
from audit.subject import Model as Model
from audit.subject import Policy as Policy
from audit.subject import Rule as Rule
from audit.subject import System as System
from audit.subject import Waiver as Waiver

SCHEMA_VERSION = "1.0"


class Verdict(StrEnum):
    """What the evidence says of a rule."""

    PASS = "pass"
    VIOLATION = "violation"
    INCONCLUSIVE = "inconclusive"

    @staticmethod
    def worst(verdicts: list[Verdict]) -> Verdict:
        """Violation beats inconclusive beats pass; of nothing, inconclusive.

        >>> Verdict.worst([Verdict.PASS, Verdict.INCONCLUSIVE]).value
        'inconclusive'
        >>> Verdict.worst([]).value
        'inconclusive'
        """
        for verdict in (Verdict.VIOLATION, Verdict.INCONCLUSIVE, Verdict.PASS):
            if verdict in verdicts:
                return verdict
        return Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Cell:
    """The sums of all rows that share attribute values, stratum, label and prediction."""

    grouping: tuple[str, ...]
    group: Group
    stratum: Group
    label: int | None
    prediction: int | None
    n: int
    w: int | None = None
    """Sum of weights × 2³⁰, rounded by row; None where there are no weights."""
    w2: int | None = None
    """Sum of squared weights × 2³⁰."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of one group, with its descriptive interval; `why` is set exactly where value is None."""

    metric: str
    grouping: tuple[str, ...]
    """Empty for the whole population."""
    group: Group
    value: float | None
    low: float | None
    high: float | None
    k: float | None
    """Numerator, where the metric is a proportion."""
    n: float
    """Denominator: rows, or effective rows where there are weights."""
    why: str | None
    detectable: float | None = None
    """The smallest difference from the reference that would be called at 80 % power."""


@dataclass(frozen=True, slots=True)
class Comparison(Shown):
    """A group against its reference under one rule: the numbers on which the verdict stands."""

    rule: str
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    group: Group
    reference: str
    """The reference group's name, or rest, overall, best, parity."""
    value: float | None
    low: float | None
    high: float | None
    """The plain two-sided interval at the policy's confidence: descriptive, judges nothing."""
    n: float
    """The group's denominator."""
    reference_n: float | None
    p_pass: float | None
    p_violation: float | None
    """None where the comparison cannot be tested."""
    pass_low: float | None
    pass_high: float | None
    """The interval at the level of a pass: inside the band exactly where it passes."""
    violation_low: float | None
    violation_high: float | None
    """The interval at the level of a violation."""
    blocked: str | None
    """Why it cannot pass whatever its p value: undefined, too few, labels missing."""
    reported_only: bool
    """True for a small cell that is listed and does not block."""
    by_point: str | None
    """For judge: estimate, the verdict that the point gives."""
    rows_needed: int | None
    rows_needed_note: str | None
    why: str | None
    """Set exactly where value is None."""
    one_sided_low: float | None = None
    one_sided_high: float | None = None
    stratum: Group | None = None
    """For a conditional rule, the stratum this row belongs to; None is the common estimate."""


@dataclass(frozen=True, slots=True)
class Finding(Shown):
    """What one comparison came to under its rule."""

    rule: str
    metric: str
    comparison: str
    bound: str
    """The band in words, as `≥ 0.8`."""
    grouping: tuple[str, ...]
    group: Group
    reference: str
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    why: str
    rows_needed: int | None
    severity: str
    waived: Waiver | None
    stratum: Group | None = None


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """The verdict on a whole rule, over all its comparisons."""

    rule: str
    verdict: Verdict
    why: str
    comparisons: int
    violations: int
    inconclusive: int
    reported_only: int


@dataclass(frozen=True, slots=True)
class Conditional:
    """A metric compared within strata of the control columns, and pooled over them."""

    metric: str
    grouping: tuple[str, ...]
    group: Group
    reference: str
    control: tuple[str, ...]
    pooled: float | None
    pooled_low: float | None
    pooled_high: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    strata: tuple[Stratum, ...]
    simpson: str | None
    """`reversal`: the 97.5 % intervals, pooled and common, exclude zero on opposite sides. `vanishes`:
    the pooled one excludes zero, the common one holds zero and the two do not meet. Else None."""
    why: str | None


@dataclass(frozen=True, slots=True)
class Stratum:
    """One stratum's counts and difference."""

    stratum: Group
    k: float
    n: float
    reference_k: float
    reference_n: float
    difference: float | None


@dataclass(frozen=True, slots=True)
class ScoreBins:
    """Scores of one group in the bins of `AuditResult.score_edges`: what the score plots draw."""

    grouping: tuple[str, ...]
    group: Group
    positives: tuple[float, ...]
    negatives: tuple[float, ...]
    unlabelled: tuple[float, ...]
    mean_score: tuple[float | None, ...]
    """Mean score of the labelled rows in each bin; None where it is empty."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a group's predicted numbers are spread, over the bins of the counts."""

    grouping: tuple[str, ...]
    group: Group
    n: float
    quantiles: tuple[float, ...]
    """The 5th, 25th, 50th, 75th and 95th hundredth of the predictions."""


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A metric, group or check that this audit did not give, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class AuditResult(Shown):
    """One audit, whole: every report, gate and monitor reads this document alone."""

    schema_version: str
    tool_version: str
    created_at: str
    """UTC, ISO 8601; given from outside, so that equal input gives equal bytes."""
    system: System
    data: Data
    policy: Policy
    verdict: Verdict
    rules: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...]
    estimates: tuple[Estimate, ...]
    conditional: tuple[Conditional, ...]
    score_edges: tuple[float, ...]
    score_bins: tuple[ScoreBins, ...]
    not_measured: tuple[NotMeasured, ...]
    cells: tuple[Cell, ...]
    versions: dict[str, str]
    """Versions of what computed it: python, duckdb, ibis, numpy, scipy."""
    score_spans: tuple[tuple[float, float], ...] = ()
    """The least and the greatest score of everyone in each bin of `score_edges`; its end twice where it is
    empty."""
    predictions: tuple[Spread, ...] = ()
    """Regression: the spread of predictions, of everyone and of each attribute's groups."""
