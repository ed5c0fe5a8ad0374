"""Changes to the harm register: each one checked, each one written into the row's history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from audit.errors import UsageError
from audit.governance import people, yamlfile
from audit.governance.harms import Action, Harm, Register, Trigger
from audit.governance.harms_file import read_register
from audit.governance.rating import SCALES, above

HARM_MOVES = {
    "identified": ("assessed",),
    "assessed": ("treating", "residual_review"),
    "treating": ("residual_review",),
    "residual_review": ("accepted", "closed", "treating"),
    "accepted": ("reopened", "residual_review", "closed"),
    "closed": ("reopened",),
    "reopened": ("assessed", "treating", "residual_review"),
}
ACTION_MOVES = {
    "proposed": ("approved", "cancelled"),
    "approved": ("in_progress", "cancelled", "superseded"),
    "in_progress": ("implemented", "cancelled", "superseded"),
    "implemented": ("verified", "ineffective", "superseded"),
    "ineffective": ("in_progress", "superseded", "cancelled"),
    "verified": ("superseded",),
    "cancelled": (),
    "superseded": (),
}
TEMPLATE = """\
# The harm register. Rows are moved by `harm-audit harms`, which checks the step and keeps the history;
# text may be edited by hand. Ids are never used again.

tolerance: low            # the highest remaining level that may ship without an acceptance
last_harm: 0
last_action: 0
nothing_found: []         # themes that were looked at and hold no harm: {theme: , because: , by: }
harms: []
actions: []
"""


class Book:
    """The register as an open file: read it, change rows by their rules, save."""

    def __init__(self, document: yamlfile.Document) -> None:
        self.document = document
        self.register: Register = read_register(document)

    @classmethod
    def open(cls, path: Path) -> Book:
        """The register at `path`, a new one where there is none (written at `save`)."""
        if path.exists():
            return cls(yamlfile.load(path))
        return cls(yamlfile.Document(path, yamlfile.parse(TEMPLATE, path), None))

    def save(self) -> bool:
        """Write it if it changed."""
        return self.document.save()

    def add_harm(
        self,
        title: str,
        *,
        source: str,
        by: str,
        on: date,
        description: str | None = None,
        taxonomy: tuple[str, ...] = (),
        affected: tuple[str, ...] = (),
        links: tuple[str, ...] = (),
        trigger: Trigger | None = None,
        owner: str | None = None,
    ) -> Harm:
        """A new row, `identified`, with the next id."""
        row = CommentedMap(id=self._next("last_harm", "H"), title=title)
        if description:
            row["description"] = description
        row["source"] = source
        for key, values in (("taxonomy", taxonomy), ("affected", affected), ("links", links)):
            if values:
                row[key] = _flow(values)
        if trigger is not None:
            row["trigger"] = _trigger_map(trigger)
        row["owner"] = owner
        row["status"] = "identified"
        row["history"] = CommentedSeq([_entry(on, by, None, "identified", f"from {source}")])
        self._rows("harms").append(row)
        return self._reread().harm(str(row["id"]))

    def add_action(self, kind: str, description: str, harms: tuple[str, ...], *, by: str, on: date) -> Action:
        """A new action, `proposed`, for rows that are there."""
        for harm in harms:
            self.register.harm(harm)
        row = CommentedMap(id=self._next("last_action", "A"), harms=_flow(harms), type=kind)
        row["description"] = description
        row["status"] = "proposed"
        row["history"] = CommentedSeq([_entry(on, by, None, "proposed", None)])
        self._rows("actions").append(row)
        return self._action(str(row["id"]), self._reread())

    def set(self, row_id: str, **fields: Any) -> None:
        """Set fields of a row; nothing moves by it."""
        row = self._row(row_id)
        for key, value in fields.items():
            if key in ("id", "status", "history"):
                raise UsageError(f"{key} of {row_id} is not set by hand")
            row[key] = CommentedMap(value) if isinstance(value, Mapping) else value
        self._reread()

    def row(self, row_id: str) -> Mapping[str, Any]:
        """All fields of a row as they stand in the file; to be read."""
        found: Mapping[str, Any] = self._row(row_id)
        return found

    def found_nothing(self, theme: str, because: str, by: str) -> None:
        """Note that a theme was looked at and holds no harm."""
        row = CommentedMap(theme=theme, because=because, by=by)
        self._rows("nothing_found").append(row)
        self._reread()

    def note(self, row_id: str, words: str, *, by: str, on: date) -> None:
        """Write a remark into a row's history; nothing moves."""
        row = self._row(row_id)
        status = str(row["status"])
        row.setdefault("history", CommentedSeq()).append(_entry(on, by, status, status, words))

    def history(self, row_id: str) -> tuple[str, ...]:
        """What happened to a row, a line each."""
        return tuple(
            f"{step.get('at')} {step.get('by')}: {step.get('to')}"
            + (f", {step['note']}" if step.get("note") else "")
            for step in self._row(row_id).get("history") or ()
        )

    def move(self, row_id: str, to: str, *, by: str, on: date, note: str | None = None) -> None:
        """Move a row to another status; a UsageError says why it may not."""
        row = self._row(row_id)
        start = str(row["status"])
        action = row_id.upper().startswith("A")
        allowed = (ACTION_MOVES if action else HARM_MOVES)[start]
        if to not in allowed:
            raise UsageError(
                f"{row_id} is {start} and cannot become {to}",
                hint=f"From {start} it may become: {', '.join(allowed) or 'nothing more'}.",
            )
        problem = self._action_problem(row_id, to) if action else self._harm_problem(row_id, to, on)
        if problem:
            raise UsageError(f"{row_id} cannot become {to}: {problem}")
        self._step(row, to, by, on, note)
        if action and to == "ineffective":
            self._reopen_for(row_id, by, on)

    def see(self, harm_id: str, trigger: Trigger, *, on: date, fails: bool) -> bool:
        """Hold a row against a new result: the trigger is brought up to date, a relapse reopens it."""
        harm = self.register.harm(harm_id)
        row = self._row(harm_id)
        if harm.trigger is not None and harm.trigger.bundle == trigger.bundle:
            return False
        row["trigger"] = _trigger_map(trigger)
        worse = harm.status == "closed" or (harm.status == "accepted" and _outside(harm.trigger, trigger))
        if fails and worse:
            self._step(
                row, "reopened", "harm-audit", on, f"fails again: {trigger.observed} ({trigger.limit})"
            )
        self._reread()
        return True

    def _harm_problem(self, row_id: str, to: str, on: date) -> str | None:
        harm = self.register.harm(row_id)
        needs = {
            "assessed": _ASSESSED,
            "treating": _TREATING,
            "residual_review": _REVIEW,
            "accepted": _REVIEW,
            "closed": _REVIEW,
        }
        missing = [words for name, words in needs.get(to, {}).items() if getattr(harm, name) is None]
        if missing:
            return f"it lacks {' and '.join(missing)}"
        if to == "accepted":
            return _acceptance_problem(harm, on)
        if to == "closed":
            open_actions = self.register.open_actions(harm.id)
            if open_actions:
                return f"{', '.join(a.id for a in open_actions)} still open"
            if harm.residual is not None and above(harm.residual.level, self.register.tolerance):
                level, tolerance = harm.residual.level, self.register.tolerance
                return f"its residual level is {level}, above {tolerance}; accept it instead"
        return None

    def _action_problem(self, row_id: str, to: str) -> str | None:
        action = self._action(row_id, self.register)
        if to == "approved" and (action.approver is None or people.same(action.approver, action.owner)):
            return "it needs an approver who is not its owner"
        if to == "in_progress" and (action.owner is None or action.due is None):
            return "it needs an owner and a due date"
        if to == "verified":
            return verification_problem(action)
        return None

    def _reopen_for(self, action_id: str, by: str, on: date) -> None:
        for harm in self._action(action_id, self.register).harms:
            row = self._row(harm)
            if row["status"] != "reopened":
                self._step(row, "reopened", by, on, f"{action_id} was ineffective")

    def _step(self, row: CommentedMap, to: str, by: str, on: date, note: str | None) -> None:
        row.setdefault("history", CommentedSeq()).append(_entry(on, by, str(row["status"]), to, note))
        row["status"] = to
        self._reread()

    def _rows(self, name: str) -> CommentedSeq:
        if not self.document.data.get(name):
            self.document.data[name] = CommentedSeq()
        rows: CommentedSeq = self.document.data[name]
        rows.fa.set_block_style()
        return rows

    def _row(self, row_id: str) -> CommentedMap:
        name = "actions" if row_id.upper().startswith("A") else "harms"
        for row in self._rows(name):
            if row.get("id") == row_id.upper():
                return row  # type: ignore[no-any-return]
        raise UsageError(f"no row is called {row_id!r}", hint="`harm-audit harms list` names them.")

    def _next(self, counter: str, letter: str) -> str:
        used = [int(row["id"].split("-")[1]) for row in self._rows("actions" if letter == "A" else "harms")]
        number = max([int(self.document.data.get(counter) or 0), *used]) + 1
        self.document.data[counter] = number
        return f"{letter}-{number:03d}"

    def _reread(self) -> Register:
        self.register = read_register(self.document)
        return self.register

    @staticmethod
    def _action(row_id: str, register: Register) -> Action:
        return next(action for action in register.actions if action.id == row_id.upper())


