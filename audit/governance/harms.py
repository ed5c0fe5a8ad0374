"""The harm register's values: harms, actions, what was looked at and held none, and what is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from audit.errors import UsageError
from audit.governance.rating import LEVELS, Rating, above
from audit.registry import nearest

STATUSES = ("identified", "assessed", "treating", "residual_review", "accepted", "closed", "reopened")
OPEN = ("identified", "assessed", "treating", "residual_review", "reopened")
SOURCES = ("checklist", "audit", "incident", "consultation", "brainstorm")
TREATMENTS = ("avoid", "reduce", "transfer", "accept")
ACTION_STATUSES = (
    "proposed",
    "approved",
    "in_progress",
    "implemented",
    "verified",
    "ineffective",
    "cancelled",
    "superseded",
)
ACTION_TYPES = ("data", "feature", "model", "threshold", "process", "ui", "policy", "monitor", "withdraw")
DONE_ACTIONS = ("verified", "cancelled", "superseded")


@dataclass(frozen=True, slots=True)
class Trigger:
    """The finding that raised a harm, as it was last seen."""

    rule: str
    metric: str
    comparison: str
    grouping: tuple[str, ...]
    group: str
    observed: float | None
    low: float | None
    high: float | None
    limit: str
    bundle: str | None

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two findings the same row."""
        return (self.rule, self.metric, self.comparison, *self.grouping, self.group)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A named person's word that a residual harm is borne, until a day."""

    by: str
    role: str
    rationale: str
    until: date


@dataclass(frozen=True, slots=True)
class Harm:
    """One row of the register."""

    id: str
    title: str
    description: str | None
    source: str
    taxonomy: tuple[str, ...]
    affected: tuple[str, ...]
    mechanism: str | None
    trigger: Trigger | None
    inherent: Rating | None
    residual: Rating | None
    controls: tuple[str, ...]
    treatment: str | None
    owner: str | None
    due: date | None
    status: str
    acceptance: Acceptance | None
    links: tuple[str, ...]
    where: str

    def status_on(self, day: date) -> str:
        """The status, `reopened` where an acceptance has run out."""
        if self.status == "accepted" and (self.acceptance is None or self.acceptance.until < day):
            return "reopened"
        return self.status


@dataclass(frozen=True, slots=True)
class Effect:
    """A measured change with its interval; positive is better."""

    delta: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SideEffect:
    """What an action did to another metric or group, and how much worsening is allowed."""

    metric: str
    group: str
    effect: Effect
    limit: float

    @property
    def over(self) -> bool:
        """True where a worsening beyond the limit cannot be ruled out."""
        return -self.effect.low > self.limit


@dataclass(frozen=True, slots=True)
class Action:
    """One action of the mitigation plan, as far as the register judges it."""

    id: str
    harms: tuple[str, ...]
    type: str
    description: str
    owner: str | None
    approver: str | None
    due: date | None
    status: str
    critical: bool
    effect: Effect | None
    side_effects: tuple[SideEffect, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """A theme that was looked at and holds no harm, with the reason."""

    theme: str
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class Register:
    """All rows."""

    harms: tuple[Harm, ...] = ()
    actions: tuple[Action, ...] = ()
    nothing: tuple[Nothing, ...] = ()
    tolerance: str = LEVELS[0]

    def harm(self, name: str) -> Harm:
        """The row with this id; a UsageError names the nearest."""
        rows = {harm.id: harm for harm in self.harms}
        if name.upper() in rows:
            return rows[name.upper()]
        near = nearest(name.upper(), rows)
        hint = f"Did you mean {near}?" if near else "`harm-audit harms list` names them."
        raise UsageError(f"no harm is called {name!r}", hint=hint)

    def open_actions(self, harm: str) -> tuple[Action, ...]:
        """Actions on a harm that are neither verified nor dropped."""
        return tuple(a for a in self.actions if harm in a.harms and a.status not in DONE_ACTIONS)

    def beyond_tolerance(self, day: date) -> tuple[Harm, ...]:
        """Open rows whose level is above tolerance, or not known."""
        return tuple(h for h in self.harms if h.status_on(day) in OPEN and self._too_grave(h))

    def _too_grave(self, harm: Harm) -> bool:
        rating = harm.residual or harm.inherent
        return rating is None or above(rating.level, self.tolerance)
