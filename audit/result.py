"""The audit's result: frozen values that every report, gate and monitor reads, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audit.shown import Shown
from audit.shown import group_name as group_name

SCHEMA_VERSION = "1.0"

Group = tuple[str | None, ...]
"""One value per attribute of a grouping; None is a missing value."""


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
class Model:
    """The model file that was audited, by its digest."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class System:
    """The system under audit, as the spec names it."""

    name: str
    version: str | None
    owner: str | None
    use: str | None
    output: str | None
    jurisdictions: tuple[str, ...]
    tier: int | None
    outcome: str
    """`favourable` or `adverse`: what a positive prediction means for the person."""
    model: Model | None
    utility: dict[str, float] | None = None
    """What each outcome (tp, fp, fn, tn) is worth to the person, where the spec says so."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Rows that were read and not audited, with the reason."""

    reason: str
    rows: int
    lines: tuple[int, ...] = ()
    """For rejected lines of a text file, the first of their line numbers."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many rows of a group, at one prediction, carry a label; of several classes, its number."""

    grouping: tuple[str, ...]
    group: Group
    prediction: int | None
    rows: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """A sensitive attribute as it was read."""

    name: str
    kind: str | None
    """`sex`, `race_ethnicity`, `age` where the spec says `as:`, else None."""
    reference: str
    """A group's value, or largest, rest, overall, best."""
    values: tuple[str | None, ...]
    rows: tuple[int, ...]
    """Rows audited per value, in the order of `values`."""


@dataclass(frozen=True, slots=True)
class Data:
    """What was read, and every row accounted for: rows_read = rows_audited + the excluded."""

    source: str
    """Where the data lay, credentials redacted."""
    kind: str
    """csv, parquet, json, arrow, duckdb, table, sql, frame, counts."""
    digest: str | None
    """SHA-256 of the file's bytes; for tables a hash of query and cells; None for frames."""
    rows_read: int
    rows_audited: int
    excluded: tuple[Exclusion, ...]
    label_coverage: tuple[Coverage, ...]
    attributes: tuple[Attribute, ...]
    control: tuple[str, ...]
    roles: dict[str, str]
    """The column that serves each role (label, prediction, score, weight, …)."""
    positive: dict[str, str]
    """The text that means positive, for label and prediction."""
    threshold: float | None
    weights: str | None
    """`sampling`, `frequency`, or None."""
    clusters: int | None
    """Distinct clusters where `cluster` is declared."""
    warnings: tuple[str, ...]
    task: str = "binary"
    """What the system does: binary, score, regression, multiclass, ranking, selection."""
    classes: tuple[str, ...] = ()
    """Multiclass: what the numbers of labels and predictions in cells stand for."""
    top: int | None = None
    """Ranking: how many places are the top of a list; None for other tasks."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A named person's decision that a finding does not block, until a date."""

    reason: str
    approver: str
    expires: str
    groups: tuple[str, ...] = ()
    """Group names (values joined by ` × `) it is limited to; empty means the whole rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy, as it was judged."""

    id: str
    metric: str
    """A metric's or a named comparison's name."""
    comparison: str
    """difference, ratio, worst_group, pairs, conditional_difference, conditional_ratio."""
    lower: float | None
    upper: float | None
    """The band that the rule allows; None is no limit on that side."""
    attributes: tuple[str, ...]
    """Attributes it is limited to; empty means all."""
    judge: str
    """`interval` or `estimate`."""
    severity: str
    """blocker, major or minor; minor is reported and decides nothing."""
    owner: str | None
    waivers: tuple[Waiver, ...]
    line: int | None
    """Its line in the policy file."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy under which the result was judged."""

    path: str | None
    digest: str | None
    confidence: float
    alpha: float
    """The level that was used, after looks were accounted for."""
    look: int | None
    """Which look at this data under this policy; None where looks were not counted."""
    family: str
    """`policy` or `rule`: over what violations are Holm-adjusted."""
    min_group: int
    small_groups: str | None
    """`inconclusive` or `report`; None: inconclusive for single attributes, report for intersections."""
    on_inconclusive: str
    """fail, warn or pass: what an inconclusive audit does to the gate."""
    suppress_below: int | None
    rules: tuple[Rule, ...]


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
