"""What trials hand on: frozen values that a plan, a report and a file can hold."""

from __future__ import annotations

from dataclasses import dataclass

from audit.mitigation.paired import Change
from audit.result import NotMeasured

SCHEMA_VERSION = "1.0"
STATUSES = ("measured", "incomplete", "failed", "not tried")


@dataclass(frozen=True, slots=True)
class Target:
    """The finding whose disparity is to shrink."""

    rule: str
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    group: str
    reference: str
    bound: str
    value: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Side:
    """What a remedy did to one other comparison, or to one group's own rate, in points."""

    what: str
    """`gap` against the reference, or the group's own `rate`."""
    rule: str
    metric: str
    grouping: tuple[str, ...]
    group: str
    change: Change
    verdict: str
    """`within`: a worsening beyond the limit is ruled out; `worse`: it is what was measured; `not ruled
    out`; `too few` rows."""


@dataclass(frozen=True, slots=True)
class Credit:
    """The remedy against what it contains without its own idea, on the same rows."""

    against: str
    change: Change


@dataclass(frozen=True, slots=True)
class RuleAfter:
    """The audit's verdict on a rule under the remedy's decisions."""

    rule: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One remedy, tried."""

    name: str
    title: str
    library: str
    stage: str
    action: str
    does: str
    status: str
    why: str | None
    """Why it failed or was not tried; None where it was measured."""
    folds_done: int
    seconds: float
    chosen: tuple[str, ...]
    """What the inner folds chose, a text a fold where there was a choice."""
    needs_attribute_at_decision: bool
    group_specific_thresholds: bool
    legal_note: str | None
    verdict: str | None
    """The audit's verdict under its decisions."""
    rules: tuple[RuleAfter, ...]
    effect: Change | None
    """On the target, against the decisions as they are; None where nothing was measured."""
    simultaneous_low: float | None
    """The effect's lower end where all remedies' intervals hold at once: the best was chosen by looking."""
    accuracy: Change | None
    positives: Change | None
    """The share of positive decisions over all rows, after less before: how much business moves."""
    credit: tuple[Credit, ...]
    sides: tuple[Side, ...]
    on_front: bool
    """No other remedy has a smaller gap and a higher accuracy at once."""
    advised: bool
    not_advised: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    """All remedies tried on the same folds, and what was decided on the way."""

    schema_version: str
    system: str
    policy_digest: str | None
    data_digest: str
    rows: int
    training_rows: int
    separate_training: bool
    features: tuple[str, ...]
    model: str
    threshold: float
    folds: int
    seed: int
    confidence: float
    limit: float
    """How much worse, in points, another group or gap may be."""
    accuracy_limit: float
    positives_limit: float
    """How far the share of positive decisions may move."""
    target: Target
    verdict_before: str
    accuracy_before: float | None
    proxies: tuple[str, ...]
    trials: tuple[Trial, ...]
    best: str | None
    """The remedy that is advised; None where none is."""
    not_measured: tuple[NotMeasured, ...]
    notes: tuple[str, ...]

    def trial(self, name: str) -> Trial | None:
        """The remedy with this name."""
        return next((one for one in self.trials if one.name == name), None)
