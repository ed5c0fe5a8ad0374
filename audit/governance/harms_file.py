"""The harm register as `governance/harms.yaml` holds it: every row checked, every error with its line."""

from __future__ import annotations

from pathlib import Path

from audit.errors import SpecError
from audit.governance import yamlfile
from audit.governance.harms import (
    ACTION_STATUSES,
    ACTION_TYPES,
    SOURCES,
    STATUSES,
    TREATMENTS,
    Acceptance,
    Action,
    Effect,
    Harm,
    Nothing,
    Register,
    SideEffect,
    Trigger,
)
from audit.governance.rating import LEVELS, read_rating
from audit.governance.themes import load_kinds
from audit.registry import nearest


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