_ASSESSED = {"inherent": f"a full inherent rating ({', '.join(SCALES)}, rationale)"}
_TREATING = {**_ASSESSED, "owner": "an owner", "treatment": "a treatment", "due": "a due date"}
_REVIEW = {**_ASSESSED, "owner": "an owner", "residual": "a full residual rating"}


def verification_problem(action: Action) -> str | None:
    """Why an action is not verified: no effect measured, none certain, or harm done elsewhere."""
    if action.effect is None:
        return "no effect was measured; give delta with its interval, positive is better"
    if action.effect.low <= 0:
        low, high = action.effect.low, action.effect.high
        return f"the interval of its effect ({low:g} to {high:g}) does not exclude none"
    over = [side for side in action.side_effects if side.over]
    if over:
        first = over[0]
        worse = f"{first.metric} of {first.group} may be worse by {-first.effect.low:g}"
        return f"{worse}, more than {first.limit:g}"
    return None


def _acceptance_problem(harm: Harm, on: date) -> str | None:
    if harm.acceptance is None:
        return "it lacks an acceptance (by, role, rationale, until)"
    if people.same(harm.acceptance.by, harm.owner):
        return "its owner cannot accept it; another named person must"
    if harm.acceptance.until < on:
        return f"the acceptance ran out on {harm.acceptance.until}"
    return None


def _outside(before: Trigger | None, now: Trigger) -> bool:
    if before is None or before.low is None or before.high is None or now.observed is None:
        return True
    return not before.low <= now.observed <= before.high


def _trigger_map(trigger: Trigger) -> CommentedMap:
    plain = {key: value for key, value in asdict(trigger).items() if value is not None}
    plain["grouping"] = _flow(trigger.grouping)
    return CommentedMap(plain)


def _flow(values: tuple[str, ...]) -> CommentedSeq:
    row = CommentedSeq(values)
    row.fa.set_flow_style()
    return row


def _entry(on: date, by: str, before: str | None, to: str, note: str | None) -> CommentedMap:
    row = CommentedMap(at=on, by=by)
    if before:
        row["from"] = before
    row["to"] = to
    if note:
        row["note"] = note
    row.fa.set_flow_style()
    return row
