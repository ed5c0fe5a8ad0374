"""What was audited and by which policy, as the result says it."""

from __future__ import annotations

from dataclasses import dataclass

Group = tuple[str | None, ...]
"""One value per attribute of a grouping; None is a missing value."""


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
