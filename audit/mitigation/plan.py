"""The plan: actions in the harm register, drafted from evidence, edited by people, judged by an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from audit.governance.harms import DONE_ACTIONS
from audit.governance.register import Book
from audit.governance.seeding import from_result
from audit.mitigation.drafts import Draft, Evidence, drafts, unheard
from audit.result import AuditResult, NotMeasured

PROGRAM = "harm-audit"
SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class PlanAction:
    """One action as the register holds it, for reading."""

    id: str
    key: str | None
    type: str
    description: str
    status: str
    overdue: bool
    harms: tuple[str, ...]
    rationale: str | None
    evidence: tuple[str, ...]
    target: str | None
    expected: str | None
    side_effects: tuple[str, ...]
    cost: str | None
    legal_note: str | None
    monitor: str | None
    alternatives_rejected: tuple[str, ...]
    owner: str | None
    approver: str | None
    due: str | None
    delta: float | None
    """The measured effect with its interval; None before a second audit."""
    low: float | None
    high: float | None
    result: str | None
    history: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All actions of a register on a day."""

    schema_version: str
    system: str
    bundle: str
    as_of: str
    actions: tuple[PlanAction, ...]
    harms: tuple[str, ...]
    """The harms that are open, each with its title."""
    without_action: tuple[str, ...]
    """Open harms for which nothing is planned."""
    unheard: tuple[NotMeasured, ...]


@dataclass(frozen=True, slots=True)
class Drafted:
    """What drafting did, by id."""

    added: tuple[str, ...]
    kept: tuple[str, ...]
    seeded: tuple[str, ...]


def draft(book: Book, evidence: Evidence, *, on: date) -> Drafted:
    """Add to the register the actions that the evidence asks for and that it does not hold yet.

    A violation without a row in the register is given one. An action that is there is left as it
    is, whatever people made of it; the same evidence twice changes nothing.
    """
    seeded = from_result(book, evidence.result, evidence.bundle, on=on).added
    there = {str(row["key"]): str(row["id"]) for row in _rows(book) if row.get("key")}
    added, kept = [], []
    for one in drafts(evidence):
        if one.key in there:
            kept.append(there[one.key])
            continue
        action = book.add_action(one.type, one.description, _harms_for(book, one), by=PROGRAM, on=on)
        book.set(action.id, **_fields(one))
        there[one.key] = action.id
        added.append(action.id)
    return Drafted(tuple(added), tuple(kept), seeded)


def _rows(book: Book) -> list[Mapping[str, Any]]:
    return list(book.document.data.get("actions") or ())


def _harms_for(book: Book, one: Draft) -> tuple[str, ...]:
    """The rows whose trigger the action is about; none for an action without a target."""
    target = one.target
    if target is None:
        return ()
    able = [
        h for h in book.register.harms if h.trigger is not None and h.status not in ("closed", "accepted")
    ]
    found = []
    for harm in able:
        trigger = harm.trigger
        if (
            trigger is None
            or trigger.rule != target.rule
            or not set(target.grouping) <= set(trigger.grouping)
        ):
            continue
        alike = trigger.grouping == target.grouping and one.type == "process"
        if alike or target.group in (trigger.group, *trigger.group.split(" × ")):
            found.append(harm.id)
    return tuple(found)


def _fields(one: Draft) -> dict[str, Any]:
    made: dict[str, Any] = {"key": one.key, "rationale": one.rationale, "evidence": list(one.evidence)}
    if one.target is not None:
        plain = {k: v for k, v in asdict(one.target).items() if v is not None}
        made["target"] = {**plain, "grouping": list(one.target.grouping)}
    if one.expected is not None:
        made["expected"] = {
            key: round(value, 6) if isinstance(value, float) else value
            for key, value in asdict(one.expected).items()
        }
    if one.side_effects:
        made["notes"] = list(one.side_effects)
    for key in ("cost", "legal_note", "monitor"):
        if getattr(one, key):
            made[key] = getattr(one, key)
    if one.alternatives_rejected:
        made["alternatives_rejected"] = list(one.alternatives_rejected)
    return made


def read_plan(
    book: Book, result: AuditResult, bundle: str, *, on: date, missing: tuple[NotMeasured, ...] = ()
) -> Plan:
    """The register's actions as a document, for pages and files."""
    actions = tuple(_action(book, row, on) for row in _rows(book))
    covered = {harm for one in actions if one.status not in ("cancelled", "superseded") for harm in one.harms}
    open_ = [h for h in book.register.harms if h.status_on(on) not in ("closed", "accepted")]
    return Plan(
        SCHEMA_VERSION,
        f"{result.system.name} {result.system.version or ''}".strip(),
        bundle,
        on.isoformat(),
        actions,
        tuple(f"{h.id}: {h.title}" for h in open_),
        tuple(f"{h.id}: {h.title}" for h in open_ if h.id not in covered),
        missing,
    )


def missing_evidence(evidence: Evidence) -> tuple[NotMeasured, ...]:
    """What the plan could not draw on."""
    return unheard(evidence)


def _action(book: Book, row: Mapping[str, Any], on: date) -> PlanAction:
    action = next(one for one in book.register.actions if one.id == row["id"])
    effect, expected = action.effect, row.get("expected")
    sides = [
        f"{s.metric} of {s.group}: {s.effect.delta:+.3f} ({s.effect.low:+.3f} to {s.effect.high:+.3f})"
        + (f", over the limit of {s.limit:g}" if s.over else "")
        for s in action.side_effects
    ]
    return PlanAction(
        id=action.id,
        key=_text(row.get("key")),
        type=action.type,
        description=action.description,
        status=action.status,
        overdue=action.due is not None and action.due < on and action.status not in DONE_ACTIONS,
        harms=action.harms,
        rationale=_text(row.get("rationale")),
        evidence=_texts(row.get("evidence")),
        target=_target_words(row.get("target")),
        expected=_expected_words(expected),
        side_effects=(*_texts(row.get("notes")), *sides),
        cost=_text(row.get("cost")),
        legal_note=_text(row.get("legal_note")),
        monitor=_text(row.get("monitor")),
        alternatives_rejected=_texts(row.get("alternatives_rejected")),
        owner=action.owner,
        approver=action.approver,
        due=None if action.due is None else action.due.isoformat(),
        delta=None if effect is None else effect.delta,
        low=None if effect is None else effect.low,
        high=None if effect is None else effect.high,
        result=_text(row.get("result")),
        history=book.history(action.id),
    )


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {item}" for key, item in value.items())
    return " ".join(str(value).split()) or None


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(text for one in value if (text := _text(one)))
    text = _text(value)
    return () if text is None else (text,)


def _target_words(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return _text(value)
    now = value.get("value")
    figure = "" if not isinstance(now, (int, float)) else f", now {now:.3f}"
    metric = str(value.get("metric", "")).replace("_", " ")
    return (
        f"{metric} {value.get('comparison', '')} of {value.get('group', '')} against "
        f"{value.get('reference', '')}{figure}, to {value.get('bound', '')}"
    )


def _expected_words(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return _text(value)
    try:
        delta, low, high = (float(value[key]) for key in ("delta", "low", "high"))
    except (KeyError, TypeError, ValueError):
        return _text(value)
    unit = "" if value.get("scale", "points") == "points" else " on the log scale"
    return f"nearer to parity by {delta:.3f} ({low:.3f} to {high:.3f}){unit}"
