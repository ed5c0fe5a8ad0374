"""The harm register: rows with a history, moved by rules, kept in `governance/harms.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from audit import resources
from audit.errors import SpecError, UsageError
from audit.governance import yamlfile
from audit.governance.rating import LEVELS, Rating, above, read_rating
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
class Kind:
    """One kind of harm in a theme of the taxonomy."""

    theme: str
    theme_title: str
    id: str
    ask: str

    @property
    def code(self) -> str:
        """theme.kind, as the register writes it."""
        return f"{self.theme}.{self.id}"


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


@cache
def load_kinds(path: Path | None = None) -> tuple[Kind, ...]:
    """The kinds of harm that the taxonomy names, theme by theme.

    >>> len(load_kinds()), len({kind.theme for kind in load_kinds()})
    (20, 5)
    """
    path = path or resources.checklists() / "themes.yaml"
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="the themes")
    root.need("scheme")
    kinds = []
    for theme in root.entries("themes"):
        name, title = theme.need("id"), theme.need("title")
        for entry in theme.entries("kinds"):
            kinds.append(Kind(name, title, entry.need("id"), entry.need("ask")))
            entry.done()
        theme.done()
    root.done()
    return tuple(kinds)


def load_register(path: Path) -> Register:
    """The register in the file, empty where there is none."""
    return read_register(yamlfile.load(path)) if path.exists() else Register()


def read_register(document: yamlfile.Document) -> Register:
    """The register in a document; a SpecError with file and line where it does not hold together."""
    root = yamlfile.Entry(document.data, document.path, what="harms.yaml")
    root.get("last_harm"), root.get("last_action")
    register = Register(
        harms=tuple(_harm(entry) for entry in root.entries("harms")),
        actions=tuple(_action(entry) for entry in root.entries("actions")),
        nothing=tuple(_nothing(entry) for entry in root.entries("nothing_found")),
        tolerance=root.choice("tolerance", LEVELS, LEVELS[0]),
    )
    root.done()
    _whole(register, root)
    return register


def _whole(register: Register, root: yamlfile.Entry) -> None:
    seen: set[str] = set()
    rows: tuple[Harm | Action, ...] = (*register.harms, *register.actions)
    for row in rows:
        if row.id in seen:
            raise SpecError(f"{row.id} stands twice; an id is never used again", where=row.where)
        seen.add(row.id)
    for action in register.actions:
        for harm in action.harms:
            if harm not in seen:
                raise SpecError(f"{action.id} is for {harm}, which is not there", where=action.where)


def _harm(entry: yamlfile.Entry) -> Harm:
    entry.what = entry.need("id")
    harm = Harm(
        id=entry.what,
        title=entry.need("title"),
        description=entry.text("description"),
        source=entry.choice("source", SOURCES),
        taxonomy=_codes(entry),
        affected=entry.strings("affected"),
        mechanism=entry.text("mechanism"),
        trigger=_trigger(entry.entry("trigger")),
        inherent=read_rating(entry.entry("inherent")),
        residual=read_rating(entry.entry("residual")),
        controls=entry.strings("controls"),
        treatment=entry.choice("treatment", TREATMENTS) if entry.get("treatment") is not None else None,
        owner=entry.text("owner"),
        due=entry.day("due"),
        status=entry.choice("status", STATUSES),
        acceptance=_acceptance(entry.entry("acceptance")),
        links=entry.strings("links"),
        where=entry.where(),
    )
    entry.get("history")
    entry.done()
    return harm


def _codes(entry: yamlfile.Entry) -> tuple[str, ...]:
    known = [kind.code for kind in load_kinds()]
    codes = entry.strings("taxonomy")
    for code in codes:
        if code not in known:
            near = nearest(code, known)
            raise entry.fail(
                f"no kind of harm is called {code!r}", "taxonomy", f"Did you mean {near}?" if near else None
            )
    return codes


def _trigger(entry: yamlfile.Entry | None) -> Trigger | None:
    if entry is None:
        return None
    trigger = Trigger(
        entry.need("rule"),
        entry.need("metric"),
        entry.need("comparison"),
        entry.strings("grouping"),
        entry.need("group"),
        entry.number("observed"),
        entry.number("low"),
        entry.number("high"),
        entry.need("limit"),
        entry.text("bundle"),
    )
    entry.done()
    return trigger


def _acceptance(entry: yamlfile.Entry | None) -> Acceptance | None:
    if entry is None:
        return None
    until = entry.day("until")
    if until is None:
        raise entry.fail("an acceptance runs out: it needs 'until'", hint="Add `until: 2027-05-31`.")
    acceptance = Acceptance(entry.need("by"), entry.need("role"), entry.need("rationale"), until)
    entry.done()
    return acceptance


def _action(entry: yamlfile.Entry) -> Action:
    entry.what = entry.need("id")
    sides = entry.entries("side_effects")
    action = Action(
        id=entry.what,
        harms=entry.strings("harms"),
        type=entry.choice("type", ACTION_TYPES),
        description=entry.need("description"),
        owner=entry.text("owner"),
        approver=entry.text("approver"),
        due=entry.day("due"),
        status=entry.choice("status", ACTION_STATUSES, "proposed"),
        critical=entry.flag("critical"),
        effect=_effect(entry.entry("effect")),
        side_effects=tuple(_side(side) for side in sides),
        where=entry.where(),
    )
    for free in (
        "history",
        "key",
        "rationale",
        "evidence",
        "expected",
        "alternatives_rejected",
        "legal_note",
        "target",
        "baseline",
        "result",
        "cost",
        "rollback",
        "monitor",
        "notes",
    ):
        entry.get(free)
    entry.done()
    return action


def _side(entry: yamlfile.Entry) -> SideEffect:
    effect, limit = _effect(entry), entry.number("limit")
    if effect is None or limit is None:
        raise entry.fail("a side effect needs metric, group, delta, low, high and limit")
    made = SideEffect(entry.need("metric"), entry.need("group"), effect, limit)
    entry.done()
    return made


def _effect(entry: yamlfile.Entry | None) -> Effect | None:
    if entry is None:
        return None
    delta, low, high = entry.number("delta"), entry.number("low"), entry.number("high")
    if delta is None or low is None or high is None or not low <= delta <= high:
        raise entry.fail("an effect is delta with its interval, low ≤ delta ≤ high")
    return Effect(delta, low, high)


def _nothing(entry: yamlfile.Entry) -> Nothing:
    found = Nothing(
        entry.choice("theme", tuple(dict.fromkeys(kind.theme for kind in load_kinds()))),
        entry.need("because"),
        entry.need("by"),
    )
    entry.done()
    return found
